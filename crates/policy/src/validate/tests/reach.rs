//! Findings about what can never be reached.

use expect_test::expect;

use super::check_rules;
use crate::fixture::{ADAPTERS, DESCRIPTORS, load_text, rendered_rules};

#[test]
fn a_selector_that_fails_is_not_said_never_to_apply() {
    check_rules(
        r#"rules:
  - selector: request.path.startsWith("/a") && "[a".matches(request.path)
    aspects: [{ kind: denials }]
"#,
        &expect![[r#"
            warning: this fails whenever it is evaluated: error parsing regexp '[a': unclosed character class
             --> scopes/global/subjects/global/rules.yml:2:48
              |
            2 |   - selector: request.path.startsWith("/a") && "[a".matches(request.path)
              |                                                ^^^^
        "#]],
    );
}

#[test]
fn selectors_that_contradict_themselves() {
    check_rules(
        r#"rules:
  - selector: source.user == "a" && source.user == "b"
    aspects: [{ kind: denials }]
  - selector: destination.port < 1024 && 8000 <= destination.port
    aspects: [{ kind: denials }]
  - selector: source.user == "a" && (request.method == "GET" || request.method == "HEAD") && request.method == "PUT"
    aspects: [{ kind: denials }]
  - selector: "false"
    aspects: [{ kind: denials }]
  - aspects:
      - { kind: denials, selector: '(source.labels["app"] | "") == "x" && source.labels["app"] != "x"' }
"#,
        &expect![[r#"
            warning: this selector never holds: `source.user == "b"` contradicts `source.user == "a"`
             --> scopes/global/subjects/global/rules.yml:2:37
              |
            2 |   - selector: source.user == "a" && source.user == "b"
              |                                     ^^^^^^^^^^^
              = help: for the one or the other, write `||`

            warning: this selector never holds: `destination.port >= 8000` contradicts `destination.port < 1024`
             --> scopes/global/subjects/global/rules.yml:4:50
              |
            4 |   - selector: destination.port < 1024 && 8000 <= destination.port
              |                                                  ^^^^^^^^^^^^^^^^

            warning: this selector never holds, so what it guards never applies
             --> scopes/global/subjects/global/rules.yml:6:15
              |
            6 |   - selector: source.user == "a" && (request.method == "GET" || request.method == "HEAD") && request.method == "PUT"
              |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
              = help: remove what it guards, or correct it

            warning: this selector never holds, so what it guards never applies
             --> scopes/global/subjects/global/rules.yml:8:15
              |
            8 |   - selector: "false"
              |               ^^^^^^^
              = help: remove what it guards, or correct it

            warning: this selector never holds: `source.labels["app"] != "x"` contradicts `source.labels["app"] == "x"`
              --> scopes/global/subjects/global/rules.yml:11:75
               |
            11 |       - { kind: denials, selector: '(source.labels["app"] | "") == "x" && source.labels["app"] != "x"' }
               |                                                                           ^^^^^^^^^^^^^^^^^^^^
        "#]],
    );
}

#[test]
fn selectors_that_contradict_those_around_them() {
    check_rules(
        r#"rules:
  - selector: source.user == "a"
    rules:
      - selector: request.path.startsWith("/admin")
        aspects:
          - { kind: denials, selector: source.user == "b" }
        rules:
          - selector: request.path == "/"
            aspects: [{ kind: denials }]
          - selector: request.path == "/admin" && request.path != "/admin"
            aspects:
              - { kind: denials, selector: source.user == "c" }
      - selector: source.user == "b" || source.user == "c"
        aspects: [{ kind: denials }]
      - selector: source.user == "a" || source.user == "c"
        aspects: [{ kind: denials }]
"#,
        &expect![[r#"
            warning: this selector never holds: `source.user == "b"` contradicts `source.user == "a"`
             --> scopes/global/subjects/global/rules.yml:6:40
              |
            6 |           - { kind: denials, selector: source.user == "b" }
              |                                        ^^^^^^^^^^^
              = help: the rule around it asks for that at scopes/global/subjects/global/rules.yml:2

            warning: this selector never holds: `request.path == "/"` contradicts `request.path.startsWith("/admin")`
             --> scopes/global/subjects/global/rules.yml:8:23
              |
            8 |           - selector: request.path == "/"
              |                       ^^^^^^^^^^^^
              = help: the rule around it asks for that at scopes/global/subjects/global/rules.yml:4

            warning: this selector never holds: `request.path != "/admin"` contradicts `request.path == "/admin"`
              --> scopes/global/subjects/global/rules.yml:10:51
               |
            10 |           - selector: request.path == "/admin" && request.path != "/admin"
               |                                                   ^^^^^^^^^^^^

            warning: this selector never holds together with those of the rules around it
              --> scopes/global/subjects/global/rules.yml:13:19
               |
            13 |       - selector: source.user == "b" || source.user == "c"
               |                   ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
              = help: a rule is only looked at if the selectors of all rules around it hold
        "#]],
    );
}

#[test]
fn selectors_that_say_nothing() {
    check_rules(
        r#"rules:
  - selector: "true"
    aspects: [{ kind: denials }]
  - selector: True
    aspects: [{ kind: denials }]
  - selector: "true || source.user == \"a\""
    aspects: [{ kind: denials }]
  - selector: 1 == 1
    aspects: [{ kind: denials }]
"#,
        &expect![[r#"
            warning: this selector holds for every request
             --> scopes/global/subjects/global/rules.yml:6:15
              |
            6 |   - selector: "true || source.user == \"a\""
              |               ^^^^^^^^^^^^^^^^^^^^^^^^^^^^^^
              = help: leave it out, or write `true`

            warning: this selector holds for every request
             --> scopes/global/subjects/global/rules.yml:8:15
              |
            8 |   - selector: 1 == 1
              |               ^^^^^^
              = help: leave it out, or write `true`
        "#]],
    );
}

#[test]
fn selectors_that_contradict_the_subject() {
    let rules = r#"rules:
  - selector: target.service == "reviews.default.svc.cluster.local"
    aspects: [{ kind: denials }]
  - selector: source.user == "a" && target.service == "ratings.default.svc.cluster.local"
    aspects: [{ kind: denials }]
  - rules:
      - selector: target.service == "v1.Reviews.default.svc.cluster.local."
        aspects: [{ kind: denials }]
      - selector: target.service != "reviews.default.svc.cluster.local"
        aspects: [{ kind: denials }]
"#;
    let loaded = load_text(&format!(
        "{DESCRIPTORS}{ADAPTERS}//- scopes/global/subjects/global/rules.yml\n{rules}\
         //- scopes/global/subjects/reviews.default.svc.cluster.local/rules.yml\n{rules}"
    ));
    expect![[r#"
        warning: this selector never holds: `target.service == "ratings.default.svc.cluster.local"` is not so for subject `reviews.default.svc.cluster.local`
         --> scopes/global/subjects/reviews.default.svc.cluster.local/rules.yml:4:37
          |
        4 |   - selector: source.user == "a" && target.service == "ratings.default.svc.cluster.local"
          |                                     ^^^^^^^^^^^^^^
          = help: the rules of a file are for requests whose `target.service` is its subject, or below it
    "#]]
    .assert_eq(&rendered_rules(&loaded));
}

const QUOTAS: &str = r#"rules:
  - selector: source.user == "guest"
    aspects:
      - kind: quotas
        params: { quotas: [{ descriptorName: slots, maxAmount: 1 }] }
    rules:
      - selector: request.method == "GET"
        aspects:
          - kind: quotas
            params: { quotas: [{ descriptorName: slots, maxAmount: 2 }] }
  - aspects:
      - kind: quotas
        selector: request.method == "GET"
        params:
          quotas:
            - descriptorName: requests
              labels: { user: source.user }
              maxAmount: 10
              expiration: 1s
              overrides:
                - { labels: { user: ops }, maxAmount: 100 }
                - { labels: { user: batch }, maxAmount: 50 }
                - { labels: { user: ops }, maxAmount: 200 }
      - kind: quotas
        params: { quotas: [{ descriptorName: slots, maxAmount: 3 }] }
  - selector: source.user == "ops"
    aspects:
      - kind: quotas
        params:
          quotas:
            - { descriptorName: slots, maxAmount: 4 }
            - { descriptorName: requests, labels: { user: source.user }, maxAmount: 4, expiration: 1s }
"#;

#[test]
fn quotas_behind_others() {
    let descriptors = "quotas:
  - { name: requests, rate_limit: true, labels: { user: STRING } }
  - { name: slots }
";
    let adapters = "  - { name: default, impl: memQuota }\n";
    let other = "rules: [{ aspects: [{ kind: quotas, params: { quotas: [{ descriptorName: slots, maxAmount: 5 }] } }] }]\n";
    let loaded = load_text(&format!(
        "{DESCRIPTORS}{descriptors}{ADAPTERS}{adapters}//- scopes/global/subjects/global/rules.yml\n{QUOTAS}\
         //- scopes/global/subjects/a.svc.cluster.local/rules.yml\n{other}"
    ));
    expect![[r#"
        warning: this definition of quota `slots` is never reached: the one at scopes/global/subjects/global/rules.yml:5 applies before it
          --> scopes/global/subjects/global/rules.yml:10:50
           |
        10 |             params: { quotas: [{ descriptorName: slots, maxAmount: 2 }] }
           |                                                  ^^^^^
          = help: of the definitions of a subject the first that applies counts; put the one with the narrower selector first

        warning: this override never applies: the one at scopes/global/subjects/global/rules.yml:21 applies before it
          --> scopes/global/subjects/global/rules.yml:23:19
           |
        23 |                 - { labels: { user: ops }, maxAmount: 200 }
           |                   ^
          = help: the first override that applies counts; put the one with more labels first

        warning: this definition of quota `slots` is never reached: the one at scopes/global/subjects/global/rules.yml:25 applies before it
          --> scopes/global/subjects/global/rules.yml:31:33
           |
        31 |             - { descriptorName: slots, maxAmount: 4 }
           |                                 ^^^^^
          = help: of the definitions of a subject the first that applies counts; put the one with the narrower selector first
    "#]]
    .assert_eq(&rendered_rules(&loaded));
}

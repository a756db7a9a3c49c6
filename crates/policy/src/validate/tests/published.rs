//! What users' guides and issues published and was never valid: each says what is wrong.

use expect_test::expect;

use super::{check_rules, check_tree};

#[test]
fn publisher_url() {
    check_tree(
        r#"//- scopes/global/adapters.yml
adapters:
  - name: default
    kind: lists
    impl: ipListChecker
    params:
      publisherUrl: https://mylistserver:912
      refreshInterval: 60s
"#,
        &expect![[r#"
            error: `ipListChecker`: `publisherUrl`: there is no such parameter
             --> scopes/global/adapters.yml:6:7
              |
            6 |       publisherUrl: https://mylistserver:912
              |       ^^^^^^^^^^^^
              = help: did you mean `providerUrl`?
        "#]],
    );
}

/// The model's own page has them; here they guard the aspect.
#[test]
fn a_selector_on_an_aspect() {
    check_rules(
        r#"rules:
  - selector: source.user != "ops"
    aspects:
      - selector: request.path.startsWith("/admin")
        kind: denials
"#,
        &expect![[r#""#]],
    );
}

#[test]
fn a_rule_in_two_items() {
    check_rules(
        r#"rules:
  - selector: source.labels["app"] == "reviews"
  - aspects:
    - kind: denials
"#,
        &expect![[r#"
            error: this rule has a selector and no aspects, the next has aspects and no selector
             --> scopes/global/subjects/global/rules.yml:2:5
              |
            2 |   - selector: source.labels["app"] == "reviews"
              |     ^
              = help: remove the dash before `aspects:`, so that the two are one rule; as they are, the aspects apply always
        "#]],
    );
}

#[test]
fn aspects_below_rules() {
    check_rules(
        r#"rules:
  aspects:
  - kind: denials
"#,
        &expect![[r#"
            error: expected a list for `rules`, found a map
             --> scopes/global/subjects/global/rules.yml:2:3
              |
            2 |   aspects:
              |   ^^^^^^^
              = help: each item of a list begins with a dash: `- aspects:`
        "#]],
    );
}

#[test]
fn entries_that_are_not_indented() {
    check_tree(
        r#"//- scopes/global/adapters.yml
adapters:
  - name: agents
    impl: genericListChecker
    params:
    listEntries: ["BadBot"]
  - name: users
    impl: genericListChecker
    params:
      listEntries:
     - guest
"#,
        &expect![[r#"
            error: not valid YAML: while parsing a block mapping, did not find expected key
              --> scopes/global/adapters.yml:10:6
               |
            10 |      - guest
               |      ^
              = help: all fields of a map, and all dashes of a list, begin in one column; is a line indented otherwise?
        "#]],
    );
}

#[test]
fn an_adapter_by_its_impl() {
    check_rules(
        r#"rules:
  - aspects:
    - kind: metrics
      adapter: prometheus
      params:
        metrics:
        - descriptor_name: request_count
          value: "1"
          labels: { method: request.method, code: response.code }
    - kind: denials
      adapter: denyChecker
"#,
        &expect![[r#"
            error: no adapter block named `prometheus` serves `metrics`
             --> scopes/global/subjects/global/rules.yml:4:16
              |
            4 |       adapter: prometheus
              |                ^^^^^^^^^^
              = help: `prometheus` is an `impl`; the block that uses it is named `default`

            error: no adapter block named `denyChecker` serves `denials`
              --> scopes/global/subjects/global/rules.yml:11:16
               |
            11 |       adapter: denyChecker
               |                ^^^^^^^^^^^
              = help: `denyChecker` is an `impl`; the block that uses it is named `default`
        "#]],
    );
}

#[test]
fn parameters_beside_the_name_of_the_adapter() {
    check_tree(
        r#"//- scopes/global/adapters.yml
adapters:
  - name: default
    kind: lists
    impl: ipListChecker
    refreshInterval: 60s
    ttl: 300s
//- scopes/global/subjects/global/rules.yml
rules:
  - aspects:
      - kind: lists
        blacklist: true
        checkExpression: source.ip
        inputs: {}
"#,
        &expect![[r#"
            error: unknown field `refreshInterval` in an adapter block
             --> scopes/global/adapters.yml:5:5
              |
            5 |     refreshInterval: 60s
              |     ^^^^^^^^^^^^^^^
              = help: parameters belong under `params:`, one level deeper

            error: unknown field `ttl` in an adapter block
             --> scopes/global/adapters.yml:6:5
              |
            6 |     ttl: 300s
              |     ^^^
              = help: parameters belong under `params:`, one level deeper

            error: unknown field `blacklist` in an aspect
             --> scopes/global/subjects/global/rules.yml:4:9
              |
            4 |         blacklist: true
              |         ^^^^^^^^^
              = help: `blacklist` belongs under `params:`, one level deeper

            error: unknown field `checkExpression` in an aspect
             --> scopes/global/subjects/global/rules.yml:5:9
              |
            5 |         checkExpression: source.ip
              |         ^^^^^^^^^^^^^^^
              = help: `checkExpression` belongs under `params:`, one level deeper

            error: unknown field `inputs` in an aspect
             --> scopes/global/subjects/global/rules.yml:6:9
              |
            6 |         inputs: {}
              |         ^^^^^^
              = help: the fields are `kind`, `adapter`, `selector`, `params`, `validDuration` and `validUseCount`
        "#]],
    );
}

#[test]
fn values_without_quotes() {
    check_rules(
        r#"rules:
  - aspects:
      - kind: metrics
        params:
          metrics:
            - descriptorName: request_count
              value: 1
              labels: { method: true, code: 200 }
      - kind: quotas
        params: { quotas: { RequestCount: 5 } }
"#,
        &expect![[r#"
            error: expected text for `value`, found a number
             --> scopes/global/subjects/global/rules.yml:7:22
              |
            7 |               value: 1
              |                      ^
              = help: write `"1"`, in quotes

            error: expected text for label `method`, found a boolean
             --> scopes/global/subjects/global/rules.yml:8:33
              |
            8 |               labels: { method: true, code: 200 }
              |                                 ^^^^
              = help: write `"true"`, in quotes

            error: expected text for label `code`, found a number
             --> scopes/global/subjects/global/rules.yml:8:45
              |
            8 |               labels: { method: true, code: 200 }
              |                                             ^^^
              = help: write `"200"`, in quotes

            error: no adapter block named `default` serves `quotas` (an aspect that names no adapter uses that one)
             --> scopes/global/subjects/global/rules.yml:9:9
              |
            9 |       - kind: quotas
              |         ^
              = help: no adapter block serves `quotas`; the adapters that could are `memQuota`

            error: expected a list for `quotas`, found a map
              --> scopes/global/subjects/global/rules.yml:10:29
               |
            10 |         params: { quotas: { RequestCount: 5 } }
               |                             ^^^^^^^^^^^^
              = help: each item of a list begins with a dash: `- RequestCount:`
        "#]],
    );
}

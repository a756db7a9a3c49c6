//! Findings about rules and aspects.

use expect_test::expect;

use super::{check_rules, check_tree};

#[test]
fn a_selector_on_an_aspect_guards_it_alone() {
    check_rules(
        r#"rules:
  - aspects:
      - kind: denials
        selector: request.path == "/a"
"#,
        &expect![""],
    );
}

#[test]
fn a_selector_and_aspects_in_two_items() {
    check_rules(
        r#"rules:
  - selector: source.user == "x"
  - aspects:
      - kind: denials
"#,
        &expect![[r#"
            error: this rule has a selector and no aspects, the next has aspects and no selector
             --> scopes/global/subjects/global/rules.yml:2:5
              |
            2 |   - selector: source.user == "x"
              |     ^
              = help: remove the dash before `aspects:`, so that the two are one rule; as they are, the aspects apply always
        "#]],
    );
}

#[test]
fn rules_without_dashes() {
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
fn aspects_without_dashes() {
    check_rules(
        r#"rules:
  - aspects:
      kind: denials
"#,
        &expect![[r#"
            error: expected a list for `aspects`, found a map
             --> scopes/global/subjects/global/rules.yml:3:7
              |
            3 |       kind: denials
              |       ^^^^
              = help: each item of a list begins with a dash: `- kind:`
        "#]],
    );
}

#[test]
fn fields_of_an_aspect_on_a_rule() {
    check_rules(
        r#"rules:
  - kind: denials
"#,
        &expect![[r#"
            error: unknown field `kind` in a rule
             --> scopes/global/subjects/global/rules.yml:2:5
              |
            2 |   - kind: denials
              |     ^^^^
              = help: this is a field of an aspect: aspects are listed under `aspects:`
        "#]],
    );
}

#[test]
fn an_adapter_called_by_its_impl() {
    check_rules(
        r#"rules:
  - aspects:
      - kind: access-logs
        adapter: stdioLogger
        params:
          log: { descriptor_name: access, template_expressions: { method: request.method, path: request.path, when: request.time }, labels: { method: request.method } }
"#,
        &expect![[r#"
            error: no adapter block named `stdioLogger` serves `access-logs`
             --> scopes/global/subjects/global/rules.yml:4:18
              |
            4 |         adapter: stdioLogger
              |                  ^^^^^^^^^^^
              = help: `stdioLogger` is an `impl`; the block that uses it is named `default`
        "#]],
    );
}

#[test]
fn adapters_that_are_not_there() {
    check_rules(
        r#"rules:
  - aspects:
      - { kind: denials, adapter: defualt }
      - { kind: denials, adapter: somethingElse }
"#,
        &expect![[r#"
            error: no adapter block named `defualt` serves `denials`
             --> scopes/global/subjects/global/rules.yml:3:35
              |
            3 |       - { kind: denials, adapter: defualt }
              |                                   ^^^^^^^
              = help: did you mean `default`?

            error: no adapter block named `somethingElse` serves `denials`
             --> scopes/global/subjects/global/rules.yml:4:35
              |
            4 |       - { kind: denials, adapter: somethingElse }
              |                                   ^^^^^^^^^^^^^
              = help: the blocks that serve `denials` are `default`
        "#]],
    );
}

#[test]
fn params_without_their_level() {
    check_rules(
        r#"rules:
  - aspects:
      - kind: lists
        blacklist: true
        check_expression: source.ip
"#,
        &expect![[r#"
            error: unknown field `blacklist` in an aspect
             --> scopes/global/subjects/global/rules.yml:4:9
              |
            4 |         blacklist: true
              |         ^^^^^^^^^
              = help: `blacklist` belongs under `params:`, one level deeper

            error: unknown field `check_expression` in an aspect
             --> scopes/global/subjects/global/rules.yml:5:9
              |
            5 |         check_expression: source.ip
              |         ^^^^^^^^^^^^^^^^
              = help: `check_expression` belongs under `params:`, one level deeper
        "#]],
    );
}

#[test]
fn kinds_that_are_not() {
    check_rules(
        r#"rules:
  - aspects:
      - kind: denails
      - adapter: default
"#,
        &expect![[r#"
            error: unknown aspect kind `denails`
             --> scopes/global/subjects/global/rules.yml:3:15
              |
            3 |       - kind: denails
              |               ^^^^^^^
              = help: did you mean `denials`?

            error: the aspect has no `kind`
             --> scopes/global/subjects/global/rules.yml:4:9
              |
            4 |       - adapter: default
              |         ^
              = help: the kinds are `access-logs`, `application-logs`, `attributes`, `denials`, `lists`, `metrics` and `quotas`
        "#]],
    );
}

#[test]
fn unknown_fields_have_suggestions() {
    check_rules(
        r#"rulez: []
rules:
  - selector: "true"
    aspect:
      - kind: denials
    aspects:
      - kind: lists
        params:
          blackList: true
          check_expresion: source.ip
          colour: red
"#,
        &expect![[r#"
            error: unknown field `rulez` in a rules file
             --> scopes/global/subjects/global/rules.yml:1:1
              |
            1 | rulez: []
              | ^^^^^
              = help: did you mean `rules`?

            error: unknown field `aspect` in a rule
             --> scopes/global/subjects/global/rules.yml:4:5
              |
            4 |     aspect:
              |     ^^^^^^
              = help: did you mean `aspects`?

            error: unknown field `blackList` in the params of a `lists` aspect
             --> scopes/global/subjects/global/rules.yml:9:11
              |
            9 |           blackList: true
              |           ^^^^^^^^^
              = help: did you mean `blacklist`?

            error: unknown field `check_expresion` in the params of a `lists` aspect
              --> scopes/global/subjects/global/rules.yml:10:11
               |
            10 |           check_expresion: source.ip
               |           ^^^^^^^^^^^^^^^
              = help: did you mean `check_expression`?

            error: unknown field `colour` in the params of a `lists` aspect
              --> scopes/global/subjects/global/rules.yml:11:11
               |
            11 |           colour: red
               |           ^^^^^^
              = help: the fields are `blacklist` and `checkExpression`
        "#]],
    );
}

#[test]
fn selectors_have_to_be_boolean_and_known() {
    check_rules(
        r#"rules:
  - selector: request.size
    aspects:
      - kind: denials
    rules:
      - selector: request.pth == "/"
        aspects:
          - { kind: denials, selector: 'request.method == 5' }
"#,
        &expect![[r#"
            error: a selector has to be BOOL, but the expression is INT64
             --> scopes/global/subjects/global/rules.yml:2:15
              |
            2 |   - selector: request.size
              |               ^^^^^^^^^^^^

            error: a selector: unknown attribute `request.pth`
             --> scopes/global/subjects/global/rules.yml:6:19
              |
            6 |       - selector: request.pth == "/"
              |                   ^^^^^^^^^^^
              = help: did you mean `request.path`?

            error: a selector: EQ($request.method, 5) arg 2 (5) typeError got INT64, expected STRING
             --> scopes/global/subjects/global/rules.yml:8:59
              |
            8 |           - { kind: denials, selector: 'request.method == 5' }
              |                                                           ^
        "#]],
    );
}

#[test]
fn header_fields_are_ignored() {
    check_rules(
        r#"subject: namespace:ns
revision: 2022
rules:
"#,
        &expect![[r#"
            warning: `subject` is ignored: scope and subject are those of the file's path
             --> scopes/global/subjects/global/rules.yml:1:1
              |
            1 | subject: namespace:ns
              | ^^^^^^^

            warning: `revision` is ignored: the revision is computed from the contents
             --> scopes/global/subjects/global/rules.yml:2:1
              |
            2 | revision: 2022
              | ^^^^^^^^
        "#]],
    );
}

#[test]
fn list_expressions() {
    check_rules(
        r#"rules:
  - aspects:
      - kind: lists
      - kind: lists
        params: { check_expression: source.user }
      - kind: lists
        params: { check_expression: request.size }
      - kind: lists
        params: { check_expression: "" }
      - kind: lists
        params: { check_expression: 5 }
"#,
        &expect![[r#"
            error: `check_expression` has to be STRING or IP_ADDRESS, but the expression is INT64
             --> scopes/global/subjects/global/rules.yml:7:37
              |
            7 |         params: { check_expression: request.size }
              |                                     ^^^^^^^^^^^^

            error: no expression for `check_expression`
             --> scopes/global/subjects/global/rules.yml:9:37
              |
            9 |         params: { check_expression: "" }
              |                                     ^^

            error: expected text for `check_expression`, found a number
              --> scopes/global/subjects/global/rules.yml:11:37
               |
            11 |         params: { check_expression: 5 }
               |                                     ^
              = help: write `"5"`, in quotes
        "#]],
    );
}

#[test]
fn metrics_match_their_descriptors() {
    check_rules(
        r#"rules:
  - aspects:
      - kind: metrics
        params:
          metrics:
            - descriptor_name: request_count
              value: 1
              labels: { method: request.method, code: response.code }
            - descriptorName: request_count
              value: request.path
              labels: { methd: request.method, code: request.path }
            - descriptor_name: request_coun
              value: "1"
            - value: "1"
            - descriptor_name: request_count
              labels: { method: request.method, code: response.code }
"#,
        &expect![[r#"
            error: expected text for `value`, found a number
             --> scopes/global/subjects/global/rules.yml:7:22
              |
            7 |               value: 1
              |                      ^
              = help: write `"1"`, in quotes

            warning: metric `request_count` is given twice; first at scopes/global/subjects/global/rules.yml:6
             --> scopes/global/subjects/global/rules.yml:9:31
              |
            9 |             - descriptorName: request_count
              |                               ^^^^^^^^^^^^^
              = help: each request is measured twice; give one of them another descriptor

            error: `value` has to be INT64, but the expression is STRING
              --> scopes/global/subjects/global/rules.yml:10:22
               |
            10 |               value: request.path
               |                      ^^^^^^^^^^^^

            error: no expressions for labels `method` of `request_count`
              --> scopes/global/subjects/global/rules.yml:11:23
               |
            11 |               labels: { methd: request.method, code: request.path }
               |                       ^
              = help: an aspect gives every label that the descriptor declares

            error: `request_count` declares no label `methd`
              --> scopes/global/subjects/global/rules.yml:11:25
               |
            11 |               labels: { methd: request.method, code: request.path }
               |                         ^^^^^
              = help: did you mean `method`?

            error: label `code` has to be INT64, but the expression is STRING
              --> scopes/global/subjects/global/rules.yml:11:54
               |
            11 |               labels: { methd: request.method, code: request.path }
               |                                                      ^^^^^^^^^^^^

            error: there is no metric descriptor `request_coun`
              --> scopes/global/subjects/global/rules.yml:12:32
               |
            12 |             - descriptor_name: request_coun
               |                                ^^^^^^^^^^^^
              = help: did you mean `request_count`?

            error: the metric has no `descriptorName`
              --> scopes/global/subjects/global/rules.yml:14:15
               |
            14 |             - value: "1"
               |               ^

            error: the metric has no `value`
              --> scopes/global/subjects/global/rules.yml:15:15
               |
            15 |             - descriptor_name: request_count
               |               ^
              = help: to count requests, write `value: "1"`

            warning: metric `request_count` is given twice; first at scopes/global/subjects/global/rules.yml:6
              --> scopes/global/subjects/global/rules.yml:15:32
               |
            15 |             - descriptor_name: request_count
               |                                ^^^^^^^^^^^^^
              = help: each request is measured twice; give one of them another descriptor
        "#]],
    );
}

#[test]
fn log_variables() {
    check_rules(
        r#"rules:
  - aspects:
      - kind: access-logs
        params:
          log:
            descriptor_name: access
            template_expressions:
              path: request.path
              when: request.path
            labels: { method: request.method }
      - kind: access-logs
        params: { log: { labels: { } } }
"#,
        &expect![[r#"
            warning: the template of log `access` uses `method`, which `template_expressions` does not give
             --> scopes/global/subjects/global/rules.yml:8:15
              |
            8 |               path: request.path
              |               ^
              = help: such a variable prints `<no value>`, or what `or` has in its place

            error: the template of log `access` formats `when` as a time, but the expression is STRING
             --> scopes/global/subjects/global/rules.yml:9:21
              |
            9 |               when: request.path
              |                     ^^^^^^^^^^^^

            error: there is no log descriptor `common`
              --> scopes/global/subjects/global/rules.yml:12:24
               |
            12 |         params: { log: { labels: { } } }
               |                        ^
              = help: the declared logs are `access`
        "#]],
    );
}

#[test]
fn yaml_that_is_not() {
    check_rules(
        r#"rules:
  - aspects:
    - kind: denials
     adapter: default
"#,
        &expect![[r#"
            error: not valid YAML: while parsing a block mapping, did not find expected key
             --> scopes/global/subjects/global/rules.yml:4:6
              |
            4 |      adapter: default
              |      ^
              = help: all fields of a map, and all dashes of a list, begin in one column; is a line indented otherwise?
        "#]],
    );
}

#[test]
fn duplicate_keys() {
    check_rules(
        r#"rules:
  - selector: source.user == "a"
    selector: source.user == "b"
    aspects:
      - kind: denials
"#,
        &expect![[r#"
            error: not valid YAML: `selector` is given twice
             --> scopes/global/subjects/global/rules.yml:3:5
              |
            3 |     selector: source.user == "b"
              |     ^
        "#]],
    );
}

#[test]
fn validity_of_aspects() {
    check_rules(
        r#"rules:
  - aspects:
      - { kind: denials, validDuration: 5s, valid_use_count: 3 }
      - { kind: denials, validDuration: 0s }
      - { kind: denials, validDuration: soon }
      - { kind: denials, validUseCount: -1 }
      - { kind: access-logs, validDuration: 5s }
"#,
        &expect![[r#"
            error: expected a duration above 0 for `validDuration`, found `0s`
             --> scopes/global/subjects/global/rules.yml:4:41
              |
            4 |       - { kind: denials, validDuration: 0s }
              |                                         ^^
              = help: durations look like `250ms`, `30s` or `1m30s`

            error: expected a duration above 0 for `validDuration`, found `soon`
             --> scopes/global/subjects/global/rules.yml:5:41
              |
            5 |       - { kind: denials, validDuration: soon }
              |                                         ^^^^
              = help: durations look like `250ms`, `30s` or `1m30s`

            error: expected a count of uses from 0, found -1
             --> scopes/global/subjects/global/rules.yml:6:41
              |
            6 |       - { kind: denials, validUseCount: -1 }
              |                                         ^^

            error: there is no log descriptor `common`
             --> scopes/global/subjects/global/rules.yml:7:9
              |
            7 |       - { kind: access-logs, validDuration: 5s }
              |         ^
              = help: the declared logs are `access`

            error: `access-logs` aspects have no part in a verdict
             --> scopes/global/subjects/global/rules.yml:7:45
              |
            7 |       - { kind: access-logs, validDuration: 5s }
              |                                             ^^
              = help: `validDuration` and `validUseCount` are for aspects that decide, or that derive attributes
        "#]],
    );
}

#[test]
fn header_operations() {
    check_rules(
        r#"rules:
  - requestHeaderOperations:
      - { name: "x y", values: [source.user] }
      - { name: Host, values: [source.user] }
      - { name: x-a }
      - { name: x-b, operation: REMOVE, values: [source.user] }
      - { name: x-c, operation: ADD }
      - { name: x-d, values: [source.labels] }
      - { values: [source.user] }
      - { name: x-e, value: source.user }
"#,
        &expect![[r#"
            error: `x y` is no name of a header
             --> scopes/global/subjects/global/rules.yml:3:17
              |
            3 |       - { name: "x y", values: [source.user] }
              |                 ^^^^^

            error: the header `host` is the proxy's own business
             --> scopes/global/subjects/global/rules.yml:4:17
              |
            4 |       - { name: Host, values: [source.user] }
              |                 ^^^^

            error: no `values` for the header `x-a`
             --> scopes/global/subjects/global/rules.yml:5:9
              |
            5 |       - { name: x-a }
              |         ^
              = help: give a list of expressions, such as `values: [source.user]`; texts stand in quotes of their own

            error: a header that is removed has no values
             --> scopes/global/subjects/global/rules.yml:6:49
              |
            6 |       - { name: x-b, operation: REMOVE, values: [source.user] }
              |                                                 ^

            error: unknown value `ADD` for `operation`
             --> scopes/global/subjects/global/rules.yml:7:33
              |
            7 |       - { name: x-c, operation: ADD }
              |                                 ^^^
              = help: the values are `UNSPECIFIED`, `REMOVE` and `APPEND`

            error: a map cannot be the value of a header
             --> scopes/global/subjects/global/rules.yml:8:31
              |
            8 |       - { name: x-d, values: [source.labels] }
              |                               ^^^^^^^^^^^^^

            error: the header operation has no `name`
             --> scopes/global/subjects/global/rules.yml:9:9
              |
            9 |       - { values: [source.user] }
              |         ^

            error: no `values` for the header `x-e`
              --> scopes/global/subjects/global/rules.yml:10:9
               |
            10 |       - { name: x-e, value: source.user }
               |         ^
              = help: give a list of expressions, such as `values: [source.user]`; texts stand in quotes of their own

            error: unknown field `value` in a header operation
              --> scopes/global/subjects/global/rules.yml:10:22
               |
            10 |       - { name: x-e, value: source.user }
               |                      ^^^^^
              = help: did you mean `values`?
        "#]],
    );
}

#[test]
fn a_block_and_its_aspect_agree_on_what_its_list_means() {
    let tree = |said: &str| {
        format!(
            r#"//- scopes/global/descriptors.yml
manifests: [{{ name: m, attributes: {{ source.user: {{ value_type: STRING }} }} }}]
//- scopes/global/adapters.yml
adapters:
  - {{ name: default, impl: genericListChecker, params: {{ blacklist: true }} }}
//- scopes/global/subjects/global/rules.yml
rules:
  - aspects:
      - kind: lists
        params: {{ checkExpression: source.user{said} }}
"#
        )
    };
    check_tree(&tree(""), &expect![""]);
    check_tree(&tree(", blacklist: true"), &expect![""]);
    check_tree(
        &tree(", blacklist: false"),
        &expect![[r#"
        error: the aspect says `blacklist: false`, its adapter block `default` says true
         --> scopes/global/subjects/global/rules.yml:4:60
          |
        4 |         params: { checkExpression: source.user, blacklist: false }
          |                                                            ^^^^^
          = help: say it in one of the two places
    "#]],
    );
}

//! Findings about rules, and about how their files are written.

use expect_test::expect;

use super::check_rules;

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

//! Findings about what nothing uses, and about what is empty.

use expect_test::expect;

use super::{check_rules, check_tree};
use crate::fixture::{ADAPTERS, DESCRIPTORS};

#[test]
fn descriptors_and_blocks_without_a_use() {
    check_tree(
        &format!(
            "{DESCRIPTORS}quotas:
  - name: RequestCount
principals:
  - name: user
{ADAPTERS}//- scopes/global/subjects/global/rules.yml
rules: [{{ aspects: [{{ kind: denials }}] }}]
"
        ),
        &expect![[r#"
            warning: no aspect uses the adapter block `default` (`genericListChecker`)
             --> scopes/global/adapters.yml:3:13
              |
            3 |   - { name: default, impl: genericListChecker }
              |             ^^^^^^^
              = help: an aspect uses it with `adapter: default`

            warning: no aspect uses the adapter block `default` (`stdioLogger`)
             --> scopes/global/adapters.yml:4:13
              |
            4 |   - { name: default, impl: stdioLogger }
              |             ^^^^^^^
              = help: an aspect uses it with `adapter: default`

            warning: no aspect uses the adapter block `default` (`prometheus`)
             --> scopes/global/adapters.yml:5:13
              |
            5 |   - { name: default, impl: prometheus }
              |             ^^^^^^^
              = help: an aspect uses it with `adapter: default`

            warning: no aspect uses the adapter block `kubernetes` (`kubernetes`)
             --> scopes/global/adapters.yml:6:13
              |
            6 |   - { name: kubernetes, impl: kubernetes }
              |             ^^^^^^^^^^
              = help: an aspect uses it with `adapter: kubernetes`

            warning: no aspect uses the metric `request_count`
              --> scopes/global/descriptors.yml:19:11
               |
            19 |   - name: request_count
               |           ^^^^^^^^^^^^^

            warning: no aspect uses the log `access`
              --> scopes/global/descriptors.yml:24:11
               |
            24 |   - name: access
               |           ^^^^^^

            warning: no aspect uses the quota `RequestCount`
              --> scopes/global/descriptors.yml:29:11
               |
            29 |   - name: RequestCount
               |           ^^^^^^^^^^^^
        "#]],
    );
}

#[test]
fn variables_that_a_template_does_not_use() {
    check_rules(
        r#"rules:
  - aspects:
      - kind: access-logs
        params:
          log:
            descriptor_name: access
            template_expressions:
              method: request.method
              pth: request.path
              user: source.user
              when: request.time
            labels: { method: request.method }
"#,
        &expect![[r#"
            warning: the template of log `access` uses `path`, which `template_expressions` does not give
             --> scopes/global/subjects/global/rules.yml:8:15
              |
            8 |               method: request.method
              |               ^
              = help: such a variable prints `<no value>`, or what `or` has in its place

            warning: the template of log `access` does not use `pth`
             --> scopes/global/subjects/global/rules.yml:9:15
              |
            9 |               pth: request.path
              |               ^^^
              = help: did you mean `path`?

            warning: the template of log `access` does not use `user`
              --> scopes/global/subjects/global/rules.yml:10:15
               |
            10 |               user: source.user
               |               ^^^^
        "#]],
    );
}

#[test]
fn files_without_contents() {
    check_tree(
        r#"//- scopes/global/adapters.yml
# nothing yet
//- scopes/global/descriptors.yml
//- scopes/global/subjects/global/rules.yml

//- scopes/global/subjects/a.svc.cluster.local/rules.yml
rules:
"#,
        &expect![[r#"
            warning: the file is empty
             --> scopes/global/descriptors.yml
              = help: if that is meant, remove it

            warning: the file is empty
             --> scopes/global/subjects/global/rules.yml
              = help: if that is meant, remove it or write `rules: []`
        "#]],
    );
}

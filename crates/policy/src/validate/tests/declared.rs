//! Findings about adapter blocks, manifests and descriptors.

use expect_test::expect;

use super::check_tree;

#[test]
fn adapter_blocks() {
    check_tree(
        r#"//- scopes/global/adapters.yml
adapters:
  - name: one
    kind: metrics
    impl: denyChecker
  - name: one
    impl: denyCheker
  - name: one
    impl: denyChecker
  - name: net
    impl: ipListChecker
    params:
      publisherUrl: http://localhost
      entries:
      - 10.0.0.1
      - ""
  - name: net2
    impl: ipListChecker
    entries: [10.0.0.1]
  - impl: prometheus
  - name: none
  - name: list
    impl: prometheus
    params: [1]
metrics: []
"#,
        &expect![[r#"
            warning: `denyChecker` does not serve `metrics`
             --> scopes/global/adapters.yml:3:11
              |
            3 |     kind: metrics
              |           ^^^^^^^
              = help: it serves `denials`, and so does this block

            error: there is no adapter `denyCheker`
             --> scopes/global/adapters.yml:6:11
              |
            6 |     impl: denyCheker
              |           ^^^^^^^^^^
              = help: did you mean `denyChecker`?

            error: two adapter blocks named `one` serve `denials`; the other is at scopes/global/adapters.yml:2
             --> scopes/global/adapters.yml:7:11
              |
            7 |   - name: one
              |           ^^^
              = help: give them different names, and have each aspect name the one that it means

            error: `ipListChecker`: `publisherUrl`: there is no such parameter
              --> scopes/global/adapters.yml:12:7
               |
            12 |       publisherUrl: http://localhost
               |       ^^^^^^^^^^^^
              = help: did you mean `providerUrl`?

            error: `ipListChecker`: `entries[1]`: not an address
              --> scopes/global/adapters.yml:15:9
               |
            15 |       - ""
               |         ^^

            error: unknown field `entries` in an adapter block
              --> scopes/global/adapters.yml:18:5
               |
            18 |     entries: [10.0.0.1]
               |     ^^^^^^^
              = help: parameters belong under `params:`, one level deeper

            warning: the adapter block has no name, so no aspect can use it
              --> scopes/global/adapters.yml:19:5
               |
            19 |   - impl: prometheus
               |     ^

            error: the adapter block has no `impl`
              --> scopes/global/adapters.yml:20:5
               |
            20 |   - name: none
               |     ^
              = help: the adapters are `denyChecker`, `genericListChecker`, `ipListChecker`, `stdioLogger`, `prometheus`, `memQuota` and `kubernetes`

            error: expected a map for `params`, found a list
              --> scopes/global/adapters.yml:23:13
               |
            23 |     params: [1]
               |             ^

            warning: `metrics` is ignored: it belongs into `descriptors.yml`
              --> scopes/global/adapters.yml:24:1
               |
            24 | metrics: []
               | ^^^^^^^
        "#]],
    );
}

#[test]
fn a_list_with_too_little_indentation() {
    check_tree(
        r#"//- scopes/global/adapters.yml
adapters:
  - name: agents
    impl: genericListChecker
    params:
    listEntries:
      - BadBot
"#,
        &expect![[r#"
            error: unknown field `listEntries` in an adapter block
             --> scopes/global/adapters.yml:5:5
              |
            5 |     listEntries:
              |     ^^^^^^^^^^^
              = help: parameters belong under `params:`, one level deeper
        "#]],
    );
}

#[test]
fn manifests() {
    check_tree(
        r#"//- scopes/global/descriptors.yml
revision: "1"
adapters: []
manifests:
  - name: list form
    attributes:
      - { name: source.ip, value_type: IP_ADDRESS }
      - { value_type: STRING }
  - name: map form
    revision: 1
    attributes:
      source.ip: { valueType: STRING }
      source.port: { value_type: INT46 }
      source.user: { value_type: 1, description: who }
      source.uid:
      source.name: { value_type: 0 }
      source.host: { valuetype: STRING }
"#,
        &expect![[r#"
            warning: `revision` is ignored: the revision is computed from the contents
             --> scopes/global/descriptors.yml:1:1
              |
            1 | revision: "1"
              | ^^^^^^^^

            warning: `adapters` is ignored: it belongs into `adapters.yml`
             --> scopes/global/descriptors.yml:2:1
              |
            2 | adapters: []
              | ^^^^^^^^

            error: the attribute has no name
             --> scopes/global/descriptors.yml:7:9
              |
            7 |       - { value_type: STRING }
              |         ^

            error: attribute `source.ip` is STRING here and IP_ADDRESS at scopes/global/descriptors.yml:6
              --> scopes/global/descriptors.yml:11:7
               |
            11 |       source.ip: { valueType: STRING }
               |       ^^^^^^^^^

            error: unknown value `INT46` for `value_type`
              --> scopes/global/descriptors.yml:12:34
               |
            12 |       source.port: { value_type: INT46 }
               |                                  ^^^^^
              = help: the values are `STRING`, `INT64`, `DOUBLE`, `BOOL`, `TIMESTAMP`, `IP_ADDRESS`, `EMAIL_ADDRESS`, `URI`, `DNS_NAME`, `DURATION` and `STRING_MAP`

            warning: attribute `source.uid` has no value type, so no expression can name it
              --> scopes/global/descriptors.yml:14:7
               |
            14 |       source.uid:
               |       ^^^^^^^^^^
              = help: declare its type, such as `valueType: STRING`

            error: `value_type` has to be a type, not VALUE_TYPE_UNSPECIFIED
              --> scopes/global/descriptors.yml:15:34
               |
            15 |       source.name: { value_type: 0 }
               |                                  ^

            error: unknown field `valuetype` in an attribute's information
              --> scopes/global/descriptors.yml:16:22
               |
            16 |       source.host: { valuetype: STRING }
               |                      ^^^^^^^^^
              = help: did you mean `valueType`?
        "#]],
    );
}

#[test]
fn kinds_and_values_of_metrics() {
    check_tree(
        r#"//- scopes/global/descriptors.yml
metrics:
  - kind: COUNTER
    value: INT64
  - name: a
    value: INT64
  - name: b
    kind: COUNTR
  - name: c
    kind: DISTRIBUTION
    value: DURATION
"#,
        &expect![[r#"
            error: the metric descriptor has no name
             --> scopes/global/descriptors.yml:2:5
              |
            2 |   - kind: COUNTER
              |     ^

            error: no `kind` is given
             --> scopes/global/descriptors.yml:4:5
              |
            4 |   - name: a
              |     ^
              = help: the values are `GAUGE`, `COUNTER` and `DISTRIBUTION`

            error: the metric has no `value`
             --> scopes/global/descriptors.yml:6:5
              |
            6 |   - name: b
              |     ^
              = help: give the type of its values, such as INT64

            error: unknown value `COUNTR` for `kind`
             --> scopes/global/descriptors.yml:7:11
              |
            7 |     kind: COUNTR
              |           ^^^^^^
              = help: did you mean `COUNTER`?

            error: a distribution has to have `buckets`
             --> scopes/global/descriptors.yml:8:5
              |
            8 |   - name: c
              |     ^
              = help: give it `linearBuckets`, `exponentialBuckets` or `explicitBuckets`
        "#]],
    );
}

#[test]
fn buckets() {
    check_tree(
        r#"//- scopes/global/descriptors.yml
metrics:
  - name: d
    kind: 3
    value: 10
    buckets: { explicitBuckets: { bounds: [1, 2, 2] } }
  - name: e
    kind: DISTRIBUTION
    value: DURATION
    buckets: { linear_buckets: { num_finite_buckets: 0, width: 0 }, }
  - name: f
    kind: DISTRIBUTION
    value: DURATION
    buckets: { exponential_buckets: { num_finite_buckets: "8", growth_factor: 1, scale: -1 } }
  - name: g
    kind: DISTRIBUTION
    value: DURATION
    buckets: { }
"#,
        &expect![[r#"
            error: bounds have to increase, and 2 is not above the one before it
             --> scopes/global/descriptors.yml:5:50
              |
            5 |     buckets: { explicitBuckets: { bounds: [1, 2, 2] } }
              |                                                  ^

            error: `num_finite_buckets` has to be from 1 to 1000
             --> scopes/global/descriptors.yml:9:54
              |
            9 |     buckets: { linear_buckets: { num_finite_buckets: 0, width: 0 }, }
              |                                                      ^

            error: `width` has to be above 0
             --> scopes/global/descriptors.yml:9:64
              |
            9 |     buckets: { linear_buckets: { num_finite_buckets: 0, width: 0 }, }
              |                                                                ^

            error: `growth_factor` has to be above 1
              --> scopes/global/descriptors.yml:13:79
               |
            13 |     buckets: { exponential_buckets: { num_finite_buckets: "8", growth_factor: 1, scale: -1 } }
               |                                                                               ^

            error: `scale` has to be above 0
              --> scopes/global/descriptors.yml:13:89
               |
            13 |     buckets: { exponential_buckets: { num_finite_buckets: "8", growth_factor: 1, scale: -1 } }
               |                                                                                         ^^

            error: `buckets` has to have exactly one shape
              --> scopes/global/descriptors.yml:17:5
               |
            17 |     buckets: { }
               |     ^^^^^^^
              = help: give `linearBuckets`, `exponentialBuckets` or `explicitBuckets`
        "#]],
    );
}

#[test]
fn labels_and_names_of_descriptors() {
    check_tree(
        r#"//- scopes/global/descriptors.yml
metrics:
  - name: h
    kind: GAUGE
    value: DOUBLE
    labels: { x: STRNG, y: 12, z: 11 }
  - name: i
    kind: GAUGE
    value: DOUBLE
    buckets: { }
  - name: i
    kind: GAUGE
    value: DOUBLE
"#,
        &expect![[r#"
            error: unknown value `STRNG` for label `x`
             --> scopes/global/descriptors.yml:5:18
              |
            5 |     labels: { x: STRNG, y: 12, z: 11 }
              |                  ^^^^^
              = help: did you mean `STRING`?

            error: unknown value `12` for label `y`
             --> scopes/global/descriptors.yml:5:28
              |
            5 |     labels: { x: STRNG, y: 12, z: 11 }
              |                            ^^
              = help: the values are `STRING`, `INT64`, `DOUBLE`, `BOOL`, `TIMESTAMP`, `IP_ADDRESS`, `EMAIL_ADDRESS`, `URI`, `DNS_NAME`, `DURATION` and `STRING_MAP`

            warning: only distributions have buckets
             --> scopes/global/descriptors.yml:9:5
              |
            9 |     buckets: { }
              |     ^^^^^^^

            error: there is another metric `i` at scopes/global/descriptors.yml:6
              --> scopes/global/descriptors.yml:10:11
               |
            10 |   - name: i
               |           ^
        "#]],
    );
}

#[test]
fn other_descriptors() {
    check_tree(
        r#"//- scopes/global/descriptors.yml
logs:
  - name: a
    payload_format: XML
    log_template: x
  - name: b
    payload_format: 2
  - name: c
    payload_format: TEXT
    log_template: "{{if .x}}never ends"
quotas:
  - name: RequestCount
    rate_limit: sometimes
    labels: { x: STRING }
monitored_resources:
  - name: pod
    labels: { x: STRING }
    kind: x
principals:
  - labels: { x: STRING }
"#,
        &expect![[r#"
            error: unknown value `XML` for `payload_format`
             --> scopes/global/descriptors.yml:3:21
              |
            3 |     payload_format: XML
              |                     ^^^
              = help: the values are `TEXT` and `JSON`

            error: the log has no `log_template`
             --> scopes/global/descriptors.yml:5:5
              |
            5 |   - name: b
              |     ^

            warning: the template of log `c`: `if` without an `end`
             --> scopes/global/descriptors.yml:9:22
              |
            9 |     log_template: "{{if .x}}never ends"
              |                      ^^^^^
              = help: no aspect uses the log; one that did would be refused

            error: expected `true` or `false` for `rate_limit`, found text
              --> scopes/global/descriptors.yml:12:17
               |
            12 |     rate_limit: sometimes
               |                 ^^^^^^^^^

            error: unknown field `kind` in a monitored resource descriptor
              --> scopes/global/descriptors.yml:17:5
               |
            17 |     kind: x
               |     ^^^^
              = help: the fields are `name`, `labels` and `description`

            error: the principal descriptor has no name
              --> scopes/global/descriptors.yml:19:5
               |
            19 |   - labels: { x: STRING }
               |     ^
        "#]],
    );
}

#[test]
fn a_template_that_is_used_has_to_compile() {
    check_tree(
        r#"//- scopes/global/descriptors.yml
manifests:
  - name: m
    attributes: { a: { value_type: STRING } }
logs:
  - name: x
    payload_format: TEXT
    log_template: '{{.a}} {{range .a}}'
//- scopes/global/adapters.yml
adapters:
  - { name: default, impl: stdioLogger }
//- scopes/global/subjects/global/rules.yml
rules:
  - aspects:
      - kind: access-logs
        params: { log: { descriptor_name: x, template_expressions: { a: a } } }
"#,
        &expect![[r#"
            error: the template of log `x`: `range` is not supported in log templates
             --> scopes/global/descriptors.yml:7:29
              |
            7 |     log_template: '{{.a}} {{range .a}}'
              |                             ^^^^^
        "#]],
    );
}

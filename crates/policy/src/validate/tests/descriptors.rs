//! Every rule that descriptors have to keep, each broken once.

use std::fmt::Write;

use expect_test::expect;

use crate::fixture::load_text;

/// What is said, in one line, about one descriptor of a section.
fn told(section: &str, descriptor: &str) -> String {
    let loaded = load_text(&format!("//- scopes/global/descriptors.yml\n{section}: [{descriptor}]\n"));
    let told: Vec<_> = loaded
        .diagnostics
        .iter()
        .filter(|found| !found.message.starts_with("no aspect uses"))
        .map(|found| {
            let meant: String = found.source_line.chars().skip(found.column - 1).take(found.width).collect();
            let help = found.help.as_ref().map_or(String::new(), |help| format!(" ({help})"));
            format!("    {}: {} at {meant:?}{help}\n", found.severity, found.message)
        })
        .collect();
    told.concat()
}

/// Descriptors, one of each way in which they can be broken, and some that only look so.
const BROKEN: &[(&str, &str)] = &[
    ("metrics", "{ name: '', kind: COUNTER, value: INT64 }"),
    ("metrics", "{ name: m, kind: COUNTER, value: INT64, labels: { x: VALUE_TYPE_UNSPECIFIED } }"),
    ("metrics", "{ name: m, kind: COUNTER, value: INT64, labels: { x: } }"),
    ("metrics", "{ name: m, kind: METRIC_KIND_UNSPECIFIED, value: INT64 }"),
    ("metrics", "{ name: m, kind: 7, value: INT64 }"),
    ("metrics", "{ name: m, kind: counter, value: INT64 }"),
    ("metrics", "{ name: m, kind: COUNTER, value: 0 }"),
    ("metrics", "{ name: m, kind: COUNTER }"),
    ("metrics", "{ name: m, kind: COUNTER, value: DURATION }"),
    ("metrics", "{ name: m, kind: DISTRIBUTION, value: INT64 }"),
    ("metrics", "{ name: m, kind: DISTRIBUTION, value: INT64, buckets: { linearBuckets: { width: 1 } } }"),
    (
        "metrics",
        "{ name: m, kind: 3, value: 2, buckets: { linearBuckets: { numFiniteBuckets: 1, width: 0 } } }",
    ),
    (
        "metrics",
        "{ name: m, kind: 3, value: 2, buckets: { linearBuckets: { numFiniteBuckets: 1, width: 1, offset: -5 } } }",
    ),
    (
        "metrics",
        "{ name: m, kind: 3, value: 2, buckets: { exponentialBuckets: { numFiniteBuckets: -1, growthFactor: 2, scale: 1 } } }",
    ),
    (
        "metrics",
        "{ name: m, kind: 3, value: 2, buckets: { exponentialBuckets: { numFiniteBuckets: 1, growthFactor: 1, scale: 1 } } }",
    ),
    (
        "metrics",
        "{ name: m, kind: 3, value: 2, buckets: { exponentialBuckets: { numFiniteBuckets: 1, growthFactor: 2, scale: 0 } } }",
    ),
    ("metrics", "{ name: m, kind: 3, value: 2, buckets: { explicitBuckets: { bounds: [] } } }"),
    ("metrics", "{ name: m, kind: 3, value: 2, buckets: { explicitBuckets: { bounds: [1, 3, 2] } } }"),
    (
        "metrics",
        "{ name: m, kind: 3, value: 2, buckets: { explicitBuckets: { bounds: [0.3, 0.30000000000000004] } } }",
    ),
    (
        "metrics",
        "{ name: m, kind: 3, value: 2, buckets: { explicitBuckets: { bounds: [1] }, linearBuckets: {} } }",
    ),
    ("metrics", "{ name: m, kind: COUNTER, value: INT64, buckets: { linearBuckets: { width: x } } }"),
    ("logs", "{ name: l, logTemplate: x }"),
    ("logs", "{ name: l, payloadFormat: PAYLOAD_FORMAT_UNSPECIFIED, logTemplate: x }"),
    ("logs", "{ name: l, payloadFormat: TEXT }"),
    ("logs", "{ name: l, payloadFormat: TEXT, logTemplate: '' }"),
    ("logs", "{ name: l, payloadFormat: TEXT, logTemplate: 5 }"),
    ("quotas", "{ rateLimit: true }"),
    ("quotas", "{ name: q, labels: { x: FLOAT } }"),
    ("quotas", "{ name: q, labels: [x] }"),
    ("quotas", "{ name: 5 }"),
    ("monitoredResources", "{ labels: { x: STRING } }"),
    ("monitored_resources", "{ name: r, labels: { x: 0 } }"),
    ("principals", "{ name: p, labels: { x: 12 } }"),
    ("principals", "p"),
];

#[test]
fn every_rule_once() {
    let mut text = String::new();
    for (section, descriptor) in BROKEN {
        let _ = write!(text, "{section}: {descriptor}\n{}", told(section, descriptor));
    }
    expect![[r#"
        metrics: { name: '', kind: COUNTER, value: INT64 }
            error: the metric descriptor has no name at "''"
        metrics: { name: m, kind: COUNTER, value: INT64, labels: { x: VALUE_TYPE_UNSPECIFIED } }
            error: label `x` has to be a type, not VALUE_TYPE_UNSPECIFIED at "VALUE_TYPE_UNSPECIFIED"
        metrics: { name: m, kind: COUNTER, value: INT64, labels: { x: } }
            error: expected a name for label `x`, found nothing at ":"
        metrics: { name: m, kind: METRIC_KIND_UNSPECIFIED, value: INT64 }
            error: no `kind` is given at "METRIC_KIND_UNSPECIFIED" (the values are `GAUGE`, `COUNTER` and `DISTRIBUTION`)
        metrics: { name: m, kind: 7, value: INT64 }
            error: unknown value `7` for `kind` at "7" (the values are `GAUGE`, `COUNTER` and `DISTRIBUTION`)
        metrics: { name: m, kind: counter, value: INT64 }
            error: unknown value `counter` for `kind` at "counter" (did you mean `COUNTER`?)
        metrics: { name: m, kind: COUNTER, value: 0 }
            error: `value` has to be a type, not VALUE_TYPE_UNSPECIFIED at "0"
        metrics: { name: m, kind: COUNTER }
            error: the metric has no `value` at "{" (give the type of its values, such as INT64)
        metrics: { name: m, kind: COUNTER, value: DURATION }
        metrics: { name: m, kind: DISTRIBUTION, value: INT64 }
            error: a distribution has to have `buckets` at "{" (give it `linearBuckets`, `exponentialBuckets` or `explicitBuckets`)
        metrics: { name: m, kind: DISTRIBUTION, value: INT64, buckets: { linearBuckets: { width: 1 } } }
            error: `numFiniteBuckets` has to be from 1 to 1000 at "{"
        metrics: { name: m, kind: 3, value: 2, buckets: { linearBuckets: { numFiniteBuckets: 1, width: 0 } } }
            error: `width` has to be above 0 at "0"
        metrics: { name: m, kind: 3, value: 2, buckets: { linearBuckets: { numFiniteBuckets: 1, width: 1, offset: -5 } } }
        metrics: { name: m, kind: 3, value: 2, buckets: { exponentialBuckets: { numFiniteBuckets: -1, growthFactor: 2, scale: 1 } } }
            error: `numFiniteBuckets` has to be from 1 to 1000 at "-1"
        metrics: { name: m, kind: 3, value: 2, buckets: { exponentialBuckets: { numFiniteBuckets: 1, growthFactor: 1, scale: 1 } } }
            error: `growthFactor` has to be above 1 at "1"
        metrics: { name: m, kind: 3, value: 2, buckets: { exponentialBuckets: { numFiniteBuckets: 1, growthFactor: 2, scale: 0 } } }
            error: `scale` has to be above 0 at "0"
        metrics: { name: m, kind: 3, value: 2, buckets: { explicitBuckets: { bounds: [] } } }
        metrics: { name: m, kind: 3, value: 2, buckets: { explicitBuckets: { bounds: [1, 3, 2] } } }
            error: bounds have to increase, and 2 is not above the one before it at "2"
        metrics: { name: m, kind: 3, value: 2, buckets: { explicitBuckets: { bounds: [0.3, 0.30000000000000004] } } }
            error: bounds have to increase, and 0.30000000000000004 is not above the one before it at "0.30000000000000004"
        metrics: { name: m, kind: 3, value: 2, buckets: { explicitBuckets: { bounds: [1] }, linearBuckets: {} } }
            error: `buckets` has to have exactly one shape at "buckets" (give `linearBuckets`, `exponentialBuckets` or `explicitBuckets`)
        metrics: { name: m, kind: COUNTER, value: INT64, buckets: { linearBuckets: { width: x } } }
            warning: only distributions have buckets at "buckets"
        logs: { name: l, logTemplate: x }
            error: no `payloadFormat` is given at "{" (the values are `TEXT` and `JSON`)
        logs: { name: l, payloadFormat: PAYLOAD_FORMAT_UNSPECIFIED, logTemplate: x }
            error: no `payloadFormat` is given at "PAYLOAD_FORMAT_UNSPECIFIED" (the values are `TEXT` and `JSON`)
        logs: { name: l, payloadFormat: TEXT }
            error: the log has no `logTemplate` at "{"
        logs: { name: l, payloadFormat: TEXT, logTemplate: '' }
            error: the log has no `logTemplate` at "''"
        logs: { name: l, payloadFormat: TEXT, logTemplate: 5 }
            error: expected text for `logTemplate`, found a number at "5" (write `"5"`, in quotes)
        quotas: { rateLimit: true }
            error: the quota descriptor has no name at "{"
        quotas: { name: q, labels: { x: FLOAT } }
            error: unknown value `FLOAT` for label `x` at "FLOAT" (the values are `STRING`, `INT64`, `DOUBLE`, `BOOL`, `TIMESTAMP`, `IP_ADDRESS`, `EMAIL_ADDRESS`, `URI`, `DNS_NAME`, `DURATION` and `STRING_MAP`)
        quotas: { name: q, labels: [x] }
            error: expected a map for `labels`, found a list at "["
        quotas: { name: 5 }
            error: expected text for `name`, found a number at "5" (write `"5"`, in quotes)
        monitoredResources: { labels: { x: STRING } }
            error: the monitored resource descriptor has no name at "{"
        monitored_resources: { name: r, labels: { x: 0 } }
            error: label `x` has to be a type, not VALUE_TYPE_UNSPECIFIED at "0"
        principals: { name: p, labels: { x: 12 } }
            error: unknown value `12` for label `x` at "12" (the values are `STRING`, `INT64`, `DOUBLE`, `BOOL`, `TIMESTAMP`, `IP_ADDRESS`, `EMAIL_ADDRESS`, `URI`, `DNS_NAME`, `DURATION` and `STRING_MAP`)
        principals: p
            error: expected a map for a principal descriptor, found text at "p"
    "#]].assert_eq(&text);
}

#[test]
fn sections_that_are_no_lists() {
    let mut text = String::new();
    for sections in [
        "metrics: {}",
        "logs: x",
        "quotas: { name: q }",
        "manifests: { name: m }",
        "metrics:",
        "principals: []",
    ] {
        let loaded = load_text(&format!("//- scopes/global/descriptors.yml\n{sections}\n"));
        let told: Vec<_> =
            loaded.diagnostics.iter().map(|found| format!("    {}\n", found.message)).collect();
        let _ = write!(text, "{sections}\n{}", told.concat());
    }
    expect![[r#"
        metrics: {}
            expected a list for `metrics`, found a map
        logs: x
            expected a list for `logs`, found text
        quotas: { name: q }
            expected a list for `quotas`, found a map
        manifests: { name: m }
            expected a list for `manifests`, found a map
        metrics:
        principals: []
    "#]]
    .assert_eq(&text);
}

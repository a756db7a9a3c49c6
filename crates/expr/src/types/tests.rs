//! Tests of the type checker: text, then its type, or the error with where it is and what to do about it.

use std::collections::BTreeMap;

use attributes::ValueType;
use expect_test::{Expect, expect};

use crate::compile;
use crate::testing::check_each;

fn manifest() -> BTreeMap<String, ValueType> {
    [
        ("request.path", ValueType::String),
        ("request.host", ValueType::String),
        ("request.headers", ValueType::StringMap),
        ("request.time", ValueType::Timestamp),
        ("response.code", ValueType::Int64),
        ("response.duration", ValueType::Duration),
        ("load", ValueType::Double),
        ("mtls", ValueType::Bool),
        ("source.ip", ValueType::IpAddress),
        ("destination.dns", ValueType::DnsName),
    ]
    .map(|(name, value_type)| (name.to_owned(), value_type))
    .into()
}

fn check(texts: &[&str], expected: Expect) {
    check_each(texts, outcome, expected);
}

fn outcome(text: &str) -> String {
    match compile(text, &manifest()) {
        Ok(program) => {
            let mut lines = vec![program.result_type().to_string()];
            for warning in program.warnings() {
                lines.push(format!("warning at `{}`: {}", &text[warning.span.clone()], warning.message));
            }
            lines.join("\n")
        }
        Err(error) => {
            let help = error.suggestion.map(|help| format!("\nhelp: {help}")).unwrap_or_default();
            format!("error at `{}`: {}{help}", &text[error.span], error.message)
        }
    }
}

#[test]
fn types_follow_from_operands() {
    check(
        &[
            "request.path",
            "response.code + 1",
            "request.headers[\"x\"] | \"none\"",
            "conditional(mtls, source.ip, ip(\"1.2.3.4\"))",
            "request.time | timestamp(\"2017-01-02T03:04:05Z\")",
            "response.duration | \"0\"",
            "size(request.path) < 20 && load >= 0.5",
            "emptyStringMap()",
        ],
        expect![[r#"
            request.path
                STRING
            response.code + 1
                INT64
            request.headers["x"] | "none"
                STRING
            conditional(mtls, source.ip, ip("1.2.3.4"))
                IP_ADDRESS
            request.time | timestamp("2017-01-02T03:04:05Z")
                TIMESTAMP
            response.duration | "0"
                DURATION
            size(request.path) < 20 && load >= 0.5
                BOOL
            emptyStringMap()
                STRING_MAP
        "#]],
    );
}

#[test]
fn unknown_names_have_suggestions() {
    check(
        &[
            "request.pth == \"/\"",
            "Request.Path == \"/\"",
            "nothing.near.it == \"/\"",
            "request.path.startswith(\"/\")",
            "tolower(request.path)",
            "!mtls",
            "response.code / 100",
            "request.auth-x",
        ],
        expect![[r#"
            request.pth == "/"
                error at `request.pth`: unknown attribute request.pth
                help: did you mean `request.path`?
            Request.Path == "/"
                error at `Request.Path`: unknown attribute Request.Path
                help: did you mean `request.path`?
            nothing.near.it == "/"
                error at `nothing.near.it`: unknown attribute nothing.near.it
            request.path.startswith("/")
                error at `startswith`: unknown function: startswith
                help: did you mean `startsWith`?
            tolower(request.path)
                error at `tolower`: unknown function: tolower
                help: did you mean `toLower`?
            !mtls
                error at `!`: unknown function: NOT
                help: there is no `!`; compare with `== false`, or use `!=`
            response.code / 100
                error at `/`: unknown function: QUO
            request.auth-x
                error at `-`: unknown function: SUB
                help: there is no `-`, neither between numbers nor before one, and names cannot have one
        "#]],
    );
}

#[test]
fn operands_must_have_the_type() {
    check(
        &[
            "response.code == \"200\"",
            "request.path == \"5s\"",
            "source.ip == \"1.2.3.4\"",
            "destination.dns == request.host",
            "load > 1",
            "mtls && request.path",
            "request.path[\"x\"]",
            "response.duration == \"5s\"",
            "request.headers == emptyStringMap()",
            "mtls < true",
            "source.ip + source.ip",
            "conditionalString(mtls, 1, 2)",
        ],
        expect![[r#"
            response.code == "200"
                error at `"200"`: EQ($response.code, "200") arg 2 ("200") typeError got STRING, expected INT64
            request.path == "5s"
                error at `"5s"`: EQ($request.path, "5s") arg 2 ("5s") typeError got DURATION, expected STRING
                help: a text that reads as a span of time is a DURATION; to have a STRING, join it of two parts, such as `"5" + "s"`
            source.ip == "1.2.3.4"
                error at `"1.2.3.4"`: EQ($source.ip, "1.2.3.4") arg 2 ("1.2.3.4") typeError got STRING, expected IP_ADDRESS
                help: write `ip("1.2.3.4")`
            destination.dns == request.host
                error at `request.host`: EQ($destination.dns, $request.host) arg 2 ($request.host) typeError got STRING, expected DNS_NAME
                help: write `dnsName(request.host)`
            load > 1
                error at `1`: GT($load, 1) arg 2 (1) typeError got INT64, expected DOUBLE
                help: write `1.0`
            mtls && request.path
                error at `request.path`: LAND($mtls, $request.path) arg 2 ($request.path) typeError got STRING, expected BOOL
            request.path["x"]
                error at `request.path`: INDEX($request.path, "x") arg 1 ($request.path) typeError got STRING, expected STRING_MAP
            response.duration == "5s"
                error at `response.duration == "5s"`: EQ($response.duration, "5s") typeError got DURATION, expected one of STRING, INT64, DOUBLE, BOOL, TIMESTAMP, IP_ADDRESS, EMAIL_ADDRESS, URI, DNS_NAME
            request.headers == emptyStringMap()
                error at `request.headers == emptyStringMap()`: EQ($request.headers, emptyStringMap()) typeError got STRING_MAP, expected one of STRING, INT64, DOUBLE, BOOL, TIMESTAMP, IP_ADDRESS, EMAIL_ADDRESS, URI, DNS_NAME
            mtls < true
                error at `mtls < true`: LT($mtls, true) typeError got BOOL, expected one of INT64, DOUBLE, STRING, TIMESTAMP
            source.ip + source.ip
                error at `source.ip + source.ip`: ADD($source.ip, $source.ip) typeError got IP_ADDRESS, expected one of INT64, DOUBLE, STRING
            conditionalString(mtls, 1, 2)
                error at `1`: conditionalString($mtls, 1, 2) arg 2 (1) typeError got INT64, expected STRING
        "#]],
    );
}

#[test]
fn calls_must_have_the_form() {
    check(
        &[
            "size()",
            "size(request.path, request.path)",
            "EQ(mtls)",
            "matches(request.path)",
            "request.path.size()",
            "request.path.match(\"/a*\")",
        ],
        expect![[r#"
            size()
                error at `size()`: size() arity mismatch. Got 0 arg(s), expected 1 arg(s)
            size(request.path, request.path)
                error at `size(request.path, request.path)`: size($request.path, $request.path) arity mismatch. Got 2 arg(s), expected 1 arg(s)
            EQ(mtls)
                error at `EQ(mtls)`: EQ($mtls) arity mismatch. Got 1 arg(s), expected 2 arg(s)
            matches(request.path)
                error at `matches(request.path)`: invoking instance method without an instance: matches
                help: write it as `x.matches(…)`
            request.path.size()
                error at `request.path.size()`: invoking regular function on instance method: size
                help: write it as `size(…)`
            request.path.match("/a*")
                error at `request.path.match("/a*")`: invoking regular function on instance method: match
                help: write it as `match(…)`
        "#]],
    );
}

#[test]
fn what_cannot_be_meant_draws_a_warning() {
    check(
        &[
            "request.path == \"/admin/*\"",
            "\"*.html\" != request.path",
            "match(request.path, \"/admin/*\")",
            "request.path == \"a*b\"",
            "source.ip | ip(\"10.1.12\")",
            "\"[a\".matches(request.path)",
            "timestamp(\"yesterday\") < request.time",
        ],
        expect![[r#"
            request.path == "/admin/*"
                BOOL
                warning at `"/admin/*"`: `==` compares exactly, `*` included; for a wildcard write `match(…, "/admin/*")`
            "*.html" != request.path
                BOOL
                warning at `"*.html"`: `!=` compares exactly, `*` included; for a wildcard write `match(…, "*.html")`
            match(request.path, "/admin/*")
                BOOL
            request.path == "a*b"
                BOOL
            source.ip | ip("10.1.12")
                IP_ADDRESS
                warning at `ip("10.1.12")`: this fails whenever it is evaluated: could not convert 10.1.12 to IP_ADDRESS
            "[a".matches(request.path)
                BOOL
                warning at `"[a"`: this fails whenever it is evaluated: error parsing regexp '[a': unclosed character class
            timestamp("yesterday") < request.time
                BOOL
                warning at `timestamp("yesterday")`: this fails whenever it is evaluated: could not convert 'yesterday' to TIMESTAMP. expected format: '2006-01-02T15:04:05Z07:00'
        "#]],
    );
}

//! Templates as text in, text out.

use std::net::IpAddr;
use std::sync::Arc;

use attributes::{Duration, StringMap, Timestamp, Value};

use super::{RenderError, Template};
use crate::{AspectError, Labels, LogDescriptor, LogPayload, PayloadFormat};

fn variables() -> Vec<(Arc<str>, Value)> {
    let ip: IpAddr = [10, 0, 0, 1].into();
    let time = Timestamp::parse_rfc3339("2017-04-29T02:11:54.989466058Z").expect("a time");
    let mut variables: Vec<(Arc<str>, Value)> = vec![
        ("time".into(), Value::Timestamp(time)),
        ("ip".into(), Value::from_ip(ip)),
        ("name".into(), "web".into()),
        ("empty".into(), "".into()),
        ("size".into(), 871.into()),
        ("zero".into(), 0.into()),
        ("yes".into(), true.into()),
        ("took".into(), Value::Duration(Duration::from_nanos(1_500_000_000))),
        ("map".into(), Value::from([("k", "v")].into_iter().collect::<StringMap>())),
        ("quoted".into(), "say \"hi\"\n".into()),
    ];
    variables.sort_by(|(a, _): &(Arc<str>, Value), (b, _)| a.cmp(b));
    variables
}

fn payload(template: &str, payload_format: PayloadFormat) -> Result<LogPayload, AspectError> {
    let descriptor = LogDescriptor {
        name: "log".into(),
        display_name: String::new(),
        description: String::new(),
        payload_format,
        log_template: template.to_owned(),
        labels: Labels::new(),
    };
    let compiled = Template::compile(template).unwrap_or_else(|error| panic!("{template}: {error}"));
    let variables = variables();
    let variables: Vec<_> = variables.iter().map(|(name, value)| (&**name, value.as_ref())).collect();
    compiled.payload(&descriptor, &variables)
}

#[track_caller]
fn check(template: &str, expected: &str) {
    assert_eq!(
        payload(template, PayloadFormat::Text),
        Ok(LogPayload::Text(expected.to_owned())),
        "{template}"
    );
}

#[track_caller]
fn refuse(template: &str, expected: &str) {
    let error = Template::compile(template).expect_err(template);
    let part = template.get(error.span.clone()).unwrap_or("?");
    assert_eq!(format!("{error} at `{part}`"), expected, "{template}");
}

#[test]
fn text_and_variables() {
    check("", "");
    check("plain } text {", "plain } text {");
    check("{{.name}}/{{ .size }}", "web/871");
    check("{{.absent}}", "<no value>");
    check("{{.ip}} {{.took}} {{.map}} {{.yes}}", "10.0.0.1 1.5s {k: v} true");
    check("{{\"}}\"}}{{`a\\n`}}{{\"a\\tb\"}}", "}}a\\na\tb");
    check("a {{- .name -}} b", "awebb");
    check("a {{/* not told */}} b {{- /* nor this */ -}} c", "a  bc");
}

#[test]
fn functions() {
    check("{{or (.name) \"-\"}} {{or .absent \"-\"}} {{or .empty \"-\"}} {{or .zero \"-\"}}", "web - - -");
    check("{{or .absent .empty .zero}}", "0");
    check("{{and .name .size}} {{and .empty .size}}.", "871 .");
    check("{{not .absent}} {{eq .size 1 871}} {{ne .name \"web\"}}", "true true false");
    check(
        "{{print .name \"-\" .size}} {{printf \"%s=%d 100%% %q\" .name .size .name}}",
        "web-871 web=871 100% \"web\"",
    );
    check("{{.name | printf \"<%v>\" | print \"a\"}}", "a<web>");
    check("{{(.name)}} {{(or .empty (and .name .ip))}}", "web 10.0.0.1");
}

#[test]
fn conditionals() {
    check("{{if .name}}a{{else}}b{{end}}", "a");
    check("{{if .zero}}a{{else if eq .name \"web\"}}b{{else}}c{{end}}", "b");
    check("{{if .absent}}a{{end}}.", ".");
    check("{{if .yes}}{{if .empty}}x{{else}}y{{end}}z{{end}}", "yz");
}

#[test]
fn times() {
    check("{{.time.Format \"02/Jan/2006:15:04:05 -0700\"}}", "29/Apr/2017:02:11:54 +0000");
    check(
        "{{or (.time.Format \"2006-01-02T15:04:05.999999999Z07:00\") \"-\"}}",
        "2017-04-29T02:11:54.989466058Z",
    );
    check(
        "{{.time.Format \"Monday, January _2 3:4:5PM MST 06 (Mon Jan 1)\"}}",
        "Saturday, April 29 2:11:54AM UTC 17 (Sat Apr 4)",
    );
    check("{{.time.Format \"05.000 05,00 002 __2 pm Z0700 03\"}}", "54.989 54,98 119 119 am Z 02");
    check("{{.time.Format \"Janet Monster _2006 5.0005\"}}", "Janet Monster _2017 54.0054");
    check("{{or (.absent.Format \"2006\") \"-\"}} {{.absent.Format \"2006\"}}", "- <no value>");
    let error = payload("{{.name.Format \"2006\"}}", PayloadFormat::Text);
    let source = RenderError::NotATime(attributes::Kind::String);
    assert_eq!(error, Err(AspectError::Render { descriptor: "log".into(), source }));
}

#[test]
fn the_templates_of_real_configuration() {
    check(
        "{{or (.ip) \"-\"}} - {{or (.user) \"-\"}} [{{or (.time.Format \"02/Jan/2006:15:04:05 -0700\") \"-\"}}] \
         \"{{or (.method) \"-\"}} {{or (.name) \"-\"}}\" {{or (.size) \"-\"}}",
        "10.0.0.1 - - [29/Apr/2017:02:11:54 +0000] \"- web\" 871",
    );
}

#[test]
fn json_cannot_be_broken_out_of() {
    let json = payload(
        "{\"a\": \"{{.quoted}}\", \"size\": {{.size}}, \"none\": \"{{.absent}}\"}",
        PayloadFormat::Json,
    );
    let expected = serde_json::json!({"a": "say \"hi\"\n", "size": 871, "none": "<no value>"});
    assert_eq!(json, Ok(LogPayload::Json(expected.as_object().cloned().unwrap_or_default())));
    assert!(matches!(payload("[{{.size}}]", PayloadFormat::Json), Err(AspectError::NotAnObject { .. })));
}

#[test]
fn what_is_refused() {
    refuse("a {{.b", "`{{` is not closed at `{{`");
    refuse("{{}}", "an expression is expected at `}`");
    refuse("{{if .a}}x", "`if` without an `end` at `if .a`");
    refuse("{{end}}", "`end` without an `if` at `end`");
    refuse("{{else}}", "`else` without an `if` at `else`");
    refuse("{{if .a}}{{else}}{{else}}{{end}}", "`else` without an `if` at `else`");
    refuse("{{ .a \"-\" .b }}", "this takes no arguments: only functions do at `.a`");
    refuse("{{.a.b}}", "variables have no fields, and no method but `.Format` at `.a.b`");
    refuse("{{.a.Format}}", "`.Format` takes a layout, such as \"2006-01-02 15:04:05\" at `.a.Format`");
    refuse("{{.a.Format .b}}", "the layout of `.Format` is a text in quotes at `.b`");
    refuse("{{or .a.Format \"x\"}}", "put `.Format` and its layout into parentheses at `.a.Format`");
    refuse("{{range .a}}{{end}}", "`range` is not supported in log templates at `range`");
    refuse("{{$x := .a}}", "`$` is not supported in log templates at `$`");
    refuse("{{.}}", "a name is expected behind `.` at `.`");
    refuse("{{name}}", "there is no function `name`; a variable is written `.name` at `name`");
    refuse("{{not .a .b}}", "`not` takes 1 arguments, not 2 at `not`");
    refuse("{{printf \"%x\" .a}}", "`%x` is not supported: use %s, %v, %d, %q or %% at `printf`");
    refuse("{{printf \"%s\"}}", "the format takes 1 arguments, not 0 at `printf`");
    refuse("{{(.a}}", "`(` is not closed at `(`");
    refuse("{{.a)}}", "this is not expected here at `)`");
    refuse(&format!("{{{{{}.a}}}}", "(".repeat(40)), "parentheses nest deeper than 32 at `(`");
}

#[test]
fn variables_are_listed_where_they_are_used() {
    let template = Template::compile("{{.a}} {{or (.b.Format \"2006\") .a}}").expect("a template");
    let uses: Vec<_> =
        template.uses().iter().map(|used| (&*used.name, used.span.clone(), used.is_time)).collect();
    assert_eq!(uses, [("a", 2..4, false), ("b", 13..22, true), ("a", 31..33, false)]);
}

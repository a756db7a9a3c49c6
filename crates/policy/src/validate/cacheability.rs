//! Reads that make little sense in a check: of what no cached verdict can answer for, and of what is not known yet.
//!
//! What a check reads by value is in the key of its cached verdict. Some attributes have another value in each request
//! by their nature; a check that reads one is never answered from a cache. That may be meant, so it is a warning. A
//! comparison with a constant is not such a read: of it only the outcome counts.

use std::collections::BTreeSet;

use checkcache::{Target, Test};
use expr::Program;

use crate::diagnostic::Findings;
use crate::document::Text;

/// What has a value of its own.
#[derive(Clone, Copy)]
enum Each {
    Request,
    Connection,
}

/// Attributes with a value of their own in each request or connection.
const ATTRIBUTES: [(&str, Each); 8] = [
    ("connection.id", Each::Connection),
    ("context.time", Each::Request),
    ("context.timestamp", Each::Request),
    ("origin.port", Each::Connection),
    // As a whole: the request's own id is among them.
    ("request.headers", Each::Request),
    ("request.id", Each::Request),
    ("request.time", Each::Request),
    ("source.port", Each::Connection),
];

/// Request headers that name a request, or the span of a trace that it is.
const HEADERS: [&str; 14] = [
    "b3",
    "traceparent",
    "uber-trace-id",
    "x-amzn-trace-id",
    "x-b3-parentspanid",
    "x-b3-spanid",
    "x-b3-traceid",
    "x-client-trace-id",
    "x-cloud-trace-context",
    "x-correlation-id",
    "x-datadog-parent-id",
    "x-datadog-trace-id",
    "x-ot-span-context",
    "x-request-id",
];

/// What is only known when a request is over: whole families by their beginning, and single attributes.
const AFTERWARDS: [&str; 3] = ["check.", "rbac.permissive.", "response."];
const ATTRIBUTES_AFTERWARDS: [&str; 4] =
    ["context.proxy_error_code", "quota.cache_hit", "request.size", "request.total_size"];

/// Warns of what a program that decides reads though it is not there before the request is over.
fn check_time(program: &Program, text: &Text, what: &str, findings: &mut Findings<'_>) {
    let mut warned = BTreeSet::new();
    for look in program.looks() {
        let name = look.target.attribute().as_str();
        let is_late =
            AFTERWARDS.iter().any(|family| name.starts_with(family)) || ATTRIBUTES_AFTERWARDS.contains(&name);
        if is_late && warned.insert(name.to_owned()) {
            let at = text.locate(&look.span, findings);
            findings
                .warning(at, format!("{what} reads `{name}`, which is only known in reports"))
                .help("a check finds it absent, and what cannot be evaluated is refused; `|` gives a value for that");
        }
    }
}

/// Warns of what a program that decides reads by value though no two requests have it in common.
pub(super) fn check(program: &Program, text: &Text, what: &str, findings: &mut Findings<'_>) {
    check_time(program, text, what, findings);
    for look in program.looks() {
        let (Test::Value, Some(each)) = (look.test, uniqueness(&look.target)) else { continue };
        let each = match each {
            Each::Request => "request",
            Each::Connection => "new connection",
        };
        let (at, target) = (text.locate(&look.span, findings), &look.target);
        findings
            .warning(at, format!("{what} reads `{target}` by value: every {each} will be a cache miss"))
            .help(
                "no two of them have the same value; of a comparison with a constant only the outcome counts",
            );
    }
}

fn uniqueness(target: &Target) -> Option<Each> {
    match target {
        Target::Attribute(name) => {
            ATTRIBUTES.iter().find(|(unique, _)| *unique == name.as_str()).map(|(_, each)| *each)
        }
        Target::Key(name, key) => {
            (name.as_str() == "request.headers" && HEADERS.contains(&&**key)).then_some(Each::Request)
        }
    }
}

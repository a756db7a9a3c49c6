//! Reads that no cached verdict can answer for.
//!
//! What a check reads by value is in the key of its cached verdict. Some attributes have another value in each request
//! by their nature; a check that reads one is never answered from a cache. That may be meant, so it is a warning. A
//! comparison with a constant is not such a read: of it only the outcome counts.

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

/// Warns of what a program that decides reads by value though no two requests have it in common.
pub(super) fn check(program: &Program, text: &Text, what: &str, findings: &mut Findings<'_>) {
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

//! `denyChecker`: refuses whatever it is asked about.
//!
//! Which requests it is asked about is the business of the rules' selectors. Its answer depends on nothing but its
//! parameters, so it could hold as long as the configuration; it is bounded so that a proxy that does not hear of
//! changes notices them all the same.
//!
//! | parameter | default | |
//! |---|---|---|
//! | `error.code` | `FAILED_PRECONDITION` | a code's name or number, other than `OK` |
//! | `error.message` | | what the caller is told |
//! | `directResponse.code` | as for `error.code` | the HTTP status that the proxy answers with, from 400 |
//! | `directResponse.body` | | the body of that answer |
//! | `directResponse.headers` | | its headers: a map of names to values |
//! | `validDuration` | 60s | how long a proxy may go on refusing without asking |
//! | `validUseCount` | any number | how many times it may; such verdicts are not shared between proxies |

use std::sync::Arc;

use async_trait::async_trait;
use checkcache::{Code, HeaderOperation, Operation, RouteDirective, Status, Validity};
use policy::{AdapterInfo, AspectKind, HandlerConfig, ParamProblem};
use serde_json::Value;

use super::params::Params;
use super::{Answer, Handler, HandlerError, InvalidHandler, Surroundings};
use crate::limits;

pub(super) const INFO: AdapterInfo = AdapterInfo {
    name: "denyChecker",
    kinds: &[AspectKind::Denials],
    description: "refuses every request that a rule brings before it",
    validate,
    outputs: policy::no_outputs,
};

#[derive(Debug)]
struct DenyChecker {
    answer: Answer,
}

fn validate(params: &Value) -> Result<(), Vec<ParamProblem>> {
    parse(params).map(drop)
}

pub(super) fn build(config: &HandlerConfig, _: &Surroundings) -> Result<Arc<dyn Handler>, InvalidHandler> {
    let answer = super::parsed(config, parse(&config.params))?;
    Ok(Arc::new(DenyChecker { answer }))
}

fn parse(params: &Value) -> Result<Answer, Vec<ParamProblem>> {
    let mut params = Params::new(params);
    let status = params.object("error", |error| {
        let code = code(error).unwrap_or(Code::FailedPrecondition);
        Status::new(code, error.text("message").unwrap_or_default())
    });
    let ttl = params.duration("validDuration").unwrap_or(limits::VERDICT_TTL);
    let uses = params.count("validUseCount");
    let status = status.unwrap_or_else(|| Status::new(Code::FailedPrecondition, ""));
    let directive = params.object("directResponse", |response| direct_response(response, &status));
    params.finish(Answer { status, directive, validity: Validity::For { ttl, uses } })
}

/// What the proxy answers. A code below 400 would tell the caller that nothing was refused.
fn direct_response(params: &mut Params<'_>, status: &Status) -> RouteDirective {
    let code =
        params.count("code").map_or(status.code.http(), |code| u16::try_from(code).unwrap_or(u16::MAX));
    if !(400..600).contains(&code) {
        params.problem("code", "expected an HTTP status from 400 to 599");
    }
    let body = params.text("body").unwrap_or_default().to_owned();
    if body.len() > limits::DIRECT_RESPONSE_BYTES {
        params.problem("body", format!("longer than {} bytes", limits::DIRECT_RESPONSE_BYTES));
    }
    let mut headers = Vec::new();
    for (name, value) in params.text_map("headers") {
        let name = name.to_ascii_lowercase();
        let is_header = axum::http::HeaderName::from_bytes(name.as_bytes()).is_ok();
        if is_header && axum::http::HeaderValue::from_str(value).is_ok() {
            headers.push(HeaderOperation { name, operation: Operation::Replace(value.to_owned()) });
        } else {
            params.problem(&format!("headers.{name}"), "no header has this name or value");
        }
    }
    RouteDirective {
        direct_response_code: Some(code),
        direct_response_body: body,
        response_headers: headers,
        request_headers: Vec::new(),
    }
}

/// The code by its name or its number. `OK` is a mistake: what should be allowed needs no denial.
fn code(error: &mut Params<'_>) -> Option<Code> {
    let choices: Vec<(&str, i64)> = Code::ALL
        .iter()
        .filter(|code| **code != Code::Ok)
        .map(|code| (code.name(), i64::from(code.number())))
        .collect();
    let number = error.choice("code", &choices)?;
    i32::try_from(number).ok().map(Code::from_number)
}

#[async_trait]
impl Handler for DenyChecker {
    async fn deny(&self) -> Result<Answer, HandlerError> {
        Ok(self.answer.clone())
    }
}

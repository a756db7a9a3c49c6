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
//! | `validDuration` | 60s | how long a proxy may go on refusing without asking |
//! | `validUseCount` | any number | how many times it may; such verdicts are not shared between proxies |

use std::sync::Arc;

use async_trait::async_trait;
use checkcache::{Code, Status, Validity};
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
    params.finish(Answer { status, validity: Validity::For { ttl, uses } })
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

//! `officeHours`: refuses what comes outside of the office's hours, in UTC.
//!
//! | parameter | default | |
//! |---|---|---|
//! | `opens` | 9h | the time of day from which it refuses nothing |
//! | `closes` | 17h | the time of day from which it refuses again; after `opens`, at most 24h |

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use checkcache::{Code, Status, Validity};
use policy::{AdapterInfo, AspectKind, HandlerConfig, ParamProblem};

use crate::adapters::params::Params;
use crate::adapters::{Answer, Handler, HandlerError, InvalidHandler, Surroundings, parsed};
use crate::{limits, runtime};

pub(in crate::adapters) const INFO: AdapterInfo = AdapterInfo {
    name: "officeHours",
    kinds: &[AspectKind::Denials],
    description: "refuses what comes outside of the office's hours",
    validate,
    outputs: policy::no_outputs,
};

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

#[derive(Debug, Clone, Copy)]
struct OfficeHours {
    opens: Duration,
    closes: Duration,
}

fn validate(params: &serde_json::Value) -> Result<(), Vec<ParamProblem>> {
    OfficeHours::parse(params).map(drop)
}

pub(in crate::adapters) fn build(
    config: &HandlerConfig,
    _: &Surroundings,
) -> Result<Arc<dyn Handler>, InvalidHandler> {
    Ok(Arc::new(parsed(config, OfficeHours::parse(&config.params))?))
}

// === impl OfficeHours ===

impl OfficeHours {
    fn parse(params: &serde_json::Value) -> Result<Self, Vec<ParamProblem>> {
        let mut params = Params::new(params);
        let opens = params.duration("opens").unwrap_or(9 * HOUR);
        let closes = params.duration("closes").unwrap_or(17 * HOUR);
        if closes <= opens || closes > DAY {
            params.problem("closes", "must be after `opens` and at most 24h");
        }
        params.finish(Self { opens, closes })
    }

    /// The answer at a time of day. It holds until the office next opens or closes, and not a moment longer.
    fn answer_at(self, time: Duration) -> Answer {
        let (status, changes) = if time < self.opens {
            (Status::new(Code::PermissionDenied, "the office is not open yet"), self.opens)
        } else if time < self.closes {
            (Status::default(), self.closes)
        } else {
            (Status::new(Code::PermissionDenied, "the office is closed"), DAY + self.opens)
        };
        let ttl = changes.saturating_sub(time).min(limits::VERDICT_TTL);
        Answer { status, directive: None, validity: Validity::For { ttl, uses: None } }
    }
}

#[async_trait]
impl Handler for OfficeHours {
    async fn deny(&self) -> Result<Answer, HandlerError> {
        let nanos = runtime::now().unix_nanos().rem_euclid(DAY.as_nanos() as i128);
        Ok(self.answer_at(Duration::from_nanos(nanos as u64)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_holds_until_the_office_opens_or_closes() {
        let hours = OfficeHours { opens: 9 * HOUR, closes: 17 * HOUR };
        let check = |time: u64, code: Code, ttl: Duration| {
            let Answer { status, validity, .. } = hours.answer_at(Duration::from_secs(time));
            assert_eq!((status.code, validity), (code, Validity::For { ttl, uses: None }), "{time}");
        };
        check(0, Code::PermissionDenied, limits::VERDICT_TTL);
        check(9 * 3600 - 1, Code::PermissionDenied, Duration::from_secs(1));
        check(9 * 3600, Code::Ok, limits::VERDICT_TTL);
        check(17 * 3600 - 1, Code::Ok, Duration::from_secs(1));
        check(17 * 3600, Code::PermissionDenied, limits::VERDICT_TTL);
    }
}

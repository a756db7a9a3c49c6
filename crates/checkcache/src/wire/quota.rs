//! Grants of quota ⇄ `CheckResponse.QuotaResult`.

use std::time::Duration;

use attributes::{AttributeSource, Dictionary};
use proto::google::rpc;
use proto::v1::check_response::QuotaResult;

use super::{Uncacheable, decode_references, decode_trace, encode_references, encode_trace};
use crate::{Code, Outcome, Status, Trace};

/// How much of a quota was granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Grant {
    /// How much.
    pub amount: i64,
    /// How long it may be used; `None` if it does not say.
    pub valid_for: Option<Duration>,
    /// Why it is less than was asked for.
    pub status: Status,
}

/// A grant as it came over the wire, and which requests are counted together.
#[derive(Debug)]
pub struct QuotaAnswer {
    /// The grant.
    pub grant: Grant,
    /// What the counter was found by, or why that is not known.
    pub trace: Result<Trace, Uncacheable>,
}

/// Writes a grant. With `accepts_trace` the trace goes along as it is, else as referenced attributes.
pub fn encode_quota(
    grant: &Grant,
    trace: &Trace,
    dictionary: &Dictionary,
    word_count: u32,
    accepts_trace: bool,
) -> QuotaResult {
    // As with verdicts: clients that only know references would count requests together that are not.
    let no_map = trace.observations().iter().any(|seen| seen.outcome == Outcome::NoMap);
    let valid_for = if no_map && !accepts_trace { Some(Duration::ZERO) } else { grant.valid_for };
    QuotaResult {
        valid_duration: valid_for.map(|span| attributes::Duration::from(span).into()),
        granted_amount: grant.amount,
        referenced_attributes: (!accepts_trace).then(|| encode_references(trace, dictionary, word_count)),
        status: Some(rpc::Status {
            code: grant.status.code.number(),
            message: grant.status.message.clone(),
            details: Vec::new(),
        }),
        trace: accepts_trace.then(|| encode_trace(trace, dictionary, word_count)),
    }
}

/// Reads a grant that came in answer to a request with the attributes `source`, sent with the first `word_count` words
/// of a dictionary.
pub fn decode_quota(
    result: QuotaResult,
    dictionary: &Dictionary,
    word_count: u32,
    source: &(impl AttributeSource + ?Sized),
) -> QuotaAnswer {
    let QuotaResult { valid_duration, granted_amount, referenced_attributes, status, trace } = result;
    let trace = match trace {
        Some(trace) => decode_trace(trace, dictionary, word_count).map_err(Uncacheable::from),
        None => decode_references(referenced_attributes.unwrap_or_default(), dictionary, word_count, source)
            .map_err(Uncacheable::from),
    };
    let trace =
        trace.and_then(
            |trace| {
                if trace.holds_for(source) { Ok(trace) } else { Err(Uncacheable::TraceDoesNotHold) }
            },
        );
    let status = status.unwrap_or_default();
    // A span that cannot be is no time at all.
    let valid_for = valid_duration.map(|span| {
        attributes::Duration::try_from(span).map_or(Duration::ZERO, attributes::Duration::to_std)
    });
    let status = Status::new(Code::from_number(status.code), status.message);
    QuotaAnswer { grant: Grant { amount: granted_amount, valid_for, status }, trace }
}

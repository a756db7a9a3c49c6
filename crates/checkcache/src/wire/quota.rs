//! Grants of quota ⇄ `CheckResponse.QuotaResult`.

use std::time::Duration;

use attributes::{AttributeSource, Dictionary};
use proto::google::rpc;
use proto::v1::check_response::QuotaResult;

use super::{Uncacheable, decode_references, decode_trace, encode_references, encode_trace};
use crate::{Code, Outcome, Status, Trace, Validity};

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

/// What a counter is called: equal ones have equal names on every server and under every revision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Counter(pub [u8; 16]);

/// Which requests are counted together with the one that was asked about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// What was looked at to find the counter.
    pub trace: Trace,
    /// How long requests that the trace holds for are counted by it.
    pub validity: Validity,
    /// The counter, if there is one.
    pub counter: Option<Counter>,
}

/// A grant as it came over the wire, and which requests are counted together.
#[derive(Debug)]
pub struct QuotaAnswer {
    /// The grant.
    pub grant: Grant,
    /// What the counter was found by, or why that is not known.
    pub trace: Result<Trace, Uncacheable>,
    /// How long requests that the trace holds for are counted by it.
    pub validity: Validity,
    /// The counter, if the server names it.
    pub counter: Option<Counter>,
}

/// Writes a grant. With `accepts_trace` the trace goes along as it is, else as referenced attributes.
pub fn encode_quota(
    grant: &Grant,
    counted: &Counted,
    dictionary: &Dictionary,
    word_count: u32,
    accepts_trace: bool,
) -> QuotaResult {
    let Counted { trace, validity, counter } = counted;
    // As with verdicts: clients that only know references would count requests together that are not.
    let no_map = trace.observations().iter().any(|seen| seen.outcome == Outcome::NoMap);
    // Nor do they hear how long those stay together that are: it is all the time that they have for the grant.
    let together_for = if no_map { Some(Duration::ZERO) } else { span(*validity) };
    let valid_for = match (grant.valid_for, together_for.filter(|_| !accepts_trace)) {
        (Some(granted), Some(together)) => Some(granted.min(together)),
        (valid_for, None) | (None, valid_for) => valid_for,
    };
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
        trace_valid_duration: span(*validity)
            .filter(|_| accepts_trace)
            .map(|span| attributes::Duration::from(span).into()),
        counter: counter.filter(|_| accepts_trace).map(|Counter(name)| name.to_vec()).unwrap_or_default(),
    }
}

/// What is good for so many uses is good for none: a trace has no uses to count.
fn span(validity: Validity) -> Option<Duration> {
    match validity {
        Validity::Revision => None,
        Validity::For { ttl, uses: None } => Some(ttl),
        Validity::For { uses: Some(_), .. } | Validity::Never => Some(Duration::ZERO),
    }
}

/// Reads a grant that came in answer to a request with the attributes `source`, sent with the first `word_count` words
/// of a dictionary.
pub fn decode_quota(
    result: QuotaResult,
    dictionary: &Dictionary,
    word_count: u32,
    source: &dyn AttributeSource,
) -> QuotaAnswer {
    let QuotaResult {
        valid_duration,
        granted_amount,
        referenced_attributes,
        status,
        trace,
        trace_valid_duration,
        counter,
    } = result;
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
    let status = Status::new(Code::from_number(status.code), status.message);
    // A span that cannot be is no time at all.
    let span =
        |span| attributes::Duration::try_from(span).map_or(Duration::ZERO, attributes::Duration::to_std);
    let validity = match trace_valid_duration.map(span) {
        None => Validity::Revision,
        Some(Duration::ZERO) => Validity::Never,
        Some(ttl) => Validity::For { ttl, uses: None },
    };
    let counter = counter.try_into().ok().map(Counter);
    let grant = Grant { amount: granted_amount, valid_for: valid_duration.map(span), status };
    QuotaAnswer { grant, trace, validity, counter }
}

#[cfg(test)]
mod tests {
    use attributes::Bag;

    use super::*;
    use crate::Recorder;

    #[test]
    fn what_is_counted_together_comes_back_as_it_was_said() {
        let mut bag = Bag::new();
        bag.insert("source.user", "ada");
        let mut recorder = Recorder::new(&bag);
        recorder.value(&"source.user".into());
        let trace = recorder.into_trace();
        let dictionary = Dictionary::default();
        let grant = Grant { amount: 3, valid_for: Some(Duration::from_secs(1)), status: Status::default() };
        let minute = |uses| Validity::For { ttl: Duration::from_secs(60), uses };
        for (validity, expected) in [
            (Validity::Revision, Validity::Revision),
            (minute(None), minute(None)),
            (minute(Some(7)), Validity::Never),
            (Validity::Never, Validity::Never),
        ] {
            for (accepts_trace, counter) in [(true, Some(Counter([7; 16]))), (true, None), (false, None)] {
                let counted = Counted { trace: trace.clone(), validity, counter };
                let sent = encode_quota(&grant, &counted, &dictionary, 0, accepts_trace);
                let came = decode_quota(sent, &dictionary, 0, &bag);
                assert_eq!((came.grant.amount, came.counter), (3, counter));
                assert_eq!(came.trace.ok(), Some(trace.clone()));
                // Who takes no trace is not told of it, and has no longer for the grant.
                let is_never = expected == Validity::Never && !accepts_trace;
                let valid_for = Duration::from_secs(u64::from(!is_never));
                assert_eq!(came.grant.valid_for, Some(valid_for));
                assert_eq!(came.validity, if accepts_trace { expected } else { Validity::Revision });
            }
        }
    }
}

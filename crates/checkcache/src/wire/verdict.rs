//! Verdicts ⇄ `CheckResponse.PreconditionResult`.

use std::time::Duration;

use attributes::wire::{Compressor, Expander, InvalidAttributes};
use attributes::{AttributeSource, Bag, Dictionary};
use proto::google::rpc;
use proto::v1;
use proto::v1::check_response::PreconditionResult;
use proto::v1::header_operation::Operation as ProtoOperation;
use thiserror::Error;

use super::{
    InvalidReferences, InvalidTrace, decode_references, decode_trace, encode_references, encode_trace,
};
use crate::{
    Code, HeaderOperation, Operation, Outcome, RouteDirective, Status, Trace, Validity, Verdict, limits,
};

/// How long a client that hears of no revisions may keep a verdict that holds as long as the snapshot does.
const UNTOLD_TTL: Duration = Duration::from_secs(60);

/// A verdict as it came over the wire, and what it may be stored under.
#[derive(Debug)]
pub struct Precondition {
    /// The verdict.
    pub verdict: Verdict,
    /// Its trace, or why it must not be stored.
    pub trace: Result<Trace, Uncacheable>,
    /// Whether an ordered trace came with it.
    with_trace: bool,
}

impl Precondition {
    /// Whether the server decided about other attributes than the request has: its trace says so. Referenced attributes
    /// say less, and may be wrong without the verdict being so.
    pub fn is_about_another_request(&self) -> bool {
        self.with_trace && self.trace == Err(Uncacheable::TraceDoesNotHold)
    }
}

/// Why a verdict can be used but not stored.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum Uncacheable {
    /// The trace is of no use.
    #[error("its trace is of no use: {0}")]
    Trace(#[from] InvalidTrace),
    /// The referenced attributes are of no use.
    #[error("its referenced attributes are of no use: {0}")]
    References(#[from] InvalidReferences),
    /// The trace is not what the request's attributes say.
    #[error("its trace does not hold for the request itself")]
    TraceDoesNotHold,
    /// The attributes that came with it cannot be read.
    #[error("its attributes cannot be read: {0}")]
    Attributes(#[from] InvalidAttributes),
}

/// Writes a verdict that may be used for as long as `validity` says. With `accepts_trace` the trace goes along as it
/// is, else as referenced attributes.
pub fn encode_precondition(
    verdict: &Verdict,
    validity: Validity,
    trace: &Trace,
    dictionary: &Dictionary,
    word_count: u32,
    accepts_trace: bool,
) -> PreconditionResult {
    // Clients that only know references take "the map is absent" for "no key of it counts", and would use the verdict for
    // requests that have the map.
    let no_map = trace.observations().iter().any(|seen| seen.outcome == Outcome::NoMap);
    let validity = if no_map && !accepts_trace { Validity::Never } else { validity };
    let (valid_duration, valid_use_count) = encode_validity(validity, accepts_trace);
    let attributes = (!verdict.attributes.is_empty()).then(|| {
        let mut words = Compressor::new(dictionary, word_count as usize);
        let mut message = words.add(&verdict.attributes);
        message.words = words.into_words();
        message
    });
    let refused_by = verdict.refused_by.as_deref().filter(|_| accepts_trace);
    PreconditionResult {
        status: Some(rpc::Status {
            code: verdict.status.code.number(),
            message: verdict.status.message.clone(),
            details: Vec::new(),
        }),
        valid_duration,
        valid_use_count,
        attributes,
        referenced_attributes: (!accepts_trace).then(|| encode_references(trace, dictionary, word_count)),
        route_directive: verdict.directive.as_ref().map(encode_directive),
        trace: accepts_trace.then(|| encode_trace(trace, dictionary, word_count)),
        refused_by: refused_by.unwrap_or_default().to_owned(),
    }
}

/// Writes for how long a verdict may be used, and how often: of a precondition, the duration and the count.
pub fn encode_validity(validity: Validity, accepts_trace: bool) -> (Option<proto::Duration>, i32) {
    let (ttl, uses) = match validity {
        Validity::Never => (Some(Duration::ZERO), 0),
        Validity::For { ttl, uses } => {
            (Some(ttl), uses.map_or(-1, |uses| i32::try_from(uses).unwrap_or(i32::MAX)))
        }
        Validity::Revision => ((!accepts_trace).then_some(UNTOLD_TTL), -1),
    };
    (ttl.map(|ttl| attributes::Duration::from(ttl).into()), uses)
}

/// Reads a verdict that came in answer to a request with the attributes `source`, sent with the first `word_count`
/// words of a dictionary.
pub fn decode_precondition(
    result: PreconditionResult,
    dictionary: &Dictionary,
    word_count: u32,
    source: &dyn AttributeSource,
) -> Precondition {
    let PreconditionResult {
        status,
        valid_duration,
        valid_use_count,
        attributes,
        referenced_attributes,
        route_directive,
        trace,
        refused_by,
    } = result;

    let with_trace = trace.is_some();
    let trace = match trace {
        Some(trace) => decode_trace(trace, dictionary, word_count).map_err(Uncacheable::from),
        None => decode_references(referenced_attributes.unwrap_or_default(), dictionary, word_count, source)
            .map_err(Uncacheable::from),
    };
    let mut trace =
        trace.and_then(
            |trace| {
                if trace.holds_for(source) { Ok(trace) } else { Err(Uncacheable::TraceDoesNotHold) }
            },
        );
    let attributes = attributes.map_or(Ok(Bag::new()), |mut message| {
        let words = std::mem::take(&mut message.words);
        Expander::new(dictionary, word_count, words).bag(message)
    });
    let attributes = attributes.unwrap_or_else(|error| {
        trace = Err(error.into());
        Bag::new()
    });

    let uses = u32::try_from(valid_use_count).ok();
    let ttl =
        valid_duration.map(|span| attributes::Duration::try_from(span).map(attributes::Duration::to_std));
    let validity = match ttl {
        Some(Err(_)) => Validity::Never,
        Some(Ok(ttl)) => Validity::For { ttl, uses },
        None if with_trace && uses.is_none() => Validity::Revision,
        None => Validity::For { ttl: limits::TTL_MAX, uses },
    };
    let validity = if validity.is_cacheable() { validity } else { Validity::Never };
    let status = status.unwrap_or_default();
    Precondition {
        verdict: Verdict {
            status: Status::new(Code::from_number(status.code), status.message),
            directive: route_directive.map(decode_directive),
            attributes,
            refused_by: (!refused_by.is_empty()).then(|| refused_by.into()),
            validity,
        },
        trace,
        with_trace,
    }
}

fn encode_directive(directive: &RouteDirective) -> v1::RouteDirective {
    v1::RouteDirective {
        request_header_operations: directive.request_headers.iter().map(encode_operation).collect(),
        response_header_operations: directive.response_headers.iter().map(encode_operation).collect(),
        direct_response_code: directive.direct_response_code.unwrap_or_default().into(),
        direct_response_body: directive.direct_response_body.clone(),
    }
}

fn decode_directive(directive: v1::RouteDirective) -> RouteDirective {
    let v1::RouteDirective {
        request_header_operations,
        response_header_operations,
        direct_response_code,
        direct_response_body,
    } = directive;
    RouteDirective {
        request_headers: request_header_operations.into_iter().map(decode_operation).collect(),
        response_headers: response_header_operations.into_iter().map(decode_operation).collect(),
        // A code that no HTTP status has is an internal error, so that a refusal cannot get lost in it.
        direct_response_code: (direct_response_code != 0).then(|| {
            u16::try_from(direct_response_code).ok().filter(|code| (200..600).contains(code)).unwrap_or(500)
        }),
        direct_response_body,
    }
}

fn encode_operation(operation: &HeaderOperation) -> v1::HeaderOperation {
    let (kind, value) = match &operation.operation {
        Operation::Replace(value) => (ProtoOperation::Replace, value.as_str()),
        Operation::Remove => (ProtoOperation::Remove, ""),
        Operation::Append(value) => (ProtoOperation::Append, value.as_str()),
    };
    v1::HeaderOperation { name: operation.name.clone(), value: value.to_owned(), operation: kind.into() }
}

fn decode_operation(operation: v1::HeaderOperation) -> HeaderOperation {
    let v1::HeaderOperation { name, value, operation } = operation;
    let operation = match ProtoOperation::try_from(operation) {
        // Replacing is the default of the wire, also for what a newer server may come to send.
        Ok(ProtoOperation::Replace) | Err(_) => Operation::Replace(value),
        Ok(ProtoOperation::Remove) => Operation::Remove,
        Ok(ProtoOperation::Append) => Operation::Append(value),
    };
    HeaderOperation { name: name.to_ascii_lowercase(), operation }
}

//! The client's messages and what comes back.

use std::time::Duration;

use attributes::wire::{Compressor, ReportEncoder, ReportEncoding};
use attributes::{AttributeSource, Bag, Dictionary};
use checkcache::Revision;
use checkcache::wire::{Counter, Precondition, decode_precondition, decode_quota};
use prost::Message as _;
use prost::encoding::{self, WireType};
use proto::listed::{CheckRequest, CheckResponse, QuotaAsked};
use proto::v1;
use proto::v1::check_request::QuotaParams;
use thiserror::Error;

use crate::demand::Demand;
use crate::limits;
use crate::quota::{Answered, Charge};

/// The answer to a check cannot be used at all.
#[derive(Debug, Error)]
pub(crate) enum InvalidAnswer {
    #[error("it cannot be decoded: {0}")]
    Message(#[from] prost::DecodeError),
    #[error("it has {0} bytes, at most {max} are read", max = limits::ANSWER_BYTES)]
    TooLong(usize),
    #[error("it has no precondition result")]
    NoPrecondition,
}

/// What a question has besides the request, about.
const QUESTION_BYTES: usize = 24;

/// The answer to a check.
pub(crate) struct CheckAnswer {
    pub(crate) revision: Revision,
    /// The server's dictionary: how many words, and their digest.
    pub(crate) words: (u32, u64),
    pub(crate) hash_seed: Option<[u8; 16]>,
    pub(crate) content: Content,
    /// What became of each quota that was asked for.
    pub(crate) quotas: Vec<Option<Answered>>,
}

/// A quota in a check.
#[derive(Debug)]
pub(crate) struct Asked<'a> {
    pub(crate) quota: &'a str,
    /// How much; what is negative is given back.
    pub(crate) amount: i64,
    /// Whether less will do.
    pub(crate) best_effort: bool,
    /// The counter that is given back to, if that has a name.
    pub(crate) counter: Option<Counter>,
}

impl<'a> From<&'a Charge> for Asked<'a> {
    fn from(charge: &'a Charge) -> Self {
        let amount = i64::try_from(charge.amount).unwrap_or(i64::MAX);
        Self { quota: &charge.quota, amount, best_effort: false, counter: None }
    }
}

/// What an answer says.
pub(crate) enum Content {
    /// The verdict.
    Precondition(Box<Precondition>),
    /// The request left out attributes that may count; this is what is read.
    Demand(Demand),
}

/// Names the first words of a dictionary; nothing for none, since then there is nothing to mistake.
fn digest(dictionary: &Dictionary, count: u32) -> u64 {
    if count == 0 { 0 } else { dictionary.digest(count as usize).unwrap_or_default() }
}

/// The seed for hash tables that a server sent, if it did.
pub(crate) fn hash_seed(bytes: &[u8]) -> Option<[u8; 16]> {
    bytes.try_into().ok()
}

/// A serialized `envoy.config.core.v3.GrpcService` with nothing but `envoy_grpc.cluster_name`. `None` for names that
/// are too long: a length of 128 or more would not be text, which is how the host call takes it.
pub fn envoy_grpc_service(cluster: &str) -> Option<String> {
    #[derive(Clone, PartialEq, prost::Message)]
    struct GrpcService {
        #[prost(message, optional, tag = "1")]
        envoy_grpc: Option<EnvoyGrpc>,
    }
    #[derive(Clone, PartialEq, prost::Message)]
    struct EnvoyGrpc {
        #[prost(string, tag = "1")]
        cluster_name: String,
    }

    let service = GrpcService { envoy_grpc: Some(EnvoyGrpc { cluster_name: cluster.to_owned() }) };
    String::from_utf8(service.encode_to_vec()).ok()
}

pub(crate) fn encode_check<'q>(
    bag: &Bag,
    demanded: Revision,
    dictionary: &Dictionary,
    word_count: u32,
    id: String,
    quotas: impl IntoIterator<Item = Asked<'q>>,
) -> Vec<u8> {
    let mut words = Compressor::new(dictionary, word_count as usize);
    let mut attributes = words.add(bag);
    let global_word_count = words.word_count();
    attributes.words = words.into_words();
    let asked = |Asked { quota, amount, best_effort, counter }: Asked<'_>| {
        let counter = counter.map(|Counter(name)| name.to_vec()).unwrap_or_default();
        QuotaAsked { name: quota.to_owned(), params: Some(QuotaParams { amount, best_effort, counter }) }
    };
    let request = CheckRequest {
        attributes: Some(attributes),
        global_word_count,
        deduplication_id: id,
        quotas: quotas.into_iter().map(asked).collect(),
        accepts_trace: true,
        demand_revision: demanded.0,
        dictionary_digest: digest(dictionary, global_word_count),
    };
    request.encode_to_vec()
}

/// A check as a question on the line: a `mixer.checks.v1.Question`.
pub(crate) fn encode_question(id: u64, request: &[u8], timeout: Duration) -> Vec<u8> {
    let mut question = Vec::with_capacity(request.len() + QUESTION_BYTES);
    encoding::fixed64::encode(1, &id, &mut question);
    encoding::encode_key(2, WireType::LengthDelimited, &mut question);
    encoding::encode_varint(request.len() as u64, &mut question);
    question.extend_from_slice(request);
    let timeout_ms = u32::try_from(timeout.as_millis()).unwrap_or(u32::MAX).max(1);
    encoding::uint32::encode(3, &timeout_ms, &mut question);
    question
}

pub(crate) fn decode_check(
    answer: &[u8],
    dictionary: &Dictionary,
    word_count: u32,
    charges: &[Charge],
    source: &dyn AttributeSource,
) -> Result<CheckAnswer, InvalidAnswer> {
    if answer.len() > limits::ANSWER_BYTES {
        return Err(InvalidAnswer::TooLong(answer.len()));
    }
    let CheckResponse {
        precondition,
        mut quotas,
        revision,
        hash_seed: seed,
        demand,
        global_word_count,
        dictionary_digest,
    } = CheckResponse::decode(answer)?;
    let words = (global_word_count, dictionary_digest);
    let quotas = charges
        .iter()
        .map(|charge| {
            let place = quotas.iter().rposition(|allocated| *allocated.name == *charge.quota)?;
            let result = quotas.swap_remove(place).result.unwrap_or_default();
            let takes_back = result.trace.is_some();
            Some(Answered { answer: decode_quota(result, dictionary, word_count, source), takes_back })
        })
        .collect();
    let content = match (precondition, demand) {
        (Some(precondition), _) => {
            let precondition = decode_precondition(precondition, dictionary, word_count, source);
            Content::Precondition(Box::new(precondition))
        }
        (None, Some(demand)) => Content::Demand(demand.into()),
        (None, None) => return Err(InvalidAnswer::NoPrecondition),
    };
    Ok(CheckAnswer { revision: Revision(revision), words, hash_seed: hash_seed(&seed), content, quotas })
}

pub(crate) fn encode_report(
    bags: &[Bag],
    encoding: ReportEncoding,
    demanded: Revision,
    dictionary: &Dictionary,
    word_count: u32,
) -> Vec<u8> {
    let mut encoder = ReportEncoder::new(dictionary, word_count as usize, encoding);
    for bag in bags {
        encoder.add(bag);
    }
    let mut report = encoder.finish();
    report.demand_revision = demanded.0;
    report.dictionary_digest = digest(dictionary, report.global_word_count);
    report.encode_to_vec()
}

/// Whether the server that took a report says that it understands messages that build on each other.
pub(crate) fn accepts_changes(answer: &[u8]) -> bool {
    answer.len() <= limits::ANSWER_BYTES
        && v1::ReportResponse::decode(answer).is_ok_and(|answer| answer.accepts_changes)
}

//! `CheckRequest` and `CheckResponse` as the filter has them: with lists where the generated messages have maps.
//!
//! A filter writes and reads an entry or two and looks one up once; the search trees of the generated messages would be a
//! thirtieth of its module. On the wire a map is a list of entries, so nothing is different there.

use prost::Message;

use crate::v1::check_request::QuotaParams;
use crate::v1::check_response::{PreconditionResult, QuotaResult};
use crate::{feed, v1};

/// [`v1::CheckRequest`], which says what the fields mean.
#[derive(Clone, PartialEq, Message)]
pub struct CheckRequest {
    /// What is known of the operation.
    #[prost(message, optional, tag = "1")]
    pub attributes: Option<v1::CompressedAttributes>,
    /// How many words of the deployment-wide dictionary are used.
    #[prost(uint32, tag = "2")]
    pub global_word_count: u32,
    /// Names the call.
    #[prost(string, tag = "3")]
    pub deduplication_id: String,
    /// What to allocate; no quota twice.
    #[prost(message, repeated, tag = "4")]
    pub quotas: Vec<QuotaAsked>,
    /// Traces are understood.
    #[prost(bool, tag = "100")]
    pub accepts_trace: bool,
    /// What the attributes were chosen for.
    #[prost(fixed64, tag = "101")]
    pub demand_revision: u64,
    /// Names the words.
    #[prost(fixed64, tag = "102")]
    pub dictionary_digest: u64,
}

/// What to allocate of a quota.
#[derive(Clone, PartialEq, Message)]
pub struct QuotaAsked {
    /// The quota.
    #[prost(string, tag = "1")]
    pub name: String,
    /// How much.
    #[prost(message, optional, tag = "2")]
    pub params: Option<QuotaParams>,
}

/// [`v1::CheckResponse`], which says what the fields mean.
#[derive(Clone, PartialEq, Message)]
pub struct CheckResponse {
    /// The verdict.
    #[prost(message, optional, tag = "2")]
    pub precondition: Option<PreconditionResult>,
    /// What was allocated; of entries with one name the last counts.
    #[prost(message, repeated, tag = "3")]
    pub quotas: Vec<QuotaAllocated>,
    /// What the verdict was reached under.
    #[prost(fixed64, tag = "100")]
    pub revision: u64,
    /// For the client's hash tables.
    #[prost(bytes = "vec", tag = "101")]
    pub hash_seed: Vec<u8>,
    /// Instead of a verdict.
    #[prost(message, optional, tag = "102")]
    pub demand: Option<feed::Demand>,
    /// The words that the server has,
    #[prost(uint32, tag = "103")]
    pub global_word_count: u32,
    /// and their name.
    #[prost(fixed64, tag = "104")]
    pub dictionary_digest: u64,
}

/// What was allocated of a quota.
#[derive(Clone, PartialEq, Message)]
pub struct QuotaAllocated {
    /// The quota.
    #[prost(string, tag = "1")]
    pub name: String,
    /// How much, and what it depends on.
    #[prost(message, optional, tag = "2")]
    pub result: Option<QuotaResult>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_what_the_generated_message_reads() {
        let params = |amount| QuotaParams { amount, best_effort: true, counter: vec![1, 2] };
        let asked = |name: &str, amount| QuotaAsked { name: name.to_owned(), params: Some(params(amount)) };
        let values = vec![(1, v1::CompressedValue::Int64(7))];
        let attributes = v1::CompressedAttributes { values, ..Default::default() };
        let listed = CheckRequest {
            attributes: Some(attributes.clone()),
            global_word_count: 2,
            deduplication_id: "id".to_owned(),
            quotas: vec![asked("a", 3), asked("b", -4)],
            accepts_trace: true,
            demand_revision: 5,
            dictionary_digest: 6,
        };
        let generated = v1::CheckRequest {
            attributes: Some(attributes),
            global_word_count: 2,
            deduplication_id: "id".to_owned(),
            quotas: [("a".to_owned(), params(3)), ("b".to_owned(), params(-4))].into(),
            accepts_trace: true,
            demand_revision: 5,
            dictionary_digest: 6,
        };
        assert_eq!(v1::CheckRequest::decode(&*listed.encode_to_vec()), Ok(generated.clone()));
        assert_eq!(listed.encode_to_vec(), generated.encode_to_vec());
    }

    #[test]
    fn a_response_is_what_the_generated_message_writes() {
        let result = |granted_amount| QuotaResult { granted_amount, counter: vec![9], ..Default::default() };
        let allocated =
            |name: &str, amount| QuotaAllocated { name: name.to_owned(), result: Some(result(amount)) };
        let precondition = PreconditionResult { valid_use_count: 3, ..Default::default() };
        let demand = feed::Demand { attributes: vec![feed::demand::Attribute::default()] };
        let generated = v1::CheckResponse {
            precondition: Some(precondition.clone()),
            quotas: [("a".to_owned(), result(1)), ("b".to_owned(), result(2))].into(),
            revision: 1,
            hash_seed: vec![4; 16],
            demand: Some(demand.clone()),
            global_word_count: 2,
            dictionary_digest: 3,
        };
        let listed = CheckResponse {
            precondition: Some(precondition),
            quotas: vec![allocated("a", 1), allocated("b", 2)],
            revision: 1,
            hash_seed: vec![4; 16],
            demand: Some(demand),
            global_word_count: 2,
            dictionary_digest: 3,
        };
        assert_eq!(CheckResponse::decode(&*generated.encode_to_vec()), Ok(listed));
    }
}

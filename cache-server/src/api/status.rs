//! What is wrong with a request, as gRPC statuses.

use attributes::Dictionary;
use attributes::wire::{InvalidAttributes, InvalidReport};
use prost::Message as _;
use proto::google::rpc;
use proto::v1::DictionaryMismatch;
use tonic::{Code, Status};

use crate::runtime::Unconfigured;
use crate::text;

/// Refuses a message that uses more words of the deployment-wide dictionary than there are here. What the client needs
/// to send it again is in the status's details.
pub(super) fn known_words(dictionary: &Dictionary, word_count: u32) -> Result<(), Status> {
    let server_word_count = u32::try_from(dictionary.len()).unwrap_or(u32::MAX);
    if word_count <= server_word_count {
        return Ok(());
    }
    let message = format!(
        "the message uses {word_count} words of the deployment-wide dictionary, the server knows {server_word_count}"
    );
    let mismatch = DictionaryMismatch { server_word_count, client_word_count: word_count };
    let detail = proto::Any {
        type_url: proto::DICTIONARY_MISMATCH_TYPE_URL.to_owned(),
        value: mismatch.encode_to_vec(),
    };
    let code = Code::FailedPrecondition;
    let status = rpc::Status { code: code as i32, message: message.clone(), details: vec![detail] };
    Err(Status::with_details(code, message, status.encode_to_vec().into()))
}

pub(super) fn invalid_attributes(error: &InvalidAttributes) -> Status {
    Status::invalid_argument(text::message(&format!("the attributes cannot be read: {error}")))
}

pub(super) fn invalid_report(error: &InvalidReport) -> Status {
    Status::invalid_argument(text::message(&format!("the report cannot be read: {error}")))
}

/// Nothing is allowed, and nothing is taken, before there is a configuration.
pub(super) fn unconfigured(error: &Unconfigured) -> Status {
    Status::unavailable(text::message(&error.to_string()))
}

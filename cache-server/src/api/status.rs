//! What is wrong with a request, as gRPC statuses.

use std::sync::Arc;

use attributes::Dictionary;
use attributes::wire::{self as mismatch, InvalidAttributes, InvalidReport};
use prost::Message as _;
use proto::google::rpc;
use proto::v1::DictionaryMismatch;
use tonic::{Code, Status};

use crate::runtime::Unconfigured;
use crate::text;

/// The deployment-wide dictionary, and whom it is shared with.
#[derive(Clone)]
pub(super) struct KnownWords {
    pub(super) dictionary: Arc<Dictionary>,
    /// Whether the operator gave it to the server, so that what clients call by number is known to be the same.
    pub(super) is_given: bool,
}

impl KnownWords {
    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.dictionary.len()).unwrap_or(u32::MAX)
    }

    /// The digest of all words.
    pub(super) fn digest(&self) -> u64 {
        self.dictionary.digest(self.dictionary.len()).unwrap_or_default()
    }

    /// Refuses a message whose numbers may stand for other words than they do here: it uses more than there are, or
    /// others, or does not say which and only the built-in list is here. To misread one would be to decide about another
    /// request. What the client needs to send it again is in the status's message and details.
    pub(super) fn check(&self, word_count: u32, digest: u64) -> Result<(), Status> {
        let own = self.dictionary.digest(word_count as usize);
        let is_known = match digest {
            0 => word_count == 0 || (self.is_given && own.is_some()),
            digest => own == Some(digest),
        };
        if is_known {
            return Ok(());
        }
        // No word is surely shared, unless the client only has too many.
        let shared = if own.is_none() && self.is_given { self.count() } else { 0 };
        let counts =
            mismatch::DictionaryMismatch { server_word_count: shared, client_word_count: word_count };
        let message = counts.to_string();
        let detail = proto::Any {
            type_url: proto::DICTIONARY_MISMATCH_TYPE_URL.to_owned(),
            value: DictionaryMismatch { server_word_count: shared, client_word_count: word_count }
                .encode_to_vec(),
        };
        let code = Code::FailedPrecondition;
        let status = rpc::Status { code: code as i32, message: message.clone(), details: vec![detail] };
        Err(Status::with_details(code, message, status.encode_to_vec().into()))
    }
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

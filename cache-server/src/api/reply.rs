//! Replies to checks as they are sent: what is the same each time that a verdict is found is written once.
//!
//! Between the answer and the socket. A reply whose verdict is in the cache has a copy of what was written about it before,
//! and adds what is of this call: for how long the verdict may still be used, and quotas. A copy costs less than a count
//! of readers that all of them write to. On the wire a message may come in parts, and of a field that is there twice the
//! last counts.

use checkcache::Validity;
use checkcache::wire::encode_validity;
use prost::Message as _;
use prost::bytes::BufMut;
use prost::encoding::{WireType, encode_key, encode_varint, encoded_len_varint, key_len};
use proto::v1::check_response::PreconditionResult;
use proto::v1::{CheckRequest, CheckResponse};
use tonic::Status;
use tonic::codec::{BufferSettings, Codec, EncodeBuf, Encoder};
use tonic_prost::{ProstCodec, ProstDecoder};

/// The number of `CheckResponse.precondition`.
const PRECONDITION: u32 = 2;

/// The reply to a check.
pub(super) struct Reply {
    message: CheckResponse,
    /// What the message's precondition is made of, if it is kept.
    found: Option<(Vec<u8>, Validity)>,
}

/// What is said about a verdict.
pub(super) enum Precondition {
    /// As it is kept beside the verdict, with how long it may be used.
    Written { text: Vec<u8>, validity: Validity },
    /// As a message.
    Message(Box<PreconditionResult>),
}

/// How checks and replies are read and written.
#[derive(Debug, Default)]
pub(super) struct CheckCodec;

/// Writes replies.
#[derive(Debug)]
pub(super) struct ReplyEncoder;

// === impl Reply ===

impl Reply {
    /// A message with a precondition.
    pub(super) fn new(message: CheckResponse, precondition: Precondition) -> Self {
        match precondition {
            Precondition::Written { text, validity } => Self { message, found: Some((text, validity)) },
            Precondition::Message(said) => CheckResponse { precondition: Some(*said), ..message }.into(),
        }
    }

    /// The message.
    pub(super) fn into_message(self) -> Result<CheckResponse, Status> {
        if self.found.is_none() {
            return Ok(self.message);
        }
        let mut bytes = Vec::new();
        self.write(&mut bytes)?;
        CheckResponse::decode(&*bytes).map_err(|error| Status::internal(error.to_string()))
    }

    /// A reply that says nothing.
    pub(super) fn empty() -> Self {
        CheckResponse::default().into()
    }

    /// How many bytes it has when it is written.
    pub(super) fn encoded_len(&self) -> usize {
        let found = self
            .found
            .as_ref()
            .map_or(0, |(text, validity)| field_len(text.len() + left(*validity).encoded_len()));
        found + self.message.encoded_len()
    }

    /// Writes it.
    pub(super) fn write(&self, to: &mut impl BufMut) -> Result<(), Status> {
        if let Some((text, validity)) = &self.found {
            let left = left(*validity);
            let length = text.len() + left.encoded_len();
            if to.remaining_mut() < field_len(length) {
                return Err(Status::internal("the reply is larger than there is room for"));
            }
            encode_key(PRECONDITION, WireType::LengthDelimited, to);
            encode_varint(length as u64, to);
            to.put_slice(text);
            left.encode_raw(to);
        }
        self.message.encode(to).map_err(|error| Status::internal(error.to_string()))
    }
}

impl From<CheckResponse> for Reply {
    fn from(message: CheckResponse) -> Self {
        Self { message, found: None }
    }
}

/// What a precondition of so many bytes takes with its head.
fn field_len(length: usize) -> usize {
    key_len(PRECONDITION) + encoded_len_varint(length as u64) + length
}

/// For how long what was found may still be used, by one who takes traces.
fn left(validity: Validity) -> PreconditionResult {
    let (valid_duration, valid_use_count) = encode_validity(validity, true);
    PreconditionResult { valid_duration, valid_use_count, ..PreconditionResult::default() }
}

// === impl CheckCodec ===

impl Codec for CheckCodec {
    type Encode = Reply;
    type Decode = CheckRequest;
    type Encoder = ReplyEncoder;
    type Decoder = ProstDecoder<CheckRequest>;

    fn encoder(&mut self) -> Self::Encoder {
        ReplyEncoder
    }

    fn decoder(&mut self) -> Self::Decoder {
        ProstCodec::<CheckResponse, CheckRequest>::raw_decoder(BufferSettings::default())
    }
}

impl Encoder for ReplyEncoder {
    type Item = Reply;
    type Error = Status;

    fn encode(&mut self, reply: Reply, to: &mut EncodeBuf<'_>) -> Result<(), Status> {
        reply.write(to)
    }
}

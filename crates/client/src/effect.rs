//! What passes between the client and its shell.

use std::time::Duration;

use checkcache::{Code, HeaderOperation, Status, Tick};

#[cfg(doc)]
use crate::Client;
use crate::GrpcFailure;

/// A stream, by a number that the shell gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamId(pub u32);

/// A batch of reports, by a number that the client gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct BatchId(pub(crate) u32);

/// A renewal of a verdict, by a number that the client gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RenewalId(pub(crate) u32);

/// An allocation of quota, by a number that the client gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AllocationId(pub(crate) u32);

/// The time, by both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Now {
    /// On the monotonic clock: for deadlines and validity.
    pub tick: Tick,
    /// On the wall's, in nanoseconds since the epoch: for attributes.
    pub unix_nanos: u64,
}

/// How a call to the server ended: with a message, or with a status that is not OK.
pub type Answer<'a> = Result<&'a [u8], GrpcFailure>;

/// Whether a stream may go on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proceed {
    /// It may.
    Continue,
    /// It waits for the server, or has been answered.
    Pause,
}

/// A unary call of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// The method's name.
    pub method: &'static str,
    /// The request, encoded.
    pub message: Vec<u8>,
    /// How long it may take.
    pub timeout: Duration,
}

/// An answer that the proxy gives itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LocalReply {
    /// The HTTP status.
    pub status: u16,
    /// The gRPC status, for requests that are gRPC; `None` derives it from the HTTP status.
    pub grpc_status: Option<i32>,
    /// The body.
    pub body: String,
    /// Headers.
    pub headers: Vec<(String, String)>,
    /// The reason, for the proxy's access log.
    pub details: &'static str,
}

impl LocalReply {
    /// A refusal for a status.
    pub(crate) fn refusal(status: &Status) -> Self {
        Self {
            status: status.code.http(),
            grpc_status: Some(status.code.number()),
            body: status.to_string(),
            headers: Vec::new(),
            details: "mixer_access_denied",
        }
    }

    /// The refusal of a filter that was never configured.
    pub fn unconfigured() -> Self {
        Self::refusal(&Status::new(Code::Unavailable, "the policy filter has no configuration"))
    }
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Call the server for a stream, and say how it went: [`Client::on_call_sent`] or [`Client::on_answer`].
    Check {
        /// The stream.
        stream: StreamId,
        /// The call.
        call: Call,
    },
    /// Open the line, the stream on which the server is asked about many requests, and say how it went:
    /// [`Client::on_line_opened`], [`Client::on_line_message`], [`Client::on_line_closed`].
    OpenLine,
    /// Ask on the line about a stream, and say if that fails: [`Client::on_answer`].
    Ask {
        /// The stream.
        stream: StreamId,
        /// The line, by the number that the shell gave it.
        token: u32,
        /// The question, encoded.
        message: Vec<u8>,
    },
    /// The line is lost on which was asked about a stream: [`Client::on_answer`], with the proxy's calls about it and any
    /// failure, has it asked again by a call.
    AskAgain {
        /// The stream.
        stream: StreamId,
    },
    /// Nobody waits for a call any more, or needs the line.
    Cancel {
        /// The call, or the line, by the number that the shell gave it.
        token: u32,
    },
    /// Change the request's headers. Before [`Effect::Resume`].
    EditRequest {
        /// The stream.
        stream: StreamId,
        /// The changes, in order.
        operations: Vec<HeaderOperation>,
    },
    /// Let a paused stream go on.
    Resume {
        /// The stream.
        stream: StreamId,
    },
    /// Answer a stream; a connection is closed.
    Reply {
        /// The stream.
        stream: StreamId,
        /// The answer.
        reply: LocalReply,
    },
    /// Open the stream on which the server says what changed, and say how it went: [`Client::on_feed_message`],
    /// [`Client::on_feed_closed`].
    Watch {
        /// The request, encoded.
        message: Vec<u8>,
    },
    /// Send a report, and say how it went: [`Client::on_report_sent`], [`Client::on_report_answer`].
    Report {
        /// The batch.
        batch: BatchId,
        /// The call.
        call: Call,
    },
    /// Call the server to renew a verdict, and say how it went: [`Client::on_renewal_sent`],
    /// [`Client::on_renewal_answer`].
    Renew {
        /// The renewal.
        renewal: RenewalId,
        /// The call.
        call: Call,
    },
    /// Ask the server for tokens of a quota, or give some back, and say how it went: [`Client::on_allocation_sent`],
    /// [`Client::on_allocation_answer`].
    Allocate {
        /// The allocation.
        allocation: AllocationId,
        /// The call.
        call: Call,
    },
    /// Look at a connection: [`Client::on_look`], with the proxy's calls about it.
    Look {
        /// The connection.
        stream: StreamId,
    },
    /// Tell the operator.
    Warn(String),
}

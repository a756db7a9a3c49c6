//! Verdicts: what a check answers.

use std::fmt;
use std::sync::Arc;

use attributes::Bag;

use crate::Validity;

/// The outcome of an operation, a number of `google.rpc.Code`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
#[allow(missing_docs, reason = "the names are the documentation")]
pub enum Code {
    #[default]
    Ok = 0,
    Cancelled = 1,
    Unknown = 2,
    InvalidArgument = 3,
    DeadlineExceeded = 4,
    NotFound = 5,
    AlreadyExists = 6,
    PermissionDenied = 7,
    ResourceExhausted = 8,
    FailedPrecondition = 9,
    Aborted = 10,
    OutOfRange = 11,
    Unimplemented = 12,
    Internal = 13,
    Unavailable = 14,
    DataLoss = 15,
    Unauthenticated = 16,
}

impl Code {
    /// Every code, at the position of its number.
    pub const ALL: [Self; 17] = [
        Self::Ok,
        Self::Cancelled,
        Self::Unknown,
        Self::InvalidArgument,
        Self::DeadlineExceeded,
        Self::NotFound,
        Self::AlreadyExists,
        Self::PermissionDenied,
        Self::ResourceExhausted,
        Self::FailedPrecondition,
        Self::Aborted,
        Self::OutOfRange,
        Self::Unimplemented,
        Self::Internal,
        Self::Unavailable,
        Self::DataLoss,
        Self::Unauthenticated,
    ];

    /// The code with a number; a number that has none is "unknown".
    pub fn from_number(number: i32) -> Self {
        usize::try_from(number).ok().and_then(|n| Self::ALL.get(n)).copied().unwrap_or(Self::Unknown)
    }

    /// The code's number.
    pub fn number(self) -> i32 {
        self as i32
    }

    /// The code's name, such as `PERMISSION_DENIED`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Ok => "OK",
            Self::Cancelled => "CANCELLED",
            Self::Unknown => "UNKNOWN",
            Self::InvalidArgument => "INVALID_ARGUMENT",
            Self::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Self::NotFound => "NOT_FOUND",
            Self::AlreadyExists => "ALREADY_EXISTS",
            Self::PermissionDenied => "PERMISSION_DENIED",
            Self::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Self::FailedPrecondition => "FAILED_PRECONDITION",
            Self::Aborted => "ABORTED",
            Self::OutOfRange => "OUT_OF_RANGE",
            Self::Unimplemented => "UNIMPLEMENTED",
            Self::Internal => "INTERNAL",
            Self::Unavailable => "UNAVAILABLE",
            Self::DataLoss => "DATA_LOSS",
            Self::Unauthenticated => "UNAUTHENTICATED",
        }
    }

    /// The HTTP status that a proxy answers with.
    pub fn http(self) -> u16 {
        match self {
            Self::Ok => 200,
            Self::Cancelled => 499,
            Self::InvalidArgument | Self::FailedPrecondition | Self::OutOfRange => 400,
            Self::DeadlineExceeded => 504,
            Self::NotFound => 404,
            Self::AlreadyExists | Self::Aborted => 409,
            Self::PermissionDenied => 403,
            Self::ResourceExhausted => 429,
            Self::Unimplemented => 501,
            Self::Unavailable => 503,
            Self::Unauthenticated => 401,
            Self::Unknown | Self::Internal | Self::DataLoss => 500,
        }
    }
}

/// A code and, for people, why.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Status {
    /// The code.
    pub code: Code,
    /// Why; may be empty.
    pub message: String,
}

impl Status {
    /// A status with a message.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into() }
    }

    /// Whether the operation may go ahead.
    pub fn is_ok(&self) -> bool {
        self.code == Code::Ok
    }

    pub(crate) fn weight(&self) -> usize {
        self.message.len()
    }
}

/// `PERMISSION_DENIED:why`, or the name alone if there is no message: the body of a proxy's local reply.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.code.name())?;
        if self.message.is_empty() { Ok(()) } else { write!(f, ":{}", self.message) }
    }
}

/// The answer to a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// Whether the operation may go ahead.
    pub status: Status,
    /// What the proxy shall do beside that.
    pub directive: Option<RouteDirective>,
    /// Attributes that Mixer derived, for the caller's use.
    pub attributes: Bag,
    /// The aspect that refused, if one did.
    pub refused_by: Option<Arc<str>>,
    /// How long the verdict may be used again.
    pub validity: Validity,
}

impl Verdict {
    /// A verdict that says no more than its status.
    pub fn new(status: Status, validity: Validity) -> Self {
        Self { status, directive: None, attributes: Bag::new(), refused_by: None, validity }
    }

    pub(crate) fn weight(&self) -> usize {
        self.status.weight()
            + self.directive.as_ref().map_or(0, RouteDirective::weight)
            + self.attributes.iter().map(|(name, value)| name.as_str().len() + value.weight()).sum::<usize>()
            + self.refused_by.as_ref().map_or(0, |by| by.len())
    }
}

/// What a proxy does to the headers, and whether it answers itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RouteDirective {
    /// Applied to the request when it is allowed.
    pub request_headers: Vec<HeaderOperation>,
    /// Applied to the response, or to the direct response.
    pub response_headers: Vec<HeaderOperation>,
    /// Answer with this HTTP status, whatever the verdict.
    pub direct_response_code: Option<u16>,
    /// The body of that answer.
    pub direct_response_body: String,
}

/// One change to a set of headers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeaderOperation {
    /// The header, in lower case.
    pub name: String,
    /// The change.
    pub operation: Operation,
}

/// What is done to a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// All lines of the name out, one in.
    Replace(String),
    /// All lines of the name out.
    Remove,
    /// One line more.
    Append(String),
}

impl RouteDirective {
    fn weight(&self) -> usize {
        let operations = self.request_headers.iter().chain(&self.response_headers);
        self.direct_response_body.len()
            + operations
                .map(|operation| {
                    let value = match &operation.operation {
                        Operation::Replace(value) | Operation::Append(value) => value.len(),
                        Operation::Remove => 0,
                    };
                    size_of::<HeaderOperation>() + operation.name.len() + value
                })
                .sum::<usize>()
    }
}

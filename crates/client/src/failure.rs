//! What becomes of a request whose check failed: one table, applied in one place.

use checkcache::{Code, Status};

/// How a check failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FailureClass {
    /// The server could not be reached.
    Unreachable,
    /// It did not answer in time.
    Timeout,
    /// It answered with an error of its own.
    ServerError,
    /// It, or the proxy, had too much to do.
    Overloaded,
    /// Its answer could not be read.
    BadResponse,
    /// It has no configuration to decide by.
    NoConfig,
}

/// A call that ended with a gRPC status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GrpcFailure {
    /// The status's code.
    pub code: Code,
    /// Its message.
    pub message: String,
}

/// What to do with the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum FailurePolicy {
    /// Let it pass.
    Open,
    /// Refuse it.
    #[default]
    Closed,
}

/// The policy for each class.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct FailurePolicies {
    pub(crate) unreachable: FailurePolicy,
    pub(crate) timeout: FailurePolicy,
    pub(crate) server_error: FailurePolicy,
    pub(crate) overloaded: FailurePolicy,
    pub(crate) bad_response: FailurePolicy,
    pub(crate) no_config: FailurePolicy,
}

/// What the server says with UNAVAILABLE while it has no configuration.
const NO_CONFIG: &str = "configuration is not yet available";

impl GrpcFailure {
    /// The class of a failed call.
    pub(crate) fn class(&self) -> FailureClass {
        match self.code {
            Code::Unavailable | Code::FailedPrecondition if self.message.starts_with(NO_CONFIG) => {
                FailureClass::NoConfig
            }
            // Envoy answers so on the server's behalf when its own timer for the upstream request fires.
            Code::Unavailable if self.message.starts_with("upstream request timeout") => {
                FailureClass::Timeout
            }
            // Envoy's circuit breaker of the server's cluster.
            Code::Unavailable if self.message.contains("reset reason: overflow") => FailureClass::Overloaded,
            Code::Unavailable => FailureClass::Unreachable,
            Code::DeadlineExceeded => FailureClass::Timeout,
            Code::ResourceExhausted => FailureClass::Overloaded,
            _ => FailureClass::ServerError,
        }
    }
}

impl FailurePolicies {
    /// One policy for all classes.
    pub(crate) const fn all(policy: FailurePolicy) -> Self {
        Self {
            unreachable: policy,
            timeout: policy,
            server_error: policy,
            overloaded: policy,
            bad_response: policy,
            no_config: policy,
        }
    }

    pub(crate) fn of(self, class: FailureClass) -> FailurePolicy {
        match class {
            FailureClass::Unreachable => self.unreachable,
            FailureClass::Timeout => self.timeout,
            FailureClass::ServerError => self.server_error,
            FailureClass::Overloaded => self.overloaded,
            FailureClass::BadResponse => self.bad_response,
            FailureClass::NoConfig => self.no_config,
        }
    }
}

impl FailureClass {
    /// What a refused request is told. The reason's details stay in the log: they are the operator's, not the
    /// caller's.
    pub(crate) fn status(self) -> Status {
        match self {
            Self::Unreachable => Status::new(Code::Unavailable, "the policy server cannot be reached"),
            Self::Timeout => Status::new(Code::DeadlineExceeded, "the policy server did not answer in time"),
            Self::ServerError => Status::new(Code::Internal, "the policy server failed"),
            Self::Overloaded => Status::new(Code::Unavailable, "the policy server is overloaded"),
            Self::BadResponse => Status::new(Code::Internal, "the policy server's answer cannot be read"),
            Self::NoConfig => Status::new(Code::Unavailable, "the policy server has no configuration"),
        }
    }

    /// The class's name in configuration and in logs.
    pub fn name(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Timeout => "timeout",
            Self::ServerError => "server_error",
            Self::Overloaded => "overloaded",
            Self::BadResponse => "bad_response",
            Self::NoConfig => "no_config",
        }
    }
}

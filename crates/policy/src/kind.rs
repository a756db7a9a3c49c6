//! The kinds of aspects, and the phase of a request that each is for.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// What an aspect is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AspectKind {
    /// `access-logs`: one entry a request, always of the same shape.
    AccessLogs,
    /// `application-logs`: entries of several shapes, with severities.
    ApplicationLogs,
    /// `attributes`: attributes made from others.
    Attributes,
    /// `denials`: the adapter's refusal.
    Denials,
    /// `lists`: a value that has to be, or must not be, on a list.
    Lists,
    /// `metrics`: measured values with labels.
    Metrics,
    /// `quotas`: amounts that are limited.
    Quotas,
}

/// When aspects are applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Phase {
    /// Before each of the others: what more is known of the request?
    Preprocess,
    /// Before a request goes on: may it?
    Check,
    /// If it may: how much of what it asks for is left?
    Quota,
    /// After its response: what is told about it.
    Report,
}

/// An aspect kind was named that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown aspect kind `{0}`")]
pub struct UnknownAspectKind(pub String);

// === impl AspectKind ===

impl AspectKind {
    /// Every kind.
    pub const ALL: [Self; 7] = [
        Self::AccessLogs,
        Self::ApplicationLogs,
        Self::Attributes,
        Self::Denials,
        Self::Lists,
        Self::Metrics,
        Self::Quotas,
    ];

    /// The kind's name as configuration writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessLogs => "access-logs",
            Self::ApplicationLogs => "application-logs",
            Self::Attributes => "attributes",
            Self::Denials => "denials",
            Self::Lists => "lists",
            Self::Metrics => "metrics",
            Self::Quotas => "quotas",
        }
    }

    /// The phase that aspects of the kind are applied in.
    pub fn phase(self) -> Phase {
        match self {
            Self::Attributes => Phase::Preprocess,
            Self::Denials | Self::Lists => Phase::Check,
            Self::Quotas => Phase::Quota,
            Self::AccessLogs | Self::ApplicationLogs | Self::Metrics => Phase::Report,
        }
    }
}

impl fmt::Display for AspectKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for AspectKind {
    type Err = UnknownAspectKind;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.as_str() == text)
            .ok_or_else(|| UnknownAspectKind(text.to_owned()))
    }
}

// === impl Phase ===

impl Phase {
    /// Every phase, in the order of a request's life.
    pub const ALL: [Self; 4] = [Self::Preprocess, Self::Check, Self::Quota, Self::Report];
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Preprocess => "preprocess",
            Self::Quota => "quota",
            Self::Check => "check",
            Self::Report => "report",
        })
    }
}

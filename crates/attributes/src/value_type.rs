//! The types that a manifest can declare.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::Kind;

/// The declared type of an attribute, a label or an expression (`istio.mixer.v1.config.descriptor.ValueType`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ValueType {
    /// Free text.
    String,
    /// A signed 64-bit integer.
    Int64,
    /// A 64-bit floating point number.
    Double,
    /// True or false.
    Bool,
    /// A point in time.
    Timestamp,
    /// An address of 4 or 16 bytes.
    IpAddress,
    /// An e-mail address, carried as text.
    EmailAddress,
    /// A URI, carried as text.
    Uri,
    /// A DNS name, carried as text.
    DnsName,
    /// A span of time.
    Duration,
    /// A map from text to text.
    StringMap,
}

/// A value type was named that does not exist.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("unknown value type `{0}`")]
pub struct UnknownValueType(pub String);

impl ValueType {
    /// Every type, in the order of its number.
    pub const ALL: [Self; 11] = [
        Self::String,
        Self::Int64,
        Self::Double,
        Self::Bool,
        Self::Timestamp,
        Self::IpAddress,
        Self::EmailAddress,
        Self::Uri,
        Self::DnsName,
        Self::Duration,
        Self::StringMap,
    ];

    /// The type's name as configuration writes it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::String => "STRING",
            Self::Int64 => "INT64",
            Self::Double => "DOUBLE",
            Self::Bool => "BOOL",
            Self::Timestamp => "TIMESTAMP",
            Self::IpAddress => "IP_ADDRESS",
            Self::EmailAddress => "EMAIL_ADDRESS",
            Self::Uri => "URI",
            Self::DnsName => "DNS_NAME",
            Self::Duration => "DURATION",
            Self::StringMap => "STRING_MAP",
        }
    }

    /// The type with a protocol buffer enum's number; 0, "unspecified", is none.
    pub fn from_number(number: i64) -> Option<Self> {
        let index = usize::try_from(number).ok()?.checked_sub(1)?;
        Self::ALL.get(index).copied()
    }

    /// What carries values of this type on the wire.
    pub fn carrier(self) -> Kind {
        match self {
            Self::String | Self::EmailAddress | Self::Uri | Self::DnsName => Kind::String,
            Self::Int64 => Kind::Int64,
            Self::Double => Kind::Double,
            Self::Bool => Kind::Bool,
            Self::Timestamp => Kind::Timestamp,
            Self::IpAddress => Kind::Bytes,
            Self::Duration => Kind::Duration,
            Self::StringMap => Kind::StringMap,
        }
    }
}

impl fmt::Display for ValueType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ValueType {
    type Err = UnknownValueType;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL.into_iter().find(|t| t.as_str() == text).ok_or_else(|| UnknownValueType(text.to_owned()))
    }
}

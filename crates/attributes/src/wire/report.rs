//! Report → one bag for each of its messages, and back.
//!
//! Messages are complete, or each holds what differs from the one before. In differences an attribute can only be gone if
//! the message says so, which Mixer and its clients cannot: without that a request would inherit from the one before what
//! it never had. Hence a field of its own for messages that build on each other and may remove, see `report.proto`.

mod decode;
mod encode;

pub use decode::{InvalidReport, ReportDecoder};
pub use encode::{ReportEncoder, ReportEncoding};

#[cfg(test)]
mod tests;

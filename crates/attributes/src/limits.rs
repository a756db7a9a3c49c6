//! The limits of this crate.

/// Words in a deployment-wide dictionary.
pub const DICTIONARY_WORDS: usize = 65_536;

/// Attributes in one message, and in what messages that build on each other amount to.
pub const MESSAGE_ATTRIBUTES: usize = 4_096;

/// Messages in one report.
pub const REPORT_MESSAGES: usize = 10_000;

//! The limits of this crate.

/// Words in a deployment-wide dictionary.
pub const DICTIONARY_WORDS: usize = 65_536;

/// Bytes of all string-map values that one compressed message may expand to, above its own size.
///
/// Words are shared, not copied, so what grows is the two pointers of each entry: an entry of 2 bytes or more on the
/// wire becomes [`EXPANDED_ENTRY_BYTES`] in memory. So does, while it is read, an attribute.
pub const EXPANDED_ENTRY_BYTES: usize = 64;

/// Attributes in one message, and in what messages that build on each other amount to.
pub const MESSAGE_ATTRIBUTES: usize = 4_096;

/// Messages in one report.
pub const REPORT_MESSAGES: usize = 10_000;

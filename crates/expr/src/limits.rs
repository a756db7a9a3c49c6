//! The limits of this crate. What exceeds one is refused with an error that says so.

/// Bytes of an expression's text.
pub const TEXT_BYTES: usize = 16 * 1024;

/// Levels of an expression's tree. A chain of operators (`a || b || c`) is as deep as it is long.
///
/// Everything that walks an expression recurses once a level, so this also bounds the stack.
pub const DEPTH: usize = 256;

/// Parentheses, brackets and right operands within each other. The parser takes several calls for each of them.
pub const NESTING: usize = 64;

/// Bytes of the pattern of a regular expression.
pub const PATTERN_BYTES: usize = 4 * 1024;

/// Bytes of memory that a regular expression may take when it is compiled.
pub const REGEX_BYTES: usize = 256 * 1024;

/// Bytes of memory that the making of a regular expression's table may take, in each of two places.
pub const AUTOMATON_BYTES: usize = 256 * 1024;

/// Parts of expressions that are looked at to find that they can never hold. Beyond them they are taken to be able to.
pub const TRUTH_STEPS: usize = 2048;

/// Bytes of a DNS name that is not in lower-case ASCII already. DNS itself allows fewer.
pub const DNS_NAME_BYTES: usize = 1024;

/// Bytes of a text that `+` makes.
pub const MADE_TEXT_BYTES: usize = 1024 * 1024;

/// Bytes of a value or an expression that an error message quotes.
pub const QUOTED_BYTES: usize = 256;

// A pattern is a part of the text, and a quote is a part of both.
const _: () = assert!(QUOTED_BYTES <= PATTERN_BYTES && PATTERN_BYTES <= TEXT_BYTES);
const _: () = assert!(TEXT_BYTES <= MADE_TEXT_BYTES);

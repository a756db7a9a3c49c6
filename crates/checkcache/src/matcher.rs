//! Regular expressions as tables: what a `matches` test runs on.
//!
//! Whoever makes a trace compiles the pattern to a deterministic automaton; here its table is only walked, one step for
//! each byte of a text. So the filter carries neither a parser nor a compiler of regular expressions, a lookup pays about
//! as much as for a comparison, and since both sides walk the same bytes they cannot differ in what a pattern means. A
//! table in a format of another release is refused, and the verdict that came with it is not stored.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use regex_automata::Input;
use regex_automata::dfa::Automaton as _;
use regex_automata::dfa::sparse::DFA;
use thiserror::Error;

use crate::limits;

/// A regular expression with its table. Two of them are equal if their patterns are.
#[derive(Clone)]
pub struct Matcher(Arc<Compiled>);

struct Compiled {
    pattern: Box<str>,
    table: DFA<Vec<u8>>,
}

/// A table cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidMatcher {
    /// It is not a table, or one in another format.
    #[error("the table of `{pattern}` cannot be read: {reason}")]
    Table {
        /// The regular expression.
        pattern: String,
        /// What is wrong.
        reason: String,
    },
    /// It is larger than the limit allows.
    #[error("the table of `{pattern}` has {bytes} bytes, at most {} are allowed", limits::MATCHER_BYTES)]
    TooLarge {
        /// The regular expression.
        pattern: String,
        /// How many bytes it has.
        bytes: usize,
    },
}

impl Matcher {
    /// A matcher for a pattern with its table: a sparse automaton of `regex-automata`, little-endian, that finds the
    /// pattern anywhere in a text.
    pub fn new(pattern: &str, table: &[u8]) -> Result<Self, InvalidMatcher> {
        if table.len() > limits::MATCHER_BYTES {
            return Err(InvalidMatcher::TooLarge { pattern: pattern.to_owned(), bytes: table.len() });
        }
        let (table, _) = DFA::from_bytes(table).map_err(|error| InvalidMatcher::Table {
            pattern: pattern.to_owned(),
            reason: error.to_string(),
        })?;
        Ok(Self(Arc::new(Compiled { pattern: pattern.into(), table: table.to_owned() })))
    }

    /// The pattern, as it was written.
    pub fn pattern(&self) -> &str {
        &self.0.pattern
    }

    /// The table's bytes.
    pub fn table(&self) -> Vec<u8> {
        let table = &self.0.table;
        let mut bytes = vec![0; table.write_to_len()];
        // The buffer is as long as the table says it is.
        let written = table.write_to_little_endian(&mut bytes).unwrap_or_default();
        bytes.truncate(written);
        bytes
    }

    /// Whether the pattern is found in a text. `None` if the automaton gives up, which none does that `expr` makes.
    pub fn is_match(&self, text: &str) -> Option<bool> {
        let input = Input::new(text).earliest(true);
        self.0.table.try_search_fwd(&input).ok().map(|found| found.is_some())
    }

    pub(crate) fn weight(&self) -> usize {
        size_of::<Compiled>() + self.0.pattern.len() + self.0.table.write_to_len()
    }
}

impl fmt::Debug for Matcher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Matcher").field(&self.pattern()).finish()
    }
}

impl PartialEq for Matcher {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0) || self.0.pattern == other.0.pattern
    }
}

impl Eq for Matcher {}

impl Hash for Matcher {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.pattern.hash(state);
    }
}

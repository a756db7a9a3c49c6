//! expr: the attribute expression language, text to program, evaluated with observations.
//!
//! Between the check cache and the policy: whatever configuration computes from a request — a selector, a label, a
//! message — is a text that [`compile`] turns into a [`Program`] once, when a snapshot is built, and that is evaluated
//! for each request that no cache can answer. No I/O, no clock, no configuration beyond the [`Manifest`].
//!
//! A text goes through tokens (`lexer`), a tree as written (`ast`, `parser`), a tree with types (`types`) and a tree with
//! everything that is known beforehand (`compile`, `node`), and then `evaluate` walks it.
//!
//! # The language
//!
//! Go's operators and precedence, so `|` binds tighter than `==`: `a | "x" == "x"` is `(a | "x") == "x"`. Everything has
//! one static type, and there are no conversions but those by name. `a | b` is `b` if the attribute `a`, or the map's key
//! that `a` stands for, is absent; anywhere else an absent attribute is an error, and an absent key the empty text. `==` is
//! exact; wildcards are `match(text, "prefix*")`, regular expressions `"pattern".matches(text)`. A text that reads as a
//! span of time (`"5s"`, also `"0"`) is a DURATION.
//!
//! ```
//! use std::collections::BTreeMap;
//! use attributes::{Bag, ValueType};
//! use checkcache::Recorder;
//!
//! let manifest = BTreeMap::from([("request.path".to_owned(), ValueType::String)]);
//! let program = expr::compile(r#"request.path.startsWith("/admin/")"#, &manifest)?;
//!
//! let request: Bag = [("request.path", "/admin/users")].into_iter().collect();
//! assert_eq!(program.evaluate_bool(&mut Recorder::new(&request)), Ok(true));
//! # Ok::<(), expr::CompileError>(())
//! ```
//!
//! # Observations
//!
//! Where an attribute or an entry of a map is compared with a constant – itself, as an alternative of `|`, or as a branch
//! of `conditional` – only the outcome counts, and only the outcome is recorded: `a == "x"`, `a != "x"`, `a < 5`,
//! `(m["k"] | "") == "x"`, `a.startsWith("p")`, `match(a, "p*")`, `"re".matches(a)`. Everything else records values: what
//! is handed on, compared with another attribute or computed with, and comparisons of types whose equal values are
//! written in several ways (addresses, names, URIs, floating point numbers). An error that quotes a value has recorded
//! it. A [`Tuning`] makes programs read values where they could test.
//!
//! # Invariant
//!
//! A program sees a request only through the recorder. Its operands are evaluated from left to right and only as far as
//! they count, so the same observations always lead to the same result.

// What the tests expect is written by `expect-test`, which cannot know whether a text needs its hashes.
#![cfg_attr(test, allow(clippy::needless_raw_string_hashes))]

mod error;
pub mod json;
pub mod limits;
mod manifest;

mod ast;
mod lexer;
mod parser;

mod functions;
mod suggest;
mod types;

mod comparison;
mod compile;
mod node;
mod program;

mod requirement;
mod truth;
mod tuning;

mod compare;
mod evaluate;
mod notation;
mod pattern;

pub use error::{CompileError, EvalError, Warning};
pub use evaluate::Operand;
pub use manifest::Manifest;
pub use pattern::regex_source;
pub use program::{Program, compile};
pub use requirement::Requirement;
pub use suggest::nearest;
pub use truth::can_all_hold;
pub use tuning::{Look, Tuning};

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod properties;
#[cfg(test)]
mod testing;

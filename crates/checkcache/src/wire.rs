//! Traces and verdicts ⇄ the messages of the wire.
//!
//! A server sends either an ordered trace, to clients that announced that they accept one, or the set of referenced
//! attributes that every Mixer since 0.2 sends. Both become traces here, or an error that says why the verdict must not
//! be stored: what is not understood is never left out.

mod quota;
mod references;
mod trace;
mod verdict;

pub use quota::{Counted, Counter, Grant, QuotaAnswer, decode_quota, encode_quota};
pub use references::{InvalidReferences, decode_references, encode_references};
pub use trace::{InvalidTrace, decode_trace, encode_trace};
pub use verdict::{Precondition, Uncacheable, decode_precondition, encode_precondition, encode_validity};

#[cfg(test)]
mod tests;

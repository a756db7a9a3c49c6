//! checkcache: verdicts, stored under the trace of what was looked at to reach them.
//!
//! Between the attributes and the policy, on both sides of the wire: the filter's first-level cache and the server's
//! second-level cache are this crate. No clock and no entropy of its own: time comes in as a [`Tick`], the seed of its
//! hash table as bytes.
//!
//! # The law
//!
//! If the trace and the verdict of request A are stored, and a lookup for request B hits them under the same
//! [`Revision`], then evaluating B from scratch gives the same verdict. It holds because evaluation is a walk: it sees
//! a request only through a [`Recorder`], so what it saw is exactly what the trace says, and a request for which
//! every observation comes out the same leads it along the same way.

// A panic would end the machine in which the filter runs, and all streams with it.
#![cfg_attr(
    not(test),
    deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)
)]

mod cache;
mod edge;
mod generation;
mod implication;
mod kept;
#[cfg(test)]
mod law;
mod life;
pub mod limits;
mod matcher;
mod number;
mod observation;
mod question;
mod questions;
mod recorder;
#[cfg(any(test, feature = "shared"))]
pub mod shared;
mod validity;
mod verdict;
mod walk;
pub mod wire;

pub use cache::{CheckCache, Hit, Limits, Lookup, MissReason, Root, Statistics, Vacancy};
pub use matcher::{InvalidMatcher, Matcher};
pub use observation::{Observation, Outcome, OutcomeRef, Trace};
pub use question::{Question, Target, Test};
pub use recorder::Recorder;
pub use validity::{Revision, Tick, Validity};
pub use verdict::{Code, HeaderOperation, Operation, RouteDirective, Status, Verdict};

//! pieces: the parts of Mixer that are measured alone, each as a function that does it once.
//!
//! `bench` times them beside other things; this package's own program counts their instructions ([`main`](../main.rs)).
//! Nothing here starts a process or knows what time it is, and it builds without the servers, so that the counting can be
//! part of the tests.
//!
//! ```text
//! request      the request that everything is measured with
//! tree         trees of rules of any size, five of which apply to it
//! decode       its message becomes a bag          encode   and the other way round
//! expression   one expression                     resolution   which aspects apply
//! lookup       both caches, full                  report       a report becomes samples of metrics
//! ```

pub mod decode;
pub mod encode;
pub mod expression;
pub mod lookup;
pub mod report;
pub mod request;
pub mod resolution;
pub mod tree;

use std::path::PathBuf;

/// The repository's root, whose dictionary and descriptors are used.
pub fn root() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

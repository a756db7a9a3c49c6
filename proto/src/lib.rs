//! proto: the wire, as generated messages.
//!
//! Package `istio.mixer.v1` with the field numbers that every Mixer and every proxy of Istio 0.2 to 1.7 uses, and our
//! extensions in fields from 100. The `.proto` files beside this crate are the documentation. Messages alone suffice
//! for the filter; feature `grpc` adds client and server stubs and the descriptors that gRPC reflection serves, feature
//! `reference` what is compared with a message that is written by hand.

// A panic would end the machine in which the filter runs, and all streams with it.
#![cfg_attr(
    not(test),
    deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)
)]

mod compressed;
pub mod listed;
#[cfg(any(test, feature = "reference"))]
pub mod reference;

#[allow(missing_docs, unreachable_pub, unused_qualifications, clippy::all, clippy::pedantic)]
mod generated {
    pub mod google {
        pub mod rpc {
            include!("generated/google.rpc.rs");
        }
    }
    pub mod mixer {
        pub mod checks {
            pub mod v1 {
                include!("generated/mixer.checks.v1.rs");
            }
        }
        pub mod feed {
            pub mod v1 {
                include!("generated/mixer.feed.v1.rs");
            }
        }
    }
    pub mod istio {
        pub mod mixer {
            pub mod v1 {
                include!("generated/istio.mixer.v1.rs");
            }
        }
    }
}

pub use generated::google;
/// The messages of `istio.mixer.v1`.
pub mod v1 {
    pub use crate::compressed::{CompressedAttributes, CompressedValue, StringMap};
    pub use crate::generated::istio::mixer::v1::*;
}
/// The messages of `mixer.checks.v1`.
pub use generated::mixer::checks::v1 as checks;
/// The messages of `mixer.feed.v1`.
pub use generated::mixer::feed::v1 as feed;

pub use prost_types::{Any, Duration, Timestamp};

/// The full gRPC paths.
pub mod path {
    /// The service's full name.
    pub const SERVICE: &str = "istio.mixer.v1.Mixer";
    /// The method that checks.
    pub const CHECK: &str = "Check";
    /// The method that reports.
    pub const REPORT: &str = "Report";
    /// The full name of the service that checks many on one stream.
    pub const CHECKS_SERVICE: &str = "mixer.checks.v1.Checks";
    /// Its method.
    pub const ASK: &str = "Ask";
    /// The full name of the service that pushes.
    pub const FEED_SERVICE: &str = "mixer.feed.v1.Feed";
    /// Its method.
    pub const WATCH: &str = "Watch";
}

/// The type URL of [`v1::DictionaryMismatch`] in a status's details.
pub const DICTIONARY_MISMATCH_TYPE_URL: &str = "type.googleapis.com/istio.mixer.v1.DictionaryMismatch";

/// The compiled `.proto` files, for gRPC reflection.
#[cfg(feature = "grpc")]
pub const FILE_DESCRIPTOR_SET: &[u8] = include_bytes!("generated/descriptors.bin");

//! attributes: typed attributes, bags of them, dictionaries of words, and the compressed form that crosses the wire.
//!
//! The first thing that a request becomes on its way through Mixer, and the only thing that everything after looks
//! at. No I/O, no clock, no configuration: the same code runs in the filter, in the server and in the browser.
//!
//! Invariant: a value keeps its type. Two values are equal only if their types and all of their bytes are, so a
//! cache that compares values never takes `"1"` for `1`.

// A panic would end the machine in which the filter runs, and all streams with it.
#![cfg_attr(
    not(test),
    deny(clippy::expect_used, clippy::indexing_slicing, clippy::panic, clippy::unwrap_used)
)]

mod bag;
mod dictionary;
pub mod limits;
mod name;
mod order;
mod text;
mod time;
mod value;
mod value_type;
pub mod wire;
mod word;

pub use bag::{AttributeSource, Bag, MapEntry, by_length};
pub use dictionary::{Dictionary, InvalidDictionary};
pub use name::Name;
pub use text::InvalidText;
pub use time::{Duration, Timestamp};
pub use value::{Kind, StringMap, Value, ValueRef};
pub use value_type::{UnknownValueType, ValueType};
pub use word::Word;

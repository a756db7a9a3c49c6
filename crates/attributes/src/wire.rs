//! Bags ⇄ `CompressedAttributes`: the one place where words become indices and indices words.
//!
//! On the way in everything is checked once, here: each index, each name, each time. A bag that comes out is whole;
//! a message that is not is refused with the reason, and costs no more memory than [`crate::limits`] say.

mod compress;
mod compressed;
mod expand;
mod mismatch;
mod report;

pub use compress::Compressor;
pub use compressed::CompressedBag;
pub use expand::{Expander, InvalidAttributes};
pub use mismatch::DictionaryMismatch;
pub use report::{InvalidReport, ReportDecoder, ReportEncoder, ReportEncoding};

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;

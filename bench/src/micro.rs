//! The parts alone, in one thread of this process.

pub(crate) mod decode;
pub(crate) mod expression;
pub(crate) mod lookup;
pub(crate) mod resolution;

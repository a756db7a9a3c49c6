//! The limits of this crate.

/// Parts that a rolling window is told apart in: so many grants are remembered one by one, and an amount is free again
/// at most one part of the window later than it had to be.
pub const ROLLING_PARTS: u64 = 100;

/// Bytes of a key that are kept as they are; of a longer one its digest is.
pub const KEY_BYTES: usize = 256;

/// Cells that one request looks at to find those that hold nothing any more. A request makes one cell at most, so more
/// than one look each keeps the number of idle cells down.
pub const RECLAIM_STEPS: usize = 8;

const _: () = assert!(ROLLING_PARTS > 0);
const _: () = assert!(RECLAIM_STEPS > 1);

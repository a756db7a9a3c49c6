//! What is counted for one key: one file for each way of counting.

mod allocation;
mod bucket;
mod fixed;
mod rolling;

use std::time::Duration;

use self::allocation::Allocation;
use self::bucket::Bucket;
use self::fixed::Fixed;
use self::rolling::Rolling;
use crate::{Limit, Tick};

/// How a rate is counted. Each says what it promises of a limit of `max` in a window `w`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Algorithm {
    /// What is granted counts for `w` from then on. No span of time as long as `w`, wherever it begins, sees more
    /// than `max`. What is taken may come back up to a hundredth of `w` late.
    #[default]
    RollingWindow,
    /// A window begins with the first grant, and the next one with the first grant after its end. No such window sees
    /// more than `max`, and no span of time as long as `w` more than twice that.
    FixedWindow,
    /// A bucket of `max` tokens that fill up evenly, `max` in `w`. No span of time `t` sees more than `max + max·t/w`:
    /// a full bucket at once, then the even rate.
    TokenBucket,
}

/// The count of one key. The time that a cell is told never goes backwards.
#[derive(Debug)]
pub(crate) enum Cell {
    Rolling(Rolling),
    Fixed(Fixed),
    Bucket(Bucket),
    Allocation(Allocation),
}

/// What every way of counting does.
pub(crate) trait Count {
    /// How much there is left, after what time brought back.
    fn available(&mut self, limit: Limit, now: Tick) -> u64;

    /// Takes what is not more than available, and says for how long it may be used.
    fn take(&mut self, limit: Limit, now: Tick, amount: u64) -> Duration;

    /// Gives back what was taken last, and says how much that was: never more than is counted.
    fn release(&mut self, limit: Limit, now: Tick, amount: u64) -> u64;

    /// From when on the cell holds nothing, unless it is used again; `None` if time alone does not empty it.
    fn idle_at(&self) -> Option<Tick>;
}

impl Cell {
    /// One that nothing was taken of.
    pub(crate) fn new(algorithm: Algorithm, limit: Limit) -> Self {
        match (limit.is_rate(), algorithm) {
            (false, _) => Self::Allocation(Allocation::default()),
            (true, Algorithm::RollingWindow) => Self::Rolling(Rolling::default()),
            (true, Algorithm::FixedWindow) => Self::Fixed(Fixed::default()),
            (true, Algorithm::TokenBucket) => Self::Bucket(Bucket::new(limit)),
        }
    }

    /// Whether the cell counts what the limit limits. What is in use and what was used in a window do not say anything
    /// about each other, so where a quota turned from one into the other, counting begins anew.
    pub(crate) fn suits(&self, limit: Limit) -> bool {
        let is_rate = match self {
            Self::Rolling(_) | Self::Fixed(_) | Self::Bucket(_) => true,
            Self::Allocation(_) => false,
        };
        is_rate == limit.is_rate()
    }

    /// The count.
    pub(crate) fn count(&mut self) -> &mut dyn Count {
        match self {
            Self::Rolling(rolling) => rolling,
            Self::Fixed(fixed) => fixed,
            Self::Bucket(bucket) => bucket,
            Self::Allocation(allocation) => allocation,
        }
    }
}

//! The life of a stored verdict: what is left of its validity.

use crate::{MissReason, Tick, Validity, limits};

/// Both caches keep one beside each verdict.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Life {
    /// [`NEVER`]: as long as the snapshot.
    expires: Tick,
    /// When the last tenth begins.
    ends_from: Tick,
    uses_left: Option<u32>,
}

/// No clock gets there: it is centuries away, counted in nanoseconds.
const NEVER: Tick = Tick(u64::MAX);

impl Life {
    /// A life that begins now, if the validity allows for one.
    pub(crate) fn begin(validity: Validity, now: Tick) -> Option<Self> {
        if !validity.is_cacheable() {
            return None;
        }
        match validity {
            Validity::Never => None,
            Validity::Revision => Some(Self { expires: NEVER, ends_from: NEVER, uses_left: None }),
            Validity::For { ttl, uses } => {
                let ttl = ttl.min(limits::TTL_MAX);
                Some(Self {
                    expires: now.after(ttl),
                    ends_from: now.after(ttl.saturating_sub(ttl / limits::LAST_PART)),
                    uses_left: uses,
                })
            }
        }
    }

    /// Why the verdict cannot be used, if it cannot.
    #[inline]
    pub(crate) fn unusable(&self, now: Tick) -> Option<MissReason> {
        if self.expires != NEVER && now >= self.expires {
            return Some(MissReason::Expired);
        }
        (self.uses_left == Some(0)).then_some(MissReason::UsedUp)
    }

    /// Whether little of the time is left.
    pub(crate) fn is_ending(&self, now: Tick) -> bool {
        self.ends_from != NEVER && now >= self.ends_from
    }

    /// One use less.
    pub(crate) fn spend(&mut self) {
        if let Some(uses) = &mut self.uses_left {
            *uses = uses.saturating_sub(1);
        }
    }

    /// For how long the verdict may be used from now on.
    pub(crate) fn left(&self, now: Tick) -> Validity {
        match self.expires {
            NEVER => Validity::Revision,
            expires => Validity::For { ttl: expires.since(now), uses: self.uses_left },
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn begin(nanos: u64) -> Life {
        Life::begin(Validity::For { ttl: Duration::from_nanos(nanos), uses: None }, Tick(1000)).unwrap()
    }

    #[test]
    fn the_last_tenth_is_the_end() {
        let life = begin(100);
        assert!(!life.is_ending(Tick(1089)));
        assert!(life.is_ending(Tick(1090)));
        assert_eq!(life.unusable(Tick(1099)), None);
        assert_eq!(life.unusable(Tick(1100)), Some(MissReason::Expired));
        assert!(!Life::begin(Validity::Revision, Tick(0)).unwrap().is_ending(Tick(u64::MAX)));
    }

    #[test]
    fn no_life_is_longer_than_the_longest() {
        let life = begin(u64::MAX);
        assert_eq!(life.left(Tick(1000)), Validity::For { ttl: limits::TTL_MAX, uses: None });
    }
}

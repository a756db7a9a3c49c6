//! Generations: what was dropped stays dropped, also if an answer from before comes late.
//!
//! Each drop begins a generation. A [`Vacancy`](crate::Vacancy) says in which one its lookup was, and so how old the
//! answer may be that comes with it. An answer is refused if it would have been dropped, had it come in time.

use crate::Revision;

#[derive(Debug, Default)]
pub(crate) struct Generations {
    now: u64,
    /// Of what is older than this generation, nothing is kept.
    cleared: u64,
    /// Of what is older than this generation, this revision is kept.
    retained: Option<(u64, Revision)>,
}

impl Generations {
    pub(crate) fn now(&self) -> u64 {
        self.now
    }

    /// Everything is dropped.
    pub(crate) fn clear(&mut self) {
        self.now += 1;
        self.cleared = self.now;
    }

    /// Everything of other revisions is dropped.
    pub(crate) fn retain(&mut self, revision: Revision) {
        self.now += 1;
        // What was older than the last drop was of the revision kept then, and that one goes now.
        if let Some((at, kept)) = self.retained
            && kept != revision
        {
            self.cleared = self.cleared.max(at);
        }
        self.retained = Some((self.now, revision));
    }

    /// Whether no drop since a generation had to do with a revision.
    pub(crate) fn admits(&self, generation: u64, revision: Revision) -> bool {
        generation >= self.cleared
            && self.retained.is_none_or(|(at, kept)| generation >= at || kept == revision)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: Revision = Revision(1);
    const B: Revision = Revision(2);

    #[test]
    fn what_was_there_before_everything_was_dropped_is_refused() {
        let mut generations = Generations::default();
        let before = generations.now();
        assert!(generations.admits(before, A));
        generations.clear();
        assert!(!generations.admits(before, A));
        assert!(generations.admits(generations.now(), A));
    }

    #[test]
    fn of_what_was_there_before_only_the_retained_revision_is_admitted() {
        let mut generations = Generations::default();
        let before = generations.now();
        generations.retain(B);
        generations.retain(B);
        assert!(generations.admits(before, B));
        assert!(!generations.admits(before, A));
        assert!(generations.admits(generations.now(), A));
    }

    #[test]
    fn a_revision_that_comes_back_brings_nothing_back() {
        let mut generations = Generations::default();
        generations.retain(A);
        let under_a = generations.now();
        generations.retain(B);
        let under_b = generations.now();
        generations.retain(A);
        assert!(!generations.admits(under_a, A));
        assert!(!generations.admits(under_a, B));
        assert!(!generations.admits(under_b, B));
        assert!(generations.admits(under_b, A));
    }
}

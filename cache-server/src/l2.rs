//! l2: the second-level check cache, for all proxies together.
//!
//! Between the decoded check and resolution. It is the very cache that the filter has, behind a lock and with a
//! clock. The lock is held for a walk of a few tests and never across a wait.
//!
//! A verdict with a limited number of uses is not stored: every proxy would be handed the full number.

use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use attributes::Bag;
use checkcache::{
    CheckCache, Limits, Lookup, Revision, Root, Statistics, Tick, Trace, Vacancy, Validity, Verdict,
};

/// The cache, or none.
#[derive(Debug)]
pub struct L2 {
    cache: Option<Mutex<CheckCache>>,
    origin: Instant,
}

/// What a lookup found.
#[derive(Debug)]
pub enum L2Lookup {
    /// The cache is off.
    Off,
    /// A verdict, its validity what is left of it, with the trace that it was stored under.
    Hit(Verdict, Trace),
    /// Nothing.
    Miss(Vacancy),
}

impl L2 {
    /// A cache of so many verdicts; 0 is none. Whoever does not know the seed cannot make entries collide.
    pub fn new(entries: usize, seed: [u8; 16]) -> Self {
        let cache = (entries > 0).then(|| Mutex::new(CheckCache::new(Limits::of_entries(entries), seed)));
        Self { cache, origin: Instant::now() }
    }

    /// Looks for a verdict under a revision.
    pub fn lookup(&self, revision: Revision, bag: &Bag) -> L2Lookup {
        let Some(cache) = &self.cache else { return L2Lookup::Off };
        let now = self.now();
        let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
        match cache.lookup(&root(revision), bag, now) {
            Lookup::Hit(hit) => {
                let verdict = Verdict { validity: hit.validity(), ..hit.verdict().clone() };
                L2Lookup::Hit(verdict, hit.trace())
            }
            Lookup::Miss(vacancy) => L2Lookup::Miss(vacancy),
        }
    }

    /// Stores a verdict that was reached under a revision.
    pub fn insert(&self, vacancy: Vacancy, revision: Revision, trace: &Trace, verdict: &Verdict) {
        let Some(cache) = &self.cache else { return };
        let storable = match verdict.validity {
            Validity::Never | Validity::For { uses: Some(_), .. } => false,
            Validity::For { uses: None, .. } | Validity::Revision => true,
        };
        if storable {
            let now = self.now();
            let mut cache = cache.lock().unwrap_or_else(PoisonError::into_inner);
            cache.insert(vacancy, &root(revision), trace.clone(), verdict.clone(), now);
        }
    }

    /// Forgets every verdict of other revisions.
    pub fn retain(&self, revision: Revision) {
        if let Some(cache) = &self.cache {
            cache.lock().unwrap_or_else(PoisonError::into_inner).retain(revision);
        }
    }

    /// What the cache has seen and holds.
    pub fn statistics(&self) -> Option<Statistics> {
        let cache = self.cache.as_ref()?;
        Some(cache.lock().unwrap_or_else(PoisonError::into_inner).statistics())
    }

    fn now(&self) -> Tick {
        Tick::default().after(self.origin.elapsed())
    }
}

fn root(revision: Revision) -> Root {
    Root { revision, quota: None }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use checkcache::{Code, Recorder, Status};

    use super::*;

    fn store(l2: &L2, bag: &Bag, validity: Validity) {
        let mut recorder = Recorder::new(bag);
        recorder.value(&"a".into());
        let L2Lookup::Miss(vacancy) = l2.lookup(Revision(1), bag) else { panic!("a hit already") };
        let verdict = Verdict::new(Status::new(Code::PermissionDenied, "no"), validity);
        l2.insert(vacancy, Revision(1), &recorder.into_trace(), &verdict);
    }

    #[test]
    fn hits_under_its_revision_only() {
        let l2 = L2::new(10, [0; 16]);
        let bag: Bag = [("a", "x")].into_iter().collect();
        store(&l2, &bag, Validity::For { ttl: Duration::from_secs(60), uses: None });
        let L2Lookup::Hit(verdict, trace) = l2.lookup(Revision(1), &bag) else { panic!("no hit") };
        assert_eq!(verdict.status.message, "no");
        assert_eq!(trace.observations().len(), 1);
        assert!(
            matches!(verdict.validity, Validity::For { ttl, uses: None } if ttl <= Duration::from_secs(60))
        );
        assert!(matches!(l2.lookup(Revision(2), &bag), L2Lookup::Miss(_)));
        l2.retain(Revision(2));
        assert!(matches!(l2.lookup(Revision(1), &bag), L2Lookup::Miss(_)));
    }

    #[test]
    fn uses_do_not_compose() {
        let l2 = L2::new(10, [0; 16]);
        let bag: Bag = [("a", "x")].into_iter().collect();
        store(&l2, &bag, Validity::For { ttl: Duration::from_secs(60), uses: Some(5) });
        store(&l2, &bag, Validity::Never);
        assert!(matches!(l2.lookup(Revision(1), &bag), L2Lookup::Miss(_)));
    }

    #[test]
    fn no_entries_is_off() {
        let l2 = L2::new(0, [0; 16]);
        assert!(matches!(l2.lookup(Revision(1), &Bag::new()), L2Lookup::Off));
        assert_eq!(l2.statistics(), None);
    }
}

//! Demand: which requests bring enough to be decided about.
//!
//! A client leaves out what no aspect reads, and says for which configuration it did so. Whether that suffices under
//! the configuration in force is settled once, when a configuration comes into force, for each of the few before it.
//!
//! Invariant: an attribute that was left out must never pass for one that is absent. So what is not known to be
//! covered is not covered.

use std::collections::BTreeSet;

use checkcache::{Revision, Target};
use policy::Demand;

use crate::limits;

/// The demands of the configuration in force and of those before it.
#[derive(Debug, Clone)]
pub(super) struct Demands {
    /// The newest first, each revision once.
    known: Vec<Known>,
}

/// What clients bring that heard of one configuration.
#[derive(Debug, Clone)]
struct Known {
    revision: Revision,
    demand: Demand,
    /// Whether it is enough under the newest.
    covers_check: bool,
    covers_report: bool,
}

impl Demands {
    /// The demands after a configuration came into force.
    pub(super) fn after(before: Option<&Self>, revision: Revision, demand: &Demand) -> Self {
        let newest = Known { revision, demand: demand.clone(), covers_check: true, covers_report: true };
        let earlier = before.into_iter().flat_map(|before| &before.known);
        let earlier = earlier.filter(|known| known.revision != revision).map(|known| Known {
            covers_check: covers(&known.demand.check_call(), &demand.check_call()),
            covers_report: covers(&known.demand.report, &demand.report),
            ..known.clone()
        });
        Self { known: std::iter::once(newest).chain(earlier).take(limits::REMEMBERED_DEMANDS).collect() }
    }

    /// Whether what a check brought for a configuration is enough.
    pub(super) fn cover_check(&self, revision: Revision) -> bool {
        self.find(revision).is_some_and(|known| known.covers_check)
    }

    /// Whether what a report brought for a configuration is enough.
    pub(super) fn cover_report(&self, revision: Revision) -> bool {
        self.find(revision).is_some_and(|known| known.covers_report)
    }

    fn find(&self, revision: Revision) -> Option<&Known> {
        self.known.iter().find(|known| known.revision == revision)
    }
}

/// Whether whoever sends one set of targets sends the other.
fn covers(sent: &BTreeSet<Target>, needed: &BTreeSet<Target>) -> bool {
    needed.iter().all(|target| {
        sent.contains(target)
            || match target {
                Target::Key(name, _) => sent.contains(&Target::Attribute(name.clone())),
                Target::Attribute(_) => false,
            }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `a` is an attribute, `a[k]` a key of one.
    fn targets(texts: &[&str]) -> BTreeSet<Target> {
        let target = |text: &&str| match text.trim_end_matches(']').split_once('[') {
            Some((name, key)) => Target::Key(name.into(), key.into()),
            None => Target::Attribute((*text).into()),
        };
        texts.iter().map(target).collect()
    }

    fn check(texts: &[&str]) -> Demand {
        Demand { check: targets(texts), ..Demand::default() }
    }

    #[test]
    fn a_whole_attribute_covers_its_keys_and_not_the_other_way_round() {
        let covers = |sent: &[&str], needed: &[&str]| covers(&targets(sent), &targets(needed));
        assert!(covers(&[], &[]));
        assert!(covers(&["a", "b"], &["a"]));
        assert!(!covers(&["a"], &["a", "b"]));
        assert!(covers(&["a"], &["a[k]", "a[l]"]));
        assert!(!covers(&["a[k]", "a[l]"], &["a"]));
        assert!(!covers(&["a[k]"], &["a[l]"]));
        assert!(!covers(&["a[k]"], &["b[k]"]));
    }

    #[test]
    fn only_what_is_remembered_and_enough_is_covered() {
        let mut demands = Demands::after(None, Revision(1), &check(&["a"]));
        demands = Demands::after(Some(&demands), Revision(2), &check(&["a", "b"]));
        let is_covered = |demands: &Demands, revision| demands.cover_check(Revision(revision));
        assert!(!is_covered(&demands, 1));
        assert!(is_covered(&demands, 2));
        assert!(demands.cover_report(Revision(1)));
        // Back again: what was sent for the second is more than enough.
        demands = Demands::after(Some(&demands), Revision(1), &check(&["a"]));
        assert!(is_covered(&demands, 1) && is_covered(&demands, 2));
        assert_eq!(demands.known.len(), 2);
        assert!(!is_covered(&demands, 0) && !is_covered(&demands, 3));
        for revision in 10..10 + limits::REMEMBERED_DEMANDS as u64 {
            demands = Demands::after(Some(&demands), Revision(revision), &check(&["a"]));
        }
        assert!(!is_covered(&demands, 2));
        assert!(is_covered(&demands, 10));
    }
}

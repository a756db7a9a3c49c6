//! How programs look at attributes: by tests or by value.

use std::collections::BTreeSet;
use std::ops::Range;

use checkcache::{Target, Test};

/// Which attributes and keys programs read whole where they could test them.
///
/// A comparison with a constant is observed as a test, so that a cached verdict holds for every value that passes it.
/// Where very many constants are compared with one target that is a long way through the cache, and the value, one step,
/// is better. Only who knows all programs that stand for a request can tell; results are the same either way.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tuning {
    everything: bool,
    targets: BTreeSet<Target>,
}

/// One place where an evaluation may look at a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// What is looked at.
    pub target: Target,
    /// What is asked of it. An attribute of which only an entry under a computed key is wanted is asked whether it is
    /// present.
    pub test: Test,
    /// Where in the program's text.
    pub span: Range<usize>,
}

impl Tuning {
    /// Reads everything by value.
    pub fn by_value() -> Self {
        Self { everything: true, targets: BTreeSet::new() }
    }

    /// Whether a target is read by value.
    pub fn reads_value(&self, target: &Target) -> bool {
        self.everything || self.targets.contains(target)
    }

    /// The same for some targets only.
    pub(crate) fn of<'t>(&self, targets: impl Iterator<Item = &'t Target>) -> Self {
        let targets = targets.filter(|target| self.targets.contains(*target)).cloned().collect();
        Self { everything: self.everything, targets }
    }
}

/// Reads these by value and tests all others.
impl FromIterator<Target> for Tuning {
    fn from_iter<I: IntoIterator<Item = Target>>(targets: I) -> Self {
        Self { everything: false, targets: targets.into_iter().collect() }
    }
}

//! The hierarchy of dotted names in which scopes and subjects lie.
//!
//! `global` is its root. Below it a name's parent is the name without its first element, so `ns.svc.cluster.local`
//! is above `reviews.ns.svc.cluster.local`.

/// The root of the hierarchy, as a scope and as a subject.
pub(crate) const GLOBAL: &str = "global";

/// Whether `upper` is `lower` or above it.
pub(crate) fn is_at_or_above(upper: &str, lower: &str) -> bool {
    upper == GLOBAL || (lower != GLOBAL && is_suffix(upper, lower))
}

/// Whether one dotted name is another, or the end of it that starts at an element.
pub(crate) fn is_suffix(suffix: &str, name: &str) -> bool {
    name.strip_suffix(suffix).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
}

/// How far down a name is; `global` is at 0.
pub(crate) fn depth(name: &str) -> usize {
    if name == GLOBAL { 0 } else { name.split('.').count() }
}

/// A name and all above it without `global`: the name itself first, then each time one element less.
pub(crate) fn ancestors(name: &str) -> impl Iterator<Item = &str> {
    std::iter::successors(Some(name), |name| Some(name.split_once('.')?.1)).filter(|name| !name.is_empty())
}

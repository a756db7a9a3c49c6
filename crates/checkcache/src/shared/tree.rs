//! A tree that one writer changes while any number of threads walk it.
//!
//! A node lies in the table of edges with all that a walk reads of it, its verdict included: memory that is not at hand
//! is waited for, and a walk waits once for the table and once for the node. What all children of a node share – what
//! was asked, and the way from the root – is a [`Fork`] beside it, which walks only compare by its place.
//!
//! What leads to a node – its parent's fork, and the outcome – never changes, and neither does what it asks, once it
//! does. A verdict is not taken off a node: another node is put in its place. So a reader may see a node that was taken
//! out, or not see one that came, but a verdict that it finds at a node is the verdict of the trace that leads there.
//!
//! Nodes are found by the hash of the whole way to them, and compared by what leads to them in full: hashes that
//! collide cost time and nothing else. So where a node is follows from a request and from what it is asked, and need not
//! wait for the node before it: see [`Ahead`](super::ahead::Ahead).

use std::hash::{Hash, Hasher};
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, OnceLock};

use attributes::AttributeSource;

use super::ahead::{Ahead, Trail};
use super::sync::{AtomicBool, Equivalent, Found, Map, Ordering, Pin};
use super::written::Written;
use crate::edge::{Edge, EdgeHasher};
use crate::kept::Kept;
use crate::life::Life;
use crate::{MissReason, Observation, Outcome, OutcomeRef, Question, Root, Tick, Trace, Verdict, walk};

/// A tree of traces under one root.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) root: Root,
    /// A hasher that knows the seed and nothing else.
    seeded: EdgeHasher,
    nodes: Map<Place, Node>,
}

/// Where a node is.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Of the whole way.
    hash: u64,
    /// The parent's; `None` for the first node of the tree, which has no outcome either.
    fork: Option<Arc<Fork>>,
    /// How the parent's test came out for requests that get here.
    outcome: Kept,
}

/// What is at a place.
#[derive(Debug)]
pub(super) struct Node {
    onward: OnceLock<Onward>,
    pub(super) leaf: Option<Leaf>,
}

/// What is asked next.
#[derive(Debug, Clone)]
pub(super) struct Onward {
    /// That of the fork, at hand.
    pub(super) question: Arc<Question>,
    pub(super) fork: Arc<Fork>,
}

/// What the children of a node have in common.
#[derive(Debug)]
pub(super) struct Fork {
    place: Place,
    question: Arc<Question>,
    /// What whoever gets here will probably be asked, this question first. Only where walks look for it.
    pub(super) trail: OnceLock<Trail>,
    /// For the writer alone.
    pub(super) children: AtomicU32,
}

/// A verdict and what is left of its validity.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) verdict: Arc<Verdict>,
    pub(super) life: Life,
    is_renewing: AtomicBool,
    /// Whether the verdict was found lately. For the choice of what is evicted, which may err.
    is_used: AtomicBool,
    /// The answer as it is sent, once it was.
    pub(super) written: OnceLock<Written>,
}

/// A place that is looked for.
struct Sought<'a> {
    hash: u64,
    fork: Option<&'a Arc<Fork>>,
    outcome: &'a OutcomeRef<'a>,
}

/// The tree as a walk sees it.
pub(super) struct View<'t> {
    tree: &'t Tree,
    pin: Pin<'t, Place, Node>,
}

/// A node as a walk finds it.
pub(super) type At<'v> = Found<'v, Place, Node>;

/// The hash of the way to the first node.
const START: u64 = 0;

// === impl Tree ===

impl Tree {
    /// An empty tree.
    pub(super) fn new(root: Root, seed: [u8; 16]) -> Self {
        Self { root, seeded: EdgeHasher::new(seed), nodes: Map::new() }
    }

    /// Holds on to what is in the tree.
    pub(super) fn view(&self) -> View<'_> {
        View { tree: self, pin: self.nodes.pin() }
    }

    /// The place of the first node.
    pub(super) fn start() -> Place {
        Place { hash: START, fork: None, outcome: Kept::from(Outcome::Absent) }
    }

    /// The place after a fork, for an outcome.
    pub(super) fn place(&self, fork: &Arc<Fork>, outcome: Outcome) -> Place {
        let hash = hash(self.seeded, fork.place.hash, &outcome.as_ref());
        Place { hash, fork: Some(Arc::clone(fork)), outcome: outcome.into() }
    }

    /// Puts a node at a place, instead of the one that was there.
    pub(super) fn put(&self, place: Place, node: Node) {
        self.nodes.insert(place, node);
    }

    /// Takes out what is at a place.
    pub(super) fn remove(&self, place: &Place) {
        self.nodes.remove(place);
    }
}

/// The hash of a way that goes on from another for an outcome.
#[inline]
pub(super) fn hash(mut seeded: EdgeHasher, from: u64, outcome: &OutcomeRef<'_>) -> u64 {
    Edge { from, outcome }.hash(&mut seeded);
    seeded.finish()
}

// === impl View ===

impl View<'_> {
    /// Finds the node with the verdict for a request. If there is one that cannot be used, leaves behind why.
    pub(super) fn find(
        &self,
        source: &(impl AttributeSource + ?Sized),
        now: Tick,
        reason: &mut MissReason,
    ) -> Option<At<'_>> {
        let mut ahead = Ahead::new(source);
        walk::walk(&self, self.first()?, now, reason, |at| {
            let onward = at.value().onward.get()?;
            let (outcome, hash) = ahead.ask(self.tree.seeded, at.key().hash, onward);
            self.pin.get(&Sought { hash, fork: Some(&onward.fork), outcome: &outcome })
        })
    }

    /// Whether a trace asks nothing else where the tree asks something.
    pub(super) fn fits(&self, trace: &Trace) -> bool {
        self.first().is_none_or(|first| walk::fits(&self, first, trace))
    }

    /// What is at a place.
    pub(super) fn at(&self, place: &Place) -> Option<At<'_>> {
        self.pin.get(&Sought {
            hash: place.hash,
            fork: place.fork.as_ref(),
            outcome: &place.outcome.as_ref(),
        })
    }

    fn first(&self) -> Option<At<'_>> {
        self.pin.get(&Sought { hash: START, fork: None, outcome: &OutcomeRef::Absent })
    }
}

impl<'v> walk::Tree for &'v View<'_> {
    type At = At<'v>;

    fn question<'a>(&'a self, at: &'a At<'v>) -> Option<&'a Arc<Question>> {
        at.value().question()
    }

    fn child(&self, at: &At<'v>, outcome: &OutcomeRef<'_>) -> Option<At<'v>> {
        let onward = at.value().onward.get()?;
        let hash = hash(self.tree.seeded, at.key().hash, outcome);
        self.pin.get(&Sought { hash, fork: Some(&onward.fork), outcome })
    }

    fn life<'a>(&'a self, at: &'a At<'v>) -> Option<&'a Life> {
        at.value().leaf.as_ref().map(|leaf| &leaf.life)
    }
}

// === impl Place ===

impl Place {
    /// The parent's fork; the first node has none.
    pub(super) fn fork(&self) -> Option<&Arc<Fork>> {
        self.fork.as_ref()
    }

    /// The observations on the way from the root.
    pub(super) fn trace(&self) -> Trace {
        let mut observations = Vec::new();
        let mut place = self;
        while let Some(fork) = &place.fork {
            let (question, outcome) = (Arc::clone(&fork.question), place.outcome.to_outcome());
            observations.push(Observation { question, outcome });
            place = &fork.place;
        }
        observations.into_iter().rev().collect()
    }
}

impl PartialEq for Place {
    fn eq(&self, other: &Self) -> bool {
        Sought { hash: self.hash, fork: self.fork.as_ref(), outcome: &self.outcome.as_ref() }
            .equivalent(other)
    }
}

impl Eq for Place {}

impl Hash for Place {
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Hash for Sought<'_> {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl Equivalent<Place> for Sought<'_> {
    #[inline]
    fn equivalent(&self, place: &Place) -> bool {
        let is_of_fork = match (self.fork, &place.fork) {
            // Whoever looks has hold of a fork, so that no other can be where it is.
            (Some(own), Some(other)) => Arc::ptr_eq(own, other),
            (None, None) => true,
            (Some(_), None) | (None, Some(_)) => false,
        };
        self.hash == place.hash && is_of_fork && place.outcome.is(self.outcome)
    }
}

// === impl Node ===

impl Node {
    /// A node that asks nothing yet.
    pub(super) fn new(leaf: Option<Leaf>) -> Self {
        Self { onward: OnceLock::new(), leaf }
    }

    /// The node with another verdict, or none.
    pub(super) fn with_leaf(&self, leaf: Option<Leaf>) -> Self {
        Self { onward: self.onward.clone(), leaf }
    }

    pub(super) fn question(&self) -> Option<&Arc<Question>> {
        self.onward.get().map(|onward| &onward.question)
    }

    /// The fork of its children, once it has asked something.
    pub(super) fn fork(&self) -> Option<&Arc<Fork>> {
        self.onward.get().map(|onward| &onward.fork)
    }

    /// Asks a question, if none was asked yet; returns the fork for what comes out.
    pub(super) fn ask(&self, at: &Place, question: &Arc<Question>) -> &Arc<Fork> {
        let onward = || {
            let (trail, children) = (OnceLock::new(), AtomicU32::new(0));
            let fork = Fork { place: at.clone(), question: Arc::clone(question), trail, children };
            Onward { question: Arc::clone(question), fork: Arc::new(fork) }
        };
        &self.onward.get_or_init(onward).fork
    }

    /// Whether it leads to others.
    pub(super) fn has_children(&self) -> bool {
        self.fork().is_some_and(|fork| fork.children.load(Ordering::Relaxed) > 0)
    }

    /// About how many bytes a node at a place takes, without what is there for its leaf and its fork. Copies of a place
    /// share what does not lie in them.
    pub(super) fn weight(place: &Place) -> usize {
        // Beside what is kept: its place in the table of edges.
        size_of::<Place>() + size_of::<Self>() + size_of::<[usize; 2]>() + place.outcome.weight()
    }
}

// === impl Fork ===

impl Fork {
    /// Where the node is whose children it has.
    pub(super) fn place(&self) -> &Place {
        &self.place
    }

    pub(super) fn question(&self) -> &Arc<Question> {
        &self.question
    }

    /// About how many bytes a fork holds.
    pub(super) fn weight(&self) -> usize {
        // Beside the fork: two counts of its owners.
        size_of::<Self>() + size_of::<[usize; 2]>() + self.trail.get().map_or(0, Trail::weight)
    }
}

// === impl Leaf ===

impl Leaf {
    pub(super) fn new(verdict: Arc<Verdict>, life: Life) -> Self {
        let [is_renewing, is_used] = [const { AtomicBool::new(false) }; 2];
        Self { verdict, life, is_renewing, is_used, written: OnceLock::new() }
    }

    /// Says yes once.
    pub(super) fn begin_renewal(&self) -> bool {
        !self.is_renewing.swap(true, Ordering::Relaxed)
    }

    /// Someone found the verdict.
    pub(super) fn touch(&self) {
        // Mostly it was found before, and a place in memory that nobody writes to is read at no cost.
        if !self.is_used.load(Ordering::Relaxed) {
            self.is_used.store(true, Ordering::Relaxed);
        }
    }

    /// Whether someone found the verdict since the last call.
    pub(super) fn take_use(&self) -> bool {
        self.is_used.swap(false, Ordering::Relaxed)
    }

    /// About how many bytes are held for a leaf, beside its node, which has room for it.
    pub(super) fn weight(&self) -> usize {
        // The verdict with two counts of its owners, and a place in the ring.
        size_of::<Verdict>() + size_of::<[usize; 2]>() + self.verdict.weight() + size_of::<Place>()
    }
}

//! The check cache: a tree of traces.
//!
//! A node asks one question of a request – one test on one target – and its children are the outcomes. A leaf holds
//! a verdict. A lookup walks from the root and performs each node's test on the live request, so its cost is the
//! length of the walk, however many entries there are, and an attribute is only fetched when the walk needs it.
//!
//! Traces of one snapshot always fit into one tree, because what is looked at next is decided by what came out before.
//! Answers of a server that only says *which* attributes counted have no such order and may not fit; then there are
//! several trees for one root, up to [`limits::TREES`].
//!
//! Invariants: every node but a root has a parent, and leads to at least one leaf. Every leaf is in the list of uses
//! exactly once. [`Limits`] hold after every insertion.

mod edges;
mod nodes;

use std::sync::Arc;

use attributes::AttributeSource;

use self::edges::Edges;
use self::nodes::{Leaf, Node, NodeId, Nodes};
use crate::generation::Generations;
use crate::life::Life;
use crate::walk;
use crate::{Observation, OutcomeRef, Question, Revision, Tick, Trace, Validity, Verdict, limits};

/// What a walk starts from: no verdict is ever found under another root.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Root {
    /// The snapshot.
    pub revision: Revision,
    /// The quota, for grants; `None` for verdicts.
    pub quota: Option<Box<str>>,
}

/// How much a cache may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Verdicts. 0 turns the cache off.
    pub leaves: usize,
    /// Nodes, those with verdicts included.
    pub nodes: usize,
    /// Bytes of memory, estimated.
    pub bytes: usize,
}

/// What a cache has seen and holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Lookups that found a verdict.
    pub hits: u64,
    /// Lookups that found nothing.
    pub misses_cold: u64,
    /// Lookups that found nothing under their revision, after there were verdicts of another.
    pub misses_revision: u64,
    /// Lookups that found only a verdict whose time was up.
    pub misses_expired: u64,
    /// Lookups that found only a verdict whose uses were spent.
    pub misses_used_up: u64,
    /// Verdicts stored.
    pub insertions: u64,
    /// Verdicts not stored, because what they rest on was dropped in the meantime.
    pub refusals: u64,
    /// Verdicts taken out to make room.
    pub evictions: u64,
    /// Trees thrown away because a trace fitted none of them.
    pub replaced_trees: u64,
    /// Verdicts held.
    pub leaves: usize,
    /// Nodes held.
    pub nodes: usize,
    /// Bytes held, estimated.
    pub bytes: usize,
}

/// Why a lookup found nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MissReason {
    /// There is no verdict for such a request.
    Cold,
    /// There is no verdict under this revision, and there was one under another.
    Revision,
    /// There is one, and its time is up.
    Expired,
    /// There is one, and its uses are spent.
    UsedUp,
    /// There is one, and most of its time is up: it was found, and is worth renewing.
    Ending,
}

/// The right to store the verdict of a request that was looked up in vain.
#[derive(Debug)]
pub struct Vacancy {
    reason: MissReason,
    generation: u64,
}

/// What a lookup found.
#[derive(Debug)]
pub enum Lookup<'c> {
    /// A verdict.
    Hit(Hit<'c>),
    /// Nothing that can be used.
    Miss(Vacancy),
}

/// A verdict that was found.
#[derive(Debug)]
pub struct Hit<'c> {
    cache: &'c CheckCache,
    node: NodeId,
    leaf: &'c Leaf,
    life: &'c Life,
    now: Tick,
}

/// Verdicts under their traces.
#[derive(Debug)]
pub struct CheckCache {
    limits: Limits,
    roots: Vec<(Root, Vec<NodeId>)>,
    nodes: Nodes,
    edges: Edges,
    generations: Generations,
    /// Whether a revision went, since everything went.
    is_succession: bool,
    statistics: Statistics,
}

/// The tree as a walk sees it.
struct Grown<'c> {
    nodes: &'c Nodes,
    edges: &'c Edges,
}

// === impl Limits ===

impl Limits {
    /// Limits that follow from a number of verdicts: four nodes and 1 KiB each.
    pub fn of_entries(leaves: usize) -> Self {
        Self {
            leaves,
            nodes: leaves.saturating_mul(4).saturating_add(64),
            bytes: leaves.saturating_mul(1024),
        }
    }
}

// === impl CheckCache ===

impl CheckCache {
    /// An empty cache. The seed keys the hash tables: whoever does not know it cannot make entries collide.
    pub fn new(limits: Limits, seed: [u8; 16]) -> Self {
        Self {
            limits,
            roots: Vec::new(),
            nodes: Nodes::new(seed),
            edges: Edges::new(seed),
            generations: Generations::default(),
            is_succession: false,
            statistics: Statistics::default(),
        }
    }

    /// Looks for a verdict that holds for a request at a time. Leaves no trace of its own; a hit spends one use.
    pub fn lookup(&mut self, root: &Root, source: &(impl AttributeSource + ?Sized), now: Tick) -> Lookup<'_> {
        let (found, reason) = self.find(root, source, now);
        let generation = self.generations.now();
        let Some(node) = found else {
            self.statistics.missed(reason);
            return Lookup::Miss(Vacancy::new(reason, generation));
        };
        self.statistics.hits += 1;
        self.nodes.touch(node);
        if let Some(life) = self.nodes.life_mut(node) {
            life.spend();
        }
        match (self.nodes.leaf(node), self.nodes.life(node)) {
            (Some(leaf), Some(life)) => Lookup::Hit(Hit { cache: self, node, leaf, life, now }),
            _ => Lookup::Miss(Vacancy::new(reason, generation)),
        }
    }

    /// Stores a verdict under its trace, if its validity allows it. Says whether it did.
    ///
    /// The root is the one that the verdict was reached under, which may be newer than the one that was looked up. What
    /// was dropped since the lookup is not stored.
    pub fn insert(
        &mut self,
        vacancy: Vacancy,
        root: &Root,
        trace: Trace,
        verdict: Verdict,
        now: Tick,
    ) -> bool {
        let life = Life::begin(verdict.validity, now);
        let Some(life) = life.filter(|_| self.limits.leaves > 0 && walk::is_short(&trace)) else {
            return false;
        };
        if !self.generations.admits(vacancy.spend(), root.revision) {
            self.statistics.refusals += 1;
            return false;
        }
        let node = self.grow(root, trace);
        self.statistics.insertions += 1;
        self.nodes.set_leaf(node, Leaf::new(verdict), life);
        self.evict();
        true
    }

    /// Takes out everything that belongs to another revision.
    pub fn retain(&mut self, revision: Revision) {
        self.generations.retain(revision);
        let (keep, drop) =
            std::mem::take(&mut self.roots).into_iter().partition(|(r, _)| r.revision == revision);
        self.roots = keep;
        self.is_succession |= !drop.is_empty();
        for tree in drop.into_iter().flat_map(|(_, trees): (Root, Vec<NodeId>)| trees) {
            self.fell(tree);
        }
    }

    /// Keys the hash tables anew, as soon as there is a seed that nobody knows. What is held stays.
    pub fn reseed(&mut self, seed: [u8; 16]) {
        self.nodes.reseed(seed);
        self.edges = Edges::new(seed);
        for node in self.nodes.ids() {
            self.edges.add(&self.nodes, node);
        }
    }

    /// Takes out everything.
    pub fn clear(&mut self) {
        self.generations.clear();
        self.is_succession = false;
        self.roots.clear();
        self.nodes.clear();
        self.edges.clear();
    }

    /// What tells now from a time before everything, or much, was dropped.
    pub fn generation(&self) -> u64 {
        self.generations.now()
    }

    /// What the cache has seen and holds.
    pub fn statistics(&self) -> Statistics {
        Statistics {
            leaves: self.nodes.leaves(),
            nodes: self.nodes.len(),
            bytes: self.nodes.bytes(),
            ..self.statistics
        }
    }

    fn trees(&self, root: &Root) -> &[NodeId] {
        self.roots.iter().find(|(r, _)| r == root).map_or(&[], |(_, trees)| trees)
    }

    fn grown(&self) -> Grown<'_> {
        Grown { nodes: &self.nodes, edges: &self.edges }
    }

    /// The node with the verdict for a request, or why there is none.
    fn find(
        &self,
        root: &Root,
        source: &(impl AttributeSource + ?Sized),
        now: Tick,
    ) -> (Option<NodeId>, MissReason) {
        let is_new = !self.roots.iter().any(|(r, _)| r.revision == root.revision);
        let is_successor = is_new && (self.is_succession || !self.roots.is_empty());
        let mut reason = if is_successor { MissReason::Revision } else { MissReason::Cold };
        let grown = self.grown();
        let mut trees = self.trees(root).iter();
        let step = |at: &NodeId| walk::step(&grown, at, source);
        let found = trees.find_map(|tree| walk::walk(&grown, *tree, now, &mut reason, step));
        (found, reason)
    }

    /// The node at the end of a trace, made if it is not there.
    fn grow(&mut self, root: &Root, trace: Trace) -> NodeId {
        let index = match self.roots.iter().position(|(r, _)| r == root) {
            Some(index) => index,
            None => {
                self.roots.push((root.clone(), Vec::new()));
                self.roots.len() - 1
            }
        };
        let fitting = self.trees(root).iter().copied().find(|tree| walk::fits(&self.grown(), *tree, &trace));
        let tree = fitting.unwrap_or_else(|| {
            let full = self.roots.get(index).is_some_and(|(_, trees)| trees.len() >= limits::TREES);
            let oldest = self.roots.get_mut(index).filter(|_| full).map(|(_, trees)| trees.remove(0));
            if let Some(oldest) = oldest {
                self.fell(oldest);
                self.statistics.replaced_trees += 1;
            }
            let tree = self.nodes.add(Node::root());
            if let Some((_, trees)) = self.roots.get_mut(index) {
                trees.push(tree);
            }
            tree
        });
        trace.into_iter().fold(tree, |at, observation| self.step(at, observation))
    }

    fn step(&mut self, at: NodeId, Observation { question, outcome }: Observation) -> NodeId {
        self.nodes.ask(at, &question);
        match self.edges.find(&self.nodes, at, &outcome.as_ref()) {
            Some(next) => next,
            None => {
                let next = self.nodes.add(Node::child(at, outcome));
                self.edges.add(&self.nodes, next);
                next
            }
        }
    }

    /// Takes out the verdicts that have not been used for longest, until the limits hold.
    fn evict(&mut self) {
        while self.nodes.leaves() > self.limits.leaves
            || self.nodes.len() > self.limits.nodes
            || self.nodes.bytes() > self.limits.bytes
        {
            let Some(oldest) = self.nodes.least_recently_used() else { return };
            self.nodes.take_leaf(oldest);
            self.prune(oldest);
            self.statistics.evictions += 1;
        }
    }

    /// Takes out a node that leads nowhere, and then its parent if that came to lead nowhere.
    fn prune(&mut self, from: NodeId) {
        let mut at = from;
        while let Some(node) = self.nodes.get(at)
            && node.leaf.is_none()
            && node.children == 0
        {
            let parent = node.parent;
            self.edges.remove(&self.nodes, at);
            self.nodes.remove(at);
            match parent {
                Some(parent) => at = parent,
                None => {
                    for (_, trees) in &mut self.roots {
                        trees.retain(|tree| *tree != at);
                    }
                    self.roots.retain(|(_, trees)| !trees.is_empty());
                    return;
                }
            }
        }
    }

    /// Takes out a whole tree that is in no root's list any more.
    fn fell(&mut self, tree: NodeId) {
        let within = self.nodes.within(tree);
        for node in &within {
            self.edges.remove(&self.nodes, *node);
        }
        for node in within {
            self.nodes.take_leaf(node);
            self.nodes.remove(node);
        }
    }
}

// === impl Statistics ===

impl Statistics {
    fn missed(&mut self, reason: MissReason) {
        match reason {
            MissReason::Cold => self.misses_cold += 1,
            MissReason::Revision => self.misses_revision += 1,
            MissReason::Expired => self.misses_expired += 1,
            MissReason::UsedUp => self.misses_used_up += 1,
            MissReason::Ending => {}
        }
    }

    /// Lookups that found nothing that could be used, for whatever reason.
    pub fn misses(&self) -> u64 {
        self.misses_cold + self.misses_revision + self.misses_expired + self.misses_used_up
    }
}

// === impl Grown ===

impl walk::Tree for Grown<'_> {
    type At = NodeId;

    #[inline]
    fn question<'a>(&'a self, at: &'a NodeId) -> Option<&'a Arc<Question>> {
        self.nodes.get(*at)?.question.as_ref()
    }

    #[inline]
    fn child(&self, at: &NodeId, outcome: &OutcomeRef<'_>) -> Option<NodeId> {
        self.edges.find(self.nodes, *at, outcome)
    }

    #[inline]
    fn life<'a>(&'a self, at: &'a NodeId) -> Option<&'a Life> {
        self.nodes.life(*at)
    }
}

// === impl Vacancy ===

impl Vacancy {
    pub(crate) fn new(reason: MissReason, generation: u64) -> Self {
        Self { reason, generation }
    }

    /// What tells a lookup from one before everything, or much, was dropped.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Gives the right up for the generation that it is from.
    pub(crate) fn spend(self) -> u64 {
        self.generation
    }

    /// Why the lookup found nothing.
    pub fn reason(&self) -> MissReason {
        self.reason
    }
}

// === impl Hit ===

impl Hit<'_> {
    /// The verdict as it was stored.
    pub fn verdict(&self) -> &Verdict {
        &self.leaf.verdict
    }

    /// How long the verdict may be used from now on.
    pub fn validity(&self) -> Validity {
        self.life.left(self.now)
    }

    /// Whether the verdict is in the last tenth of its life, so that it is worth renewing.
    pub fn is_ending(&self) -> bool {
        self.life.is_ending(self.now)
    }

    /// The right to renew a verdict that is in the last tenth of its life. One caller gets it, once for each life.
    pub fn renew(&self) -> Option<Vacancy> {
        let is_first = self.is_ending() && !self.leaf.is_renewing.replace(true);
        is_first.then(|| Vacancy::new(MissReason::Ending, self.cache.generations.now()))
    }

    /// The trace that the verdict was stored under.
    pub fn trace(&self) -> Trace {
        self.cache.nodes.trace(self.node)
    }
}

#[cfg(test)]
mod tests;

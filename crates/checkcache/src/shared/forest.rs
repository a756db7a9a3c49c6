//! All trees, as readers see them, and the one writer.
//!
//! Readers get the list of trees by one load of a pointer and never meet a lock. Whatever changes the list makes a new
//! one. Writers take turns.
//!
//! Invariants: every node but the first of a tree leads to a leaf. A node is in its plot's ring exactly once as long as
//! it has a leaf, and not otherwise. The [`Limits`] hold whenever no writer is at work.

use std::collections::VecDeque;
use std::sync::Arc;

use attributes::AttributeSource;

use super::sync::{ArcSwap, Mutex, Ordering, PoisonError};
use super::tree::{Leaf, Node, Tree};
use crate::generation::Generations;
use crate::life::Life;
use crate::questions::Questions;
use crate::{Limits, MissReason, Observation, Revision, Root, Statistics, Tick, Trace, Verdict, limits};

#[derive(Debug)]
pub(super) struct Forest {
    limits: Limits,
    seed: [u8; 16],
    published: ArcSwap<Published>,
    writer: Mutex<Writer>,
}

/// What readers see.
#[derive(Debug, Default)]
struct Published {
    generation: u64,
    /// Whether a revision went, since everything went.
    is_succession: bool,
    trees: Vec<Arc<Tree>>,
}

/// What a lookup came to.
pub(super) struct Look {
    pub(super) found: Option<(Arc<Node>, Arc<Leaf>)>,
    pub(super) reason: MissReason,
    pub(super) generation: u64,
}

/// What became of a verdict that was to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Insertion {
    Stored,
    /// What it rests on was dropped.
    Refused,
}

#[derive(Debug, Default)]
struct Writer {
    generations: Generations,
    is_succession: bool,
    plots: Vec<Plot>,
    next_number: u64,
    evictions: u64,
    replaced_trees: u64,
}

/// A tree with what only the writer needs.
#[derive(Debug)]
pub(super) struct Plot {
    tree: Arc<Tree>,
    /// The nodes with leaves, those that will be looked at next for eviction first.
    ring: VecDeque<Arc<Node>>,
    questions: Questions,
    held: Held,
}

#[derive(Debug, Clone, Copy, Default)]
struct Held {
    leaves: usize,
    nodes: usize,
    bytes: usize,
}

// === impl Forest ===

impl Forest {
    pub(super) fn new(limits: Limits, seed: [u8; 16]) -> Self {
        Self {
            limits,
            seed,
            published: ArcSwap::from_pointee(Published::default()),
            writer: Mutex::default(),
        }
    }

    /// Looks for a verdict that holds for a request at a time.
    pub(super) fn look(&self, root: &Root, source: &(impl AttributeSource + ?Sized), now: Tick) -> Look {
        let published = self.published.load();
        let mut reason = published.first_reason(root.revision);
        let mut trees = published.trees.iter().filter(|tree| tree.root == *root);
        let found = trees.find_map(|tree| tree.find(source, now, &mut reason));
        Look { found, reason, generation: published.generation }
    }

    /// Stores a verdict under its trace. What had to go is returned, so that it is freed where the caller likes.
    pub(super) fn insert(
        &self,
        generation: u64,
        root: &Root,
        trace: &Trace,
        verdict: Arc<Verdict>,
        life: Life,
        now: Tick,
    ) -> (Insertion, Vec<Plot>) {
        let mut gone = Vec::new();
        let mut guard = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let writer = &mut *guard;
        if !writer.generations.admits(generation, root.revision) {
            return (Insertion::Refused, gone);
        }
        let plots = writer.plots.len();
        let at = writer.plot_for(root, trace, self.seed, &mut gone);
        if let Some(plot) = writer.plots.get_mut(at) {
            plot.grow(trace, Leaf::new(verdict, life), &mut writer.next_number);
        }
        writer.evict(self.limits, now, &mut gone);
        if writer.plots.len() != plots || !gone.is_empty() {
            self.publish(writer);
        }
        (Insertion::Stored, gone)
    }

    /// Takes out everything that belongs to another revision.
    pub(super) fn retain(&self, revision: Revision) -> Vec<Plot> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.generations.retain(revision);
        let (kept, gone) = std::mem::take(&mut writer.plots)
            .into_iter()
            .partition(|plot: &Plot| plot.tree.root.revision == revision);
        writer.plots = kept;
        writer.is_succession |= !gone.is_empty();
        self.publish(&writer);
        gone
    }

    /// Takes out everything.
    pub(super) fn clear(&self) -> Vec<Plot> {
        let mut writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        writer.generations.clear();
        writer.is_succession = false;
        let gone = std::mem::take(&mut writer.plots);
        self.publish(&writer);
        gone
    }

    /// What is held, and what writers did.
    pub(super) fn statistics(&self) -> Statistics {
        let writer = self.writer.lock().unwrap_or_else(PoisonError::into_inner);
        let Held { leaves, nodes, bytes } = writer.held();
        Statistics {
            evictions: writer.evictions,
            replaced_trees: writer.replaced_trees,
            leaves,
            nodes,
            bytes,
            ..Statistics::default()
        }
    }

    fn publish(&self, writer: &Writer) {
        self.published.store(Arc::new(Published {
            generation: writer.generations.now(),
            is_succession: writer.is_succession,
            trees: writer.plots.iter().map(|plot| Arc::clone(&plot.tree)).collect(),
        }));
    }
}

impl Published {
    /// Why nothing is found if nothing is there.
    fn first_reason(&self, revision: Revision) -> MissReason {
        let is_new = !self.trees.iter().any(|tree| tree.root.revision == revision);
        let is_successor = is_new && (self.is_succession || !self.trees.is_empty());
        if is_successor { MissReason::Revision } else { MissReason::Cold }
    }
}

// === impl Writer ===

impl Writer {
    /// Where the plot is whose tree a trace fits into, made if there is none.
    fn plot_for(&mut self, root: &Root, trace: &Trace, seed: [u8; 16], gone: &mut Vec<Plot>) -> usize {
        let mut same_root = self.plots.iter().enumerate().filter(|(_, plot)| plot.tree.root == *root);
        if let Some((at, _)) = same_root.clone().find(|(_, plot)| plot.tree.fits(trace)) {
            return at;
        }
        if same_root.clone().count() >= limits::TREES
            && let Some((oldest, _)) = same_root.next()
        {
            gone.push(self.plots.remove(oldest));
            self.replaced_trees += 1;
        }
        let tree = Tree::new(root.clone(), self.next_number, seed);
        self.next_number += 1;
        self.plots.push(Plot::new(tree, seed));
        self.plots.len() - 1
    }

    /// Takes out verdicts until the limits hold. The largest tree gives: the one of an old revision, as a rule.
    fn evict(&mut self, limits: Limits, now: Tick, gone: &mut Vec<Plot>) {
        while self.held().exceeds(limits) {
            let sizes = self.plots.iter().enumerate().map(|(at, plot)| (plot.held.leaves, at));
            let Some((_, at)) = sizes.max_by_key(|(leaves, at)| (*leaves, std::cmp::Reverse(*at))) else {
                return;
            };
            let Some(plot) = self.plots.get_mut(at) else { return };
            plot.evict(now);
            self.evictions += 1;
            if plot.held.leaves == 0 {
                gone.push(self.plots.remove(at));
            }
        }
    }

    fn held(&self) -> Held {
        self.plots.iter().fold(Held::default(), |sum, plot| Held {
            leaves: sum.leaves + plot.held.leaves,
            nodes: sum.nodes + plot.held.nodes,
            bytes: sum.bytes + plot.held.bytes,
        })
    }
}

impl Held {
    fn exceeds(self, limits: Limits) -> bool {
        self.leaves > limits.leaves || self.nodes > limits.nodes || self.bytes > limits.bytes
    }
}

// === impl Plot ===

impl Plot {
    fn new(tree: Tree, seed: [u8; 16]) -> Self {
        let bytes = size_of::<Tree>() + tree.trunk.0.weight();
        let held = Held { leaves: 0, nodes: 1, bytes };
        Self { tree: Arc::new(tree), ring: VecDeque::new(), questions: Questions::new(seed), held }
    }

    pub(super) fn leaves(&self) -> usize {
        self.held.leaves
    }

    /// Puts a leaf at the end of a trace that fits.
    fn grow(&mut self, trace: &Trace, leaf: Leaf, next_number: &mut u64) {
        let mut at = Arc::clone(&self.tree.trunk.0);
        for Observation { question, outcome } in trace.observations() {
            // Before the child, so that no reader gets to the child another way.
            self.held.bytes += at.ask(question, &mut self.questions);
            at = match self.tree.child(&at, &outcome.as_ref()) {
                Some(next) => next,
                None => {
                    let next = self.tree.add(*next_number, &at, outcome.clone());
                    *next_number += 1;
                    self.held.nodes += 1;
                    self.held.bytes += next.weight();
                    next
                }
            };
        }
        self.held.bytes += leaf.weight();
        match at.set_leaf(Some(Arc::new(leaf))) {
            Some(before) => self.held.bytes -= before.weight(),
            None => {
                self.held.leaves += 1;
                self.ring.push_back(at);
            }
        }
    }

    /// Takes out one verdict: one that was not found since the ring last came by, or whose time is up, if there is one
    /// among the next few.
    fn evict(&mut self, now: Tick) {
        let mut spared = 0;
        while let Some(node) = self.ring.pop_front() {
            let is_alive = node.leaf().is_some_and(|leaf| leaf.life.unusable(now).is_none());
            if is_alive && node.take_use() && spared < limits::SECOND_CHANCES {
                spared += 1;
                self.ring.push_back(node);
                continue;
            }
            if let Some(leaf) = node.set_leaf(None) {
                self.held.leaves -= 1;
                self.held.bytes -= leaf.weight();
            }
            self.prune(node);
            return;
        }
    }

    /// Takes out a node that leads nowhere, and then its parent if that came to lead nowhere.
    fn prune(&mut self, from: Arc<Node>) {
        let mut at = from;
        while at.children.load(Ordering::Relaxed) == 0
            && at.leaf().is_none()
            && let Some(parent) = self.tree.remove(&at)
        {
            self.held.nodes -= 1;
            self.held.bytes -= at.weight();
            self.held.bytes -= at.question().map_or(0, |question| self.questions.forget(question));
            at = parent;
        }
    }
}

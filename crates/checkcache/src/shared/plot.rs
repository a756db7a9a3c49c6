//! A tree with what only the writer needs: what is in it, in which order it may go, and how much it is.
//!
//! Invariants, whenever no writer is at work: every node leads to a leaf. A place is in the ring exactly once as long as
//! there is a leaf, and not otherwise.

use std::collections::VecDeque;
use std::sync::Arc;

use super::ahead::Trail;
use super::sync::Ordering;
use super::tree::{Fork, Leaf, Node, Place, Tree, View};
use crate::questions::Questions;
use crate::{Limits, Observation, Question, Tick, Trace, limits};

/// A tree with what only the writer needs.
#[derive(Debug)]
pub(super) struct Plot {
    pub(super) tree: Arc<Tree>,
    /// Where there are leaves, those that will be looked at next for eviction first.
    ring: VecDeque<Place>,
    questions: Questions,
    pub(super) held: Held,
}

/// What a tree comes to.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Held {
    pub(super) leaves: usize,
    pub(super) nodes: usize,
    pub(super) bytes: usize,
}

// === impl Plot ===

impl Plot {
    /// An empty tree.
    pub(super) fn new(tree: Tree, seed: [u8; 16]) -> Self {
        let held = Held { bytes: size_of::<Tree>(), ..Held::default() };
        Self { tree: Arc::new(tree), ring: VecDeque::new(), questions: Questions::new(seed), held }
    }

    /// How many verdicts it has.
    pub(super) fn leaves(&self) -> usize {
        self.held.leaves
    }

    /// Puts a leaf at the end of a trace that fits.
    pub(super) fn grow(&mut self, trace: &Trace, leaf: Leaf) {
        let (mut place, mut forks) = (Tree::start(), Vec::new());
        for Observation { question, outcome } in trace.observations() {
            let fork = self.fork(place, question);
            place = self.tree.place(&fork, outcome.clone());
            forks.push(fork);
        }
        if let Some(from) = forks.get(limits::TRAIL_FROM)
            && from.trail.get().is_none()
        {
            let questions = forks.iter().skip(limits::TRAIL_FROM).map(|fork| fork.question());
            self.held.bytes += from.trail.get_or_init(|| Trail::new(questions)).weight();
        }
        self.held.bytes += leaf.weight();
        let tree = Arc::clone(&self.tree);
        let view = tree.view();
        let Some(at) = view.at(&place) else {
            self.held.leaves += 1;
            self.ring.push_back(place.clone());
            self.add(place, Node::new(Some(leaf)));
            return;
        };
        match &at.value().leaf {
            Some(before) => self.held.bytes -= before.weight(),
            None => {
                self.held.leaves += 1;
                self.ring.push_back(place.clone());
            }
        }
        tree.put(place, at.value().with_leaf(Some(leaf)));
    }

    /// The fork for the outcomes of a question at a place, made with its node if it is not there.
    fn fork(&mut self, place: Place, question: &Arc<Question>) -> Arc<Fork> {
        let tree = Arc::clone(&self.tree);
        let view = tree.view();
        match view.at(&place) {
            Some(at) => match at.value().fork() {
                Some(fork) => Arc::clone(fork),
                None => self.ask(at.value(), &place, question),
            },
            None => {
                let node = Node::new(None);
                // Before readers can get there.
                let fork = self.ask(&node, &place, question);
                self.add(place, node);
                fork
            }
        }
    }

    fn ask(&mut self, node: &Node, place: &Place, question: &Arc<Question>) -> Arc<Fork> {
        let (question, weight) = self.questions.ask(question);
        let fork = node.ask(place, &question);
        self.held.bytes += weight + fork.weight();
        Arc::clone(fork)
    }

    /// Puts a node where there is none yet.
    fn add(&mut self, place: Place, node: Node) {
        if let Some(parent) = place.fork() {
            parent.children.fetch_add(1, Ordering::Relaxed);
        }
        self.held.nodes += 1;
        self.held.bytes += Node::weight(&place);
        self.tree.put(place, node);
    }

    /// Takes out one verdict: one that was not found since the ring last came by, or whose time is up, if there is one
    /// among the next few.
    pub(super) fn evict(&mut self, now: Tick) {
        let tree = Arc::clone(&self.tree);
        let view = tree.view();
        let mut spared = 0;
        while let Some(place) = self.ring.pop_front() {
            let Some(at) = view.at(&place) else { continue };
            let node = at.value();
            let Some(leaf) = &node.leaf else { continue };
            let is_alive = leaf.life.unusable(now).is_none();
            if is_alive && leaf.take_use() && spared < limits::SECOND_CHANCES {
                spared += 1;
                self.ring.push_back(place);
                continue;
            }
            self.held.leaves -= 1;
            self.held.bytes -= leaf.weight();
            if node.has_children() {
                tree.put(place, node.with_leaf(None));
            } else {
                self.prune(&view, place);
            }
            return;
        }
    }

    /// Takes out a node that leads nowhere, and then its parent if that came to lead nowhere.
    fn prune(&mut self, view: &View<'_>, from: Place) {
        let mut place = from;
        loop {
            self.held.nodes -= 1;
            self.held.bytes -= Node::weight(&place);
            let at = view.at(&place);
            if let Some(fork) = at.as_ref().and_then(|at| at.value().fork()) {
                self.held.bytes -= fork.weight() + self.questions.forget(fork.question());
            }
            self.tree.remove(&place);
            let Some(parent) = place.fork().map(Arc::clone) else { return };
            let has_others = parent.children.fetch_sub(1, Ordering::Relaxed) > 1;
            if has_others || view.at(parent.place()).is_none_or(|at| at.value().leaf.is_some()) {
                return;
            }
            place = parent.place().clone();
        }
    }
}

// === impl Held ===

impl Held {
    /// Whether it is more than may be.
    pub(super) fn exceeds(self, limits: Limits) -> bool {
        self.leaves > limits.leaves || self.nodes > limits.nodes || self.bytes > limits.bytes
    }
}

//! The nodes, in one table with a list of free places, and the order in which their verdicts were used.
//!
//! The order is a table of its own beside the nodes: a hit moves one verdict to its end, which changes the places of
//! two others that the lookup has no other business with. What is left of a verdict's life is there too, since every
//! lookup needs it, and the verdict only whoever found it.

use std::cell::Cell;
use std::num::NonZeroU32;
use std::sync::Arc;

use crate::kept::Kept;
use crate::life::Life;
use crate::questions::Questions;
use crate::{Observation, Outcome, Question, Trace, Verdict};

/// A place in the table, counted from 1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NodeId(NonZeroU32);

/// A verdict.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) verdict: Verdict,
    pub(super) is_renewing: Cell<bool>,
}

/// As large as what processors read at once, and not across two of them.
#[derive(Debug)]
#[repr(align(64))]
pub(super) struct Node {
    pub(super) parent: Option<NodeId>,
    /// How the parent's test came out for requests that get here.
    pub(super) outcome: Kept,
    /// What is asked next. Stays as long as there are children, since they answer it.
    pub(super) question: Option<Arc<Question>>,
    pub(super) children: u32,
    pub(super) leaf: Option<Box<Leaf>>,
}

const _: () = assert!(size_of::<Option<Node>>() == 64);

/// Whose verdicts were used just after and just before that of a node, and what is left of its validity.
#[derive(Debug, Clone, Copy, Default)]
struct Turn {
    newer: Option<NodeId>,
    older: Option<NodeId>,
    /// There if the node has a leaf.
    life: Option<Life>,
}

#[derive(Debug)]
pub(super) struct Nodes {
    places: Vec<Option<Node>>,
    /// As long as the places.
    order: Vec<Turn>,
    free: Vec<NodeId>,
    questions: Questions,
    newest: Option<NodeId>,
    oldest: Option<NodeId>,
    leaves: usize,
    bytes: usize,
}

impl NodeId {
    /// The place with an index.
    fn at(index: usize) -> Self {
        let after = u32::try_from(index + 1).ok().and_then(NonZeroU32::new);
        Self(after.unwrap_or(NonZeroU32::MAX))
    }

    fn index(self) -> usize {
        self.0.get() as usize - 1
    }

    /// No other node has it at the same time.
    pub(super) fn number(self) -> u64 {
        u64::from(self.0.get())
    }
}

impl Node {
    pub(super) fn root() -> Self {
        // A root has no outcome; nobody looks.
        Self::new(None, Outcome::Absent)
    }

    pub(super) fn child(parent: NodeId, outcome: Outcome) -> Self {
        Self::new(Some(parent), outcome)
    }

    fn new(parent: Option<NodeId>, outcome: Outcome) -> Self {
        Self { parent, outcome: outcome.into(), question: None, children: 0, leaf: None }
    }

    fn weight(&self) -> usize {
        size_of::<Option<Self>>() + size_of::<Turn>() + size_of::<NodeId>() * 2 + self.outcome.weight()
    }
}

impl Leaf {
    pub(super) fn new(verdict: Verdict) -> Self {
        Self { verdict, is_renewing: Cell::new(false) }
    }

    fn weight(&self) -> usize {
        size_of::<Self>() + self.verdict.weight()
    }
}

impl Nodes {
    /// No nodes. The seed keys the table of questions.
    pub(super) fn new(seed: [u8; 16]) -> Self {
        Self {
            places: Vec::new(),
            order: Vec::new(),
            free: Vec::new(),
            questions: Questions::new(seed),
            newest: None,
            oldest: None,
            leaves: 0,
            bytes: 0,
        }
    }

    /// Takes out everything.
    pub(super) fn clear(&mut self) {
        self.places.clear();
        self.order.clear();
        self.free.clear();
        self.questions.clear();
        (self.newest, self.oldest) = (None, None);
        (self.leaves, self.bytes) = (0, 0);
    }

    /// Keys the table of questions anew.
    pub(super) fn reseed(&mut self, seed: [u8; 16]) {
        self.questions.reseed(seed);
    }

    pub(super) fn len(&self) -> usize {
        self.places.len() - self.free.len()
    }

    pub(super) fn leaves(&self) -> usize {
        self.leaves
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }

    pub(super) fn ids(&self) -> impl Iterator<Item = NodeId> {
        let places = self.places.iter().enumerate();
        places.filter(|(_, place)| place.is_some()).map(|(index, _)| NodeId::at(index))
    }

    #[inline]
    pub(super) fn get(&self, id: NodeId) -> Option<&Node> {
        self.places.get(id.index())?.as_ref()
    }

    fn get_mut(&mut self, id: NodeId) -> Option<&mut Node> {
        self.places.get_mut(id.index())?.as_mut()
    }

    pub(super) fn add(&mut self, node: Node) -> NodeId {
        self.bytes += node.weight();
        if let Some(parent) = node.parent.and_then(|parent| self.get_mut(parent)) {
            parent.children += 1;
        }
        if let Some(free) = self.free.pop() {
            if let Some(place) = self.places.get_mut(free.index()) {
                *place = Some(node);
            }
            return free;
        }
        self.places.push(Some(node));
        self.order.push(Turn::default());
        NodeId::at(self.places.len() - 1)
    }

    /// Takes a node out. Its leaf and its edge must be out already.
    pub(super) fn remove(&mut self, id: NodeId) {
        let Some(node) = self.places.get_mut(id.index()).and_then(Option::take) else { return };
        debug_assert!(node.leaf.is_none(), "a leaf is taken off before its node");
        self.bytes -= node.weight() + self.forgotten(node.question.as_ref());
        self.free.push(id);
        let Some(parent) = node.parent.and_then(|parent| self.get_mut(parent)) else { return };
        parent.children -= 1;
        if parent.children == 0 {
            let question = parent.question.take();
            self.bytes -= self.forgotten(question.as_ref());
        }
    }

    fn forgotten(&mut self, question: Option<&Arc<Question>>) -> usize {
        question.map_or(0, |question| self.questions.forget(question))
    }

    /// Sets what a node asks, if it asks nothing yet.
    pub(super) fn ask(&mut self, id: NodeId, question: &Arc<Question>) {
        if self.get(id).is_none_or(|node| node.question.is_some()) {
            return;
        }
        let (question, weight) = self.questions.ask(question);
        self.bytes += weight;
        if let Some(node) = self.get_mut(id) {
            node.question = Some(question);
        }
    }

    #[inline]
    pub(super) fn leaf(&self, id: NodeId) -> Option<&Leaf> {
        self.get(id)?.leaf.as_deref()
    }

    /// What is left of the validity of a node's verdict, if it has one.
    #[inline]
    pub(super) fn life(&self, id: NodeId) -> Option<&Life> {
        // Most nodes of a walk have none, which is written in the node.
        self.leaf(id)?;
        self.order.get(id.index())?.life.as_ref()
    }

    #[inline]
    pub(super) fn life_mut(&mut self, id: NodeId) -> Option<&mut Life> {
        self.order_mut(id)?.life.as_mut()
    }

    /// Puts a leaf on a node, as the one used last.
    pub(super) fn set_leaf(&mut self, id: NodeId, leaf: Leaf, life: Life) {
        self.take_leaf(id);
        let weight = leaf.weight();
        if let Some(node) = self.get_mut(id) {
            node.leaf = Some(Box::new(leaf));
            self.leaves += 1;
            self.bytes += weight;
            self.link(id);
            if let Some(own) = self.order_mut(id) {
                own.life = Some(life);
            }
        }
    }

    /// Takes the leaf off a node.
    pub(super) fn take_leaf(&mut self, id: NodeId) {
        let Some(leaf) = self.get_mut(id).and_then(|node| node.leaf.take()) else { return };
        self.leaves -= 1;
        self.bytes -= leaf.weight();
        self.unlink(id);
        if let Some(own) = self.order_mut(id) {
            own.life = None;
        }
    }

    /// Makes a leaf the one used last.
    pub(super) fn touch(&mut self, id: NodeId) {
        if self.newest != Some(id) {
            self.unlink(id);
            self.link(id);
        }
    }

    pub(super) fn least_recently_used(&self) -> Option<NodeId> {
        self.oldest
    }

    fn link(&mut self, id: NodeId) {
        let before = self.newest.replace(id);
        if let Some(own) = self.order_mut(id) {
            (own.newer, own.older) = (None, before);
        }
        match before.and_then(|before| self.order_mut(before)) {
            Some(before) => before.newer = Some(id),
            None => self.oldest = Some(id),
        }
    }

    fn unlink(&mut self, id: NodeId) {
        let Some(Turn { newer, older, life: _ }) = self.order.get(id.index()).copied() else { return };
        match newer.and_then(|newer| self.order_mut(newer)) {
            Some(newer) => newer.older = older,
            None => self.newest = older,
        }
        match older.and_then(|older| self.order_mut(older)) {
            Some(older) => older.newer = newer,
            None => self.oldest = newer,
        }
    }

    fn order_mut(&mut self, id: NodeId) -> Option<&mut Turn> {
        self.order.get_mut(id.index())
    }

    /// The observations on the way from the root to a node.
    pub(super) fn trace(&self, id: NodeId) -> Trace {
        let mut observations = Vec::new();
        let mut at = self.get(id);
        while let Some(node) = at {
            let parent = node.parent.and_then(|parent| self.get(parent));
            if let Some(question) = parent.and_then(|parent| parent.question.as_ref()) {
                let outcome = node.outcome.to_outcome();
                observations.push(Observation { question: Arc::clone(question), outcome });
            }
            at = parent;
        }
        observations.into_iter().rev().collect()
    }

    /// The nodes of a tree, parents before children. Goes through the whole table: trees are felled seldom.
    pub(super) fn within(&self, tree: NodeId) -> Vec<NodeId> {
        let mut children: Vec<Vec<NodeId>> = Vec::new();
        children.resize_with(self.places.len(), Vec::new);
        for (index, node) in self.places.iter().enumerate() {
            let parent = node.as_ref().and_then(|node| node.parent);
            if let Some(siblings) = parent.and_then(|parent| children.get_mut(parent.index())) {
                siblings.push(NodeId::at(index));
            }
        }
        let mut found = vec![tree];
        let mut next = 0;
        while let Some(node) = found.get(next) {
            next += 1;
            found.extend(children.get_mut(node.index()).map(std::mem::take).unwrap_or_default());
        }
        found
    }
}

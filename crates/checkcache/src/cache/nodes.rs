//! The nodes, in one table with a list of free places, and the order in which their verdicts were used.

use std::cell::Cell;

use crate::life::Life;
use crate::walk::{self, Question};
use crate::{Observation, Outcome, Target, Test, Trace, Verdict};

/// A place in the table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NodeId(u32);

/// A verdict and what is left of its validity.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) verdict: Verdict,
    pub(super) life: Life,
    pub(super) is_renewing: Cell<bool>,
    /// Which insertion it came with.
    pub(super) serial: u64,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) parent: Option<NodeId>,
    /// How the parent's test came out for requests that get here.
    pub(super) outcome: Outcome,
    /// What is asked next. Stays as long as there are children, since they answer it.
    pub(super) question: Option<Box<Question>>,
    pub(super) children: u32,
    pub(super) leaf: Option<Box<Leaf>>,
    newer: Option<NodeId>,
    older: Option<NodeId>,
}

#[derive(Debug, Default)]
pub(super) struct Nodes {
    places: Vec<Option<Node>>,
    free: Vec<u32>,
    newest: Option<NodeId>,
    oldest: Option<NodeId>,
    leaves: usize,
    bytes: usize,
}

impl NodeId {
    /// No other node has it at the same time.
    pub(super) fn number(self) -> u64 {
        u64::from(self.0)
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
        Self { parent, outcome, question: None, children: 0, leaf: None, newer: None, older: None }
    }

    fn weight(&self) -> usize {
        size_of::<Option<Self>>() + size_of::<NodeId>() * 2 + self.outcome.weight()
    }
}

impl Leaf {
    pub(super) fn new(verdict: Verdict, life: Life, serial: u64) -> Self {
        Self { verdict, life, is_renewing: Cell::new(false), serial }
    }

    fn weight(&self) -> usize {
        size_of::<Self>() + self.verdict.weight()
    }
}

impl Nodes {
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
        places.filter(|(_, place)| place.is_some()).map(|(index, _)| NodeId(index as u32))
    }

    pub(super) fn get(&self, id: NodeId) -> Option<&Node> {
        self.places.get(id.0 as usize)?.as_ref()
    }

    fn get_mut(&mut self, id: NodeId) -> Option<&mut Node> {
        self.places.get_mut(id.0 as usize)?.as_mut()
    }

    pub(super) fn add(&mut self, node: Node) -> NodeId {
        self.bytes += node.weight();
        if let Some(parent) = node.parent.and_then(|parent| self.get_mut(parent)) {
            parent.children += 1;
        }
        if let Some(free) = self.free.pop() {
            if let Some(place) = self.places.get_mut(free as usize) {
                *place = Some(node);
            }
            return NodeId(free);
        }
        self.places.push(Some(node));
        NodeId(self.places.len() as u32 - 1)
    }

    /// Takes a node out. Its leaf and its edge must be out already.
    pub(super) fn remove(&mut self, id: NodeId) {
        let Some(node) = self.places.get_mut(id.0 as usize).and_then(Option::take) else { return };
        debug_assert!(node.leaf.is_none(), "a leaf is taken off before its node");
        self.bytes -= node.weight() + node.question.as_deref().map_or(0, walk::weight);
        self.free.push(id.0);
        let Some(parent) = node.parent.and_then(|parent| self.get_mut(parent)) else { return };
        parent.children -= 1;
        if parent.children == 0 {
            let question = parent.question.take();
            self.bytes -= question.as_deref().map_or(0, walk::weight);
        }
    }

    /// Sets what a node asks, if it asks nothing yet.
    pub(super) fn ask(&mut self, id: NodeId, target: Target, test: Test) {
        let Some(node) = self.get_mut(id) else { return };
        if node.question.is_none() {
            let question = Box::new((target, test));
            let weight = walk::weight(&question);
            node.question = Some(question);
            self.bytes += weight;
        }
    }

    pub(super) fn leaf(&self, id: NodeId) -> Option<&Leaf> {
        self.get(id)?.leaf.as_deref()
    }

    pub(super) fn leaf_mut(&mut self, id: NodeId) -> Option<&mut Leaf> {
        self.get_mut(id)?.leaf.as_deref_mut()
    }

    /// Puts a leaf on a node, as the one used last.
    pub(super) fn set_leaf(&mut self, id: NodeId, leaf: Leaf) {
        self.take_leaf(id);
        let weight = leaf.weight();
        if let Some(node) = self.get_mut(id) {
            node.leaf = Some(Box::new(leaf));
            self.leaves += 1;
            self.bytes += weight;
            self.link(id);
        }
    }

    /// Takes the leaf off a node.
    pub(super) fn take_leaf(&mut self, id: NodeId) {
        let Some(leaf) = self.get_mut(id).and_then(|node| node.leaf.take()) else { return };
        self.leaves -= 1;
        self.bytes -= leaf.weight();
        self.unlink(id);
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
        if let Some(node) = self.get_mut(id) {
            (node.newer, node.older) = (None, before);
        }
        match before.and_then(|before| self.get_mut(before)) {
            Some(before) => before.newer = Some(id),
            None => self.oldest = Some(id),
        }
    }

    fn unlink(&mut self, id: NodeId) {
        let Some(node) = self.get_mut(id) else { return };
        let (newer, older) = (node.newer.take(), node.older.take());
        match newer.and_then(|newer| self.get_mut(newer)) {
            Some(newer) => newer.older = older,
            None => self.newest = older,
        }
        match older.and_then(|older| self.get_mut(older)) {
            Some(older) => older.newer = newer,
            None => self.oldest = newer,
        }
    }

    /// The observations on the way from the root to a node.
    pub(super) fn trace(&self, id: NodeId) -> Trace {
        let mut observations = Vec::new();
        let mut at = self.get(id);
        while let Some(node) = at {
            let parent = node.parent.and_then(|parent| self.get(parent));
            if let Some((target, test)) = parent.and_then(|parent| parent.question.as_deref()) {
                observations.push(Observation {
                    target: target.clone(),
                    test: test.clone(),
                    outcome: node.outcome.clone(),
                });
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
            if let Some(siblings) = parent.and_then(|parent| children.get_mut(parent.0 as usize)) {
                siblings.push(NodeId(index as u32));
            }
        }
        let mut found = vec![tree];
        let mut next = 0;
        while let Some(NodeId(node)) = found.get(next) {
            next += 1;
            found.extend(children.get_mut(*node as usize).map(std::mem::take).unwrap_or_default());
        }
        found
    }
}

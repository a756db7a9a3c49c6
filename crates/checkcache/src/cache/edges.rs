//! The edges: from a node and an outcome to the child.
//!
//! One hash table for all nodes, which holds children's places only: what an edge is is written in the child. A
//! lookup hashes the borrowed outcome and compares it in full.

use std::hash::{Hash as _, Hasher as _};

use hashbrown::HashTable;

use super::nodes::{NodeId, Nodes};
use crate::OutcomeRef;
use crate::edge::{Edge, EdgeHasher};

#[derive(Debug)]
pub(super) struct Edges {
    /// A hasher that knows the seed and nothing else.
    seeded: EdgeHasher,
    table: HashTable<NodeId>,
}

impl Edges {
    pub(super) fn new(seed: [u8; 16]) -> Self {
        Self { seeded: EdgeHasher::new(seed), table: HashTable::new() }
    }

    pub(super) fn clear(&mut self) {
        self.table.clear();
    }

    /// The child of a node for an outcome.
    pub(super) fn find(&self, nodes: &Nodes, parent: NodeId, outcome: &OutcomeRef<'_>) -> Option<NodeId> {
        let is_it = |child: &NodeId| {
            nodes.get(*child).is_some_and(|child| child.parent == Some(parent) && child.outcome.is(outcome))
        };
        self.table.find(hash(self.seeded, parent, outcome), is_it).copied()
    }

    /// Adds the edge that leads to a child. There must be none with the same outcome yet.
    pub(super) fn add(&mut self, nodes: &Nodes, child: NodeId) {
        let Some(hash) = edge_hash(self.seeded, nodes, child) else { return };
        let seeded = self.seeded;
        // Every child in the table is among the nodes, so the hash of none is missing.
        self.table.insert_unique(hash, child, |child| edge_hash(seeded, nodes, *child).unwrap_or_default());
    }

    /// Takes out the edge that leads to a child, which must still be among the nodes.
    pub(super) fn remove(&mut self, nodes: &Nodes, child: NodeId) {
        let Some(hash) = edge_hash(self.seeded, nodes, child) else { return };
        if let Ok(edge) = self.table.find_entry(hash, |other| *other == child) {
            edge.remove();
        }
    }
}

fn edge_hash(seeded: EdgeHasher, nodes: &Nodes, child: NodeId) -> Option<u64> {
    let node = nodes.get(child)?;
    Some(hash(seeded, node.parent?, &node.outcome.as_ref()))
}

fn hash(mut seeded: EdgeHasher, parent: NodeId, outcome: &OutcomeRef<'_>) -> u64 {
    Edge { from: parent.number(), outcome }.hash(&mut seeded);
    seeded.finish()
}

//! All trees, as readers see them, and the one writer.
//!
//! Readers get the list of trees by one load of a pointer and never meet a lock. Whatever changes the list makes a new
//! one. Writers take turns.
//!
//! Invariants, whenever no writer is at work: every tree has a verdict, and the [`Limits`] hold.

use std::sync::Arc;

use attributes::AttributeSource;

use super::plot::{Held, Plot};
use super::sync::{ArcSwap, Mutex, PoisonError};
use super::tree::{Leaf, Place, Tree};
use crate::generation::Generations;
use crate::life::Life;
use crate::{Limits, MissReason, Revision, Root, Statistics, Tick, Trace, Verdict, limits};

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

/// What a lookup found.
pub(super) struct Found<'t> {
    pub(super) place: &'t Place,
    pub(super) leaf: &'t Leaf,
    pub(super) generation: u64,
}

/// What a lookup came to, with what was made of what it found.
pub(super) struct Look<R> {
    pub(super) found: Option<R>,
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
    evictions: u64,
    replaced_trees: u64,
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

    /// Looks for a verdict that holds for a request at a time, and makes something of it.
    pub(super) fn look<R>(
        &self,
        root: &Root,
        source: &(impl AttributeSource + ?Sized),
        now: Tick,
        take: impl FnOnce(Found<'_>) -> R,
    ) -> Look<R> {
        let published = self.published.load();
        let generation = published.generation;
        let mut reason = published.first_reason(root.revision);
        for tree in published.trees.iter().filter(|tree| tree.root == *root) {
            let view = tree.view();
            if let Some(at) = view.find(source, now, &mut reason)
                && let Some(leaf) = &at.value().leaf
            {
                let found = Some(take(Found { place: at.key(), leaf, generation }));
                return Look { found, reason, generation };
            }
        }
        Look { found: None, reason, generation }
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
            plot.grow(trace, Leaf::new(verdict, life));
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
        if let Some((at, _)) = same_root.clone().find(|(_, plot)| plot.tree.view().fits(trace)) {
            return at;
        }
        if same_root.clone().count() >= limits::TREES
            && let Some((oldest, _)) = same_root.next()
        {
            gone.push(self.plots.remove(oldest));
            self.replaced_trees += 1;
        }
        self.plots.push(Plot::new(Tree::new(root.clone(), seed), seed));
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

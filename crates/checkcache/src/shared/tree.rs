//! A tree that one writer changes while any number of threads walk it.
//!
//! What leads to a node – parent, outcome, and the questions on the way – never changes, and no number is given to two
//! nodes. So a reader may see a node that was taken out, or not see one that came, but a verdict that it finds at a
//! node is the verdict of the trace that leads there.

use std::hash::{Hash, Hasher};
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, OnceLock};

use attributes::AttributeSource;

use super::sync::{self, ArcSwapOption, AtomicBool, Equivalent, Found, Ordering, Pin, Set};
use super::written::Written;
use crate::edge::Edge;
use crate::kept::Kept;
use crate::life::Life;
use crate::questions::Questions;
use crate::walk;
use crate::{MissReason, Observation, Outcome, OutcomeRef, Question, Root, Tick, Trace, Verdict};

/// A tree of traces under one root.
#[derive(Debug)]
pub(super) struct Tree {
    pub(super) root: Root,
    pub(super) trunk: Child,
    edges: Set<Child>,
}

#[derive(Debug)]
pub(super) struct Node {
    number: u64,
    pub(super) parent: Option<Arc<Self>>,
    /// How the parent's test came out for requests that get here.
    outcome: Kept,
    question: OnceLock<Arc<Question>>,
    leaf: ArcSwapOption<Leaf>,
    /// Whether there is a leaf. Most nodes of a walk have none, and it costs less to see that here.
    has_leaf: AtomicBool,
    /// Whether the verdict was found lately. For the choice of what is evicted, which may err.
    is_used: AtomicBool,
    /// For the writer alone.
    pub(super) children: AtomicU32,
}

/// A verdict and what is left of its validity.
#[derive(Debug)]
pub(super) struct Leaf {
    pub(super) verdict: Arc<Verdict>,
    pub(super) life: Life,
    is_renewing: AtomicBool,
    /// The answer as it is sent, once it was.
    pub(super) written: OnceLock<Written>,
}

/// A node as the table of edges has it: under its parent and its outcome.
#[derive(Debug, Clone)]
pub(super) struct Child(pub(super) Arc<Node>);

/// The tree as a walk sees it.
struct View<'p> {
    edges: &'p Pin<'p, Child>,
}

// === impl Tree ===

impl Tree {
    /// An empty tree, whose first node has a number.
    pub(super) fn new(root: Root, number: u64, seed: [u8; 16]) -> Self {
        // A first node has no outcome; nobody looks.
        let trunk = Child(Arc::new(Node::new(number, None, Outcome::Absent)));
        Self { root, trunk, edges: Set::new(seed) }
    }

    /// Finds the verdict for a request. If there is one that cannot be used, leaves behind why.
    pub(super) fn find(
        &self,
        source: &(impl AttributeSource + ?Sized),
        now: Tick,
        reason: &mut MissReason,
    ) -> Option<(Arc<Node>, Arc<Leaf>)> {
        let edges = self.edges.pin();
        let view = View { edges: &edges };
        let (at, leaf) = walk::walk(&view, sync::found(&self.trunk), source, now, reason)?;
        Some((Arc::clone(&at.0), leaf))
    }

    /// Whether a trace asks nothing else where the tree asks something.
    pub(super) fn fits(&self, trace: &Trace) -> bool {
        let edges = self.edges.pin();
        walk::fits(&View { edges: &edges }, sync::found(&self.trunk), trace)
    }

    /// The node after another, if there is one.
    pub(super) fn child(&self, at: &Arc<Node>, outcome: &OutcomeRef<'_>) -> Option<Arc<Node>> {
        let edges = self.edges.pin();
        let found = edges.get(&Edge { from: at.number, outcome })?;
        Some(Arc::clone(&found.0))
    }

    /// Adds a node that is not there yet.
    pub(super) fn add(&self, number: u64, parent: &Arc<Node>, outcome: Outcome) -> Arc<Node> {
        let node = Arc::new(Node::new(number, Some(Arc::clone(parent)), outcome));
        parent.children.fetch_add(1, Ordering::Relaxed);
        self.edges.insert(Child(Arc::clone(&node)));
        node
    }

    /// Takes a node out; returns its parent. The first node stays.
    pub(super) fn remove(&self, node: &Node) -> Option<Arc<Node>> {
        let parent = node.parent.as_ref()?;
        self.edges.remove(&Edge { from: parent.number, outcome: &node.outcome.as_ref() });
        parent.children.fetch_sub(1, Ordering::Relaxed);
        Some(Arc::clone(parent))
    }
}

impl<'p> walk::Tree for View<'p> {
    type At = Found<'p, Child>;
    type Leaf = Arc<Leaf>;

    fn question<'a>(&'a self, at: &'a Self::At) -> Option<&'a Arc<Question>> {
        at.0.question()
    }

    fn child(&self, at: &Self::At, outcome: &OutcomeRef<'_>) -> Option<Self::At> {
        self.edges.get(&Edge { from: at.0.number, outcome })
    }

    fn leaf(&self, at: &Self::At) -> Option<Arc<Leaf>> {
        at.0.leaf()
    }

    fn life(leaf: &Arc<Leaf>) -> &Life {
        &leaf.life
    }
}

// === impl Node ===

impl Node {
    fn new(number: u64, parent: Option<Arc<Self>>, outcome: Outcome) -> Self {
        Self {
            number,
            parent,
            outcome: outcome.into(),
            question: OnceLock::new(),
            leaf: ArcSwapOption::from(None),
            has_leaf: AtomicBool::new(false),
            is_used: AtomicBool::new(false),
            children: AtomicU32::new(0),
        }
    }

    pub(super) fn question(&self) -> Option<&Arc<Question>> {
        self.question.get()
    }

    /// Sets what the node asks, if it asks nothing yet; returns how many bytes more are held.
    pub(super) fn ask(&self, question: &Arc<Question>, questions: &mut Questions) -> usize {
        if self.question.get().is_some() {
            return 0;
        }
        let (question, weight) = questions.ask(question);
        // There is one writer, so nobody was faster.
        let _ = self.question.set(question);
        weight
    }

    /// The verdict, if there is one. Whoever comes while it is set may see none.
    pub(super) fn leaf(&self) -> Option<Arc<Leaf>> {
        if self.has_leaf.load(Ordering::Acquire) { self.leaf.load_full() } else { None }
    }

    /// Puts a leaf there, or takes it off; returns the one that was there. Only the writer does.
    pub(super) fn set_leaf(&self, leaf: Option<Arc<Leaf>>) -> Option<Arc<Leaf>> {
        let has_leaf = leaf.is_some();
        let before = self.leaf.swap(leaf);
        self.has_leaf.store(has_leaf, Ordering::Release);
        before
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

    /// About how many bytes the node holds, without its leaf.
    pub(super) fn weight(&self) -> usize {
        // Beside the node: two counts of its owners, its places in the table of edges and in the ring.
        let fixed = size_of::<Self>() + size_of::<[usize; 8]>();
        fixed + self.outcome.weight()
    }

    /// The observations on the way from the root to the node.
    pub(super) fn trace(&self) -> Trace {
        let mut observations = Vec::new();
        let mut at = self;
        while let Some(parent) = at.parent.as_deref() {
            if let Some(question) = parent.question() {
                let outcome = at.outcome.to_outcome();
                observations.push(Observation { question: Arc::clone(question), outcome });
            }
            at = parent;
        }
        observations.into_iter().rev().collect()
    }
}

// === impl Leaf ===

impl Leaf {
    pub(super) fn new(verdict: Arc<Verdict>, life: Life) -> Self {
        Self { verdict, life, is_renewing: AtomicBool::new(false), written: OnceLock::new() }
    }

    /// Says yes once.
    pub(super) fn begin_renewal(&self) -> bool {
        !self.is_renewing.swap(true, Ordering::Relaxed)
    }

    pub(super) fn weight(&self) -> usize {
        size_of::<Self>() + size_of::<Verdict>() + size_of::<[usize; 4]>() + self.verdict.weight()
    }
}

// === impl Child ===

impl Child {
    fn from(&self) -> u64 {
        self.0.parent.as_ref().map_or(self.0.number, |parent| parent.number)
    }
}

impl PartialEq for Child {
    fn eq(&self, other: &Self) -> bool {
        self.from() == other.from() && other.0.outcome.is(&self.0.outcome.as_ref())
    }
}

impl Eq for Child {}

impl Hash for Child {
    fn hash<H: Hasher>(&self, state: &mut H) {
        Edge { from: self.from(), outcome: &self.0.outcome.as_ref() }.hash(state);
    }
}

impl Equivalent<Child> for Edge<'_> {
    fn equivalent(&self, child: &Child) -> bool {
        child.from() == self.from && child.0.outcome.is(self.outcome)
    }
}

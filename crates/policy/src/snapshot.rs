//! Snapshots: a whole configuration, checked and compiled, that requests are resolved under.
//!
//! A snapshot never changes; a new configuration is a new snapshot. Which block stands for a subject is settled when
//! it is made, and per phase, so that a request pays for the rules that can apply to it only.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use attributes::ValueType;
use checkcache::{Recorder, Revision, Target};
use expr::Program;

use crate::plan::Identity;
use crate::subject::GLOBAL;
use crate::validate::Validated;
use crate::{Aspect, HandlerConfig, LogDescriptor, MetricDescriptor, Phase, Plan, QuotaDescriptor};

/// A checked and compiled configuration.
#[derive(Debug)]
pub struct Snapshot {
    revision: Revision,
    handlers: Vec<HandlerConfig>,
    manifest: BTreeMap<String, ValueType>,
    metrics: Vec<Arc<MetricDescriptor>>,
    logs: Vec<Arc<LogDescriptor>>,
    quotas: Vec<Arc<QuotaDescriptor>>,
    identity: Identity,
    check: PhasePolicy,
    report: PhasePolicy,
    demand: Demand,
}

/// What evaluations under a snapshot may look at: what else a request has need not be sent.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Demand {
    /// In the check phase.
    pub check: BTreeSet<Target>,
    /// In the report phase.
    pub report: BTreeSet<Target>,
}

/// The rules of one phase, by subject.
#[derive(Debug, Default)]
pub(crate) struct PhasePolicy {
    /// The block of the subject `global`.
    pub(crate) global: Option<Block>,
    /// The blocks of all other subjects, none of them empty.
    pub(crate) subjects: HashMap<String, Block>,
}

/// The rules of one subject.
#[derive(Debug)]
pub(crate) struct Block {
    pub(crate) rules: Vec<Rule>,
}

/// Aspects and further rules under a common selector.
#[derive(Debug)]
pub(crate) struct Rule {
    /// Where the rule stands.
    pub(crate) location: String,
    /// `None` selects always.
    pub(crate) selector: Option<Program>,
    pub(crate) aspects: Vec<Guarded>,
    pub(crate) rules: Vec<Rule>,
}

/// An aspect with a selector of its own.
#[derive(Debug)]
pub(crate) struct Guarded {
    /// `None` selects always.
    pub(crate) selector: Option<Program>,
    pub(crate) aspect: Aspect,
}

// === impl Snapshot ===

impl Snapshot {
    pub(crate) fn new(validated: Validated, identity: Identity, revision: Revision) -> Self {
        let Validated { handlers, manifest, metrics, logs, quotas, check, report } = validated;
        let demand = Demand { check: check.reads(&identity), report: report.reads(&identity) };
        Self { revision, handlers, manifest, metrics, logs, quotas, identity, check, report, demand }
    }

    /// What tells this configuration from others: equal configurations have equal revisions, wherever they are
    /// loaded. Never 0.
    pub fn revision(&self) -> Revision {
        self.revision
    }

    /// The adapter blocks, in document order.
    pub fn handlers(&self) -> &[HandlerConfig] {
        &self.handlers
    }

    /// The declared attributes with their types.
    pub fn manifest(&self) -> &BTreeMap<String, ValueType> {
        &self.manifest
    }

    /// The declared metrics, in document order.
    pub fn metrics(&self) -> &[Arc<MetricDescriptor>] {
        &self.metrics
    }

    /// The declared logs, in document order.
    pub fn logs(&self) -> &[Arc<LogDescriptor>] {
        &self.logs
    }

    /// The declared quotas, in document order.
    pub fn quotas(&self) -> &[Arc<QuotaDescriptor>] {
        &self.quotas
    }

    /// What evaluations may look at.
    pub fn demand(&self) -> &Demand {
        &self.demand
    }

    /// Every aspect of a phase, in no particular order.
    pub fn aspects(&self, phase: Phase) -> Vec<&Aspect> {
        let mut aspects = Vec::new();
        for block in self.phase(phase).blocks() {
            visit(&block.rules, &mut |rule| {
                aspects.extend(rule.aspects.iter().map(|guarded| &guarded.aspect));
            });
        }
        aspects
    }

    /// Finds the aspects that apply to a request.
    pub fn resolve<'s>(&'s self, recorder: &mut Recorder<'_>, phase: Phase) -> Plan<'s> {
        Plan::resolve(self.phase(phase), &self.identity, recorder)
    }

    fn phase(&self, phase: Phase) -> &PhasePolicy {
        match phase {
            Phase::Check => &self.check,
            Phase::Report => &self.report,
        }
    }
}

// === impl Demand ===

impl Demand {
    /// What is demanded in a phase.
    pub fn of(&self, phase: Phase) -> &BTreeSet<Target> {
        match phase {
            Phase::Check => &self.check,
            Phase::Report => &self.report,
        }
    }
}

// === impl PhasePolicy ===

impl PhasePolicy {
    /// Adds the rules of a subject; none of them are as good as no block.
    pub(crate) fn add(&mut self, subject: &str, rules: Vec<Rule>) {
        if rules.is_empty() {
            return;
        }
        let block = Block { rules };
        if subject == GLOBAL {
            self.global = Some(block);
        } else {
            self.subjects.insert(subject.to_owned(), block);
        }
    }

    fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.global.iter().chain(self.subjects.values())
    }

    fn reads(&self, identity: &Identity) -> BTreeSet<Target> {
        let mut reads = BTreeSet::new();
        if !self.subjects.is_empty() {
            reads.insert(Target::Attribute(identity.attribute.clone()));
        }
        for block in self.blocks() {
            visit(&block.rules, &mut |rule| {
                reads.extend(rule.selector.iter().flat_map(Program::reads));
                for guarded in &rule.aspects {
                    reads.extend(guarded.selector.iter().flat_map(Program::reads));
                    reads.extend(guarded.aspect.reads());
                }
            });
        }
        reads
    }
}

/// Shows every rule, the nested ones too.
fn visit<'s>(rules: &'s [Rule], show: &mut impl FnMut(&'s Rule)) {
    for rule in rules {
        show(rule);
        visit(&rule.rules, show);
    }
}

/// Requests are resolved on many threads at once.
const _: fn() = || {
    fn shared<T: Send + Sync>() {}
    shared::<Snapshot>();
};

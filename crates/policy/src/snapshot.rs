//! Snapshots: a whole configuration, checked and compiled, that requests are resolved under.
//!
//! A snapshot never changes; a new configuration is a new snapshot. Which block stands for a subject is settled when
//! it is made, and per phase, so that a request pays for the rules that can apply to it only.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use attributes::ValueType;
use checkcache::{Recorder, Revision, Target};
use expr::Program;

use crate::plan::{Identity, SelectorError, resolve_most_specific};
use crate::subject::GLOBAL;
use crate::validate::Validated;
use crate::walk::{Unwatched, Walk};
use crate::{
    Aspect, HandlerConfig, HeaderRules, LogDescriptor, MetricDescriptor, Phase, Plan, QuotaDescriptor,
};

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
    policy: Policies,
    demand: Demand,
}

/// What evaluations under a snapshot may look at: what else a request has need not be sent. What attributes are derived
/// from counts for whatever they may be derived for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Demand {
    /// For a verdict.
    pub check: BTreeSet<Target>,
    /// For quotas.
    pub quota: BTreeSet<Target>,
    /// For a report.
    pub report: BTreeSet<Target>,
}

/// The rules of a configuration, by what they are for.
#[derive(Debug, Default)]
pub(crate) struct Policies {
    pub(crate) preprocess: PhasePolicy,
    pub(crate) check: PhasePolicy,
    /// By the name of the quota, so that one is decided about without looking at what only others need.
    pub(crate) quotas: BTreeMap<Arc<str>, PhasePolicy>,
    pub(crate) report: PhasePolicy,
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
    /// What is done to headers if a request is allowed; nothing but in the check phase.
    pub(crate) headers: HeaderRules,
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
        let Validated { handlers, manifest, metrics, logs, quotas, policy } = validated;
        let demand = policy.demand(&identity);
        Self { revision, handlers, manifest, metrics, logs, quotas, identity, policy, demand }
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
        for block in self.policy.of(phase).into_iter().flat_map(PhasePolicy::blocks) {
            visit(&block.rules, &mut |rule| {
                aspects.extend(rule.aspects.iter().map(|guarded| &guarded.aspect));
            });
        }
        aspects
    }

    /// Finds what attributes are derived from before a request is decided about, or told about.
    pub fn resolve_preprocess<'s>(&'s self, recorder: &mut Recorder<'_>) -> Plan<'s> {
        Plan::resolve(&self.policy.preprocess, &self.identity, recorder, &mut Unwatched)
    }

    /// Finds the aspects that decide about a request.
    pub fn resolve_check<'s>(&'s self, recorder: &mut Recorder<'_>) -> Plan<'s> {
        Plan::resolve(&self.policy.check, &self.identity, recorder, &mut Unwatched)
    }

    /// Finds the aspects that tell about a request.
    pub fn resolve_report<'s>(&'s self, recorder: &mut Recorder<'_>) -> Plan<'s> {
        Plan::resolve(&self.policy.report, &self.identity, recorder, &mut Unwatched)
    }

    /// As [`resolve_preprocess`](Self::resolve_preprocess), but somebody follows.
    pub fn follow_preprocess<'s>(
        &'s self,
        recorder: &mut Recorder<'_>,
        walk: &mut impl Walk<'s>,
    ) -> Plan<'s> {
        Plan::resolve(&self.policy.preprocess, &self.identity, recorder, walk)
    }

    /// As [`resolve_check`](Self::resolve_check), but somebody follows.
    pub fn follow_check<'s>(&'s self, recorder: &mut Recorder<'_>, walk: &mut impl Walk<'s>) -> Plan<'s> {
        Plan::resolve(&self.policy.check, &self.identity, recorder, walk)
    }

    /// As [`resolve_report`](Self::resolve_report), but somebody follows.
    pub fn follow_report<'s>(&'s self, recorder: &mut Recorder<'_>, walk: &mut impl Walk<'s>) -> Plan<'s> {
        Plan::resolve(&self.policy.report, &self.identity, recorder, walk)
    }

    /// Finds what limits a quota for a request: of the definitions that apply, the first of the most specific subject
    /// that has one. `None` if there is none, and the quota is not limited.
    pub fn resolve_quota<'s>(
        &'s self,
        name: &str,
        recorder: &mut Recorder<'_>,
    ) -> Result<Option<&'s Aspect>, SelectorError<'s>> {
        let Some(policy) = self.policy.quotas.get(name) else { return Ok(None) };
        resolve_most_specific(policy, &self.identity, recorder)
    }

    /// Whether any aspect derives attributes.
    pub fn has_preprocess(&self) -> bool {
        !self.policy.preprocess.is_empty()
    }

    /// Whether any aspect limits the quota.
    pub fn limits_quota(&self, name: &str) -> bool {
        self.policy.quotas.contains_key(name)
    }
}

// === impl Demand ===

impl Demand {
    /// What a call of Check has to bring, which may ask for quotas.
    pub fn check_call(&self) -> BTreeSet<Target> {
        self.check.union(&self.quota).cloned().collect()
    }
}

// === impl Policies ===

impl Policies {
    fn of(&self, phase: Phase) -> Vec<&PhasePolicy> {
        match phase {
            Phase::Preprocess => vec![&self.preprocess],
            Phase::Check => vec![&self.check],
            Phase::Quota => self.quotas.values().collect(),
            Phase::Report => vec![&self.report],
        }
    }

    fn demand(&self, identity: &Identity) -> Demand {
        let reads = |phase| -> BTreeSet<Target> {
            [Phase::Preprocess, phase]
                .into_iter()
                .flat_map(|phase| self.of(phase))
                .flat_map(|policy| policy.reads(identity))
                .collect()
        };
        let quota = if self.quotas.is_empty() { BTreeSet::new() } else { reads(Phase::Quota) };
        Demand { check: reads(Phase::Check), quota, report: reads(Phase::Report) }
    }
}

// === impl Block ===

impl Block {
    /// Its scope and its subject, as `scope/subject`.
    pub(crate) fn place(&self) -> Option<&str> {
        self.rules.first().and_then(|rule| rule.location.split(' ').next())
    }
}

// === impl Rule ===

impl Rule {
    /// Whether there is nothing to do for it.
    pub(crate) fn is_empty(&self) -> bool {
        self.aspects.is_empty() && self.headers.is_empty() && self.rules.is_empty()
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

    /// Whether there is nothing to do for any request.
    pub(crate) fn is_empty(&self) -> bool {
        self.global.is_none() && self.subjects.is_empty()
    }

    fn blocks(&self) -> impl Iterator<Item = &Block> {
        self.global.iter().chain(self.subjects.values())
    }

    fn reads(&self, identity: &Identity) -> BTreeSet<Target> {
        let mut reads = BTreeSet::new();
        if !self.subjects.is_empty() {
            reads.insert(Target::Attribute(identity.attribute().clone()));
        }
        for block in self.blocks() {
            visit(&block.rules, &mut |rule| {
                reads.extend(rule.selector.iter().flat_map(Program::reads));
                reads.extend(rule.headers.programs().flat_map(Program::reads));
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

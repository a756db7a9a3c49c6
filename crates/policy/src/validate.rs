//! Validation: from documents to what a snapshot is made of.
//!
//! Descriptors come first, then adapter blocks, then the rules, which refer to both. What is wrong is reported where it
//! stands and left out, and whatever refers to it is not reported again; so one run finds all there is to find,
//! and what comes out is whole only if nothing was found.

mod adapters;
mod aspects;
mod buckets;
mod cacheability;
mod descriptors;
mod expressions;
mod headers;
mod manifests;
mod reach;
mod rules;
mod subjects;

use std::collections::BTreeMap;
use std::sync::Arc;

use attributes::ValueType;

use crate::diagnostic::Findings;
use crate::document::Documents;
use crate::plan::Identity;
use crate::snapshot::Policies;
use crate::{AdapterInfo, HandlerConfig, LogDescriptor, MetricDescriptor, QuotaDescriptor};

use adapters::Handlers;
use descriptors::Descriptors;

/// A configuration whose every reference is resolved and whose every expression is compiled. Fit for a snapshot if
/// no error was found while it was made.
#[derive(Debug)]
pub(crate) struct Validated {
    pub(crate) handlers: Vec<HandlerConfig>,
    pub(crate) manifest: BTreeMap<String, ValueType>,
    pub(crate) metrics: Vec<Arc<MetricDescriptor>>,
    pub(crate) logs: Vec<Arc<LogDescriptor>>,
    pub(crate) quotas: Vec<Arc<QuotaDescriptor>>,
    pub(crate) policy: Policies,
}

/// What rules refer to.
struct Vocabulary<'a> {
    descriptors: &'a Descriptors,
    handlers: &'a Handlers<'a>,
    identity: &'a Identity,
}

/// Validates documents.
pub(crate) fn validate(
    documents: &Documents,
    adapters: &[&AdapterInfo],
    identity: &Identity,
    findings: &mut Findings<'_>,
) -> Validated {
    let descriptors = Descriptors::read(documents.descriptors.as_ref(), findings);
    let handlers = Handlers::read(documents.adapters.as_ref(), adapters, findings);
    let vocabulary = Vocabulary { descriptors: &descriptors, handlers: &handlers, identity };
    let chosen = subjects::choose(&documents.rules, identity, findings);
    let mut policy = Policies::default();
    for rules in &documents.rules {
        // Blocks that never apply are checked all the same: they may, after the next change.
        let blocks = rules::read(rules, &vocabulary, findings);
        if chosen.get(rules.subject.as_str()).is_some_and(|file| *file == rules.document.file) {
            blocks.add_to(&mut policy, &rules.subject);
        }
    }
    descriptors.report_templates(findings);
    // What is in error may be what uses it, and a tree without rules is there to be added to.
    if !findings.has_errors() && !documents.rules.is_empty() {
        descriptors.report_unused(findings);
        handlers.report_unused(findings);
    }
    Validated {
        handlers: handlers.into_configs(),
        manifest: descriptors.manifest.types,
        metrics: descriptors.metrics.in_order,
        logs: descriptors.logs.in_order.into_iter().map(|log| Arc::clone(&log.descriptor)).collect(),
        quotas: descriptors.quotas.in_order,
        policy,
    }
}

/// Fields that the files of the original carry and that mean nothing.
fn ignore_header(fields: &mut crate::document::Fields<'_>, findings: &mut Findings<'_>) {
    fields.ignore("subject", "scope and subject are those of the file's path", findings);
    fields.ignore("revision", "the revision is computed from the contents", findings);
}

#[cfg(test)]
mod tests;

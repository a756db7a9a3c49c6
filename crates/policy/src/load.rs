//! Loading: all files of a tree in, all findings and perhaps a snapshot out.

use crate::diagnostic::Findings;
use crate::document::{Documents, Node};
use crate::plan::Identity;
use crate::revision::revision;
use crate::snapshot::Policies;
use crate::tuning::tune;
use crate::validate::validate;
use crate::{AdapterInfo, Diagnostic, Severity, Snapshot};

/// A file of the configuration tree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourceFile {
    /// Its path below the tree's root, with `/` between elements, such as `scopes/global/adapters.yml`; or the key that it
    /// has in a store without files, such as `/scopes/global/adapters`.
    pub path: String,
    /// Its text.
    pub text: String,
}

/// What a deployment sets beside its files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Options {
    /// The attribute whose value is the subject of a request.
    pub identity_attribute: String,
    /// The part of the hierarchy that the values of that attribute are in.
    pub identity_domain: String,
    /// Whether checks read every attribute by value where a test would do. Cached verdicts then hold for equal values
    /// only; it is there to be compared with.
    pub reads_values: bool,
    /// What the files are for.
    pub layout: Layout,
}

/// How one knows what a file is for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Layout {
    /// By its path in a tree.
    #[default]
    Tree,
    /// There are two: the first has adapters and descriptors, the second the rules for every request.
    Pair,
}

/// The outcome of loading.
#[derive(Debug)]
pub struct Loaded {
    /// The snapshot; there if no diagnostic is an error.
    pub snapshot: Option<Snapshot>,
    /// All findings, sorted by file, line and column.
    pub diagnostics: Vec<Diagnostic>,
}

/// Loads a configuration tree. Files that are not part of a configuration are passed over.
pub fn load(files: &[SourceFile], adapters: &[&AdapterInfo], options: &Options) -> Loaded {
    let mut findings = Findings::new(files);
    let documents = Documents::parse(files, options.layout, &mut findings);
    let revision = revision(documents.parts(files), options);
    let identity = Identity::new(&options.identity_attribute, &options.identity_domain);
    let mut validated = validate(&documents, adapters, &identity, &mut findings);
    let Policies { preprocess, check, quotas, report: _ } = &mut validated.policy;
    // Reports are not cached.
    for policy in [preprocess, check].into_iter().chain(quotas.values_mut()) {
        tune(policy, options.reads_values);
    }
    let snapshot = (!findings.has_errors()).then(|| Snapshot::new(validated, identity, revision));
    Loaded { snapshot, diagnostics: findings.into_diagnostics() }
}

/// What a file says, as JSON, whatever it is for; or why it is not YAML.
pub fn to_json(file: &SourceFile) -> Result<serde_json::Value, Vec<Diagnostic>> {
    let files = std::slice::from_ref(file);
    let mut findings = Findings::new(files);
    match Node::parse(0, &file.text, &mut findings) {
        Some(node) => Ok(node.to_json()),
        None => Err(findings.into_diagnostics()),
    }
}

impl Default for Options {
    fn default() -> Self {
        Self {
            identity_attribute: "target.service".to_owned(),
            identity_domain: "svc.cluster.local".to_owned(),
            reads_values: false,
            layout: Layout::Tree,
        }
    }
}

impl Loaded {
    /// The findings that are in the way of a snapshot.
    pub fn errors(&self) -> impl Iterator<Item = &Diagnostic> {
        self.diagnostics.iter().filter(|diagnostic| diagnostic.severity == Severity::Error)
    }
}

#[cfg(test)]
mod tests;

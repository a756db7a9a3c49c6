//! Suites: what operators expect of their own configuration, in `*.test.yml` files beside the rules.
//!
//! A case is a request and what a configuration should make of it. It is read and judged here, with positions, so that an
//! expectation that is not met is told like any other mistake in a file; whoever has adapters makes the outcome in between.
//!
//! Invariant: what a case does not mention is not judged, and a case that mentions nothing is an error: a test has to be
//! able to fail.

mod judge;
mod read;

use attributes::Bag;
use checkcache::{Code, RouteDirective, Status};

use crate::diagnostic::{At, Findings};
use crate::document::Node;
use crate::{Diagnostic, LogEntry, MetricValue, QuotaInstance, Snapshot, SourceFile};

/// The files of a tree that are suites, and their cases.
#[derive(Debug)]
pub struct Suite {
    files: Vec<SourceFile>,
    /// In the order of their files and places.
    pub cases: Vec<Case>,
    /// What is wrong with the files themselves, sorted by place.
    pub diagnostics: Vec<Diagnostic>,
}

/// A request, and what should become of it.
#[derive(Debug)]
pub struct Case {
    /// What it is called.
    pub name: String,
    /// What is known of the request.
    pub request: Bag,
    /// The quotas whose limits are expected, by name.
    pub quotas: Vec<String>,
    expected: Expected,
}

#[derive(Debug, Default)]
struct Expected {
    code: Option<(At, Code)>,
    message: Option<(At, String)>,
    refused_by: Option<(At, String)>,
    http_status: Option<(At, i64)>,
    quotas: Vec<(At, String, ExpectedQuota)>,
    derived: Vec<(At, String, attributes::Value)>,
    metrics: Option<(At, Vec<ExpectedMetric>)>,
    logs: Option<(At, Vec<ExpectedLog>)>,
}

#[derive(Debug)]
enum ExpectedQuota {
    Unlimited,
    Limited {
        max_amount: Option<(At, i64)>,
        expiration: Option<(At, std::time::Duration)>,
        labels: Vec<(At, String, String)>,
    },
}

#[derive(Debug)]
struct ExpectedMetric {
    name: (At, String),
    value: Option<(At, String)>,
    labels: Vec<(At, String, String)>,
}

#[derive(Debug)]
struct ExpectedLog {
    log_name: Option<(At, String)>,
    text: Option<(At, String)>,
    json: Option<Node>,
    severity: Option<(At, String)>,
    labels: Vec<(At, String, String)>,
}

/// What a configuration made of a request.
#[derive(Debug, Default)]
pub struct Outcome {
    /// The verdict.
    pub status: Status,
    /// The aspect that refused, if one did.
    pub refused_by: Option<String>,
    /// What the proxy does beside that.
    pub directive: Option<RouteDirective>,
    /// Attributes that were derived.
    pub derived: Bag,
    /// The limit of each quota that the case names, in its order; `None` if nothing limits it.
    pub quotas: Vec<Result<Option<QuotaInstance>, String>>,
    /// What would be measured, in plan order.
    pub metrics: Vec<MetricValue>,
    /// What would be logged, in plan order.
    pub logs: Vec<LogEntry>,
    /// What could not be evaluated.
    pub errors: Vec<String>,
}

/// Whether a file of a tree is a suite, by its path.
pub fn is_suite(path: &str) -> bool {
    [".test.yml", ".test.yaml"].iter().any(|suffix| path.ends_with(suffix))
}

impl Suite {
    /// Reads the suites among the files of a tree, for the attributes that a snapshot declares.
    pub fn read(files: &[SourceFile], snapshot: &Snapshot) -> Self {
        let files: Vec<_> = files.iter().filter(|file| is_suite(&file.path)).cloned().collect();
        let mut findings = Findings::new(&files);
        let cases = read::cases(&files, snapshot.manifest(), &mut findings);
        let diagnostics = findings.into_diagnostics();
        Self { files, cases, diagnostics }
    }

    /// How many files there are.
    pub fn files(&self) -> usize {
        self.files.len()
    }

    /// What of a case's expectations is not met.
    pub fn judge(&self, case: &Case, outcome: &Outcome) -> Vec<Diagnostic> {
        let mut findings = Findings::new(&self.files);
        judge::judge(case, outcome, &mut findings);
        findings.into_diagnostics()
    }
}

#[cfg(test)]
mod tests;

//! Configuration trees of any size, in which the same five rules apply to the request.

use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Result, bail};
use policy::{AdapterInfo, AspectKind, Options, Snapshot, SourceFile, load, no_outputs};

/// How many rules each subject has.
pub const RULES_EACH: usize = 10;

/// The subject that the request is for.
const SUBJECT: usize = 500;

/// Selectors that hold for the request, each with what its list is asked about.
const APPLY: [(&str, &str, &str); 5] = [
    ("request.method == \"GET\"", "agents", "request.headers[\"user-agent\"] | \"unknown\""),
    ("request.scheme == \"https\"", "networks", "origin.ip"),
    ("request.path.startsWith(\"/api/\")", "hosts", "request.host"),
    ("destination.port == 8080", "namespaces", "source.namespace"),
    ("context.protocol == \"http\"", "workloads", "source.workload.name"),
];

const ADAPTERS: &str = "\
adapters:
  - { name: agents, impl: genericListChecker, params: { listEntries: [BadBot/1.0] } }
  - { name: networks, impl: ipListChecker, params: { entries: [203.0.113.0/24] } }
  - { name: hosts, impl: genericListChecker, params: { listEntries: [blocked.example.com] } }
  - { name: namespaces, impl: genericListChecker, params: { listEntries: [quarantine] } }
  - { name: workloads, impl: genericListChecker, params: { listEntries: [intruder] } }
  - { name: prometheus, impl: prometheus }
";

/// An aspect of a rule: three metrics of each request.
pub const METRICS: &str = "      - kind: metrics
        adapter: prometheus
        params:
          metrics:
            - descriptorName: request_count
              value: \"1\"
              labels: { service: target.service, method: request.method | \"-\", status: response.code }
            - descriptorName: request_duration
              value: response.duration
              labels: { service: target.service, method: request.method | \"-\", status: response.code }
            - descriptorName: request_size
              value: request.size
              labels: { service: target.service }
";

/// A tree with so many subjects, the request's among them.
pub fn files(subjects: usize) -> Result<Vec<SourceFile>> {
    let descriptors = crate::root().join("config/demo/scopes/global/descriptors.yml");
    let file = |path: String, text: String| SourceFile { path, text };
    let reported = format!("rules:\n  - aspects:\n{METRICS}");
    let mut files = vec![
        file("scopes/global/descriptors.yml".to_owned(), std::fs::read_to_string(descriptors)?),
        file("scopes/global/adapters.yml".to_owned(), ADAPTERS.to_owned()),
        file("scopes/global/subjects/global/rules.yml".to_owned(), reported),
    ];
    // The request's subject comes first, so that every tree has it.
    for subject in std::iter::once(SUBJECT).chain((0..).filter(|other| *other != SUBJECT)).take(subjects) {
        let path = format!("scopes/global/subjects/service-{subject}.default.svc.cluster.local/rules.yml");
        files.push(file(path, rules(subject)));
    }
    Ok(files)
}

/// Five rules that apply, and five that do not.
fn rules(subject: usize) -> String {
    let mut text = "rules:\n".to_owned();
    for (selector, adapter, expression) in APPLY {
        let _ = write!(
            text,
            "  - selector: '{selector}'\n    aspects:\n      - {{ kind: lists, adapter: {adapter}, params: {{ \
             blacklist: true, checkExpression: '{expression}' }} }}\n"
        );
    }
    for number in APPLY.len()..RULES_EACH {
        let _ = write!(
            text,
            "  - selector: 'request.path.startsWith(\"/closed/{subject}/{number}/\")'\n    aspects:\n      - {{ \
             kind: lists, adapter: hosts, params: {{ checkExpression: request.host }} }}\n"
        );
    }
    text
}

/// Writes a tree below a folder, for a server.
pub fn write(files: &[SourceFile], folder: &Path) -> Result<()> {
    for SourceFile { path, text } in files {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent)?;
        }
        std::fs::write(path, text)?;
    }
    Ok(())
}

/// The snapshot of a tree.
pub fn snapshot(files: &[SourceFile]) -> Result<Snapshot> {
    const fn info(name: &'static str, kinds: &'static [AspectKind]) -> AdapterInfo {
        let description = "stands for the adapter of that name";
        AdapterInfo { name, kinds, description, validate: |_| Ok(()), outputs: no_outputs }
    }
    let adapters = [
        info("genericListChecker", &[AspectKind::Lists]),
        info("ipListChecker", &[AspectKind::Lists]),
        info("prometheus", &[AspectKind::Metrics]),
        info("denyChecker", &[AspectKind::Denials]),
        info("stdioLogger", &[AspectKind::AccessLogs]),
        info("memQuota", &[AspectKind::Quotas]),
    ];
    let loaded = load(files, &adapters.each_ref(), &Options::default());
    let Some(snapshot) = loaded.snapshot else {
        bail!(
            "the tree is refused: {}",
            loaded.diagnostics.first().map_or(String::new(), ToString::to_string)
        );
    };
    Ok(snapshot)
}

//! The policy of the requests through Envoy.

use std::path::Path;

use anyhow::{Result, ensure};
use pieces::tree;
use policy::SourceFile;

/// What each request is charged where quotas are measured. Its limit is never reached.
pub(super) const QUOTA: &str = "RequestCount";

const ADAPTERS: &str = "\
adapters:
  - { name: closed, kind: denials, impl: denyChecker }
  - { name: networks, kind: lists, impl: ipListChecker, params: { entries: [203.0.113.0/24, 198.51.100.0/24] } }
  - { name: paths, kind: lists, impl: genericListChecker, params: { listEntries: [/closed] } }
  - { name: prometheus, kind: metrics, impl: prometheus }
  - { name: log, kind: access-logs, impl: stdioLogger, params: { logStream: STDOUT } }
  - { name: requests, kind: quotas, impl: memQuota }
";

/// The beginning of the rules.
const RULES: &str = "\
rules:
  - selector: request.path.startsWith(\"/admin\")
    aspects: [{ kind: denials, adapter: closed }]
  - selector: (request.headers[\"x-debug\"] | \"\") != \"\"
    aspects: [{ kind: denials, adapter: closed }]
  - aspects:
      - { kind: lists, adapter: networks, params: { blacklist: true, checkExpression: origin.ip } }
      - kind: quotas
        adapter: requests
        params:
          quotas:
            - { descriptorName: RequestCount, maxAmount: 1000000000, expiration: 1s, labels: {} }
";

/// What the log's template is given, and its labels but one.
const LOGGED: &str = "originIp: origin.ip, user: source.principal, timestamp: request.time, method: request.method, \
                      path: request.path, protocol: context.protocol, status: response.code, size: response.size";

/// Reads the path's value: each path is an entry of the cache of its own.
const PATHS: &str = "  - aspects: [{ kind: lists, adapter: paths, params: { blacklist: true, checkExpression: request.path } }]\n";

/// Writes the tree.
pub(super) fn write(folder: &Path) -> Result<()> {
    tree::write(&files(&rules())?, folder)
}

/// The same with a rule that makes every path an entry of the cache.
pub(super) fn write_by_path(folder: &Path) -> Result<()> {
    tree::write(&files(&rules_by_path())?, folder)
}

fn rules() -> String {
    let log = format!(
        "      - kind: access-logs
        adapter: log
        params:
          logName: access_log
          log:
            descriptorName: accesslog.common
            templateExpressions: {{ {LOGGED} }}
            labels: {{ {LOGGED}, service: target.service }}
"
    );
    [RULES, &log, tree::METRICS].concat()
}

fn rules_by_path() -> String {
    rules() + PATHS
}

fn files(rules: &str) -> Result<[SourceFile; 3]> {
    let shipped = ::tests::paths::config("demo").join("scopes/global/descriptors.yml");
    let descriptors = std::fs::read_to_string(shipped)?;
    ensure!(!descriptors.contains("\nquotas:"), "the shipped descriptors have quotas of their own");
    let quotas = format!("\nquotas:\n  - {{ name: {QUOTA}, rateLimit: true, labels: {{}} }}\n");
    let file = |path: &str, text| SourceFile { path: format!("scopes/global/{path}"), text };
    Ok([
        file("descriptors.yml", descriptors + &quotas),
        file("adapters.yml", ADAPTERS.to_owned()),
        file("subjects/global/rules.yml", rules.to_owned()),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_trees_load() -> Result<()> {
        tree::snapshot(&files(&rules())?)?;
        tree::snapshot(&files(&rules_by_path())?)?;
        Ok(())
    }
}

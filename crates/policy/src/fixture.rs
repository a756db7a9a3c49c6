//! What this crate's tests share: configuration trees written into one text, and adapters that do nothing.

use attributes::ValueType;

use crate::{AdapterInfo, AspectKind, Loaded, Options, Outputs, ParamProblem, SourceFile, load};

/// Descriptors that tests add to.
pub(crate) const DESCRIPTORS: &str = r#"
//- scopes/global/descriptors.yml
manifests:
  - name: test
    attributes:
      target.service: { value_type: STRING }
      source.ip: { value_type: IP_ADDRESS }
      source.port: { value_type: INT64 }
      source.user: { value_type: STRING }
      source.labels: { value_type: STRING_MAP }
      request.headers: { value_type: STRING_MAP }
      request.id: { value_type: STRING }
      request.path: { value_type: STRING }
      request.method: { value_type: STRING }
      request.size: { value_type: INT64 }
      request.time: { value_type: TIMESTAMP }
      destination.port: { value_type: INT64 }
      response.code: { value_type: INT64 }
      response.duration: { value_type: DURATION }
metrics:
  - name: request_count
    kind: COUNTER
    value: INT64
    labels: { method: STRING, code: 2 }
logs:
  - name: access
    payload_format: TEXT
    log_template: '{{or (.method) "-"}} {{.path}} {{.when.Format "15:04"}}'
    labels: { method: STRING }
"#;

/// Adapter blocks that tests add to.
pub(crate) const ADAPTERS: &str = r"
//- scopes/global/adapters.yml
adapters:
  - { name: default, impl: denyChecker }
  - { name: default, impl: genericListChecker }
  - { name: default, impl: stdioLogger }
  - { name: default, impl: prometheus }
  - { name: kubernetes, impl: kubernetes }
";

/// Takes a text apart into files: each begins with a line `//- path`.
pub(crate) fn files(text: &str) -> Vec<SourceFile> {
    let mut files: Vec<SourceFile> = Vec::new();
    for line in text.split_inclusive('\n') {
        if let Some(path) = line.strip_prefix("//- ") {
            files.push(SourceFile { path: path.trim().to_owned(), text: String::new() });
        } else if let Some(file) = files.last_mut() {
            file.text.push_str(line);
        }
    }
    files
}

/// Loads a text's files.
pub(crate) fn load_text(text: &str) -> Loaded {
    load(&files(text), &adapters(), &Options::default())
}

/// Loads rules for the subject `global` on top of the shared descriptors and adapters.
pub(crate) fn load_rules(rules: &str) -> Loaded {
    load_text(&format!("{DESCRIPTORS}{ADAPTERS}//- scopes/global/subjects/global/rules.yml\n{rules}"))
}

/// All findings as an operator reads them.
pub(crate) fn rendered(loaded: &Loaded) -> String {
    let texts: Vec<_> = loaded.diagnostics.iter().map(|diagnostic| format!("{diagnostic}\n")).collect();
    texts.join("\n")
}

/// The findings about files of rules.
pub(crate) fn rendered_rules(loaded: &Loaded) -> String {
    let texts: Vec<_> = loaded
        .diagnostics
        .iter()
        .filter(|diagnostic| diagnostic.file.ends_with("/rules.yml"))
        .map(|diagnostic| format!("{diagnostic}\n"))
        .collect();
    texts.join("\n")
}

/// Adapters by the names that real configuration uses.
pub(crate) fn adapters() -> Vec<&'static AdapterInfo> {
    static ADAPTERS: [AdapterInfo; 7] = [
        info("denyChecker", &[AspectKind::Denials]),
        info("genericListChecker", &[AspectKind::Lists]),
        AdapterInfo { validate: ip_list, ..info("ipListChecker", &[AspectKind::Lists]) },
        info("stdioLogger", &[AspectKind::AccessLogs, AspectKind::ApplicationLogs]),
        info("prometheus", &[AspectKind::Metrics]),
        info("memQuota", &[AspectKind::Quotas]),
        AdapterInfo { outputs: kubernetes, ..info("kubernetes", &[AspectKind::Attributes]) },
    ];
    ADAPTERS.iter().collect()
}

const fn info(name: &'static str, kinds: &'static [AspectKind]) -> AdapterInfo {
    AdapterInfo { name, kinds, description: "does nothing", validate: |_| Ok(()), outputs: crate::no_outputs }
}

/// What the adapter of Mixer derives for the three pods that it knows of.
fn kubernetes(_: &serde_json::Value) -> Outputs {
    let mut outputs = Outputs::new();
    for pod in ["source", "target", "origin"] {
        outputs.insert(format!("{pod}Labels"), ValueType::StringMap);
        for value in ["PodName", "PodIP", "HostIP", "Namespace", "ServiceAccountName", "Service"] {
            outputs.insert(format!("{pod}{value}"), ValueType::String);
        }
    }
    outputs
}

/// Refuses the parameters that tests use to see one refused.
fn ip_list(params: &serde_json::Value) -> Result<(), Vec<ParamProblem>> {
    let mut problems = Vec::new();
    if params.get("publisherUrl").is_some() {
        let problem = ParamProblem::of_name("publisherUrl", "there is no such parameter");
        problems.push(problem.with_help("did you mean `providerUrl`?"));
    }
    if ["refresh_interval", "refreshInterval"].iter().any(|name| params[name].is_number()) {
        problems.push(ParamProblem::of_value("refreshInterval", "expected a duration"));
    }
    let entries = params.get("entries").and_then(serde_json::Value::as_array);
    for (index, entry) in entries.into_iter().flatten().enumerate() {
        if entry.as_str().is_none_or(str::is_empty) {
            problems.push(ParamProblem::of_value(format!("entries[{index}]"), "not an address"));
        }
    }
    if problems.is_empty() { Ok(()) } else { Err(problems) }
}

//! What tests of adapters build handlers with.

use std::path::PathBuf;
use std::sync::Arc;

use policy::{HandlerConfig, LogEntry, LogPayload, LogSeverity};

use super::{ALL, Recall, Surroundings};

/// Surroundings without a folder.
pub(super) fn surroundings() -> Surroundings {
    Surroundings {
        root: PathBuf::new(),
        telemetry: Arc::default(),
        metrics: Arc::default(),
        log_root: None,
        recall: Recall::default(),
    }
}

/// A block called `test`.
pub(super) fn block(adapter: &str, params: serde_json::Value) -> HandlerConfig {
    let info = &ALL.iter().find(|known| known.info.name == adapter).unwrap().info;
    let outputs = (info.outputs)(&params);
    HandlerConfig { name: "test".to_owned(), impl_name: info.name, kinds: info.kinds, params, outputs }
}

/// An entry of the log `log`.
pub(super) fn entry(text: &str) -> LogEntry {
    LogEntry {
        log_name: "log".into(),
        labels: Vec::new(),
        severity: LogSeverity::Default,
        timestamp: None,
        payload: LogPayload::Text(text.to_owned()),
    }
}

/// How much the block `test` dropped for a reason.
pub(super) fn dropped(surroundings: &Surroundings, reason: &str) -> u64 {
    let mut page = String::new();
    surroundings.telemetry.write(None, &mut page);
    let sample = format!("mixer_adapter_dropped_total{{handler=\"test\",reason=\"{reason}\"}} ");
    let value = page.lines().find_map(|line| line.strip_prefix(&sample));
    value.map_or(0, |value| value.parse().unwrap())
}

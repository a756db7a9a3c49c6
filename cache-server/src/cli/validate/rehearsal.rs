//! What bringing well-formed adapter blocks alive would come to, without putting them in force.
//!
//! Validation is about documents alone; whether a list's file is there, only the machine can say. Nothing is begun here:
//! handlers that are not in force ask nobody and write nothing.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use policy::{Diagnostic, HandlerConfig, Severity, SourceFile};

use crate::adapters::{self, MetricRegistry, Recall, Surroundings};
use crate::telemetry::Telemetry;

/// What is wrong with blocks on this machine: an error for one that a server would refuse, a warning for one that could
/// not do its work yet.
pub(super) fn rehearse(root: &Path, files: &[SourceFile], handlers: &[HandlerConfig]) -> Vec<Diagnostic> {
    let surroundings = Surroundings {
        root: root.to_owned(),
        telemetry: Arc::new(Telemetry::new()),
        metrics: Arc::new(MetricRegistry::default()),
        // Whether there is one is said when a server is started.
        log_root: Some(PathBuf::new()),
        recall: Recall::default(),
    };
    let place = files.iter().find(|file| file.path.starts_with("scopes/global/adapters."));
    let finding = |severity, message| Diagnostic {
        severity,
        file: place.map(|file| file.path.clone()).unwrap_or_default(),
        line: 0,
        column: 0,
        width: 1,
        source_line: String::new(),
        message,
        help: None,
    };
    let rehearsed = handlers.iter().filter_map(|config| match adapters::build(config, &surroundings) {
        Ok(handler) => {
            let impediment = handler.impediment()?;
            let HandlerConfig { name, impl_name, .. } = config;
            Some(finding(Severity::Warning, format!("adapter `{name}` ({impl_name}): {impediment}")))
        }
        Err(error) => Some(finding(Severity::Error, error.to_string())),
    });
    rehearsed.collect()
}

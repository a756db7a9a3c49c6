//! `inventory`: derives attributes of workloads that a list names, inline or in a file that is read again and again.
//!
//! For what does not run in Kubernetes: machines, or a cluster that may not be asked. Inputs, outputs and the parameters
//! that name them are those of `kubernetes` (see [`super::workloads`]). A file that cannot be read, or is wrong anywhere,
//! changes nothing: the last good one stays in use, and that is counted.
//!
//! | parameter | default | |
//! |---|---|---|
//! | `workloads` | none | the workloads themselves |
//! | `file` | none | more of them, in a YAML or JSON file below the configuration's folder |
//! | `refreshInterval` | 5s | how often the file is read, at least 1s |
//! | `validDuration` | 10s | how long what was derived holds; with a file not beyond the next time that it is read |

mod records;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use attributes::Value;
use checkcache::Validity;
use policy::{AdapterInfo, AspectKind, HandlerConfig, Outputs, ParamProblem};
use serde_json::Value as Json;

use self::records::{Record, read_records};
use super::params::Params;
use super::workloads::{Naming, Workloads, answer};
use super::{Derived, Handler, HandlerError, InvalidHandler, Surroundings};
use crate::runtime::read_bounded;
use crate::telemetry::{self, Telemetry};
use crate::{limits, text};

pub(super) const INFO: AdapterInfo = AdapterInfo {
    name: "inventory",
    kinds: &[AspectKind::Attributes],
    description: "derives attributes of workloads that a list names, inline or from a file",
    validate,
    outputs,
};

#[derive(Debug)]
struct InventoryParams {
    naming: Naming,
    inline: Vec<Record>,
    file: Option<PathBuf>,
    refresh: Duration,
    ttl: Duration,
}

struct Inventory(Arc<Source>);

/// The workloads, and where they are from.
struct Source {
    handler: String,
    params: InventoryParams,
    path: Option<PathBuf>,
    telemetry: Arc<Telemetry>,
    state: RwLock<State>,
}

struct State {
    /// What is known; the reason, as long as the file was never read.
    workloads: Result<Arc<Workloads>, String>,
    /// The text that they are from.
    text: Option<String>,
    /// When the file was last looked at.
    read: Instant,
    /// Whether it could be read then.
    is_current: bool,
    is_watched: bool,
}

fn validate(params: &Json) -> Result<(), Vec<ParamProblem>> {
    InventoryParams::parse(params).map(drop)
}

fn outputs(params: &Json) -> Outputs {
    Naming::parse(&mut Params::new(params)).outputs()
}

pub(super) fn build(
    config: &HandlerConfig,
    surroundings: &Surroundings,
) -> Result<Arc<dyn Handler>, InvalidHandler> {
    let params = super::parsed(config, InventoryParams::parse(&config.params))?;
    let source =
        Source::new(config, params, surroundings).map_err(|reason| super::invalid(config, reason))?;
    Ok(Arc::new(Inventory(Arc::new(source))))
}

// === impl InventoryParams ===

impl InventoryParams {
    fn parse(params: &Json) -> Result<Self, Vec<ParamProblem>> {
        let mut params = Params::new(params);
        let naming = Naming::parse(&mut params);
        let inline = match params.value("workloads") {
            None => Ok(Vec::new()),
            Some(list) => read_records(list, naming.domain()),
        };
        let inline = inline.unwrap_or_else(|problems| {
            params.problems_of("workloads", problems);
            Vec::new()
        });
        if let Err(reason) = index(&inline) {
            params.problem("workloads", reason);
        }
        let file = params.path_below_root("file");
        let refresh = params.duration("refreshInterval").unwrap_or(limits::INVENTORY_REFRESH);
        if refresh < Duration::from_secs(1) {
            params.problem("refreshInterval", "must be at least 1s");
        }
        let ttl = params.duration("validDuration").unwrap_or(limits::DERIVED_TTL);
        params.finish(Self { naming, inline, file, refresh, ttl })
    }
}

/// Workloads by identity and address; each identity must be one workload's only.
fn index(records: &[Record]) -> Result<Workloads, String> {
    let mut workloads = Workloads::default();
    for Record { key, workload, shown } in records {
        if workloads.contains(key) {
            return Err(format!("`{}` is there twice", text::quoted(shown)));
        }
        workloads.insert(key.clone(), workload.clone()).map_err(|error| error.to_string())?;
    }
    Ok(workloads)
}

// === impl Source ===

impl Source {
    /// Takes up the inline workloads and reads the file. A file that cannot be read is no obstacle: until it can, there
    /// is no answer.
    fn new(
        config: &HandlerConfig,
        params: InventoryParams,
        surroundings: &Surroundings,
    ) -> Result<Self, String> {
        let path = params.file.as_ref().map(|file| surroundings.root.join(file));
        let workloads = match &path {
            None => Ok(Arc::new(index(&params.inline)?)),
            Some(_) => Err("was not read yet".to_owned()),
        };
        let state =
            State { workloads, text: None, read: Instant::now(), is_current: true, is_watched: false };
        let this = Self {
            handler: config.name.clone(),
            params,
            path,
            telemetry: Arc::clone(&surroundings.telemetry),
            state: RwLock::new(state),
        };
        this.telemetry.workloads_known(&this.handler, this.params.inline.len());
        this.refresh();
        Ok(this)
    }

    /// What is known, how long that stands, and whether the file could be read when it was last looked at.
    fn known(&self) -> Result<(Arc<Workloads>, Duration, bool), HandlerError> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let workloads = state
            .workloads
            .clone()
            .map_err(|reason| HandlerError::Failed(format!("the inventory {reason}")))?;
        let ttl = match self.path {
            None => self.params.ttl,
            Some(_) => self.params.ttl.min(self.params.refresh.saturating_sub(state.read.elapsed())),
        };
        Ok((workloads, ttl, state.is_current))
    }

    /// Reads the file from now on, for as long as somebody holds the source. Once is enough.
    fn watch(self: &Arc<Self>) {
        if self.path.is_none() {
            return;
        }
        {
            let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
            if std::mem::replace(&mut state.is_watched, true) {
                return;
            }
        }
        let (weak, every) = (Arc::downgrade(self), self.params.refresh);
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                let Some(source) = weak.upgrade() else { return };
                // Only fails when reading panicked, and then there is a next time.
                let _ = tokio::task::spawn_blocking(move || source.refresh()).await;
            }
        });
    }

    /// Reads the file and takes its workloads up if they changed.
    fn refresh(&self) {
        let Some(path) = &self.path else { return };
        let shown = self.params.file.as_deref().unwrap_or(path).display().to_string();
        let read = read_bounded(path, limits::INVENTORY_BYTES).map_err(|error| text::chain(&error)).and_then(
            |text| {
                let is_same = {
                    let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
                    state.text.as_deref() == Some(text.as_str()) && state.workloads.is_ok()
                };
                if is_same { Ok(None) } else { self.read(&shown, &text).map(|read| Some((read, text))) }
            },
        );
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.read = Instant::now();
        state.is_current = read.is_ok();
        match read {
            Ok(None) => {}
            Ok(Some((workloads, text))) => {
                telemetry::workloads_loaded(&self.handler, &shown, workloads.len());
                self.telemetry.workloads_known(&self.handler, workloads.len());
                state.workloads = Ok(Arc::new(workloads));
                state.text = Some(text);
            }
            Err(reason) => {
                self.telemetry.workload_source_failed(&self.handler, &shown, &reason);
                if state.workloads.is_err() {
                    state.workloads = Err(format!("in `{shown}` cannot be had: {reason}"));
                }
            }
        }
    }

    /// The workloads of the block and of the file.
    fn read(&self, file: &str, text: &str) -> Result<Workloads, String> {
        let list = policy::read_yaml(file, text)?;
        let mut records = read_records(&list, self.params.naming.domain()).map_err(|problems| {
            let all = problems.iter().take(limits::INVENTORY_PROBLEMS);
            let all: Vec<_> = all.map(|problem| format!("{}: {}", problem.path, problem.message)).collect();
            all.join("; ")
        })?;
        records.extend(self.params.inline.iter().cloned());
        index(&records)
    }
}

#[async_trait]
impl Handler for Inventory {
    async fn derive(&self, inputs: &BTreeMap<Arc<str>, Value>) -> Result<Derived, HandlerError> {
        let Source { params, handler, telemetry, path, .. } = &*self.0;
        let (workloads, ttl, is_current) = self.0.known()?;
        let derived = answer(params.naming.derive(inputs, &workloads), ttl, handler, telemetry);
        if !is_current {
            telemetry.workload_stale_answer(handler);
        }
        // A list that stands in the configuration changes with it only.
        let validity = if path.is_none() { Validity::Revision } else { derived.validity };
        Ok(Derived { validity, ..derived })
    }

    fn in_force(&self) {
        self.0.watch();
    }
}

#[cfg(test)]
mod tests;

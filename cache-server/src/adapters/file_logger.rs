//! `fileLogger`: log entries as lines in a file that is kept small.
//!
//! Files are below the folder that the server was started with (`--log-root`), so that whoever writes configuration does
//! not choose where a server writes.
//!
//! | parameter | default | |
//! |---|---|---|
//! | `file` | the block's name with `.log` | a path below the log root; folders are made |
//! | `format` | `JSON` | or `TEXT`: what the template rendered and nothing else |
//! | `omitEmptyFields` | absent | given, lines are those of Mixer 0.2, with what is empty or without |
//! | `maxSizeBytes` | 100 MiB | size at which the file is put aside |
//! | `maxAge` | none | age at which it is |
//! | `maxFiles` | `10` | how many that were put aside are kept |

mod rotating;

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use policy::{AdapterInfo, AspectKind, HandlerConfig, ParamProblem};

use self::rotating::{Rotating, Rotation};
use super::line_writer::{LineWriter, Lines, Unwritten};
use super::log_line::LineFormat;
use super::params::Params;
use super::{Handler, InvalidHandler, Surroundings};
use crate::limits;

pub(super) const INFO: AdapterInfo = AdapterInfo {
    name: "fileLogger",
    kinds: &[AspectKind::AccessLogs, AspectKind::ApplicationLogs],
    description: "writes log entries as lines of JSON or text to a file, and keeps so many old ones",
    validate,
    outputs: policy::no_outputs,
};

const SIZE: u32 = 100 * 1024 * 1024;
const FILES: u32 = 10;

struct FileParams {
    file: Option<PathBuf>,
    format: LineFormat,
    rotation: Rotation,
}

fn validate(params: &serde_json::Value) -> Result<(), Vec<ParamProblem>> {
    FileParams::parse(params).map(drop)
}

pub(super) fn build(
    config: &HandlerConfig,
    surroundings: &Surroundings,
) -> Result<Arc<dyn Handler>, InvalidHandler> {
    let params = super::parsed(config, FileParams::parse(&config.params))?;
    let Some(root) = &surroundings.log_root else {
        return Err(super::invalid(
            config,
            "the server was started without a folder for logs (`--log-root`)",
        ));
    };
    let file = params.file.unwrap_or_else(|| PathBuf::from(format!("{}.log", config.name)));
    if !is_below_root(&file) {
        return Err(super::invalid(config, "the block's name is no name of a file; give a `file`"));
    }
    let lines = Box::new(Rotating::new(root.join(file), params.rotation));
    let telemetry = Arc::clone(&surroundings.telemetry);
    Ok(Arc::new(LineWriter::new(&config.name, params.format, lines, telemetry)))
}

// === impl FileParams ===

impl FileParams {
    fn parse(params: &serde_json::Value) -> Result<Self, Vec<ParamProblem>> {
        let mut params = Params::new(params);
        let file = params.text("file").map(PathBuf::from);
        if file.as_ref().is_some_and(|file| !is_below_root(file)) {
            params.problem("file", "must be a path below the folder for logs");
        }
        let format = LineFormat::parse(&mut params);
        let bytes_max = params.count("maxSizeBytes").unwrap_or(SIZE);
        if bytes_max == 0 {
            params.problem("maxSizeBytes", "must be at least 1");
        }
        let age_max: Option<Duration> = params.duration("maxAge");
        if age_max.is_some_and(|age| age.is_zero()) {
            params.problem("maxAge", "must be longer than 0s");
        }
        let kept = params.count("maxFiles").unwrap_or(FILES);
        if kept > limits::LOG_FILES {
            params.problem("maxFiles", format!("must be at most {}", limits::LOG_FILES));
        }
        let rotation = Rotation { bytes_max: u64::from(bytes_max), age_max, kept };
        params.finish(Self { file, format, rotation })
    }
}

fn is_below_root(path: &Path) -> bool {
    path.components().next().is_some() && path.components().all(|part| matches!(part, Component::Normal(_)))
}

impl Lines for Rotating {
    fn write_lines(&mut self, lines: &[u8]) -> Result<(), Unwritten> {
        self.write(lines, SystemTime::now())
    }
}

#[cfg(test)]
mod tests;

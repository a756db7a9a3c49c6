//! `stdioLogger`: log entries as lines on standard output or standard error.
//!
//! | parameter | default | |
//! |---|---|---|
//! | `logStream` | `STDERR` | or `STDOUT` |
//! | `format` | `JSON` | or `TEXT`: what the template rendered and nothing else |
//! | `omitEmptyFields` | absent | given, lines are those of Mixer 0.2, with what is empty or without |

use std::io::Write;
use std::sync::Arc;

use policy::{AdapterInfo, AspectKind, HandlerConfig, ParamProblem};

use super::line_writer::{LineWriter, Lines, Unwritten};
use super::log_line::LineFormat;
use super::params::Params;
use super::{Handler, InvalidHandler, Surroundings};

pub(super) const INFO: AdapterInfo = AdapterInfo {
    name: "stdioLogger",
    kinds: &[AspectKind::AccessLogs, AspectKind::ApplicationLogs],
    description: "writes log entries as lines of JSON or text to standard output or standard error",
    validate,
    outputs: policy::no_outputs,
};

const STDERR: i64 = 0;
const STDOUT: i64 = 1;

/// A stream that lines go to.
struct Stream(Box<dyn Write + Send>);

fn validate(params: &serde_json::Value) -> Result<(), Vec<ParamProblem>> {
    parse(params).map(drop)
}

pub(super) fn build(
    config: &HandlerConfig,
    surroundings: &Surroundings,
) -> Result<Arc<dyn Handler>, InvalidHandler> {
    let (stream, format) = super::parsed(config, parse(&config.params))?;
    let stream: Box<dyn Write + Send> = match stream {
        STDOUT => Box::new(std::io::stdout()),
        _ => Box::new(std::io::stderr()),
    };
    let telemetry = Arc::clone(&surroundings.telemetry);
    Ok(Arc::new(LineWriter::new(&config.name, format, Box::new(Stream(stream)), telemetry)))
}

fn parse(params: &serde_json::Value) -> Result<(i64, LineFormat), Vec<ParamProblem>> {
    let mut params = Params::new(params);
    let stream = params.choice("logStream", &[("STDERR", STDERR), ("STDOUT", STDOUT)]).unwrap_or(STDERR);
    let format = LineFormat::parse(&mut params);
    params.finish((stream, format))
}

impl Lines for Stream {
    fn write_lines(&mut self, lines: &[u8]) -> Result<(), Unwritten> {
        self.0.write_all(lines).and_then(|()| self.0.flush()).map_err(|error| Unwritten::all_of(lines, error))
    }
}

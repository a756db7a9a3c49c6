//! Log entries as `OpenTelemetry` has them. Pure: entries in, a request out.
//!
//! The name of the log is that of the scope, since it is what entries of one kind have in common; labels are attributes,
//! the payload is the body.

use std::collections::BTreeMap;
use std::sync::Arc;

use ::attributes::Timestamp;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::common::v1::InstrumentationScope;
use opentelemetry_proto::tonic::logs::v1::{LogRecord, ResourceLogs, ScopeLogs, SeverityNumber};
use opentelemetry_proto::tonic::resource::v1::Resource;
use policy::{LogEntry, LogPayload, LogSeverity};

use super::attributes;
use super::unix_nanos;

/// One entry, ready to be sent.
#[derive(Debug, Clone)]
pub(super) struct Entry {
    pub(super) log: Arc<str>,
    pub(super) record: LogRecord,
}

impl Entry {
    /// An entry that came `now`. A time that it has in a notation other than that of RFC 3339 is an attribute.
    pub(super) fn new(entry: LogEntry, now: Timestamp) -> Self {
        let mut attributes = attributes::of_entry(&entry.labels);
        let time = entry.timestamp.as_deref().and_then(|text| {
            let time = Timestamp::parse_rfc3339(text);
            if time.is_none() {
                attributes.push(attributes::text("timestamp", text));
            }
            time
        });
        let is_graded = entry.severity != LogSeverity::Default;
        let record = LogRecord {
            time_unix_nano: unix_nanos(time.unwrap_or(now)),
            observed_time_unix_nano: unix_nanos(now),
            severity_number: severity(entry.severity).into(),
            severity_text: if is_graded { entry.severity.as_str().to_owned() } else { String::new() },
            body: Some(match entry.payload {
                LogPayload::Text(text) => attributes::of_text(text),
                LogPayload::Json(object) => attributes::of_object(object),
            }),
            attributes,
            ..LogRecord::default()
        };
        Self { log: entry.log_name, record }
    }
}

/// The numbers that `OpenTelemetry` names for the severities of syslog, which ours are.
fn severity(severity: LogSeverity) -> SeverityNumber {
    match severity {
        LogSeverity::Default => SeverityNumber::Unspecified,
        LogSeverity::Debug => SeverityNumber::Debug,
        LogSeverity::Info => SeverityNumber::Info,
        LogSeverity::Notice => SeverityNumber::Info2,
        LogSeverity::Warning => SeverityNumber::Warn,
        LogSeverity::Error => SeverityNumber::Error,
        LogSeverity::Critical => SeverityNumber::Error2,
        LogSeverity::Alert => SeverityNumber::Error3,
        LogSeverity::Emergency => SeverityNumber::Fatal,
    }
}

/// A request with these entries.
pub(super) fn request(entries: &[Entry], resource: Resource) -> ExportLogsServiceRequest {
    let mut by_log: BTreeMap<&str, Vec<LogRecord>> = BTreeMap::new();
    for entry in entries {
        by_log.entry(&entry.log).or_default().push(entry.record.clone());
    }
    let scope = |(log, log_records): (&str, _)| ScopeLogs {
        scope: Some(InstrumentationScope { name: log.to_owned(), ..InstrumentationScope::default() }),
        log_records,
        ..ScopeLogs::default()
    };
    let scope_logs = by_log.into_iter().map(scope).collect();
    let resource = Some(resource);
    ExportLogsServiceRequest {
        resource_logs: vec![ResourceLogs { resource, scope_logs, ..ResourceLogs::default() }],
    }
}

//! Sending to a collector, and what its answers mean.

use async_trait::async_trait;
use opentelemetry_proto::tonic::collector::logs::v1::ExportLogsServiceRequest;
use opentelemetry_proto::tonic::collector::logs::v1::logs_service_client::LogsServiceClient;
use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceRequest;
use opentelemetry_proto::tonic::collector::metrics::v1::metrics_service_client::MetricsServiceClient;
use opentelemetry_proto::tonic::resource::v1::Resource;
use tonic::metadata::MetadataMap;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Request, Status};

use super::logs::{self, Entry};
use super::metrics::{self, Measurement, Window};
use crate::adapters::outbox::{Sink, Unsent};
use crate::runtime::now;

/// Where a block sends to.
#[derive(Debug, Clone)]
pub(super) struct Collector {
    pub(super) endpoint: Endpoint,
    /// Sent along with each request.
    pub(super) headers: MetadataMap,
    /// Who it is that sends.
    pub(super) resource: Resource,
}

/// The collector, for metrics.
pub(super) struct MetricsSink {
    collector: Collector,
    client: Option<MetricsServiceClient<Channel>>,
    /// When the batch before this one ended.
    from: attributes::Timestamp,
    /// The present batch as a request: sent again, it has to be the same.
    unsent: Option<ExportMetricsServiceRequest>,
}

/// The collector, for logs.
pub(super) struct LogsSink {
    collector: Collector,
    client: Option<LogsServiceClient<Channel>>,
    unsent: Option<ExportLogsServiceRequest>,
}

// === impl Collector ===

impl Collector {
    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        *request.metadata_mut() = self.headers.clone();
        request
    }
}

// === impl MetricsSink ===

impl MetricsSink {
    pub(super) fn new(collector: Collector) -> Self {
        Self { collector, client: None, from: now(), unsent: None }
    }
}

#[async_trait]
impl Sink<Measurement> for MetricsSink {
    async fn send(&mut self, records: &[Measurement]) -> Result<(), Unsent> {
        let request = match &self.unsent {
            Some(request) => request.clone(),
            None => {
                let window = Window { from: self.from, to: now() };
                self.from = window.to;
                let request = metrics::request(records, window, self.collector.resource.clone());
                self.unsent.insert(request).clone()
            }
        };
        let endpoint = &self.collector.endpoint;
        let client = self.client.get_or_insert_with(|| MetricsServiceClient::new(endpoint.connect_lazy()));
        let answer = client.export(self.collector.request(request)).await;
        let rejected = answer.map(|answer| {
            let partial = answer.into_inner().partial_success.unwrap_or_default();
            (partial.rejected_data_points, partial.error_message)
        });
        // Points are not values: what is known of a rejected part is that it is not more than everything.
        let result = judged(rejected, records.len());
        if !matches!(result, Err(Unsent::Away(_))) {
            self.unsent = None;
        }
        result
    }
}

// === impl LogsSink ===

impl LogsSink {
    pub(super) fn new(collector: Collector) -> Self {
        Self { collector, client: None, unsent: None }
    }
}

#[async_trait]
impl Sink<Entry> for LogsSink {
    async fn send(&mut self, records: &[Entry]) -> Result<(), Unsent> {
        let resource = || self.collector.resource.clone();
        let request = self.unsent.get_or_insert_with(|| logs::request(records, resource())).clone();
        let endpoint = &self.collector.endpoint;
        let client = self.client.get_or_insert_with(|| LogsServiceClient::new(endpoint.connect_lazy()));
        let answer = client.export(self.collector.request(request)).await;
        let rejected = answer.map(|answer| {
            let partial = answer.into_inner().partial_success.unwrap_or_default();
            (partial.rejected_log_records, partial.error_message)
        });
        let result = judged(rejected, records.len());
        if !matches!(result, Err(Unsent::Away(_))) {
            self.unsent = None;
        }
        result
    }
}

/// What an answer means: the protocol says which errors may go away by themselves.
fn judged(answer: Result<(i64, String), Status>, records: usize) -> Result<(), Unsent> {
    let status = match answer {
        Ok((0, _)) => return Ok(()),
        Ok((rejected, reason)) => {
            let rejected = usize::try_from(rejected).unwrap_or(0).min(records);
            return Err(Unsent::Refused(rejected, format!("the collector took a part: {reason}")));
        }
        Err(status) => status,
    };
    let reason = format!("{:?}: {}", status.code(), status.message());
    let may_go_away = match status.code() {
        Code::Cancelled
        | Code::DeadlineExceeded
        | Code::Aborted
        | Code::OutOfRange
        | Code::Unavailable
        | Code::DataLoss => true,
        // Only if it says when to come again.
        Code::ResourceExhausted => !status.details().is_empty(),
        // The connection, not the collector, if there is a cause on this side.
        Code::Unknown | Code::Internal => std::error::Error::source(&status).is_some(),
        Code::Ok
        | Code::InvalidArgument
        | Code::NotFound
        | Code::AlreadyExists
        | Code::PermissionDenied
        | Code::FailedPrecondition
        | Code::Unimplemented
        | Code::Unauthenticated => false,
    };
    Err(if may_go_away { Unsent::Away(reason) } else { Unsent::Refused(records, reason) })
}

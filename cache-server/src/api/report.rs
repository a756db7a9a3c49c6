//! Report: message → bags → whatever the aspects of each want told.
//!
//! A message that cannot be read, or an aspect that fails, does not keep the rest from being told. The client hears
//! of it at the end: `INVALID_ARGUMENT` if it is the client's doing, `INTERNAL` if it is ours.
//!
//! What is told about cannot be asked for again. So messages that may have left out what is read now are told all the
//! same, and counted.

use attributes::wire::ReportDecoder;
use checkcache::Revision;
use proto::v1::{ReportRequest, ReportResponse};
use tonic::Status;

use super::{MixerService, status};
use crate::runtime::{Failures, Reporter};
use crate::{limits, text};

impl MixerService {
    pub(super) async fn answer_report(&self, request: ReportRequest) -> Result<ReportResponse, Status> {
        self.telemetry.reports.increment();
        self.words.check(request.global_word_count, request.dictionary_digest)?;
        let active = self.runtime.active().map_err(|error| status::unconfigured(&error))?;
        let demand_revision = request.demand_revision;
        let mut decoder = ReportDecoder::new(request, &self.words.dictionary)
            .map_err(|error| status::invalid_report(&error))?;
        let count = decoder.remaining();
        self.telemetry.report_messages.add(count as f64);
        if demand_revision != 0 && !active.covers_report(Revision(demand_revision)) {
            self.telemetry.report_stale_demands.add(count as f64);
        }

        let mut reporter = Reporter::new(&active, &self.telemetry);
        let mut undecodable = Failures::default();
        let mut index = 0;
        while let Some(bag) = decoder.next_weighed() {
            match bag {
                Ok((bag, weight)) => reporter.add(bag, weight).await,
                Err(error) => {
                    self.telemetry.report_messages_undecodable.increment();
                    undecodable.add(&format!("message {index}: {error}"));
                }
            }
            index += 1;
            if index % limits::REPORT_YIELD == 0 {
                tokio::task::yield_now().await;
            }
        }
        let failed = reporter.finish().await;
        // What builds on a message that cannot be read cannot be read either.
        let lost = count.saturating_sub(index);
        self.telemetry.report_messages_undecodable.add(lost as f64);
        if undecodable.count() > 0 {
            return Err(Status::invalid_argument(text::message(&format!(
                "{} of {count} messages cannot be read: {}",
                undecodable.count() + lost,
                undecodable.summary()
            ))));
        }
        if failed.count() > 0 {
            return Err(Status::internal(text::message(&failed.summary())));
        }
        Ok(ReportResponse { accepts_changes: true })
    }
}

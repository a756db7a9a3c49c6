//! A report becomes samples of metrics.

use std::hint::black_box;

use attributes::Dictionary;
use attributes::wire::ReportDecoder;
use checkcache::Recorder;
use policy::{AspectParams, Measurements, Snapshot};
use prost::Message as _;
use proto::v1::ReportRequest;

/// How many values come of a report's messages. `None` if one cannot be read.
pub fn measure(bytes: &[u8], dictionary: &Dictionary, snapshot: &Snapshot) -> Option<usize> {
    let mut decoder = ReportDecoder::new(ReportRequest::decode(black_box(bytes)).ok()?, dictionary).ok()?;
    let mut measurements = Measurements::default();
    while let Some(bag) = decoder.next_bag() {
        let mut recorder = Recorder::untraced(bag.ok()?);
        for aspect in snapshot.resolve_report(&mut recorder).aspects {
            if let AspectParams::Metrics(metrics) = &aspect.params {
                measurements.add(metrics, &mut recorder);
            }
        }
    }
    Some(black_box(measurements).len())
}

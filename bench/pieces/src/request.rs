//! The request that everything is measured with: thirty attributes, as a proxy would send them.

use std::sync::Arc;

use anyhow::{Context as _, Result};
use attributes::wire::Compressor;
use attributes::{Bag, Dictionary, Duration, StringMap, Timestamp, Value};
use proto::v1;

/// The request's headers, a dozen as browsers and meshes send them.
pub const HEADERS: [(&str, &str); 12] = [
    (":authority", "productpage.example.com"),
    (":method", "GET"),
    (":path", "/api/v1/products/42/reviews?page=3"),
    (":scheme", "https"),
    ("accept", "application/json, text/plain, */*"),
    ("accept-encoding", "gzip, deflate, br"),
    ("accept-language", "en-GB,en;q=0.9"),
    ("cache-control", "no-cache"),
    ("user-agent", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/128.0"),
    ("x-forwarded-for", "203.0.113.9"),
    ("x-forwarded-proto", "https"),
    ("x-request-id", "8f2c1f6e-4a1b-4d56-9b0e-6f3f5d2a7c11"),
];

/// Its path.
pub const PATH: (&str, &str) = HEADERS[2];

/// What the attributes that are texts say.
const TEXTS: [(&str, &str); 20] = [
    ("api.service", "reviews"),
    ("api.version", "v1"),
    ("connection.id", "4711"),
    ("context.protocol", "http"),
    ("context.reporter.kind", "inbound"),
    ("context.reporter.uid", "kubernetes://productpage-v1-6b746f74dc-9stvs.default"),
    ("destination.service.host", "service-500.default.svc.cluster.local"),
    ("destination.uid", "kubernetes://productpage-v1-6b746f74dc-9stvs.default"),
    ("request.host", "productpage.example.com"),
    ("request.id", "8f2c1f6e-4a1b-4d56-9b0e-6f3f5d2a7c11"),
    ("request.method", "GET"),
    ("request.path", "/api/v1/products/42/reviews?page=3"),
    ("request.scheme", "https"),
    ("request.url_path", "/api/v1/products/42/reviews"),
    ("request.useragent", "Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101 Firefox/128.0"),
    ("source.namespace", "default"),
    ("source.principal", "cluster.local/ns/default/sa/gateway"),
    ("source.uid", "kubernetes://gateway-7d8f9b6c5-x2x4z.default"),
    ("source.workload.name", "gateway"),
    ("target.service", "service-500.default.svc.cluster.local"),
];

/// What the rules of [`crate::tree`] read.
const READ: [&str; 11] = [
    "context.protocol",
    "destination.port",
    "origin.ip",
    "request.headers",
    "request.host",
    "request.method",
    "request.path",
    "request.scheme",
    "source.namespace",
    "source.workload.name",
    "target.service",
];

/// How many attributes a request has.
pub const ATTRIBUTES: usize = 30;

/// The attributes of a request: thirty.
pub fn bag() -> Bag {
    let mut bag: Bag = TEXTS.into_iter().collect();
    bag.insert("connection.mtls", true);
    bag.insert("destination.ip", Value::Bytes([10, 0, 0, 7].as_slice().into()));
    bag.insert("destination.port", 8080);
    bag.insert("origin.ip", Value::Bytes([198, 51, 100, 23].as_slice().into()));
    bag.insert("request.headers", map(&HEADERS));
    bag.insert("request.size", 0);
    bag.insert("request.time", Value::Timestamp(Timestamp { seconds: 1_767_225_600, nanos: 250_000_000 }));
    bag.insert("request.total_size", 612);
    bag.insert("source.labels", map(&[("app", "gateway"), ("version", "v3")]));
    bag.insert("source.port", 51_234);
    bag
}

/// The attributes of a request that has more, or fewer, of them. What rules of [`crate::tree`] read is among them as long as
/// there are as many as that.
pub fn bag_of(attributes: usize) -> Bag {
    let is_read = |name: &str| READ.contains(&name);
    let (read, unread): (Vec<_>, Vec<_>) = bag()
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .partition(|(name, _)| is_read(name.as_str()));
    let more = (0..).map(|number| (format!("unread.attribute.{number}").as_str().into(), "nobody".into()));
    read.into_iter().chain(unread).chain(more).take(attributes).collect()
}

/// The attributes of request and response that are reported as number `number` of a batch.
pub fn reported(number: u64) -> Bag {
    let mut bag = bag();
    let nanos = (number * 1_000_003 % 1_000_000_000) as u32;
    bag.insert("request.id", format!("8f2c1f6e-4a1b-4d56-9b0e-{number:012x}").as_str());
    bag.insert("request.path", format!("/api/v1/products/{}/reviews?page=3", number % 50).as_str());
    bag.insert("request.time", Value::Timestamp(Timestamp { seconds: 1_767_225_600, nanos }));
    bag.insert("response.code", if number.is_multiple_of(20) { 404 } else { 200 });
    bag.insert(
        "response.duration",
        Value::Duration(Duration { seconds: 0, nanos: 1_000_000 + (number * 7919 % 50_000) as i32 }),
    );
    bag.insert("response.size", (number * 37 % 4_000) as i64);
    bag
}

fn map(entries: &[(&str, &str)]) -> StringMap {
    entries.iter().map(|(key, value)| (Arc::from(*key), Arc::from(*value))).collect()
}

/// The words that both sides know by number.
pub fn dictionary() -> Result<Dictionary> {
    let text = std::fs::read_to_string(crate::root().join("config/dictionary.txt"))?;
    Ok(Dictionary::parse(text.leak())?)
}

/// The check of a request with these attributes.
pub fn check(dictionary: &Dictionary, bag: &Bag) -> Result<v1::CheckRequest> {
    let mut compressor = Compressor::new(dictionary, dictionary.len());
    let message = compressor.add(bag);
    let global_word_count = compressor.word_count();
    Ok(v1::CheckRequest {
        attributes: Some(v1::CompressedAttributes { words: compressor.into_words(), ..message }),
        global_word_count,
        accepts_trace: true,
        dictionary_digest: digest(dictionary)?,
        ..v1::CheckRequest::default()
    })
}

/// A report of so many requests: each message holds what differs from the one before.
pub fn report(dictionary: &Dictionary, messages: u64) -> Result<v1::ReportRequest> {
    let mut compressor = Compressor::new(dictionary, dictionary.len());
    let mut last = Bag::new();
    let mut attributes = Vec::new();
    for number in 0..messages {
        let bag = reported(number);
        let changed: Bag = bag
            .iter()
            .filter(|(name, value)| last.value(name.as_str()) != Some(*value))
            .map(|(name, value)| (name.clone(), value.clone()))
            .collect();
        attributes.push(compressor.add(&changed));
        last = bag;
    }
    Ok(v1::ReportRequest {
        attributes,
        global_word_count: compressor.word_count(),
        default_words: compressor.into_words(),
        dictionary_digest: digest(dictionary)?,
        ..v1::ReportRequest::default()
    })
}

fn digest(dictionary: &Dictionary) -> Result<u64> {
    dictionary.digest(dictionary.len()).context("a dictionary has a digest of all its words")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_has_as_many_attributes_as_it_says() {
        assert_eq!(bag().len(), ATTRIBUTES);
        assert_eq!(bag_of(ATTRIBUTES), bag());
        assert_eq!([12, 300].map(|attributes| bag_of(attributes).len()), [12, 300]);
    }

    #[test]
    fn a_report_holds_what_differs() -> Result<()> {
        let dictionary = dictionary()?;
        let sent = report(&dictionary, 3)?;
        let decoder = attributes::wire::ReportDecoder::new(sent, &dictionary)?;
        let bags: Vec<Bag> = decoder.collect::<Result<_, _>>()?;
        assert_eq!(bags, [reported(0), reported(1), reported(2)]);
        Ok(())
    }
}

//! Compressed attributes as plain JSON, read independently of the crates under test.
//!
//! What the filter encodes is judged here by the letter of the protocol alone: this module shares no code with the
//! encoder, so that the two cannot be wrong in the same way.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};
use proto::v1::report_request::RepeatedAttributesSemantics;
use proto::v1::{CheckRequest, CompressedAttributes, CompressedValue, ReportRequest};
use serde_json::{Value, json};

use crate::paths;

/// Attributes by name.
pub type Attributes = BTreeMap<String, Value>;

/// The words of the deployment-wide dictionary that ships.
///
/// # Errors
/// When the file cannot be read.
pub fn dictionary() -> Result<Vec<String>> {
    let path = paths::dictionary();
    let text =
        std::fs::read_to_string(&path).with_context(|| format!("{} cannot be read", path.display()))?;
    let words = text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    Ok(words.map(str::to_owned).collect())
}

/// The attributes of a check.
///
/// # Errors
/// When the message is not valid.
pub fn check(request: &CheckRequest) -> Result<Attributes> {
    let words = dictionary()?;
    let global =
        words.get(..request.global_word_count as usize).context("more global words than there are")?;
    let attributes = request.attributes.as_ref().context("no attributes")?;
    expand(attributes, &attributes.words, global)
}

/// The messages of a report, each complete.
///
/// # Errors
/// When the message is not valid.
pub fn report(request: &ReportRequest) -> Result<Vec<Attributes>> {
    let words = dictionary()?;
    let global =
        words.get(..request.global_word_count as usize).context("more global words than there are")?;
    let is_delta = request.repeated_attributes_semantics() == RepeatedAttributesSemantics::DeltaEncoding;
    let mut messages: Vec<Attributes> = Vec::new();
    for compressed in &request.attributes {
        let mut message = match compressed.words.as_slice() {
            [] => expand(compressed, &request.default_words, global)?,
            own => expand(compressed, own, global)?,
        };
        if is_delta && let Some(before) = messages.last() {
            for (name, value) in before {
                message.entry(name.clone()).or_insert_with(|| value.clone());
            }
        }
        messages.push(message);
    }
    Ok(messages)
}

fn expand(compressed: &CompressedAttributes, own: &[impl ToString], global: &[String]) -> Result<Attributes> {
    let word = |index: i32| {
        let found = usize::try_from(index).map_or_else(
            |_| own.get(!index as usize).map(ToString::to_string),
            |index| global.get(index).cloned(),
        );
        found.with_context(|| format!("there is no word {index}"))
    };
    let mut attributes = Attributes::new();
    let mut add = |index: i32, value: Value| {
        let name = word(index)?;
        ensure!(attributes.insert(name.clone(), value).is_none(), "{name} stands in two maps");
        Ok(())
    };
    for (name, value) in &compressed.values {
        let value = match value {
            CompressedValue::String(text) => json!(word(*text)?),
            CompressedValue::Int64(number) => json!(number),
            CompressedValue::Double(number) => json!(number),
            CompressedValue::Bool(truth) => json!(truth),
            CompressedValue::Timestamp(time) => json!({"seconds": time.seconds, "nanos": time.nanos}),
            CompressedValue::Duration(span) => json!({"seconds": span.seconds, "nanos": span.nanos}),
            CompressedValue::Bytes(bytes) => json!(bytes),
            CompressedValue::StringMap(map) => {
                let entries = map.entries.iter().map(|(key, value)| Ok((word(*key)?, json!(word(*value)?))));
                Value::Object(entries.collect::<Result<_>>()?)
            }
        };
        add(*name, value)?;
    }
    Ok(attributes)
}

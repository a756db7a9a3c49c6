//! From the text of a list to its entries.
//!
//! A list is one entry a line; empty lines and those that begin with `#` are none. A list of addresses may also be a
//! document, YAML or JSON, with the entries under `whitelist`, as providers of Mixer's lists serve it, or with nothing
//! but the entries.
//!
//! One bad entry does not cost the others: it is passed over, counted and told. A text of which nothing is an entry is
//! no list, and whoever has a list keeps it.

use std::borrow::Cow;

use serde_json::Value;

use super::entries::{Collector, Entries, EntryType};
use crate::{limits, text};

/// What a text came to.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) entries: Entries,
    /// How many entries of the text mean nothing.
    pub(super) skipped: usize,
    /// Why the first of them does not.
    pub(super) first_skipped: Option<String>,
}

/// Reads a list: entries that were given with the configuration, which are known to be good, and those of a text.
pub(super) fn read(entry_type: EntryType, inline: &[String], body: &str) -> Result<Read, String> {
    let mut collector = Collector::new(entry_type);
    for entry in inline {
        collector.add(entry)?;
    }
    let (mut good, mut skipped, mut first_skipped) = (0_usize, 0_usize, None);
    for entry in entries(entry_type, body)? {
        if inline.len() + good + skipped == collector.capacity() {
            return Err(format!("more than {} entries", collector.capacity()));
        }
        match entry.and_then(|entry| collector.add(&entry)) {
            Ok(()) => good += 1,
            Err(reason) => {
                skipped += 1;
                first_skipped.get_or_insert(reason);
            }
        }
    }
    if let (0, Some(reason)) = (good, &first_skipped) {
        return Err(format!("it is no list: none of {skipped} entries can be read, the first: {reason}"));
    }
    Ok(Read { entries: collector.finish()?, skipped, first_skipped })
}

/// An entry as it is written, or why it is none.
type Entry<'t> = Result<Cow<'t, str>, String>;

fn entries(entry_type: EntryType, body: &str) -> Result<Box<dyn Iterator<Item = Entry<'_>> + '_>, String> {
    let body = body.strip_prefix('\u{feff}').unwrap_or(body);
    let lines = body.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#'));
    match entry_type {
        EntryType::IpAddresses if lines.clone().next().is_some_and(begins_a_document) => {
            Ok(Box::new(document(body)?.into_iter().map(|item| match item {
                Value::String(text) => Ok(Cow::Owned(text)),
                other => Err(format!("`{}` is not text", text::quoted(&other.to_string()))),
            })))
        }
        EntryType::Strings
        | EntryType::CaseInsensitiveStrings
        | EntryType::IpAddresses
        | EntryType::Regex => Ok(Box::new(lines.map(|line| Ok(Cow::Borrowed(line))))),
    }
}

/// Whether a line is how a document begins, which no address does.
fn begins_a_document(line: &str) -> bool {
    line.starts_with(['{', '[', '-', '"']) || line.split_once(':').is_some_and(|(key, _)| key == "whitelist")
}

fn document(body: &str) -> Result<Vec<Value>, String> {
    let document: Value = if body.trim_start().starts_with(['{', '[']) {
        serde_json::from_str(body).map_err(|error| format!("it is not valid JSON: {error}"))?
    } else {
        let options = serde_saphyr::options! {
            budget: serde_saphyr::budget! {
                max_depth: 4,
                max_nodes: limits::LIST_ENTRIES + 4,
                max_events: 2 * limits::LIST_ENTRIES,
                max_aliases: 0,
                max_anchors: 0,
            },
            with_snippet: false,
        };
        serde_saphyr::from_str_with_options(body, options)
            .map_err(|error| format!("it is not valid YAML: {}", text::quoted(&error.to_string())))?
    };
    match document {
        Value::Array(items) => Ok(items),
        Value::Object(mut fields) => match fields.remove("whitelist") {
            Some(Value::Array(items)) => Ok(items),
            Some(Value::Null) => Ok(Vec::new()),
            Some(_) => Err("it is no list: its `whitelist` is none".to_owned()),
            None => Err("it is no list: it has no `whitelist`".to_owned()),
        },
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {
            Err("it is no list, and has none under `whitelist`".to_owned())
        }
    }
}

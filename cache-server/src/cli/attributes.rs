//! The attributes of a request to a running server, as flags that name their types or leave them to be sensed.
//!
//! The flags are those of the client that Mixer came with: `name=value,name=value`, each flag for one type. Where that
//! client guessed types by form alone, `-a` goes by the vocabulary first, so that `request.path=ab` is text and not bytes,
//! and `source.ip=10.0.0.1` an address. A comma separates only where a name and `=` follow it; `\,` never does.

mod sense;

use std::collections::BTreeMap;

use attributes::{Bag, Value, ValueType};
use clap::Args;
use thiserror::Error;

/// The attributes, by type.
#[derive(Debug, Default, Args)]
#[command(next_help_heading = "Attributes, each flag takes NAME=VALUE,NAME=VALUE and may be repeated")]
pub(super) struct Attributes {
    /// Of the type that the vocabulary says (`mixer vocabulary`); of other names by what the value looks like.
    #[arg(short = 'a', long = "attributes", value_name = "LIST")]
    sensed: Vec<String>,

    /// Text.
    #[arg(short = 's', long = "string", aliases = ["string_attributes", "string-attributes"], value_name = "LIST")]
    strings: Vec<String>,

    /// Whole numbers.
    #[arg(short, long = "int64", aliases = ["int64_attributes", "int64-attributes"], value_name = "LIST")]
    int64s: Vec<String>,

    /// Numbers.
    #[arg(short, long = "double", aliases = ["double_attributes", "double-attributes"], value_name = "LIST")]
    doubles: Vec<String>,

    /// `true` or `false`.
    #[arg(short, long = "bool", aliases = ["bool_attributes", "bool-attributes"], value_name = "LIST")]
    bools: Vec<String>,

    /// Times such as 2017-04-29T02:11:54Z.
    #[arg(short, long = "timestamp", aliases = ["timestamp_attributes", "timestamp-attributes"], value_name = "LIST")]
    timestamps: Vec<String>,

    /// Spans of time such as 1m30s.
    #[arg(long = "duration", aliases = ["duration_attributes", "duration-attributes"], value_name = "LIST")]
    durations: Vec<String>,

    /// IP addresses in their usual notation, or bytes in hexadecimal such as 0a:00:00:01.
    #[arg(long = "bytes", aliases = ["bytes_attributes", "bytes-attributes"], value_name = "LIST")]
    bytes: Vec<String>,

    /// Maps of texts: NAME=KEY:VALUE;KEY:VALUE.
    #[arg(long = "stringmap", aliases = ["stringmap_attributes", "stringmap-attributes"], value_name = "LIST")]
    stringmaps: Vec<String>,
}

/// A flag's text makes no attributes.
#[derive(Debug, PartialEq, Eq, Error)]
pub(super) enum InvalidAttribute {
    /// There is no name, or no value.
    #[error("`{0}`: write NAME=VALUE, several of them with commas between")]
    Form(String),
    /// Which of the values counts would be a guess.
    #[error("`{0}` is given twice")]
    Twice(String),
    /// The value is none of its type.
    #[error("`{name}`: `{text}` is not {expected}")]
    Value {
        /// The attribute.
        name: String,
        /// What was given.
        text: String,
        /// What it should have been, with an article.
        expected: &'static str,
    },
}

impl Attributes {
    /// The bag that the flags make, with the vocabulary for the types of those that do not say.
    pub(super) fn bag(&self, vocabulary: &BTreeMap<String, ValueType>) -> Result<Bag, InvalidAttribute> {
        let mut bag = Bag::new();
        let sensed = |name: &str, text: &str| sense::value(vocabulary.get(name).copied(), text);
        add(&mut bag, &self.sensed, &sensed)?;
        for (texts, value_type) in [
            (&self.strings, ValueType::String),
            (&self.int64s, ValueType::Int64),
            (&self.doubles, ValueType::Double),
            (&self.timestamps, ValueType::Timestamp),
            (&self.durations, ValueType::Duration),
        ] {
            add(&mut bag, texts, &|_, text| Value::parse(value_type, text).map_err(|error| error.expected))?;
        }
        add(&mut bag, &self.bools, &|_, text| sense::bool(text).ok_or("`true` or `false`"))?;
        add(&mut bag, &self.bytes, &|_, text| {
            sense::bytes(text).ok_or("an IP address or bytes such as 0a:00:00:01")
        })?;
        add(&mut bag, &self.stringmaps, &|_, text| {
            sense::map(text).ok_or("a map such as key:value;key:value")
        })?;
        Ok(bag)
    }
}

fn add(
    bag: &mut Bag,
    texts: &[String],
    value: &impl Fn(&str, &str) -> Result<Value, &'static str>,
) -> Result<(), InvalidAttribute> {
    for item in texts.iter().flat_map(|text| split(text)) {
        let (name, text) = item
            .split_once('=')
            .filter(|(name, _)| !name.is_empty())
            .ok_or_else(|| InvalidAttribute::Form(item.clone()))?;
        let value = value(name, text).map_err(|expected| InvalidAttribute::Value {
            name: name.to_owned(),
            text: text.to_owned(),
            expected,
        })?;
        if bag.insert(name, value).is_some() {
            return Err(InvalidAttribute::Twice(name.to_owned()));
        }
    }
    Ok(())
}

/// The items of a list. A comma is a part of its value unless a name and `=` follow it, or if there is `\` before it.
fn split(list: &str) -> Vec<String> {
    let mut items = vec![String::new()];
    let mut rest = list;
    while let Some(c) = rest.chars().next() {
        let after = &rest[c.len_utf8()..];
        let escaped = after.strip_prefix(',').filter(|_| c == '\\');
        match items.last_mut() {
            _ if c == ',' && begins_item(after) => items.push(String::new()),
            Some(item) => item.push(if escaped.is_some() { ',' } else { c }),
            None => {}
        }
        rest = escaped.unwrap_or(after);
    }
    items
}

fn begins_item(text: &str) -> bool {
    let is_name = |name: &str| {
        name.starts_with(|c: char| c.is_ascii_alphabetic())
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
    };
    text.split_once('=').is_some_and(|(name, _)| is_name(name))
}

#[cfg(test)]
mod tests;

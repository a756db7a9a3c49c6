//! YAML as a tree in which every node knows where it stands.

use serde::Deserialize;
use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_saphyr::Spanned;

use crate::diagnostic::{At, Findings};
use crate::limits::{YAML_DEPTH_MAX, YAML_NODES_MAX};

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Node {
    pub(crate) at: At,
    /// The key that it is the value of, as it is written; empty if it is none's.
    pub(crate) key: Box<str>,
    pub(crate) content: Content,
}

/// A value as YAML has it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Content {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Node>),
    Map(Vec<Entry>),
}

/// One entry of a map.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Entry {
    pub(crate) key_at: At,
    pub(crate) key: String,
    pub(crate) value: Node,
}

// === impl Node ===

impl Node {
    /// Reads a file; if it is not YAML, that is reported, and there is nothing. An empty file is null.
    pub(crate) fn parse(file: usize, text: &str, findings: &mut Findings<'_>) -> Option<Self> {
        let options = serde_saphyr::options! {
            budget: serde_saphyr::budget! {
                max_depth: YAML_DEPTH_MAX,
                max_nodes: YAML_NODES_MAX,
            },
            with_snippet: false,
        };
        match serde_saphyr::from_str_with_options::<Option<Spanned<Raw>>>(text, options) {
            Ok(root) => Some(root.map_or(Self::null(At::file(file)), |root| Self::new(file, "", root))),
            Err(error) => {
                let at = error.location().map_or(At::file(file), |location| position(file, text, &location));
                let message = message(&error);
                let help = help(&message);
                findings.error(at, format!("not valid YAML: {message}")).maybe_help(help.map(str::to_owned));
                None
            }
        }
    }

    /// Nothing, in a place.
    pub(crate) fn null(at: At) -> Self {
        Self { at, key: Box::default(), content: Content::Null }
    }

    fn new(file: usize, key: &str, raw: Spanned<Raw>) -> Self {
        let at = stretch(file, &raw.referenced);
        let content = match raw.value {
            Raw::Null => Content::Null,
            Raw::Bool(truth) => Content::Bool(truth),
            Raw::Int(number) => Content::Int(number),
            Raw::Float(number) => Content::Float(number),
            Raw::Text(text) => Content::Text(text),
            Raw::List(items) => {
                Content::List(items.into_iter().map(|item| Self::new(file, "", item)).collect())
            }
            Raw::Map(entries) => Content::Map(
                entries
                    .into_iter()
                    .map(|(key, value)| Entry {
                        key_at: stretch(file, &key.referenced),
                        value: Self::new(file, &key.value, value),
                        key: key.value,
                    })
                    .collect(),
            ),
        };
        Self { at, key: key.into(), content }
    }

    /// The field that the node is the value of, for messages: as its author writes it.
    pub(crate) fn name(&self) -> String {
        format!("`{}`", self.key)
    }

    pub(crate) fn is_null(&self) -> bool {
        self.content == Content::Null
    }

    /// What the node is, with an article.
    pub(crate) fn describe(&self) -> &'static str {
        match self.content {
            Content::Null => "nothing",
            Content::Bool(_) => "a boolean",
            Content::Int(_) | Content::Float(_) => "a number",
            Content::Text(_) => "text",
            Content::List(_) => "a list",
            Content::Map(_) => "a map",
        }
    }

    /// The node without positions.
    pub(crate) fn to_json(&self) -> serde_json::Value {
        match &self.content {
            Content::Null => serde_json::Value::Null,
            Content::Bool(truth) => (*truth).into(),
            Content::Int(number) => (*number).into(),
            Content::Float(number) => (*number).into(),
            Content::Text(text) => text.as_str().into(),
            Content::List(items) => items.iter().map(Self::to_json).collect(),
            Content::Map(entries) => serde_json::Value::Object(
                entries.iter().map(|e| (e.key.clone(), e.value.to_json())).collect(),
            ),
        }
    }

    /// Finds what is at a path such as `error.code` or `entries[2]`, or as much of the way to it as there is. A name
    /// finds its field in `snake_case` as well as in `camelCase`.
    pub(crate) fn find(&self, path: &str) -> Spot<'_> {
        let mut spot = Spot { path: String::new(), key_at: self.at, node: self };
        let mut steps = path.split(['.', '[']).filter(|step| !step.is_empty());
        for step in steps.by_ref() {
            let next = match &spot.node.content {
                Content::List(items) => step
                    .strip_suffix(']')
                    .and_then(|index| index.parse().ok())
                    .and_then(|index: usize| items.get(index))
                    .map(|item| (format!("[{step}"), item.at, item)),
                Content::Map(entries) => entries
                    .iter()
                    .find(|entry| super::fields::camel(&entry.key) == super::fields::camel(step))
                    .map(|entry| (format!(".{}", entry.key), entry.key_at, &entry.value)),
                Content::Null | Content::Bool(_) | Content::Int(_) | Content::Float(_) | Content::Text(_) => {
                    None
                }
            };
            let Some((written, key_at, node)) = next else {
                return Spot { path: path.to_owned(), ..spot };
            };
            spot = Spot { path: spot.path + &written, key_at, node };
        }
        Spot { path: spot.path.trim_start_matches('.').to_owned(), ..spot }
    }
}

/// A place in a tree, found by its path.
pub(crate) struct Spot<'n> {
    /// The path as the file's author writes it; as it was asked for if it does not exist.
    pub(crate) path: String,
    /// Where the key stands, or the item of a list.
    pub(crate) key_at: At,
    node: &'n Node,
}

impl Spot<'_> {
    /// Where the value stands; of a longer one its key.
    pub(crate) fn value_at(&self) -> At {
        if is_scalar(self.node) { self.node.at } else { self.key_at }
    }
}

fn is_scalar(node: &Node) -> bool {
    !matches!(node.content, Content::Null | Content::List(_) | Content::Map(_))
}

/// The stretch of a string input; aliases stand where they are used.
fn stretch(file: usize, location: &serde_saphyr::Location) -> At {
    let span = location.span();
    let start = span.byte_offset().unwrap_or_default() as usize;
    let end = start + span.byte_len().unwrap_or_default() as usize;
    At { file, start, end: end.max(start + 1) }
}

/// The place of a parser's complaint, which may have no extent.
fn position(file: usize, text: &str, location: &serde_saphyr::Location) -> At {
    let line = usize::try_from(location.line()).unwrap_or_default().saturating_sub(1);
    let column = usize::try_from(location.column()).unwrap_or_default().saturating_sub(1);
    let line_start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
    let rest = text.get(line_start..).unwrap_or("");
    let start = line_start + rest.chars().take(column).map(char::len_utf8).sum::<usize>();
    At { file, start, end: start + 1 }
}

/// The first line of a parser's message, without the place, which is told apart.
fn message(error: &serde_saphyr::Error) -> String {
    let error = error.without_snippet();
    if let serde_saphyr::Error::DuplicateMappingKey { key, .. } = error {
        return key
            .as_ref()
            .map_or("a key is given twice".to_owned(), |key| format!("`{key}` is given twice"));
    }
    let text = error.to_string();
    let first = text.lines().next().unwrap_or_default();
    first.split(" at line ").next().unwrap_or(first).trim_end_matches([':', ' ']).to_owned()
}

/// What to do about a parser's message, of which the usual causes are few.
fn help(message: &str) -> Option<&'static str> {
    if message.contains("did not find expected") {
        Some(
            "all fields of a map, and all dashes of a list, begin in one column; is a line indented otherwise?",
        )
    } else if message.contains("unexpected character") || message.contains("cannot start any token") {
        Some("a text that has such characters has to be in quotes")
    } else {
        None
    }
}

// === Raw ===

/// A value with positions as the deserializer gives them.
enum Raw {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(String),
    List(Vec<Spanned<Raw>>),
    Map(Vec<(Spanned<String>, Spanned<Raw>)>),
}

impl<'de> Deserialize<'de> for Raw {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RawVisitor)
    }
}

struct RawVisitor;

impl<'de> Visitor<'de> for RawVisitor {
    type Value = Raw;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("a value")
    }

    fn visit_unit<E: Error>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_none<E: Error>(self) -> Result<Raw, E> {
        Ok(Raw::Null)
    }

    fn visit_some<D: Deserializer<'de>>(self, deserializer: D) -> Result<Raw, D::Error> {
        Raw::deserialize(deserializer)
    }

    fn visit_bool<E: Error>(self, truth: bool) -> Result<Raw, E> {
        Ok(Raw::Bool(truth))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Raw, E> {
        Ok(Raw::Int(number))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<Raw, E> {
        Ok(i64::try_from(number).map_or(Raw::Float(number as f64), Raw::Int))
    }

    fn visit_i128<E: Error>(self, number: i128) -> Result<Raw, E> {
        Ok(i64::try_from(number).map_or(Raw::Float(number as f64), Raw::Int))
    }

    fn visit_u128<E: Error>(self, number: u128) -> Result<Raw, E> {
        Ok(i64::try_from(number).map_or(Raw::Float(number as f64), Raw::Int))
    }

    fn visit_f64<E: Error>(self, number: f64) -> Result<Raw, E> {
        Ok(Raw::Float(number))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Raw, E> {
        Ok(Raw::Text(text.to_owned()))
    }

    fn visit_string<E: Error>(self, text: String) -> Result<Raw, E> {
        Ok(Raw::Text(text))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Raw, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Raw::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Raw, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Raw::Map(map))
    }
}

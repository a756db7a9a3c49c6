//! The fields of a map, taken by name until none that is unknown is left.

use super::{Content, Entry, Node};
use crate::diagnostic::{At, Findings};
use crate::suggest::{listed, nearest};

/// The fields of one map.
pub(crate) struct Fields<'n> {
    /// What the map is, with an article or possessive, such as "an adapter block".
    what: String,
    entries: &'n [Entry],
    taken: Vec<bool>,
    known: Vec<&'static str>,
}

impl<'n> Fields<'n> {
    /// The fields of a node; null is a map without any. Anything else is reported, and there is nothing.
    pub(crate) fn of(node: &'n Node, what: impl Into<String>, findings: &mut Findings<'_>) -> Option<Self> {
        let what = what.into();
        let entries = match &node.content {
            Content::Null => [].as_slice(),
            Content::Map(entries) => entries,
            Content::Bool(_) | Content::Int(_) | Content::Float(_) | Content::Text(_) | Content::List(_) => {
                findings.error(node.at, format!("expected a map for {what}, found {}", node.describe()));
                return None;
            }
        };
        Some(Self { what, entries, taken: vec![false; entries.len()], known: Vec::new() })
    }

    /// The value of a field, given by its `snake_case` name and written in that or in `camelCase`. Null counts as
    /// absent.
    pub(crate) fn take(&mut self, name: &'static str, findings: &mut Findings<'_>) -> Option<&'n Node> {
        self.take_entry(name, findings).map(|entry| &entry.value).filter(|value| !value.is_null())
    }

    /// As [`take`](Self::take), but the whole entry, and null is kept.
    pub(crate) fn take_entry(
        &mut self,
        name: &'static str,
        findings: &mut Findings<'_>,
    ) -> Option<&'n Entry> {
        self.known.push(name);
        let mut found: Option<&'n Entry> = None;
        for (entry, taken) in self.entries.iter().zip(&mut self.taken) {
            if entry.key == name || entry.key == camel(name) {
                *taken = true;
                if let Some(first) = found {
                    findings.error(
                        entry.key_at,
                        format!("`{}` and `{}` are the same field, given twice", first.key, entry.key),
                    );
                } else {
                    found = Some(entry);
                }
            }
        }
        found
    }

    /// Passes over a field that older files carry, with a warning that says why.
    pub(crate) fn ignore(&mut self, name: &'static str, why: &str, findings: &mut Findings<'_>) {
        if let Some(entry) = self.take_entry(name, findings) {
            findings.warning(entry.key_at, format!("`{}` is ignored: {why}", entry.key));
        }
        self.known.pop();
    }

    /// The name of a field that is not there, for messages: in the notation of those that are.
    pub(crate) fn spelled(&self, name: &'static str) -> String {
        let is_snake = self.entries.iter().any(|entry| entry.key.contains('_'));
        if is_snake { format!("`{name}`") } else { format!("`{}`", camel(name)) }
    }

    /// Reports the fields that nobody took.
    pub(crate) fn finish(self, findings: &mut Findings<'_>) {
        self.finish_with(findings, |_| None);
    }

    /// As [`finish`](Self::finish), with a better help text for some names.
    pub(crate) fn finish_with(self, findings: &mut Findings<'_>, help: impl Fn(&str) -> Option<String>) {
        for (entry, _) in self.entries.iter().zip(&self.taken).filter(|(_, taken)| !**taken) {
            let help = help(&entry.key).or_else(|| self.suggestion(&entry.key));
            findings
                .error(entry.key_at, format!("unknown field `{}` in {}", entry.key, self.what))
                .maybe_help(help);
        }
    }

    fn suggestion(&self, unknown: &str) -> Option<String> {
        // Suggested in the notation that the author uses.
        let snake = unknown.contains('_');
        let known: Vec<_> =
            self.known.iter().map(|name| if snake { (*name).to_owned() } else { camel(name) }).collect();
        let names = known.iter().map(String::as_str);
        match nearest(unknown, names.clone()) {
            Some(near) => Some(format!("did you mean `{near}`?")),
            None if known.is_empty() => None,
            None => Some(format!("the fields are {}", listed(names))),
        }
    }
}

/// A `snake_case` name in `camelCase`.
pub(super) fn camel(name: &str) -> String {
    let mut up = false;
    let mut camel = String::with_capacity(name.len());
    for c in name.chars() {
        if c == '_' {
            up = !camel.is_empty();
        } else if std::mem::take(&mut up) {
            camel.extend(c.to_uppercase());
        } else {
            camel.push(c);
        }
    }
    camel
}

/// Where an absent field would stand: the map's start.
pub(crate) fn absent(node: &Node) -> At {
    match &node.content {
        Content::Map(entries) => entries.first().map_or(node.at, |entry| entry.key_at),
        _ => node.at,
    }
}

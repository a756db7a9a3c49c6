//! JSON as a tree from which the configuration is read by hand, so that an error names the field.
//!
//! Derived readers would be shorter to write, and were a seventh of the filter's module: each type brings a reader of its
//! own for its fields, its names and its lists. Here there is one of each, and the fields of a map are a table: a name, and
//! what its value sets.

use std::fmt;

use serde::Deserialize;
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};

/// A value.
#[derive(Debug)]
pub(crate) enum Json {
    Null,
    Bool(bool),
    Unsigned(u64),
    Signed(i64),
    Float(f64),
    Text(String),
    List(Vec<Json>),
    /// In the order of the text, twins included.
    Map(Vec<(String, Json)>),
}

/// What is wrong with a value, and where in the tree it is.
#[derive(Debug)]
pub(crate) struct Wrong {
    pub(crate) message: String,
    /// The innermost step first.
    steps: Vec<String>,
}

/// A field that a map may have: its name, and what reads its value into a `T`.
pub(crate) type Field<T> = (&'static str, fn(&mut T, Json) -> Result<(), Wrong>);

// === impl Wrong ===

impl Wrong {
    pub(crate) fn new(message: String) -> Self {
        Self { message, steps: Vec::new() }
    }

    /// That a field is not there which must be.
    pub(crate) fn missing(field: &str) -> Self {
        Self::new(format!("missing field `{field}`"))
    }

    /// The field, with dots; a single dot is the whole.
    pub(crate) fn path(&self) -> String {
        let mut path = String::new();
        for step in self.steps.iter().rev() {
            if !path.is_empty() && !step.starts_with('[') {
                path.push('.');
            }
            path.push_str(step);
        }
        if path.is_empty() { ".".to_owned() } else { path }
    }

    pub(crate) fn under(mut self, step: String) -> Self {
        self.steps.push(step);
        self
    }
}

// === impl Json ===

impl Json {
    /// That this is not what was expected.
    pub(crate) fn not(&self, expected: &str) -> Wrong {
        let found = match self {
            Self::Null => "null",
            Self::Bool(_) => "true or false",
            Self::Unsigned(_) | Self::Signed(_) | Self::Float(_) => "a number",
            Self::Text(_) => "text",
            Self::List(_) => "a list",
            Self::Map(_) => "a map",
        };
        Wrong::new(format!("invalid type: {found}, expected {expected}"))
    }

    pub(crate) fn text(self) -> Result<String, Wrong> {
        match self {
            Self::Text(text) => Ok(text),
            other => Err(other.not("text")),
        }
    }

    pub(crate) fn truth(self) -> Result<bool, Wrong> {
        match self {
            Self::Bool(truth) => Ok(truth),
            other => Err(other.not("true or false")),
        }
    }

    /// A whole number from 0 on.
    pub(crate) fn count(self) -> Result<u64, Wrong> {
        match self {
            Self::Unsigned(number) => Ok(number),
            other => Err(other.not("a whole number from 0 on")),
        }
    }

    pub(crate) fn size(self) -> Result<usize, Wrong> {
        let number = self.count()?;
        usize::try_from(number).map_err(|_| Wrong::new(format!("{number} is too large")))
    }

    pub(crate) fn list<T>(self, read: fn(Self) -> Result<T, Wrong>) -> Result<Vec<T>, Wrong> {
        let Self::List(items) = self else { return Err(self.not("a list")) };
        let mut list = Vec::with_capacity(items.len());
        for (index, item) in items.into_iter().enumerate() {
            list.push(read(item).map_err(|wrong| wrong.under(format!("[{index}]")))?);
        }
        Ok(list)
    }

    /// A map whose keys are not known.
    pub(crate) fn entries(self, expected: &str) -> Result<Vec<(String, Self)>, Wrong> {
        match self {
            Self::Map(entries) => Ok(entries),
            other => Err(other.not(expected)),
        }
    }

    /// Reads a map that has some fields, none of them twice, and no others.
    pub(crate) fn fields<T>(self, into: &mut T, fields: &'static [Field<T>]) -> Result<(), Wrong> {
        let names: Vec<_> = fields.iter().map(|(name, _)| *name).collect();
        self.each_field(&names, &mut |place, value| match fields.get(place) {
            Some((_, read)) => read(into, value),
            None => Ok(()),
        })
    }

    /// Has each field read that is there, by the place of its name.
    fn each_field(
        self,
        names: &[&str],
        read: &mut dyn FnMut(usize, Self) -> Result<(), Wrong>,
    ) -> Result<(), Wrong> {
        let mut seen = vec![false; names.len()];
        for (name, value) in self.entries("a map")? {
            let known = names.iter().zip(&mut seen).position(|(known, seen)| {
                // The second of two finds the name taken.
                *known == name && !std::mem::replace(seen, true)
            });
            let done = match known {
                Some(place) => read(place, value),
                None if names.contains(&name.as_str()) => {
                    Err(Wrong::new(format!("duplicate field `{name}`")))
                }
                None => {
                    let names = names.join("`, `");
                    Err(Wrong::new(format!("unknown field `{name}`, expected one of `{names}`")))
                }
            };
            done.map_err(|wrong| wrong.under(name))?;
        }
        Ok(())
    }

    /// Nothing for null, where that is as good as no field.
    pub(crate) fn or_null(self) -> Option<Self> {
        match self {
            Self::Null => None,
            Self::Bool(_)
            | Self::Unsigned(_)
            | Self::Signed(_)
            | Self::Float(_)
            | Self::Text(_)
            | Self::List(_)
            | Self::Map(_) => Some(self),
        }
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(Tree)
    }
}

struct Tree;

impl<'de> Visitor<'de> for Tree {
    type Value = Json;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Json, E> {
        Ok(Json::Null)
    }

    fn visit_bool<E>(self, truth: bool) -> Result<Json, E> {
        Ok(Json::Bool(truth))
    }

    fn visit_u64<E>(self, number: u64) -> Result<Json, E> {
        Ok(Json::Unsigned(number))
    }

    fn visit_i64<E>(self, number: i64) -> Result<Json, E> {
        Ok(Json::Signed(number))
    }

    fn visit_f64<E>(self, number: f64) -> Result<Json, E> {
        Ok(Json::Float(number))
    }

    fn visit_str<E>(self, text: &str) -> Result<Json, E> {
        Ok(Json::Text(text.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Json, A::Error> {
        let mut list = Vec::new();
        while let Some(item) = items.next_element()? {
            list.push(item);
        }
        Ok(Json::List(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<Json, A::Error> {
        let mut map = Vec::new();
        while let Some(entry) = entries.next_entry()? {
            map.push(entry);
        }
        Ok(Json::Map(map))
    }
}

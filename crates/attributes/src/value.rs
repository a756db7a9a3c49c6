//! Values of attributes, owned and borrowed.

use std::fmt::{self, Display as _};
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use crate::{Duration, Timestamp, Word, order};

/// What carries a value on the wire: one typed map of `CompressedAttributes` each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Kind {
    /// `strings`
    String,
    /// `int64s`
    Int64,
    /// `doubles`
    Double,
    /// `bools`
    Bool,
    /// `timestamps`
    Timestamp,
    /// `durations`
    Duration,
    /// `bytes`, also IP addresses
    Bytes,
    /// `string_maps`
    StringMap,
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::String => "string",
            Self::Int64 => "int64",
            Self::Double => "double",
            Self::Bool => "bool",
            Self::Timestamp => "timestamp",
            Self::Duration => "duration",
            Self::Bytes => "bytes",
            Self::StringMap => "string map",
        })
    }
}

/// The value of an attribute. Equality is full and typed; doubles are equal if their bits are, and the two zeros are
/// one, since the wire does not keep them apart.
#[derive(Debug, Clone)]
pub enum Value {
    /// Text.
    String(Word),
    /// A signed integer.
    Int64(i64),
    /// A floating point number.
    Double(f64),
    /// True or false.
    Bool(bool),
    /// A point in time.
    Timestamp(Timestamp),
    /// A span of time.
    Duration(Duration),
    /// Bytes, in practice the 4 or 16 of an IP address.
    Bytes(Arc<[u8]>),
    /// A map from text to text.
    StringMap(Arc<StringMap>),
}

/// A borrowed [`Value`].
#[derive(Debug, Clone, Copy)]
pub enum ValueRef<'a> {
    /// Text.
    String(&'a str),
    /// A signed integer.
    Int64(i64),
    /// A floating point number.
    Double(f64),
    /// True or false.
    Bool(bool),
    /// A point in time.
    Timestamp(Timestamp),
    /// A span of time.
    Duration(Duration),
    /// Bytes.
    Bytes(&'a [u8]),
    /// A map from text to text.
    StringMap(&'a StringMap),
}

// === impl Value ===

impl Value {
    /// The value, borrowed.
    pub fn as_ref(&self) -> ValueRef<'_> {
        match self {
            Self::String(v) => ValueRef::String(v),
            Self::Int64(v) => ValueRef::Int64(*v),
            Self::Double(v) => ValueRef::Double(*v),
            Self::Bool(v) => ValueRef::Bool(*v),
            Self::Timestamp(v) => ValueRef::Timestamp(*v),
            Self::Duration(v) => ValueRef::Duration(*v),
            Self::Bytes(v) => ValueRef::Bytes(v),
            Self::StringMap(v) => ValueRef::StringMap(v),
        }
    }

    /// What carries the value.
    pub fn kind(&self) -> Kind {
        self.as_ref().kind()
    }

    /// About how many bytes of memory the value holds, itself included.
    pub fn weight(&self) -> usize {
        size_of::<Self>() + self.as_ref().payload_len()
    }
}

impl PartialEq for Value {
    fn eq(&self, other: &Self) -> bool {
        match (self, other) {
            // What two bags share is not compared.
            (Self::String(a), Self::String(b)) => a == b,
            (Self::StringMap(a), Self::StringMap(b)) if Arc::ptr_eq(a, b) => true,
            _ => self.as_ref() == other.as_ref(),
        }
    }
}

impl Eq for Value {}

impl Hash for Value {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_ref().hash(state);
    }
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Self::String(text.into())
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Self::Int64(number)
    }
}

impl From<bool> for Value {
    fn from(truth: bool) -> Self {
        Self::Bool(truth)
    }
}

impl From<StringMap> for Value {
    fn from(map: StringMap) -> Self {
        Self::StringMap(Arc::new(map))
    }
}

impl fmt::Display for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.as_ref().fmt(f)
    }
}

// === impl ValueRef ===

impl ValueRef<'_> {
    /// An owned copy.
    pub fn to_value(self) -> Value {
        match self {
            Self::String(v) => Value::String(v.into()),
            Self::Int64(v) => Value::Int64(v),
            Self::Double(v) => Value::Double(v),
            Self::Bool(v) => Value::Bool(v),
            Self::Timestamp(v) => Value::Timestamp(v),
            Self::Duration(v) => Value::Duration(v),
            Self::Bytes(v) => Value::Bytes(v.into()),
            Self::StringMap(v) => Value::StringMap(Arc::new(v.clone())),
        }
    }

    /// Writes the value as it is displayed, but for a double, which the caller has written in a way of their own.
    pub fn write(
        self,
        f: &mut fmt::Formatter<'_>,
        double: impl FnOnce(&mut fmt::Formatter<'_>, f64) -> fmt::Result,
    ) -> fmt::Result {
        match self {
            Self::String(v) => f.write_str(v),
            Self::Int64(v) => v.fmt(f),
            Self::Double(v) => double(f, v),
            Self::Bool(v) => v.fmt(f),
            Self::Timestamp(v) => v.fmt(f),
            Self::Duration(v) => v.fmt(f),
            Self::Bytes(v) => match crate::text::ip_of(v) {
                Some(ip) => ip.fmt(f),
                None => v.iter().try_for_each(|byte| write!(f, "{byte:02x}")),
            },
            Self::StringMap(v) => {
                f.write_str("{")?;
                for (i, (key, value)) in v.iter().enumerate() {
                    let comma = if i == 0 { "" } else { ", " };
                    write!(f, "{comma}{key}: {value}")?;
                }
                f.write_str("}")
            }
        }
    }

    /// What carries the value.
    pub fn kind(self) -> Kind {
        match self {
            Self::String(_) => Kind::String,
            Self::Int64(_) => Kind::Int64,
            Self::Double(_) => Kind::Double,
            Self::Bool(_) => Kind::Bool,
            Self::Timestamp(_) => Kind::Timestamp,
            Self::Duration(_) => Kind::Duration,
            Self::Bytes(_) => Kind::Bytes,
            Self::StringMap(_) => Kind::StringMap,
        }
    }

    /// Whether two values of one kind are equal; `None` if they are not of one kind.
    #[inline]
    pub fn same(self, other: Self) -> Option<bool> {
        Some(match (self, other) {
            (Self::String(a), Self::String(b)) => a == b,
            (Self::Int64(a), Self::Int64(b)) => a == b,
            (Self::Double(a), Self::Double(b)) => double_bits(a) == double_bits(b),
            (Self::Bool(a), Self::Bool(b)) => a == b,
            (Self::Timestamp(a), Self::Timestamp(b)) => a == b,
            (Self::Duration(a), Self::Duration(b)) => a == b,
            (Self::Bytes(a), Self::Bytes(b)) => a == b,
            (Self::StringMap(a), Self::StringMap(b)) => a == b,
            (
                Self::String(_)
                | Self::Int64(_)
                | Self::Double(_)
                | Self::Bool(_)
                | Self::Timestamp(_)
                | Self::Duration(_)
                | Self::Bytes(_)
                | Self::StringMap(_),
                _,
            ) => return None,
        })
    }

    fn payload_len(self) -> usize {
        match self {
            Self::String(v) => v.len(),
            Self::Bytes(v) => v.len(),
            Self::StringMap(v) => v.iter().map(|(k, v)| 2 * size_of::<Word>() + k.len() + v.len()).sum(),
            Self::Int64(_) | Self::Double(_) | Self::Bool(_) | Self::Timestamp(_) | Self::Duration(_) => 0,
        }
    }
}

impl PartialEq for ValueRef<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.same(*other) == Some(true)
    }
}

impl Eq for ValueRef<'_> {}

impl Hash for ValueRef<'_> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.kind().hash(state);
        match self {
            Self::String(v) => v.hash(state),
            Self::Int64(v) => v.hash(state),
            Self::Double(v) => double_bits(*v).hash(state),
            Self::Bool(v) => v.hash(state),
            Self::Timestamp(v) => v.hash(state),
            Self::Duration(v) => v.hash(state),
            Self::Bytes(v) => v.hash(state),
            Self::StringMap(v) => v.hash(state),
        }
    }
}

/// As an operator reads it: text as it is, addresses in their usual notation, maps as `{key: value}`.
impl fmt::Display for ValueRef<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.write(f, |f, number| number.fmt(f))
    }
}

/// The bits of a number; adding zero makes a negative zero a positive one and nothing else.
fn double_bits(number: f64) -> u64 {
    (number + 0.0).to_bits()
}

// === StringMap ===

/// A map from text to text, sorted by key.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub struct StringMap(Vec<(Word, Word)>);

impl StringMap {
    /// A map of entries that are in order, each key once.
    pub(crate) fn from_sorted(entries: Vec<(Word, Word)>) -> Self {
        debug_assert!(entries.is_sorted_by(|(a, _), (b, _)| a < b), "{entries:?}");
        Self(entries)
    }

    /// A map of entries in any order. Of those with one key the last counts, unless two of them, by their places, are not to
    /// be taken for the same: the error is the key.
    pub(crate) fn from_unsorted(
        mut entries: Vec<(Word, Word)>,
        are_different: &dyn Fn(usize, usize) -> bool,
    ) -> Result<Self, Word> {
        let key = |at: usize| entries.get(at).map(|(key, _)| key);
        let order = order::sorted(entries.len(), &|a, b| key(a).cmp(&key(b)));
        let mut sorted: Vec<(Word, Word)> = Vec::with_capacity(entries.len());
        let mut before = 0;
        for at in order {
            let Some(entry) = entries.get_mut(at).map(std::mem::take) else { continue };
            match sorted.last_mut() {
                Some(last) if last.0 == entry.0 => {
                    if are_different(before, at) {
                        return Err(entry.0);
                    }
                    *last = entry;
                }
                Some(_) | None => sorted.push(entry),
            }
            before = at;
        }
        Ok(Self(sorted))
    }

    /// The value under a key.
    pub fn get(&self, key: &str) -> Option<&str> {
        let index = self.0.binary_search_by(|(k, _)| k.as_str().cmp(key)).ok()?;
        self.0.get(index).map(|(_, value)| value.as_str())
    }

    /// The entries, sorted by key.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = (&Word, &Word)> {
        self.0.iter().map(|(key, value)| (key, value))
    }

    /// The number of entries.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// Of several entries with one key the last counts.
impl<K: Into<Word>, V: Into<Word>> FromIterator<(K, V)> for StringMap {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(entries: I) -> Self {
        let entries = entries.into_iter().map(|(key, value)| (key.into(), value.into())).collect();
        Self::from_unsorted(entries, &|_, _| false).unwrap_or_default()
    }
}

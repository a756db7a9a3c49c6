//! Words: texts that are shared and not copied.

use std::borrow::{Borrow, Cow};
use std::cmp::Ordering;
use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::Deref;
use std::sync::Arc;

/// A text that is cheap to clone.
///
/// One that is there for as long as the process, as the words of a deployment's dictionary are, has no owners to count: a
/// count would be written for each attribute of each request, by all processors to the same few places.
#[derive(Clone)]
pub struct Word(Text);

#[derive(Clone)]
enum Text {
    /// Not in the filter: where nobody else writes, to count takes no longer than to tell the two apart.
    #[cfg(not(target_family = "wasm"))]
    Lasting(&'static str),
    Owned(Arc<str>),
}

impl Word {
    /// A text that lasts.
    pub fn lasting(text: &'static str) -> Self {
        #[cfg(target_family = "wasm")]
        return text.into();
        #[cfg(not(target_family = "wasm"))]
        Self(Text::Lasting(text))
    }

    /// The text.
    #[inline]
    pub fn as_str(&self) -> &str {
        match &self.0 {
            #[cfg(not(target_family = "wasm"))]
            Text::Lasting(text) => text,
            Text::Owned(text) => text,
        }
    }
}

/// Most words that are compared are clones of one, which a glance tells.
impl PartialEq for Word {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        let (a, b) = (self.as_str(), other.as_str());
        a.len() == b.len() && (a.as_ptr() == b.as_ptr() || a == b)
    }
}

impl Eq for Word {}

impl PartialOrd for Word {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Word {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

/// As the text is hashed, which looks up words.
impl Hash for Word {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_str().hash(state);
    }
}

impl Default for Word {
    fn default() -> Self {
        Self::lasting("")
    }
}

impl Deref for Word {
    type Target = str;

    #[inline]
    fn deref(&self) -> &str {
        self.as_str()
    }
}

impl AsRef<str> for Word {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl Borrow<str> for Word {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl From<&str> for Word {
    fn from(text: &str) -> Self {
        Self(Text::Owned(text.into()))
    }
}

impl From<String> for Word {
    fn from(text: String) -> Self {
        Self(Text::Owned(text.into()))
    }
}

impl From<Cow<'_, str>> for Word {
    fn from(text: Cow<'_, str>) -> Self {
        Self(Text::Owned(text.into()))
    }
}

impl From<Arc<str>> for Word {
    fn from(text: Arc<str>) -> Self {
        Self(Text::Owned(text))
    }
}

impl From<&Arc<str>> for Word {
    fn from(text: &Arc<str>) -> Self {
        Self(Text::Owned(Arc::clone(text)))
    }
}

impl From<&Self> for Word {
    fn from(word: &Self) -> Self {
        word.clone()
    }
}

/// Copies a text that lasts.
impl From<Word> for Arc<str> {
    fn from(word: Word) -> Self {
        match word.0 {
            #[cfg(not(target_family = "wasm"))]
            Text::Lasting(text) => text.into(),
            Text::Owned(text) => text,
        }
    }
}

impl fmt::Display for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self.as_str(), f)
    }
}

impl fmt::Debug for Word {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(self.as_str(), f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_their_texts_wherever_these_lie() {
        let (lasting, owned) = (Word::lasting("a"), Word::from("a"));
        assert_eq!(lasting, owned);
        assert_eq!(lasting.cmp(&owned), Ordering::Equal);
        assert!(Word::lasting("b") > owned && owned != Word::lasting("b"));
        let mut known: hashbrown::HashSet<Word> = [lasting.clone()].into_iter().collect();
        assert!(known.contains("a") && !known.insert(owned));
        assert_eq!(Arc::<str>::from(lasting), "a".into());
    }

    #[test]
    fn a_value_is_no_larger_for_them() {
        assert_eq!(size_of::<crate::Value>(), size_of::<Word>().max(24));
    }
}

//! The deployment-wide dictionary: words that both sides know by number.

use hashbrown::HashMap;
use thiserror::Error;

use crate::{Word, limits};

/// FNV-1a of 64 bits: enough to tell lists apart that nobody made to look alike.
const DIGEST_OF_NONE: u64 = 0xcbf2_9ce4_8422_2325;

fn digest_of(before: u64, word: &str) -> u64 {
    // No word has the byte 255, so words cannot run into each other.
    let bytes = word.bytes().chain([u8::MAX]);
    bytes.fold(before, |digest, byte| (digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3))
}

/// The words that a whole deployment agrees on. Word `n` has the index `n`, from 0.
///
/// A list is only ever appended to, so of two lists of different length the shorter is a prefix of the longer, and
/// a client and a server that differ still share that prefix.
#[derive(Debug, Clone, Default)]
pub struct Dictionary {
    words: Vec<Word>,
    /// At each index, the digest of the words up to there.
    digests: Vec<u64>,
    indices: HashMap<Word, u32>,
}

/// A list of words cannot serve as a dictionary.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidDictionary {
    /// A word occurs twice, so it has no single index.
    #[error("line {second}: word `{word}` is on line {first} already")]
    Duplicate {
        /// The word.
        word: String,
        /// The line, from 1, where it stands first.
        first: usize,
        /// The line, from 1, where it stands again.
        second: usize,
    },
    /// There are more words than the limit allows.
    #[error("{count} words, at most {} are allowed", limits::DICTIONARY_WORDS)]
    TooLong {
        /// How many there are.
        count: usize,
    },
}

impl Dictionary {
    /// Makes a dictionary of words in the order of their indices.
    pub fn new<W: Into<Word>>(words: impl IntoIterator<Item = W>) -> Result<Self, InvalidDictionary> {
        let words: Vec<Word> = words.into_iter().map(Into::into).collect();
        if words.len() > limits::DICTIONARY_WORDS {
            return Err(InvalidDictionary::TooLong { count: words.len() });
        }
        let mut indices = HashMap::with_capacity(words.len());
        for (index, word) in words.iter().enumerate() {
            if let Some(first) = indices.insert(word.clone(), index as u32) {
                return Err(InvalidDictionary::Duplicate {
                    word: word.as_str().to_owned(),
                    first: first as usize + 1,
                    second: index + 1,
                });
            }
        }
        let digests = words
            .iter()
            .scan(DIGEST_OF_NONE, |digest, word| {
                *digest = digest_of(*digest, word);
                Some(*digest)
            })
            .collect();
        Ok(Self { words, digests, indices })
    }

    /// Reads a dictionary from text, one word a line. A line is a word as it stands: there are no comments, since
    /// any text can be a word.
    ///
    /// The text is there for as long as the process, so that the attributes of requests can use its words uncounted.
    pub fn parse(text: &'static str) -> Result<Self, InvalidDictionary> {
        Self::new(text.lines().map(Word::lasting))
    }

    /// The number of words.
    pub fn len(&self) -> usize {
        self.words.len()
    }

    /// Whether there are no words.
    pub fn is_empty(&self) -> bool {
        self.words.is_empty()
    }

    /// Names the first `count` words: lists of the same words in the same order have the same digest, others another.
    /// `None` if there are not so many words.
    pub fn digest(&self, count: usize) -> Option<u64> {
        match count.checked_sub(1) {
            None => Some(DIGEST_OF_NONE),
            Some(last) => self.digests.get(last).copied(),
        }
    }

    /// The word at an index.
    pub fn word(&self, index: usize) -> Option<&Word> {
        self.words.get(index)
    }

    /// All words, each at its index.
    pub(crate) fn words(&self) -> &[Word] {
        &self.words
    }

    /// The index of a word.
    pub fn index(&self, word: &str) -> Option<usize> {
        self.indices.get(word).map(|index| *index as usize)
    }
}

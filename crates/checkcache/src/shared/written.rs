//! What is said about a verdict that was found, in the form in which it is sent.
//!
//! It is written when the verdict is found for the first time, since most are never found, and kept beside it. All of it
//! together takes a part of the bytes that the cache may take, on top of them; when that is full, what is not kept yet
//! is written for each request.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What was written about one verdict.
#[derive(Debug)]
pub(super) struct Written {
    text: Box<[u8]>,
    space: Arc<Space>,
}

/// Room for all that is written.
#[derive(Debug)]
pub(super) struct Space {
    bytes: AtomicUsize,
    /// How much the last one took that there was no room for.
    refused: AtomicUsize,
    most: usize,
}

impl Space {
    pub(super) fn new(most: usize) -> Self {
        Self { bytes: AtomicUsize::new(0), refused: AtomicUsize::new(0), most }
    }

    /// How many bytes there are.
    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether there is none for one like the last that got none: then none need be written to be kept.
    pub(super) fn is_full(&self) -> bool {
        self.bytes().saturating_add(self.refused.load(Ordering::Relaxed)) > self.most
    }

    /// Gives room to a text, if there is enough.
    pub(super) fn keep(self: &Arc<Self>, text: Vec<u8>) -> Option<Written> {
        let weight = Written::weight(&text);
        if self.bytes.fetch_add(weight, Ordering::Relaxed) + weight > self.most {
            self.bytes.fetch_sub(weight, Ordering::Relaxed);
            self.refused.store(weight, Ordering::Relaxed);
            return None;
        }
        Some(Written { text: text.into_boxed_slice(), space: Arc::clone(self) })
    }
}

impl Written {
    pub(super) fn text(&self) -> &[u8] {
        &self.text
    }

    /// About how many bytes of memory a text takes; where it is kept there is a place for it in any case.
    fn weight(text: &[u8]) -> usize {
        text.len() + size_of::<usize>() * 2
    }
}

impl Drop for Written {
    fn drop(&mut self) {
        self.space.bytes.fetch_sub(Self::weight(&self.text), Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_so_much_and_it_comes_back() {
        let space = Arc::new(Space::new(300));
        let first = space.keep(vec![1; 100]);
        let second = space.keep(vec![2; 100]);
        assert_eq!(first.as_ref().map(Written::text), Some(&[1; 100][..]));
        assert!(second.is_some() && !space.is_full() && space.keep(vec![3; 100]).is_none());
        assert!(space.is_full());
        drop(first);
        assert!(!space.is_full());
        assert!(space.keep(vec![3; 100]).is_some());
        drop(second);
        assert_eq!(space.bytes(), 0);
    }
}

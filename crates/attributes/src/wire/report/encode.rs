//! Bags → report.

use proto::v1;
use proto::v1::report_request::RepeatedAttributesSemantics as Semantics;

use super::super::Compressor;
use crate::{Bag, Dictionary};

/// How the messages of a report relate to each other.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ReportEncoding {
    /// Each is complete: what every Mixer since 1.1 understands.
    Independent,
    /// Each holds what differs from the one before, and the names that are gone: for a server that said that it understands.
    Changes,
}

/// Makes one message of each bag, all with the same words.
#[derive(Debug)]
pub struct ReportEncoder<'d, 'b> {
    words: Compressor<'d>,
    encoding: ReportEncoding,
    before: Option<&'b Bag>,
    messages: Vec<v1::CompressedAttributes>,
}

impl<'d, 'b> ReportEncoder<'d, 'b> {
    /// An encoder that uses the first `word_count` words of a dictionary, or all if it has fewer.
    pub fn new(dictionary: &'d Dictionary, word_count: usize, encoding: ReportEncoding) -> Self {
        let words = Compressor::new(dictionary, word_count);
        Self { words, encoding, before: None, messages: Vec::new() }
    }

    /// Adds a bag.
    pub fn add(&mut self, bag: &'b Bag) {
        let message = match (self.encoding, self.before) {
            (ReportEncoding::Independent, _) | (ReportEncoding::Changes, None) => self.words.add(bag),
            (ReportEncoding::Changes, Some(before)) => self.words.add_changes(before, bag),
        };
        self.before = Some(bag);
        self.messages.push(message);
    }

    /// The report, without what it is said to be about: revision and digest.
    pub fn finish(self) -> v1::ReportRequest {
        let Self { words, encoding, before: _, messages } = self;
        let (attributes, changes, semantics) = match encoding {
            ReportEncoding::Independent => (messages, Vec::new(), Semantics::IndependentEncoding),
            ReportEncoding::Changes => (Vec::new(), messages, Semantics::DeltaEncoding),
        };
        v1::ReportRequest {
            attributes,
            changes,
            global_word_count: words.word_count(),
            default_words: words.into_words(),
            repeated_attributes_semantics: semantics.into(),
            ..v1::ReportRequest::default()
        }
    }
}

//! Report → one bag for each of its messages.

use proto::v1;
use proto::v1::report_request::RepeatedAttributesSemantics as Semantics;
use thiserror::Error;

use super::{Expander, InvalidAttributes};
use crate::{Bag, Dictionary, limits};

/// A report cannot be read at all. A single message that cannot is an item of [`ReportDecoder`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidReport {
    /// The semantics is not one that we know.
    #[error("unknown repeated_attributes_semantics {0}")]
    UnknownSemantics(i32),
    /// There are more messages than the limit allows.
    #[error("{count} messages, at most {} are allowed", limits::REPORT_MESSAGES)]
    TooManyMessages {
        /// How many there are.
        count: usize,
    },
}

/// Yields the bags of a report's messages, in order.
///
/// Independent messages that cannot be read are errors of their own. Among deltas an error is the last item, since
/// what follows builds on it.
#[derive(Debug)]
pub struct ReportDecoder<'d> {
    dictionary: &'d Dictionary,
    word_count: u32,
    default_words: Expander<'d>,
    messages: std::vec::IntoIter<v1::CompressedAttributes>,
    /// The bag before, if messages are deltas.
    base: Option<Bag>,
}

impl<'d> ReportDecoder<'d> {
    /// A decoder for a report.
    pub fn new(report: v1::ReportRequest, dictionary: &'d Dictionary) -> Result<Self, InvalidReport> {
        let v1::ReportRequest {
            attributes,
            default_words,
            global_word_count,
            repeated_attributes_semantics,
            demand_revision: _,
            dictionary_digest: _,
        } = report;
        if attributes.len() > limits::REPORT_MESSAGES {
            return Err(InvalidReport::TooManyMessages { count: attributes.len() });
        }
        let base = match Semantics::try_from(repeated_attributes_semantics) {
            Ok(Semantics::DeltaEncoding) => Some(Bag::new()),
            Ok(Semantics::IndependentEncoding) => None,
            Err(_) => return Err(InvalidReport::UnknownSemantics(repeated_attributes_semantics)),
        };
        Ok(Self {
            dictionary,
            word_count: global_word_count,
            default_words: Expander::new(dictionary, global_word_count, default_words),
            messages: attributes.into_iter(),
            base,
        })
    }

    fn bag(&self, mut message: v1::CompressedAttributes) -> Result<Bag, InvalidAttributes> {
        if message.words.is_empty() {
            return self.default_words.bag(message);
        }
        let words = std::mem::take(&mut message.words);
        Expander::new(self.dictionary, self.word_count, words).bag(message)
    }
}

impl Iterator for ReportDecoder<'_> {
    type Item = Result<Bag, InvalidAttributes>;

    fn next(&mut self) -> Option<Self::Item> {
        let message = self.messages.next()?;
        let bag = match self.bag(message) {
            Ok(bag) => bag,
            Err(error) => {
                if self.base.is_some() {
                    self.messages = Vec::new().into_iter();
                }
                return Some(Err(error));
            }
        };
        let Some(base) = &mut self.base else { return Some(Ok(bag)) };
        base.extend(bag.iter().map(|(name, value)| (name.clone(), value.clone())));
        Some(Ok(base.clone()))
    }
}

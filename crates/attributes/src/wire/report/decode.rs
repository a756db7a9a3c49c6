//! Report → bags.

use proto::v1;
use proto::v1::report_request::RepeatedAttributesSemantics as Semantics;
use thiserror::Error;

use super::super::expand::Weighed;
use super::super::{Expander, InvalidAttributes};
use crate::{Bag, Dictionary, limits};

/// A report cannot be read at all. A single message that cannot is an item of [`ReportDecoder`].
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum InvalidReport {
    /// The semantics is not one that we know.
    #[error("unknown repeated_attributes_semantics {0}")]
    UnknownSemantics(i32),
    /// There are messages in both of the fields that can have them.
    #[error("messages in `attributes` and in `changes`, one of them is allowed")]
    MessagesTwice,
    /// There are more messages than the limit allows.
    #[error("{count} messages, at most {} are allowed", limits::REPORT_MESSAGES)]
    TooManyMessages {
        /// How many there are.
        count: usize,
    },
}

/// Yields the bags of a report's messages, in order.
///
/// Independent messages that cannot be read are errors of their own. Among those that build on each other an error is the
/// last item.
#[derive(Debug)]
pub struct ReportDecoder<'d> {
    dictionary: &'d Dictionary,
    word_count: u32,
    default_words: Expander<'d>,
    messages: std::vec::IntoIter<v1::CompressedAttributes>,
    /// Whether each message holds what differs from the one before.
    builds: bool,
    /// The bag of the message before.
    before: Weighed,
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
            changes,
        } = report;
        let (messages, builds) = match Semantics::try_from(repeated_attributes_semantics) {
            Ok(_) if !changes.is_empty() && !attributes.is_empty() => {
                return Err(InvalidReport::MessagesTwice);
            }
            Ok(_) if !changes.is_empty() => (changes, true),
            Ok(Semantics::DeltaEncoding) => (attributes, true),
            Ok(Semantics::IndependentEncoding) => (attributes, false),
            Err(_) => return Err(InvalidReport::UnknownSemantics(repeated_attributes_semantics)),
        };
        if messages.len() > limits::REPORT_MESSAGES {
            return Err(InvalidReport::TooManyMessages { count: messages.len() });
        }
        Ok(Self {
            dictionary,
            word_count: global_word_count,
            default_words: Expander::new(dictionary, global_word_count, default_words),
            messages: messages.into_iter(),
            builds,
            before: Weighed::default(),
        })
    }

    /// How many messages there are still.
    pub fn remaining(&self) -> usize {
        self.messages.len()
    }

    /// The bag of the next message, lent until the one after is asked for.
    pub fn next_bag(&mut self) -> Option<Result<&Bag, InvalidAttributes>> {
        self.next_weighed().map(|read| read.map(|(bag, _)| bag))
    }

    /// The bag of the next message, lent until the one after is asked for, and its weight, which is not summed up each time.
    pub fn next_weighed(&mut self) -> Option<Result<(&Bag, usize), InvalidAttributes>> {
        let message = self.messages.next()?;
        match self.read(message) {
            Ok(()) => Some(Ok((&self.before.bag, self.before.weight))),
            Err(error) => {
                if self.builds {
                    self.messages = Vec::new().into_iter();
                }
                Some(Err(error))
            }
        }
    }

    fn read(&mut self, mut message: v1::CompressedAttributes) -> Result<(), InvalidAttributes> {
        let own;
        let words = if message.words.is_empty() {
            &self.default_words
        } else {
            own = Expander::new(self.dictionary, self.word_count, std::mem::take(&mut message.words));
            &own
        };
        if self.builds {
            return words.change(&mut self.before, message);
        }
        let bag = words.bag(message)?;
        self.before = Weighed { weight: bag.weight(), bag };
        Ok(())
    }
}

impl Iterator for ReportDecoder<'_> {
    type Item = Result<Bag, InvalidAttributes>;

    fn next(&mut self) -> Option<Self::Item> {
        self.next_bag().map(Result::<&Bag, _>::cloned)
    }
}

//! Renewals: a verdict that was found in the last tenth of its life is asked for again, in nobody's way.
//!
//! The request that found it goes on with what was found. So a verdict that is in use never expires under a request
//! that would then have to wait. A renewal that does not succeed is forgotten: the verdict expires in its time.

use std::collections::VecDeque;

use attributes::Bag;
use checkcache::{Revision, Root, Tick, Vacancy};

use crate::answer::capped;
use crate::wire::Content;
use crate::{Answer, Call, Client, Counter, Effect, Now, RenewalId, limits, wire};

/// The renewals that wait for the next tick, and those on their way.
#[derive(Debug, Default)]
pub(crate) struct Renewals {
    waiting: VecDeque<Renewal>,
    sent: Vec<Sent>,
    count: u32,
}

/// A request whose verdict is to be renewed.
#[derive(Debug)]
pub(crate) struct Renewal {
    /// Its attributes, as far as the policy reads them under `demanded`.
    pub(crate) bag: Bag,
    pub(crate) demanded: Revision,
    pub(crate) vacancy: Vacancy,
}

#[derive(Debug)]
struct Sent {
    id: RenewalId,
    renewal: Renewal,
    word_count: u32,
    deadline: Tick,
    token: Option<u32>,
}

impl Renewals {
    /// Whether there is room for one more.
    pub(crate) fn has_room(&self) -> bool {
        self.waiting.len() + self.sent.len() < limits::RENEWALS
    }

    pub(crate) fn add(&mut self, renewal: Renewal) {
        self.waiting.push_back(renewal);
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.sent.is_empty()
    }

    fn settle(&mut self, id: RenewalId) -> Option<Sent> {
        let index = self.sent.iter().position(|sent| sent.id == id)?;
        Some(self.sent.swap_remove(index))
    }
}

impl Client {
    pub(crate) fn due_renewals(&mut self, now: Now) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.renewals.sent.retain(|sent| {
            let is_overdue = sent.deadline <= now.tick;
            if is_overdue {
                effects.extend(sent.token.map(|token| Effect::Cancel { token }));
            }
            !is_overdue
        });
        while let Some(renewal) = self.renewals.waiting.pop_front() {
            self.counters.count(Counter::Renewals);
            self.renewals.count = self.renewals.count.wrapping_add(1);
            let (id, word_count) = (RenewalId(self.renewals.count), self.word_count);
            let dictionary = &self.config.dictionary;
            // Nothing is allocated for a renewal, so there is nothing to count once only.
            let (bag, demanded) = (&renewal.bag, renewal.demanded);
            let message = wire::encode_check(bag, demanded, dictionary, word_count, String::new(), []);
            let timeout = self.config.check_timeout;
            let deadline = now.tick.after(timeout);
            self.renewals.sent.push(Sent { id, renewal, word_count, deadline, token: None });
            let call = Call { method: proto::path::CHECK, message, timeout };
            effects.push(Effect::Renew { renewal: id, call });
        }
        effects
    }

    /// A renewal is on its way; the shell knows its call by a number.
    pub fn on_renewal_sent(&mut self, id: RenewalId, token: u32) {
        if let Some(sent) = self.renewals.sent.iter_mut().find(|sent| sent.id == id) {
            sent.token = Some(token);
        }
    }

    /// A renewal was answered, or is lost.
    pub fn on_renewal_answer(&mut self, id: RenewalId, answer: Answer<'_>, now: Now) -> Vec<Effect> {
        let Some(sent) = self.renewals.settle(id) else { return Vec::new() };
        let message = match answer {
            Ok(message) => message,
            Err(failure) => {
                let warning = format!("a verdict is not renewed: {}", failure.message);
                return self.warn(warning, now).into_iter().collect();
            }
        };
        let Renewal { bag, vacancy, demanded: _ } = sent.renewal;
        let Ok(answer) = wire::decode_check(message, &self.config.dictionary, sent.word_count, &[], &bag)
        else {
            return Vec::new();
        };
        // Where the server wants more attributes, or the trace is of no use, the verdict expires in its time.
        if let Content::Precondition(precondition) = answer.content
            && let Ok(trace) = precondition.trace
        {
            let root = Root { revision: answer.revision, quota: None };
            self.cache.insert(vacancy, &root, trace, capped(&precondition.verdict), now.tick);
        }
        Vec::new()
    }
}

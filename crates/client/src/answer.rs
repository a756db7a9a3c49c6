//! What the server's answers to checks change: the stream that waits, the cache, and what is known of the server.

use attributes::wire::DictionaryMismatch;
use checkcache::wire::Precondition;
use checkcache::{Revision, Root, RouteDirective, Validity, Verdict};

use crate::attribute::Phase;
use crate::check::{said, view};
use crate::demand::{Demand, Demanded};
use crate::explain::{self, Origin};
use crate::failure::FailurePolicy;
use crate::quota::{self, Answered};
use crate::stream::{Calling, Extent, State, Stream, allow, apply, refuse};
use crate::wire::Content;
use crate::{Answer, Client, Counter, Effect, FailureClass, GrpcFailure, Host, Now, StreamId, limits, wire};

impl Client {
    pub(crate) fn answered(
        &mut self,
        id: StreamId,
        stream: &mut Stream,
        answer: Answer<'_>,
        host: &dyn Host,
        now: Now,
    ) -> Vec<Effect> {
        let State::Calling(calling) = &mut stream.state else { return Vec::new() };
        let mut effects = Vec::new();
        let message = match answer {
            Ok(message) => message,
            Err(failure) => {
                // Not the server's word about the request: the line is lost.
                if calling.ticket.take().is_some() {
                    self.line.give_up();
                    if self.is_charged_once(calling, now) {
                        self.counters.count(Counter::RemoteCallSendErrors);
                        self.counters.count(Counter::RemoteCallRetries);
                        return vec![self.call(id, &stream.attributes, calling, host, now)];
                    }
                }
                if self.shrink(calling, &failure) {
                    return vec![self.call(id, &stream.attributes, calling, host, now)];
                }
                let class = failure.class();
                self.count_failed_call(class);
                self.fail(id, stream, class, &failure.message, now, &mut effects);
                return effects;
            }
        };
        let view = view(&self.config, &stream.attributes, host, Phase::Check);
        let (dictionary, words) = (&self.config.dictionary, calling.word_count);
        let answer = match wire::decode_check(message, dictionary, words, &calling.charges, &view) {
            Ok(answer) => answer,
            Err(error) => {
                self.counters.count(Counter::RemoteCallOtherErrors);
                let why = format!("the answer to a check is of no use: {error}");
                self.fail(id, stream, FailureClass::BadResponse, &why, now, &mut effects);
                return effects;
            }
        };
        self.counters.count(Counter::RemoteCallSuccesses);
        self.seed(answer.hash_seed);
        self.learn_words(answer.words);
        match answer.content {
            Content::Precondition(precondition) if precondition.is_about_another_request() => {
                let why = "the verdict's trace is not what the request is";
                self.fail(id, stream, FailureClass::BadResponse, why, now, &mut effects);
            }
            Content::Precondition(precondition) => {
                let answered = (answer.revision, *precondition, answer.quotas);
                self.judged(id, stream, answered, host, now, &mut effects);
            }
            Content::Demand(demand) => {
                if self.widen(calling, answer.revision, demand) {
                    effects.push(self.call(id, &stream.attributes, calling, host, now));
                } else {
                    let why = "the server wants more than all that is known";
                    self.fail(id, stream, FailureClass::BadResponse, why, now, &mut effects);
                }
            }
        }
        effects
    }

    /// Whether a check that was on its way for some time may be asked again as it is.
    fn is_charged_once(&self, calling: &Calling, now: Now) -> bool {
        let age = self.config.check_timeout.saturating_sub(calling.deadline.since(now.tick));
        calling.charges.is_empty() || age < limits::CHARGED_ONCE
    }

    /// Looks up under another revision from now on.
    pub(crate) fn adopt(&mut self, revision: Revision) {
        self.counters.count(Counter::RevisionChanges);
        self.revision = revision;
        self.cache.retain(revision);
        self.quotas.retain(revision);
    }

    /// The server has decided: stores the verdict, and does what it says.
    fn judged(
        &mut self,
        id: StreamId,
        stream: &mut Stream,
        (revision, precondition, answers): (Revision, Precondition, Vec<Option<Answered>>),
        host: &dyn Host,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        // Where there is a feed, it says what is in force; an answer may come from a server that is behind.
        let asked_under = match &stream.state {
            State::Calling(calling) => calling.asked_under,
            State::Unchecked | State::Allowed { .. } | State::Answered { .. } => self.revision,
        };
        // An answer that was asked for before the last change may itself be from before it.
        let is_news = revision != self.revision && asked_under == self.revision;
        if self.feed.yields_to_answer(!is_news, now.tick) && is_news {
            self.adopt(revision);
        } else if revision == self.revision {
            self.feed.agrees();
        }
        let Precondition { verdict, trace, .. } = precondition;
        let vacancy = match &mut stream.state {
            State::Calling(calling) => {
                let origin = Origin::Server(calling.missed);
                let vacancy = calling.vacancy.take();
                explain::note(
                    stream,
                    origin,
                    revision,
                    &verdict,
                    trace.as_ref().map_err(ToString::to_string),
                );
                vacancy
            }
            State::Unchecked | State::Allowed { .. } | State::Answered { .. } => None,
        };
        match (trace, vacancy) {
            (Ok(_), _) if !verdict.validity.is_cacheable() => self.counters.count(Counter::Uncacheable),
            (Ok(trace), Some(vacancy)) => {
                let root = Root { revision, quota: None };
                let mut stored = verdict.clone();
                stored.validity =
                    stored.validity.fold(Validity::For { ttl: limits::VERDICT_TTL, uses: None });
                self.cache.insert(vacancy, &root, trace, stored, now.tick);
            }
            (Err(why), _) => {
                self.counters.count(Counter::Uncacheable);
                effects.extend(self.warn(format!("a verdict is not cached: {why}"), now));
            }
            (Ok(_), None) => {}
        }
        self.admit(id, stream, (revision, verdict, answers), host, now, effects);
    }

    /// Does what the server's verdict says, if the request has the tokens that it needs.
    fn admit(
        &mut self,
        id: StreamId,
        stream: &mut Stream,
        (revision, verdict, answers): (Revision, Verdict, Vec<Option<Answered>>),
        host: &dyn Host,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        let (charges, was_hit) = match &mut stream.state {
            State::Calling(calling) => (std::mem::take(&mut calling.charges), calling.hit.is_some()),
            State::Unchecked | State::Allowed { .. } | State::Answered { .. } => (Vec::new(), false),
        };
        if !was_hit {
            self.counters.count(if verdict.status.is_ok() {
                Counter::RemoteCheckAccepts
            } else {
                Counter::RemoteCheckDenies
            });
        }
        if charges.is_empty() || !verdict.status.is_ok() {
            return apply(id, stream, verdict, was_hit, effects);
        }
        let unanswered = answers.iter().filter(|answered| quota::is_unanswered(answered.as_ref())).count();
        if unanswered > 0 {
            self.counters.add(Counter::QuotaFailures, unanswered);
            let warning = format!("the server failed at {unanswered} quotas of a request");
            effects.extend(self.warn(warning, now));
        }
        let view = view(&self.config, &stream.attributes, host, Phase::Check);
        let said = || said(self.demanded.as_ref(), &view, Extent::Demanded);
        let in_force = Some(revision).filter(|revision| *revision == self.revision);
        match self.quotas.settle(&charges, answers, in_force, &view, &said, now.tick) {
            Ok(()) => {
                self.counters.count(Counter::RemoteQuotaAccepts);
                apply(id, stream, verdict, was_hit, effects);
            }
            Err(denial) => {
                self.counters.count(Counter::RemoteQuotaDenies);
                refuse(id, stream, denial.status(), was_hit, effects);
            }
        }
    }

    pub(crate) fn count_failed_call(&mut self, class: FailureClass) {
        self.counters.count(match class {
            FailureClass::Timeout => Counter::RemoteCallTimeouts,
            FailureClass::Unreachable => Counter::RemoteCallSendErrors,
            FailureClass::ServerError
            | FailureClass::Overloaded
            | FailureClass::BadResponse
            | FailureClass::NoConfig => Counter::RemoteCallOtherErrors,
        });
    }

    /// Uses the words of the dictionary that a server proved to have.
    pub(crate) fn learn_words(&mut self, (count, digest): (u32, u64)) {
        if count > 0 && self.config.dictionary.digest(count as usize) == Some(digest) {
            self.word_count = count;
        }
    }

    /// Uses the seed that a server sent, before anything is stored under another.
    pub(crate) fn seed(&mut self, seed: Option<[u8; 16]>) {
        if let Some(seed) = seed.filter(|_| self.server.is_none()) {
            self.cache.reseed(seed);
            self.quotas.reseed(seed);
            self.server = Some(seed);
        }
    }

    /// Whether to ask once more, with more attributes: what the server reads, or if that was not enough, all.
    fn widen(&mut self, calling: &mut Calling, revision: Revision, demand: Demand) -> bool {
        self.counters.count(Counter::StaleDemand);
        calling.token = None;
        calling.extent = match calling.extent {
            Extent::Demanded => {
                self.demanded = Some(Demanded { revision, check: Some(demand), report: None });
                Extent::DemandedAnew
            }
            Extent::DemandedAnew => Extent::Everything,
            Extent::Everything => return false,
        };
        self.counters.count(Counter::RemoteCallRetries);
        true
    }

    /// Whether to ask once more with all words in the message, because the server does not know those that were used by
    /// number. A list of our own is no prefix of another's, however long that one is.
    fn shrink(&mut self, calling: &mut Calling, failure: &GrpcFailure) -> bool {
        if calling.word_count == 0 || DictionaryMismatch::parse(&failure.message).is_none() {
            return false;
        }
        (calling.word_count, calling.token) = (0, None);
        self.word_count = 0;
        self.counters.count(Counter::RemoteCallOtherErrors);
        self.counters.count(Counter::RemoteCallRetries);
        true
    }

    /// The one place where a failed check becomes a decision.
    pub(crate) fn fail(
        &mut self,
        id: StreamId,
        stream: &mut Stream,
        class: FailureClass,
        why: &str,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        if let State::Calling(Calling { hit, generation, .. }) = &mut stream.state
            && let Some(verdict) = hit.take()
            // What was dropped while the server was asked is nobody's verdict any more.
            && *generation == self.cache.generation()
        {
            return self.fail_quota(id, stream, (class, why), *verdict, now, effects);
        }
        let policy = self.config.failure.of(class);
        let (outcome, done) = match policy {
            FailurePolicy::Open => (Counter::FailedOpen, "let through"),
            FailurePolicy::Closed => (Counter::FailedClosed, "refused"),
        };
        self.counters.count(outcome);
        effects.extend(self.warn(format!("a check failed ({}), request {done}: {why}", class.name()), now));
        match policy {
            FailurePolicy::Open => {
                self.counters.count(Counter::RemoteCheckAccepts);
                allow(id, stream, RouteDirective::default(), false, effects);
            }
            FailurePolicy::Closed => {
                self.counters.count(Counter::RemoteCheckDenies);
                refuse(id, stream, class.status(), false, effects);
            }
        }
    }
}

impl Client {
    /// The same where the cache had the verdict and only quotas were asked for.
    fn fail_quota(
        &mut self,
        id: StreamId,
        stream: &mut Stream,
        (class, why): (FailureClass, &str),
        verdict: Verdict,
        now: Now,
        effects: &mut Vec<Effect>,
    ) {
        self.counters.count(Counter::QuotaFailures);
        let warning = format!("quotas of a request are not known ({}): {why}", class.name());
        effects.extend(self.warn(warning, now));
        match self.quotas.policy(class) {
            FailurePolicy::Open => {
                self.counters.count(Counter::RemoteQuotaAccepts);
                apply(id, stream, verdict, true, effects);
            }
            FailurePolicy::Closed => {
                self.counters.count(Counter::RemoteQuotaDenies);
                refuse(id, stream, class.status(), true, effects);
            }
        }
    }
}

/// A verdict as it is stored: not for longer than a change of policy may go unnoticed.
pub(crate) fn capped(verdict: &Verdict) -> Verdict {
    let longest = Validity::For { ttl: limits::VERDICT_TTL, uses: None };
    Verdict { validity: verdict.validity.fold(longest), ..verdict.clone() }
}

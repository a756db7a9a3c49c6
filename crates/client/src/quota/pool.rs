//! A pool: tokens of one quota that were fetched before they are needed. Pure; time is a value.
//!
//! A request takes its tokens here and is answered at once. What the last second asked for is what is fetched for the
//! next, ahead of need: when less than half of it is left. While the server gives all that is asked for, the pool is
//! *open*: requests that find it empty are let through on *credit*, since a fetch is on its way. When the server
//! gave less the pool is *closed*: there is no credit, and one fetch at a time asks whether there is more; the shorter the
//! quota's window the more often, since what comes back while nobody asks is lost.
//!
//! Credit that the server did not cover is owed, and paid from what it gives next; who owes much gets no more of it. So
//! what a pool lets through is what it was given, and beyond that the credit that it has not paid back yet: what it let
//! through while its last fetches before the server ran out were on their way. A debt is forgotten when nobody has asked
//! for a minute.
//!
//! Invariants: at most [`limits::POOL_FETCHES`] fetches and [`limits::POOL_GRANTS`] grants for one pool. While servers
//! answer, what a pool has let through is at most what it was given, and what was asked of it in some time twice as long as
//! an answer takes, and a quarter of its greatest fetch; and never more on top than [`limits::POOL_FETCHES`] such fetches
//! and a quarter.

use std::collections::VecDeque;
use std::time::Duration;

use checkcache::Tick;

use super::demand::Rolling;
use crate::{FailureClass, limits};

/// The least that is fetched: a fetch costs as much for one token as for ten.
const FETCH_MIN: u64 = 10;

/// How long a closed pool waits between two fetches: if it has not enough a part of the quota's window, within bounds, and
/// the longest otherwise. The shell looks for what is to be sent no more often than the shortest.
const PROBE_PARTS: u32 = 40;
const PROBE_WAIT_MIN: Duration = Duration::from_millis(50);
const PROBE_WAIT_MAX: Duration = Duration::from_millis(500);

/// Who owes more than this part of the least that is fetched at a time gets no credit.
const OWED_PART: u64 = 4;

/// For how long a grant is used that does not say, and how long credit waits to be covered.
pub(super) const GRANT_TTL: Duration = Duration::from_secs(60);

/// For how long the tokens are used that stand in for those of a server that failed.
const FAILED_TTL: Duration = super::demand::WINDOW;

/// Tokens that were given together.
#[derive(Debug)]
struct Grant {
    available: u64,
    expires: Tick,
    giver: Giver,
}

/// Who gave tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Giver {
    Server,
    /// Nobody yet: this fetch has to cover them.
    Credit(u64),
    /// Nobody: the server failed.
    Nobody,
}

/// Tokens that are to be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Fetch {
    id: u64,
    /// How many.
    pub(crate) amount: u64,
    on_credit: bool,
}

/// How a fetch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fetched {
    /// The server gave so many tokens, for so long.
    Granted { amount: u64, valid_for: Option<Duration> },
    /// It gave no answer, and requests pass even so.
    FailedOpen,
    /// It gave no answer, and requests do not pass.
    FailedClosed(FailureClass),
    /// The fetch came to nothing, and nothing is to be made of it.
    Void,
    /// The request that it was for does not go ahead by now.
    Denied,
}

/// Why there are no tokens.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shortage {
    /// The server has no more.
    Exhausted,
    /// It gives no answer.
    Failed(FailureClass),
}

/// The tokens of one quota that are at hand for the requests that are counted together.
#[derive(Debug, Default)]
pub(crate) struct Pool {
    grants: VecDeque<Grant>,
    demand: Rolling,
    is_closed: bool,
    /// Whether the server denied the request that a fetch was for, and nothing was granted since.
    is_in_doubt: bool,
    failed: Option<FailureClass>,
    fetches: usize,
    /// When the server was asked last, or refused somebody else.
    asked_at: Tick,
    /// The longest time for which the server gave tokens: what remains of a window says nothing of its length.
    window: Option<Duration>,
    last_use: Tick,
    count: u64,
    /// Credit that was used and not covered.
    owed: u64,
}

impl Pool {
    /// A pool without tokens.
    pub(crate) fn new(now: Tick) -> Self {
        Self { last_use: now, ..Self::default() }
    }

    /// A request is about to ask for tokens: says what to fetch, if anything, and gives credit for it.
    pub(crate) fn expect(&mut self, amount: u64, now: Tick) -> Option<Fetch> {
        self.expire(now);
        let desired = self.demand.sum(now).max(FETCH_MIN);
        let available = self.available();
        let is_low = available < desired / 2 && self.fetches == 0;
        let fetch = if (is_low || available < amount) && self.may_fetch(available < amount, now) {
            // Also where a few are left that do not do for this request.
            let is_trusted = available < amount && self.owed <= desired / OWED_PART;
            Some(self.fetch(amount.max(desired), is_trusted, now))
        } else {
            None
        };
        // What is refused is asked for all the same.
        self.demand.add(amount, now);
        self.last_use = now;
        fetch
    }

    /// Whether it is not known if the requests go ahead: then they are to ask for themselves.
    pub(crate) fn is_in_doubt(&self) -> bool {
        self.is_in_doubt
    }

    /// Whether there are so many tokens.
    pub(crate) fn offers(&self, amount: u64) -> Result<(), Shortage> {
        if self.available() >= amount {
            return Ok(());
        }
        Err(self.failed.map_or(Shortage::Exhausted, Shortage::Failed))
    }

    /// Takes tokens that there are.
    pub(crate) fn take(&mut self, amount: u64) {
        let mut left = amount;
        for grant in &mut self.grants {
            let taken = left.min(grant.available);
            grant.available -= taken;
            left -= taken;
        }
        self.grants.retain(|grant| grant.available > 0);
    }

    /// A fetch has ended.
    pub(crate) fn settle(&mut self, fetch: Fetch, fetched: Fetched, now: Tick) {
        self.fetches = self.fetches.saturating_sub(1);
        let giver = if fetched == Fetched::FailedOpen { Giver::Nobody } else { Giver::Server };
        let (granted, valid_for) = match fetched {
            Fetched::Granted { amount, valid_for } => {
                let valid_for = valid_for.unwrap_or(GRANT_TTL);
                self.is_closed = amount < fetch.amount;
                (self.is_in_doubt, self.failed) = (false, None);
                if amount > 0 {
                    self.window = self.window.max(Some(valid_for));
                }
                (amount, valid_for)
            }
            Fetched::FailedOpen => (fetch.amount, FAILED_TTL),
            Fetched::FailedClosed(class) => {
                self.is_closed = true;
                self.failed = Some(class);
                (0, Duration::ZERO)
            }
            Fetched::Void => (0, Duration::ZERO),
            Fetched::Denied => {
                self.is_in_doubt = true;
                (0, Duration::ZERO)
            }
        };
        let used = self.credit_used(fetch);
        let left = granted.saturating_sub(used);
        self.owed = self.owed.saturating_add(used.saturating_sub(granted));
        let expires = now.after(valid_for);
        // What is left of the credit keeps its place: it is used before what was given later.
        let grant = Grant { available: left, expires, giver };
        match self.grants.iter_mut().find(|grant| grant.giver == Giver::Credit(fetch.id)) {
            Some(credit) => *credit = grant,
            None => self.push(grant),
        }
        self.pay();
        self.expire(now);
    }

    /// Adds tokens that the server gave.
    pub(crate) fn add(&mut self, available: u64, valid_for: Duration, now: Tick) {
        (self.is_in_doubt, self.failed) = (false, None);
        self.push(Grant { available, expires: now.after(valid_for), giver: Giver::Server });
        self.pay();
        self.expire(now);
    }

    /// The server has just refused tokens to somebody else who asked on behalf of these requests.
    pub(crate) fn close(&mut self, now: Tick) {
        self.is_closed = true;
        self.asked_at = now;
    }

    /// The tokens at hand.
    pub(crate) fn available(&self) -> u64 {
        self.grants.iter().fold(0, |sum, grant| sum.saturating_add(grant.available))
    }

    /// Takes out tokens that the server gave and that nobody has asked for lately.
    pub(crate) fn take_unused(&mut self, idle: Duration, now: Tick) -> u64 {
        self.expire(now);
        if now.since(self.last_use) < idle || self.fetches > 0 {
            return 0;
        }
        let given = self.grants.drain(..).filter(|grant| grant.giver == Giver::Server);
        given.fold(0, |sum, grant| sum.saturating_add(grant.available))
    }

    /// Whether a fetch is on its way.
    pub(crate) fn is_awaiting(&self) -> bool {
        self.fetches > 0
    }

    /// For how long nobody has asked for tokens.
    pub(crate) fn idle(&self, now: Tick) -> Duration {
        now.since(self.last_use)
    }

    fn may_fetch(&self, is_short: bool, now: Tick) -> bool {
        if self.is_closed {
            let wait = if is_short { self.probe_wait() } else { PROBE_WAIT_MAX };
            return self.fetches == 0 && now.since(self.asked_at) >= wait;
        }
        self.fetches < limits::POOL_FETCHES
    }

    /// Who has tokens left is in no hurry; who has none loses what comes back while it does not ask.
    fn probe_wait(&self) -> Duration {
        let part = self.window.map_or(PROBE_WAIT_MAX, |window| window / PROBE_PARTS);
        part.clamp(PROBE_WAIT_MIN, PROBE_WAIT_MAX)
    }

    fn fetch(&mut self, amount: u64, is_trusted: bool, now: Tick) -> Fetch {
        self.count += 1;
        self.fetches += 1;
        self.asked_at = now;
        let fetch = Fetch { id: self.count, amount, on_credit: is_trusted && !self.is_closed };
        if fetch.on_credit {
            let expires = now.after(GRANT_TTL);
            self.grants.push_back(Grant { available: amount, expires, giver: Giver::Credit(fetch.id) });
        }
        fetch
    }

    /// Adds tokens; if there are too many kinds, they count as part of the last.
    fn push(&mut self, new: Grant) {
        let is_full = self.grants.len() >= limits::POOL_GRANTS;
        match self.grants.back_mut().filter(|last| is_full && last.giver == new.giver) {
            Some(last) => {
                last.available = last.available.saturating_add(new.available);
                last.expires = last.expires.min(new.expires);
            }
            None if is_full => {}
            None => self.grants.push_back(new),
        }
    }

    /// How much of a fetch's credit was used.
    fn credit_used(&self, fetch: Fetch) -> u64 {
        if !fetch.on_credit {
            return 0;
        }
        let credit = self.grants.iter().find(|grant| grant.giver == Giver::Credit(fetch.id));
        fetch.amount.saturating_sub(credit.map_or(0, |credit| credit.available))
    }

    /// Pays what is owed with tokens that there are.
    fn pay(&mut self) {
        for grant in self.grants.iter_mut().filter(|grant| grant.giver == Giver::Server) {
            let paid = self.owed.min(grant.available);
            grant.available -= paid;
            self.owed -= paid;
        }
        self.grants.retain(|grant| grant.available > 0);
    }

    fn expire(&mut self, now: Tick) {
        self.grants.retain(|grant| grant.expires > now);
        if now.since(self.last_use) >= GRANT_TTL {
            self.owed = 0;
        }
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod truth;

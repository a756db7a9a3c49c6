//! Tests of a pool: single steps, and ten windows of traffic against servers that keep a limit.

use std::collections::VecDeque;
use std::time::Duration;

use checkcache::Tick;

use super::{Fetch, Fetched, Pool, Shortage};
use crate::{FailureClass, limits};

const MS: u64 = 1_000_000;

fn ms(millis: u64) -> Tick {
    Tick(millis * MS)
}

fn granted(amount: u64) -> Fetched {
    Fetched::Granted { amount, valid_for: Some(Duration::from_secs(10)) }
}

/// A pool that will not ask for a second.
fn closed() -> Pool {
    Pool { is_closed: true, asked_at: ms(1_000), ..Pool::default() }
}

/// A request for tokens: whether it has them, and what is to be fetched.
fn ask(pool: &mut Pool, amount: u64, now: Tick) -> (bool, Option<Fetch>) {
    let fetch = pool.expect(amount, now);
    let offered = pool.offers(amount).is_ok();
    if offered {
        pool.take(amount);
    }
    (offered, fetch)
}

#[test]
fn a_hundred_tokens_take_six_fetches() {
    let mut pool = Pool::default();
    let mut fetches = 0;
    for _ in 0..100 {
        let (passed, fetch) = ask(&mut pool, 1, ms(1));
        assert!(passed);
        if let Some(fetch) = fetch {
            fetches += 1;
            pool.settle(fetch, granted(fetch.amount), ms(1));
        }
    }
    assert_eq!(fetches, 6);
}

#[test]
fn where_nothing_is_granted_one_request_passes() {
    let mut pool = Pool::default();
    let passed = (0..10).filter(|_| {
        let (passed, fetch) = ask(&mut pool, 1, ms(1));
        if let Some(fetch) = fetch {
            pool.settle(fetch, granted(0), ms(1));
        }
        passed
    });
    assert_eq!(passed.count(), 1);
    assert_eq!(pool.offers(1), Err(Shortage::Exhausted));
}

#[test]
fn a_closed_pool_probes_twice_a_second_and_opens_again() {
    let mut pool = Pool::default();
    let (_, fetch) = ask(&mut pool, 1, ms(0));
    pool.settle(fetch.expect("a fetch"), granted(0), ms(0));
    assert_eq!(ask(&mut pool, 1, ms(499)), (false, None));
    let (passed, probe) = ask(&mut pool, 1, ms(500));
    assert!(!passed, "a closed pool gives no credit");
    assert_eq!(ask(&mut pool, 1, ms(1_100)), (false, None), "one at a time");
    // The request that passed on credit is paid for first.
    pool.settle(probe.expect("a probe"), granted(10), ms(1_200));
    assert_eq!(pool.available(), 9);
}

#[test]
fn many_tokens_are_taken_whole_or_not_at_all() {
    let mut pool = closed();
    pool.add(3, Duration::from_secs(1), ms(0));
    pool.add(3, Duration::from_secs(2), ms(0));
    assert!(!ask(&mut pool, 7, ms(1)).0);
    assert_eq!(pool.available(), 6);
    assert!(ask(&mut pool, 5, ms(1)).0);
    assert_eq!(pool.available(), 1);
}

#[test]
fn what_was_given_ends_with_its_time() {
    let mut pool = closed();
    pool.add(3, Duration::from_millis(100), ms(0));
    assert!(ask(&mut pool, 1, ms(99)).0);
    assert!(!ask(&mut pool, 1, ms(100)).0);
}

#[test]
fn credit_is_covered_or_owed() {
    let mut pool = Pool::default();
    let (_, fetch) = ask(&mut pool, 1, ms(0));
    let fetch = fetch.expect("a fetch");
    for _ in 0..3 {
        assert_eq!(ask(&mut pool, 1, ms(1)), (true, None));
    }
    // Four were used: the server covers one, and the next that it gives pay for the others.
    pool.settle(fetch, granted(1), ms(2));
    assert_eq!((pool.available(), pool.owed), (0, 3));
    pool.add(5, Duration::from_secs(1), ms(3));
    assert_eq!((pool.available(), pool.owed), (2, 0));
}

#[test]
fn a_debt_ends_with_the_quotas_window() {
    let mut pool = Pool::default();
    let (_, fetch) = ask(&mut pool, 1, ms(0));
    pool.settle(fetch.expect("a fetch"), granted(0), ms(0));
    assert_eq!(pool.owed, 1);
    ask(&mut pool, 1, ms(60_000));
    assert_eq!(pool.owed, 0);
}

#[test]
fn a_server_that_fails_opens_or_closes() {
    let mut open = Pool::default();
    let (_, fetch) = ask(&mut open, 1, ms(0));
    open.settle(fetch.expect("a fetch"), Fetched::FailedOpen, ms(0));
    assert_eq!(open.available(), 9);
    assert!(ask(&mut open, 1, ms(5_000)).0, "as long as it takes");

    let mut closed = Pool::default();
    let (_, fetch) = ask(&mut closed, 1, ms(0));
    closed.settle(fetch.expect("a fetch"), Fetched::FailedClosed(FailureClass::Timeout), ms(0));
    assert_eq!(closed.offers(1), Err(Shortage::Failed(FailureClass::Timeout)));
    let (_, probe) = ask(&mut closed, 1, ms(500));
    closed.settle(probe.expect("a probe"), granted(10), ms(500));
    assert_eq!(closed.offers(1), Ok(()));
}

#[test]
fn what_a_void_fetch_let_through_is_owed() {
    let mut pool = Pool::default();
    let (_, fetch) = ask(&mut pool, 1, ms(0));
    pool.settle(fetch.expect("a fetch"), Fetched::Void, ms(0));
    assert_eq!((pool.available(), pool.owed, pool.is_closed), (0, 1, false));
    let (passed, fetch) = ask(&mut pool, 1, ms(1));
    assert!(passed, "so little is no reason to refuse");
    pool.settle(fetch.expect("the next request fetches anew"), granted(10), ms(2));
    assert_eq!((pool.available(), pool.owed), (8, 0));
}

#[test]
fn who_owes_much_gets_no_credit() {
    let mut pool = Pool { owed: 11, ..Pool::default() };
    let (passed, fetch) = ask(&mut pool, 1, ms(0));
    assert!(!passed);
    pool.settle(fetch.expect("a fetch"), granted(10), ms(0));
    assert_eq!((pool.available(), pool.owed, pool.is_closed), (0, 1, false));
    assert!(ask(&mut pool, 1, ms(1)).0);
}

#[test]
fn a_closed_pool_probes_as_its_window_asks_for_it() {
    let given = |millis| Fetched::Granted { amount: 1, valid_for: Some(Duration::from_millis(millis)) };
    // Tokens for ten seconds were given: every quarter of a second.
    let mut pool = Pool::default();
    let (_, fetch) = ask(&mut pool, 1, ms(0));
    pool.settle(fetch.expect("a fetch"), given(10_000), ms(0));
    let (_, probe) = ask(&mut pool, 1, ms(500));
    pool.settle(probe.expect("a probe"), granted(0), ms(500));
    assert_eq!(ask(&mut pool, 1, ms(749)).1, None);
    assert!(ask(&mut pool, 1, ms(750)).1.is_some());
    // For a second: as often as anything is sent.
    let mut pool = Pool::default();
    let (_, fetch) = ask(&mut pool, 1, ms(0));
    pool.settle(fetch.expect("a fetch"), given(1_000), ms(0));
    let (_, probe) = ask(&mut pool, 1, ms(500));
    pool.settle(probe.expect("a probe"), granted(0), ms(501));
    assert_eq!(ask(&mut pool, 1, ms(549)).1, None);
    assert!(ask(&mut pool, 1, ms(550)).1.is_some());
}

#[test]
fn a_few_tokens_that_do_not_do_are_no_shortage() {
    let mut pool = Pool::default();
    let mut fetches = Vec::new();
    // Four charges of three at once: the first credit has one token left for the fourth.
    for _ in 0..4 {
        fetches.extend(pool.expect(3, ms(0)));
        assert_eq!(pool.offers(3), Ok(()));
        pool.take(3);
    }
    assert_eq!(fetches.len(), 2);
}

#[test]
fn fetches_and_grants_are_bounded() {
    // Who owes gets no credit, so each finds less than it asks for.
    let mut pool = Pool { owed: u64::MAX, ..Pool::default() };
    let fetches = (1..1_000).filter_map(|i| pool.expect(i * 1_000_000, ms(0))).count();
    assert_eq!(fetches, limits::POOL_FETCHES);
    for second in 1..1_000 {
        pool.add(1, Duration::from_secs(2_000), ms(second));
    }
    assert!(pool.grants.len() <= limits::POOL_GRANTS + limits::POOL_FETCHES);
}

#[test]
fn what_nobody_asks_for_is_taken_out() {
    let mut pool = Pool::default();
    let (_, fetch) = ask(&mut pool, 1, ms(0));
    let idle = Duration::from_secs(5);
    assert_eq!(pool.take_unused(idle, ms(6_000)), 0, "its fetch is on its way");
    pool.settle(fetch.expect("a fetch"), granted(10), ms(0));
    assert_eq!(pool.take_unused(idle, ms(4_999)), 0);
    assert_eq!(pool.take_unused(idle, ms(5_000)), 9);
    assert_eq!(pool.available(), 0);
}

/// A server that keeps a limit, in milliseconds.
struct Server {
    kind: Kind,
    limit: u64,
    window: u64,
    available: u64,
    /// When the window ends, or when the bucket was looked at last.
    at: u64,
}

#[derive(Clone, Copy)]
enum Kind {
    /// So many in each window, which begins with the first request after the last one.
    Window,
    /// Tokens come evenly, and a window's can be saved; parts of a token are lost.
    Bucket,
    /// The same without a loss, as our servers count: who asks often of a small limit loses a lot with the other.
    WholeBucket,
}

impl Server {
    /// Less will do.
    fn allocate(&mut self, amount: u64, now: u64) -> Fetched {
        let valid_for = match self.kind {
            Kind::Window => {
                if now >= self.at {
                    self.available = self.limit;
                    self.at = now + self.window;
                }
                self.at - now
            }
            Kind::Bucket | Kind::WholeBucket => {
                let new = (now - self.at) * self.limit / self.window;
                self.available = (self.available + new).min(self.limit);
                self.at = match self.kind {
                    Kind::WholeBucket => self.at + new * self.window / self.limit,
                    Kind::Bucket | Kind::Window => now,
                };
                self.window
            }
        };
        let amount = amount.min(self.available);
        self.available -= amount;
        Fetched::Granted { amount, valid_for: Some(Duration::from_millis(valid_for)) }
    }
}

/// Pools that share a server, and the answers that are on their way to them.
struct Simulation {
    server: Server,
    pools: Vec<Pool>,
    answers: VecDeque<(u64, usize, Fetch, Fetched)>,
}

impl Simulation {
    const DELAY: u64 = 200;
    const WINDOWS: u64 = 10;

    /// Even traffic over ten windows, split by shares: how far what passed is from what should have.
    fn error(&mut self, per_window: u64, shares: &[u64], from: u64) -> f64 {
        let all: u64 = shares.iter().sum();
        let requests = per_window * Self::WINDOWS;
        let parts: Vec<u64> = shares.iter().map(|share| requests * share / all).collect();
        let step = self.server.window * Self::WINDOWS / requests;
        let (mut sent, mut passed) = (vec![0; parts.len()], 0_u64);
        for i in 0..requests {
            let now = from + i * step;
            // Whoever is furthest behind its share goes next.
            let behind = |a: &usize, b: &usize| (sent[*a] * parts[*b]).cmp(&(sent[*b] * parts[*a]));
            let client = (0..parts.len()).min_by(behind).expect("a client");
            sent[client] += 1;
            let (has_passed, fetch) = ask(&mut self.pools[client], 1, ms(now));
            passed += u64::from(has_passed);
            if let Some(fetch) = fetch {
                let fetched = self.server.allocate(fetch.amount, now);
                self.answers.push_back((now + Self::DELAY, client, fetch, fetched));
            }
            while self.answers.front().is_some_and(|(at, ..)| *at <= now)
                && let Some((_, client, fetch, fetched)) = self.answers.pop_front()
            {
                self.pools[client].settle(fetch, fetched, ms(now));
            }
        }
        let expected = requests.min(self.server.limit * Self::WINDOWS);
        passed.abs_diff(expected) as f64 / expected as f64
    }
}

/// The limit, its window in milliseconds, how far the middle rates are apart, and the greatest error at a little less
/// than the limit, at the limit, a little above it, at half of it and at ten times it, one after the other.
type Row = (Kind, u64, u64, u64, [f64; 5]);

fn check_margins(shares: &[u64], rows: &[Row; 4]) {
    for (kind, limit, window, delta, margins) in *rows {
        let start = 1_000_000;
        let at = match kind {
            Kind::Window => 0,
            Kind::Bucket | Kind::WholeBucket => start,
        };
        let server = Server { kind, limit, window, available: limit, at };
        let pools = shares.iter().map(|_| Pool::default()).collect();
        let mut simulation = Simulation { server, pools, answers: VecDeque::new() };
        let rates = [limit - delta, limit, limit + delta, limit / 2, limit * 10];
        let from = |phase: usize| start + phase as u64 * window * Simulation::WINDOWS;
        let errors: Vec<f64> = rates
            .into_iter()
            .enumerate()
            .map(|(phase, rate)| simulation.error(rate, shares, from(phase)))
            .collect();
        println!("{limit} in {window} ms, {} pools: {errors:.4?}, at most {margins:?}", shares.len());
        for (error, margin) in errors.iter().zip(margins) {
            assert!(*error <= margin, "{limit} in {window} ms: {errors:?}, at most {margins:?}");
        }
    }
}

#[test]
fn one_pool_keeps_the_limit_within_its_margins() {
    check_margins(
        &[1],
        &[
            (Kind::Window, 1_200, 60_000, 100, [0., 0.006, 0.0015, 0., 0.06]),
            (Kind::Window, 20, 1_000, 2, [0.26, 0.23, 0.25, 0.04, 0.23]),
            (Kind::Bucket, 1_200, 60_000, 100, [0., 0., 0.08, 0., 0.1]),
            (Kind::Bucket, 20, 1_000, 2, [0., 0., 0.035, 0.03, 0.23]),
        ],
    );
}

#[test]
fn two_pools_keep_the_limit_within_their_margins() {
    check_margins(
        &[3, 1],
        &[
            (Kind::Window, 1_200, 60_000, 100, [0., 0.006, 0.0015, 0.001, 0.057]),
            (Kind::Window, 20, 1_000, 2, [0.33, 0.30, 0.30, 0.14, 0.22]),
            (Kind::Bucket, 1_200, 60_000, 100, [0., 0., 0.055, 0., 0.0005]),
            (Kind::WholeBucket, 20, 1_000, 2, [0.062, 0.14, 0.15, 0.05, 0.17]),
        ],
    );
}

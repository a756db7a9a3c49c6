//! How much passes: several pools and the counters of several servers, over random histories, held against the bounds of
//! `docs/quotas.md`.
//!
//! The counters are those that the server counts with. Answers take their time and may be lost on either way; which
//! fetch is answered when, by whom and whether at all is drawn from a seed, and a failure names it.

use std::time::Duration;

use checkcache::Tick;
use quota::{Algorithm, Key, Ledger, Limit, Request, Settings};

use super::{FETCH_MIN, Fetch, Fetched, OWED_PART, Pool};
use crate::{FailureClass, limits};

const MS: u64 = 1_000_000;
const ALGORITHMS: [Algorithm; 3] = [Algorithm::FixedWindow, Algorithm::RollingWindow, Algorithm::TokenBucket];

/// Numbers that look random and are the same for the same seed.
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit.max(1)
    }
}

/// How a fetch goes on, in milliseconds.
#[derive(Debug)]
struct OnItsWay {
    pool: usize,
    fetch: Fetch,
    arrives: u64,
    returns: u64,
    is_answered: bool,
    /// What the pool will hear; nothing yet while the server has not got it.
    fetched: Option<Fetched>,
}

/// A pool and what is known of it from outside.
struct Observed {
    pool: Pool,
    passed: u64,
    given: u64,
    greatest_fetch: u64,
    /// When what was asked for, as far back as matters.
    asked: Vec<(u64, u64)>,
    /// The most that was asked for in a time twice as long as an answer takes.
    greatest_demand: u64,
}

/// How long answers take, and how many of a thousand do not come.
#[derive(Debug, Clone, Copy)]
struct Network {
    fastest: u64,
    slowest: u64,
    lost: u64,
}

struct World {
    numbers: Numbers,
    network: Network,
    servers: Vec<Ledger>,
    limit: Limit,
    key: Key,
    pools: Vec<Observed>,
    way: Vec<OnItsWay>,
    granted: u64,
}

impl World {
    fn new(
        seed: u64,
        algorithm: Algorithm,
        limit: (u64, u64),
        pools: usize,
        servers: usize,
        network: Network,
    ) -> Self {
        let settings = Settings { algorithm, deduplication: Duration::from_secs(1), cells: 10, answers: 10 };
        let window = Some(Duration::from_millis(limit.1));
        let pool = || Observed {
            pool: Pool::default(),
            passed: 0,
            given: 0,
            greatest_fetch: FETCH_MIN,
            asked: Vec::new(),
            greatest_demand: 0,
        };
        Self {
            numbers: Numbers(seed),
            network,
            servers: (0..servers).map(|_| Ledger::new(settings)).collect(),
            limit: Limit::new(i64::try_from(limit.0).unwrap(), window),
            key: Key::new("RequestCount", &[]),
            pools: (0..pools).map(|_| pool()).collect(),
            way: Vec::new(),
            granted: 0,
        }
    }

    /// A request for tokens of a pool.
    fn ask(&mut self, which: usize, amount: u64, now: u64) {
        let span = 2 * self.network.slowest;
        let Some(observed) = self.pools.get_mut(which) else { return };
        observed.asked.retain(|(at, _)| now - at <= span);
        observed.asked.push((now, amount));
        let demand = observed.asked.iter().map(|(_, amount)| amount).sum();
        observed.greatest_demand = observed.greatest_demand.max(demand);
        let fetch = observed.pool.expect(amount, Tick(now * MS));
        if observed.pool.offers(amount).is_ok() {
            observed.pool.take(amount);
            observed.passed += amount;
        }
        if let Some(fetch) = fetch {
            observed.greatest_fetch = observed.greatest_fetch.max(fetch.amount);
            let Network { fastest, slowest, .. } = self.network;
            let way = fastest + self.numbers.below(slowest - fastest);
            let arrives = now + self.numbers.below(way + 1);
            let is_answered = self.numbers.below(1000) >= self.network.lost;
            self.way.push(OnItsWay {
                pool: which,
                fetch,
                arrives,
                returns: now + way,
                is_answered,
                fetched: None,
            });
        }
    }

    /// Lets everything happen that happens until now, in its order.
    fn pass(&mut self, now: u64) {
        while let Some((index, at)) = self.next().filter(|(_, at)| *at <= now) {
            match self.way[index].fetched {
                None => self.arrive(index, at),
                Some(fetched) => {
                    let OnItsWay { pool, fetch, .. } = self.way.swap_remove(index);
                    let observed = &mut self.pools[pool];
                    if let Fetched::Granted { amount, .. } = fetched {
                        observed.given += amount;
                    }
                    observed.pool.settle(fetch, fetched, Tick(at * MS));
                }
            }
        }
    }

    fn next(&self) -> Option<(usize, u64)> {
        let due = |way: &OnItsWay| if way.fetched.is_none() { way.arrives } else { way.returns };
        self.way.iter().enumerate().map(|(index, way)| (index, due(way))).min_by_key(|(_, at)| *at)
    }

    fn arrive(&mut self, index: usize, at: u64) {
        let which = self.numbers.below(self.servers.len() as u64) as usize;
        let amount = i64::try_from(self.way[index].fetch.amount).unwrap();
        let (key, limit) = (&self.key, self.limit);
        let request = Request { key, limit, amount, best_effort: true, deduplication_id: "" };
        // What is lost may have been counted or not.
        let is_counted = self.way[index].is_answered || self.numbers.below(2) == 0;
        let settled = is_counted.then(|| self.servers[which].settle(&request, quota::Tick(at * MS)));
        self.granted += settled.map_or(0, |settled| settled.amount);
        self.way[index].fetched = Some(match settled.filter(|_| self.way[index].is_answered) {
            Some(settled) => {
                let valid_for = (!settled.valid_for.is_zero()).then_some(settled.valid_for);
                Fetched::Granted { amount: settled.amount, valid_for }
            }
            None if self.numbers.below(2) == 0 => Fetched::Void,
            None => Fetched::FailedClosed(FailureClass::Timeout),
        });
    }

    fn passed(&self) -> u64 {
        self.pools.iter().map(|pool| pool.passed).sum()
    }

    /// The bound on what passed, for each pool and for all.
    fn check(&self, told: &str) {
        for observed in &self.pools {
            let Observed { passed, given, greatest_fetch, greatest_demand, .. } = observed;
            let owed = greatest_fetch / OWED_PART;
            let in_time = greatest_demand + owed;
            let in_number = limits::POOL_FETCHES as u64 * greatest_fetch + owed;
            assert!(
                *passed <= given + in_time.min(in_number),
                "{told}: {passed} passed of {given} given, with {in_time} or {in_number} on credit at most"
            );
        }
        let given: u64 = self.pools.iter().map(|pool| pool.given).sum();
        assert!(given <= self.granted, "{told}: {given} given of {}", self.granted);
    }
}

#[test]
fn no_history_lets_more_pass_than_the_bound() {
    for seed in 0..2_000 {
        let mut draw = Numbers(seed);
        let algorithm = ALGORITHMS[draw.below(3) as usize];
        let limit = (1 + draw.below(400), 100 + draw.below(5_000));
        let (pools, servers) = (1 + draw.below(4) as usize, 1 + draw.below(3) as usize);
        let slowest = 2 + draw.below(600);
        let network = Network { fastest: 1, slowest, lost: [0, 0, 30, 300][draw.below(4) as usize] };
        let told =
            format!("seed {seed}: {algorithm:?}, {limit:?}, {pools} pools, {servers} servers, {network:?}");
        let mut world = World::new(seed, algorithm, limit, pools, servers, network);
        let (mut now, mut pace, mut charge) = (1_000, 1, 1);
        for _ in 0..600 {
            if draw.below(40) == 0 {
                (pace, charge) =
                    ([1, 2, 10, 100, 3_000][draw.below(5) as usize], [1, 1, 1, 7][draw.below(4) as usize]);
            }
            now += draw.below(pace);
            world.pass(now);
            world.ask(draw.below(pools as u64) as usize, 1 + draw.below(charge), now);
            world.check(&told);
        }
    }
}

/// What passes in twenty windows of even traffic at so many percent of the limit, of what the limit is for that time.
fn share(seed: u64, algorithm: Algorithm, window: u64, pools: usize, percent: u64) -> f64 {
    let limit = 400;
    // What a filter on a machine with little to do sees: the tick, and a way there and back.
    let network = Network { fastest: 2, slowest: 60, lost: 0 };
    let mut world = World::new(seed, algorithm, (limit, window), pools, 1, network);
    let (windows, mut sent, mut draw) = (20, 0, Numbers(seed));
    for now in 0..windows * window {
        world.pass(now + 1_000);
        let due = limit * percent * now / window / 100;
        for _ in sent..due {
            world.ask(draw.below(pools as u64) as usize, 1, now + 1_000);
        }
        sent = sent.max(due);
    }
    world.check(&format!("seed {seed}"));
    world.passed() as f64 / (limit * windows) as f64
}

#[test]
fn where_more_is_asked_for_than_there_is_hardly_anything_is_left() {
    for algorithm in ALGORITHMS {
        for window in [1_000, 2_000, 10_000, 60_000] {
            for pools in [1, 2, 4] {
                for percent in [110, 200, 500] {
                    let share = share(window + percent, algorithm, window, pools, percent);
                    let told = format!("{algorithm:?}, {window} ms, {pools} pools, {percent} %: {share:.3}");
                    println!("{told}");
                    // In a window of a second there are twenty ticks of the shell, and no more.
                    let least = if window < 2_000 && percent < 200 { 0.90 } else { 0.95 };
                    assert!(share >= least, "{told}");
                }
            }
        }
    }
}

#[test]
fn at_its_own_rate_a_limit_leaves_what_is_stated() {
    for algorithm in ALGORITHMS {
        for (window, least) in [(1_000, [0.92, 0.88]), (2_000, [0.97, 0.94]), (10_000, [0.99, 0.97])] {
            for pools in [1, 2, 4] {
                for (percent, least) in [90, 100].into_iter().zip(least) {
                    let share = share(window + percent, algorithm, window, pools, percent);
                    let of_asked = share * 100.0 / percent as f64;
                    let told =
                        format!("{algorithm:?}, {window} ms, {pools} pools, {percent} %: {of_asked:.3}");
                    println!("{told}");
                    assert!(of_asked >= least, "{told}");
                }
            }
        }
    }
}

//! What is promised, held against random histories.

use std::time::Duration;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::{Algorithm, Course, Key, Ledger, Limit, Request, Settings, Settled, Tick, limits};

const ALGORITHMS: [Algorithm; 3] = [Algorithm::RollingWindow, Algorithm::FixedWindow, Algorithm::TokenBucket];

fn ledger(algorithm: Algorithm) -> Ledger {
    let deduplication = Duration::from_micros(1);
    Ledger::new(Settings { algorithm, deduplication, cells: 1000, answers: 1000 })
}

fn rate(max: i64, window: u64) -> Limit {
    Limit::new(max, Some(Duration::from_nanos(window)))
}

fn ask(ledger: &mut Ledger, key: &Key, limit: Limit, amount: i64, now: u64) -> Settled {
    ask_as(ledger, key, limit, amount, now, "")
}

fn ask_as(ledger: &mut Ledger, key: &Key, limit: Limit, amount: i64, now: u64, id: &str) -> Settled {
    // Uneven amounts ask for the best effort: it is no matter to what is promised.
    let request = Request { key, limit, amount, best_effort: amount % 2 == 1, deduplication_id: id };
    ledger.settle(&request, Tick(now))
}

/// One request: nanoseconds after the one before, and the amount.
fn history() -> impl Strategy<Value = Vec<(u64, i64)>> {
    vec((prop_oneof![0..4u64, 0..150u64, 0..2500u64], 1..12i64), 1..150)
}

/// What was granted when.
fn granted(algorithm: Algorithm, limit: Limit, history: &[(u64, i64)]) -> Vec<(u64, u64)> {
    let (mut ledger, key, mut now) = (ledger(algorithm), Key::new("q", &[]), 0);
    let step = |&(after, amount): &(u64, i64)| {
        now += after;
        (now, ask(&mut ledger, &key, limit, amount, now).amount)
    };
    history.iter().map(step).collect()
}

/// The most that any span sees which begins with a grant and ends before `span` is over.
fn most_within(grants: &[(u64, u64)], span: u64) -> u64 {
    let sum = |(index, (begin, _)): (usize, &(u64, u64))| -> u64 {
        grants[index..].iter().take_while(|(at, _)| at - begin < span).map(|(_, amount)| amount).sum()
    };
    grants.iter().enumerate().map(sum).max().unwrap_or(0)
}

proptest! {
    #[test]
    fn a_rolling_window_never_sees_more_than_its_limit(
        history in history(), max in 0..20i64, window in 1..2000u64,
    ) {
        let grants = granted(Algorithm::RollingWindow, rate(max, window), &history);
        prop_assert!(most_within(&grants, window) <= max as u64);
    }

    #[test]
    fn a_fixed_window_never_sees_more_than_twice_its_limit(
        history in history(), max in 0..20i64, window in 1..2000u64,
    ) {
        let grants = granted(Algorithm::FixedWindow, rate(max, window), &history);
        prop_assert!(most_within(&grants, window) <= 2 * max as u64);
        // The windows themselves: each begins with the first grant after the one before.
        let (mut ends, mut used) = (0, 0);
        for (at, amount) in grants.into_iter().filter(|(_, amount)| *amount > 0) {
            if at >= ends {
                (ends, used) = (at + window, 0);
            }
            used += amount;
            prop_assert!(used <= max as u64);
        }
    }

    #[test]
    fn a_bucket_never_gives_more_than_its_burst_and_its_rate(
        history in history(), max in 0..20i64, window in 1..2000u64,
    ) {
        let grants = granted(Algorithm::TokenBucket, rate(max, window), &history);
        for (index, (begin, _)) in grants.iter().enumerate() {
            let mut sum = 0;
            for (at, amount) in &grants[index..] {
                sum += amount;
                prop_assert!((sum - (max as u64).min(sum)) * window <= (at - begin) * max as u64);
            }
        }
    }

    #[test]
    fn all_of_a_limit_comes_back_in_time(history in history(), max in 1..20i64, window in 1..2000u64) {
        for algorithm in ALGORITHMS {
            let (mut ledger, key, mut now) = (ledger(algorithm), Key::new("q", &[]), 0);
            for &(after, amount) in &history {
                now += after;
                ask(&mut ledger, &key, rate(max, window), amount, now);
            }
            now += window;
            let settled = ask(&mut ledger, &key, rate(max, window), max, now);
            prop_assert_eq!(settled.amount, max as u64, "{:?}", algorithm);
        }
    }

    #[test]
    fn what_is_allocated_never_exceeds_the_limit(
        requests in vec((-12..12i64, 0..3usize), 1..200), max in 0..20i64,
    ) {
        let mut ledger = ledger(Algorithm::default());
        let (keys, mut used) = (["a", "b", "c"].map(|name| Key::new(name, &[])), [0u64; 3]);
        for (now, (amount, which)) in requests.into_iter().enumerate() {
            let settled = ask(&mut ledger, &keys[which], Limit::new(max, None), amount, now as u64);
            if amount < 0 {
                prop_assert_eq!(settled.amount, amount.unsigned_abs().min(used[which]));
                used[which] -= settled.amount;
            } else {
                used[which] += settled.amount;
            }
            prop_assert!(used[which] <= max as u64);
            // Only what is in use takes room.
            prop_assert_eq!(ledger.cells(), used.iter().filter(|used| **used > 0).count());
        }
    }

    #[test]
    fn a_release_never_frees_more_than_was_taken(
        requests in vec((0..300u64, -12..12i64), 1..200), max in 1..20i64, window in 1..2000u64,
    ) {
        for algorithm in ALGORITHMS {
            let (mut ledger, key, mut now, mut taken) = (ledger(algorithm), Key::new("q", &[]), 0, 0i64);
            for &(after, amount) in &requests {
                now += after;
                let settled = ask(&mut ledger, &key, rate(max, window), amount, now).amount as i64;
                taken += if amount < 0 { -settled } else { settled };
                prop_assert!(taken >= 0, "{:?}", algorithm);
            }
        }
    }

    #[test]
    fn asking_again_counts_once(
        requests in vec((0..200u64, -12..12i64, 1..4usize), 1..100), max in 1..20i64, window in 1..2000u64,
    ) {
        for algorithm in ALGORITHMS {
            let (mut once, mut again, key, mut now) = (ledger(algorithm), ledger(algorithm), Key::new("q", &[]), 0);
            for (id, &(after, amount, times)) in requests.iter().enumerate() {
                now += after;
                let (limit, id) = (rate(max, window), id.to_string());
                let expected = ask_as(&mut once, &key, limit, amount, now, &id);
                for time in 0..times {
                    let settled = ask_as(&mut again, &key, limit, amount, now, &id);
                    prop_assert_eq!(settled.amount, expected.amount);
                    prop_assert_eq!(settled.valid_for, expected.valid_for);
                    let is_repeated = settled.course == Course::Repeated;
                    prop_assert_eq!(is_repeated, time > 0 && amount != 0);
                }
            }
        }
    }

    #[test]
    fn a_clock_that_goes_backwards_frees_nothing_early(
        requests in vec((0..5000u64, 1..12i64), 1..150), max in 0..20i64, window in 1..2000u64,
    ) {
        let (mut ledger, key) = (ledger(Algorithm::RollingWindow), Key::new("q", &[]));
        let (mut latest, mut grants) = (0, Vec::new());
        for (now, amount) in requests {
            latest = now.max(latest);
            grants.push((latest, ask(&mut ledger, &key, rate(max, window), amount, now).amount));
        }
        prop_assert!(most_within(&grants, window) <= max as u64);
    }

    #[test]
    fn many_keys_take_bounded_room_and_keep_their_limits(
        requests in vec((0..60u64, 1..6i64, 0..12usize), 1..300), max in 1..8i64, window in 1..600u64,
    ) {
        for algorithm in [Algorithm::RollingWindow, Algorithm::FixedWindow] {
            let settings = Settings { cells: 3, answers: 0, algorithm, deduplication: Duration::from_secs(1) };
            let mut ledger = Ledger::new(settings);
            let keys: Vec<_> = (0..12).map(|n| Key::new(&format!("q{n}"), &[])).collect();
            let (mut grants, mut now) = (vec![Vec::new(); 12], 0);
            for &(after, amount, which) in &requests {
                now += after;
                let settled = ask(&mut ledger, &keys[which], rate(max, window), amount, now);
                prop_assert!(settled.course != Course::NoRoom || settled.amount == 0);
                prop_assert!(ledger.cells() <= 3);
                grants[which].push((now, settled.amount));
            }
            let bound = if algorithm == Algorithm::FixedWindow { 2 * max } else { max };
            for grants in &grants {
                prop_assert!(most_within(grants, window) <= bound as u64);
            }
        }
    }
}

#[test]
fn a_key_without_room_is_refused_until_another_is_idle() {
    let settings = Settings {
        algorithm: Algorithm::RollingWindow,
        deduplication: Duration::from_nanos(1),
        cells: 2,
        answers: 10,
    };
    let mut ledger = Ledger::new(settings);
    let [a, b, c] = ["a", "b", "c"].map(|name| Key::new(name, &[]));
    assert_eq!(ask(&mut ledger, &a, rate(5, 100), 5, 0).amount, 5);
    assert_eq!(ask(&mut ledger, &b, rate(5, 100), 1, 50).amount, 1);
    assert_eq!(ask_as(&mut ledger, &c, rate(5, 100), 1, 99, "id").course, Course::NoRoom);
    // The cells that there are go on.
    assert_eq!(ask(&mut ledger, &b, rate(5, 100), 4, 99).amount, 4);
    assert_eq!(ask(&mut ledger, &a, rate(5, 100), 1, 99).amount, 0);
    // The refusal was not remembered, and the first cell is idle now.
    assert_eq!(ask_as(&mut ledger, &c, rate(5, 100), 1, 100, "id").amount, 1);
    assert_eq!(ledger.cells(), 2);
}

#[test]
fn what_is_in_use_is_never_thrown_away() {
    let settings = Settings {
        algorithm: Algorithm::RollingWindow,
        deduplication: Duration::from_nanos(1),
        cells: 1,
        answers: 10,
    };
    let mut ledger = Ledger::new(settings);
    let [a, b] = ["a", "b"].map(|name| Key::new(name, &[]));
    let limit = Limit::new(1, None);
    assert_eq!(ask(&mut ledger, &a, limit, 1, 0).amount, 1);
    assert_eq!(ask(&mut ledger, &b, limit, 1, u64::MAX).course, Course::NoRoom);
    assert_eq!(ask(&mut ledger, &a, limit, -1, u64::MAX).amount, 1);
    assert_eq!(ask(&mut ledger, &b, limit, 1, u64::MAX).amount, 1);
}

#[test]
fn idle_cells_go_by_themselves() {
    for algorithm in ALGORITHMS {
        let mut ledger = ledger(algorithm);
        for n in 0..500 {
            ask(&mut ledger, &Key::new(&format!("q{n}"), &[]), rate(1, 100), 1, n);
        }
        let key = Key::new("q", &[]);
        for _ in 0..500 / limits::RECLAIM_STEPS {
            ask(&mut ledger, &key, rate(1, 100), 1, 10_000);
        }
        ask(&mut ledger, &key, rate(1, 100), 1, 10_000);
        assert_eq!(ledger.cells(), 1, "{algorithm:?}");
    }
}

#[test]
fn a_limit_that_changed_holds_at_once() {
    for algorithm in ALGORITHMS {
        let (mut ledger, key) = (ledger(algorithm), Key::new("q", &[]));
        let mut granted =
            |max, window, amount, now| ask(&mut ledger, &key, rate(max, window), amount, now).amount;
        assert_eq!(granted(10, 1000, 4, 0), 4);
        assert_eq!(granted(5, 1000, 2, 0), 0, "{algorithm:?}: less");
        assert_eq!(granted(5, 1000, 9, 0), 1, "{algorithm:?}: what is left of it");
        assert_eq!(granted(3, 1000, 1, 0), 0, "{algorithm:?}: less than is used");
        assert_eq!(granted(8, 1000, 6, 0), 0, "{algorithm:?}: not that much more");
        assert!((3..=5).contains(&granted(8, 1000, 9, 0)), "{algorithm:?}: more");
        assert_eq!(granted(8, 4000, 2, 0), 0, "{algorithm:?}: in a longer time");
        assert_eq!(granted(8, 4000, 8, 3999), 0, "{algorithm:?}: which is not over");
        assert_eq!(granted(8, 500, 8, 6000), 8, "{algorithm:?}: in a shorter time");
        assert_eq!(granted(0, 500, 1, 9000), 0, "{algorithm:?}: none");
    }
}

#[test]
fn an_id_lives_as_long_as_it_must_and_no_id_is_none() {
    let (mut ledger, key, limit) = (ledger(Algorithm::FixedWindow), Key::new("q", &[]), rate(100, 10));
    assert_eq!(ask_as(&mut ledger, &key, limit, 2, 999, "id").amount, 2);
    let again = ask_as(&mut ledger, &key, limit, 2, 1999, "id");
    assert_eq!((again.amount, again.course), (2, Course::Repeated));
    // The grant itself is over, which is not the same as that it never is.
    assert_eq!(again.valid_for, Duration::from_nanos(1));
    assert_eq!(ask_as(&mut ledger, &key, limit, 2, 2999, "id").course, Course::Counted);
    for _ in 0..2 {
        assert_eq!(ask_as(&mut ledger, &key, limit, 2, 3000, "").course, Course::Counted);
    }
    // Another counter, and giving back, are other requests.
    let other = Key::new("other", &[]);
    assert_eq!(ask_as(&mut ledger, &other, limit, 2, 3000, "id").course, Course::Counted);
    assert_eq!(ask_as(&mut ledger, &key, limit, -2, 3000, "id").course, Course::Counted);
}

#[test]
fn answers_without_room_are_not_remembered() {
    let settings = Settings {
        algorithm: Algorithm::RollingWindow,
        deduplication: Duration::from_micros(1),
        cells: 10,
        answers: 1,
    };
    let (mut ledger, key) = (Ledger::new(settings), Key::new("q", &[]));
    assert_eq!(ask_as(&mut ledger, &key, rate(3, 100), 1, 0, "a").course, Course::Counted);
    assert_eq!(ask_as(&mut ledger, &key, rate(3, 100), 1, 0, "b").course, Course::Unremembered);
    assert_eq!(ask_as(&mut ledger, &key, rate(3, 100), 1, 0, "b").course, Course::Unremembered);
    assert_eq!(ask_as(&mut ledger, &key, rate(3, 100), 1, 0, "b").amount, 0);
}

#[test]
fn the_largest_numbers_do_not_overflow() {
    for algorithm in ALGORITHMS {
        let (mut ledger, key) = (ledger(algorithm), Key::new("q", &[]));
        let limit = Limit::new(i64::MAX, Some(Duration::MAX));
        assert_eq!(ask(&mut ledger, &key, limit, i64::MAX, 0).amount, i64::MAX as u64);
        assert_eq!(ask(&mut ledger, &key, limit, i64::MAX, 1).amount, 0, "{algorithm:?}");
        ask(&mut ledger, &key, limit, i64::MIN, u64::MAX);
        ask(&mut ledger, &key, rate(i64::MAX, 0), i64::MAX, u64::MAX);
        ask(&mut ledger, &key, rate(-1, 0), 1, u64::MAX);
    }
}

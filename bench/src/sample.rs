//! Samples, and two of them taken in turn.
//!
//! A machine is never quiet for long. What is compared is therefore measured in turn, so that whatever slows one side
//! slows the other: round by round, and in a round of load slot by slot ([`alternate`]). Figures are medians of the
//! rounds, a ratio is the median of the rounds' ratios, and the spread is that of the middle half of them.

use std::hint::black_box;
use std::time::Duration;

use anyhow::{Result, ensure};
use rustix::time::{ClockId, clock_gettime};

/// How long a piece of work is repeated for one sample of it.
const SLICE: Duration = Duration::from_millis(25);

/// Seconds of load of one side before the other has its turn.
pub(crate) const SLOT_S: u32 = 1;

/// The values of all rounds.
#[derive(Debug, Clone)]
pub(crate) struct Sample {
    /// As they were measured.
    rounds: Vec<f64>,
    /// In ascending order.
    sorted: Vec<f64>,
}

/// What was compared.
#[derive(Debug, Clone)]
pub(crate) struct Pair {
    /// What is ours.
    pub(crate) ours: Sample,
    /// What it stands beside.
    pub(crate) beside: Sample,
    /// Both, as they were measured.
    rounds: Vec<(f64, f64)>,
}

/// Measures two things in turn. Which goes first alternates: the second finds the caches as the first left them.
pub(crate) fn in_turn(
    rounds: usize,
    mut ours: impl FnMut() -> Result<f64>,
    mut beside: impl FnMut() -> Result<f64>,
) -> Result<Pair> {
    let mut pairs = Vec::new();
    for round in 0..rounds {
        pairs.push(if round % 2 == 0 {
            let first = ours()?;
            (first, beside()?)
        } else {
            let first = beside()?;
            (ours()?, first)
        });
    }
    Ok(Pair::new(pairs))
}

/// The means of two kinds of load over the slots of a round, in each of which both have [`SLOT_S`]. Which goes first
/// alternates.
pub(crate) async fn alternate(
    round: usize,
    slots: u32,
    ours: &impl AsyncFn() -> Result<f64>,
    beside: &impl AsyncFn() -> Result<f64>,
) -> Result<(f64, f64)> {
    let (mut own, mut other) = (0.0, 0.0);
    for slot in 0..slots as usize {
        if (round + slot).is_multiple_of(2) {
            own += ours().await?;
            other += beside().await?;
        } else {
            other += beside().await?;
            own += ours().await?;
        }
    }
    Ok((own / f64::from(slots), other / f64::from(slots)))
}

/// Nanoseconds of this thread's processor time for one call. What else runs on the machine takes none of it.
pub(crate) fn nanos<T>(mut work: impl FnMut() -> T) -> f64 {
    let mut calls = 1_u32;
    loop {
        let begin = thread_time();
        for _ in 0..calls {
            black_box(work());
        }
        let spent = thread_time().saturating_sub(begin);
        if spent >= SLICE {
            return spent.as_nanos() as f64 / f64::from(calls);
        }
        // Aims a little beyond, so that the next attempt is the last.
        let missing = SLICE.as_secs_f64() / spent.as_secs_f64().max(1e-7);
        calls = (f64::from(calls) * (missing * 1.2).clamp(2.0, 100.0)) as u32;
    }
}

fn thread_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

// === impl Sample ===

impl Sample {
    pub(crate) fn new(rounds: Vec<f64>) -> Self {
        let mut sorted = rounds.clone();
        sorted.sort_by(f64::total_cmp);
        Self { rounds, sorted }
    }

    /// This beside another that was measured in the same rounds.
    pub(crate) fn beside(&self, other: &Self) -> Result<Pair> {
        ensure!(self.rounds.len() == other.rounds.len(), "both were measured in the same rounds");
        Ok(Pair::new(self.rounds.iter().copied().zip(other.rounds.iter().copied()).collect()))
    }

    /// The middle value; not a number if there is none.
    pub(crate) fn median(&self) -> f64 {
        self.quantile(0.5)
    }

    /// Half the distance between the quartiles, as a part of the median.
    pub(crate) fn spread(&self) -> f64 {
        (self.quantile(0.75) - self.quantile(0.25)) / 2.0 / self.median()
    }

    fn quantile(&self, part: f64) -> f64 {
        let at = part * self.sorted.len().saturating_sub(1) as f64;
        let value = |index: f64| self.sorted.get(index as usize).copied().unwrap_or(f64::NAN);
        let (low, high) = (value(at.floor()), value(at.ceil()));
        low + (high - low) * at.fract()
    }
}

// === impl Pair ===

impl Pair {
    pub(crate) fn new(rounds: Vec<(f64, f64)>) -> Self {
        Self {
            ours: Sample::new(rounds.iter().map(|(ours, _)| *ours).collect()),
            beside: Sample::new(rounds.iter().map(|(_, beside)| *beside).collect()),
            rounds,
        }
    }

    /// The same rounds, with ours put in relation to theirs in another way.
    #[must_use]
    pub(crate) fn map(self, ours: impl Fn(f64, f64) -> f64) -> Self {
        Self::new(self.rounds.into_iter().map(|(own, beside)| (ours(own, beside), beside)).collect())
    }

    /// The median of the rounds' quotients: what slowed the machine for a while slowed both sides of a round.
    pub(crate) fn ratio(&self) -> f64 {
        self.quotients().median()
    }

    /// How far the quotients of the rounds lie apart.
    pub(crate) fn spread(&self) -> f64 {
        self.quotients().spread()
    }

    fn quotients(&self) -> Sample {
        Sample::new(self.rounds.iter().map(|(ours, beside)| ours / beside).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_that_of_the_round_in_the_middle() {
        // In the second round the machine had half of its speed.
        let pair = Pair::new(vec![(8.0, 4.0), (5.0, 2.0), (9.0, 3.0)]);
        assert!((pair.ratio() - 2.5).abs() < 1e-9);
        assert!((pair.ours.median() - 8.0).abs() < 1e-9);
    }

    #[test]
    fn the_median_lies_in_the_middle_and_the_spread_around_it() {
        let sample = Sample::new(vec![5.0, 1.0, 3.0, 2.0, 4.0]);
        assert!((sample.median() - 3.0).abs() < 1e-9);
        assert!((sample.spread() - 1.0 / 3.0).abs() < 1e-9);
        assert!((Sample::new(vec![1.0, 2.0]).median() - 1.5).abs() < 1e-9);
    }

    #[test]
    fn both_sides_are_measured_in_turn() {
        let order = std::cell::RefCell::new(String::new());
        let side = |name, value| {
            let order = &order;
            move || {
                order.borrow_mut().push(name);
                Ok(value)
            }
        };
        let pair = in_turn(3, side('a', 6.0), side('b', 3.0)).unwrap();
        assert_eq!(order.take(), "abbaab");
        assert!((pair.ratio() - 2.0).abs() < 1e-9);

        let slot = |name, value| {
            let measure = side(name, value);
            async move || measure()
        };
        let (ours, beside) = (slot('a', 6.0), slot('b', 3.0));
        let rounds = async { (alternate(0, 3, &ours, &beside).await, alternate(1, 1, &ours, &beside).await) };
        let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
        let (first, second) = runtime.block_on(rounds);
        assert_eq!(order.take(), "abbaabba");
        assert_eq!((first.unwrap(), second.unwrap()), ((6.0, 3.0), (6.0, 3.0)));
    }
}

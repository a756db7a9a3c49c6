//! How cost grows: each figure at one, ten and a hundred times the entries, rules or attributes.
//!
//! The three are measured in turn, as pairs are. What they come to beside the smallest is a row each, and a line in
//! `bench/growth.svg`.

mod attributes;
mod entries;
mod plot;
mod rules;

use anyhow::{Result, bail};

use crate::Effort;
use crate::row::Row;
use crate::sample::Sample;

pub(crate) use plot::write as write_plot;

/// By how much there is more of it.
pub(crate) const TIMES: [usize; 3] = [1, 10, 100];

/// What there is more of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dimension {
    Entries,
    Rules,
    Attributes,
}

/// A cost that may grow.
#[derive(Clone, Copy)]
pub(crate) struct Growth {
    pub(crate) name: &'static str,
    what: &'static str,
    unit: &'static str,
    dimension: Dimension,
    /// How many there are at first.
    base: usize,
    run: fn(Growing, Effort) -> Result<[Sample; 3]>,
}

/// Counts to measure at.
#[derive(Debug, Clone, Copy)]
struct Growing([usize; 3]);

/// A cost as it was measured.
pub(crate) struct Curve {
    growth: Growth,
    samples: [Sample; 3],
}

const fn nanos(
    name: &'static str,
    what: &'static str,
    dimension: Dimension,
    base: usize,
    run: fn(Growing, Effort) -> Result<[Sample; 3]>,
) -> Growth {
    Growth { name, what, unit: "ns", dimension, base, run }
}

/// All of them, in the order of the page.
pub(crate) const GROWTHS: [Growth; 11] = [
    nanos("growth/l1-entries", "L1 lookup", Dimension::Entries, 1_000, entries::own),
    nanos("growth/l2-entries", "L2 lookup", Dimension::Entries, 10_000, entries::shared),
    nanos("growth/resolution-rules", "resolution, 5 apply", Dimension::Rules, 100, rules::resolution),
    Growth {
        unit: "µs",
        ..nanos("growth/check-rules", "Check, L2 off", Dimension::Rules, 100, rules::check)
    },
    Growth { unit: "ms", ..nanos("growth/load-rules", "loading", Dimension::Rules, 100, rules::load) },
    nanos("growth/encode-attributes", "encoding", Dimension::Attributes, 12, attributes::encode),
    nanos("growth/decode-attributes", "decoding", Dimension::Attributes, 12, attributes::decode),
    nanos("growth/l1-attributes", "L1 lookup", Dimension::Attributes, 12, attributes::lookup),
    nanos("growth/expression-attributes", "expression", Dimension::Attributes, 12, attributes::expression),
    nanos("growth/resolution-attributes", "resolution", Dimension::Attributes, 12, attributes::resolution),
    Growth {
        unit: "µs",
        ..nanos("growth/check-attributes", "Check, L2 hit", Dimension::Attributes, 12, attributes::check)
    },
];

// === impl Growth ===

impl Growth {
    pub(crate) fn measure(&self, effort: Effort) -> Result<Curve> {
        let samples = (self.run)(Growing(TIMES.map(|times| times * self.base)), effort)?;
        Ok(Curve { growth: *self, samples })
    }
}

// === impl Growing ===

impl Growing {
    /// Prepares something of each size, and measures the three in turn.
    fn in_turn<T>(
        self,
        rounds: usize,
        prepare: impl FnMut(usize) -> Result<T>,
        mut measure: impl FnMut(&mut T) -> Result<f64>,
    ) -> Result<[Sample; 3]> {
        let mut prepared = self.0.into_iter().map(prepare).collect::<Result<Vec<_>>>()?;
        let mut values = [const { Vec::new() }; 3];
        for _ in 0..rounds {
            for (values, prepared) in values.iter_mut().zip(&mut prepared) {
                values.push(measure(prepared)?);
            }
        }
        Ok(values.map(Sample::new))
    }
}

// === impl Dimension ===

impl Dimension {
    const ALL: [Self; 3] = [Self::Entries, Self::Rules, Self::Attributes];

    const fn word(self) -> &'static str {
        match self {
            Self::Entries => "entries",
            Self::Rules => "rules",
            Self::Attributes => "attributes",
        }
    }
}

// === impl Curve ===

impl Curve {
    /// What it costs at ten and at a hundred times as many, each beside what it costs at first.
    pub(crate) fn rows(&self) -> Result<Vec<Row>> {
        let [first, rest @ ..] = &self.samples;
        let Growth { name, what, unit, dimension, base, .. } = self.growth;
        let row = |sample: &Sample, times: usize| -> Result<Row> {
            let count = |times: usize| format!("{} {}", times * base, dimension.word());
            let what = [format!("{what}, {}", count(times)), count(1)];
            Ok(Row::beside(format!("{name}-{times}x"), what, unit, &sample.beside(first)?))
        };
        rest.iter().zip(&TIMES[1..]).map(|(sample, times)| row(sample, *times)).collect()
    }

    /// Costs as multiples of the first.
    fn multiples(&self) -> Result<[f64; 3]> {
        let multiples = self.samples.each_ref().map(|sample| sample.median() / self.samples[0].median());
        if multiples.iter().any(|multiple| !multiple.is_finite() || *multiple <= 0.0) {
            bail!("{} is {multiples:?} times what it is at first", self.growth.name);
        }
        Ok(multiples)
    }
}

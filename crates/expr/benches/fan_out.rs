//! What it costs to compare one attribute with many constants by tests, beside reading its value: the way through the
//! cache's tree, and what the tree takes. Where a policy begins to read values follows from it.
//!
//! `cargo bench -p expr --bench fan_out`. Expected of a lookup by tests: about as many steps as half the constants, each
//! some tens of nanoseconds; by value one step.

#![allow(clippy::disallowed_methods, reason = "what is measured is time, on a host that has it")]

use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::{Duration, Instant};

use attributes::{Bag, ValueType};
use checkcache::{
    CheckCache, Limits, Lookup, Recorder, Revision, Root, Status, Tick, Trace, Validity, Verdict,
};
use expr::{Program, Tuning, compile};

const LOOKUPS: usize = 200_000;

fn main() {
    println!("                       by test                             by value");
    println!("constants values     ns/lookup   hits  nodes    bytes    ns/lookup   hits  nodes    bytes");
    for constants in [1, 2, 4, 8, 16, 32, 64, 128, 250] {
        // An enumeration, and an attribute with more values than a cache holds.
        for values in [constants + 1, 100_000] {
            let [tests, reads] =
                [None, Some(Tuning::by_value())].map(|tuning| run(constants, values, tuning.as_ref()));
            println!("{constants:>9} {values:>6}     {tests}    {reads}");
        }
    }
}

/// Takes requests with all values in turn, misses first.
fn run(constants: usize, values: usize, tuning: Option<&Tuning>) -> String {
    let programs = programs(constants, tuning);
    let bags: Vec<Bag> =
        (0..values).map(|value| [("a", format!("value-{value}").as_str())].into_iter().collect()).collect();
    let root = Root { revision: Revision(1), quota: None };
    let mut cache = CheckCache::new(Limits::of_entries(10_000), [7; 16]);
    for bag in &bags {
        if let Lookup::Miss(vacancy) = cache.lookup(&root, bag, Tick::default()) {
            let verdict = Verdict::new(Status::default(), Validity::Revision);
            cache.insert(vacancy, &root, evaluate(&programs, bag), verdict, Tick::default());
        }
    }
    let (mut hits, mut at) = (0_usize, 0);
    let mut time = Duration::ZERO;
    for _ in 0..LOOKUPS {
        // A step that visits all values in an order that no cache line likes.
        at = (at + 7_919) % values;
        let Some(bag) = bags.get(at) else { continue };
        let start = Instant::now();
        let lookup = cache.lookup(black_box(&root), black_box(bag), Tick::default());
        time += start.elapsed();
        hits += usize::from(matches!(lookup, Lookup::Hit(_)));
    }
    let statistics = cache.statistics();
    format!(
        "{:>9} {:>5.1}% {:>6} {:>8}",
        time.as_nanos() / LOOKUPS as u128,
        100.0 * hits as f64 / LOOKUPS as f64,
        statistics.nodes,
        statistics.bytes
    )
}

fn programs(constants: usize, tuning: Option<&Tuning>) -> Vec<Program> {
    let manifest = BTreeMap::from([("a".to_owned(), ValueType::String)]);
    let program = |constant| {
        let text = format!("a == \"value-{constant}\"");
        let mut program = compile(&text, &manifest).unwrap_or_else(|error| panic!("{text}: {error}"));
        if let Some(tuning) = tuning {
            program.tune(tuning);
        }
        program
    };
    (0..constants).map(program).collect()
}

fn evaluate(programs: &[Program], bag: &Bag) -> Trace {
    let mut recorder = Recorder::new(bag);
    for program in programs {
        assert!(program.evaluate_bool(&mut recorder).is_ok(), "the attribute is there");
    }
    recorder.into_trace()
}

//! Counts of instructions, which do not wobble: what must not grow.
//!
//! Each piece runs under callgrind twice, once for so many calls and once for twice as many. The difference is what the
//! calls cost, without what it takes to prepare them. `bench/instructions.toml` holds the counts; more than 5 % above one of
//! them is a failure, and so is more than 5 % below, since a gain that nobody records can be lost unseen.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::micro::{decode, expression, lookup, resolution};
use crate::{request, tree};

/// How far a count may be from the recorded one, as a part of it.
const MARGIN: f64 = 0.05;

/// Calls of the shorter run.
const CALLS: u32 = 2_000;

/// A piece of work that is counted: prepares, then does it so many times.
type Piece = (&'static str, fn(u32) -> Result<()>);

const PIECES: [Piece; 5] =
    [("decode", decode), ("expression", expression), ("l1", l1), ("l2", l2), ("resolution", resolution)];

fn decode(calls: u32) -> Result<()> {
    let dictionary = request::dictionary()?;
    let bytes = decode::bytes(&dictionary)?;
    (0..calls).try_for_each(|_| decode::bag(&bytes, &dictionary).map(drop).context("the message is whole"))
}

fn expression(calls: u32) -> Result<()> {
    let (bag, program) = (expression::bag(), expression::program()?);
    let yes = (0..calls).filter(|_| expression::evaluate(&program, &bag)).count();
    ensure!(yes == calls as usize, "the expression says yes");
    Ok(())
}

fn l1(calls: u32) -> Result<()> {
    let mut cache = lookup::Own::full(lookup::World::new(lookup::L1_ENTRIES, 1));
    let hits =
        (0..calls as usize).filter(|number| cache.looks_up(number * 7_919 % lookup::L1_ENTRIES)).count();
    ensure!(hits == calls as usize, "every lookup hits");
    Ok(())
}

fn l2(calls: u32) -> Result<()> {
    let cache = lookup::Shared::full(lookup::World::new(lookup::L1_ENTRIES, 1));
    let hits =
        (0..calls as usize).filter(|number| cache.looks_up(number * 7_919 % lookup::L1_ENTRIES)).count();
    ensure!(hits == calls as usize, "every lookup hits");
    Ok(())
}

fn resolution(calls: u32) -> Result<()> {
    let (bag, snapshot) = (request::bag(), tree::snapshot(&tree::files(1)?)?);
    let found: usize = (0..calls).map(|_| resolution::resolve(&snapshot, &bag)).sum();
    ensure!(found == 5 * calls as usize, "five aspects apply");
    Ok(())
}

/// Does a piece of work: what callgrind looks at.
pub(crate) fn work(name: &str, calls: u32) -> Result<()> {
    let (_, piece) = PIECES.iter().find(|(known, _)| *known == name).context("nothing has that name")?;
    piece(calls)
}

/// Counts all pieces, and compares them with what is recorded, or records them.
pub(crate) fn guard(records: bool) -> Result<()> {
    let mut counts = BTreeMap::new();
    for (name, _) in PIECES {
        let [once, twice] = [CALLS, 2 * CALLS].map(|calls| count(name, calls));
        counts.insert(name, (twice? - once?) / f64::from(CALLS));
    }
    if records {
        return record(&counts);
    }
    let recorded = recorded()?;
    let mut off = String::new();
    for (name, count) in &counts {
        let old =
            *recorded.get(*name).with_context(|| format!("{name} is not in bench/instructions.toml"))?;
        let change = count / old - 1.0;
        println!("{name:<12} {count:>9.0} instructions, recorded {old:>9.0}: {:+.1} %", change * 100.0);
        if change.abs() > MARGIN {
            let _ = write!(off, " {name} ({:+.1} %)", change * 100.0);
        }
    }
    if !off.is_empty() {
        bail!(
            "beyond the margin of 5 %:{off}; if that is meant, `cargo xtask bench --record` records the new counts"
        );
    }
    Ok(())
}

/// Instructions of a whole run.
fn count(name: &str, calls: u32) -> Result<f64> {
    let mut command = Command::new("valgrind");
    command.args(["--tool=callgrind", "--callgrind-out-file=/dev/null"]).arg(std::env::current_exe()?);
    command.args(["--work", name, "--calls", &calls.to_string()]);
    let output = command.output().context("valgrind cannot be started; it counts the instructions")?;
    let text = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "valgrind ended with {}: {text}", output.status);
    let line = text.lines().find_map(|line| line.split("Collected : ").nth(1));
    Ok(line.with_context(|| format!("callgrind counted nothing: {text}"))?.trim().parse()?)
}

fn path() -> PathBuf {
    ::tests::paths::root().join("bench/instructions.toml")
}

fn record(counts: &BTreeMap<&str, f64>) -> Result<()> {
    let mut text =
        "# Instructions of one call, written by `cargo xtask bench --record` and held by `--guard`.\n"
            .to_owned();
    for (name, count) in counts {
        writeln!(text, "{name} = {count:.0}")?;
    }
    Ok(std::fs::write(path(), text)?)
}

fn recorded() -> Result<BTreeMap<String, f64>> {
    let text = std::fs::read_to_string(path()).context("bench/instructions.toml")?;
    text.lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, count)| Ok((name.to_owned(), count.parse()?)))
        .collect()
}

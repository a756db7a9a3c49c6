//! Counts of instructions, which do not wobble: what must not grow.
//!
//! Each piece runs under callgrind twice, once for so many calls and once for twice as many. The difference is what the
//! calls cost, without what it takes to prepare them. `bench/instructions.json` holds the counts and the compiler that they
//! are of. More than 5 % above one of them is a failure, and so is more than 5 % below, since a gain that nobody records
//! can be lost unseen. Another compiler makes other code: its counts are shown, and decide nothing.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::PathBuf;
use std::process::{Command, ExitCode};

use anyhow::{Context as _, Result, bail, ensure};
use clap::Parser;
use mimalloc::MiMalloc;
use pieces::lookup::{L1_ENTRIES, Own, Shared, World};
use pieces::{decode, encode, expression, report, request, resolution, tree};
use prost::Message as _;
use serde::{Deserialize, Serialize};

/// The server's own. That of the C library costs now this, now that, as memory happens to lie.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// How far a count may be from the recorded one, as a part of it.
const MARGIN: f64 = 0.05;

/// Calls of the shorter run.
const CALLS: u32 = 1_000;

/// Counts the instructions of the parts and compares them with what is recorded.
#[derive(Parser)]
#[command(name = "cargo xtask guard", bin_name = "cargo xtask guard")]
struct Arguments {
    /// Records the counts instead.
    #[arg(long)]
    record: bool,

    /// Does one piece of what is counted; used by this program itself.
    #[arg(long, hide = true)]
    work: Option<String>,

    /// How many times.
    #[arg(long, hide = true, default_value_t = 1)]
    calls: u32,
}

/// What is recorded.
#[derive(Serialize, Deserialize)]
struct Record {
    compiler: String,
    instructions: BTreeMap<String, u64>,
}

/// A piece of work that is counted: prepares, then does it so many times.
type Piece = (&'static str, fn(u32) -> Result<()>);

const PIECES: [Piece; 9] = [
    ("decode", decode),
    ("encode", encode),
    ("expression", expression),
    ("l1", |calls| own(calls, 1)),
    ("l1-shapes", |calls| own(calls, 64)),
    ("l2", shared),
    ("report", reported),
    ("resolution", |calls| resolution(calls, 1)),
    ("resolution-many", |calls| resolution(calls, 100)),
];

fn decode(calls: u32) -> Result<()> {
    let dictionary = request::dictionary()?;
    let bytes = decode::bytes(&dictionary, &request::bag())?;
    (0..calls).try_for_each(|_| decode::bag(&bytes, &dictionary).map(drop).context("the message is whole"))
}

fn encode(calls: u32) -> Result<()> {
    let (dictionary, bag) = (request::dictionary()?, request::bag());
    let bytes: usize = (0..calls).map(|_| encode::bytes(&bag, &dictionary).len()).sum();
    ensure!(bytes > 0, "a message has bytes");
    Ok(())
}

fn expression(calls: u32) -> Result<()> {
    let (bag, program) = (expression::with_operands(request::bag()), expression::program()?);
    let yes = (0..calls).filter(|_| expression::evaluate(&program, &bag)).count();
    ensure!(yes == calls as usize, "the expression says yes");
    Ok(())
}

/// Numbers that are not near each other.
fn numbers(calls: u32) -> impl Iterator<Item = usize> {
    (0..calls as usize).map(|number| number * 7_919 % L1_ENTRIES)
}

fn own(calls: u32, shapes: usize) -> Result<()> {
    let mut cache = Own::full(World::new(L1_ENTRIES, shapes));
    let hits = numbers(calls).filter(|number| cache.looks_up(*number)).count();
    ensure!(hits == calls as usize, "every lookup hits");
    Ok(())
}

fn shared(calls: u32) -> Result<()> {
    let cache = Shared::full(World::new(L1_ENTRIES, 1));
    let hits = numbers(calls).filter(|number| cache.looks_up(*number)).count();
    ensure!(hits == calls as usize, "every lookup hits");
    Ok(())
}

/// Each call is one message of a report: it is read, and three metrics are measured of it.
fn reported(calls: u32) -> Result<()> {
    const MESSAGES: u32 = 100;
    let (dictionary, snapshot) = (request::dictionary()?, tree::snapshot(&tree::files(1)?)?);
    let bytes = request::report(&dictionary, MESSAGES.into())?.encode_to_vec();
    for _ in 0..calls.div_ceil(MESSAGES) {
        let values = report::measure(&bytes, &dictionary, &snapshot).context("every message is read")?;
        ensure!(values == 3 * MESSAGES as usize, "three values of each message, not {values} of all");
    }
    Ok(())
}

fn resolution(calls: u32, subjects: usize) -> Result<()> {
    let (bag, snapshot) = (request::bag(), tree::snapshot(&tree::files(subjects)?)?);
    let found: usize = (0..calls).map(|_| resolution::resolve(&snapshot, &bag)).sum();
    ensure!(found == 5 * calls as usize, "five aspects apply");
    Ok(())
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("guard: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    if let Some(name) = &arguments.work {
        let (_, piece) = PIECES.iter().find(|(known, _)| known == name).context("nothing has that name")?;
        return piece(arguments.calls);
    }
    let mut instructions = BTreeMap::new();
    for (name, _) in PIECES {
        let [once, twice] = [CALLS, 2 * CALLS].map(|calls| count(name, calls));
        instructions.insert(name.to_owned(), (twice? - once?) / u64::from(CALLS));
    }
    let counted = Record { compiler: compiler()?, instructions };
    if arguments.record {
        return Ok(std::fs::write(path(), serde_json::to_string_pretty(&counted)? + "\n")?);
    }
    let text = std::fs::read_to_string(path()).context("bench/instructions.json")?;
    compare(&counted, &serde_json::from_str(&text).context("bench/instructions.json")?)
}

fn compare(counted: &Record, recorded: &Record) -> Result<()> {
    let mut off = String::new();
    for (name, count) in &counted.instructions {
        let old = recorded.instructions.get(name);
        let old = *old.with_context(|| format!("{name} is not in bench/instructions.json"))?;
        let change = *count as f64 / old as f64 - 1.0;
        println!("{name:<16} {count:>9} instructions, recorded {old:>9}: {:+.1} %", change * 100.0);
        if change.abs() > MARGIN {
            let _ = write!(off, " {name} ({:+.1} %)", change * 100.0);
        }
    }
    if counted.compiler != recorded.compiler {
        println!(
            "nothing is decided: recorded with {}, counted with {}",
            recorded.compiler, counted.compiler
        );
        return Ok(());
    }
    if !off.is_empty() {
        bail!(
            "beyond the margin of 5 %:{off}; if that is meant, `cargo xtask guard --record` records the new counts"
        );
    }
    Ok(())
}

/// What compiles here.
fn compiler() -> Result<String> {
    let output = Command::new("rustc").arg("--version").output().context("rustc says its version")?;
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

/// Instructions of a whole run.
fn count(name: &str, calls: u32) -> Result<u64> {
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
    pieces::root().join("bench/instructions.json")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(compiler: &str, count: u64) -> Record {
        Record { compiler: compiler.to_owned(), instructions: BTreeMap::from([("l1".to_owned(), count)]) }
    }

    #[test]
    fn what_is_off_by_more_than_the_margin_is_told() {
        let recorded = record("rustc 1", 1_000);
        for (compiler, count, is_fine) in [
            ("rustc 1", 1_049, true),
            ("rustc 1", 1_051, false),
            ("rustc 1", 949, false),
            ("rustc 2", 2_000, true),
        ] {
            assert_eq!(compare(&record(compiler, count), &recorded).is_ok(), is_fine, "{compiler} {count}");
        }
    }

    #[test]
    fn every_piece_works() -> Result<()> {
        PIECES.iter().try_for_each(|(_, piece)| piece(3))
    }
}

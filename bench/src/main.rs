//! bench: speed, measured beside what users would pick instead.
//!
//! `cargo xtask bench` builds everything in release, names it in the environment and runs this. Each figure and what it
//! stands beside are measured in turn ([`sample`]), so that ratios hold on a machine that does something else as well.
//!
//! ```text
//! proxy    through the real Envoy, one worker on one core, the load on another
//! micro    the parts alone, in this process, by processor time
//! server   the real `mixer` on one core, the load on another
//! size     what the filter and the server take
//! limit    the best that a figure that is short of its goal could be
//! profile  where the time goes, in Envoy and in the server
//! growth   how cost grows with entries, rules and attributes
//! ```
//!
//! Nothing here decides about a test: numbers depend on the machine, and a person looks at them. What must not grow is
//! held by counts of instructions, in package `pieces`.

mod cores;
mod growth;
mod load;
mod machine;
mod micro;
mod processor;
mod profile;
mod proxy;
mod row;
mod sample;
mod server;
mod size;
mod stub;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use mimalloc::MiMalloc;

use crate::growth::{Curve, GROWTHS};
use crate::profile::Profile;
use crate::row::Row;
use crate::stub::Stub;

/// What stands beside the server has the server's allocator.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Rounds of what runs in this process.
const MICRO_ROUNDS: usize = 21;

/// Rounds of what runs as processes, each some seconds long.
const PROCESS_ROUNDS: usize = 7;

/// Measures Mixer beside what one would use instead.
#[derive(Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench")]
struct Arguments {
    /// What to measure: names, or beginnings of them. All, if none is given.
    names: Vec<String>,

    /// Prints one JSON object and nothing else.
    #[arg(long)]
    json: bool,

    /// Only says what can be measured.
    #[arg(long)]
    list: bool,

    /// Rounds, instead of 21 in this process and 7 with processes.
    #[arg(long)]
    rounds: Option<usize>,

    /// Seconds of load for each side of a round.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..))]
    seconds: u32,

    /// Serves as what others are measured beside; used by this program itself.
    #[arg(long, hide = true)]
    stub: Option<Stub>,
}

/// How thoroughly to measure.
#[derive(Debug, Clone, Copy)]
struct Effort {
    rounds: Option<usize>,
    seconds: u32,
}

/// Something to measure.
struct Bench {
    name: &'static str,
    run: fn(Effort) -> Result<Vec<Row>>,
}

/// All of them, in the order of the page.
const BENCHES: [Bench; 26] = [
    Bench { name: "proxy/l1-nothing", run: proxy::hit_beside_nothing },
    Bench { name: "proxy/l1-authz", run: proxy::hit_beside_authorizer },
    Bench { name: "proxy/report-nothing", run: proxy::reporting_beside_nothing },
    Bench { name: "proxy/l2-authz", run: proxy::miss_beside_authorizer },
    Bench { name: "proxy/quota-ratelimit", run: proxy::quota_beside_limiter },
    Bench { name: "proxy/report-log", run: proxy::report_beside_log },
    Bench { name: "server/l2-hit", run: server::l2_hit },
    Bench { name: "server/l2-off", run: server::l2_off },
    Bench { name: "server/report", run: server::report },
    Bench { name: "server/cores", run: server::cores },
    Bench { name: "micro/expression-hand", run: |effort| micro::expression::beside_hand(effort.micro()) },
    Bench { name: "micro/expression-cel", run: |effort| micro::expression::beside_cel(effort.micro()) },
    Bench { name: "micro/l1-map", run: |effort| micro::lookup::beside_map(effort.micro()) },
    Bench { name: "micro/l1-shapes", run: |effort| micro::lookup::by_shapes(effort.micro()) },
    Bench { name: "micro/l2", run: |effort| micro::lookup::shared_beside_own(effort.micro()) },
    Bench { name: "micro/decode", run: |effort| micro::decode::beside_prost(effort.micro()) },
    Bench { name: "micro/resolution", run: |effort| micro::resolution::among_many(effort.micro()) },
    Bench { name: "size/filter", run: size::filter },
    Bench { name: "size/vm", run: proxy::vm },
    Bench { name: "size/l2", run: size::l2 },
    Bench { name: "limit/none-authz", run: proxy::none_beside_authorizer },
    Bench { name: "limit/none-ratelimit", run: proxy::none_beside_limiter },
    Bench { name: "limit/call-authz", run: proxy::calling_beside_authorizer },
    Bench { name: "limit/read-log", run: proxy::reading_beside_log },
    Bench { name: "limit/cores", run: server::empty_cores },
    Bench { name: "limit/l2-map", run: |effort| micro::lookup::map_beside_own(effort.micro()) },
];

/// The name by which profiles are asked for.
const PROFILE: &str = "profile";

impl Effort {
    fn micro(self) -> usize {
        self.rounds.unwrap_or(MICRO_ROUNDS)
    }

    fn processes(self) -> usize {
        self.rounds.unwrap_or(PROCESS_ROUNDS)
    }
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("bench: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    if let Some(stub) = arguments.stub {
        return stub.serve();
    }
    let benches = BENCHES.iter().map(|bench| bench.name);
    let all = benches.chain([PROFILE]).chain(GROWTHS.iter().map(|growth| growth.name));
    let is_chosen = |name: &str| {
        arguments.names.is_empty() || arguments.names.iter().any(|beginning| name.starts_with(beginning))
    };
    let chosen: Vec<&str> = all.clone().filter(|name| is_chosen(name)).collect();
    ensure!(!chosen.is_empty(), "nothing has such a name; there are {}", all.collect::<Vec<_>>().join(", "));
    if arguments.list {
        println!("{}", chosen.join("\n"));
        return Ok(());
    }
    let effort = Effort { rounds: arguments.rounds, seconds: arguments.seconds };
    let measured = Measured::of(&chosen, effort)?;
    if arguments.json {
        let profiles = measured.profiles.iter().flat_map(Profile::json);
        println!("{}", row::to_json(measured.rows.iter().map(Row::json).chain(profiles)));
    } else {
        print!("{}", measured.to_tables());
    }
    measured.write(arguments.names.is_empty())
}

/// All that came of a run.
#[derive(Default)]
struct Measured {
    rows: Vec<Row>,
    profiles: Vec<Profile>,
    curves: Vec<Curve>,
    failed: Vec<&'static str>,
}

impl Measured {
    fn of(chosen: &[&str], effort: Effort) -> Result<Self> {
        let mut measured = Self::default();
        for bench in BENCHES.iter().filter(|bench| chosen.contains(&bench.name)) {
            if let Some(rows) = measured.attempt(bench.name, || (bench.run)(effort)) {
                measured.rows.extend(rows);
            }
        }
        if chosen.contains(&PROFILE) {
            measured.profiles = measured.attempt(PROFILE, || profile::all(effort)).unwrap_or_default();
        }
        for growth in GROWTHS.iter().filter(|growth| chosen.contains(&growth.name)) {
            if let Some(curve) = measured.attempt(growth.name, || growth.measure(effort)) {
                measured.rows.extend(curve.rows()?);
                measured.curves.push(curve);
            }
        }
        Ok(measured)
    }

    /// What one could not measure does not take away what the others did.
    fn attempt<T>(&mut self, name: &'static str, run: impl FnOnce() -> Result<T>) -> Option<T> {
        eprintln!("» {name} …");
        run()
            .inspect_err(|error| eprintln!("  failed: {error:#}"))
            .inspect_err(|_| self.failed.push(name))
            .ok()
    }

    /// What was measured, as tables of Markdown.
    fn to_tables(&self) -> String {
        let rows = if self.rows.is_empty() { String::new() } else { row::to_table(&self.rows) };
        let profiles =
            if self.profiles.is_empty() { String::new() } else { profile::to_table(&self.profiles) };
        let between = if rows.is_empty() || profiles.is_empty() { "" } else { "\n" };
        format!("{rows}{between}{profiles}")
    }

    /// Keeps what is whole: the page when all was measured, the plot when all that grows was.
    fn write(&self, is_all: bool) -> Result<()> {
        ensure!(self.failed.is_empty(), "not measured: {}", self.failed.join(", "));
        if self.curves.len() == GROWTHS.len() {
            growth::write_plot(&self.curves)?;
        }
        if is_all {
            machine::write_page(&self.to_tables())?;
        }
        Ok(())
    }
}

/// One thread: what it starts and where is then in its own hands.
pub(crate) fn block_on<T>(work: impl Future<Output = Result<T>>) -> Result<T> {
    let all = cores::Cores::of_this_process()?;
    let result = tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(work);
    all.enter()?;
    result
}

/// A program that `cargo xtask bench` names.
pub(crate) fn program(variable: &str) -> Result<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from).with_context(|| {
        format!("{variable} is not set; run `cargo xtask bench`, which builds everything and sets it")
    })
}

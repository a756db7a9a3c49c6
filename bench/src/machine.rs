//! The page of results: what was measured, and on what.

use std::fs;

use anyhow::Result;

use crate::cores::Cores;

/// What is said about the figures by those who looked at the profiles.
const NOTES: &str = include_str!("../NOTES.md");

/// Writes `bench/RESULTS.md`.
pub(crate) fn write_page(tables: &str) -> Result<()> {
    let page = format!(
        "# Results\n\nWritten by `cargo xtask bench`. Each figure and what stands beside it were measured in turn; figures are \
         medians\nof the rounds, ratios are the medians of the rounds' ratios, and the spread is half the distance between \
         the quartiles of these.\n\n{}\n{tables}\n![How cost grows with entries, rules and attributes](growth.svg)\n\n{NOTES}",
        description()?
    );
    fs::write(::tests::paths::root().join("bench/RESULTS.md"), page)?;
    Ok(())
}

/// What the machine is, without saying which.
fn description() -> Result<String> {
    let value = |text: &str, key: &str| {
        let line = text.lines().find(|line| line.starts_with(key));
        line.and_then(|line| line.split_once(':'))
            .map_or("unknown".to_owned(), |(_, value)| value.trim().to_owned())
    };
    let processors = fs::read_to_string("/proc/cpuinfo")?;
    let memory = fs::read_to_string("/proc/meminfo")?;
    let kib: u64 = value(&memory, "MemTotal").trim_end_matches(" kB").parse().unwrap_or(0);
    Ok(format!(
        "| machine | |\n|---|---|\n| cores | {} |\n| processor | {} |\n| memory | {} GiB |\n| kernel | {} |\n",
        Cores::of_this_process()?.count(),
        value(&processors, "model name"),
        kib.div_ceil(1024 * 1024),
        fs::read_to_string("/proc/sys/kernel/osrelease")?.trim(),
    ))
}

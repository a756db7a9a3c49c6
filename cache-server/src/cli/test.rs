//! `mixer test`: an operator's expectations of a configuration.
//!
//! Each case of the `*.test.yml` files beside the rules goes through the code that serves requests, adapters that decide
//! included. Nothing is logged, measured or taken from a quota.

use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use clap::Args;
use policy::{Case, Diagnostic, Outcome, Suite};

use super::identity::Identity;
use super::{many, print};
use crate::adapters;
use crate::runtime::{self, Active, Runtime, Told, read_tree};
use crate::telemetry::Telemetry;

#[derive(Debug, Args)]
pub(super) struct Test {
    /// The folder of the configuration.
    #[arg(value_name = "DIR")]
    config: PathBuf,

    /// Runs only the cases whose names contain this.
    #[arg(long, value_name = "TEXT")]
    filter: Option<String>,

    #[command(flatten)]
    identity: Identity,
}

/// Runs the command.
pub(super) fn run(arguments: Test) -> Result<ExitCode, String> {
    let files = read_tree(&arguments.config).map_err(|error| error.to_string())?;
    let options: policy::Options = arguments.identity.into();
    let loaded = policy::load(&files, &adapters::infos(), &options);
    let Some(snapshot) = &loaded.snapshot else {
        print(&listed(loaded.errors()))?;
        return Err("the configuration is not valid, so nothing was tested".to_owned());
    };
    let suite = Suite::read(&files, snapshot);
    if suite.files() == 0 {
        return Err(format!("there is no `*.test.yml` file below {}", arguments.config.display()));
    }
    let threads = tokio::runtime::Builder::new_current_thread().enable_all().build();
    let threads = threads.map_err(|error| format!("cannot start: {error}"))?;
    let telemetry = Arc::new(Telemetry::new());
    let runtime = Runtime::new(arguments.config, options, Arc::clone(&telemetry));
    let filter = arguments.filter.unwrap_or_default();
    let cases: Vec<_> = suite.cases.iter().filter(|case| case.name.contains(&filter)).collect();
    let judged = threads.block_on(async {
        runtime.load(Ok(files)).map_err(|error| error.to_string())?;
        let active = runtime.active().map_err(|error| error.to_string())?;
        let mut judged = Vec::with_capacity(cases.len());
        for case in cases {
            judged.push(suite.judge(case, &outcome(&active, case, &telemetry).await));
        }
        Ok::<_, String>(judged)
    })?;
    let failed = judged.iter().filter(|failures| !failures.is_empty()).count();
    print(&listed(suite.diagnostics.iter().chain(judged.iter().flatten())))?;
    let mistakes = match suite.diagnostics.len() {
        0 => String::new(),
        count => format!(", {} in the test files themselves", many(count, "mistake")),
    };
    print(&format!("{} passed, {failed} failed{mistakes}\n", judged.len() - failed))?;
    let is_passed = failed == 0 && suite.diagnostics.is_empty() && !judged.is_empty();
    Ok(if is_passed { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// What the configuration in force makes of a case.
async fn outcome(active: &Active, case: &Case, telemetry: &Telemetry) -> Outcome {
    let verdict = runtime::check(active, &case.request, telemetry).await.verdict;
    let preprocessed = runtime::preprocess(active, &case.request, false, telemetry).await;
    let limit = |name: &String| {
        runtime::limit(active, &case.request, &preprocessed, name, telemetry).map_err(|status| status.message)
    };
    let Told { entries, values, errors } = runtime::told(active, &case.request, &preprocessed.derived);
    Outcome {
        status: verdict.status,
        refused_by: verdict.refused_by.map(|by| by.to_string()),
        directive: verdict.directive,
        quotas: case.quotas.iter().map(limit).collect(),
        derived: preprocessed.derived,
        metrics: values,
        logs: entries,
        errors,
    }
}

fn listed<'d>(diagnostics: impl IntoIterator<Item = &'d Diagnostic>) -> String {
    let texts: Vec<_> = diagnostics.into_iter().map(|diagnostic| format!("{diagnostic}\n\n")).collect();
    texts.concat()
}

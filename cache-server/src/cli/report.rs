//! `mixer report`: tells a running server of a request, as a proxy would.

use std::process::ExitCode;

use clap::Args;
use proto::v1::ReportRequest;
use proto::v1::report_request::RepeatedAttributesSemantics;

use super::page::write_table;
use super::print;
use super::rpc::{self, Call};

#[derive(Debug, Args)]
pub(super) struct Report {
    /// Requests that are told about in one report, all with the same attributes.
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=1000))]
    batch: u16,

    #[command(flatten)]
    call: Call,
}

/// Runs the command.
pub(super) fn run(arguments: &Report) -> Result<ExitCode, String> {
    let Report { batch, call } = arguments;
    let bag = call.bag()?;
    if call.verbose {
        let mut page = "sent:\n".to_owned();
        write_table(&mut page, &rpc::sent(&bag)).map_err(|error| error.to_string())?;
        print(&(page + "\n"))?;
    }
    let request = ReportRequest {
        attributes: vec![rpc::compress(&bag); usize::from(*batch)],
        repeated_attributes_semantics: RepeatedAttributesSemantics::IndependentEncoding.into(),
        ..ReportRequest::default()
    };
    rpc::block_on(async {
        let mut client = call.connect().await?;
        for _ in 0..call.repeat {
            let answer = client.report(request.clone()).await;
            answer.map_err(|status| rpc::failure("Report", &status))?;
            print("status    OK\n")?;
        }
        Ok(ExitCode::SUCCESS)
    })
}

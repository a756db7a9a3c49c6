//! `mixer check`: asks a running server about a request, as a proxy would.

use std::collections::BTreeMap;
use std::fmt::{self, Write as _};
use std::process::ExitCode;
use std::str::FromStr;

use attributes::{Bag, Dictionary};
use checkcache::wire::{Precondition, decode_precondition};
use checkcache::{Code, Revision, Status};
use clap::Args;
use proto::v1::check_request::QuotaParams;
use proto::v1::check_response::QuotaResult;
use proto::v1::{CheckRequest, CheckResponse};

use super::page::{validity, write_list, write_table};
use super::rpc::{self, Call};
use super::{DENIED, print};

#[derive(Debug, Args)]
pub(super) struct Check {
    /// Asks for so much of a quota as well.
    #[arg(short, long = "quota", alias = "quotas", value_name = "NAME=AMOUNT", value_delimiter = ',')]
    quotas: Vec<Quota>,

    /// Takes all of each quota or nothing of it, and not as much as there is.
    #[arg(long)]
    all_or_nothing: bool,

    /// The id by which the server tells that it was asked the same before. [default: another one for each call]
    #[arg(long, value_name = "ID")]
    deduplication_id: Option<String>,

    /// Asks as a client that knows nothing of this server's extensions, such as Istio's proxies.
    #[arg(long)]
    plain: bool,

    #[command(flatten)]
    call: Call,
}

/// A quota given as `NAME=AMOUNT`.
#[derive(Debug, Clone)]
struct Quota {
    name: String,
    amount: i64,
}

/// An answer, read.
struct Answer {
    precondition: Precondition,
    revision: Revision,
    quotas: BTreeMap<String, QuotaResult>,
    asked: BTreeMap<String, i64>,
}

/// Runs the command.
pub(super) fn run(arguments: &Check) -> Result<ExitCode, String> {
    let bag = arguments.call.bag()?;
    if arguments.call.verbose {
        let mut page = "sent:\n".to_owned();
        write_table(&mut page, &rpc::sent(&bag)).map_err(|error| error.to_string())?;
        print(&(page + "\n"))?;
    }
    rpc::block_on(async {
        let mut client = arguments.call.connect().await?;
        let mut is_denied = false;
        for call in 0..arguments.call.repeat {
            let answer = client.check(arguments.request(&bag, call)).await;
            let answer = answer.map_err(|status| rpc::failure("Check", &status))?.into_inner();
            let answer = Answer::read(answer, &bag, &arguments.quotas)?;
            let gap = if call == 0 { "" } else { "\n" };
            print(&format!("{gap}{answer}"))?;
            is_denied |= answer.is_denied();
        }
        Ok(if is_denied { ExitCode::from(DENIED) } else { ExitCode::SUCCESS })
    })
}

// === impl Check ===

impl Check {
    fn request(&self, bag: &Bag, call: u32) -> CheckRequest {
        let params = |quota: &Quota| QuotaParams {
            amount: quota.amount,
            best_effort: !self.all_or_nothing,
            ..QuotaParams::default()
        };
        CheckRequest {
            attributes: Some(rpc::compress(bag)),
            deduplication_id: self.deduplication_id.clone().unwrap_or_else(|| rpc::unique_id(call)),
            quotas: self.quotas.iter().map(|quota| (quota.name.clone(), params(quota))).collect(),
            accepts_trace: !self.plain,
            ..CheckRequest::default()
        }
    }
}

// === impl Answer ===

impl Answer {
    fn read(answer: CheckResponse, bag: &Bag, asked: &[Quota]) -> Result<Self, String> {
        let CheckResponse { precondition, quotas, revision, .. } = answer;
        let precondition = precondition.ok_or("the answer has no precondition")?;
        Ok(Self {
            precondition: decode_precondition(precondition, &Dictionary::default(), 0, bag),
            revision: Revision(revision),
            quotas: quotas.into_iter().collect(),
            asked: asked.iter().map(|quota| (quota.name.clone(), quota.amount)).collect(),
        })
    }

    /// Whether a proxy would turn the request away.
    fn is_denied(&self) -> bool {
        let granted = |name: &String| self.quotas.get(name).map_or(0, |quota| quota.granted_amount);
        !self.precondition.verdict.status.is_ok()
            || self.asked.iter().any(|(name, amount)| *amount > 0 && granted(name) <= 0)
    }

    fn quota_rows(&self) -> Vec<[String; 5]> {
        let heading = ["quota", "asked for", "granted", "valid", "why"].map(str::to_owned);
        let row = |(name, amount): (&String, &i64)| {
            let quota = self.quotas.get(name).cloned().unwrap_or_default();
            let QuotaResult { valid_duration, granted_amount, referenced_attributes: _, status, .. } = quota;
            let span = valid_duration.map_or_else(attributes::Duration::default, |span| {
                attributes::Duration { seconds: span.seconds, nanos: span.nanos }
            });
            let why = status.filter(|status| status.code != 0).map_or(String::new(), |status| {
                written(&Status::new(Code::from_number(status.code), status.message))
            });
            [name.clone(), amount.to_string(), granted_amount.to_string(), span.to_string(), why]
        };
        std::iter::once(heading).chain(self.asked.iter().map(row)).collect()
    }
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Precondition { verdict, trace, .. } = &self.precondition;
        writeln!(f, "status    {}", written(&verdict.status))?;
        if let Some(by) = &verdict.refused_by {
            writeln!(f, "refused   by {by}")?;
        }
        writeln!(f, "valid     {}", validity(verdict.validity))?;
        if self.revision != Revision(0) {
            writeln!(f, "revision  {}", self.revision)?;
        }
        match trace {
            Ok(trace) => write_list(f, "depends on", trace.observations())?,
            Err(reason) => write_list(f, "depends on", [format!("unknown: {reason}")])?,
        }
        if !self.asked.is_empty() {
            f.write_char('\n')?;
            write_table(f, &self.quota_rows())?;
        }
        if !verdict.attributes.is_empty() {
            f.write_str("\nattributes that came back:\n")?;
            write_table(f, &rpc::sent(&verdict.attributes))?;
        }
        Ok(())
    }
}

/// A code and, if there is one, its message.
fn written(status: &Status) -> String {
    let Status { code, message } = status;
    let colon = if message.is_empty() { "" } else { ": " };
    format!("{}{colon}{message}", code.name())
}

// === impl Quota ===

impl FromStr for Quota {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = "write NAME=AMOUNT, such as requests=1";
        let (name, amount) = text.split_once('=').filter(|(name, _)| !name.is_empty()).ok_or(form)?;
        Ok(Self { name: name.to_owned(), amount: amount.parse().map_err(|_| form)? })
    }
}

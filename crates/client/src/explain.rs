//! Explaining decisions to trusted peers: where a verdict came from, who refused, and what was looked at.
//!
//! A request with the header `x-mixer-explain` from an address that the configuration trusts gets the answer in a
//! response header of the same name. Nobody else learns anything, and the application never sees the header.

use std::fmt::Write as _;
use std::net::IpAddr;

use attributes::AttributeSource;
use checkcache::{MissReason, Revision, Trace, Verdict};

use crate::attribute::View;
use crate::stream::{Explain, Stream};
use crate::{Config, limits};

/// The header that asks, and the one that answers.
pub(crate) const EXPLANATION: &str = "x-mixer-explain";

/// Where a verdict came from.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Origin {
    /// The filter's cache.
    Cache,
    /// The server, since the cache had nothing for this reason.
    Server(MissReason),
}

/// Notes whether a request asks for an explanation and may have one. Returns whether it has the header.
pub(crate) fn ask(config: &Config, view: &View<'_>) -> (bool, Explain) {
    if config.explain_to.is_empty() || !view.has_request_header(EXPLANATION) {
        return (false, Explain::No);
    }
    let peer = view.get("source.ip").and_then(|value| value.to_value().to_ip());
    let is_trusted = peer.is_some_and(|peer: IpAddr| config.explain_to.iter().any(|net| net.contains(&peer)));
    (true, if is_trusted { Explain::Asked } else { Explain::No })
}

/// Writes down how a verdict came about, if that was asked for.
pub(crate) fn note(
    stream: &mut Stream,
    origin: Origin,
    revision: Revision,
    verdict: &Verdict,
    trace: Result<&Trace, String>,
) {
    if !matches!(stream.explain, Explain::Asked) {
        return;
    }
    let mut text = match origin {
        Origin::Cache => "cache hit".to_owned(),
        Origin::Server(why) => format!("cache miss ({})", reason(why)),
    };
    // Writing to a string does not fail.
    let _ = write!(text, "; revision {revision}; {}", verdict.status.code.name());
    if let Some(by) = &verdict.refused_by {
        let _ = write!(text, " by {by}");
    }
    match trace {
        Ok(trace) => trace.observations().iter().for_each(|seen| {
            let _ = write!(text, "; {seen}");
        }),
        Err(why) => {
            let _ = write!(text, "; not stored: {why}");
        }
    }
    stream.explain = Explain::Said(printable(&text));
}

fn reason(why: MissReason) -> &'static str {
    match why {
        MissReason::Cold => "cold",
        MissReason::Revision => "revision",
        MissReason::Expired => "expired",
        MissReason::UsedUp => "used up",
        MissReason::Ending => "ending",
    }
}

/// What a header can carry, and not too much of it.
fn printable(text: &str) -> String {
    let mut header = String::new();
    for c in text.chars() {
        if header.len() >= limits::EXPLANATION_BYTES {
            header.push_str("...");
            break;
        }
        if c == ' ' || c.is_ascii_graphic() {
            header.push(c);
        } else {
            header.extend(c.escape_default());
        }
    }
    header
}

//! The parameters of lists.

use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use axum::http::Uri;
use checkcache::Validity;
use policy::ParamProblem;

use super::entries::{Collector, EntryType};
use crate::adapters::params::Params;
use crate::limits;

/// What an adapter that looks values up on a list lets its blocks say.
#[derive(Debug)]
pub(super) struct Preset {
    /// What the entries are; `None`: the block says it, as it says what else `listChecker` has.
    pub(super) entry_type: Option<EntryType>,
    /// Where the list is from if the block does not say.
    pub(super) provider: Option<&'static str>,
}

/// A block's parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct ListParams {
    pub(super) entry_type: EntryType,
    pub(super) inline: Vec<String>,
    pub(super) origin: OriginParam,
    pub(super) refresh: Duration,
    pub(super) ttl: Duration,
    /// How long an answer holds at most.
    pub(super) validity: Validity,
}

/// Where the entries are from that are not in the block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum OriginParam {
    /// There are none.
    Inline,
    /// A file below the root of the configuration.
    File(PathBuf),
    /// What a provider serves.
    Url(Uri),
}

impl ListParams {
    /// Reads them.
    pub(super) fn parse(preset: &Preset, params: &serde_json::Value) -> Result<Self, Vec<ParamProblem>> {
        let mut params = Params::new(params);
        let entry_type = preset.entry_type.unwrap_or_else(|| entry_type(&mut params));
        let inline = inline(&mut params, preset, entry_type);
        let origin = origin(&mut params, preset, inline.is_some());
        let default = match origin {
            OriginParam::Inline | OriginParam::File(_) => limits::LIST_FILE_REFRESH,
            OriginParam::Url(_) => limits::LIST_URL_REFRESH,
        };
        let refresh = params.duration("refreshInterval");
        let is_refresh_wrong = refresh.is_none() && params.has("refreshInterval");
        let refresh = refresh.unwrap_or(default);
        if refresh < Duration::from_secs(1) {
            params.problem("refreshInterval", "must be at least 1s");
        }
        let ttl = params.duration("ttl").unwrap_or(limits::LIST_TTL.max(refresh));
        if ttl < refresh && !is_refresh_wrong {
            params.problem("ttl", "must not be less than `refreshInterval`");
        }
        let caching = params.duration("cachingInterval").unwrap_or(limits::VERDICT_TTL);
        let uses = params.count("cachingUseCount");
        let validity = Validity::For { ttl: caching, uses };
        let inline = inline.unwrap_or_default();
        params.finish(Self { entry_type, inline, origin, refresh, ttl, validity })
    }
}

/// What only `listChecker` has.
fn entry_type(params: &mut Params<'_>) -> EntryType {
    // What it means is the business of the aspects, and of who validates them.
    params.truth("blacklist");
    let number = params.choice("entryType", &EntryType::NAMES);
    number.map_or(EntryType::Strings, EntryType::from_number)
}

/// The entries in the block, under whichever of their names.
fn inline(params: &mut Params<'_>, preset: &Preset, entry_type: EntryType) -> Option<Vec<String>> {
    let names: &[&'static str] = match preset.entry_type {
        Some(_) => &["entries", "listEntries"],
        None => &["entries", "listEntries", "overrides"],
    };
    let mut given = None;
    for &name in names {
        let Some(entries) = params.texts(name) else { continue };
        match given {
            None => given = Some((name, entries)),
            Some((first, _)) => {
                params.problem(name, format!("is another name of `{first}`; give one of them"));
            }
        }
    }
    let (name, entries) = given?;
    let mut collector = Collector::new(entry_type);
    let (count, max) = (entries.len(), collector.capacity());
    if count > max {
        params.problem(name, format!("{count} entries, at most {max} are allowed"));
        return None;
    }
    for (index, entry) in entries.iter().enumerate() {
        if let Err(reason) = collector.add(entry) {
            params.problem(&format!("{name}[{index}]"), reason);
        }
    }
    if let Err(reason) = collector.finish() {
        params.problem(name, reason);
    }
    Some(entries)
}

fn origin(params: &mut Params<'_>, preset: &Preset, has_inline: bool) -> OriginParam {
    let file = params.text("file").map(PathBuf::from);
    let provider = params.text("providerUrl").map(|text| ("providerUrl", text));
    let publisher = params.text("publisherUrl").map(|text| ("publisherUrl", text));
    if provider.is_some() && publisher.is_some() {
        params.problem("publisherUrl", "is another name of `providerUrl`; give one of them");
    }
    // An empty one is none, as it always was.
    let url = provider.or(publisher).filter(|(_, text)| !text.is_empty());
    match (file, url) {
        (Some(_), Some((name, _))) => {
            params.problem(name, "give this or `file`, not both");
            OriginParam::Inline
        }
        (Some(file), None) => {
            if !is_below_root(&file) {
                params.problem("file", "must be a path below the folder of the configuration");
            }
            OriginParam::File(file)
        }
        (None, Some((name, text))) => match url_of_provider(text) {
            Ok(url) => OriginParam::Url(url),
            Err(reason) => {
                params.problem(name, reason);
                OriginParam::Inline
            }
        },
        (None, None) => match preset.provider.filter(|_| !has_inline) {
            Some(default) => OriginParam::Url(Uri::from_static(default)),
            None => OriginParam::Inline,
        },
    }
}

fn is_below_root(path: &Path) -> bool {
    path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir))
}

fn url_of_provider(text: &str) -> Result<Uri, String> {
    let expected = "expected a URL such as https://lists.example.com/blocked";
    let url: Uri = text.parse().map_err(|error| format!("{expected}: {error}"))?;
    if !matches!(url.scheme_str(), Some("http" | "https")) || url.host().is_none_or(str::is_empty) {
        return Err(format!("{expected}; the scheme is http or https, and there has to be a host"));
    }
    if url.authority().is_some_and(|authority| authority.as_str().contains('@')) {
        // They would be told with every failure.
        return Err("must not hold a user's name or a password".to_owned());
    }
    Ok(url)
}

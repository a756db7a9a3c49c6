//! `listChecker`: whether a value is on a list; and its presets, `genericListChecker` for texts and `ipListChecker` for
//! addresses, which differ in nothing but what they let a block say.
//!
//! `entries` compares, `body` reads, `origin` is what `file` and `provider` have in common, `source` keeps. What being
//! on the list means is not known here: `blacklist` is the aspect's, and if the block says it, validation hands it to the
//! aspects that use the block.
//!
//! The parameters are in `docs/adapters/listChecker.md`.

mod body;
mod entries;
mod file;
mod origin;
mod params;
mod provider;
mod source;

use std::sync::Arc;

use async_trait::async_trait;
use attributes::Value;
use policy::{AdapterInfo, AspectKind, HandlerConfig, ParamProblem};

use self::entries::EntryType;
use self::params::{ListParams, Preset};
use self::source::Source;
use super::{Handler, HandlerError, InvalidHandler, Membership, Surroundings};

/// `genericListChecker`.
pub(super) const GENERIC_INFO: AdapterInfo = AdapterInfo {
    name: "genericListChecker",
    kinds: &[AspectKind::Lists],
    description: "looks a text up on a list, inline, from a file or from a URL",
    validate: |params| validate(&GENERIC, params),
    outputs: policy::no_outputs,
};

/// `ipListChecker`.
pub(super) const IP_INFO: AdapterInfo = AdapterInfo {
    name: "ipListChecker",
    kinds: &[AspectKind::Lists],
    description: "looks an address up in a list of addresses and networks, inline, from a file or from a URL",
    validate: |params| validate(&IP, params),
    outputs: policy::no_outputs,
};

/// `listChecker`.
pub(super) const INFO: AdapterInfo = AdapterInfo {
    name: "listChecker",
    kinds: &[AspectKind::Lists],
    description: "looks a text, an address or what matches a pattern up on a list",
    validate: |params| validate(&LIST, params),
    outputs: policy::no_outputs,
};

const GENERIC: Preset = Preset { entry_type: Some(EntryType::Strings), provider: None };

/// Without a word about the list it is what it always was: the one that is served on this machine. Were it empty
/// instead, a blacklist that somebody forgot to name would let everyone in.
const IP: Preset = Preset { entry_type: Some(EntryType::IpAddresses), provider: Some("http://localhost/") };

const LIST: Preset = Preset { entry_type: None, provider: None };

struct ListChecker(Source);

fn validate(preset: &Preset, params: &serde_json::Value) -> Result<(), Vec<ParamProblem>> {
    ListParams::parse(preset, params).map(drop)
}

pub(super) fn build_generic(
    config: &HandlerConfig,
    surroundings: &Surroundings,
) -> Result<Arc<dyn Handler>, InvalidHandler> {
    checker(&GENERIC, config, surroundings)
}

pub(super) fn build_ip(
    config: &HandlerConfig,
    surroundings: &Surroundings,
) -> Result<Arc<dyn Handler>, InvalidHandler> {
    checker(&IP, config, surroundings)
}

pub(super) fn build(
    config: &HandlerConfig,
    surroundings: &Surroundings,
) -> Result<Arc<dyn Handler>, InvalidHandler> {
    checker(&LIST, config, surroundings)
}

fn checker(
    preset: &Preset,
    config: &HandlerConfig,
    surroundings: &Surroundings,
) -> Result<Arc<dyn Handler>, InvalidHandler> {
    let params = super::parsed(config, ListParams::parse(preset, &config.params))?;
    let source = Source::new(&config.name, params, surroundings);
    Ok(Arc::new(ListChecker(source.map_err(|reason| super::invalid(config, reason))?)))
}

#[async_trait]
impl Handler for ListChecker {
    async fn contains(&self, value: &Value) -> Result<Membership, HandlerError> {
        let (entries, validity) = self.0.list().await.map_err(HandlerError::Failed)?;
        let found = entries.contain(value).map_err(HandlerError::InvalidArgument)?;
        Ok(Membership { found, validity })
    }

    fn in_force(&self) {
        self.0.keep();
    }

    fn impediment(&self) -> Option<String> {
        self.0.impediment()
    }
}

#[cfg(test)]
mod tests;

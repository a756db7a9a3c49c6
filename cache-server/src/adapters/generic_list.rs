//! `genericListChecker`: whether a text is one of the list's, letter by letter.

use std::collections::HashSet;
use std::sync::Arc;

use async_trait::async_trait;
use attributes::Value;
use policy::{AdapterInfo, AspectKind, HandlerConfig, ParamProblem};

use super::list_source::{Entries, ListParams, ListSource};
use super::{Handler, HandlerError, InvalidHandler, Membership, Surroundings};

pub(super) const INFO: AdapterInfo = AdapterInfo {
    name: "genericListChecker",
    kinds: &[AspectKind::Lists],
    description: "looks a text up on a list, inline or from a file",
    validate,
    outputs: policy::no_outputs,
};

struct GenericListChecker(Arc<ListSource<Texts>>);

struct Texts(HashSet<Box<str>>);

fn validate(params: &serde_json::Value) -> Result<(), Vec<ParamProblem>> {
    ListParams::parse(params).map(drop)
}

pub(super) fn build(
    config: &HandlerConfig,
    surroundings: &Surroundings,
) -> Result<Arc<dyn Handler>, InvalidHandler> {
    let params = super::parsed(config, ListParams::parse(&config.params))?;
    let source =
        ListSource::new(config, params, surroundings).map_err(|reason| super::invalid(config, reason))?;
    Ok(Arc::new(GenericListChecker(Arc::new(source))))
}

impl Entries for Texts {
    fn read<'t>(texts: impl Iterator<Item = &'t str>) -> Result<Self, String> {
        Ok(Self(texts.map(Box::from).collect()))
    }

    fn len(&self) -> usize {
        self.0.len()
    }
}

#[async_trait]
impl Handler for GenericListChecker {
    async fn contains(&self, value: &Value) -> Result<Membership, HandlerError> {
        let entries = self.0.entries()?;
        let found = match value {
            Value::String(text) => entries.0.contains(&**text),
            // An address is looked up as it is usually written.
            other => entries.0.contains(other.to_string().as_str()),
        };
        Ok(Membership { found, validity: self.0.validity() })
    }

    fn in_force(&self) {
        self.0.watch();
    }
}

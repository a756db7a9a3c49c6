//! What a route may override: attributes, and whether its requests are checked and reported.
//!
//! Read from the route's metadata, namespace `mixer`, as the proxy hands it out: maps of bytes without types. So
//! attributes are text here; others belong into the filter's configuration.

use attributes::{Bag, Name, Value};
use thiserror::Error;

use crate::attribute::property::{self, Pairs};
use crate::host::path_of;
use crate::quota::{self, Charge};
use crate::{Host, Unobtainable, limits};

/// A route's metadata cannot be read; its requests are refused, since which service they are for is not known.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("route metadata, namespace `mixer`, `{field}`: {message}")]
pub(crate) struct InvalidOverride {
    /// The field, with dots.
    field: String,
    /// What is wrong with it and what was expected.
    message: &'static str,
}

/// A route's overrides.
#[derive(Debug, Default)]
pub(crate) struct Override {
    pub(crate) attributes: Bag,
    pub(crate) check: Option<bool>,
    pub(crate) report: Option<bool>,
    /// What its requests are charged, instead of what the configuration says.
    pub(crate) charges: Option<Vec<Charge>>,
}

impl Override {
    /// The overrides of the route that a stream takes.
    pub(crate) fn of_route(host: &dyn Host) -> Result<Self, InvalidOverride> {
        match host.try_property(path_of!("xds", "route_metadata", "filter_metadata", "mixer")) {
            Ok(None) => Ok(Self::default()),
            Ok(Some(metadata)) => Self::parse(&metadata),
            // The proxy has no encoding for a field that is null, nor for the map that it is in.
            Err(Unobtainable) => {
                Err(invalid("", "the proxy cannot hand it out, as where a field has no value"))
            }
        }
    }

    fn parse(metadata: &[u8]) -> Result<Self, InvalidOverride> {
        let mut overrides = Self::default();
        for (field, value) in entries("", metadata)? {
            match field.as_str() {
                "attributes" => overrides.attributes = attributes(&value)?,
                "check" => overrides.check = enabled("check", &value)?,
                "report" => overrides.report = enabled("report", &value)?,
                "charge" => overrides.charges = Some(charges(&value)?),
                _ => {
                    return Err(invalid(
                        &field,
                        "unknown field, expected attributes, check, report or charge",
                    ));
                }
            }
        }
        Ok(overrides)
    }
}

fn invalid(field: &str, message: &'static str) -> InvalidOverride {
    InvalidOverride { field: field.to_owned(), message }
}

fn entries(field: &str, map: &[u8]) -> Result<Vec<(String, Vec<u8>)>, InvalidOverride> {
    let pairs = Pairs::decode(map).ok_or_else(|| invalid(field, "expected a map"))?;
    let text = |key: &[u8]| String::from_utf8(key.to_vec()).map_err(|_| invalid(field, "a key is not text"));
    pairs.map(|(key, value)| Ok((text(key)?, value.to_vec()))).collect()
}

fn attributes(map: &[u8]) -> Result<Bag, InvalidOverride> {
    let entries = entries("attributes", map)?;
    if entries.len() > limits::CONFIGURED_ATTRIBUTES {
        return Err(invalid("attributes", "too many attributes"));
    }
    entries
        .into_iter()
        .map(|(name, value)| {
            let field = format!("attributes.{name}");
            match String::from_utf8(value) {
                Ok(value) if !value.contains('\0') => Ok((Name::from(name), Value::from(value.as_str()))),
                _ => Err(invalid(&field, "expected text")),
            }
        })
        .collect::<Result<Bag, _>>()
        .map(crate::attribute::with_aliases)
}

/// Amounts by quota. The proxy hands out numbers as doubles; text may say them too.
fn charges(map: &[u8]) -> Result<Vec<Charge>, InvalidOverride> {
    let entries = entries("charge", map)?;
    if entries.len() > limits::QUOTAS {
        return Err(invalid("charge", "too many quotas"));
    }
    entries
        .into_iter()
        .map(|(quota, value)| {
            let amount = std::str::from_utf8(&value).ok().and_then(|text| text.parse().ok());
            let amount = amount.or_else(|| property::whole(&value));
            let charge = amount.and_then(|amount| quota::config::charge(&quota, amount).ok());
            charge.ok_or_else(|| {
                invalid(&format!("charge.{quota}"), "expected a whole number from 1 to 1,000,000")
            })
        })
        .collect()
}

fn enabled(field: &str, map: &[u8]) -> Result<Option<bool>, InvalidOverride> {
    let mut enabled = None;
    for (key, value) in entries(field, map)? {
        let field = format!("{field}.{key}");
        if key != "enabled" {
            return Err(invalid(&field, "unknown field, expected enabled"));
        }
        enabled = Some(property::bool(&value).ok_or_else(|| invalid(&field, "expected true or false"))?);
    }
    Ok(enabled)
}

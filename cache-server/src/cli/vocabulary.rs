//! `mixer vocabulary`: the attributes that there are, their types, and when a proxy knows them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::ExitCode;

use attributes::ValueType;
use clap::Args;
use client::Produced;
use serde::Serialize;

use super::page::write_table;
use super::{print, rpc};

#[derive(Debug, Args)]
pub(super) struct Vocabulary {
    /// Only attributes whose names contain this.
    #[arg(value_name = "TEXT")]
    containing: Option<String>,

    /// The configuration whose manifests declare the attributes. [default: the built-in vocabulary]
    #[arg(long, value_name = "DIR")]
    config: Option<PathBuf>,

    /// Prints the attributes as a JSON array.
    #[arg(long)]
    json: bool,
}

/// An attribute.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct Entry {
    name: String,
    /// `None` if no manifest declares it, so that no expression can name it.
    #[serde(rename = "type")]
    value_type: Option<&'static str>,
    when: When,
}

/// From when on there is a value.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
enum When {
    /// The proxy knows it before the request goes on.
    Check,
    /// The proxy knows it when the request is over.
    Report,
    /// The proxy does not know it: it is configured there, or derived by an adapter here.
    Given,
}

/// Runs the command.
pub(super) fn run(arguments: &Vocabulary) -> Result<ExitCode, String> {
    let manifest = rpc::vocabulary(arguments.config.as_deref())?;
    let mut entries = entries(&manifest);
    if let Some(text) = &arguments.containing {
        entries.retain(|entry| entry.name.contains(text.as_str()));
    }
    let page = if arguments.json {
        serde_json::to_string_pretty(&entries).map_err(|error| error.to_string())? + "\n"
    } else {
        let mut page = String::new();
        let row = |entry: &Entry| {
            let Entry { name, value_type, when } = entry;
            [name.clone(), value_type.unwrap_or("not declared").to_owned(), when.in_words().to_owned()]
        };
        let rows: Vec<_> = entries.iter().map(row).collect();
        write_table(&mut page, &rows).map_err(|error| error.to_string())?;
        page
    };
    print(&page)?;
    Ok(ExitCode::SUCCESS)
}

/// What is declared and what a proxy fills, sorted by name.
fn entries(manifest: &BTreeMap<String, ValueType>) -> Vec<Entry> {
    let mut when: BTreeMap<&str, When> = manifest.keys().map(|name| (name.as_str(), When::Given)).collect();
    for Produced { name, in_checks } in client::vocabulary() {
        when.insert(name, if in_checks { When::Check } else { When::Report });
    }
    when.into_iter()
        .map(|(name, when)| Entry {
            name: name.to_owned(),
            value_type: manifest.get(name).map(|value_type| value_type.as_str()),
            when,
        })
        .collect()
}

impl When {
    fn in_words(self) -> &'static str {
        match self {
            Self::Check => "in checks and reports",
            Self::Report => "in reports",
            Self::Given => "if configured or derived",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_proxy_fills_is_declared_by_default() {
        let manifest = rpc::vocabulary(None).unwrap();
        let entries = entries(&manifest);
        let find = |name: &str| entries.iter().find(|entry| entry.name == name).unwrap();
        assert_eq!(
            (find("request.path").value_type, find("request.path").when),
            (Some("STRING"), When::Check)
        );
        assert_eq!(find("response.code").when, When::Report);
        assert_eq!(find("check.cache_hit").when, When::Report);
        assert_eq!(find("target.service").when, When::Given);
        // Its name reads as a subtraction, so no expression could use it if it were declared.
        let undeclared: Vec<_> =
            entries.iter().filter(|entry| entry.value_type.is_none()).map(|e| e.name.as_str()).collect();
        assert_eq!(undeclared, ["request.user-agent"]);
    }
}

//! `docker-compose.yml`, as far as a test needs it to tell whether the stack there is the demo's.

use std::net::SocketAddr;

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::paths;

/// The parsed file.
pub struct Compose(Value);

impl Compose {
    /// Loads `docker-compose.yml`.
    ///
    /// # Errors
    /// When it is not there or not YAML.
    pub fn load() -> Result<Self> {
        let text = std::fs::read_to_string(paths::root().join("docker-compose.yml"))
            .context("docker-compose.yml cannot be read")?;
        Ok(Self(serde_saphyr::from_str(&text).context("docker-compose.yml is not YAML")?))
    }

    /// The names of the services.
    pub fn services(&self) -> Vec<&str> {
        self.0["services"].as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect()
    }

    /// One service.
    ///
    /// # Errors
    /// When there is none of that name.
    pub fn service(&self, name: &str) -> Result<Service<'_>> {
        self.0["services"].get(name).map(Service).with_context(|| format!("there is no service `{name}`"))
    }
}

/// One service of the stack.
#[derive(Clone, Copy)]
pub struct Service<'a>(&'a Value);

impl Service<'_> {
    /// The arguments that it is started with; a command in one string is split at spaces.
    pub fn command(&self) -> Vec<String> {
        match &self.0["command"] {
            Value::Array(words) => {
                words.iter().map(|word| word.as_str().unwrap_or_default().to_owned()).collect()
            }
            Value::String(line) => line.split_whitespace().map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }

    /// What is mounted where: pairs of a path on the host and one in the container.
    pub fn mounts(&self) -> Vec<(String, String)> {
        let volumes = self.0["volumes"].as_array().into_iter().flatten();
        volumes
            .filter_map(|volume| match volume {
                Value::String(short) => {
                    let mut parts = short.split(':');
                    Some((parts.next()?.to_owned(), parts.next()?.to_owned()))
                }
                long => Some((long["source"].as_str()?.to_owned(), long["target"].as_str()?.to_owned())),
            })
            .collect()
    }

    /// The path on the host of what the container sees at `target`, without a leading `./`.
    pub fn mounted_at(&self, target: &str) -> Option<String> {
        let (source, _) = self.mounts().into_iter().find(|(_, inside)| inside == target)?;
        Some(source.trim_start_matches("./").trim_end_matches('/').to_owned())
    }

    /// The value after a flag of the command, also when it is written `--flag=value`.
    pub fn flag(&self, flag: &str) -> Option<String> {
        let words = self.command();
        let assigned =
            words.iter().find_map(|word| word.strip_prefix(flag)?.strip_prefix('=').map(str::to_owned));
        let follows = || words.iter().skip_while(|word| *word != flag).nth(1).cloned();
        assigned.or_else(follows)
    }
}

/// The port of an address such as `0.0.0.0:9091`.
pub fn port(address: &str) -> Option<u16> {
    address.parse::<SocketAddr>().ok().map(|address| address.port())
}

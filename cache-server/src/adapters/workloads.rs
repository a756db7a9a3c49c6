//! What is known of the workloads that requests come from and go to, found by identity and by address.
//!
//! Adapters that derive attributes keep one [`Workloads`] up to date, each from its own source, and ask [`Naming`] to make
//! outputs of it. Nothing here reads a source or knows the time.
//!
//! Invariant: an address names a workload only if exactly one claims it. Policy that rests on what is derived must not
//! rest on a guess, so an address that two workloads claim names neither.

mod naming;
mod service;

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::Arc;

use attributes::StringMap;
use checkcache::Validity;
use thiserror::Error;

pub(super) use self::naming::{Naming, Outcome};
pub(super) use self::service::canonical;
use super::Derived;
use crate::limits;
use crate::telemetry::Telemetry;

/// What begins the identities that proxies in Kubernetes say.
const SCHEME: &str = "kubernetes://";

/// A workload: a pod, or what an inventory says is like one.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Workload {
    pub(super) name: Option<Arc<str>>,
    pub(super) namespace: Option<Arc<str>>,
    pub(super) labels: Arc<StringMap>,
    pub(super) service_account: Option<Arc<str>>,
    /// The first is the one that is told.
    pub(super) addresses: Vec<IpAddr>,
    /// Whether the addresses are its own, so that it can be found by them. Those of its host, or of one that ended, are not.
    pub(super) owns_addresses: bool,
    pub(super) host_address: Option<IpAddr>,
    /// The service that it belongs to, where the source says it; else a label does.
    pub(super) service: Option<Arc<str>>,
}

/// Where a workload is found: its identity, however it is written.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Key(Arc<str>);

/// Workloads by identity and by address.
#[derive(Debug, Default)]
pub(super) struct Workloads {
    by_key: HashMap<Key, Arc<Workload>>,
    by_address: HashMap<IpAddr, Vec<Key>>,
}

/// There are as many workloads as there may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[error("more than {} workloads", limits::WORKLOADS)]
pub(super) struct TooMany;

/// What a request says of a workload.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Hint {
    /// Its identity.
    Key(Key),
    /// Its address.
    Address(IpAddr),
}

/// What there is for a hint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Lookup {
    /// One workload.
    Found(Arc<Workload>),
    /// None.
    Unknown,
    /// Several that claim the address.
    Ambiguous,
}

// === impl Key ===

impl Key {
    /// Reads an identity: `kubernetes://pod.namespace`, `pod.namespace`, `namespace/pod`, or any text that the source
    /// of the workloads uses. Names of pods may have dots, names of namespaces have none.
    pub(super) fn parse(identity: &str) -> Self {
        let bare = identity.strip_prefix(SCHEME).unwrap_or(identity);
        match bare.rsplit_once('.') {
            Some((name, namespace)) if !bare.contains('/') && !name.is_empty() && !namespace.is_empty() => {
                Self::of(namespace, name)
            }
            _ => Self(bare.into()),
        }
    }

    /// The key of a workload with a name in a namespace.
    pub(super) fn of(namespace: &str, name: &str) -> Self {
        Self(format!("{namespace}/{name}").into())
    }
}

// === impl Workloads ===

impl Workloads {
    /// How many there are.
    pub(super) fn len(&self) -> usize {
        self.by_key.len()
    }

    /// Whether there is one with this identity.
    pub(super) fn contains(&self, key: &Key) -> bool {
        self.by_key.contains_key(key)
    }

    /// Takes a workload up, in the place of the one before.
    pub(super) fn insert(&mut self, key: Key, workload: Workload) -> Result<(), TooMany> {
        self.remove(&key);
        if self.len() >= limits::WORKLOADS {
            return Err(TooMany);
        }
        for address in workload.claimed() {
            let claimants = self.by_address.entry(address).or_default();
            if !claimants.contains(&key) {
                claimants.push(key.clone());
            }
        }
        self.by_key.insert(key, Arc::new(workload));
        Ok(())
    }

    /// Forgets a workload.
    pub(super) fn remove(&mut self, key: &Key) {
        let Some(gone) = self.by_key.remove(key) else { return };
        for address in gone.claimed() {
            if let Some(claimants) = self.by_address.get_mut(&address) {
                claimants.retain(|claimant| claimant != key);
                if claimants.is_empty() {
                    self.by_address.remove(&address);
                }
            }
        }
    }

    /// Finds a workload.
    pub(super) fn find(&self, hint: &Hint) -> Lookup {
        let key = match hint {
            Hint::Key(key) => key,
            Hint::Address(address) => match self.by_address.get(&address.to_canonical()).map(Vec::as_slice) {
                None | Some([]) => return Lookup::Unknown,
                Some([only]) => only,
                Some(_) => return Lookup::Ambiguous,
            },
        };
        self.by_key.get(key).map_or(Lookup::Unknown, |found| Lookup::Found(Arc::clone(found)))
    }
}

// === impl Workload ===

impl Workload {
    /// The addresses that it is found by.
    fn claimed(&self) -> impl Iterator<Item = IpAddr> {
        let claimed = if self.owns_addresses { self.addresses.as_slice() } else { &[] };
        claimed.iter().map(IpAddr::to_canonical)
    }
}

/// Makes an answer of what was derived, and counts how it came about. It holds as long as what is known does, `ttl`,
/// and where a workload was not found only for a moment, since it may be about to be.
pub(super) fn answer(
    outcome: Outcome,
    ttl: std::time::Duration,
    handler: &str,
    telemetry: &Telemetry,
) -> Derived {
    telemetry.workload_lookups(handler, "found", outcome.found);
    telemetry.workload_lookups(handler, "unknown", outcome.unknown);
    telemetry.workload_lookups(handler, "ambiguous", outcome.ambiguous);
    let validity = if outcome.unknown + outcome.ambiguous > 0 {
        Validity::For { ttl: ttl.min(limits::UNKNOWN_WORKLOAD_TTL), uses: None }
    } else if outcome.found > 0 {
        Validity::For { ttl, uses: None }
    } else {
        Validity::Revision
    };
    Derived { outputs: outcome.outputs, validity }
}

#[cfg(test)]
mod tests;

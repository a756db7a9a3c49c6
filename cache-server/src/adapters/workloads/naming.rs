//! What the inputs and the outputs of a derivation are called, and the derivation itself.
//!
//! | parameter | default | |
//! |---|---|---|
//! | `sourceUidInputName`, … | `sourceUID`, … | the input with a side's identity, for `source`, `target`, `destination`, `origin` |
//! | `sourceIpInputName`, … | `sourceIP`, … | the input with its address, asked where there is no identity |
//! | `sourcePrefix`, … | `source`, … | what begins the names of a side's outputs |
//! | `labelsValueName`, … | `Labels`, … | what ends them |
//! | `podLabelForService` | `app` | the label that names a workload's service |
//! | `podLabelForIstioComponentService` | `istio` | the one that does where the first is missing |
//! | `targetServiceInputName` | `targetService` | the input that names the target's service, whatever its workload says |
//! | `clusterDomainName` | `svc.cluster.local` | what the full name of a service ends in |
//! | `fullyQualifiedIstioIngressServiceName` | `ingress.istio-system.svc.cluster.local` | the service that stands for the way in |
//! | `lookupIngressSourceAndOriginValues` | false | whether `source` and `origin` are derived on the way in |
//!
//! Sides are independent of each other but for the way in, so the sides that are gone to are derived first.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use attributes::{Value, ValueType};
use policy::Outputs;

use super::{Hint, Key, Lookup, Workload, Workloads, canonical};
use crate::adapters::params::Params;

/// The namespace of a service that an input names without one.
const DEFAULT_NAMESPACE: &str = "default";

/// The parameters that say what the inputs and outputs are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::adapters) struct Naming {
    /// Those that are gone to, then those that are come from.
    sides: [Side; 4],
    service_labels: [String; 2],
    target_service_input: String,
    domain: String,
    ingress: String,
    derives_behind_ingress: bool,
}

/// One end of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Side {
    role: Role,
    uid_input: String,
    address_input: String,
    outputs: SideOutputs,
}

/// What an end of a request is to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Role {
    Target,
    Destination,
    Source,
    Origin,
}

/// The names of what is derived of one end.
#[derive(Debug, Clone, PartialEq, Eq)]
struct SideOutputs {
    labels: String,
    name: String,
    namespace: String,
    service_account: String,
    service: String,
    /// As text.
    address: String,
    host_address: String,
    /// As an address.
    typed_address: String,
    typed_host_address: String,
}

/// What was derived and how.
#[derive(Debug, Clone, PartialEq, Default)]
pub(in crate::adapters) struct Outcome {
    pub(in crate::adapters) outputs: BTreeMap<String, Value>,
    /// How many workloads were found.
    pub(in crate::adapters) found: u64,
    /// How many were not.
    pub(in crate::adapters) unknown: u64,
    /// How many addresses several workloads claim.
    pub(in crate::adapters) ambiguous: u64,
}

// === impl Naming ===

impl Naming {
    /// Reads the parameters.
    pub(in crate::adapters) fn parse(params: &mut Params<'_>) -> Self {
        let ends = [
            filled(params, "labelsValueName", "Labels"),
            filled(params, "podNameValueName", "PodName"),
            filled(params, "namespaceValueName", "Namespace"),
            filled(params, "serviceAccountValueName", "ServiceAccountName"),
            filled(params, "serviceValueName", "Service"),
            filled(params, "podIpValueName", "PodIP"),
            filled(params, "hostIpValueName", "HostIP"),
            filled(params, "podIpAddressValueName", "PodIp"),
            filled(params, "hostIpAddressValueName", "HostIp"),
        ];
        let sides = Role::ALL.map(|role| Side::parse(role, &ends, params));
        let service_labels = [
            filled(params, "podLabelForService", "app"),
            filled(params, "podLabelForIstioComponentService", "istio"),
        ];
        let target_service_input = filled(params, "targetServiceInputName", "targetService");
        let domain = filled(params, "clusterDomainName", "svc.cluster.local");
        if domain.split('.').count() != 3 || domain.split('.').any(str::is_empty) {
            params.problem(
                "clusterDomainName",
                format!("`{domain}` must have exactly three parts, such as svc.cluster.local"),
            );
        }
        let ingress =
            filled(params, "fullyQualifiedIstioIngressServiceName", "ingress.istio-system.svc.cluster.local");
        let derives_behind_ingress = params.truth("lookupIngressSourceAndOriginValues").unwrap_or(false);
        let this =
            Self { sides, service_labels, target_service_input, domain, ingress, derives_behind_ingress };
        this.find_collisions(params);
        this
    }

    /// Two outputs of one name would be one, and nobody could say which.
    fn find_collisions(&self, params: &mut Params<'_>) {
        let mut names: Vec<&str> =
            self.sides.iter().flat_map(|side| side.outputs.typed()).map(|(name, _)| name).collect();
        names.sort_unstable();
        let twice: Vec<&str> =
            names.windows(2).filter(|pair| pair[0] == pair[1]).map(|pair| pair[0]).collect();
        for name in twice {
            params.problem(
                "",
                format!("two outputs would be called `{name}`; change a prefix or the name of a value"),
            );
        }
    }

    /// What is derived, by name.
    pub(in crate::adapters) fn outputs(&self) -> Outputs {
        let typed = self.sides.iter().flat_map(|side| side.outputs.typed());
        typed.map(|(name, value_type)| (name.to_owned(), value_type)).collect()
    }

    /// The domain of the cluster.
    pub(in crate::adapters) fn domain(&self) -> &str {
        &self.domain
    }

    /// Whether the inputs ask for any workload.
    #[cfg(feature = "kubernetes")]
    pub(in crate::adapters) fn asks(&self, inputs: &BTreeMap<Arc<str>, Value>) -> bool {
        self.sides.iter().any(|side| side.hint(inputs).is_some())
    }

    /// Derives what can be derived of the inputs.
    pub(in crate::adapters) fn derive(
        &self,
        inputs: &BTreeMap<Arc<str>, Value>,
        workloads: &Workloads,
    ) -> Outcome {
        let mut outcome = Outcome::default();
        let mut is_ingress = false;
        for side in &self.sides {
            if side.role.is_come_from() && is_ingress && !self.derives_behind_ingress {
                continue;
            }
            let Some(hint) = side.hint(inputs) else { continue };
            match workloads.find(&hint) {
                Lookup::Found(workload) => {
                    outcome.found += 1;
                    let service = self.service(&workload);
                    is_ingress |= !side.role.is_come_from() && service.as_deref() == Some(&*self.ingress);
                    side.outputs.tell(&workload, service, &mut outcome.outputs);
                }
                Lookup::Unknown => outcome.unknown += 1,
                Lookup::Ambiguous => outcome.ambiguous += 1,
            }
        }
        self.tell_target_service(inputs, &mut outcome.outputs);
        outcome
    }

    /// The target's service as an input names it. What is not the name of a service, such as an address, changes
    /// nothing.
    fn tell_target_service(&self, inputs: &BTreeMap<Arc<str>, Value>, outputs: &mut BTreeMap<String, Value>) {
        let Some(Value::String(named)) = inputs.get(self.target_service_input.as_str()) else { return };
        let Ok(service) = canonical(named, DEFAULT_NAMESPACE, &self.domain) else { return };
        for side in self.sides.iter().filter(|side| side.role == Role::Target) {
            outputs.insert(side.outputs.service.clone(), Value::from(service.as_str()));
        }
    }

    /// The full name of the service that a workload belongs to.
    fn service(&self, workload: &Workload) -> Option<String> {
        let labelled = || self.service_labels.iter().find_map(|label| workload.labels.get(label));
        let service = workload.service.as_deref().or_else(labelled)?;
        let namespace = workload.namespace.as_deref().unwrap_or(DEFAULT_NAMESPACE);
        canonical(service, namespace, &self.domain).ok()
    }
}

// === impl Side ===

impl Side {
    fn parse(role: Role, ends: &[String; 9], params: &mut Params<'_>) -> Self {
        let [uid_input, address_input, prefix] =
            role.parameters().map(|(field, default)| filled(params, field, default));
        let [labels, name, namespace, service_account, service, address, host_address, typed, typed_host] =
            ends.each_ref().map(|end| format!("{prefix}{end}"));
        let outputs = SideOutputs {
            labels,
            name,
            namespace,
            service_account,
            service,
            address,
            host_address,
            typed_address: typed,
            typed_host_address: typed_host,
        };
        Self { role, uid_input, address_input, outputs }
    }

    /// What the inputs say of this end. An identity goes before an address, also if nobody knows it: what is derived
    /// of one must not be told of another.
    fn hint(&self, inputs: &BTreeMap<Arc<str>, Value>) -> Option<Hint> {
        if let Some(Value::String(uid)) = inputs.get(self.uid_input.as_str())
            && !uid.is_empty()
        {
            return Some(Hint::Key(Key::parse(uid)));
        }
        let address: IpAddr = match inputs.get(self.address_input.as_str())? {
            Value::String(text) => text.parse().ok()?,
            other => other.to_ip()?,
        };
        (!address.to_canonical().is_unspecified()).then_some(Hint::Address(address))
    }
}

// === impl Role ===

impl Role {
    const ALL: [Self; 4] = [Self::Target, Self::Destination, Self::Source, Self::Origin];

    fn is_come_from(self) -> bool {
        match self {
            Self::Source | Self::Origin => true,
            Self::Target | Self::Destination => false,
        }
    }

    /// The parameters for the identity's input, the address's input and the prefix, each with its default.
    fn parameters(self) -> [(&'static str, &'static str); 3] {
        match self {
            Self::Target => [
                ("targetUidInputName", "targetUID"),
                ("targetIpInputName", "targetIP"),
                ("targetPrefix", "target"),
            ],
            Self::Destination => [
                ("destinationUidInputName", "destinationUID"),
                ("destinationIpInputName", "destinationIP"),
                ("destinationPrefix", "destination"),
            ],
            Self::Source => [
                ("sourceUidInputName", "sourceUID"),
                ("sourceIpInputName", "sourceIP"),
                ("sourcePrefix", "source"),
            ],
            Self::Origin => [
                ("originUidInputName", "originUID"),
                ("originIpInputName", "originIP"),
                ("originPrefix", "origin"),
            ],
        }
    }
}

// === impl SideOutputs ===

impl SideOutputs {
    fn typed(&self) -> [(&str, ValueType); 9] {
        [
            (&self.labels, ValueType::StringMap),
            (&self.name, ValueType::String),
            (&self.namespace, ValueType::String),
            (&self.service_account, ValueType::String),
            (&self.service, ValueType::String),
            (&self.address, ValueType::String),
            (&self.host_address, ValueType::String),
            (&self.typed_address, ValueType::IpAddress),
            (&self.typed_host_address, ValueType::IpAddress),
        ]
    }

    /// Tells what is known of a workload; what is not, is left out.
    fn tell(&self, workload: &Workload, service: Option<String>, outputs: &mut BTreeMap<String, Value>) {
        let mut text = |name: &String, text: Option<Arc<str>>| {
            if let Some(text) = text.filter(|text| !text.is_empty()) {
                outputs.insert(name.clone(), Value::String(text.into()));
            }
        };
        let address = workload.addresses.first().copied();
        let host_address = workload.host_address;
        text(&self.name, workload.name.clone());
        text(&self.namespace, workload.namespace.clone());
        text(&self.service_account, workload.service_account.clone());
        text(&self.service, service.map(Arc::from));
        text(&self.address, address.map(|address| address.to_string().into()));
        text(&self.host_address, host_address.map(|address| address.to_string().into()));
        for (name, address) in [(&self.typed_address, address), (&self.typed_host_address, host_address)] {
            if let Some(address) = address {
                outputs.insert(name.clone(), Value::from_ip(address));
            }
        }
        if !workload.labels.is_empty() {
            outputs.insert(self.labels.clone(), Value::StringMap(Arc::clone(&workload.labels)));
        }
    }
}

/// A text that must not be empty, if it is given.
fn filled(params: &mut Params<'_>, field: &'static str, default: &str) -> String {
    let text = params.text(field);
    if text.is_some_and(str::is_empty) {
        params.problem(field, "field must be populated");
    }
    text.unwrap_or(default).to_owned()
}

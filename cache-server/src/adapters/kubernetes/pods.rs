//! The pods that are known, and how well.

use std::net::IpAddr;
use std::sync::{Arc, PoisonError, RwLock};

use k8s_openapi::api::core::v1::{Pod, PodStatus};
use tokio::sync::watch;

use crate::adapters::HandlerError;
use crate::adapters::workloads::{Key, TooMany, Workload, Workloads};
use crate::telemetry::{self, Telemetry};
use crate::{limits, text};

/// What is called the source of the pods where it is told of.
const SOURCE: &str = "the Kubernetes API";

/// The pods of a cluster, as far as they are known.
pub(super) struct Pods {
    handler: String,
    telemetry: Arc<Telemetry>,
    known: RwLock<Workloads>,
    contact: watch::Sender<Contact>,
}

/// How well the pods are known.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Contact {
    /// They were never listed, perhaps because of something.
    Never(Option<Arc<str>>),
    /// The API tells of changes.
    Current,
    /// It did, and does not now.
    Away,
}

// === impl Pods ===

impl Pods {
    pub(super) fn new(handler: String, telemetry: Arc<Telemetry>) -> Self {
        let contact = watch::Sender::new(Contact::Never(None));
        Self { handler, telemetry, known: RwLock::default(), contact }
    }

    /// Waits until all pods were listed, but not for long.
    pub(super) async fn listed(&self) -> Result<(), HandlerError> {
        let mut contact = self.contact.subscribe();
        let listed = contact.wait_for(|contact| !matches!(contact, Contact::Never(_)));
        // The other end lives as long as this one does, so only time can run out.
        let found = match tokio::time::timeout(limits::KUBERNETES_FIRST_LIST, listed).await {
            Ok(Ok(found)) => found.clone(),
            Ok(Err(_)) | Err(_) => self.contact.borrow().clone(),
        };
        match found {
            Contact::Current => Ok(()),
            Contact::Away => {
                self.telemetry.workload_stale_answer(&self.handler);
                Ok(())
            }
            Contact::Never(reason) => {
                let reason = reason.as_deref().unwrap_or("there was no answer yet");
                Err(HandlerError::Failed(format!("the pods were not listed yet: {reason}")))
            }
        }
    }

    /// Looks at what is known.
    pub(super) fn with<T>(&self, look: impl FnOnce(&Workloads) -> T) -> T {
        look(&self.known.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// All pods were listed; those that are not among them are gone.
    pub(super) fn replace(&self, listed: Workloads) {
        telemetry::workloads_loaded(&self.handler, SOURCE, listed.len());
        self.change(|known| *known = listed);
        self.contact.send_replace(Contact::Current);
    }

    /// A pod is new, or not as it was.
    pub(super) fn apply(&self, pod: &Pod) {
        let Some((key, workload)) = read(pod) else { return };
        if let Err(error) = self.change(|known| known.insert(key, workload)) {
            self.too_many(error);
        }
    }

    /// A pod is gone.
    pub(super) fn delete(&self, pod: &Pod) {
        if let Some((key, _)) = read(pod) {
            self.change(|known| known.remove(&key));
        }
    }

    /// More pods than can be known.
    pub(super) fn too_many(&self, error: TooMany) {
        self.telemetry.workload_source_failed(&self.handler, SOURCE, &error.to_string());
    }

    /// The API tells of changes from now on.
    pub(super) fn in_contact(&self) {
        self.contact.send_if_modified(|contact| {
            let was_away = *contact == Contact::Away;
            if was_away {
                *contact = Contact::Current;
            }
            was_away
        });
    }

    /// The API does not tell of changes.
    pub(super) fn away(&self, error: &(dyn std::error::Error + 'static)) {
        let reason = text::chain(error);
        self.telemetry.workload_source_failed(&self.handler, SOURCE, &reason);
        self.contact.send_modify(|contact| {
            *contact = match contact {
                Contact::Never(_) => Contact::Never(Some(reason.as_str().into())),
                Contact::Current | Contact::Away => Contact::Away,
            };
        });
    }

    fn change<T>(&self, change: impl FnOnce(&mut Workloads) -> T) -> T {
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        let changed = change(&mut known);
        let count = known.len();
        drop(known);
        self.telemetry.workloads_known(&self.handler, count);
        changed
    }
}

/// What matters of a pod. It has no identity only if it comes from something that is not the Kubernetes API.
pub(super) fn read(pod: &Pod) -> Option<(Key, Workload)> {
    let name = pod.metadata.name.as_deref()?;
    let namespace = pod.metadata.namespace.as_deref()?;
    let labels = pod.metadata.labels.iter().flatten().map(|(key, value)| (key.as_str(), value.as_str()));
    let spec = pod.spec.as_ref();
    let status = pod.status.as_ref();
    let is_over = status
        .and_then(|status| status.phase.as_deref())
        .is_some_and(|phase| matches!(phase, "Succeeded" | "Failed"));
    let shares_address = spec.and_then(|spec| spec.host_network).unwrap_or(false);
    let workload = Workload {
        name: Some(name.into()),
        namespace: Some(namespace.into()),
        labels: Arc::new(labels.collect()),
        service_account: spec.and_then(|spec| spec.service_account_name.as_deref()).map(Arc::from),
        addresses: status.map(addresses).unwrap_or_default(),
        owns_addresses: !is_over && !shares_address,
        host_address: status.and_then(|status| status.host_ip.as_deref()).and_then(|ip| ip.parse().ok()),
        service: None,
    };
    Some((Key::of(namespace, name), workload))
}

/// The address that is the pod's first, and the others.
fn addresses(status: &PodStatus) -> Vec<IpAddr> {
    let others = status.pod_ips.iter().flatten().map(|ip| ip.ip.as_str());
    let texts = status.pod_ip.as_deref().into_iter().chain(others);
    let mut addresses: Vec<IpAddr> = Vec::new();
    for address in texts.filter_map(|text| text.parse().ok()) {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    addresses
}

//! `kubernetes`: derives attributes of the pods that a request comes from and goes to.
//!
//! Pods are listed once and followed from then on, so a request is answered from memory. What the inputs and outputs are
//! called, and what is derived, is for [`super::workloads`]; which pods there are, for [`pods`]; how they are learnt of,
//! for [`follow`].
//!
//! | parameter | default | |
//! |---|---|---|
//! | `kubeconfigPath` | none | how to reach the API; the variable `KUBECONFIG` goes before, the service account comes after |
//! | `cacheRefreshDuration` | 5m | the longest time that one watch lasts, at least 1s |
//! | `validDuration` | 10s | how long what was derived holds |
//!
//! Invariant: nothing is derived before all pods were listed, since a pod that is not known looks like one that does not
//! exist. After that the API may go away; what was last known stays in use, and that is counted.

mod follow;
mod pods;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use attributes::Value;
use policy::{AdapterInfo, AspectKind, HandlerConfig, Outputs, ParamProblem};
use tokio::task::AbortHandle;

use self::follow::{Access, follow};
use self::pods::Pods;
use super::params::Params;
use super::workloads::{Naming, Workloads, answer};
use super::{Derived, Handler, HandlerError, InvalidHandler, Surroundings};
use crate::limits;
use crate::telemetry::Telemetry;

pub(super) const INFO: AdapterInfo = AdapterInfo {
    name: "kubernetes",
    kinds: &[AspectKind::Attributes],
    description: "derives attributes of the pods that a request comes from and goes to",
    validate,
    outputs,
};

#[derive(Debug)]
struct KubernetesParams {
    naming: Naming,
    kubeconfig: Option<PathBuf>,
    watch: Duration,
    ttl: Duration,
}

struct Kubernetes {
    handler: String,
    params: KubernetesParams,
    access: Access,
    pods: Arc<Pods>,
    telemetry: Arc<Telemetry>,
    /// What follows the pods, once the configuration is in force.
    follower: Mutex<Option<AbortHandle>>,
}

fn validate(params: &serde_json::Value) -> Result<(), Vec<ParamProblem>> {
    KubernetesParams::parse(params).map(drop)
}

fn outputs(params: &serde_json::Value) -> Outputs {
    Naming::parse(&mut Params::new(params)).outputs()
}

pub(super) fn build(
    config: &HandlerConfig,
    surroundings: &Surroundings,
) -> Result<Arc<dyn Handler>, InvalidHandler> {
    let params = super::parsed(config, KubernetesParams::parse(&config.params))?;
    let kubeconfig = params.kubeconfig.as_ref().map(|path| surroundings.root.join(path));
    let access = Access::choose(std::env::var_os("KUBECONFIG"), kubeconfig);
    Ok(Arc::new(Kubernetes::new(config, params, access, surroundings)))
}

// === impl KubernetesParams ===

impl KubernetesParams {
    fn parse(params: &serde_json::Value) -> Result<Self, Vec<ParamProblem>> {
        let mut params = Params::new(params);
        let naming = Naming::parse(&mut params);
        let kubeconfig = params.text("kubeconfigPath").filter(|path| !path.is_empty()).map(PathBuf::from);
        let watch = params.duration("cacheRefreshDuration").unwrap_or(limits::KUBERNETES_REFRESH);
        if watch < Duration::from_secs(1) {
            params.problem("cacheRefreshDuration", "must be at least 1s");
        }
        let watch = watch.min(limits::KUBERNETES_WATCH);
        let ttl = params.duration("validDuration").unwrap_or(limits::DERIVED_TTL);
        params.finish(Self { naming, kubeconfig, watch, ttl })
    }
}

// === impl Kubernetes ===

impl Kubernetes {
    fn new(
        config: &HandlerConfig,
        params: KubernetesParams,
        access: Access,
        surroundings: &Surroundings,
    ) -> Self {
        let telemetry = Arc::clone(&surroundings.telemetry);
        let pods = Arc::new(Pods::new(config.name.clone(), Arc::clone(&telemetry)));
        let handler = config.name.clone();
        Self { handler, params, access, pods, telemetry, follower: Mutex::new(None) }
    }
}

#[async_trait]
impl Handler for Kubernetes {
    async fn derive(&self, inputs: &BTreeMap<Arc<str>, Value>) -> Result<Derived, HandlerError> {
        let naming = &self.params.naming;
        let outcome = if naming.asks(inputs) {
            self.pods.listed().await?;
            self.pods.with(|known| naming.derive(inputs, known))
        } else {
            naming.derive(inputs, &Workloads::default())
        };
        Ok(answer(outcome, self.params.ttl, &self.handler, &self.telemetry))
    }

    fn in_force(&self) {
        let mut follower = self.follower.lock().unwrap_or_else(PoisonError::into_inner);
        if follower.is_none() {
            let following = follow(Arc::clone(&self.pods), self.access.clone(), self.params.watch);
            *follower = Some(tokio::spawn(following).abort_handle());
        }
    }
}

impl Drop for Kubernetes {
    fn drop(&mut self) {
        if let Some(follower) = self.follower.lock().unwrap_or_else(PoisonError::into_inner).take() {
            follower.abort();
        }
    }
}

#[cfg(test)]
mod fake;
#[cfg(test)]
mod tests;

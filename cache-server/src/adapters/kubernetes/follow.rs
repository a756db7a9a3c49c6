//! Following the pods: a list, then a watch from where the list ends, and again.
//!
//! A watch that ends, or breaks off, is begun anew where it left off. Only if the API does not know that place any more,
//! or told something that cannot be read, everything is listed anew. What fails is tried again, ever more rarely.

use std::convert::Infallible;
use std::ffi::OsString;
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt as _;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{ListParams, WatchEvent, WatchParams};
use kube::config::{InClusterError, KubeConfigOptions, Kubeconfig, KubeconfigError};
use kube::{Api, Client, Config};
use thiserror::Error;
use tokio::time::{Instant, sleep, timeout};

use super::pods::{Pods, read};
use crate::adapters::workloads::Workloads;
use crate::limits;

/// The status of a place that is too long ago to go on from.
const EXPIRED: u16 = 410;

/// How the API is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Access {
    /// As the files that `KUBECONFIG` names say.
    Environment,
    /// As a file says.
    File(PathBuf),
    /// As every pod can.
    ServiceAccount,
}

/// Why the pods are not followed at the moment.
#[derive(Debug, Error)]
enum FollowError {
    #[error("cannot read how the Kubernetes API is reached")]
    Kubeconfig(#[from] KubeconfigError),
    #[error("there is no kubeconfig, and no service account either")]
    ServiceAccount(#[from] InClusterError),
    #[error("the variable KUBECONFIG names no file")]
    Environment,
    #[error("the Kubernetes API cannot be asked")]
    Api(#[source] kube::Error),
    #[error("the Kubernetes API did not answer within {0:?}")]
    Silent(Duration),
    #[error("the Kubernetes API forgot what was last told; all pods are listed anew")]
    Expired,
    #[error("the Kubernetes API ended its telling: {0}")]
    Ended(String),
}

// === impl Access ===

impl Access {
    /// The variable goes before the file, and the service account comes last.
    pub(super) fn choose(variable: Option<OsString>, file: Option<PathBuf>) -> Self {
        match (variable.filter(|value| !value.is_empty()), file) {
            (Some(_), _) => Self::Environment,
            (None, Some(file)) => Self::File(file),
            (None, None) => Self::ServiceAccount,
        }
    }

    async fn connect(&self) -> Result<Client, FollowError> {
        let kubeconfig = match self {
            Self::Environment => Some(Kubeconfig::from_env()?.ok_or(FollowError::Environment)?),
            Self::File(file) => Some(Kubeconfig::read_from(file)?),
            Self::ServiceAccount => None,
        };
        let mut config = match kubeconfig {
            Some(kubeconfig) => {
                Config::from_custom_kubeconfig(kubeconfig, &KubeConfigOptions::default()).await?
            }
            None => Config::incluster()?,
        };
        config.connect_timeout = Some(limits::KUBERNETES_ANSWER);
        // What fails is counted, and tried again here.
        config.default_retry = false;
        Client::try_from(config).map_err(FollowError::Api)
    }
}

/// Follows the pods until the task is ended.
pub(super) async fn follow(pods: Arc<Pods>, access: Access, watch: Duration) {
    let mut place = None;
    let mut pause = limits::KUBERNETES_RETRY_MIN;
    loop {
        let begun = Instant::now();
        let Err(error) = follow_on(&pods, &access, watch, &mut place).await;
        pods.away(&error);
        if begun.elapsed() >= limits::KUBERNETES_RETRY_MAX {
            pause = limits::KUBERNETES_RETRY_MIN;
        }
        sleep(pause).await;
        pause = (pause * 2).min(limits::KUBERNETES_RETRY_MAX);
    }
}

/// Follows the pods from a place, which moves along, or from the beginning, until something fails.
async fn follow_on(
    pods: &Pods,
    access: &Access,
    watch: Duration,
    place: &mut Option<String>,
) -> Result<Infallible, FollowError> {
    let api: Api<Pod> = Api::all(access.connect().await?);
    loop {
        let from = match place.take() {
            Some(from) => from,
            None => list(pods, &api).await?,
        };
        *place = Some(from.clone());
        follow_watch(pods, &api, watch, &from, place).await?;
        // Watches end as a matter of course, but not one after the other.
        sleep(limits::KUBERNETES_RETRY_MIN).await;
    }
}

/// Lists all pods, page by page, and gives the place where the list ends.
async fn list(pods: &Pods, api: &Api<Pod>) -> Result<String, FollowError> {
    let mut workloads = Workloads::default();
    let mut params = ListParams::default().limit(limits::KUBERNETES_PAGE);
    loop {
        let page = answered(api.list(&params)).await?;
        for (key, workload) in page.items.iter().filter_map(read) {
            if let Err(error) = workloads.insert(key, workload) {
                pods.too_many(error);
                break;
            }
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params.continue_token = Some(token),
            None => {
                pods.replace(workloads);
                return Ok(page.metadata.resource_version.unwrap_or_default());
            }
        }
    }
}

/// Takes up changes until the watch ends. Where to go on is nowhere if changes may have been missed.
async fn follow_watch(
    pods: &Pods,
    api: &Api<Pod>,
    watch: Duration,
    from: &str,
    place: &mut Option<String>,
) -> Result<(), FollowError> {
    let seconds = u32::try_from(watch.as_secs()).unwrap_or(u32::MAX);
    let params = WatchParams { bookmarks: true, ..WatchParams::default() }.timeout(seconds);
    let events = answered(api.watch(&params, from)).await.inspect_err(|error| {
        if matches!(error, FollowError::Expired) {
            *place = None;
        }
    })?;
    pods.in_contact();
    let mut events = pin!(events);
    // The other side ends the watch in time; if it does not, it is not there any more.
    let patience = watch + limits::KUBERNETES_ANSWER;
    loop {
        let next = timeout(patience, events.next()).await.map_err(|_| FollowError::Silent(patience))?;
        match next {
            None => return Ok(()),
            Some(Ok(WatchEvent::Added(pod) | WatchEvent::Modified(pod))) => {
                pods.apply(&pod);
                *place = pod.metadata.resource_version;
            }
            Some(Ok(WatchEvent::Deleted(pod))) => {
                pods.delete(&pod);
                *place = pod.metadata.resource_version;
            }
            Some(Ok(WatchEvent::Bookmark(mark))) => *place = Some(mark.metadata.resource_version),
            Some(Ok(WatchEvent::Error(status))) => {
                *place = None;
                let error = FollowError::Ended(status.message.clone());
                return Err(if status.code == EXPIRED { FollowError::Expired } else { error });
            }
            Some(Err(kube::Error::ReadEvents(error))) => {
                return Err(FollowError::Api(kube::Error::ReadEvents(error)));
            }
            Some(Err(error)) => {
                *place = None;
                return Err(FollowError::Api(error));
            }
        }
    }
}

/// Waits for an answer, but not for ever.
async fn answered<T>(call: impl Future<Output = kube::Result<T>>) -> Result<T, FollowError> {
    match timeout(limits::KUBERNETES_ANSWER, call).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(kube::Error::Api(status))) if status.code == EXPIRED => Err(FollowError::Expired),
        Ok(Err(error)) => Err(FollowError::Api(error)),
        Err(_) => Err(FollowError::Silent(limits::KUBERNETES_ANSWER)),
    }
}

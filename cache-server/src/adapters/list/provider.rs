//! A list that a provider serves over HTTP.
//!
//! One GET under one deadline, of which nothing is believed before it was checked: the status, the type, the size while
//! it comes in, the encoding. What the provider says about versions of the list is sent back to it, so that a list that
//! did not change costs a few bytes.
//!
//! TLS is that of `rustls` with `ring`, chosen here and not for the process; certificates are checked against the
//! system's store, or that which `SSL_CERT_FILE` names. Proxies that the environment names are not asked: what counts
//! is in the configuration.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use axum::http::uri::Scheme;
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri, header};
use reqwest::redirect::{Attempt, Policy};
use reqwest::{Client, Response};
use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::BuilderVerifierExt as _;

use super::entries::EntryType;
use super::origin::{Fetched, Origin};
use crate::{VERSION, limits, text};

/// A provider and what it said last.
#[derive(Debug)]
pub(super) struct Provider {
    /// The URL without its query, which may hold what is not for everyone.
    name: String,
    url: String,
    entry_type: EntryType,
    client: Client,
    deadline: Duration,
    bytes_max: usize,
    /// The versions of what was taken up, and of what was last fetched.
    taken_up: Versions,
    fetched: Versions,
}

/// How the provider names a version of the list.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Versions {
    etag: Option<HeaderValue>,
    last_modified: Option<HeaderValue>,
}

/// How certificates are checked: against those of the system. One that has none is no obstacle for what is not
/// encrypted, but then nothing encrypted is trusted.
pub(super) fn tls(url: &Uri) -> Result<ClientConfig, rustls::Error> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()?;
    let trusting = builder.clone().with_platform_verifier();
    let builder = match trusting {
        Err(_) if url.scheme() == Some(&Scheme::HTTP) => {
            builder.with_root_certificates(RootCertStore::empty())
        }
        trusting => trusting?,
    };
    Ok(builder.with_no_client_auth())
}

// === impl Provider ===

impl Provider {
    pub(super) fn new(url: &Uri, entry_type: EntryType, tls: ClientConfig) -> Result<Self, String> {
        let client = Client::builder()
            .tls_backend_preconfigured(tls)
            .redirect(Policy::custom(redirected))
            .no_proxy()
            // Long after the last list, the provider may just be closing what was kept open.
            .pool_max_idle_per_host(0)
            .user_agent(format!("mixer/{VERSION}"))
            .build()
            .map_err(|error| text::chain(&error))?;
        let url = url.to_string();
        let name = url.split('?').next().unwrap_or(&url).to_owned();
        Ok(Self {
            name,
            url,
            entry_type,
            client,
            deadline: limits::LIST_FETCH,
            bytes_max: limits::LIST_BYTES,
            taken_up: Versions::default(),
            fetched: Versions::default(),
        })
    }

    /// With other bounds than those of the server.
    #[cfg(test)]
    pub(super) fn bounded(self, deadline: Duration, bytes_max: usize) -> Self {
        Self { deadline, bytes_max, ..self }
    }

    async fn get(&mut self) -> Result<Fetched, String> {
        let request = self.client.get(&self.url).headers(self.taken_up.conditions());
        let response = request.send().await.map_err(failure)?;
        match response.status() {
            StatusCode::OK => {}
            StatusCode::NOT_MODIFIED if self.taken_up != Versions::default() => {
                return Ok(Fetched::Unchanged);
            }
            status => return Err(format!("it answered {status}")),
        }
        self.check_type(response.headers())?;
        self.fetched = Versions::of(response.headers());
        let body = self.body(response).await?;
        String::from_utf8(body).map(Fetched::Text).map_err(|_| "it is no text in UTF-8".to_owned())
    }

    /// Pages for people and documents that are not lists come with status 200 too, and any text is a list of texts.
    fn check_type(&self, headers: &HeaderMap) -> Result<(), String> {
        let Some(value) = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()) else {
            return Ok(());
        };
        let media = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let is_json = media == "application/json" || media.ends_with("+json");
        let is_page = matches!(media.as_str(), "text/html" | "application/xhtml+xml");
        if is_page || (is_json && self.entry_type != EntryType::IpAddresses) {
            return Err(format!(
                "it is no list but {}; expected text, one entry a line",
                text::quoted(&media)
            ));
        }
        Ok(())
    }

    async fn body(&self, mut response: Response) -> Result<Vec<u8>, String> {
        let too_large = || format!("more than {} bytes", self.bytes_max);
        if response.content_length().is_some_and(|length| length > self.bytes_max as u64) {
            return Err(too_large());
        }
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(failure)? {
            if body.len() + chunk.len() > self.bytes_max {
                return Err(too_large());
            }
            body.extend_from_slice(&chunk);
        }
        Ok(body)
    }
}

#[async_trait]
impl Origin for Provider {
    fn name(&self) -> &str {
        &self.name
    }

    async fn fetch(&mut self) -> Result<Fetched, String> {
        let deadline = self.deadline;
        let fetched = tokio::time::timeout(deadline, self.get()).await;
        fetched.unwrap_or_else(|_| Err(format!("no whole answer within {deadline:?}")))
    }

    fn taken_up(&mut self) {
        self.taken_up = self.fetched.clone();
    }
}

// === impl Versions ===

impl Versions {
    fn of(headers: &HeaderMap) -> Self {
        Self {
            etag: headers.get(header::ETAG).cloned(),
            last_modified: headers.get(header::LAST_MODIFIED).cloned(),
        }
    }

    fn conditions(&self) -> HeaderMap {
        let conditions =
            [(header::IF_NONE_MATCH, &self.etag), (header::IF_MODIFIED_SINCE, &self.last_modified)];
        conditions.into_iter().filter_map(|(name, value)| Some((name, value.clone()?))).collect()
    }
}

/// Follows a few redirections, but not from what is encrypted to what is not.
fn redirected(attempt: Attempt<'_>) -> reqwest::redirect::Action {
    let was_secure = attempt.previous().first().is_some_and(|url| url.scheme() == "https");
    if attempt.previous().len() > limits::LIST_REDIRECTS {
        attempt.error(format!("more than {} redirections", limits::LIST_REDIRECTS))
    } else if was_secure && attempt.url().scheme() != "https" {
        attempt.error("a redirection from https to http")
    } else {
        attempt.follow()
    }
}

/// Why a request failed, without its URL.
fn failure(error: reqwest::Error) -> String {
    text::chain(&error.without_url())
}

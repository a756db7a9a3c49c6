//! The application behind Envoy: it says what reached it, and answers as it is told to.
//!
//! | request | answer |
//! |---|---|
//! | any | 200 and JSON: protocol, method, path, headers, body size |
//! | `POST /echo…` | the body as it came |
//! | `?status=404`, `?header=name:value`, `?body=text` | that status, one more header, that body |
//! | `content-type: application/grpc…` | the body as it came, and the trailer `grpc-status: 0` |
//!
//! HTTP/1.1 and HTTP/2 in clear text on the same port. Bytes of header values stand in the JSON as the characters of
//! the same number, so that none is lost.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Result;
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, combinators::WithTrailers};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// What is sent back: a body, then perhaps trailers.
type Body = WithTrailers<Full<Bytes>, std::future::Ready<Option<Result<HeaderMap, Infallible>>>>;

/// A running application.
pub struct Upstream {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<Value>>>,
    server: JoinHandle<()>,
}

impl Upstream {
    /// Starts one on a loopback port of the system's choice.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start() -> Result<Self> {
        Self::start_at(([127, 0, 0, 1], 0).into()).await
    }

    /// Starts one at an address.
    ///
    /// # Errors
    /// When it cannot listen.
    pub async fn start_at(address: SocketAddr) -> Result<Self> {
        let listener = TcpListener::bind(address).await?;
        let address = listener.local_addr()?;
        let seen = Arc::default();
        let server = tokio::spawn(serve(listener, Arc::clone(&seen)));
        Ok(Self { address, seen, server })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What reached it until now, oldest first.
    pub fn seen(&self) -> Vec<Value> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(listener: TcpListener, seen: Arc<Mutex<Vec<Value>>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let seen = Arc::clone(&seen);
        let service = service_fn(move |request| answer(request, Arc::clone(&seen)));
        // A connection that breaks is the client's matter.
        tokio::spawn(async move {
            let _ = auto::Builder::new(TokioExecutor::new())
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

async fn answer(
    request: Request<Incoming>,
    seen: Arc<Mutex<Vec<Value>>>,
) -> Result<Response<Body>, hyper::Error> {
    let (parts, body) = request.into_parts();
    let body = body.collect().await?.to_bytes();
    let mut headers = BTreeMap::<&str, Vec<String>>::new();
    for (name, value) in &parts.headers {
        headers
            .entry(name.as_str())
            .or_default()
            .push(value.as_bytes().iter().copied().map(char::from).collect());
    }
    let echo = json!({
        "protocol": format!("{:?}", parts.version),
        "method": parts.method.as_str(),
        "path": parts.uri.path_and_query().map_or("", |path| path.as_str()),
        "headers": headers,
        "body_bytes": body.len(),
    });
    seen.lock().unwrap_or_else(PoisonError::into_inner).push(echo.clone());

    let mut response = Response::new(());
    let content_type = parts.headers.get("content-type").map_or(&b""[..], HeaderValue::as_bytes);
    let is_grpc = content_type.starts_with(b"application/grpc");
    let mut answer_body = if is_grpc || (parts.method == "POST" && parts.uri.path().starts_with("/echo")) {
        if let Some(value) = parts.headers.get("content-type") {
            response.headers_mut().insert("content-type", value.clone());
        }
        body
    } else {
        response.headers_mut().insert("content-type", HeaderValue::from_static("application/json"));
        Bytes::from(echo.to_string())
    };
    for (name, value) in parts.uri.query().unwrap_or("").split('&').filter_map(|pair| pair.split_once('=')) {
        match name {
            "status" => *response.status_mut() = value.parse().unwrap_or(StatusCode::BAD_REQUEST),
            "body" => answer_body = Bytes::copy_from_slice(value.as_bytes()),
            "header" => {
                let header = value.split_once(':').and_then(|(name, value)| {
                    Some((HeaderName::try_from(name).ok()?, HeaderValue::try_from(value).ok()?))
                });
                response.headers_mut().extend(header);
            }
            _ => {}
        }
    }
    let status = (HeaderName::from_static("grpc-status"), HeaderValue::from_static("0"));
    let trailers = is_grpc.then(|| Ok(HeaderMap::from_iter([status])));
    Ok(response.map(|()| Full::new(answer_body).with_trailers(std::future::ready(trailers))))
}

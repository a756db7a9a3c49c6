//! A small HTTP client for tests: one connection a request, HTTP/1.1 or HTTP/2, from an address of choice.

use std::future::Future;
use std::net::{IpAddr, SocketAddr};

use anyhow::{Context as _, Result, ensure};
use bytes::Bytes;
use http::{HeaderMap, Method, Request, StatusCode, Version};
use http_body_util::{BodyExt as _, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};

use crate::wait::PATIENCE;

/// What came back.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
    /// The trailers, if any came.
    pub trailers: Option<HeaderMap>,
}

impl Answer {
    /// The body as text; what is not UTF-8 is replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Errors
    /// When it is not.
    pub fn json(&self) -> Result<serde_json::Value> {
        serde_json::from_slice(&self.body)
            .with_context(|| format!("{}: not JSON: {}", self.status, self.text()))
    }

    /// All values of a header, as text.
    pub fn header(&self, name: &str) -> Vec<String> {
        let values = self.headers.get_all(name).iter();
        values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
    }
}

/// Sends requests to one address.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    address: SocketAddr,
    version: Version,
    from: Option<IpAddr>,
}

impl Client {
    /// Speaks HTTP/1.1.
    pub fn http1(address: SocketAddr) -> Self {
        Self { address, version: Version::HTTP_11, from: None }
    }

    /// Speaks HTTP/2 in clear text, without an upgrade.
    pub fn http2(address: SocketAddr) -> Self {
        Self { address, version: Version::HTTP_2, from: None }
    }

    /// Connects from this local address.
    #[must_use]
    pub fn from_address(self, from: IpAddr) -> Self {
        Self { from: Some(from), ..self }
    }

    /// The beginning of a request for `path`.
    pub fn request(&self, method: Method, path: &str) -> http::request::Builder {
        Request::builder()
            .method(method)
            .version(self.version)
            .uri(format!("http://{}{path}", self.address))
            .header("user-agent", "tests")
    }

    /// `GET path`.
    ///
    /// # Errors
    /// When no answer comes in time.
    pub async fn get(&self, path: &str) -> Result<Answer> {
        self.send(self.request(Method::GET, path).body(Full::default())?).await
    }

    /// `GET path` with one more header.
    ///
    /// # Errors
    /// When no answer comes in time.
    pub async fn get_with(&self, path: &str, name: &str, value: &[u8]) -> Result<Answer> {
        self.send(self.request(Method::GET, path).header(name, value).body(Full::default())?).await
    }

    /// `POST path`.
    ///
    /// # Errors
    /// When no answer comes in time.
    pub async fn post(&self, path: &str, body: impl Into<Bytes>) -> Result<Answer> {
        self.send(self.request(Method::POST, path).body(Full::new(body.into()))?).await
    }

    /// Sends a request and takes in the whole answer.
    ///
    /// # Errors
    /// When no answer comes in time.
    pub async fn send(&self, request: Request<Full<Bytes>>) -> Result<Answer> {
        let what = format!("{} {}", request.method(), request.uri());
        in_time(&what, self.exchange(request)).await
    }

    async fn exchange(&self, mut request: Request<Full<Bytes>>) -> Result<Answer> {
        let stream = TokioIo::new(self.connect().await?);
        let response = if self.version == Version::HTTP_2 {
            let (mut sender, connection) =
                hyper::client::conn::http2::handshake(TokioExecutor::new(), stream).await?;
            tokio::spawn(connection);
            sender.send_request(request).await?
        } else {
            let host = self.address.to_string().try_into()?;
            request.headers_mut().entry("host").or_insert(host);
            *request.uri_mut() = request.uri().path_and_query().context("no path")?.as_str().parse()?;
            let (mut sender, connection) = hyper::client::conn::http1::handshake(stream).await?;
            tokio::spawn(connection);
            sender.send_request(request).await?
        };
        let (parts, body) = response.into_parts();
        let body = body.collect().await?;
        let trailers = body.trailers().cloned();
        Ok(Answer { status: parts.status, headers: parts.headers, body: body.to_bytes(), trailers })
    }

    async fn connect(&self) -> Result<TcpStream> {
        let socket = TcpSocket::new_v4()?;
        if let Some(from) = self.from {
            socket.bind(SocketAddr::new(from, 0))?;
        }
        let stream = socket
            .connect(self.address)
            .await
            .with_context(|| format!("no connection to {}", self.address))?;
        stream.set_nodelay(true)?;
        Ok(stream)
    }

    /// Writes bytes as they are and reads until the other side closes; they should ask for `connection: close`.
    ///
    /// # Errors
    /// When the other side does not close in time.
    pub async fn raw(&self, bytes: &[u8]) -> Result<Vec<u8>> {
        in_time("the end of a raw exchange", async {
            let mut stream = self.connect().await?;
            stream.write_all(bytes).await?;
            let mut answer = Vec::new();
            stream.read_to_end(&mut answer).await?;
            ensure!(!answer.is_empty(), "the connection was closed without an answer");
            Ok(answer)
        })
        .await
    }
}

async fn in_time<T>(what: &str, future: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(PATIENCE, future)
        .await
        .with_context(|| format!("no answer within {PATIENCE:?}: {what}"))?
        .with_context(|| what.to_owned())
}

//! Providers that behave, and those that do not, over real connections.

use std::net::SocketAddr;
use std::time::Duration;

use rcgen::CertifiedKey;
use rustls::pki_types::PrivateKeyDer;
use rustls::{ClientConfig, RootCertStore, ServerConfig};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

use super::super::provider::{self, Provider};
use super::*;

/// No test waits so long but for an answer that comes.
const PATIENCE: Duration = Duration::from_secs(20);
const BYTES_MAX: usize = 1000;

/// What a server does with a request.
enum Act {
    /// Writes it and closes the connection.
    Answer(String),
    /// Writes it and says no more.
    Hang(String),
    /// Writes it, and then the same bytes without an end.
    Flood(String),
    /// Cuts the connection.
    Reset,
}

/// A server that keeps what it was asked; gone with the test.
struct Server {
    address: SocketAddr,
    requests: Arc<Mutex<Vec<String>>>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl Server {
    /// Does what is said for the nth request.
    async fn start(acts: impl Fn(usize) -> Act + Send + 'static) -> Self {
        Self::start_with(None, acts).await
    }

    async fn start_with(tls: Option<TlsAcceptor>, acts: impl Fn(usize) -> Act + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let heard = Arc::clone(&requests);
        let task = tokio::spawn(async move {
            let mut hanging = Vec::new();
            for nth in 0.. {
                let (stream, _) = listener.accept().await.unwrap();
                let act = acts(nth);
                match &tls {
                    None => hanging.extend(serve(stream, act, &heard).await),
                    Some(tls) => {
                        // A client that does not trust the certificate goes away.
                        let Ok(stream) = tls.accept(stream).await else { continue };
                        serve(stream, act, &heard).await;
                    }
                }
            }
        });
        Self { address, requests, task }
    }

    fn url(&self) -> String {
        format!("http://{}/list?key=secret", self.address)
    }

    fn provider(&self, entry_type: EntryType) -> Provider {
        provider_at(&self.url(), entry_type)
    }

    fn requests(&self) -> Vec<String> {
        self.requests.lock().unwrap().clone()
    }
}

fn provider_at(url: &str, entry_type: EntryType) -> Provider {
    let tls = provider::tls(&url.parse().unwrap()).unwrap();
    provider_with(tls, url, entry_type)
}

fn provider_with(tls: ClientConfig, url: &str, entry_type: EntryType) -> Provider {
    Provider::new(&url.parse().unwrap(), entry_type, tls).unwrap().bounded(PATIENCE, BYTES_MAX)
}

/// Takes a request and acts. Gives back the stream if nobody shall hear its end.
async fn serve<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    act: Act,
    heard: &Mutex<Vec<String>>,
) -> Option<S> {
    let mut request = Vec::new();
    while !request.ends_with(b"\r\n\r\n") {
        request.push(stream.read_u8().await.ok()?);
    }
    heard.lock().unwrap().push(String::from_utf8(request).unwrap());
    match act {
        Act::Answer(answer) => {
            stream.write_all(answer.as_bytes()).await.ok()?;
            stream.shutdown().await.ok()?;
            None
        }
        Act::Hang(beginning) => {
            stream.write_all(beginning.as_bytes()).await.ok()?;
            Some(stream)
        }
        Act::Flood(beginning) => {
            stream.write_all(beginning.as_bytes()).await.ok()?;
            while stream.write_all(b"10.0.0.1\n").await.is_ok() {}
            None
        }
        Act::Reset => None,
    }
}

fn answer(status: &str, headers: &str, body: &str) -> Act {
    Act::Answer(format!(
        "HTTP/1.1 {status}\r\nconnection: close\r\ncontent-length: {}\r\n{headers}\r\n{body}",
        body.len()
    ))
}

/// What comes of asking a server that does this.
async fn outcome(
    entry_type: EntryType,
    act: impl Fn(usize) -> Act + Send + 'static,
) -> Result<Fetched, String> {
    let server = Server::start(act).await;
    let outcome = server.provider(entry_type).fetch().await;
    if let Err(reason) = &outcome {
        assert!(!reason.contains("secret"), "{reason}");
    }
    outcome
}

async fn refusal(entry_type: EntryType, act: impl Fn(usize) -> Act + Send + 'static) -> String {
    outcome(entry_type, act).await.unwrap_err()
}

#[tokio::test]
async fn a_list_that_did_not_change_is_not_sent_again() {
    let version = "etag: \"7\"\r\nlast-modified: Sat, 21 Nov 2026 10:00:00 GMT\r\n";
    let server = Server::start(move |nth| match nth {
        0 | 1 => answer("200 OK", version, "ann\n"),
        2 => answer("304 Not Modified", version, ""),
        _ => answer("200 OK", "", "bob\n"),
    })
    .await;
    let mut provider = server.provider(EntryType::Strings);
    assert_eq!(provider.name(), format!("http://{}/list", server.address));
    assert_eq!(provider.fetch().await, text("ann\n"));
    // As long as it was not taken up, all of it is wanted.
    assert_eq!(provider.fetch().await, text("ann\n"));
    provider.taken_up();
    assert_eq!(provider.fetch().await, Ok(Fetched::Unchanged));
    assert_eq!(provider.fetch().await, text("bob\n"));
    let asked: Vec<_> =
        server.requests().iter().map(|request| request.contains("if-none-match: \"7\"")).collect();
    assert_eq!(asked, [false, false, true, true]);
    let request = &server.requests()[2];
    assert!(request.starts_with("GET /list?key=secret HTTP/1.1\r\n"), "{request}");
    assert!(request.contains("if-modified-since: Sat, 21 Nov 2026 10:00:00 GMT"), "{request}");
}

#[tokio::test]
async fn only_a_success_is_a_list() {
    for status in ["500 Internal Server Error", "404 Not Found", "204 No Content", "206 Partial Content"] {
        let reason = refusal(EntryType::Strings, move |_| answer(status, "", "ann")).await;
        assert_eq!(reason, format!("it answered {status}"));
    }
    // Nothing was taken up that could be the same.
    let reason = refusal(EntryType::Strings, |_| answer("304 Not Modified", "etag: \"7\"\r\n", "")).await;
    assert_eq!(reason, "it answered 304 Not Modified");
}

#[tokio::test]
async fn pages_and_documents_are_no_lists_of_texts() {
    let page = |media: &'static str| {
        move |_| answer("200 OK", &format!("content-type: {media}\r\n"), "[\"10.0.0.1\"]")
    };
    for media in ["text/html; charset=utf-8", "application/xhtml+xml"] {
        for entry_type in [EntryType::Strings, EntryType::IpAddresses] {
            let reason = refusal(entry_type, page(media)).await;
            assert!(reason.starts_with("it is no list but "), "{reason}");
        }
    }
    for media in ["application/json", "application/problem+json"] {
        let reason = refusal(EntryType::Regex, page(media)).await;
        assert!(reason.starts_with("it is no list but "), "{reason}");
        assert_eq!(outcome(EntryType::IpAddresses, page(media)).await, text("[\"10.0.0.1\"]"));
    }
    assert_eq!(outcome(EntryType::Strings, page("text/plain")).await, text("[\"10.0.0.1\"]"));
}

#[tokio::test]
async fn what_is_too_large_is_not_read_to_its_end() {
    let announced = |_| answer("200 OK", "", &"a\n".repeat(BYTES_MAX));
    assert_eq!(refusal(EntryType::Strings, announced).await, "more than 1000 bytes");
    // Without an end, and without saying how much there will be.
    let flood = |_| Act::Flood("HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n".to_owned());
    assert_eq!(refusal(EntryType::IpAddresses, flood).await, "more than 1000 bytes");
    let exactly = |_| answer("200 OK", "", &"a".repeat(BYTES_MAX));
    assert!(outcome(EntryType::Strings, exactly).await.is_ok());
}

#[tokio::test]
async fn bytes_that_are_no_text_are_no_list() {
    let server = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/", server.local_addr().unwrap());
    let answering = async {
        let (mut stream, _) = server.accept().await.unwrap();
        let mut request = [0; 4096];
        assert!(stream.read(&mut request).await.unwrap() > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n\xc3\x28").await.unwrap();
        stream
    };
    let mut provider = provider_at(&url, EntryType::Strings);
    let (outcome, _stream) = tokio::join!(provider.fetch(), answering);
    assert_eq!(outcome, Err("it is no text in UTF-8".to_owned()));
}

#[tokio::test]
async fn redirections_are_followed_to_an_end() {
    let to = |place: &str| answer("302 Found", &format!("location: {place}\r\n"), "");
    let few = move |nth| if nth < 5 { to("/next") } else { answer("200 OK", "", "ann") };
    assert_eq!(outcome(EntryType::Strings, few).await, text("ann"));
    let reason = refusal(EntryType::Strings, move |_| to("/list?key=secret")).await;
    assert!(reason.contains("more than 5 redirections"), "{reason}");
    let reason = refusal(EntryType::Strings, move |_| to("ftp://127.0.0.1/list")).await;
    assert!(!reason.is_empty());
}

#[tokio::test]
async fn connections_that_break_give_no_list() {
    refusal(EntryType::Strings, |_| Act::Reset).await;
    refusal(EntryType::Strings, |_| Act::Answer("no such protocol\r\n\r\n".to_owned())).await;
    // Half a list is none.
    let half = |_| Act::Answer("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nann\n".to_owned());
    refusal(EntryType::Strings, half).await;
    let chunk =
        |_| Act::Answer("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n4\r\nann\n\r\n".to_owned());
    refusal(EntryType::Strings, chunk).await;
    // Nobody listens there any more.
    let gone = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let url = format!("http://{gone}/");
    provider_at(&url, EntryType::Strings).fetch().await.unwrap_err();
}

#[tokio::test]
async fn who_does_not_come_to_an_end_is_not_waited_for() {
    let short = Duration::from_millis(50);
    for beginning in ["", "HTTP/1.1 200 OK\r\n", "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nann\n"] {
        let server = Server::start(move |_| Act::Hang(beginning.to_owned())).await;
        let mut provider = server.provider(EntryType::Strings).bounded(short, BYTES_MAX);
        assert_eq!(provider.fetch().await, Err("no whole answer within 50ms".to_owned()));
    }
}

#[tokio::test]
async fn certificates_have_to_be_trusted() {
    let CertifiedKey { cert, signing_key } =
        rcgen::generate_simple_self_signed(["localhost".to_owned()]).unwrap();
    let key = PrivateKeyDer::try_from(signing_key.serialize_der()).unwrap();
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(Arc::clone(&ring))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![cert.der().clone()], key)
        .unwrap();
    let acts = |nth| match nth {
        0 | 1 => answer("200 OK", "", "ann\n"),
        _ => answer("302 Found", "location: http://127.0.0.1:1/\r\n", ""),
    };
    let server = Server::start_with(Some(TlsAcceptor::from(Arc::new(config))), acts).await;
    let url = format!("https://localhost:{}/", server.address.port());

    let mut stranger = provider_at(&url, EntryType::Strings);
    let reason = stranger.fetch().await.unwrap_err();
    assert!(reason.contains("certificate"), "{reason}");

    let mut roots = RootCertStore::empty();
    roots.add(cert.der().clone()).unwrap();
    let trusting = ClientConfig::builder_with_provider(ring)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let mut provider = provider_with(trusting, &url, EntryType::Strings);
    assert_eq!(provider.fetch().await, text("ann\n"));
    let reason = provider.fetch().await.unwrap_err();
    assert!(reason.contains("from https to http"), "{reason}");
}

#[tokio::test]
async fn a_check_is_answered_from_what_a_provider_serves() {
    let server = Server::start(|_| answer("200 OK", "", "whitelist: [10.0.0.0/8]\n")).await;
    let config = block("ipListChecker", json!({ "publisherUrl": server.url() }));
    let checker = build_ip(&config, &surroundings()).unwrap();
    checker.in_force();
    let asked = Value::from_ip("10.1.2.3".parse().unwrap());
    let found = async {
        // The first may be slower than a check waits.
        loop {
            if let Ok(membership) = checker.contains(&asked).await {
                return membership.found;
            }
        }
    };
    assert!(tokio::time::timeout(PATIENCE, found).await.unwrap());
}

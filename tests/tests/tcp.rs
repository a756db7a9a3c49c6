//! Connections through the real Envoy: checked before a byte goes on, reported when they open, last and end.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, SanType};
use serde_json::{Value, json};
use tempfile::TempDir;
use tests::bootstrap::Bootstrap;
use tests::envoy::Envoy;
use tests::scripted::{Reply, ScriptedMixer};
use tests::{Programs, decode, wait};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore, crypto};

/// Envoy with the filter for connections, before an application that greets whoever connects and then repeats what it
/// is told.
struct Stack {
    envoy: Envoy,
    mixer: ScriptedMixer,
    application: JoinHandle<()>,
    certificates: Certificates,
    _folder: TempDir,
}

/// Whether, and how, clients are known.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Security {
    Plain,
    /// The server has a certificate.
    Tls,
    /// So have clients.
    MutualTls,
}

const GREETING: &[u8] = b"hello";

impl Stack {
    async fn start(programs: &Programs, security: Security, edit: impl FnOnce(&mut Value)) -> Result<Self> {
        let folder = tempfile::Builder::new().prefix("mixer-tcp-").tempdir()?;
        let mixer = ScriptedMixer::start().await?;
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let upstream = listener.local_addr()?;
        let application = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(greet_and_repeat(stream));
            }
        });
        let certificates = Certificates::new(folder.path())?;
        let mut bootstrap = Bootstrap::load("tcp")?
            .on_loopback()
            .with_module(&programs.filter)
            .with_cluster("mixer", mixer.address())?
            .with_cluster("upstream", upstream)?
            .edit_plugin(edit);
        if security != Security::Plain {
            let asks = security == Security::MutualTls;
            bootstrap = bootstrap.with_transport_socket(&Certificates::transport_socket(folder.path(), asks));
        }
        let envoy = Envoy::start(&programs.envoy, &bootstrap, 1, folder.path()).await?;
        Ok(Self { envoy, mixer, application, certificates, _folder: folder })
    }

    fn address(&self) -> SocketAddr {
        self.envoy.address()
    }

    async fn connect_tls(&self, security: Security) -> Result<TlsStream<TcpStream>> {
        let tcp = TcpStream::connect(self.address()).await?;
        let connector = TlsConnector::from(Arc::new(self.certificates.client(security)?));
        Ok(connector.connect(ServerName::try_from("localhost")?, tcp).await?)
    }

    /// The attributes of all reports until there are `count`.
    async fn reported(&self, count: usize) -> Result<Vec<decode::Attributes>> {
        let reports = self.mixer.wait_for_messages(count).await?;
        let messages = reports.iter().map(decode::report).collect::<Result<Vec<_>>>()?;
        Ok(messages.into_iter().flatten().collect())
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        self.application.abort();
    }
}

async fn greet_and_repeat(mut stream: TcpStream) {
    let _ = stream.write_all(GREETING).await;
    let mut buffer = [0; 1024];
    while let Ok(count @ 1..) = stream.read(&mut buffer).await {
        if stream.write_all(&buffer[..count]).await.is_err() {
            return;
        }
    }
}

/// Certificates that an authority of the test's own signed.
struct Certificates {
    authority: CertificateDer<'static>,
    client: (CertificateDer<'static>, Vec<u8>),
}

impl Certificates {
    /// Makes them, and writes those that Envoy needs to files.
    fn new(folder: &Path) -> Result<Self> {
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.distinguished_name.push(DnType::CommonName, "authority of the tests");
        let authority = CertifiedIssuer::self_signed(params, KeyPair::generate()?)?;
        let sign = |names: Vec<SanType>| -> Result<(rcgen::Certificate, KeyPair)> {
            let key = KeyPair::generate()?;
            let mut params = CertificateParams::default();
            params.subject_alt_names = names;
            Ok((params.signed_by(&key, &authority)?, key))
        };
        let server = sign(vec![
            SanType::DnsName("localhost".try_into()?),
            SanType::URI("spiffe://cluster.local/ns/db/sa/mongo".try_into()?),
        ])?;
        let client = sign(vec![SanType::URI("spiffe://cluster.local/ns/web/sa/front".try_into()?)])?;
        std::fs::write(folder.join("ca.pem"), authority.pem())?;
        std::fs::write(folder.join("server.pem"), server.0.pem())?;
        std::fs::write(folder.join("server.key"), server.1.serialize_pem())?;
        Ok(Self {
            authority: authority.der().clone(),
            client: (client.0.der().clone(), client.1.serialize_der()),
        })
    }

    fn transport_socket(folder: &Path, asks_for_certificates: bool) -> Value {
        let file = |name: &str| json!({"filename": folder.join(name).to_string_lossy()});
        json!({
            "name": "envoy.transport_sockets.tls",
            "typed_config": {
                "@type": "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
                "require_client_certificate": asks_for_certificates,
                "common_tls_context": {
                    "tls_certificates": [{"certificate_chain": file("server.pem"), "private_key": file("server.key")}],
                    "validation_context": {"trusted_ca": file("ca.pem")}
                }
            }
        })
    }

    fn client(&self, security: Security) -> Result<ClientConfig> {
        let mut roots = RootCertStore::empty();
        roots.add(self.authority.clone())?;
        let config = ClientConfig::builder_with_provider(Arc::new(crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        if security != Security::MutualTls {
            return Ok(config.with_no_client_auth());
        }
        let (certificate, key) = self.client.clone();
        let key = PrivateKeyDer::try_from(key).map_err(anyhow::Error::msg)?;
        Ok(config.with_client_auth_cert(vec![certificate], key)?)
    }
}

/// The application's greeting arrives.
async fn is_greeted(stream: &mut (impl AsyncRead + Unpin)) -> Result<()> {
    let mut greeting = vec![0; GREETING.len()];
    let read = tokio::time::timeout(wait::PATIENCE, stream.read_exact(&mut greeting));
    read.await.context("no greeting in time")?.context("no greeting")?;
    ensure!(greeting == GREETING, "{greeting:?}");
    Ok(())
}

/// What is said comes back.
async fn talk(stream: &mut (impl AsyncRead + AsyncWrite + Unpin), text: &[u8]) -> Result<()> {
    stream.write_all(text).await?;
    let mut echo = vec![0; text.len()];
    tokio::time::timeout(wait::PATIENCE, stream.read_exact(&mut echo)).await.context("no echo in time")??;
    ensure!(echo == text, "{echo:?}");
    Ok(())
}

/// The connection ends without a word.
async fn is_closed(stream: &mut (impl AsyncRead + Unpin)) -> Result<()> {
    let mut rest = Vec::new();
    let read = tokio::time::timeout(wait::PATIENCE, stream.read_to_end(&mut rest));
    // Reset or ended: both are an end.
    let _ = read.await.context("it stays open")?;
    ensure!(rest.is_empty(), "{rest:?}");
    Ok(())
}

fn quick(plugin: &mut Value) {
    plugin["report"] = json!({"batch_interval": "50ms"});
    plugin["tcp"] = json!({"report_interval": "1s"});
}

#[tokio::test]
async fn a_connection_is_checked_and_reported() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let stack = Stack::start(&programs, Security::Plain, quick).await?;
    let mut stream = TcpStream::connect(stack.address()).await?;
    // The server speaks first, and is heard.
    is_greeted(&mut stream).await?;
    talk(&mut stream, b"ping").await?;
    stack.reported(2).await?;
    talk(&mut stream, b"more").await?;
    drop(stream);

    let check = stack.mixer.checks().first().map(decode::check).context("no check")??;
    assert_eq!(check["context.protocol"], "tcp");
    assert_eq!(check["target.service"], "mongodb.default.svc.cluster.local");
    assert_eq!(check["source.ip"], json!([127, 0, 0, 1]));
    assert!(check["connection.id"].is_string() && check.contains_key("context.time"), "{check:?}");
    assert_eq!(check["connection.mtls"], false);
    for name in ["request.path", "request.headers", "request.host", "request.time", "source.principal"] {
        assert!(!check.contains_key(name), "{name} of a connection");
    }
    let reports = wait::until("the last report", async || {
        let reports = stack.reported(3).await.ok()?;
        (reports.last()?["connection.event"] == "close").then_some(reports)
    })
    .await?;
    assert_eq!(reports[0]["connection.event"], "open");
    assert!(reports[1..reports.len() - 1].iter().all(|report| report["connection.event"] == "continue"));
    let last = &reports[reports.len() - 1];
    assert_eq!(last["connection.received.bytes_total"], 8);
    assert_eq!(last["connection.sent.bytes_total"], 8 + GREETING.len());
    assert!(last.contains_key("connection.duration") && !reports[0].contains_key("connection.duration"));
    assert_eq!(last["check.cache_hit"], false);
    assert_eq!(last["destination.ip"], json!([127, 0, 0, 1]));
    // What the parts say adds up to the whole; the first says it once more.
    for (part, total) in [
        ("connection.received.bytes", "connection.received.bytes_total"),
        ("connection.sent.bytes", "connection.sent.bytes_total"),
    ] {
        let sum: i64 = reports[1..].iter().filter_map(|report| report[part].as_i64()).sum();
        assert_eq!(Some(sum), last[total].as_i64(), "{part}");
    }
    Ok(())
}

#[tokio::test]
async fn a_refused_connection_is_closed_before_anything_goes_on() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let stack = Stack::start(&programs, Security::Plain, quick).await?;
    stack.mixer.answer(|_| Reply::verdict(16, "", &["target.service"]));
    for hit in [false, true] {
        let mut stream = TcpStream::connect(stack.address()).await?;
        is_closed(&mut stream).await?;
        let reports = stack.reported(1 + usize::from(hit)).await?;
        let report = reports.last().context("a report")?;
        assert_eq!(report["connection.event"], "close");
        assert_eq!((&report["check.error_code"], &report["check.cache_hit"]), (&json!(16), &json!(hit)));
        assert_eq!(report["check.error_message"], "UNAUTHENTICATED");
        assert_eq!(report["connection.sent.bytes_total"], 0);
    }
    stack.envoy.wait_for_counter("total_check_calls", 2).await?;
    stack.envoy.wait_for_counter("total_check_cache_hit_denies", 1).await?;
    Ok(())
}

#[tokio::test]
async fn a_peers_certificate_is_known_to_the_check() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let stack = Stack::start(&programs, Security::MutualTls, |plugin| {
        quick(plugin);
        plugin["tcp"]["await_certificate"] = json!(true);
    })
    .await?;
    stack.mixer.answer(|attributes| {
        let is_front = attributes.get("source.principal") == Some(&json!("cluster.local/ns/web/sa/front"));
        Reply::verdict(if is_front { 0 } else { 7 }, "", &["source.principal"])
    });
    for hit in [false, true] {
        let mut stream = stack.connect_tls(Security::MutualTls).await?;
        // Nothing is said by the client before the server has spoken.
        is_greeted(&mut stream).await?;
        talk(&mut stream, b"ping").await?;
        stream.shutdown().await?;
        drop(stream);
        stack.envoy.wait_for_counter("total_check_cache_hit_accepts", u64::from(hit)).await?;
    }
    let check = stack.mixer.checks().first().map(decode::check).context("no check")??;
    assert_eq!(check["connection.mtls"], true);
    assert_eq!(check["source.namespace"], "web");
    assert_eq!(check["destination.principal"], "cluster.local/ns/db/sa/mongo");
    Ok(())
}

#[tokio::test]
async fn a_peer_without_a_certificate_is_nobody() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let stack = Stack::start(&programs, Security::Tls, quick).await?;
    stack.mixer.answer(|attributes| {
        let is_known = attributes.contains_key("source.principal");
        Reply::verdict(if is_known { 7 } else { 0 }, "", &["target.service"])
    });
    let mut waits = stack.connect_tls(Security::Tls).await?;
    is_greeted(&mut waits).await?;
    talk(&mut waits, b"ping").await?;
    let mut speaks = stack.connect_tls(Security::Tls).await?;
    speaks.write_all(b"ping").await?;
    is_greeted(&mut speaks).await?;
    stack.envoy.wait_for_counter("total_check_cache_hits", 1).await?;
    Ok(())
}

#[tokio::test]
async fn connections_are_charged_when_they_open() -> Result<()> {
    let Some(programs) = Programs::or_skip() else { return Ok(()) };
    let stack = Stack::start(&programs, Security::Plain, |plugin| {
        plugin["quotas"] = json!({"prefetch": false, "rules": [{"charge": {"Connections": 5}}]});
    })
    .await?;
    stack.mixer.answer(|_| Reply::allowed().with_quota("Connections", 0));
    let mut stream = TcpStream::connect(stack.address()).await?;
    is_closed(&mut stream).await?;
    let check = stack.mixer.checks().into_iter().next().context("no check")?;
    assert_eq!(check.quotas["Connections"].amount, 5);
    stack.mixer.answer(|_| Reply::allowed().with_quota("Connections", 5));
    let mut stream = TcpStream::connect(stack.address()).await?;
    is_greeted(&mut stream).await?;
    Ok(())
}

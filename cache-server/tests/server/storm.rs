//! A thousand changes, a third of them broken, while requests come in: none fails, and each gets the verdict of a
//! configuration that was in force while it was under way.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use attributes::Dictionary;
use cache_server::api::MixerService;
use cache_server::l2::L2;
use cache_server::runtime::{Reloader, Runtime, Store};
use cache_server::telemetry::Telemetry;
use futures::future::join_all;
use proto::v1::mixer_client::MixerClient;
use proto::v1::mixer_server::MixerServer;
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tonic::transport::Channel;
use tonic::transport::server::TcpIncoming;

use crate::harness::{RULES, bag, check_request, dictionary, sample, tree, write};

const CHANGES: u32 = 1000;
const CLIENTS: usize = 8;

/// Checks that come in with each change, so that both are done within a time that does not depend on the other.
const CHECKS: usize = 8;

/// No more than is needed: it is read a thousand times.
const DESCRIPTORS: &str =
    "manifests: [{ name: test, attributes: { request.path: { value_type: STRING } } }]\n";

const ADAPTERS_FILE: &str = "scopes/global/adapters.yml";

/// Rules that refuse every request, some of them by a look at its path.
const DENY_ALL: &str = r#"
rules:
  - selector: request.path.startsWith("/a")
    aspects: [{ kind: denials, adapter: closed }]
  - selector: request.path.startsWith("/b")
    aspects: [{ kind: denials, adapter: closed }]
"#;

/// The blocks of a version: one says which it is, one is the same in all of them.
fn adapters(version: u32) -> String {
    format!(
        "adapters:\n\
         - {{ name: closed, kind: denials, impl: denyChecker, params: {{ error: {{ code: 7, message: '{version}' }} }} }}\n\
         - {{ name: same, kind: lists, impl: genericListChecker, params: {{ listEntries: [x] }} }}\n"
    )
}

/// What is in force, as seen by whoever changes it.
struct Storm {
    /// The last version whose loading began.
    begun: AtomicU32,
    /// The last version that was in force when its loading was over.
    settled: AtomicU32,
    /// Checks that may be made; closed at the end.
    checks: Semaphore,
}

impl Storm {
    fn is_broken(version: u32) -> bool {
        version % 3 == 1
    }

    /// Writes a version and loads it.
    async fn change(&self, version: u32, root: &Path, reloader: &mut Reloader) {
        let (blocks, rules) = match (Self::is_broken(version), version % 4) {
            (false, _) => (adapters(version), DENY_ALL),
            (true, 0) => (adapters(version), "rules: ["),
            (true, 1) => (adapters(version), "rules: [{ aspects: [{ kind: denials, adapter: nobody }] }]"),
            (true, 2) => (adapters(version).replace("denyChecker", "noChecker"), DENY_ALL),
            (true, _) => (adapters(version).replace("code: 7", "code: seven"), DENY_ALL),
        };
        write(root, ADAPTERS_FILE, &blocks);
        write(root, RULES, rules);
        self.begun.store(version, Ordering::SeqCst);
        self.checks.add_permits(CHECKS);
        reloader.load().await;
        if !Self::is_broken(version) {
            self.settled.store(version, Ordering::SeqCst);
        }
    }

    /// Asks one check after the other until the storm is over, and gives how many.
    async fn ask(&self, client: usize, mut channel: MixerClient<Channel>, dictionary: &Dictionary) -> usize {
        let mut asked = 0;
        let mut last = 0;
        while let Ok(permit) = self.checks.acquire().await {
            permit.forget();
            let path = format!("/{}{}", if asked % 2 == 0 { 'a' } else { 'b' }, asked % (client + 1));
            let request = check_request(dictionary, &bag([("request.path", path.as_str())]));
            let earliest = self.settled.load(Ordering::SeqCst);
            let response = channel.check(request).await.expect("no request fails").into_inner();
            let latest = self.begun.load(Ordering::SeqCst);
            let status = response.precondition.unwrap().status.unwrap();
            assert_eq!(status.code, 7, "{}", status.message);
            let version: u32 = status.message.parse().expect("the message is the version");
            assert!((earliest..=latest).contains(&version), "{version} is not in {earliest}..={latest}");
            assert!(!Self::is_broken(version), "{version} is broken");
            assert!(version >= last, "{version} comes after {last}");
            last = version;
            asked += 1;
        }
        asked
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_storm_of_changes_harms_no_request() {
    let folder = tree(&adapters(0), DENY_ALL);
    write(folder.path(), "scopes/global/descriptors.yml", DESCRIPTORS);
    let telemetry = Arc::new(Telemetry::new());
    let options = policy::Options::default();
    let runtime = Arc::new(Runtime::new(folder.path().to_owned(), options, Arc::clone(&telemetry)));
    let l2 = Arc::new(L2::new(1000, [7; 16]));
    let store = Arc::new(Store::open(folder.path().to_owned().into()));
    let mut reloader = Reloader::new(store, Arc::clone(&runtime), Arc::clone(&l2));
    reloader.load().await;

    let dictionary = Arc::new(dictionary());
    let words = Arc::clone(&dictionary);
    let service = MixerService::new(Arc::clone(&runtime), l2, words, true, Arc::clone(&telemetry), [1; 16]);
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let server = tonic::transport::Server::builder().add_service(MixerServer::new(service));
    let serving = tokio::spawn(server.serve_with_incoming(TcpIncoming::from(listener)));

    let storm = Arc::new(Storm {
        begun: AtomicU32::new(0),
        settled: AtomicU32::new(0),
        checks: Semaphore::new(CLIENTS),
    });
    let clients = (0..CLIENTS).map(|client| {
        let (storm, dictionary, address) = (Arc::clone(&storm), Arc::clone(&dictionary), address.clone());
        tokio::spawn(async move {
            let channel = MixerClient::connect(address).await.unwrap();
            storm.ask(client, channel, &dictionary).await
        })
    });
    let clients: Vec<_> = clients.collect();
    for version in 1..=CHANGES {
        storm.change(version, folder.path(), &mut reloader).await;
    }
    storm.checks.close();
    let asked: usize = join_all(clients).await.into_iter().map(Result::unwrap).sum();
    assert!(asked > 0);

    // The last change was broken; the one before it is in force.
    assert!(Storm::is_broken(CHANGES) && !Storm::is_broken(CHANGES - 1));
    let mut client = MixerClient::connect(address).await.unwrap();
    let request = check_request(&dictionary, &bag([("request.path", "/a")]));
    let verdict = client.check(request).await.unwrap().into_inner().precondition.unwrap();
    assert_eq!(verdict.status.unwrap().message, (CHANGES - 1).to_string());
    let mut page = String::new();
    telemetry.write(None, &mut page);
    let broken = (1..=CHANGES).filter(|version| Storm::is_broken(*version)).count();
    let count = |name| sample(&page, name) as usize;
    assert_eq!(count("mixer_config_load_errors_total"), broken);
    assert_eq!(count("mixer_config_loads_total") + broken, CHANGES as usize + 1);
    assert!(runtime.history().refused.as_ref().is_some_and(|refused| refused.stands));
    serving.abort();
}

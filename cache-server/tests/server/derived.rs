//! Attributes that an adapter derives decide, and verdicts rest on what they were derived from.

use attributes::{Bag, StringMap, Value};

use crate::docs::{examples, page};
use crate::harness::{PATIENCE, TestServer, bag, check_request, tree, write};

/// A list that stands in the configuration.
const ADAPTERS: &str = r"
adapters:
  - name: machines
    kind: attributes
    impl: inventory
    params:
      workloads:
        - { uid: vm-1, ip: 127.0.0.1, labels: { app: shop } }
        - { uid: vm-2, ip: 127.0.0.2, service: users }
  - { name: closed, kind: denials, impl: denyChecker, params: { error: { code: 7, message: only the shop may } } }
";

/// The service of who asks decides.
const RULES: &str = r#"
rules:
  - aspects:
      - kind: attributes
        adapter: machines
        params:
          inputExpressions: { sourceIP: source.ip }
          attributeBindings: { source.user: sourceService }
  - selector: (source.user | "") != "shop.default.svc.cluster.local"
    aspects: [{ kind: denials, adapter: closed }]
"#;

fn from(address: &str) -> Bag {
    let mut bag = bag([]);
    bag.insert("source.ip", Value::from_ip(address.parse().unwrap()));
    bag
}

/// The server of the documentation's example.
async fn documented() -> TestServer {
    let folder = tempfile::tempdir().unwrap();
    let page = page("adapters/inventory.md");
    for file in examples(&page) {
        write(folder.path(), &file.path, &file.text);
    }
    let (_, machines) = page.split_once("# machines.yml\n").unwrap();
    write(folder.path(), "machines.yml", machines.split("```").next().unwrap());
    TestServer::start(folder, 100).await
}

#[tokio::test]
async fn what_an_inventory_says_decides() {
    let server = documented().await;
    assert_eq!(server.verdict(&from("10.0.0.1")).await.0, 0);
    assert_eq!(server.verdict(&from("10.0.0.2")).await, (7, "only the shop may".to_owned()));
    assert_eq!(server.verdict(&from("10.0.0.3")).await.0, 7);
    // What the request says of itself does not count where more is known.
    let mut pretender = from("10.0.0.2");
    pretender.insert("source.labels", [("app", "shop")].into_iter().collect::<StringMap>());
    assert_eq!(server.verdict(&pretender).await.0, 7);
}

#[tokio::test]
async fn a_change_of_the_inventory_changes_the_verdict() {
    let server = documented().await;
    assert_eq!(server.verdict(&from("10.0.0.1")).await.0, 0);
    let verdict = server.precondition(&from("10.0.0.1")).await;
    assert!(verdict.valid_duration.unwrap().seconds <= 1, "not beyond the next look at the file");
    write(server.folder.path(), "machines.yml", "- { uid: vm-1, ip: 10.0.0.1, labels: { app: bank } }\n");
    let wait = async {
        while server.verdict(&from("10.0.0.1")).await.0 != 7 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(PATIENCE, wait).await.expect("the file is read again, and no verdict outlives it");
}

#[tokio::test]
async fn a_verdict_rests_on_the_inputs_alone() {
    let server = TestServer::start(tree(ADAPTERS, RULES), 100).await;
    let mut request = check_request(&server.dictionary, &from("127.0.0.1"));
    request.accepts_trace = false;
    let verdict = server.send(request).await.unwrap().precondition.unwrap();
    assert_eq!(verdict.status.unwrap().code, 0);
    let references = verdict.referenced_attributes.unwrap();
    let name = |index: i32| match usize::try_from(index) {
        Ok(word) => server.dictionary.word(word).unwrap().to_string(),
        Err(_) => references.words[usize::try_from(-index - 1).unwrap()].clone(),
    };
    let mut names: Vec<_> = references.attribute_matches.iter().map(|found| name(found.name)).collect();
    names.sort();
    names.dedup();
    assert_eq!(names, ["source.ip"]);

    // So it holds for whoever comes from there, whatever else is said.
    let mut other = from("127.0.0.1");
    other.insert("source.user", "somebody");
    assert_eq!(server.verdict(&other).await.0, 0);
    assert_eq!(server.verdict(&from("127.0.0.2")).await.0, 7);
    assert_eq!(server.metric("mixer_checks_total{result=\"ok\",cache=\"miss\"}").await, "1");
    assert_eq!(server.metric("mixer_checks_total{result=\"ok\",cache=\"hit\"}").await, "1");
    assert_eq!(server.metric("mixer_checks_total{result=\"denied\",cache=\"miss\"}").await, "1");
    let found = server.metric("mixer_workload_lookups_total{handler=\"machines\",result=\"found\"}").await;
    assert_eq!(found, "2", "a hit asks no adapter");
}

//! Lists of texts and of networks, inline and from files.

use attributes::{Bag, Value};
use checkcache::Code;

use crate::harness::{TestServer, bag, tree, write};

const ADAPTERS: &str = r#"
adapters:
  - { name: blocked, kind: lists, impl: ipListChecker, params: { entries: [127.0.0.2, 203.0.113.0/24, "2001:db8::/32", "::ffff:198.51.100.0/120"] } }
  - { name: users, kind: lists, impl: genericListChecker, params: { entries: [ann], file: users.txt, refreshInterval: 1s } }
"#;

const RULES: &str = r#"
rules:
  - aspects:
      - { kind: lists, adapter: blocked, params: { blacklist: true, checkExpression: source.ip } }
  - selector: request.path == "/users"
    aspects:
      - { kind: lists, adapter: users, params: { checkExpression: 'source.user | "nobody"' } }
"#;

fn from(address: &str) -> Bag {
    let mut bag = bag([("request.path", "/")]);
    bag.insert("source.ip", Value::from_ip(address.parse().unwrap()));
    bag
}

#[tokio::test]
async fn networks_contain_addresses_however_they_are_written() {
    let folder = tree(ADAPTERS, RULES);
    write(folder.path(), "users.txt", "");
    let server = TestServer::start(folder, 100).await;
    for (address, code) in [
        ("127.0.0.1", 0),
        ("127.0.0.2", 7),
        ("::ffff:127.0.0.2", 7),
        ("203.0.113.255", 7),
        ("203.0.114.0", 0),
        ("198.51.100.7", 7),
        ("2001:db8::1", 7),
        ("2001:db9::1", 0),
        ("::1", 0),
    ] {
        assert_eq!(server.verdict(&from(address)).await.0, code, "{address}");
    }
    assert_eq!(server.verdict(&from("127.0.0.2")).await.1, "127.0.0.2 is blacklisted");
}

#[tokio::test]
async fn bytes_that_are_no_address_are_the_clients_mistake() {
    let folder = tree(ADAPTERS, RULES);
    write(folder.path(), "users.txt", "");
    let server = TestServer::start(folder, 100).await;
    let mut bag = from("127.0.0.1");
    bag.insert("source.ip", Value::Bytes([1, 2, 3].as_slice().into()));
    let verdict = server.precondition(&bag).await;
    assert_eq!(verdict.status.unwrap().code, Code::InvalidArgument.number());
    assert_eq!(verdict.valid_use_count, 0);
}

#[tokio::test]
async fn a_file_is_read_again_and_bounds_what_is_kept() {
    let folder = tree(ADAPTERS, RULES);
    write(folder.path(), "users.txt", "# who may\nbob\n\n");
    let server = TestServer::start(folder, 0).await;
    let user = |name: &str| {
        let mut bag = from("127.0.0.1");
        bag.insert("request.path", "/users");
        bag.insert("source.user", name);
        bag
    };
    let allowed = server.precondition(&user("bob")).await;
    assert_eq!(allowed.status.unwrap().code, 0);
    assert!(allowed.valid_duration.unwrap().seconds <= 1);
    assert_eq!(server.verdict(&user("ann")).await.0, 0);
    assert_eq!(server.verdict(&user("eve")).await, (7, "eve is not whitelisted".to_owned()));

    write(server.folder.path(), "users.txt", "eve\n");
    let wait = async {
        while server.verdict(&user("eve")).await.0 != 0 {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(crate::harness::PATIENCE, wait).await.expect("the file is read again");
    assert_eq!(server.verdict(&user("bob")).await.0, 7);
}

#[tokio::test]
async fn a_list_that_cannot_be_had_refuses() {
    let server = TestServer::start(tree(ADAPTERS, RULES), 100).await;
    assert_eq!(server.get("/readyz").await.0, 200);
    let mut bag = from("127.0.0.1");
    bag.insert("request.path", "/users");
    let (code, message) = server.verdict(&bag).await;
    assert_eq!(code, Code::Internal.number());
    assert!(message.contains("users.txt"), "{message}");
}

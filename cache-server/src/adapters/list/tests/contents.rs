//! What lists of each type contain, and what is a list.

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use proptest::prelude::*;

use super::super::body::{self, Read};
use super::super::entries::EntryType;
use super::*;

const TYPES: [EntryType; 4] =
    [EntryType::Strings, EntryType::CaseInsensitiveStrings, EntryType::IpAddresses, EntryType::Regex];

/// Checks which values are on a list and which are not.
fn check(entry_type: EntryType, body: &str, on: &[&str], off: &[&str]) {
    let Read { entries, skipped, .. } = body::read(entry_type, &[], body).unwrap();
    assert_eq!(skipped, 0, "{body}");
    for (values, expected) in [(on, true), (off, false)] {
        for value in values {
            assert_eq!(entries.contain(&Value::from(*value)), Ok(expected), "{value} in {body:?}");
        }
    }
}

fn refusal(entry_type: EntryType, body: &str) -> String {
    match body::read(entry_type, &[], body) {
        Ok(read) => panic!("{body:?} is read as {read:?}"),
        Err(reason) => reason,
    }
}

#[test]
fn texts() {
    check(EntryType::Strings, "ann\r\n  bob \n# eve\n\n", &["ann", "bob"], &["Ann", "eve", "# eve", ""]);
    check(EntryType::CaseInsensitiveStrings, "Ann\nGRÜN\n", &["aNN", "grün", "Grün"], &["an"]);
    check(EntryType::Strings, "\u{feff}ann", &["ann"], &[]);
    // Any text is a list of texts, so what looks like a document is not taken for one.
    check(EntryType::Strings, "whitelist:\n- ann\n", &["whitelist:", "- ann"], &["ann"]);
}

#[test]
fn networks() {
    let body =
        "10.1.2.3\n10.0.0.0/16\n192.168.7.9/24\n2001:db8::1\n2001:db8:1::/48\n::ffff:198.51.100.0/120\n";
    check(
        EntryType::IpAddresses,
        body,
        &[
            "10.1.2.3",
            "10.0.255.255",
            "192.168.7.200",
            "2001:db8::1",
            "2001:db8:1:2::3",
            "::ffff:10.1.2.3",
            "198.51.100.7",
            "::ffff:198.51.100.7",
        ],
        // An address alone is the network of itself, in either family.
        &["10.1.2.4", "10.1.0.0", "2001:db8::2", "2001:db8:2::", "198.51.101.0", "::1"],
    );
    let read = body::read(EntryType::IpAddresses, &[], body).unwrap();
    let source_ip = Value::from_ip("10.0.0.7".parse().unwrap());
    assert_eq!(read.entries.contain(&source_ip), Ok(true));
    for value in ["", "ann", "10.0.0.1:80", "10.0.0.0/8"] {
        let reason = read.entries.contain(&Value::from(value)).unwrap_err();
        assert_eq!(reason, format!("`{value}` is not an IP address"));
    }
}

#[test]
fn networks_are_nested_at_any_depth() {
    for length in 0..=32 {
        check(EntryType::IpAddresses, &format!("10.20.30.40/{length}"), &["10.20.30.40"], &["::1"]);
    }
    for length in 0..=128 {
        check(EntryType::IpAddresses, &format!("2001:db8::7/{length}"), &["2001:db8::7"], &["10.0.0.1"]);
    }
}

proptest! {
    /// The trie finds what looking at each network finds.
    #[test]
    fn networks_are_found_as_if_each_was_looked_at(
        nets in prop::collection::vec((any::<[u8; 4]>(), 0..=32_u8), 1..20),
        address in any::<[u8; 4]>(),
        near in any::<prop::sample::Index>(),
        bit in 0..32_u32,
    ) {
        // An address of chance is in few networks, one beside an entry in some.
        let beside = u32::from(Ipv4Addr::from(near.get(&nets).0)) ^ (1 << bit);
        let nets: Vec<_> = nets.iter().map(|(net, len)| Ipv4Net::new((*net).into(), *len).unwrap()).collect();
        let lines: Vec<_> = nets.iter().map(Ipv4Net::to_string).collect();
        let read = body::read(EntryType::IpAddresses, &[], &lines.join("\n")).unwrap();
        for address in [Ipv4Addr::from(address), Ipv4Addr::from(beside)] {
            let expected = nets.iter().any(|net| net.contains(&address));
            for written in [address.to_string(), format!("::ffff:{address}")] {
                prop_assert_eq!(read.entries.contain(&Value::from(written.as_str())), Ok(expected));
            }
        }
    }

    /// Whatever a provider serves, it is a list or it is not.
    #[test]
    fn any_text_is_read_or_refused(
        body in r#"(?s)([-"{}:\[\]#, \n]|whitelist|10\.0\.0\.1|/8|.){0,60}"#,
        entry_type in prop::sample::select(&TYPES[..]),
    ) {
        let _ = body::read(entry_type, &[], &body);
    }
}

#[test]
fn documents_of_addresses() {
    for body in [
        r#"{ "whitelist": ["10.0.0.1", "9.9.9.9/28"] }"#,
        "whitelist:\n- 10.0.0.1\n- 9.9.9.9/28\n",
        "---\nwhitelist: [10.0.0.1, 9.9.9.9/28]\n",
        "# of today\nwhitelist:\n  - \"10.0.0.1\"\n  - 9.9.9.9/28\n",
        r#"["10.0.0.1", "9.9.9.9/28"]"#,
        "- 10.0.0.1\n- 9.9.9.9/28\n",
    ] {
        check(EntryType::IpAddresses, body, &["10.0.0.1", "9.9.9.1"], &["10.0.0.2", "9.9.9.16"]);
    }
    for body in ["", "# none today\n", "whitelist: []", "whitelist:\n", "{\"whitelist\": []}", "[]"] {
        check(EntryType::IpAddresses, body, &[], &["10.0.0.1"]);
    }
}

#[test]
fn patterns_are_those_of_re2_and_found_anywhere() {
    check(
        EntryType::Regex,
        "a+b\n^/admin(/|$)\n(?i)curl\n",
        &["xaab", "/admin", "/admin/x", "cURL/8"],
        &["ba", "/administrator", "x/admin/"],
    );
    // ASCII, as in RE2.
    check(EntryType::Regex, r"^\d+$", &["42"], &["٤٢"]);
    check(EntryType::Regex, "", &[], &["", "a"]);
}

#[test]
fn one_bad_entry_does_not_cost_the_others() {
    let read = body::read(EntryType::IpAddresses, &[], "10.0.0.1\nx\n10.0.0.2\n10.0.0.0/33\n").unwrap();
    assert_eq!((read.entries.len(), read.skipped), (2, 2));
    assert!(read.first_skipped.unwrap().starts_with("`x` is neither"));
    let read = body::read(EntryType::IpAddresses, &[], r#"["10.0.0.1", 7, null, {}]"#).unwrap();
    assert_eq!((read.entries.len(), read.skipped), (1, 3));
    let read = body::read(EntryType::Regex, &[], "a\n(\n").unwrap();
    assert_eq!((read.entries.len(), read.skipped), (1, 1));
    let long = "x".repeat(crate::limits::LIST_ENTRY_BYTES + 1);
    let read = body::read(EntryType::Strings, &[], &format!("ann\n{long}\na\u{0}b\n")).unwrap();
    assert_eq!((read.entries.len(), read.skipped), (1, 2));
}

#[test]
fn what_is_no_list_is_refused() {
    assert!(
        refusal(EntryType::IpAddresses, "<html>\n<body>Sorry</body>\n")
            .starts_with("it is no list: none of 2")
    );
    assert!(refusal(EntryType::IpAddresses, "- JUNK\n").starts_with("it is no list"));
    assert!(refusal(EntryType::IpAddresses, r#"{"error": "try again"}"#).ends_with("has no `whitelist`"));
    assert!(refusal(EntryType::IpAddresses, r#"{"whitelist": "10.0.0.1"}"#).starts_with("it is no list"));
    assert!(
        refusal(EntryType::IpAddresses, r#"{"whitelist": ["10.0.0.1""#).starts_with("it is not valid JSON")
    );
    assert!(refusal(EntryType::IpAddresses, "whitelist:\n- [").starts_with("it is not valid YAML"));
    assert!(refusal(EntryType::Regex, "(\n[\n").starts_with("it is no list: none of 2"));
    for entry_type in TYPES {
        assert!(refusal(entry_type, "\u{1}\u{2}\n\u{7f}\n").starts_with("it is no list"), "{entry_type:?}");
    }
}

#[test]
fn bodies_that_would_grow_are_refused() {
    let mut laughs = "a: &a [x, x, x]\n".to_owned();
    laughs += "whitelist: [*a, *a, *a]\n";
    assert!(refusal(EntryType::IpAddresses, &format!("---\n{laughs}")).starts_with("it is not valid YAML"));
    let many = "a\n".repeat(crate::limits::LIST_ENTRIES + 1);
    assert!(refusal(EntryType::Strings, &many).starts_with("more than 1000000 entries"));
    let patterns: Vec<_> = (0..=crate::limits::LIST_PATTERNS).map(|n| format!("p{n}")).collect();
    assert!(refusal(EntryType::Regex, &patterns.join("\n")).starts_with("more than 4096 entries"));
    let given = json!({ "entryType": "REGEX", "entries": patterns });
    let problems = ListParams::parse(&LIST, &given).unwrap_err();
    assert_eq!(problems[0].message, "4097 entries, at most 4096 are allowed");
}

#[test]
fn parameters() {
    let problems = |params: serde_json::Value| -> Vec<String> {
        let problems = ListParams::parse(&LIST, &params).err().unwrap_or_default();
        problems.into_iter().map(|problem| problem.path).collect()
    };
    let url = |url: &str| problems(json!({ "providerUrl": url }));
    for good in ["http://lists", "https://lists.example.com:912/ips?of=today", "http://[::1]:80/", ""] {
        assert!(url(good).is_empty(), "{good}");
    }
    for bad in ["lists", "/lists", "http://", "http:///x", "ftp://lists", "http://ann:secret@lists/"] {
        assert_eq!(url(bad), ["providerUrl"], "{bad}");
    }
    assert_eq!(problems(json!({ "publisherUrl": "x:" })), ["publisherUrl"]);
    assert_eq!(problems(json!({ "publisherUrl": "http://a", "provider_url": "http://a" })), ["publisherUrl"]);
    assert_eq!(problems(json!({ "publisherUrl": "http://a", "file": "a.txt" })), ["publisherUrl"]);
    assert_eq!(problems(json!({ "entryType": "NUMBERS" })), ["entryType"]);
    assert_eq!(problems(json!({ "entryType": 3, "overrides": ["(", "a"] })), ["overrides[0]"]);
    assert_eq!(problems(json!({ "entries": [], "overrides": [] })), ["overrides"]);
    assert_eq!(problems(json!({ "blacklist": "yes" })), ["blacklist"]);
    // What only the general adapter has, its presets do not.
    let generic =
        ListParams::parse(&GENERIC, &json!({ "entryType": "REGEX", "blacklist": true, "overrides": [] }));
    assert_eq!(generic.unwrap_err().len(), 3);
}

#[test]
fn an_ip_list_checker_that_names_no_list_has_that_of_its_machine() {
    let origin = |params| ListParams::parse(&IP, &params).unwrap().origin;
    let local = params::OriginParam::Url("http://localhost/".parse().unwrap());
    assert_eq!(origin(json!({})), local);
    assert_eq!(origin(json!({ "providerUrl": "" })), local);
    assert_eq!(origin(json!({ "entries": [] })), params::OriginParam::Inline);
}

#[test]
fn a_file_that_is_none_is_not_waited_for() {
    let folder = tempfile::tempdir().unwrap();
    let params = ListParams::parse(&LIST, &json!({ "file": "list" })).unwrap();
    let surroundings = Surroundings { root: folder.path().to_owned(), ..surroundings() };
    let impediment = || Source::new("list", params.clone(), &surroundings).unwrap().impediment();
    assert!(impediment().unwrap().contains("No such file"));
    std::fs::create_dir(folder.path().join("list")).unwrap();
    assert_eq!(impediment().unwrap(), "the list of list cannot be had: it is not a file");
    std::fs::remove_dir(folder.path().join("list")).unwrap();
    std::fs::write(folder.path().join("list"), "ann").unwrap();
    assert_eq!(impediment(), None);
}

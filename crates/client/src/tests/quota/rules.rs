//! Tests of the rules: which requests are charged what.

use super::*;

#[test]
fn rules_choose_by_attributes() {
    let config = CHARGED.replace(
        r#"[{"charge": {"RequestCount": 1}}]"#,
        r#"[{"match": [{"request.method": {"exact": "GET"}, "request.path": {"prefix": "/books"}},
                       {"request.headers[x-operation]": {"suffix": "_books"}}],
             "charge": {"quota1": 1, "quota2": 2}},
            {"match": [{"request.path": {"exact": "/books/1"}}], "charge": {"quota1": 4}}]"#,
    );
    let client = client(&config);
    let mut operation = FakeHost::get("/");
    operation.header("x-operation", b"get_books");
    for (host, expected) in [
        (FakeHost::get("/books"), vec![("quota1", 1), ("quota2", 2)]),
        (FakeHost::get("/books/1"), vec![("quota1", 5), ("quota2", 2)]),
        (operation, vec![("quota1", 1), ("quota2", 2)]),
        (FakeHost::get("/shelves"), vec![]),
    ] {
        let mut client = Client::new(client.config.clone(), at(0));
        let effects = client.on_request_headers(StreamId(1), &host, at(0));
        let (request, _) = check_request(the_check(&effects));
        let asked: Vec<_> =
            request.quotas.iter().map(|(name, params)| (name.as_str(), params.amount)).collect();
        assert_eq!(asked, expected);
    }
}

#[test]
fn a_route_says_what_its_requests_are_charged() {
    let charged = |charge: &[(&str, &[u8])]| {
        let mut client = client(CHARGED);
        let mut host = FakeHost::get("/");
        host.property("xds.route_metadata.filter_metadata.mixer", &pairs(&[("charge", &pairs(charge))]));
        let effects = client.on_request_headers(StreamId(1), &host, at(0));
        match effects.as_slice() {
            [Effect::Check { call, .. }] => {
                let quotas = check_request(call).0.quotas;
                quotas.into_iter().map(|(name, params)| (name, params.amount)).collect()
            }
            _ => vec![("refused".to_owned(), 0)],
        }
    };
    assert_eq!(charged(&[("route0-quota", &10_f64.to_le_bytes())]), [("route0-quota".to_owned(), 10)]);
    assert_eq!(charged(&[("route0-quota", b"7")]), [("route0-quota".to_owned(), 7)]);
    assert_eq!(charged(&[]), []);
    for wrong in [&0.5_f64.to_le_bytes()[..], b"0", b"x", b"-1", &(-1_f64).to_le_bytes()] {
        assert_eq!(charged(&[("q", wrong)]), [("refused".to_owned(), 0)], "{wrong:?}");
    }
}

#[test]
fn wrong_rules_are_refused() {
    for (rules, message) in [
        (r#"[{"charge": {}}]"#, "charges nothing, expected at least one quota"),
        (r#"[{"charge": {"a": 0}}]"#, "quota `a` is charged 0, expected from 1 to 1000000"),
        (r#"[{"charge": {"a": 1, "a": 2}}]"#, "quota `a` occurs twice"),
        (
            r#"[{"match": [{"request.path": {"regex": ".*"}}], "charge": {"a": 1}}]"#,
            "regex `.*`: the filter has no regular",
        ),
        (r#"[{"match": [{"request.path": {"exakt": ""}}], "charge": {"a": 1}}]"#, "unknown variant `exakt`"),
        (r#"[{"match": [{}]}]"#, "missing field `charge`"),
    ] {
        let config = CHARGED.replace(r#"[{"charge": {"RequestCount": 1}}]"#, rules);
        let error = Config::parse(config.as_bytes()).expect_err(rules).to_string();
        assert!(error.contains(message), "{error}");
        assert!(error.contains("quotas.rules"), "{error}");
    }
    let config = CHARGED.replace(r#""rules""#, r#""max_pools": 1, "rules""#);
    let error = Config::parse(config.as_bytes()).expect_err("too few").to_string();
    assert!(error.contains("`quotas.max_pools`: is 1, expected from 16 to 10000"), "{error}");
}

//! Tests of the attribute flags, those that the original's client took among them.

use std::path::{Path, PathBuf};

use attributes::{Duration, StringMap, Timestamp};
use clap::Parser;
use serde_json::Value as Json;

use super::*;

#[derive(Parser)]
struct Flags {
    #[command(flatten)]
    attributes: Attributes,
}

fn vocabulary() -> BTreeMap<String, ValueType> {
    [
        ("request.path", ValueType::String),
        ("request.size", ValueType::Int64),
        ("source.ip", ValueType::IpAddress),
        ("response.duration", ValueType::Duration),
        ("request.headers", ValueType::StringMap),
        ("connection.mtls", ValueType::Bool),
    ]
    .map(|(name, value_type)| (name.to_owned(), value_type))
    .into()
}

fn parse(flags: &[&str]) -> Result<Bag, String> {
    let flags = Flags::try_parse_from([&["mixer"], flags].concat()).map_err(|error| error.to_string())?;
    flags.attributes.bag(&vocabulary()).map_err(|error| error.to_string())
}

fn sensed(text: &str) -> Value {
    parse(&["-a", &format!("x={text}")]).unwrap().value("x").unwrap().clone()
}

#[test]
fn what_the_vocabulary_knows_has_its_type() {
    let list = "request.path=ab,request.size=5,source.ip=10.0.0.1,response.duration=5s,\
                request.headers=a:b;c:d,connection.mtls=t";
    let bag = parse(&["-a", list]).unwrap();
    let mut shown: Vec<_> =
        bag.iter().map(|(name, value)| format!("{name} {} {value}", value.kind())).collect();
    shown.sort_unstable();
    assert_eq!(
        shown,
        [
            "connection.mtls bool true",
            "request.headers string map {a: b, c: d}",
            "request.path string ab",
            "request.size int64 5",
            "response.duration duration 5s",
            "source.ip bytes 10.0.0.1",
        ]
    );
    assert_eq!(parse(&["-a", "request.size=x"]).unwrap_err(), "`request.size`: `x` is not a 64-bit integer");
}

#[test]
fn what_it_does_not_know_is_what_it_looks_like() {
    assert_eq!(sensed("1"), Value::Int64(1));
    assert_eq!(sensed("-1.5"), Value::Double(-1.5));
    assert_eq!(sensed("true"), Value::Bool(true));
    assert_eq!(sensed("5s"), Value::Duration(Duration::from_nanos(5_000_000_000)));
    assert_eq!(sensed("98:76"), Value::Bytes([0x98, 0x76].as_slice().into()));
    assert_eq!(sensed("k:v"), [("k", "v")].into_iter().collect::<StringMap>().into());
    for text in ["ab", "t", "f", "nan", "inf", "http://x/y", "a b", ""] {
        assert_eq!(sensed(text), Value::from(text), "{text}");
    }
}

#[test]
fn commas_separate_where_a_name_follows() {
    assert_eq!(split("a=1,b=2"), ["a=1", "b=2"]);
    assert_eq!(split("a=x, y,z"), ["a=x, y,z"]);
    assert_eq!(split("a=x\\,b=y"), ["a=x,b=y"]);
    assert_eq!(split("a=\\"), ["a=\\"]);
    assert_eq!(parse(&["-s", "a=1", "-i", "a=1"]).unwrap_err(), "`a` is given twice");
}

/// The flags' texts that the client of the original took and refused.
#[test]
fn the_flags_mean_what_they_meant() {
    let folder = std::env::var_os("MIXER_VECTORS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../shared/vectors"), PathBuf::from);
    let Ok(text) = std::fs::read_to_string(folder.join("bags.json")) else {
        eprintln!("skipped: no vectors for flags (set MIXER_VECTORS to their folder)");
        return;
    };
    let vectors: Json = serde_json::from_str(&text).unwrap();
    let cases = &vectors["mixc_attribute_flags"];
    let flag = |name: &str| format!("--{name}");
    let good = cases["ok"]["flags"].as_object().unwrap();
    let good: Vec<_> =
        good.iter().flat_map(|(name, text)| [flag(name), text.as_str().unwrap().to_owned()]).collect();
    let bag = parse(&good.iter().map(String::as_str).collect::<Vec<_>>()).unwrap();
    let expected = cases["ok"]["expect"].as_object().unwrap();
    assert_eq!(bag.len(), expected.len());
    for (name, value) in expected {
        assert_eq!(bag.value(name), Some(&expected_value(value)), "{name}");
    }
    for case in cases["errors"].as_array().unwrap() {
        let (name, text) = (case["flag"].as_str().unwrap(), case["value"].as_str().unwrap());
        assert!(parse(&[&flag(name), text]).is_err(), "--{name} {text}");
    }
}

fn expected_value(json: &Json) -> Value {
    match (json["t"].as_str().unwrap(), json["hex"].as_str()) {
        ("bytes", Some(hex)) => {
            let digits: Vec<_> =
                hex.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap()).collect();
            hex_value(&digits.join(":"))
        }
        ("timestamp", _) => Value::Timestamp(Timestamp::parse_rfc3339(json["v"].as_str().unwrap()).unwrap()),
        _ => expr::json::parse_value(json).unwrap(),
    }
}

fn hex_value(text: &str) -> Value {
    sense::bytes(text).unwrap()
}

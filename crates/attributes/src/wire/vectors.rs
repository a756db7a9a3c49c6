//! Messages as they were recorded of Mixer, where its vectors are at hand.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use proto::v1;
use proto::v1::CompressedValue;
use serde_json::Value as Json;

use super::*;
use crate::{Bag, Dictionary, StringMap, Value, ValueType};

fn vectors() -> Option<Json> {
    let folder = std::env::var_os("MIXER_VECTORS")
        .map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/vectors"), PathBuf::from);
    let Ok(text) = std::fs::read_to_string(folder.join("bags.json")) else {
        println!("skipped: no vectors for bags (set MIXER_VECTORS to their folder)");
        return None;
    };
    Some(serde_json::from_str(&text).expect("JSON"))
}

fn texts(json: &Json) -> Vec<String> {
    json.as_array().into_iter().flatten().map(|word| word.as_str().expect("a word").to_owned()).collect()
}

/// The entries of a map from indices.
fn entries(json: &Json) -> impl Iterator<Item = (i32, &Json)> {
    let object = json.as_object().into_iter().flatten();
    object.map(|(index, value)| (index.parse().expect("an index"), value))
}

fn index(json: &Json) -> i32 {
    json.as_i64().and_then(|index| i32::try_from(index).ok()).expect("an index")
}

fn parsed(value_type: ValueType, json: &Json) -> Value {
    Value::parse(value_type, json.as_str().expect("a text")).expect("a value")
}

fn bytes(json: &Json) -> Vec<u8> {
    let hex = json.as_str().unwrap_or_default();
    (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).expect("hex")).collect()
}

fn message(json: &Json, words: &[String]) -> v1::CompressedAttributes {
    let mut values = Vec::new();
    let mut add = |field: &str, value: &dyn Fn(&Json) -> CompressedValue| {
        values.extend(entries(&json[field]).map(|(name, json)| (name, value(json))));
    };
    add("strings", &|json| CompressedValue::String(index(json)));
    add("int64s", &|json| CompressedValue::Int64(json.as_i64().expect("an integer")));
    add("doubles", &|json| CompressedValue::Double(json.as_f64().expect("a number")));
    add("bools", &|json| CompressedValue::Bool(json.as_bool().expect("a truth")));
    add("timestamps", &|json| match parsed(ValueType::Timestamp, json) {
        Value::Timestamp(time) => CompressedValue::Timestamp(time.into()),
        other => panic!("{other}"),
    });
    add("durations", &|json| match parsed(ValueType::Duration, json) {
        Value::Duration(span) => CompressedValue::Duration(span.into()),
        other => panic!("{other}"),
    });
    add("bytes", &|json| CompressedValue::Bytes(bytes(json)));
    add("string_maps", &|json| {
        let entries = entries(json).map(|(key, value)| (key, index(value)));
        CompressedValue::StringMap(entries.collect())
    });
    let words = words.iter().map(|word| Arc::from(word.as_str())).collect();
    v1::CompressedAttributes { words, values, removed: Vec::new() }
}

fn expected(json: &Json) -> Value {
    let value = &json["v"];
    match json["t"].as_str().expect("a type") {
        "string" => value.as_str().expect("a text").into(),
        "int64" => value.as_i64().expect("an integer").into(),
        "double" => Value::Double(value.as_f64().expect("a number")),
        "bool" => value.as_bool().expect("a truth").into(),
        "timestamp" => parsed(ValueType::Timestamp, value),
        "duration" => parsed(ValueType::Duration, value),
        "bytes" => Value::Bytes(bytes(&json["hex"]).into()),
        "stringmap" => {
            let entries = value.as_object().expect("a map").iter();
            entries
                .map(|(key, value)| (key.as_str(), value.as_str().expect("a text")))
                .collect::<StringMap>()
                .into()
        }
        other => panic!("no type `{other}`"),
    }
}

fn assert_has(bag: &Bag, expectations: &Json, case: &Json) {
    for (name, value) in expectations.as_object().into_iter().flatten() {
        assert_eq!(bag.value(name), Some(&expected(value)), "{name} of {case}");
    }
}

fn expand(case: &Json, json: &Json) -> Result<Bag, InvalidAttributes> {
    let dictionary = Dictionary::new(texts(&case["global_words"])).expect("a dictionary");
    let message = message(json, &texts(&case["words"]));
    Expander::new(&dictionary, dictionary.len() as u32, message.words.clone()).bag(message)
}

#[test]
fn messages_stand_for_the_bags_that_they_stood_for() {
    let Some(vectors) = vectors() else { return };
    for case in vectors["proto_bag"].as_array().expect("cases") {
        let bag = expand(case, case);
        // What Mixer read as far as it could is refused as a whole.
        let is_broken = case["expect_eager_error"] == true || case["name"] == "TestBogusProto";
        assert_eq!(bag.is_err(), is_broken, "{case}: {bag:?}");
        let Ok(mut bag) = bag else { continue };
        for (name, value) in case["then_set"].as_object().into_iter().flatten() {
            bag.insert(name.as_str(), expected(value));
        }
        assert_has(&bag, &case["expect_get"], case);
        for absent in texts(&case["expect_absent"]) {
            assert_eq!(bag.value(&absent), None, "{absent} of {case}");
        }
    }
}

#[test]
fn a_name_in_two_maps_is_refused_as_it_was() {
    let Some(vectors) = vectors() else { return };
    let case = &vectors["duplicate_names_rejected"];
    let second = case["second_map"].as_array().expect("maps");
    assert!(!second.is_empty());
    for second in second {
        let mut json = second.clone();
        json["strings"] = serde_json::json!({"4": 5});
        assert!(expand(case, &json).is_err(), "{second}");
    }
}

#[test]
fn deltas_build_what_they_built() {
    let Some(vectors) = vectors() else { return };
    let case = &vectors["delta_update"];
    let dictionary = Dictionary::new(texts(&case["global_words"])).expect("a dictionary");
    let list = case["messages"].as_array().expect("messages");
    let same = |json| list.get(json).expect("a message");
    let messages = list.iter().map(|json| {
        let json = json["same_as"].as_u64().map_or(json, |other| same(other as usize));
        message(json, &[])
    });
    // As old clients send them: without saying how the messages relate.
    let report = v1::ReportRequest {
        attributes: messages.collect(),
        default_words: texts(&case["words"]),
        global_word_count: dictionary.len() as u32,
        ..v1::ReportRequest::default()
    };
    let bags: Result<Vec<_>, _> = ReportDecoder::new(report, &dictionary).expect("read").collect();
    let bags = bags.expect("whole");
    assert_eq!(bags.len(), list.len());
    let last = bags.last().expect("a bag");
    assert_eq!(Some(last.len()), case["expect"].as_object().map(serde_json::Map::len));
    assert_has(last, &case["expect"], case);
}

#[test]
fn a_client_may_use_less_of_the_dictionary() {
    let Some(vectors) = vectors() else { return };
    let case = &vectors["global_word_count"];
    let long = Dictionary::new(texts(&case["encoder_global_words"])).expect("a dictionary");
    let short = Dictionary::new(texts(&case["decoder_global_words"])).expect("a dictionary");
    let attributes = case["attrs"].as_object().expect("attributes");
    let bag: Bag = attributes.iter().map(|(name, value)| (name.as_str(), expected(value))).collect();
    let mut words = Compressor::new(&long, case["limit"].as_u64().expect("a limit") as usize);
    let message = words.add(&bag);
    let count = words.word_count();
    let expander = Expander::new(&short, count, words.into_words::<String>());
    assert_eq!(expander.bag(message), Ok(bag));
}

//! The attributes of a request as flags: `-a NAME=VALUE`, and `-a NAME[KEY]=VALUE` for one entry of a map.

use std::collections::BTreeMap;
use std::str::FromStr;

use attributes::{Bag, StringMap, Value, ValueType};
use thiserror::Error;

/// An attribute given as `NAME=VALUE`, or `NAME[KEY]=VALUE` for one entry of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Given {
    name: String,
    key: Option<String>,
    value: String,
}

/// What was given is no request under a manifest.
#[derive(Debug, PartialEq, Eq, Error)]
pub(super) enum InvalidRequest {
    /// No manifest declares the attribute.
    #[error("no manifest declares the attribute `{name}`{}", suggestion(near.as_deref()))]
    Unknown {
        /// The attribute.
        name: String,
        /// A declared one whose name is much like it.
        near: Option<String>,
    },
    /// Which of the values counts would be a guess.
    #[error("`{0}` is given twice")]
    Twice(String),
    /// Only maps have keys.
    #[error("`{name}` is of type {value_type}, which has no keys")]
    NotAMap {
        /// The attribute.
        name: String,
        /// Its type.
        value_type: ValueType,
    },
    /// The text is no value of the attribute's type.
    #[error("`{name}`: {reason}")]
    Value {
        /// The attribute.
        name: String,
        /// What is wrong.
        reason: String,
    },
}

fn suggestion(near: Option<&str>) -> String {
    near.map_or(String::new(), |near| format!("; did you mean `{near}`?"))
}

/// The request that has these attributes, their values read as the manifest types them.
pub(super) fn bag(manifest: &BTreeMap<String, ValueType>, request: &[Given]) -> Result<Bag, InvalidRequest> {
    let mut bag = Bag::new();
    for Given { name, key, value } in request {
        let unknown = || InvalidRequest::Unknown {
            name: name.clone(),
            near: expr::nearest(name, manifest.keys().map(String::as_str)).map(str::to_owned),
        };
        let value_type = *manifest.get(name).ok_or_else(unknown)?;
        let before = bag.value(name);
        let value = match key {
            None if before.is_some() => return Err(InvalidRequest::Twice(name.clone())),
            None => Value::parse(value_type, value)
                .map_err(|error| InvalidRequest::Value { name: name.clone(), reason: error.to_string() })?,
            Some(_) if value_type != ValueType::StringMap => {
                return Err(InvalidRequest::NotAMap { name: name.clone(), value_type });
            }
            Some(key) => {
                let twice = || InvalidRequest::Twice(format!("{name}[{key}]"));
                with_entry(before, key, value).ok_or_else(twice)?
            }
        };
        bag.insert(name.as_str(), value);
    }
    Ok(bag)
}

/// A map with one entry more; `None` if it has the key already.
fn with_entry(map: Option<&Value>, key: &str, value: &str) -> Option<Value> {
    let before: Vec<_> = match map {
        Some(Value::StringMap(map)) if map.get(key).is_some() => return None,
        Some(Value::StringMap(map)) => map.iter().collect(),
        _ => Vec::new(),
    };
    let before = before.into_iter().map(|(key, value)| (key.clone(), value.clone()));
    Some(Value::from(before.chain([(key.into(), value.into())]).collect::<StringMap>()))
}

// === impl Given ===

impl FromStr for Given {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let form = "write NAME=VALUE, or NAME[KEY]=VALUE";
        // A key may have `=` in it.
        let (name, key, value) = match text.split_once("]=") {
            Some((left, value)) if left.split_once('=').is_none_or(|(name, _)| name.contains('[')) => {
                let (name, key) = left.split_once('[').ok_or(form)?;
                (name, Some(key.trim_matches('"').to_owned()), value)
            }
            Some(_) | None => {
                let (name, value) = text.split_once('=').ok_or(form)?;
                (name, None, value)
            }
        };
        if name.is_empty() {
            return Err(form);
        }
        Ok(Self { name: name.to_owned(), key, value: value.to_owned() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn given(name: &str, key: Option<&str>, value: &str) -> Given {
        Given { name: name.to_owned(), key: key.map(str::to_owned), value: value.to_owned() }
    }

    #[test]
    fn attributes_and_entries_are_told_apart() {
        assert_eq!("a.b=c=d".parse(), Ok(given("a.b", None, "c=d")));
        assert_eq!("a=".parse(), Ok(given("a", None, "")));
        assert_eq!("a=[x]=y".parse(), Ok(given("a", None, "[x]=y")));
        assert_eq!("a[k]=v".parse(), Ok(given("a", Some("k"), "v")));
        assert_eq!("a[\"k\"]=v".parse(), Ok(given("a", Some("k"), "v")));
        assert_eq!("a[k=l]=v".parse(), Ok(given("a", Some("k=l"), "v")));
        for wrong in ["a", "=b", "[k]=v"] {
            assert!(wrong.parse::<Given>().is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_request_is_what_was_given_or_an_error() {
        let manifest = BTreeMap::from([
            ("request.path".to_owned(), ValueType::String),
            ("request.size".to_owned(), ValueType::Int64),
            ("request.headers".to_owned(), ValueType::StringMap),
        ]);
        let request = |texts: &[&str]| {
            let given: Vec<Given> = texts.iter().map(|text| text.parse().unwrap()).collect();
            bag(&manifest, &given)
        };
        let good = request(&["request.headers=a:1", "request.headers[b]=2", "request.size=3"]).unwrap();
        assert_eq!(good.value("request.headers").unwrap().to_string(), "{a: 1, b: 2}");
        assert_eq!(good.value("request.size"), Some(&Value::Int64(3)));
        for (texts, reason) in [
            (
                &["request.pth=x"][..],
                "no manifest declares the attribute `request.pth`; did you mean `request.path`?",
            ),
            (&["x=1"], "no manifest declares the attribute `x`"),
            (&["request.path=x", "request.path=x"], "`request.path` is given twice"),
            (&["request.headers[a]=1", "request.headers[a]=2"], "`request.headers[a]` is given twice"),
            (&["request.headers[a]=1", "request.headers=b:2"], "`request.headers` is given twice"),
            (&["request.path[a]=x"], "`request.path` is of type STRING, which has no keys"),
            (&["request.size=x"], "`request.size`: `x` is not a 64-bit integer"),
        ] {
            assert_eq!(request(texts).unwrap_err().to_string(), reason);
        }
    }
}

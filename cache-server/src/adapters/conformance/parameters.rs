//! Parameters: what is wrong with them is said, and what is not said to be wrong comes alive and does nothing yet.

use policy::ParamProblem;
use serde_json::{Map, Value as Json, json};

use super::world::BLOCK;
use super::{World, for_each};

/// Values of every type, and ones that are easily got wrong.
fn junk() -> Vec<Json> {
    vec![
        Json::Null,
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(u64::MAX),
        json!(1e300),
        json!(""),
        json!("\u{0} ü"),
        json!("../x"),
        json!("-1s"),
        json!("99999999999h"),
        json!([]),
        json!([null, {}, [[]], "x", -1]),
        json!({}),
        json!({ "nonsense": { "": [] } }),
    ]
}

/// All parameters that the adapter knows, which it says when it is given one that it does not.
fn fields(world: &World) -> Vec<String> {
    let problems = (world.subject.adapter.info.validate)(&json!({ "nonsense": 1 })).unwrap_err();
    assert_eq!(problems.len(), 1, "{problems:?}");
    assert_eq!(problems[0].path, "nonsense");
    let help = problems[0].help.as_deref().unwrap_or_default();
    // Each in backticks.
    let fields: Vec<_> = help.split('`').skip(1).step_by(2).map(str::to_owned).collect();
    assert!(!fields.is_empty() || help.contains("takes no parameters"), "{help}");
    fields
}

/// Parameters with something wrong, or odd, somewhere: for each parameter that there is each odd value, and each in the
/// place of each value that the usual parameters have, however deep.
fn odd(world: &World) -> Vec<Json> {
    let usual = world.params();
    let mut all = junk();
    for field in fields(world) {
        for value in junk() {
            let mut params = usual.as_object().cloned().unwrap_or_default();
            params.insert(field.clone(), value);
            all.push(Json::Object(params));
        }
    }
    for value in junk() {
        all.extend(replaced(&usual, &value));
    }
    all
}

/// A value with another in the place of one of its parts, for each of them, and with one more.
fn replaced(whole: &Json, part: &Json) -> Vec<Json> {
    let mut all = vec![part.clone()];
    match whole {
        Json::Object(fields) => {
            let with = |name: &str, value: Json| {
                let mut fields: Map<_, _> = fields.clone();
                fields.insert(name.to_owned(), value);
                Json::Object(fields)
            };
            for (name, value) in fields {
                all.extend(replaced(value, part).into_iter().map(|value| with(name, value)));
            }
            all.push(with("more", part.clone()));
        }
        Json::Array(items) => {
            for (index, item) in items.iter().enumerate() {
                all.extend(replaced(item, part).into_iter().map(|item| {
                    let mut items = items.clone();
                    items[index] = item;
                    Json::Array(items)
                }));
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
    all
}

/// What is wrong is said of a parameter that is there or that there is, and with a message.
#[test]
fn what_is_wrong_is_said_and_where() {
    for_each(async |world| {
        let fields = fields(world);
        for params in odd(world) {
            let problems = (world.subject.adapter.info.validate)(&params).err().unwrap_or_default();
            for ParamProblem { path, message, .. } in problems {
                let field = path.split(['.', '[']).next().unwrap();
                let is_known = match params.as_object() {
                    Some(given) => given.contains_key(field) || fields.iter().any(|known| known == field),
                    None => path.is_empty(),
                };
                assert!(is_known && !message.is_empty(), "{params}: `{path}`: {message}");
            }
        }
    });
}

#[test]
fn each_parameter_has_a_type() {
    for_each(async |world| {
        let validate = world.subject.adapter.info.validate;
        let usual = world.params();
        assert_eq!(validate(&usual), Ok(()));
        assert_eq!(validate(&world.other_params()), Ok(()));
        for field in fields(world) {
            let with = |value: Json| {
                let mut params = usual.as_object().cloned().unwrap_or_default();
                params.insert(field.clone(), value);
                validate(&Json::Object(params)).err().unwrap_or_default()
            };
            let is_refused = |value: Json| with(value).iter().any(|problem| problem.path.starts_with(&field));
            assert!(junk().into_iter().any(is_refused), "`{field}` may be anything");
        }
    });
}

/// Null stands for nothing: for all parameters, and for each of them.
#[test]
fn null_is_absent() {
    for_each(async |world| {
        let validate = world.subject.adapter.info.validate;
        assert_eq!(validate(&Json::Null), validate(&json!({})));
        for field in fields(world) {
            let mut absent = world.params().as_object().cloned().unwrap_or_default();
            absent.remove(&field);
            let mut null = absent.clone();
            null.insert(field.clone(), Json::Null);
            assert_eq!(validate(&Json::Object(null)), validate(&Json::Object(absent)), "{field}");
        }
    });
}

/// Validating and building agree, and neither does anything that can be noticed: nothing runs, nothing is written, and
/// the backend hears nothing until the configuration is in force.
#[test]
fn what_validates_is_built_and_does_nothing_yet() {
    for_each(async |world| {
        let before = world.traces();
        let mut built = Vec::new();
        for params in [world.params(), world.other_params()].into_iter().chain(odd(world)) {
            let is_valid = (world.subject.adapter.info.validate)(&params).is_ok();
            match world.try_build(BLOCK, params.clone()) {
                Ok(handler) => {
                    assert!(is_valid, "{params} is built, and not valid");
                    built.push(handler);
                }
                Err(error) => {
                    assert!(!is_valid, "{params} is valid, and not built: {error}");
                    assert_eq!((error.name.as_str(), error.implementation.as_str()), (BLOCK, world.name()));
                }
            }
        }
        assert!(built.len() >= 2);
        tokio::task::yield_now().await;
        assert_eq!(world.traces(), before);
        drop(built);
        tokio::task::yield_now().await;
        assert_eq!(world.traces(), before, "a handler that never was in force does nothing when it goes");
    });
}

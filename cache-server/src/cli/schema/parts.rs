//! What schemas are made of. Null is as good as absent everywhere, as it is to validation.

use attributes::ValueType;
use serde_json::{Map, Value as Json, json};

/// A field: its name in `snake_case`, whether it has to be there, and its schema.
pub(super) type Field = (&'static str, bool, Json);

pub(super) fn required(name: &'static str, schema: Json) -> Field {
    (name, true, schema)
}

pub(super) fn optional(name: &'static str, schema: Json) -> Field {
    (name, false, schema)
}

/// A map with these fields, each written in `snake_case` or in `camelCase`, and no others.
pub(super) fn fields(description: &str, fields: Vec<Field>) -> Json {
    let mut properties = Map::new();
    let mut conditions = Vec::new();
    for (name, is_required, schema) in fields {
        let other = camel(name);
        if other != name {
            conditions.push(json!({ "not": { "type": "object", "required": [name, other] } }));
            properties.insert(other.clone(), schema.clone());
        }
        if is_required {
            conditions.push(json!({ "anyOf": [{ "required": [name] }, { "required": [other] }] }));
        }
        properties.insert(name.to_owned(), schema);
    }
    let mut map = json!({
        "description": description,
        "type": ["object", "null"],
        "properties": properties,
        "additionalProperties": false,
    });
    if !conditions.is_empty() {
        map["allOf"] = conditions.into();
    }
    map
}

pub(super) fn list(description: &str, items: &Json) -> Json {
    json!({ "description": description, "type": ["array", "null"], "items": items })
}

pub(super) fn map(description: &str, values: &Json) -> Json {
    json!({ "description": description, "type": ["object", "null"], "additionalProperties": values })
}

/// Text; what looks like a number has to be quoted.
pub(super) fn text(description: &str) -> Json {
    json!({ "description": description, "type": ["string", "null"] })
}

/// Text that has to be there.
pub(super) fn name(description: &str) -> Json {
    json!({ "description": description, "type": "string", "minLength": 1 })
}

/// Text, for which a number or a truth value is taken as it is written.
pub(super) fn loose_text(description: &str) -> Json {
    json!({ "description": description, "type": ["string", "number", "boolean", "null"] })
}

pub(super) fn boolean(description: &str) -> Json {
    json!({ "description": description, "type": ["boolean", "null"] })
}

/// A whole number from a least one, perhaps in quotes.
pub(super) fn integer(description: &str, least: i64) -> Json {
    json!({
        "description": description,
        "anyOf": [{ "type": "integer", "minimum": least }, { "type": "string", "pattern": "^[+-]?[0-9]+$" }, { "type": "null" }],
    })
}

/// A number, perhaps in quotes.
pub(super) fn number(description: &str) -> Json {
    json!({ "description": description, "type": ["number", "string", "null"] })
}

/// A span of time as Go writes it.
pub(super) fn span(description: &str) -> Json {
    json!({
        "description": format!("{description} A span of time such as 250ms, 30s or 1m30s."),
        "anyOf": [
            { "type": "string", "pattern": "^[+-]?([0-9]+(\\.[0-9]*)?|\\.[0-9]+)(ns|us|µs|μs|ms|s|m|h)([0-9.]+(ns|us|µs|μs|ms|s|m|h))*$|^[+-]?0$" },
            { "const": 0 },
            { "type": "null" },
        ],
    })
}

/// One of several words, or its number from 1.
pub(super) fn words(description: &str, words: &[&str]) -> Json {
    let all: Vec<Json> =
        words.iter().map(|word| json!(word)).chain((1..=words.len()).map(Json::from)).collect();
    json!({ "description": description, "enum": all })
}

pub(super) fn value_type(description: &str) -> Json {
    words(description, &ValueType::ALL.map(ValueType::as_str))
}

/// A field that older files carry and that is passed over with a warning.
pub(super) fn ignored(why: &str) -> Json {
    json!({ "description": format!("Ignored: {why}."), "deprecated": true })
}

fn camel(name: &str) -> String {
    let mut parts = name.split('_');
    let first = parts.next().unwrap_or_default().to_owned();
    parts.fold(first, |mut camel, part| {
        let mut letters = part.chars();
        camel.extend(letters.next().map(|letter| letter.to_ascii_uppercase()));
        camel + letters.as_str()
    })
}

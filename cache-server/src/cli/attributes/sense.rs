//! What a value's text looks like.

use attributes::{Value, ValueType};

/// A value of a type, or, where no type is known, of the one that it looks like: a number, `true` or `false`, a time, a
/// span of time with its unit, bytes with colons, a map, else text.
pub(super) fn value(known: Option<ValueType>, text: &str) -> Result<Value, &'static str> {
    match known {
        Some(ValueType::Bool) => bool(text).ok_or("`true` or `false`"),
        Some(ValueType::IpAddress) => bytes(text).ok_or("an IP address"),
        Some(value_type) => Value::parse(value_type, text).map_err(|error| error.expected),
        None => Ok(by_form(text)),
    }
}

fn by_form(text: &str) -> Value {
    let parse = |value_type| Value::parse(value_type, text).ok();
    let number = || {
        // `inf` and `nan` are words as well.
        parse(ValueType::Double)
            .filter(|_| text.starts_with(|c: char| c.is_ascii_digit() || "+-.".contains(c)))
    };
    parse(ValueType::Int64)
        .or_else(number)
        .or_else(|| parse(ValueType::Bool))
        .or_else(|| parse(ValueType::Timestamp))
        .or_else(|| parse(ValueType::Duration))
        .or_else(|| if is_hex_with_colons(text) { hex(text) } else { None })
        .or_else(|| if is_url(text) { None } else { map(text) })
        .unwrap_or_else(|| text.into())
}

/// As the client of the original read them.
pub(super) fn bool(text: &str) -> Option<Value> {
    match text {
        "true" | "TRUE" | "True" | "t" | "T" | "1" => Some(Value::Bool(true)),
        "false" | "FALSE" | "False" | "f" | "F" | "0" => Some(Value::Bool(false)),
        _ => None,
    }
}

/// An address, or bytes in hexadecimal with colons between them.
pub(super) fn bytes(text: &str) -> Option<Value> {
    Value::parse(ValueType::IpAddress, text).ok().or_else(|| hex(text))
}

/// A map that has at least one entry.
pub(super) fn map(text: &str) -> Option<Value> {
    Value::parse(ValueType::StringMap, text).ok().filter(|_| !text.is_empty())
}

fn hex(text: &str) -> Option<Value> {
    let is_byte = |digits: &str| (1..=2).contains(&digits.len()) && !digits.starts_with('+');
    let byte = |digits: &str| u8::from_str_radix(digits, 16).ok().filter(|_| is_byte(digits));
    text.split(':').map(byte).collect::<Option<Vec<_>>>().map(|bytes| Value::Bytes(bytes.into()))
}

/// Two digits each, and two of them at least: `ab` alone is a word.
fn is_hex_with_colons(text: &str) -> bool {
    text.contains(':') && text.split(':').all(|digits| digits.len() == 2)
}

fn is_url(text: &str) -> bool {
    text.split_once("://").is_some_and(|(scheme, _)| scheme.chars().all(|c| c.is_ascii_alphanumeric()))
}

//! Equality and order of values, by their type.

use std::cmp::Ordering;

use attributes::{ValueRef, ValueType};

use crate::EvalError;
use crate::node::Relation;
use crate::notation;

/// Whether two values of a type relate to each other in a way.
///
/// Texts are ordered by their bytes. A number that is not one is neither equal to, nor before, nor after anything.
pub(crate) fn holds(
    relation: Relation,
    value_type: ValueType,
    left: ValueRef<'_>,
    right: ValueRef<'_>,
) -> Result<bool, EvalError> {
    let order = match relation {
        Relation::Equal => return equal(value_type, left, right),
        Relation::NotEqual => return equal(value_type, left, right).map(|equal| !equal),
        Relation::Less | Relation::LessOrEqual | Relation::Greater | Relation::GreaterOrEqual => {
            order(left, right)
        }
    };
    Ok(order.is_some_and(|order| match relation {
        Relation::Less => order.is_lt(),
        Relation::LessOrEqual => order.is_le(),
        Relation::Greater => order.is_gt(),
        Relation::GreaterOrEqual => order.is_ge(),
        Relation::Equal => order.is_eq(),
        Relation::NotEqual => order.is_ne(),
    }))
}

fn order(left: ValueRef<'_>, right: ValueRef<'_>) -> Option<Ordering> {
    match (left, right) {
        (ValueRef::String(a), ValueRef::String(b)) => Some(a.cmp(b)),
        (ValueRef::Int64(a), ValueRef::Int64(b)) => Some(a.cmp(&b)),
        (ValueRef::Double(a), ValueRef::Double(b)) => a.partial_cmp(&b),
        (ValueRef::Timestamp(a), ValueRef::Timestamp(b)) => Some(a.cmp(&b)),
        (_, _) => None,
    }
}

fn equal(value_type: ValueType, left: ValueRef<'_>, right: ValueRef<'_>) -> Result<bool, EvalError> {
    match (value_type, left, right) {
        (ValueType::DnsName, ValueRef::String(a), ValueRef::String(b)) => notation::dns::equal(a, b),
        (ValueType::EmailAddress, ValueRef::String(a), ValueRef::String(b)) => notation::email::equal(a, b),
        (ValueType::Uri, ValueRef::String(a), ValueRef::String(b)) => notation::uri::equal(a, b),
        (ValueType::IpAddress, ValueRef::Bytes(a), ValueRef::Bytes(b)) => Ok(v4(a) == v4(b)),
        // Zero has two signs but is one number, which a comparison of bits would not know.
        (_, ValueRef::Double(a), ValueRef::Double(b)) => Ok(a.partial_cmp(&b) == Some(Ordering::Equal)),
        (_, a, b) => Ok(a == b),
    }
}

/// The 4 bytes of an IPv4 address that is written into the 16 of an IPv6 address; else the bytes as they are.
fn v4(bytes: &[u8]) -> &[u8] {
    const MAPPED: [u8; 12] = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
    match bytes.strip_prefix(&MAPPED) {
        Some(v4) if v4.len() == 4 => v4,
        _ => bytes,
    }
}

//! The type checker: a tree as written to a tree in which every part has a type.
//!
//! Invariant: a [`Typed`] call has as many arguments as its function takes, each of the type that it takes. Later
//! stages rely on it.

use std::fmt::Display;
use std::ops::Range;

use attributes::{Name, Value, ValueType};

use crate::ast::{Call, Expr, ExprKind, Prefix};
use crate::error::quoted;
use crate::functions::{Function, SIGNATURES, Signature, Type, signature};
use crate::suggest::nearest;
use crate::{CompileError, Manifest};

/// An expression with its type.
#[derive(Debug)]
pub(crate) struct Typed {
    pub(crate) value_type: ValueType,
    pub(crate) kind: TypedKind,
    pub(crate) span: Range<usize>,
}

/// What a typed expression is.
#[derive(Debug)]
pub(crate) enum TypedKind {
    /// A literal.
    Constant(Value),
    /// An attribute.
    Attribute(Name),
    /// A function with its arguments, the receiver of a method first.
    Call(Function, Vec<Typed>),
}

/// Finds the type of an expression and of all of its parts.
pub(crate) fn check(expr: &Expr, manifest: &dyn Manifest) -> Result<Typed, CompileError> {
    let (value_type, kind) = match &expr.kind {
        ExprKind::Constant(literal) => {
            (type_of_constant(&literal.value), TypedKind::Constant(literal.value.clone()))
        }
        ExprKind::Variable(name) => {
            let value_type = manifest.type_of(name).ok_or_else(|| unknown_attribute(expr, name, manifest))?;
            (value_type, TypedKind::Attribute(name.as_str().into()))
        }
        ExprKind::Call(call) => check_call(expr, call, manifest)?,
    };
    Ok(Typed { value_type, kind, span: expr.span.clone() })
}

fn type_of_constant(value: &Value) -> ValueType {
    match value {
        Value::String(_) => ValueType::String,
        Value::Int64(_) => ValueType::Int64,
        Value::Double(_) => ValueType::Double,
        Value::Bool(_) => ValueType::Bool,
        Value::Timestamp(_) => ValueType::Timestamp,
        Value::Duration(_) => ValueType::Duration,
        Value::Bytes(_) => ValueType::IpAddress,
        Value::StringMap(_) => ValueType::StringMap,
    }
}

fn check_call(
    expr: &Expr,
    call: &Call,
    manifest: &dyn Manifest,
) -> Result<(ValueType, TypedKind), CompileError> {
    let signature = signature(&call.function).ok_or_else(|| unknown_function(call))?;
    check_form(expr, call, signature)?;

    let mut generic = None;
    let mut operands = Vec::with_capacity(1 + call.arguments.len());
    if let (Some(target), Some(expected)) = (&call.target, signature.target) {
        let typed = check(target, manifest)?;
        let expected = bind(expected, typed.value_type, &mut generic);
        if typed.value_type != expected {
            return Err(type_error(expr, "target", target, &typed, expected));
        }
        operands.push(typed);
    }
    for (index, (argument, expected)) in call.arguments.iter().zip(signature.arguments).enumerate() {
        let typed = check(argument, manifest)?;
        let expected = bind(*expected, typed.value_type, &mut generic);
        if typed.value_type != expected {
            return Err(type_error(expr, format_args!("arg {}", index + 1), argument, &typed, expected));
        }
        operands.push(typed);
    }

    if let Some(bound) = generic
        && !signature.generic.contains(&bound)
    {
        let expected: Vec<_> = signature.generic.iter().map(|t| t.as_str()).collect();
        return Err(CompileError {
            message: format!(
                "{} typeError got {bound}, expected one of {}",
                quoted(&Prefix(expr).to_string()),
                expected.join(", ")
            ),
            span: expr.span.clone(),
            suggestion: None,
        });
    }
    let result = match signature.result {
        Type::Is(value_type) => value_type,
        // Every generic result has a generic argument.
        Type::Generic => generic.unwrap_or(ValueType::String),
    };
    Ok((result, TypedKind::Call(signature.function, operands)))
}

/// The type that a parameter asks for. The first generic one binds all of them.
fn bind(expected: Type, got: ValueType, generic: &mut Option<ValueType>) -> ValueType {
    match expected {
        Type::Is(value_type) => value_type,
        Type::Generic => *generic.get_or_insert(got),
    }
}

/// Checks that a method is called on something, a function is not, and the number of arguments.
fn check_form(expr: &Expr, call: &Call, signature: &Signature) -> Result<(), CompileError> {
    let (got, expected) = (call.arguments.len(), signature.arguments.len());
    let (message, suggestion) = match (&call.target, signature.target) {
        (None, Some(_)) => (
            format!("invoking instance method without an instance: {}", call.function),
            Some(format!("write it as `x.{}(…)`", call.function)),
        ),
        (Some(_), None) => (
            format!("invoking regular function on instance method: {}", call.function),
            Some(format!("write it as `{}(…)`", call.function)),
        ),
        (None, None) | (Some(_), Some(_)) if got != expected => {
            let call = quoted(&Prefix(expr).to_string());
            (format!("{call} arity mismatch. Got {got} arg(s), expected {expected} arg(s)"), None)
        }
        (None, None) | (Some(_), Some(_)) => return Ok(()),
    };
    Err(CompileError { message, span: expr.span.clone(), suggestion })
}

fn type_error(
    expr: &Expr,
    role: impl Display,
    operand: &Expr,
    typed: &Typed,
    expected: ValueType,
) -> CompileError {
    let (whole, part) = (Prefix(expr).to_string(), Prefix(operand).to_string());
    CompileError {
        message: format!(
            "{} {role} ({}) typeError got {}, expected {expected}",
            quoted(&whole),
            quoted(&part),
            typed.value_type
        ),
        span: operand.span.clone(),
        suggestion: conversion(operand, typed, expected),
    }
}

/// How an operand could be made to have the type that is expected.
fn conversion(operand: &Expr, typed: &Typed, expected: ValueType) -> Option<String> {
    let function = match (typed.value_type, expected) {
        (ValueType::Duration, ValueType::String) => {
            let literal = matches!(typed.kind, TypedKind::Constant(_));
            return literal.then(|| {
                "a text that reads as a span of time is a DURATION; to have a STRING, join it of two parts, \
                 such as `\"5\" + \"s\"`"
                    .to_owned()
            });
        }
        (ValueType::Int64, ValueType::Double) => {
            let literal = matches!(typed.kind, TypedKind::Constant(_));
            return literal.then(|| format!("write `{operand}.0`"));
        }
        (ValueType::String, ValueType::IpAddress) => "ip",
        (ValueType::String, ValueType::Timestamp) => "timestamp",
        (ValueType::String, ValueType::DnsName) => "dnsName",
        (ValueType::String, ValueType::EmailAddress) => "email",
        (ValueType::String, ValueType::Uri) => "uri",
        _ => return None,
    };
    Some(format!("write `{function}({})`", quoted(&operand.to_string())))
}

fn unknown_attribute(expr: &Expr, name: &str, manifest: &dyn Manifest) -> CompileError {
    CompileError {
        message: format!("unknown attribute {}", quoted(name)),
        span: expr.span.clone(),
        suggestion: nearest(name, manifest.names()).map(|near| format!("did you mean `{near}`?")),
    }
}

fn unknown_function(call: &Call) -> CompileError {
    let suggestion = match call.function.as_str() {
        "NOT" => Some("there is no `!`; compare with `== false`, or use `!=`".to_owned()),
        "SUB" => Some(
            "there is no `-`, neither between numbers nor before one, and names cannot have one".to_owned(),
        ),
        name => nearest(name, SIGNATURES.iter().map(|signature| signature.name))
            .map(|near| format!("did you mean `{near}`?")),
    };
    CompileError {
        message: format!("unknown function: {}", quoted(&call.function)),
        span: call.function_span.clone(),
        suggestion,
    }
}

#[cfg(test)]
mod tests;

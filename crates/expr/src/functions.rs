//! The functions of the language, the operators among them, and what they take and give.

use attributes::ValueType;

/// A function, a method or an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Function {
    Eq,
    Neq,
    Lt,
    Leq,
    Gt,
    Geq,
    Lor,
    Land,
    Or,
    Index,
    Add,
    Conditional,
    ConditionalString,
    Size,
    Ip,
    Timestamp,
    DnsName,
    Email,
    Uri,
    Match,
    Matches,
    StartsWith,
    EndsWith,
    ToLower,
    EmptyStringMap,
}

/// The type of a parameter or a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Type {
    /// This one.
    Is(ValueType),
    /// Any of the signature's `generic` types, the same wherever it stands in one signature.
    Generic,
}

/// What a function takes and gives.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Signature {
    pub(crate) name: &'static str,
    pub(crate) function: Function,
    /// The type of the receiver; only methods have one.
    pub(crate) target: Option<Type>,
    pub(crate) arguments: &'static [Type],
    pub(crate) result: Type,
    /// What [`Type::Generic`] may be.
    pub(crate) generic: &'static [ValueType],
}

const BOOL: Type = Type::Is(ValueType::Bool);
const STRING: Type = Type::Is(ValueType::String);
const STRING_MAP: Type = Type::Is(ValueType::StringMap);

/// Types with an equality. Spans and maps have none in the language that came before either.
const EQUATABLE: &[ValueType] = &[
    ValueType::String,
    ValueType::Int64,
    ValueType::Double,
    ValueType::Bool,
    ValueType::Timestamp,
    ValueType::IpAddress,
    ValueType::EmailAddress,
    ValueType::Uri,
    ValueType::DnsName,
];

/// Types with an order.
const ORDERED: &[ValueType] = &[ValueType::Int64, ValueType::Double, ValueType::String, ValueType::Timestamp];

const ADDABLE: &[ValueType] = &[ValueType::Int64, ValueType::Double, ValueType::String];

const fn generic(
    name: &'static str,
    function: Function,
    arguments: &'static [Type],
    result: Type,
    generic: &'static [ValueType],
) -> Signature {
    Signature { name, function, target: None, arguments, result, generic }
}

const fn function(
    name: &'static str,
    function: Function,
    arguments: &'static [Type],
    result: Type,
) -> Signature {
    Signature { name, function, target: None, arguments, result, generic: &[] }
}

const fn conversion(name: &'static str, to: Function, result: ValueType) -> Signature {
    function(name, to, &[STRING], Type::Is(result))
}

/// A test of a text: text the receiver, text the argument.
const fn method(name: &'static str, function: Function) -> Signature {
    Signature { name, function, target: Some(STRING), arguments: &[STRING], result: BOOL, generic: &[] }
}

const PAIR: &[Type] = &[Type::Generic, Type::Generic];

/// All functions there are.
pub(crate) const SIGNATURES: [Signature; 25] = [
    generic("EQ", Function::Eq, PAIR, BOOL, EQUATABLE),
    generic("NEQ", Function::Neq, PAIR, BOOL, EQUATABLE),
    generic("LT", Function::Lt, PAIR, BOOL, ORDERED),
    generic("LEQ", Function::Leq, PAIR, BOOL, ORDERED),
    generic("GT", Function::Gt, PAIR, BOOL, ORDERED),
    generic("GEQ", Function::Geq, PAIR, BOOL, ORDERED),
    function("LOR", Function::Lor, &[BOOL, BOOL], BOOL),
    function("LAND", Function::Land, &[BOOL, BOOL], BOOL),
    generic("OR", Function::Or, PAIR, Type::Generic, &ValueType::ALL),
    function("INDEX", Function::Index, &[STRING_MAP, STRING], STRING),
    generic("ADD", Function::Add, PAIR, Type::Generic, ADDABLE),
    generic(
        "conditional",
        Function::Conditional,
        &[BOOL, Type::Generic, Type::Generic],
        Type::Generic,
        &ValueType::ALL,
    ),
    function("conditionalString", Function::ConditionalString, &[BOOL, STRING, STRING], STRING),
    function("size", Function::Size, &[STRING], Type::Is(ValueType::Int64)),
    conversion("ip", Function::Ip, ValueType::IpAddress),
    conversion("timestamp", Function::Timestamp, ValueType::Timestamp),
    conversion("dnsName", Function::DnsName, ValueType::DnsName),
    conversion("email", Function::Email, ValueType::EmailAddress),
    conversion("uri", Function::Uri, ValueType::Uri),
    function("match", Function::Match, &[STRING, STRING], BOOL),
    method("matches", Function::Matches),
    method("startsWith", Function::StartsWith),
    method("endsWith", Function::EndsWith),
    function("toLower", Function::ToLower, &[STRING], STRING),
    function("emptyStringMap", Function::EmptyStringMap, &[], STRING_MAP),
];

/// The signature of the function with a name.
pub(crate) fn signature(name: &str) -> Option<&'static Signature> {
    SIGNATURES.iter().find(|signature| signature.name == name)
}

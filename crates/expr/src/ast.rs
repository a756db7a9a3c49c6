//! The tree of an expression as it was written, before anything is known about types.
//!
//! An operator is a call of the function that it stands for: `a == b` and `EQ(a, b)` are the same tree. What `Display`
//! prints parses to an equal tree again.

use std::fmt::{self, Write as _};
use std::ops::Range;

use attributes::Value;

/// An expression and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Expr {
    pub(crate) kind: ExprKind,
    pub(crate) span: Range<usize>,
    /// Levels of nesting, itself included.
    pub(crate) depth: usize,
}

/// What an expression is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum ExprKind {
    /// A literal.
    Constant(Literal),
    /// An attribute.
    Variable(String),
    /// A function, a method or an operator with its operands.
    Call(Call),
}

/// A literal.
#[derive(Debug, Clone)]
pub(crate) struct Literal {
    pub(crate) value: Value,
    /// As it stands in the text.
    pub(crate) written: String,
}

/// A call.
#[derive(Debug, Clone)]
pub(crate) struct Call {
    pub(crate) function: String,
    /// Where the function's name or the operator stands.
    pub(crate) function_span: Range<usize>,
    /// The receiver of a method.
    pub(crate) target: Option<Box<Expr>>,
    pub(crate) arguments: Vec<Expr>,
}

/// An operator between two operands.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Operator {
    pub(crate) symbol: &'static str,
    pub(crate) function: &'static str,
    /// Operators of a higher level bind tighter. All of them are left associative.
    pub(crate) level: u8,
}

const fn operator(symbol: &'static str, function: &'static str, level: u8) -> Operator {
    Operator { symbol, function, level }
}

/// All operators. Most of the arithmetic ones parse only to be refused by their function's name.
pub(crate) const OPERATORS: [Operator; 19] = [
    operator("||", "LOR", 1),
    operator("&&", "LAND", 2),
    operator("==", "EQ", 3),
    operator("!=", "NEQ", 3),
    operator("<", "LT", 3),
    operator("<=", "LEQ", 3),
    operator(">", "GT", 3),
    operator(">=", "GEQ", 3),
    operator("+", "ADD", 4),
    operator("-", "SUB", 4),
    operator("|", "OR", 4),
    operator("^", "XOR", 4),
    operator("*", "MUL", 5),
    operator("/", "QUO", 5),
    operator("%", "REM", 5),
    operator("<<", "SHL", 5),
    operator(">>", "SHR", 5),
    operator("&", "AND", 5),
    operator("&^", "AND_NOT", 5),
];

/// Operators before an operand.
pub(crate) const PREFIX_OPERATORS: [(&str, &str); 2] = [("!", "NOT"), ("-", "SUB")];

const LEVEL_ANY: u8 = 0;
const LEVEL_PREFIX: u8 = 6;
const LEVEL_POSTFIX: u8 = 7;

// === impl Expr ===

/// Equal trees, wherever they stand.
impl PartialEq for Expr {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

/// Equal values, however they are written.
impl PartialEq for Literal {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl PartialEq for Call {
    fn eq(&self, other: &Self) -> bool {
        self.function == other.function && self.target == other.target && self.arguments == other.arguments
    }
}

/// As one writes it, with the parentheses that it needs.
impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write_infix(self, LEVEL_ANY, f)
    }
}

fn write_infix(expr: &Expr, level: u8, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match &expr.kind {
        ExprKind::Variable(name) => f.write_str(name),
        ExprKind::Constant(literal) => match &literal.value {
            Value::String(text) => write_text(text, f),
            Value::Duration(span) => write!(f, "\"{span}\""),
            // `5.size()` would be a broken number and `true.size()` a method of an attribute.
            _ if level == LEVEL_POSTFIX => parenthesised(expr, f),
            // Debug always has a point or an exponent, so it stays a DOUBLE.
            Value::Double(number) => write!(f, "{number:?}"),
            value => write!(f, "{value}"),
        },
        ExprKind::Call(call) => write_call(expr, call, level, f),
    }
}

fn parenthesised(expr: &Expr, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("(")?;
    write_infix(expr, LEVEL_ANY, f)?;
    f.write_str(")")
}

fn write_call(expr: &Expr, call: &Call, level: u8, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    match (&call.target, call.arguments.as_slice()) {
        (None, [map, key]) if call.function == "INDEX" => {
            write_infix(map, LEVEL_POSTFIX, f)?;
            f.write_str("[")?;
            write_infix(key, LEVEL_ANY, f)?;
            f.write_str("]")
        }
        (None, [left, right]) => match by_function(&call.function) {
            Some(operator) if operator.level < level => parenthesised(expr, f),
            Some(operator) => {
                write_infix(left, operator.level, f)?;
                write!(f, " {} ", operator.symbol)?;
                write_infix(right, operator.level + 1, f)
            }
            None => write_by_name(call, f),
        },
        (None, [operand]) => match prefix_by_function(&call.function) {
            Some(_) if level > LEVEL_PREFIX => parenthesised(expr, f),
            Some(symbol) => {
                f.write_str(symbol)?;
                write_infix(operand, LEVEL_PREFIX, f)
            }
            None => write_by_name(call, f),
        },
        (None | Some(_), _) => write_by_name(call, f),
    }
}

fn write_by_name(call: &Call, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    if let Some(target) = &call.target {
        write_infix(target, LEVEL_POSTFIX, f)?;
        f.write_str(".")?;
    }
    write!(f, "{}(", call.function)?;
    for (index, argument) in call.arguments.iter().enumerate() {
        f.write_str(if index == 0 { "" } else { ", " })?;
        write_infix(argument, LEVEL_ANY, f)?;
    }
    f.write_str(")")
}

fn by_function(function: &str) -> Option<Operator> {
    OPERATORS.into_iter().find(|operator| operator.function == function)
}

fn prefix_by_function(function: &str) -> Option<&'static str> {
    PREFIX_OPERATORS.into_iter().find(|(_, name)| *name == function).map(|(symbol, _)| symbol)
}

fn write_text(text: &str, f: &mut fmt::Formatter<'_>) -> fmt::Result {
    f.write_str("\"")?;
    for c in text.chars() {
        match c {
            '"' => f.write_str("\\\"")?,
            '\\' => f.write_str("\\\\")?,
            '\n' => f.write_str("\\n")?,
            '\r' => f.write_str("\\r")?,
            '\t' => f.write_str("\\t")?,
            // Control characters are all in the first plane.
            c if c.is_control() => write!(f, "\\u{:04x}", u32::from(c))?,
            c => f.write_char(c)?,
        }
    }
    f.write_str("\"")
}

// === Prefix ===

/// An expression as type errors quote it: every operator by its function's name, attributes with `$`, literals as they
/// are written.
pub(crate) struct Prefix<'a>(pub(crate) &'a Expr);

impl fmt::Display for Prefix<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0.kind {
            ExprKind::Constant(literal) => f.write_str(&literal.written),
            ExprKind::Variable(name) => write!(f, "${name}"),
            ExprKind::Call(call) => {
                if let Some(target) = &call.target {
                    write!(f, "{}:", Prefix(target))?;
                }
                write!(f, "{}(", call.function)?;
                for (index, argument) in call.arguments.iter().enumerate() {
                    write!(f, "{}{}", if index == 0 { "" } else { ", " }, Prefix(argument))?;
                }
                f.write_str(")")
            }
        }
    }
}

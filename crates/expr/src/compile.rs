//! A typed tree to the tree that is evaluated, with all that can be known beforehand in it.
//!
//! Operands that are constants are evaluated here, once. Where that fails the program still compiles, since the part
//! may never be reached (`destination.ip | ip("10.1.12")`), but a warning says that it cannot work.

use std::ops::Range;

use attributes::{Bag, Value, ValueType};
use checkcache::{Recorder, Target};

use crate::comparison::Comparison;
use crate::error::quoted;
use crate::evaluate::{Operand, evaluate};
use crate::functions::Function;
use crate::node::{Conversion, Index, Node, Prepared, Relation, TextTest};
use crate::types::{Typed, TypedKind};
use crate::{Warning, pattern};

/// Lowers a typed tree.
pub(crate) fn lower(typed: &Typed) -> (Node, Vec<Warning>) {
    let mut compiler = Compiler { warnings: Vec::new() };
    let node = compiler.node(typed);
    (node, compiler.warnings)
}

struct Compiler {
    warnings: Vec<Warning>,
}

impl Compiler {
    fn node(&mut self, typed: &Typed) -> Node {
        match &typed.kind {
            TypedKind::Constant(value) => Node::Constant(value.clone()),
            TypedKind::Attribute(name) => {
                let place = Prepared::new(Target::Attribute(name.clone()));
                Node::Attribute(place, typed.value_type, typed.span.clone())
            }
            TypedKind::Call(function, operands) => {
                let node = self.call(*function, operands, &typed.span);
                self.fold(node, &typed.span)
            }
        }
    }

    fn call(&mut self, function: Function, operands: &[Typed], span: &Range<usize>) -> Node {
        match function {
            Function::Eq => self.equality(Relation::Equal, operands),
            Function::Neq => self.equality(Relation::NotEqual, operands),
            Function::Lt => self.comparison(Relation::Less, operands),
            Function::Leq => self.comparison(Relation::LessOrEqual, operands),
            Function::Gt => self.comparison(Relation::Greater, operands),
            Function::Geq => self.comparison(Relation::GreaterOrEqual, operands),
            Function::Lor => Node::Any(self.chain(Function::Lor, operands)),
            Function::Land => Node::All(self.chain(Function::Land, operands)),
            Function::Or => match self.operands(operands) {
                [first, second] if first.may_be_absent() => Node::Or(Box::new([first, second])),
                [first, _] => first,
            },
            Function::Index => Node::Index(Box::new(Index::new(self.operands(operands))), span.clone()),
            Function::Add => Node::Add(Box::new(self.operands(operands))),
            Function::Conditional | Function::ConditionalString => {
                Node::Conditional(Box::new(self.operands(operands)))
            }
            Function::Size => self.conversion(Conversion::Size, operands),
            Function::ToLower => self.conversion(Conversion::Lower, operands),
            Function::Ip => self.conversion(Conversion::Ip, operands),
            Function::Timestamp => self.conversion(Conversion::Timestamp, operands),
            Function::DnsName => self.conversion(Conversion::DnsName, operands),
            Function::Email => self.conversion(Conversion::Email, operands),
            Function::Uri => self.conversion(Conversion::Uri, operands),
            Function::StartsWith => self.text_test(TextTest::StartsWith, operands),
            Function::EndsWith => self.text_test(TextTest::EndsWith, operands),
            Function::Match => self.text_test(TextTest::Wildcard, operands),
            Function::Matches => self.matches(operands),
            Function::EmptyStringMap => Node::Constant(Value::StringMap(std::sync::Arc::default())),
        }
    }

    /// The operands of a function that takes `N` of them; the type checker has counted.
    fn operands<const N: usize>(&mut self, operands: &[Typed]) -> [Node; N] {
        std::array::from_fn(|index| match operands.get(index) {
            Some(operand) => self.node(operand),
            None => unreachable!("the type checker lets no call with too few operands through"),
        })
    }

    /// The operands of `a && b && c`, or of `||`.
    fn chain(&mut self, function: Function, operands: &[Typed]) -> Vec<Node> {
        let mut nodes = Vec::new();
        for operand in operands {
            match &operand.kind {
                TypedKind::Call(inner, operands) if *inner == function => {
                    nodes.extend(self.chain(function, operands));
                }
                TypedKind::Constant(_) | TypedKind::Attribute(_) | TypedKind::Call(_, _) => {
                    nodes.push(self.node(operand));
                }
            }
        }
        nodes
    }

    fn conversion(&mut self, conversion: Conversion, operands: &[Typed]) -> Node {
        let [text] = self.operands(operands);
        Node::Convert(conversion, Box::new(text))
    }

    fn comparison(&mut self, relation: Relation, operands: &[Typed]) -> Node {
        // Both have the same type.
        let value_type = operands.first().map_or(ValueType::String, |operand| operand.value_type);
        match self.operands(operands) {
            [subject, Node::Constant(constant)] => {
                Node::ask(Comparison::relation(relation, value_type, constant), subject)
            }
            [Node::Constant(constant), subject] => {
                Node::ask(Comparison::relation(relation.flipped(), value_type, constant), subject)
            }
            both => Node::Compare(relation, value_type, Box::new(both)),
        }
    }

    fn text_test(&mut self, test: TextTest, operands: &[Typed]) -> Node {
        match self.operands(operands) {
            [subject, Node::Constant(Value::String(constant))] => {
                Node::ask(Comparison::text(test, constant), subject)
            }
            both => Node::Test(test, Box::new(both)),
        }
    }

    fn equality(&mut self, relation: Relation, operands: &[Typed]) -> Node {
        for operand in operands {
            if let TypedKind::Constant(Value::String(text)) = &operand.kind
                && (text.starts_with('*') || text.ends_with('*'))
            {
                let operator = if relation == Relation::Equal { "==" } else { "!=" };
                self.warnings.push(Warning {
                    message: format!(
                        "`{operator}` compares exactly, `*` included; for a wildcard write `match(…, {:?})`",
                        quoted(text)
                    ),
                    span: operand.span.clone(),
                });
            }
        }
        self.comparison(relation, operands)
    }

    /// The receiver is the pattern.
    fn matches(&mut self, operands: &[Typed]) -> Node {
        match self.operands(operands) {
            [Node::Constant(Value::String(text)), subject] => match pattern::regex(&text) {
                Ok(regex) => Node::ask(Comparison::pattern(regex, pattern::matcher(&text)), subject),
                Err(error) => {
                    let span = operands.first().map_or(0..0, |operand| operand.span.clone());
                    self.always_fails(&error, span);
                    Node::Fail(error)
                }
            },
            [computed, subject] => Node::Test(TextTest::Matches, Box::new([computed, subject])),
        }
    }

    /// Evaluates a node whose operands are all known.
    fn fold(&mut self, node: Node, span: &Range<usize>) -> Node {
        // Whether a key is absent from a constant map depends on whether a `|` asks.
        let known = !matches!(node, Node::Index(_, _))
            && !node.operands().is_empty()
            && node.operands().iter().all(|operand| matches!(operand, Node::Constant(_)));
        if !known {
            return node;
        }
        let nothing = Bag::new();
        let result = evaluate(&node, &mut Recorder::untraced(&nothing)).map(Operand::into_value);
        match result {
            Ok(value) => Node::Constant(value),
            Err(error) => {
                self.always_fails(&error, span.clone());
                Node::Fail(error)
            }
        }
    }

    fn always_fails(&mut self, error: &crate::EvalError, span: Range<usize>) {
        self.warnings
            .push(Warning { message: format!("this fails whenever it is evaluated: {error}"), span });
    }
}

#[cfg(test)]
mod tests;

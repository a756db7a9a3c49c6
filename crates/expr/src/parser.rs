//! Tokens to a tree: a Pratt parser, an operator's level being its binding power.

use std::ops::Range;

use attributes::{Duration, Value};

use crate::ast::{Call, Expr, ExprKind, Literal, OPERATORS, Operator, PREFIX_OPERATORS};
use crate::error::quoted;
use crate::lexer::{InvalidSyntax, Token, tokens};
use crate::{CompileError, limits};

/// Parses a text.
pub(crate) fn parse(text: &str) -> Result<Expr, CompileError> {
    if text.len() > limits::TEXT_BYTES {
        return Err(CompileError {
            message: format!(
                "the expression is {} bytes long, expected at most {}",
                text.len(),
                limits::TEXT_BYTES
            ),
            span: 0..text.len(),
            suggestion: None,
        });
    }
    parse_bounded(text).map_err(|error| {
        let message = if error.unexpected {
            format!("unexpected expression: {}", error.message)
        } else {
            format!("unable to parse expression '{}': {}", quoted(text), error.message)
        };
        CompileError { message, span: error.span, suggestion: None }
    })
}

fn parse_bounded(text: &str) -> Result<Expr, InvalidSyntax> {
    let mut parser = Parser { text, tokens: tokens(text)?, at: 0, depth: 0 };
    if matches!(parser.peek(), Token::End) {
        return Err(InvalidSyntax::broken(0..text.len(), "the expression is empty"));
    }
    let expr = parser.expression(0)?;
    match parser.peek() {
        Token::End => Ok(expr),
        _ => Err(parser.expected("an operator or the end")),
    }
}

struct Parser<'t> {
    text: &'t str,
    tokens: Vec<(Token<'t>, Range<usize>)>,
    at: usize,
    /// Calls of [`Parser::nested`] that are under way. Parentheses leave no trace in the tree, so its depth alone
    /// does not bound the parser's.
    depth: usize,
}

impl<'t> Parser<'t> {
    fn peek(&self) -> &Token<'t> {
        self.tokens.get(self.at).map_or(&Token::End, |(token, _)| token)
    }

    fn peek_second(&self) -> &Token<'t> {
        self.tokens.get(self.at + 1).map_or(&Token::End, |(token, _)| token)
    }

    fn span(&self) -> Range<usize> {
        self.tokens.get(self.at).map_or(self.text.len()..self.text.len(), |(_, span)| span.clone())
    }

    /// Takes the next token and returns where it stands.
    fn advance(&mut self) -> Range<usize> {
        let span = self.span();
        self.at += 1;
        span
    }

    fn take(&mut self, symbol: &str) -> Option<Range<usize>> {
        matches!(self.peek(), Token::Symbol(s) if *s == symbol).then(|| self.advance())
    }

    fn expect(&mut self, symbol: &str) -> Result<Range<usize>, InvalidSyntax> {
        self.take(symbol).ok_or_else(|| self.expected(&format!("`{symbol}`")))
    }

    fn expected(&self, what: &str) -> InvalidSyntax {
        let found = match self.peek() {
            Token::End => "the end".to_owned(),
            _ => format!("`{}`", quoted(self.text.get(self.span()).unwrap_or_default())),
        };
        InvalidSyntax::broken(self.span(), format!("expected {what}, found {found}"))
    }

    /// Parses something inside of something.
    fn nested<T>(
        &mut self,
        parse: impl FnOnce(&mut Self) -> Result<T, InvalidSyntax>,
    ) -> Result<T, InvalidSyntax> {
        if self.depth == limits::NESTING {
            return Err(too_deep(self.span(), limits::NESTING));
        }
        self.depth += 1;
        let result = parse(self);
        self.depth -= 1;
        result
    }

    fn expression(&mut self, level: u8) -> Result<Expr, InvalidSyntax> {
        self.nested(|parser| {
            let mut left = parser.operand()?;
            while let Some(operator) = parser.operator(level) {
                let operator_span = parser.advance();
                let right = parser.expression(operator.level + 1)?;
                let span = left.span.start..right.span.end;
                left = call(operator.function, operator_span, None, vec![left, right], span)?;
            }
            Ok(left)
        })
    }

    /// The operator that stands here, if it binds at least so tight.
    fn operator(&self, level: u8) -> Option<Operator> {
        let Token::Symbol(symbol) = self.peek() else { return None };
        OPERATORS.into_iter().find(|operator| operator.symbol == *symbol && operator.level >= level)
    }

    fn operand(&mut self) -> Result<Expr, InvalidSyntax> {
        let Token::Symbol(symbol) = self.peek() else { return self.postfix() };
        if *symbol == "*" {
            return Err(InvalidSyntax::unexpected(self.span(), "`*` before an operand"));
        }
        let Some((_, function)) = PREFIX_OPERATORS.into_iter().find(|(prefix, _)| prefix == symbol) else {
            return self.postfix();
        };
        let operator_span = self.advance();
        let operand = self.nested(Self::operand)?;
        let span = operator_span.start..operand.span.end;
        call(function, operator_span, None, vec![operand], span)
    }

    /// A primary expression with all the members, keys and calls after it.
    fn postfix(&mut self) -> Result<Expr, InvalidSyntax> {
        // In `(a.b).c` the parentheses say that `a.b` is an attribute, so that `.c` means nothing.
        let closed = matches!(self.peek(), Token::Symbol("("));
        let mut expr = self.primary()?;
        loop {
            if let Some(bracket) = self.take("[") {
                let key = self.expression(0)?;
                let span = expr.span.start..self.expect("]")?.end;
                expr = call("INDEX", bracket.start..span.end, None, vec![expr, key], span)?;
            } else if self.take(".").is_some() {
                expr = self.member(expr, closed)?;
            } else if matches!(self.peek(), Token::Symbol("(")) {
                return Err(InvalidSyntax::unexpected(self.span(), "a call of what is no function"));
            } else {
                return Ok(expr);
            }
        }
    }

    fn primary(&mut self) -> Result<Expr, InvalidSyntax> {
        let value = match self.peek() {
            Token::Symbol("(") => {
                let start = self.advance().start;
                let mut expr = self.expression(0)?;
                expr.span = start..self.expect(")")?.end;
                return Ok(expr);
            }
            Token::Identifier(name) => {
                let name = *name;
                return self.identifier(name);
            }
            Token::Int64(number) => Value::Int64(*number),
            Token::Double(number) => Value::Double(*number),
            // Whatever reads as a span of time is one.
            Token::Text(text) => match Duration::parse_go(text) {
                Some(span) => Value::Duration(span),
                None => text.as_str().into(),
            },
            Token::Symbol(_) | Token::End => return Err(self.expected("an operand")),
        };
        let span = self.advance();
        Ok(self.constant(value, span))
    }

    fn constant(&self, value: Value, span: Range<usize>) -> Expr {
        let written = self.text.get(span.clone()).unwrap_or_default().to_owned();
        Expr { kind: ExprKind::Constant(Literal { value, written }), span, depth: 1 }
    }

    fn identifier(&mut self, name: &str) -> Result<Expr, InvalidSyntax> {
        let span = self.advance();
        let kind = match self.peek() {
            Token::Symbol("(") => {
                let (arguments, end) = self.arguments()?;
                return call(name, span.clone(), None, arguments, span.start..end);
            }
            Token::Symbol(".") => ExprKind::Variable(name.to_owned()),
            _ if name.eq_ignore_ascii_case("true") => return Ok(self.constant(Value::Bool(true), span)),
            _ if name.eq_ignore_ascii_case("false") => return Ok(self.constant(Value::Bool(false), span)),
            _ => ExprKind::Variable(name.to_owned()),
        };
        Ok(Expr { kind, span, depth: 1 })
    }

    /// What follows a dot: another part of an attribute's name, or a method with its arguments.
    fn member(&mut self, target: Expr, closed: bool) -> Result<Expr, InvalidSyntax> {
        let Token::Identifier(name) = self.peek() else { return Err(self.expected("a name after `.`")) };
        let name = *name;
        let is_method = matches!(self.peek_second(), Token::Symbol("("));
        let name_span = self.advance();
        let start = target.span.start;
        if is_method {
            let (arguments, end) = self.arguments()?;
            return call(name, name_span, Some(target), arguments, start..end);
        }
        match target.kind {
            ExprKind::Variable(prefix) if !closed => Ok(Expr {
                kind: ExprKind::Variable(format!("{prefix}.{name}")),
                span: start..name_span.end,
                depth: 1,
            }),
            _ => Err(InvalidSyntax::unexpected(
                name_span,
                format!("`.{}` after what is no attribute's name", quoted(name)),
            )),
        }
    }

    /// Arguments in parentheses, and where they end.
    fn arguments(&mut self) -> Result<(Vec<Expr>, usize), InvalidSyntax> {
        self.expect("(")?;
        let mut arguments = Vec::new();
        loop {
            if let Some(end) = self.take(")") {
                return Ok((arguments, end.end));
            }
            if !arguments.is_empty() {
                self.take(",").ok_or_else(|| self.expected("`,` or `)`"))?;
                // A comma after the last argument is fine.
                if let Some(end) = self.take(")") {
                    return Ok((arguments, end.end));
                }
            }
            arguments.push(self.expression(0)?);
        }
    }
}

fn call(
    function: &str,
    function_span: Range<usize>,
    target: Option<Expr>,
    arguments: Vec<Expr>,
    span: Range<usize>,
) -> Result<Expr, InvalidSyntax> {
    let depth = 1 + target.iter().chain(&arguments).map(|expr| expr.depth).max().unwrap_or(0);
    if depth > limits::DEPTH {
        return Err(too_deep(span, limits::DEPTH));
    }
    let call = Call { function: function.to_owned(), function_span, target: target.map(Box::new), arguments };
    Ok(Expr { kind: ExprKind::Call(call), span, depth })
}

fn too_deep(span: Range<usize>, levels: usize) -> InvalidSyntax {
    InvalidSyntax::broken(span, format!("nested deeper than {levels} levels"))
}

#[cfg(test)]
mod tests;

//! Parsing templates.

use std::iter::Peekable;
use std::ops::Range;
use std::sync::Arc;

use attributes::Value;

use super::segments::{Segment, segments};
use super::tokens::{Spanned, Token, tokens};
use super::{
    Expression, FormatPart, Function, InvalidTemplate, Layout, Piece, Template, VariableUse, invalid,
};
use crate::limits::TEMPLATE_DEPTH_MAX;

/// Compiles a text.
pub(super) fn parse(text: &str) -> Result<Template, InvalidTemplate> {
    let mut uses = Vec::new();
    let mut stack = Stack::default();
    for segment in segments(text)? {
        match segment {
            Segment::Text(text) => stack.push(Piece::Text(text.to_owned())),
            Segment::Action { text, start } => {
                let mut parser = ActionParser::new(text, start, &mut uses)?;
                parser.action(&mut stack)?;
            }
        }
    }
    Ok(Template { pieces: stack.finish(text.len())?, uses })
}

// === Stack ===

/// The pieces of the template and of the conditionals that are open.
#[derive(Default)]
struct Stack {
    pieces: Vec<Piece>,
    open: Vec<OpenIf>,
}

struct OpenIf {
    span: Range<usize>,
    branches: Vec<(Expression, Vec<Piece>)>,
    otherwise: Option<Vec<Piece>>,
}

impl Stack {
    fn push(&mut self, piece: Piece) {
        match self.open.last_mut() {
            None => self.pieces.push(piece),
            Some(OpenIf { otherwise: Some(pieces), .. }) => pieces.push(piece),
            Some(OpenIf { branches, .. }) => {
                if let Some((_, pieces)) = branches.last_mut() {
                    pieces.push(piece);
                }
            }
        }
    }

    fn begin_if(&mut self, condition: Expression, span: Range<usize>) -> Result<(), InvalidTemplate> {
        if self.open.len() >= TEMPLATE_DEPTH_MAX {
            return Err(invalid(format!("`if` nests deeper than {TEMPLATE_DEPTH_MAX}"), span));
        }
        self.open.push(OpenIf { span, branches: vec![(condition, Vec::new())], otherwise: None });
        Ok(())
    }

    fn begin_else(
        &mut self,
        condition: Option<Expression>,
        span: Range<usize>,
    ) -> Result<(), InvalidTemplate> {
        let open = self.open.last_mut().filter(|open| open.otherwise.is_none());
        let open = open.ok_or_else(|| invalid("`else` without an `if`", span))?;
        match condition {
            Some(condition) => open.branches.push((condition, Vec::new())),
            None => open.otherwise = Some(Vec::new()),
        }
        Ok(())
    }

    fn end(&mut self, span: Range<usize>) -> Result<(), InvalidTemplate> {
        let open = self.open.pop().ok_or_else(|| invalid("`end` without an `if`", span))?;
        self.push(Piece::If { branches: open.branches, otherwise: open.otherwise.unwrap_or_default() });
        Ok(())
    }

    fn finish(mut self, len: usize) -> Result<Vec<Piece>, InvalidTemplate> {
        match self.open.pop() {
            None => Ok(self.pieces),
            Some(open) => {
                Err(invalid("`if` without an `end`", open.span.start.min(len)..open.span.end.min(len)))
            }
        }
    }
}

// === Actions ===

struct ActionParser<'u> {
    tokens: Peekable<std::vec::IntoIter<Spanned>>,
    uses: &'u mut Vec<VariableUse>,
    span: Range<usize>,
    depth: usize,
}

/// What the notation has beyond this part of it.
const UNSUPPORTED: [&str; 15] = [
    "range", "with", "define", "template", "block", "break", "continue", "call", "html", "index", "js",
    "len", "urlquery", "println", "slice",
];

impl<'u> ActionParser<'u> {
    fn new(text: &str, start: usize, uses: &'u mut Vec<VariableUse>) -> Result<Self, InvalidTemplate> {
        let tokens = tokens(text, start)?;
        let span = start..start + text.len().max(1);
        Ok(Self { tokens: tokens.into_iter().peekable(), uses, span, depth: 0 })
    }

    fn action(&mut self, stack: &mut Stack) -> Result<(), InvalidTemplate> {
        match self.keyword().as_deref() {
            Some("if") => {
                let condition = self.whole()?;
                stack.begin_if(condition, self.span.clone())
            }
            Some("else") => {
                let nested = self.keyword();
                match nested.as_deref() {
                    Some("if") => {
                        let condition = self.whole()?;
                        stack.begin_else(Some(condition), self.span.clone())
                    }
                    _ => {
                        self.nothing_more()?;
                        stack.begin_else(None, self.span.clone())
                    }
                }
            }
            Some("end") => {
                self.nothing_more()?;
                stack.end(self.span.clone())
            }
            _ => {
                let printed = self.whole()?;
                stack.push(Piece::Print(printed));
                Ok(())
            }
        }
    }

    /// Takes a word that makes the action something else than an expression.
    fn keyword(&mut self) -> Option<String> {
        let next = self.tokens.next_if(
            |(token, _)| matches!(token, Token::Word(word) if matches!(word.as_str(), "if" | "else" | "end")),
        )?;
        match next {
            (Token::Word(word), _) => Some(word),
            _ => None,
        }
    }

    /// An expression and nothing behind it.
    fn whole(&mut self) -> Result<Expression, InvalidTemplate> {
        let expression = self.pipeline()?;
        self.nothing_more()?;
        Ok(expression)
    }

    fn nothing_more(&mut self) -> Result<(), InvalidTemplate> {
        match self.tokens.next() {
            None => Ok(()),
            Some((_, span)) => Err(invalid("this is not expected here", span)),
        }
    }

    fn pipeline(&mut self) -> Result<Expression, InvalidTemplate> {
        let mut expression = self.command(None)?;
        while self.tokens.next_if(|(token, _)| *token == Token::Pipe).is_some() {
            expression = self.command(Some(expression))?;
        }
        Ok(expression)
    }

    /// A function with its arguments, or an operand alone. What comes through a pipe is the last argument.
    fn command(&mut self, piped: Option<Expression>) -> Result<Expression, InvalidTemplate> {
        let Some((token, span)) = self.tokens.next() else {
            return Err(invalid("an expression is expected", self.span.clone()));
        };
        if let Token::Word(word) = &token {
            let mut arguments = self.arguments()?;
            arguments.extend(piped);
            return function(word, arguments, span);
        }
        let takes_layout = ends_in_format(&token);
        let operand = self.operand(token, span.clone())?;
        let operand = if takes_layout { self.layout(operand, span.clone())? } else { operand };
        if piped.is_some() || self.at_operand() {
            return Err(invalid("this takes no arguments: only functions do", span));
        }
        Ok(operand)
    }

    fn arguments(&mut self) -> Result<Vec<Expression>, InvalidTemplate> {
        let mut arguments = Vec::new();
        while self.at_operand() {
            let Some((token, span)) = self.tokens.next() else { break };
            if ends_in_format(&token) {
                return Err(invalid("put `.Format` and its layout into parentheses", span));
            }
            arguments.push(self.operand(token, span)?);
        }
        Ok(arguments)
    }

    fn at_operand(&mut self) -> bool {
        self.tokens.peek().is_some_and(|(token, _)| !matches!(token, Token::Close | Token::Pipe))
    }

    fn operand(&mut self, token: Token, span: Range<usize>) -> Result<Expression, InvalidTemplate> {
        match token {
            Token::Constant(value) => Ok(Expression::Constant(value)),
            Token::Field(names) => self.variable(&names, span),
            Token::Open => {
                self.depth += 1;
                if self.depth > TEMPLATE_DEPTH_MAX {
                    return Err(invalid(format!("parentheses nest deeper than {TEMPLATE_DEPTH_MAX}"), span));
                }
                let inner = self.pipeline()?;
                self.depth -= 1;
                match self.tokens.next() {
                    Some((Token::Close, _)) => Ok(inner),
                    Some((_, other)) => Err(invalid("`)` is expected here", other)),
                    None => Err(invalid("`(` is not closed", span)),
                }
            }
            Token::Word(word) => Err(invalid(format!("put the call of `{word}` into parentheses"), span)),
            Token::Close | Token::Pipe => Err(invalid("an operand is expected here", span)),
        }
    }

    fn variable(&mut self, names: &[String], span: Range<usize>) -> Result<Expression, InvalidTemplate> {
        let is_time = matches!(names, [_, method] if method == FORMAT);
        match names {
            [name] | [name, _] if names.len() == 1 || is_time => {
                let name: Arc<str> = name.as_str().into();
                self.uses.push(VariableUse { name: Arc::clone(&name), span, is_time });
                Ok(Expression::Variable(name))
            }
            _ => Err(invalid("variables have no fields, and no method but `.Format`", span)),
        }
    }

    /// The layout behind `.Format`.
    fn layout(&mut self, time: Expression, span: Range<usize>) -> Result<Expression, InvalidTemplate> {
        match self.tokens.next() {
            Some((Token::Constant(Value::String(layout)), _)) => {
                Ok(Expression::Format(Box::new(time), Layout::parse(&layout)))
            }
            Some((_, other)) => Err(invalid("the layout of `.Format` is a text in quotes", other)),
            None => Err(invalid("`.Format` takes a layout, such as \"2006-01-02 15:04:05\"", span)),
        }
    }
}

const FORMAT: &str = "Format";

fn ends_in_format(token: &Token) -> bool {
    matches!(token, Token::Field(names) if names.len() == 2 && names.last().is_some_and(|name| name == FORMAT))
}

fn function(
    word: &str,
    mut arguments: Vec<Expression>,
    span: Range<usize>,
) -> Result<Expression, InvalidTemplate> {
    let (made_of, least, most): (fn(Vec<Expression>) -> Expression, _, _) = match word {
        "or" => (|all| Expression::First(true, all), 1, usize::MAX),
        "and" => (|all| Expression::First(false, all), 1, usize::MAX),
        "not" => (|all| Expression::Call(Function::Not, all), 1, 1),
        "eq" => (|all| Expression::Call(Function::Eq, all), 2, usize::MAX),
        "ne" => (|all| Expression::Call(Function::Ne, all), 2, 2),
        "print" => (|all| Expression::Call(Function::Print, all), 0, usize::MAX),
        "printf" => {
            if arguments.is_empty() {
                return Err(invalid("`printf` takes a format", span));
            }
            let Expression::Constant(Value::String(format)) = arguments.remove(0) else {
                return Err(invalid("the format of `printf` is a text in quotes", span));
            };
            return printf(&format, arguments, span);
        }
        word if UNSUPPORTED.contains(&word) => {
            return Err(invalid(format!("`{word}` is not supported in log templates"), span));
        }
        word => {
            return Err(invalid(
                format!("there is no function `{word}`; a variable is written `.{word}`"),
                span,
            ));
        }
    };
    if arguments.len() < least || arguments.len() > most {
        let wanted = if most == least { format!("{least}") } else { format!("at least {least}") };
        return Err(invalid(format!("`{word}` takes {wanted} arguments, not {}", arguments.len()), span));
    }
    Ok(made_of(arguments))
}

fn printf(
    format: &str,
    arguments: Vec<Expression>,
    span: Range<usize>,
) -> Result<Expression, InvalidTemplate> {
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        let part = match c {
            '%' => match chars.next() {
                Some('%') => None,
                Some('s' | 'v' | 'd') => Some(FormatPart::Plain),
                Some('q') => Some(FormatPart::Quoted),
                other => {
                    let verb: String = other.into_iter().collect();
                    return Err(invalid(
                        format!("`%{verb}` is not supported: use %s, %v, %d, %q or %%"),
                        span,
                    ));
                }
            },
            _ => None,
        };
        match part {
            None => literal.push(c),
            Some(part) => {
                parts.push(FormatPart::Text(std::mem::take(&mut literal)));
                parts.push(part);
            }
        }
    }
    parts.push(FormatPart::Text(literal));
    let wanted = parts.iter().filter(|part| !matches!(part, FormatPart::Text(_))).count();
    if wanted != arguments.len() {
        return Err(invalid(format!("the format takes {wanted} arguments, not {}", arguments.len()), span));
    }
    Ok(Expression::Printf(parts, arguments))
}

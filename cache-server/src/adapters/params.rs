//! The parameters of an adapter block, read strictly.
//!
//! Fields may be written in camel case or in snake case, durations as Go writes them, enums by name or by number.
//! Every problem is collected, and a field that nobody asked for is one.

use std::path::{Component, PathBuf};
use std::time::Duration;

use attributes::Duration as Span;
use policy::{ParamProblem, listed};
use serde_json::{Map, Value};

use crate::text;

/// A block's parameters while they are read.
#[derive(Debug)]
pub(super) struct Params<'a> {
    prefix: String,
    fields: Option<&'a Map<String, Value>>,
    asked: Vec<&'static str>,
    problems: Vec<ParamProblem>,
}

impl<'a> Params<'a> {
    /// Parameters as they stand in the block; none at all are an empty object.
    pub(super) fn new(params: &'a Value) -> Self {
        Self::below(String::new(), params)
    }

    fn below(prefix: String, params: &'a Value) -> Self {
        let mut this = Self { prefix, fields: None, asked: Vec::new(), problems: Vec::new() };
        match params {
            Value::Null => {}
            Value::Object(fields) => this.fields = Some(fields),
            other => {
                let path = this.prefix.trim_end_matches('.').to_owned();
                let message = format!("expected fields, found {}", kind(other));
                this.problems.push(ParamProblem::of_value(path, message));
            }
        }
        this
    }

    /// Says that a field's value does not do.
    pub(super) fn problem(&mut self, field: &str, message: impl Into<String>) {
        self.problems.push(ParamProblem::of_value(format!("{}{field}", self.prefix), message));
    }

    /// The same, with what to do about it.
    pub(super) fn problem_with(&mut self, field: &str, message: impl Into<String>, help: impl Into<String>) {
        let problem = ParamProblem::of_value(format!("{}{field}", self.prefix), message);
        self.problems.push(problem.with_help(help));
    }

    /// Takes over what was found to be wrong with a field's value, with paths from there.
    pub(super) fn problems_of(&mut self, field: &str, problems: Vec<ParamProblem>) {
        let parameter = format!("{}{field}", self.prefix);
        self.problems.extend(problems.into_iter().map(|problem| problem.below(&parameter)));
    }

    /// The field as it stands; one that is null is absent.
    pub(super) fn value(&mut self, field: &'static str) -> Option<&'a Value> {
        self.asked.push(field);
        let fields = self.fields?;
        fields.get(field).or_else(|| fields.get(&snake_case(field))).filter(|value| !value.is_null())
    }

    /// Whether a field is there, whatever it holds.
    pub(super) fn has(&mut self, field: &'static str) -> bool {
        self.value(field).is_some()
    }

    /// A field with fields of its own, read by `read`.
    pub(super) fn object<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&mut Params<'a>) -> T,
    ) -> Option<T> {
        let value = self.value(field)?;
        let mut inner = Params::below(format!("{}{field}.", self.prefix), value);
        let read = read(&mut inner);
        self.problems.extend(inner.into_problems());
        Some(read)
    }

    /// Text.
    pub(super) fn text(&mut self, field: &'static str) -> Option<&'a str> {
        let value = self.value(field)?;
        let text = value.as_str();
        if text.is_none() {
            self.not_text(field, value);
        }
        text
    }

    /// A list of texts. Numbers and truth values stand for their text, since YAML reads `- 10` as a number.
    pub(super) fn texts(&mut self, field: &'static str) -> Option<Vec<String>> {
        let value = self.value(field)?;
        let Some(items) = value.as_array() else {
            self.problem(field, format!("expected a list, found {}", kind(value)));
            return None;
        };
        let mut texts = Vec::with_capacity(items.len());
        for (index, item) in items.iter().enumerate() {
            match item {
                Value::String(text) => texts.push(text.clone()),
                Value::Number(number) => texts.push(number.to_string()),
                Value::Bool(truth) => texts.push(truth.to_string()),
                other => self.not_text(&format!("{field}[{index}]"), other),
            }
        }
        Some(texts)
    }

    fn not_text(&mut self, field: &str, value: &Value) {
        let message = format!("expected text, found {}", kind(value));
        match value {
            Value::Bool(_) | Value::Number(_) => {
                self.problem_with(field, message, format!("write `\"{value}\"`, in quotes"));
            }
            Value::Null | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                self.problem(field, message);
            }
        }
    }

    /// A whole number, not negative.
    pub(super) fn count(&mut self, field: &'static str) -> Option<u32> {
        let value = self.value(field)?;
        let number = value.as_u64().and_then(|number| u32::try_from(number).ok());
        if number.is_none() {
            self.problem(field, format!("expected a number from 0 to {}, found {}", u32::MAX, shown(value)));
        }
        number
    }

    /// A span of time, not negative, such as `60s` or `1m30s`.
    pub(super) fn duration(&mut self, field: &'static str) -> Option<Duration> {
        let value = self.value(field)?;
        match value.as_str().and_then(Span::parse_go) {
            Some(span) if span.nanos() >= 0 => Some(span.to_std()),
            Some(_) => {
                self.problem(field, "must not be negative");
                None
            }
            None => {
                let help = if value.as_f64().is_some_and(|number| number > 0.0) {
                    format!("give a unit, such as `{value}s`")
                } else {
                    "durations look like `250ms`, `30s` or `1m30s`".to_owned()
                };
                self.problem_with(field, format!("expected a duration, found {}", shown(value)), help);
                None
            }
        }
    }

    /// One of several names, or its number.
    pub(super) fn choice(&mut self, field: &'static str, choices: &[(&str, i64)]) -> Option<i64> {
        let value = self.value(field)?;
        let chosen = choices
            .iter()
            .find(|(name, number)| value.as_str() == Some(name) || value.as_i64() == Some(*number))
            .map(|(_, number)| *number);
        if chosen.is_none() {
            let names = || choices.iter().map(|(name, _)| *name);
            let help = value.as_str().and_then(|text| policy::did_you_mean(text, names()));
            let help = help.unwrap_or_else(|| format!("the values are {}", listed(names())));
            self.problem_with(field, format!("there is no value {}", shown(value)), help);
        }
        chosen
    }

    /// True or false.
    pub(super) fn truth(&mut self, field: &'static str) -> Option<bool> {
        let value = self.value(field)?;
        let truth = value.as_bool();
        if truth.is_none() {
            self.problem(field, format!("expected true or false, found {}", kind(value)));
        }
        truth
    }

    /// A number, not negative.
    pub(super) fn decimal(&mut self, field: &'static str) -> Option<f64> {
        let value = self.value(field)?;
        let number = value.as_f64().filter(|number| *number >= 0.0);
        if number.is_none() {
            self.problem(field, format!("expected a number from 0, found {value}"));
        }
        number
    }

    /// A host and a port, such as `localhost:8125` or `[::1]:8125`.
    pub(super) fn address(&mut self, field: &'static str) -> Option<&'a str> {
        let text = self.text(field)?;
        let is_address = text
            .rsplit_once(':')
            .is_some_and(|(host, port)| is_host(host) && port.parse::<u16>().is_ok_and(|port| port > 0));
        if !is_address {
            self.problem(
                field,
                format!("expected a host and a port such as `localhost:8125`, found `{text}`"),
            );
        }
        is_address.then_some(text)
    }

    /// A path to a file below the folder of the configuration, as which it is read.
    pub(super) fn path_below_root(&mut self, field: &'static str) -> Option<PathBuf> {
        let path = PathBuf::from(self.text(field)?);
        let is_below = path.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
        if !is_below {
            self.problem(field, "must be a path below the folder of the configuration");
        }
        is_below.then_some(path)
    }

    /// Texts by name.
    pub(super) fn text_map(&mut self, field: &'static str) -> Vec<(&'a str, &'a str)> {
        let Some(value) = self.value(field) else { return Vec::new() };
        let Some(fields) = value.as_object() else {
            self.problem(field, format!("expected texts by name, found {}", kind(value)));
            return Vec::new();
        };
        let mut texts = Vec::with_capacity(fields.len());
        for (name, value) in fields {
            match value.as_str() {
                Some(text) => texts.push((name.as_str(), text)),
                None => {
                    self.problem(&format!("{field}.{name}"), format!("expected text, found {}", kind(value)));
                }
            }
        }
        texts
    }

    /// All problems, those of unknown fields included.
    pub(super) fn into_problems(mut self) -> Vec<ParamProblem> {
        for field in self.fields.into_iter().flat_map(Map::keys) {
            if self.asked.iter().any(|known| known == field || snake_case(known) == *field) {
                continue;
            }
            // Suggested in the notation that the author uses.
            let is_snake = field.contains('_');
            let spelled = |known: &&str| if is_snake { snake_case(known) } else { (*known).to_owned() };
            let known: Vec<_> = self.asked.iter().map(spelled).collect();
            let names = || known.iter().map(String::as_str);
            let help = match policy::did_you_mean(field, names()) {
                Some(help) => help,
                None if known.is_empty() => "this adapter takes no parameters".to_owned(),
                None => format!("the parameters are {}", listed(names())),
            };
            let path = format!("{}{field}", self.prefix);
            self.problems.push(ParamProblem::of_name(path, "there is no such parameter").with_help(help));
        }
        self.problems
    }

    /// What was read, unless there is any problem.
    pub(super) fn finish<T>(self, read: T) -> Result<T, Vec<ParamProblem>> {
        let problems = self.into_problems();
        if problems.is_empty() { Ok(read) } else { Err(problems) }
    }
}

/// Whether it may be the name of a host or its address: an address with colons has brackets, and a URL is neither.
fn is_host(text: &str) -> bool {
    let name = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
    match name {
        Some(address) => address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => !text.is_empty() && !text.contains(['/', ':', '[', ']']),
    }
}

fn snake_case(camel_case: &str) -> String {
    let mut snake = String::with_capacity(camel_case.len() + 4);
    for character in camel_case.chars() {
        if character.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(character.to_ascii_lowercase());
    }
    snake
}

/// A value as a message quotes it; of a longer one what it is.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{}`", text::quoted(text)),
        Value::Bool(_) | Value::Number(_) => format!("`{value}`"),
        Value::Null | Value::Array(_) | Value::Object(_) => kind(value).to_owned(),
    }
}

fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "nothing",
        Value::Bool(_) => "a truth value",
        Value::Number(_) => "a number",
        Value::String(_) => "text",
        Value::Array(_) => "a list",
        Value::Object(_) => "fields",
    }
}

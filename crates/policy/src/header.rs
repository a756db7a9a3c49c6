//! Header operations: what a rule has a proxy do to the headers of requests that are allowed, and to their responses.
//!
//! They are part of the verdict: what their values are computed from is looked at, and cached, like everything that
//! decides. A value that cannot be computed refuses the request; to let it pass would hand on a header that the rule
//! replaces, as the client wrote it.

use std::sync::Arc;

use attributes::Value;
use checkcache::{HeaderOperation, Operation, Recorder};
use expr::Program;

use crate::AspectError;

/// What one rule does to headers, in document order.
#[derive(Debug, Default)]
pub struct HeaderRules {
    /// Of requests.
    pub request: Vec<HeaderRule>,
    /// Of responses.
    pub response: Vec<HeaderRule>,
}

/// What is done to one header.
#[derive(Debug)]
pub struct HeaderRule {
    /// The header, in lower case.
    pub name: Arc<str>,
    /// The change.
    pub change: HeaderChange,
}

/// A change to a header.
#[derive(Debug)]
pub enum HeaderChange {
    /// All lines of the name out, one for each value in.
    Replace(Vec<Program>),
    /// All lines of the name out.
    Remove,
    /// One line more for each value.
    Append(Vec<Program>),
}

impl HeaderRules {
    /// Whether nothing is done.
    pub fn is_empty(&self) -> bool {
        self.request.is_empty() && self.response.is_empty()
    }

    /// The operations on requests and those on responses.
    pub fn evaluate(
        &self,
        recorder: &mut Recorder<'_>,
    ) -> Result<(Vec<HeaderOperation>, Vec<HeaderOperation>), AspectError> {
        let mut all = |rules: &[HeaderRule]| {
            let mut operations = Vec::new();
            for rule in rules {
                rule.evaluate(recorder, &mut operations)?;
            }
            Ok(operations)
        };
        Ok((all(&self.request)?, all(&self.response)?))
    }

    /// Every program that a value is computed by.
    pub(crate) fn programs(&self) -> impl Iterator<Item = &Program> {
        self.request.iter().chain(&self.response).flat_map(|rule| match &rule.change {
            HeaderChange::Replace(values) | HeaderChange::Append(values) => values.as_slice(),
            HeaderChange::Remove => &[],
        })
    }

    /// As [`programs`](Self::programs), to be changed.
    pub(crate) fn programs_mut(&mut self) -> impl Iterator<Item = &mut Program> {
        self.request.iter_mut().chain(&mut self.response).flat_map(|rule| match &mut rule.change {
            HeaderChange::Replace(values) | HeaderChange::Append(values) => values.as_mut_slice(),
            HeaderChange::Remove => &mut [],
        })
    }
}

impl HeaderRule {
    fn evaluate(
        &self,
        recorder: &mut Recorder<'_>,
        operations: &mut Vec<HeaderOperation>,
    ) -> Result<(), AspectError> {
        let mut push =
            |operation| operations.push(HeaderOperation { name: self.name.to_string(), operation });
        let (values, is_replaced) = match &self.change {
            HeaderChange::Remove => {
                push(Operation::Remove);
                return Ok(());
            }
            HeaderChange::Replace(values) => (values, true),
            HeaderChange::Append(values) => (values, false),
        };
        for (index, program) in values.iter().enumerate() {
            let text = self.text(program, recorder)?;
            push(if is_replaced && index == 0 { Operation::Replace(text) } else { Operation::Append(text) });
        }
        Ok(())
    }

    fn text(&self, program: &Program, recorder: &mut Recorder<'_>) -> Result<String, AspectError> {
        let what = || format!("a value of header `{}`", self.name);
        let value =
            program.evaluate(recorder).map_err(|source| AspectError::Evaluate { what: what(), source })?;
        let text = match &value {
            Value::String(text) => text.to_string(),
            other => other.to_string(),
        };
        // A line break would begin another header.
        if text.bytes().any(|byte| (byte < b' ' && byte != b'\t') || byte == 0x7f) {
            return Err(AspectError::Header { name: Arc::clone(&self.name) });
        }
        Ok(text)
    }
}

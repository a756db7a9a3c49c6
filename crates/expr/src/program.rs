//! Programs: expressions that are ready to be evaluated.

use attributes::{Value, ValueType};
use checkcache::{Recorder, Target};

use crate::compile::lower;
use crate::node::{self, Node};
use crate::{CompileError, EvalError, Look, Manifest, Operand, Tuning, Warning, evaluate, parser, types};

/// An expression that has been parsed, checked against a manifest and prepared.
///
/// A program sees a request only through the recorder that it is given: what it evaluates to is a function of what the
/// recorder returned and of nothing else.
#[derive(Debug, Clone)]
pub struct Program {
    text: Box<str>,
    node: Node,
    result_type: ValueType,
    warnings: Vec<Warning>,
    reads: Vec<Target>,
}

/// Compiles a text against the manifest.
pub fn compile(text: &str, manifest: &dyn Manifest) -> Result<Program, CompileError> {
    let expr = parser::parse(text)?;
    let typed = types::check(&expr, manifest)?;
    let (node, warnings) = lower(&typed);
    let reads = node::reads(&node);
    Ok(Program { text: text.into(), node, result_type: typed.value_type, warnings, reads })
}

impl Program {
    /// The type of every result.
    pub fn result_type(&self) -> ValueType {
        self.result_type
    }

    /// The text that the program was compiled from.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Every attribute and every key of a map that an evaluation may look at, in about the order in which it does. A map
    /// whose key is computed is listed as a whole.
    pub fn reads(&self) -> Vec<Target> {
        self.reads.clone()
    }

    /// Every place in the text where an evaluation may look at a request, and what it asks there.
    pub fn looks(&self) -> Vec<Look> {
        node::looks(&self.node)
    }

    /// The tree that is evaluated.
    pub(crate) fn node(&self) -> &Node {
        &self.node
    }

    /// Sets what is read by value where it could be tested. Results stay the same, observations do not.
    pub fn tune(&mut self, tuning: &Tuning) {
        node::tune(&mut self.node, tuning);
    }

    /// What compiles but may not mean what its author thinks.
    pub fn warnings(&self) -> &[Warning] {
        &self.warnings
    }

    /// Evaluates the program. The value is of the kind that carries [`Program::result_type`].
    pub fn evaluate(&self, recorder: &mut Recorder<'_>) -> Result<Value, EvalError> {
        self.operand(recorder).map(Operand::into_value)
    }

    /// As [`evaluate`](Self::evaluate), for who may do without a copy of the value.
    pub fn operand<'e, 'r: 'e>(&'e self, recorder: &mut Recorder<'r>) -> Result<Operand<'e>, EvalError> {
        evaluate::evaluate(&self.node, recorder)
    }

    /// Evaluates a program of type BOOL; one of another type is an error.
    pub fn evaluate_bool(&self, recorder: &mut Recorder<'_>) -> Result<bool, EvalError> {
        evaluate::truth(&self.node, recorder)
    }
}

//! `attributes` aspects: attributes that an adapter derives from others.

use std::collections::BTreeMap;
use std::sync::Arc;

use attributes::{Name, Value, ValueType};
use checkcache::Recorder;
use expr::{EvalError, Program};

use super::AspectError;

/// Parameters of an `attributes` aspect.
#[derive(Debug)]
pub struct AttributesParams {
    /// What the adapter derives from, by its own names. Sorted.
    pub inputs: Vec<(Arc<str>, Program)>,
    /// Where what it derives goes. Sorted by attribute; one output may go to several.
    pub bindings: Vec<Binding>,
}

/// An attribute that gets its value from an adapter's output.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// The attribute.
    pub attribute: Name,
    /// Its type.
    pub value_type: ValueType,
    /// The adapter's name for the value.
    pub output: Arc<str>,
}

impl AttributesParams {
    /// The inputs. One whose attributes the request does not have is left out: what a pod's name is derived from, if
    /// not every request comes from a pod, need not be there.
    pub(super) fn evaluate(
        &self,
        recorder: &mut Recorder<'_>,
    ) -> Result<BTreeMap<Arc<str>, Value>, AspectError> {
        let mut inputs = BTreeMap::new();
        for (name, program) in &self.inputs {
            match program.evaluate(recorder) {
                Ok(value) => drop(inputs.insert(Arc::clone(name), value)),
                Err(EvalError::LookupFailed(_)) => {}
                Err(source) => return Err(AspectError::Evaluate { what: format!("input `{name}`"), source }),
            }
        }
        Ok(inputs)
    }

    /// The attributes that an adapter's outputs become. An output that is not there leaves its attributes as the
    /// request has them.
    pub fn bind(&self, outputs: &BTreeMap<String, Value>) -> Result<Vec<(Name, Value)>, AspectError> {
        let mut derived = Vec::with_capacity(self.bindings.len());
        for Binding { attribute, value_type, output } in &self.bindings {
            let Some(value) = outputs.get(&**output) else { continue };
            if value.kind() != value_type.carrier() {
                return Err(AspectError::Output {
                    output: Arc::clone(output),
                    attribute: attribute.clone(),
                    expected: *value_type,
                    found: value.kind(),
                });
            }
            derived.push((attribute.clone(), value.clone()));
        }
        Ok(derived)
    }
}

//! What is asked of a place in the request that is known beforehand.

use std::sync::Arc;

use checkcache::{Question, Target, Test};

use crate::comparison::Comparison;

/// The questions about a target, made once, so that an evaluation that asks one and writes it down copies nothing.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    /// What its value is.
    value: Arc<Question>,
    /// What is asked instead by the comparison that it is an operand of, if there is one and a test will do.
    test: Option<Arc<Question>>,
}

impl Prepared {
    /// The questions about a target that nothing compares.
    pub(crate) fn new(target: Target) -> Self {
        Self { value: Arc::new(Question { target, test: Test::Value }), test: None }
    }

    /// What is looked at.
    pub(crate) fn target(&self) -> &Target {
        &self.value.target
    }

    /// What its value is.
    pub(crate) fn value(&self) -> &Arc<Question> {
        &self.value
    }

    /// What its comparison asks of it; `None` if that looks at the value.
    pub(crate) fn test(&self) -> Option<&Arc<Question>> {
        self.test.as_ref()
    }

    /// Makes it an operand of a comparison.
    pub(super) fn compare(&mut self, comparison: &Comparison) {
        let target = self.target();
        let question = |test: &Test| Arc::new(Question { target: target.clone(), test: test.clone() });
        self.test = comparison.test(target).map(question);
    }
}

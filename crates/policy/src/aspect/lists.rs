//! `lists` aspects: a value that has to be on a list, or must not be.

use attributes::Value;
use checkcache::Recorder;
use expr::Program;

use super::{AspectError, evaluated};

/// Parameters of a `lists` aspect.
#[derive(Debug)]
pub struct ListsParams {
    /// Whether what is on the list is refused, instead of what is not.
    pub blacklist: bool,
    /// Gives the value to look for: text or an address.
    pub check_expression: Program,
}

impl ListsParams {
    pub(super) fn evaluate(&self, recorder: &mut Recorder<'_>) -> Result<Value, AspectError> {
        evaluated(&self.check_expression, || "`checkExpression`".to_owned(), recorder)
    }
}

//! The attributes that a deployment declares.

use std::collections::BTreeMap;

use attributes::ValueType;

/// What the attributes of a deployment are called and which types they have.
pub trait Manifest {
    /// The type of an attribute, `None` if no manifest declares it.
    fn type_of(&self, attribute: &str) -> Option<ValueType>;

    /// The names of all attributes, to suggest one of.
    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_>;
}

impl Manifest for BTreeMap<String, ValueType> {
    fn type_of(&self, attribute: &str) -> Option<ValueType> {
        self.get(attribute).copied()
    }

    fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        Box::new(self.keys().map(String::as_str))
    }
}

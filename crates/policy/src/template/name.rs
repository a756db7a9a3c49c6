//! Templates that make a name of a metric's labels.

use std::sync::Arc;

use attributes::Value;

use super::{InvalidTemplate, RenderError, Template, render};
use crate::PayloadFormat;

/// A name made of labels, such as `{{.method}}-{{.code}}`, for backends that know names only. The notation is that of
/// log templates.
#[derive(Debug, Clone, PartialEq)]
pub struct NameTemplate(Template);

impl NameTemplate {
    /// Compiles a text.
    pub fn compile(text: &str) -> Result<Self, InvalidTemplate> {
        Template::compile(text).map(Self)
    }

    /// The labels that the name is made of, in the order of their use.
    pub fn labels(&self) -> impl Iterator<Item = &str> {
        self.0.uses().iter().map(|variable| &*variable.name)
    }

    /// Makes the name. The labels are sorted by name.
    pub fn render(&self, labels: &[(Arc<str>, Value)]) -> Result<String, RenderError> {
        let labels: Vec<_> = labels.iter().map(|(name, value)| (&**name, value.as_ref())).collect();
        render::render(&self.0.pieces, &labels, PayloadFormat::Text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_of_labels() {
        let template = NameTemplate::compile("{{.method}}-{{or (.code) 0}}").unwrap();
        assert_eq!(template.labels().collect::<Vec<_>>(), ["method", "code"]);
        let labels = [("code", Value::Int64(200)), ("method", Value::from("GET"))];
        let labels = labels.map(|(name, value)| (Arc::from(name), value));
        assert_eq!(template.render(&labels).unwrap(), "GET-200");
        assert!(NameTemplate::compile("{{.method").is_err());
    }
}

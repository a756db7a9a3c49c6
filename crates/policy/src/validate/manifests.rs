//! Reading manifests: which attributes there are, and the types of values.

use std::collections::BTreeMap;

use attributes::ValueType;

use super::descriptors::list_of;
use crate::diagnostic::{At, Findings};
use crate::document::{Content, Fields, Node};

/// Reads the section `manifests`.
pub(super) fn read(section: Option<&Node>, findings: &mut Findings<'_>) -> BTreeMap<String, ValueType> {
    let mut declared = Declared::default();
    for manifest in list_of(section, "`manifests`", findings) {
        let Some(mut fields) = Fields::of(manifest, "a manifest", findings) else { continue };
        if let Some(name) = fields.take("name", findings) {
            name.coerced_text("`name`", findings);
        }
        if let Some(revision) = fields.take("revision", findings) {
            revision.coerced_text("`revision`", findings);
        }
        if let Some(attributes) = fields.take("attributes", findings) {
            declared.read(attributes, findings);
        }
        fields.finish(findings);
    }
    declared.types
}

/// Attributes and where each was declared.
#[derive(Default)]
struct Declared {
    types: BTreeMap<String, ValueType>,
    places: BTreeMap<String, At>,
}

impl Declared {
    /// Attributes are a map from name to information; older files have a list of information with names.
    fn read(&mut self, attributes: &Node, findings: &mut Findings<'_>) {
        if let Content::List(items) = &attributes.content {
            for item in items {
                let Some(mut fields) = Fields::of(item, "an attribute", findings) else { continue };
                let name = fields.take("name", findings).and_then(|name| name.text("`name`", findings));
                let value_type = information(&mut fields, findings);
                fields.finish(findings);
                match name {
                    Some(name) => self.add(&name.value, name.at, value_type, findings),
                    None => drop(findings.error(item.at, "the attribute has no name")),
                }
            }
            return;
        }
        for entry in attributes.map("`attributes`", findings) {
            let Some(mut fields) = Fields::of(&entry.value, "an attribute's information", findings) else {
                continue;
            };
            let value_type = information(&mut fields, findings);
            fields.finish(findings);
            self.add(&entry.key, entry.key_at, value_type, findings);
        }
    }

    fn add(
        &mut self,
        name: &str,
        at: At,
        value_type: Result<Option<ValueType>, ()>,
        findings: &mut Findings<'_>,
    ) {
        if name.is_empty() {
            findings.error(at, "the attribute has no name");
            return;
        }
        let value_type = match value_type {
            Ok(Some(value_type)) => value_type,
            // Was reported where the type stands.
            Err(()) => return,
            Ok(None) => {
                findings
                    .warning(
                        at,
                        format!("attribute `{name}` has no value type, so no expression can name it"),
                    )
                    .help("declare its `value_type`");
                return;
            }
        };
        match self.types.insert(name.to_owned(), value_type) {
            Some(before) if before != value_type => {
                let place = self.places.get(name).map_or(String::new(), |at| findings.place(*at));
                findings
                    .error(at, format!("attribute `{name}` is {value_type} here and {before} at {place}"));
            }
            Some(_) | None => {
                self.places.insert(name.to_owned(), at);
            }
        }
    }
}

/// The type that an attribute's information gives; `Err` if it gives one that there is not.
fn information(fields: &mut Fields<'_>, findings: &mut Findings<'_>) -> Result<Option<ValueType>, ()> {
    if let Some(description) = fields.take("description", findings) {
        description.coerced_text("`description`", findings);
    }
    match fields.take("value_type", findings) {
        None => Ok(None),
        Some(node) => value_type(node, "`value_type`", findings).map(Some).ok_or(()),
    }
}

/// A type by its name or number.
pub(super) fn value_type(node: &Node, what: &str, findings: &mut Findings<'_>) -> Option<ValueType> {
    let mut words = vec![("VALUE_TYPE_UNSPECIFIED", 0, None)];
    words
        .extend(ValueType::ALL.iter().zip(1..).map(|(known, number)| (known.as_str(), number, Some(*known))));
    let found = node.enumeration(what, &words, findings)?;
    if found.is_none() {
        findings.error(node.at, format!("{what} has to be a type, not VALUE_TYPE_UNSPECIFIED"));
    }
    found
}

//! Reading manifests: which attributes there are, and the types of values.

use std::collections::{BTreeMap, BTreeSet};

use attributes::ValueType;

use super::descriptors::list_of;
use crate::diagnostic::{At, Findings};
use crate::document::{Content, Fields, Node};

/// The attributes that expressions may name.
#[derive(Debug, Default)]
pub(super) struct Manifest {
    pub(super) types: BTreeMap<String, ValueType>,
    /// Names of attributes whose declaration was refused; what names them is not reported again.
    refused: BTreeSet<String>,
}

/// Reads the section `manifests`.
pub(super) fn read(section: Option<&Node>, findings: &mut Findings<'_>) -> Manifest {
    let mut declared = Declared::default();
    for manifest in list_of(section, findings) {
        let Some(mut fields) = Fields::of(manifest, "a manifest", findings) else { continue };
        if let Some(name) = fields.take("name", findings) {
            name.coerced_text(&name.name(), findings);
        }
        if let Some(revision) = fields.take("revision", findings) {
            revision.coerced_text(&revision.name(), findings);
        }
        if let Some(attributes) = fields.take("attributes", findings) {
            declared.read(attributes, findings);
        }
        fields.finish(findings);
    }
    declared.manifest
}

impl Manifest {
    pub(super) fn type_of(&self, name: &str) -> Option<ValueType> {
        self.types.get(name).copied()
    }

    pub(super) fn names(&self) -> impl Iterator<Item = &str> {
        self.types.keys().map(String::as_str)
    }

    /// Whether an attribute is declared in a way that was refused.
    pub(super) fn is_refused(&self, name: &str) -> bool {
        self.refused.contains(name)
    }

    fn refuse(&mut self, name: &str) {
        self.types.remove(name);
        self.refused.insert(name.to_owned());
    }
}

/// Attributes and where each was declared.
#[derive(Default)]
struct Declared {
    manifest: Manifest,
    places: BTreeMap<String, At>,
}

impl Declared {
    /// Attributes are a map from name to information; older files have a list of information with names.
    fn read(&mut self, attributes: &Node, findings: &mut Findings<'_>) {
        if let Content::List(items) = &attributes.content {
            for item in items {
                let Some(mut fields) = Fields::of(item, "an attribute", findings) else { continue };
                let name = fields.take("name", findings).and_then(|name| name.text(&name.name(), findings));
                let value_type = information(fields, findings);
                match name {
                    Some(name) => self.add(&name.value, name.at, value_type, findings),
                    None => drop(findings.error(item.at, "the attribute has no name")),
                }
            }
            return;
        }
        for entry in attributes.map(&attributes.name(), findings) {
            let Some(fields) = Fields::of(&entry.value, "an attribute's information", findings) else {
                self.manifest.refuse(&entry.key);
                continue;
            };
            let value_type = information(fields, findings);
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
            Err(()) => {
                self.manifest.refuse(name);
                return;
            }
            Ok(None) => {
                findings
                    .warning(
                        at,
                        format!("attribute `{name}` has no value type, so no expression can name it"),
                    )
                    .help("declare its type, such as `valueType: STRING`");
                return;
            }
        };
        match self.manifest.type_of(name) {
            Some(before) if before != value_type => {
                let place = self.places.get(name).map_or(String::new(), |at| findings.place(*at));
                findings
                    .error(at, format!("attribute `{name}` is {value_type} here and {before} at {place}"));
                self.manifest.refuse(name);
            }
            None if !self.manifest.is_refused(name) => {
                self.manifest.types.insert(name.to_owned(), value_type);
                self.places.insert(name.to_owned(), at);
            }
            Some(_) | None => {}
        }
    }
}

/// The type that an attribute's information gives; `Err` if something is wrong with it, so that it may have been meant
/// to give one.
fn information(mut fields: Fields<'_>, findings: &mut Findings<'_>) -> Result<Option<ValueType>, ()> {
    let errors = findings.error_count();
    if let Some(description) = fields.take("description", findings) {
        description.coerced_text(&description.name(), findings);
    }
    let value = fields.take("value_type", findings);
    let value_type = value.and_then(|node| value_type(node, &node.name(), findings));
    fields.finish(findings);
    if findings.error_count() == errors { Ok(value_type) } else { Err(()) }
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

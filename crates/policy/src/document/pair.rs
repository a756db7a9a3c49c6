//! The two files of the first Mixers: one with adapters and descriptors, one with the rules for every request.
//!
//! The first stands for `scopes/global/adapters` and `scopes/global/descriptors`, the second for
//! `scopes/global/subjects/global/rules`. Each of the three takes the sections that are its own and does not see those
//! of the others; so one file may even be both.

use super::fields::camel;
use super::layout::{ADAPTERS, Place, RULES};
use super::{Content, Document, Documents, Entry, Node, RulesDocument};
use crate::SourceFile;
use crate::diagnostic::{At, Findings};
use crate::limits::FILE_BYTES_MAX;
use crate::subject::GLOBAL;

/// The sections of a file with descriptors.
pub(crate) const DESCRIPTOR_SECTIONS: [&str; 6] =
    ["manifests", "metrics", "logs", "quotas", "monitored_resources", "principals"];

impl Documents {
    /// Reads the two files, the one with the rules last.
    pub(super) fn parse_pair(files: &[SourceFile], findings: &mut Findings<'_>) -> Self {
        let mut documents = Self::default();
        let [global, service] = files else {
            if !files.is_empty() {
                findings.error(At::file(0), "expected two files, one of them with the rules");
            }
            return documents;
        };
        let rules = Place::Rules { scope: GLOBAL.to_owned(), subject: GLOBAL.to_owned() };
        let places = [(Place::Adapters, 0), (Place::Descriptors, 0), (rules, 1)];
        documents.keys = places.map(|(place, file)| (place.key(), file)).into();
        if let Some(root) = root(0, global, findings) {
            let (adapters, rest) = split(root, |section| section == ADAPTERS);
            let (_, descriptors) = split(rest, |section| section == RULES);
            documents.adapters = Some(Document { file: 0, root: adapters });
            documents.descriptors = Some(Document { file: 0, root: descriptors });
        }
        if let Some(root) = root(1, service, findings) {
            let (_, root) = split(root, |section| section == ADAPTERS || is_of_descriptors(section));
            let document = Document { file: 1, root };
            let rules = RulesDocument { scope: GLOBAL.to_owned(), subject: GLOBAL.to_owned(), document };
            documents.rules.push(rules);
        }
        documents
    }
}

fn root(index: usize, file: &SourceFile, findings: &mut Findings<'_>) -> Option<Node> {
    if file.text.len() > FILE_BYTES_MAX {
        findings.error(At::file(index), format!("the file is longer than {FILE_BYTES_MAX} bytes"));
        return None;
    }
    Node::parse(index, &file.text, findings)
}

fn is_of_descriptors(section: &str) -> bool {
    DESCRIPTOR_SECTIONS.iter().any(|name| section == *name || section == camel(name))
}

/// The sections that are wanted, and the others. What is no map has no sections and is left whole, to be complained
/// about once.
fn split(node: Node, is_wanted: impl Fn(&str) -> bool) -> (Node, Node) {
    let Node { at, key, content } = node;
    let Content::Map(entries) = content else {
        return (Node::null(at), Node { at, key, content });
    };
    let (wanted, others): (Vec<Entry>, Vec<Entry>) =
        entries.into_iter().partition(|entry| is_wanted(&entry.key));
    (
        Node { at, key: key.clone(), content: Content::Map(wanted) },
        Node { at, key, content: Content::Map(others) },
    )
}

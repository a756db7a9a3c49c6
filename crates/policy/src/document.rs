//! Documents: the files of a configuration tree, read as YAML with positions and sorted by what they are for.
//!
//! A document is well-formed and in its place, and no more: which fields its items have and what they mean is for
//! [`validate`](crate::validate) to say.

mod fields;
mod layout;
mod node;
mod pair;
mod read;

use std::collections::BTreeMap;

use crate::diagnostic::{At, Findings};
use crate::limits::FILE_BYTES_MAX;
use crate::{Layout, SourceFile};

pub(crate) use fields::Fields;
use layout::{Misplaced, Place};
pub(crate) use node::{Content, Entry, Node};
pub(crate) use pair::DESCRIPTOR_SECTIONS;
pub(crate) use read::Text;

/// The files of one configuration.
#[derive(Debug, Default)]
pub(crate) struct Documents {
    /// `scopes/global/descriptors`
    pub(crate) descriptors: Option<Document>,
    /// `scopes/global/adapters`
    pub(crate) adapters: Option<Document>,
    /// The rules of each scope and subject, sorted by key.
    pub(crate) rules: Vec<RulesDocument>,
    /// The key of every file that is part of the configuration, and the file's position.
    keys: BTreeMap<String, usize>,
}

/// A file as a tree.
#[derive(Debug)]
pub(crate) struct Document {
    /// The file's position in the list of files.
    pub(crate) file: usize,
    pub(crate) root: Node,
}

/// The rules for one subject, made under the authority of one scope. Both are given by the file's path.
#[derive(Debug)]
pub(crate) struct RulesDocument {
    pub(crate) scope: String,
    pub(crate) subject: String,
    pub(crate) document: Document,
}

/// Reads a YAML document that is no part of the configuration, such as the data of an adapter, within the limits of one
/// that is. An error is one line that says what is wrong, and where in the file.
pub fn read_yaml(path: &str, text: &str) -> Result<serde_json::Value, String> {
    let files = [SourceFile { path: path.to_owned(), text: text.to_owned() }];
    let mut findings = Findings::new(&files);
    if let Some(node) = Node::parse(0, text, &mut findings) {
        return Ok(node.to_json());
    }
    let first = findings.into_diagnostics().into_iter().next();
    Err(first.map_or_else(
        || "not valid YAML".to_owned(),
        |problem| format!("line {}, column {}: {}", problem.line, problem.column, problem.message),
    ))
}

impl Documents {
    /// Reads all files; what is not well-formed is reported and left out.
    pub(crate) fn parse(files: &[SourceFile], layout: Layout, findings: &mut Findings<'_>) -> Self {
        match layout {
            Layout::Tree => Self::parse_tree(files, findings),
            Layout::Pair => Self::parse_pair(files, findings),
        }
    }

    fn parse_tree(files: &[SourceFile], findings: &mut Findings<'_>) -> Self {
        let mut documents = Self::default();
        let mut order: Vec<usize> = (0..files.len()).collect();
        // Whoever lists a directory may do it in any order.
        order.sort_by_key(|index| files.get(*index).map(|file| &file.path));
        for index in order {
            let Some(file) = files.get(index) else { continue };
            match Place::of(&file.path) {
                Ok(place) => documents.add(index, place, file, findings),
                Err(misplaced) => report(&misplaced, index, findings),
            }
        }
        if documents.keys.is_empty() && !files.is_empty() {
            // Rules that are not found refuse nobody: a wrong folder must not pass for an open policy.
            findings
                .error(
                    At::file(0),
                    "there is no configuration here: no file of the folder has a place in one",
                )
                .help(format!("is it the folder that holds `scopes/`? {}", layout::places()));
        }
        documents
    }

    /// Key and text of every file that is part of the configuration.
    pub(crate) fn parts<'t>(&self, files: &'t [SourceFile]) -> impl Iterator<Item = (String, &'t str)> {
        self.keys.iter().filter_map(|(key, index)| Some((key.clone(), files.get(*index)?.text.as_str())))
    }

    fn add(&mut self, index: usize, place: Place, file: &SourceFile, findings: &mut Findings<'_>) {
        let key = place.key();
        if let Some(first) = self.keys.get(&key) {
            let first = findings.path(*first);
            findings
                .error(At::file(index), format!("`{first}` has the same place in the configuration"))
                .help("`.yml` and `.yaml` are the same: put both files' contents into one");
            return;
        }
        self.keys.insert(key, index);
        if file.text.len() > FILE_BYTES_MAX {
            findings.error(At::file(index), format!("the file is longer than {FILE_BYTES_MAX} bytes"));
            return;
        }
        let Some(root) = Node::parse(index, &file.text, findings) else { return };
        if file.text.trim().is_empty() {
            // A write that was cut short must not pass for rules that were taken back.
            findings.warning(At::file(index), "the file is empty").help(match place {
                Place::Descriptors | Place::Adapters => "if that is meant, remove it",
                Place::Rules { .. } => "if that is meant, remove it or write `rules: []`",
            });
        }
        let document = Document { file: index, root };
        match place {
            Place::Descriptors => self.descriptors = Some(document),
            Place::Adapters => self.adapters = Some(document),
            Place::Rules { scope, subject } => self.rules.push(RulesDocument { scope, subject, document }),
        }
    }
}

fn report(misplaced: &Misplaced, file: usize, findings: &mut Findings<'_>) {
    match misplaced {
        Misplaced::NotConfiguration => {}
        Misplaced::NotGlobal => {
            findings
                .warning(
                    At::file(file),
                    "the file is passed over: adapters and descriptors are those of scope `global`",
                )
                .help("move its contents to `scopes/global/`");
        }
        Misplaced::NoPlace { help } => {
            findings.warning(At::file(file), "the file is passed over: its path has no meaning").help(help);
        }
    }
}

#[cfg(test)]
mod tests;

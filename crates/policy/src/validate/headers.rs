//! Reading what a rule does to headers.

use std::sync::Arc;

use attributes::ValueType;
use expr::Program;

use super::Vocabulary;
use super::cacheability;
use super::descriptors::list_of;
use super::expressions::compile;
use crate::diagnostic::Findings;
use crate::document::{Content, Fields, Node, Text};
use crate::header::{HeaderChange, HeaderRule, HeaderRules};

/// Headers that tell where a message ends and where it goes; a rule that changed them would break the proxy's own work.
const FRAMING: [&str; 6] = ["connection", "content-length", "host", "te", "transfer-encoding", "upgrade"];

/// The first stands for none, and none for the first that does something, as on the wire.
const OPERATIONS: [(&str, i64, Option<Kind>); 4] = [
    ("UNSPECIFIED", -1, None),
    ("REPLACE", 0, Some(Kind::Replace)),
    ("REMOVE", 1, Some(Kind::Remove)),
    ("APPEND", 2, Some(Kind::Append)),
];

#[derive(Clone, Copy)]
enum Kind {
    Replace,
    Remove,
    Append,
}

/// Takes the fields of a rule that are about headers.
pub(super) fn take(
    fields: &mut Fields<'_>,
    vocabulary: &Vocabulary<'_>,
    findings: &mut Findings<'_>,
) -> HeaderRules {
    let [request, response] = ["request_header_operations", "response_header_operations"].map(|field| {
        let section = fields.take(field, findings);
        let nodes = list_of(section, findings);
        nodes.iter().filter_map(|node| rule(node, vocabulary, findings)).collect()
    });
    HeaderRules { request, response }
}

fn rule(node: &Node, vocabulary: &Vocabulary<'_>, findings: &mut Findings<'_>) -> Option<HeaderRule> {
    let mut fields = Fields::of(node, "a header operation", findings)?;
    let name = fields.take("name", findings);
    let operation = fields.take("operation", findings);
    let value_nodes = fields.take("values", findings);
    fields.finish(findings);
    let Some(name) = name else {
        findings.error(node.at, "the header operation has no `name`");
        return None;
    };
    let name = header_name(&name.text(&name.name(), findings)?, findings)?;
    let kind = match operation {
        Some(operation) => {
            operation.enumeration(&operation.name(), &OPERATIONS, findings)?.unwrap_or(Kind::Replace)
        }
        None => Kind::Replace,
    };
    let values = values(value_nodes, vocabulary, findings);
    let change = match (kind, value_nodes) {
        (Kind::Remove, Some(values)) => {
            findings.error(values.at, "a header that is removed has no values");
            return None;
        }
        (Kind::Remove, None) => HeaderChange::Remove,
        (Kind::Replace | Kind::Append, None) => {
            findings
                .error(node.at, format!("no `values` for the header `{name}`"))
                .help("give a list of expressions, such as `values: [source.user]`; texts stand in quotes of their own");
            return None;
        }
        (Kind::Replace, Some(_)) => HeaderChange::Replace(values?),
        (Kind::Append, Some(_)) => HeaderChange::Append(values?),
    };
    Some(HeaderRule { name, change })
}

fn header_name(text: &Text, findings: &mut Findings<'_>) -> Option<Arc<str>> {
    let name = text.value.to_ascii_lowercase();
    let is_token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    if name.is_empty() || !name.bytes().all(is_token) {
        findings.error(text.at, format!("`{}` is no name of a header", text.value));
        return None;
    }
    if FRAMING.contains(&name.as_str()) {
        findings.error(text.at, format!("the header `{name}` is the proxy's own business"));
        return None;
    }
    Some(name.into())
}

/// The programs of one value or of a list of them, of any type that has a text.
fn values(
    node: Option<&Node>,
    vocabulary: &Vocabulary<'_>,
    findings: &mut Findings<'_>,
) -> Option<Vec<Program>> {
    let node = node?;
    let nodes = match &node.content {
        Content::List(nodes) => nodes.as_slice(),
        _ => std::slice::from_ref(node),
    };
    if nodes.is_empty() {
        findings.error(node.at, "`values` is empty");
    }
    let mut programs = Vec::with_capacity(nodes.len());
    for node in nodes {
        let text = node.text("a value", findings)?;
        let program = compile(&text, "a value", &vocabulary.descriptors.manifest, findings)?;
        cacheability::check(&program, &text, "this value", findings);
        if program.result_type() == ValueType::StringMap {
            findings.error(text.at, "a map cannot be the value of a header");
            return None;
        }
        programs.push(program);
    }
    (!programs.is_empty()).then_some(programs)
}

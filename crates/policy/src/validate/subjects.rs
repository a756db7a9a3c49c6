//! Which block of rules stands for a subject.

use std::collections::HashMap;

use crate::diagnostic::{At, Findings};
use crate::document::RulesDocument;
use crate::plan::Identity;
use crate::subject::{GLOBAL, depth, is_at_or_above, is_suffix};

/// Chooses, for each subject, the block with the highest scope: subject to the file's position.
pub(super) fn choose<'d>(
    rules: &'d [RulesDocument],
    identity: &Identity,
    findings: &mut Findings<'_>,
) -> HashMap<&'d str, usize> {
    let mut chosen: HashMap<&str, &RulesDocument> = HashMap::new();
    for block in rules {
        if !can_apply(block, identity, findings) {
            continue;
        }
        let best = chosen.entry(&block.subject).or_insert(block);
        if depth(&block.scope) < depth(&best.scope) {
            shadowed(best, block, findings);
            *best = block;
        } else if best.document.file != block.document.file {
            shadowed(block, best, findings);
        }
    }
    chosen.into_iter().map(|(subject, block)| (subject, block.document.file)).collect()
}

fn can_apply(block: &RulesDocument, identity: &Identity, findings: &mut Findings<'_>) -> bool {
    let RulesDocument { scope, subject, document } = block;
    let at = At::file(document.file);
    if !is_at_or_above(scope, subject) {
        findings
            .warning(
                at,
                format!("the rules never apply: subject `{subject}` is not at or below scope `{scope}`"),
            )
            .help(format!(
                "move the file to `scopes/{GLOBAL}/subjects/{subject}/`, or to a scope above the subject"
            ));
        return false;
    }
    let domain = &identity.domain;
    let is_looked_up = subject == GLOBAL || is_suffix(domain, subject) || is_suffix(subject, domain);
    if !is_looked_up {
        findings
            .warning(at, format!("the rules never apply: subject `{subject}` is not in `{domain}`"))
            .help(format!(
                "the values of `{}` end in `.{domain}`, and so must subjects",
                identity.attribute()
            ));
    }
    is_looked_up
}

fn shadowed(lower: &RulesDocument, higher: &RulesDocument, findings: &mut Findings<'_>) {
    let RulesDocument { scope, subject, document } = higher;
    let used = findings.path(document.file);
    findings
        .warning(
            At::file(lower.document.file),
            format!("the rules never apply: `{used}` is for the same subject `{subject}`, with the higher scope `{scope}`"),
        )
        .help("of the blocks for one subject only the one with the highest scope is used");
}

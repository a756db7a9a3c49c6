//! Parameters of `lists` aspects.

use attributes::{Kind, ValueType};

use super::super::cacheability;
use super::super::expressions::compile;
use super::ParamsReader;
use crate::ListsParams;
use crate::diagnostic::Findings;
use crate::document::{Fields, Node, Text};

impl ParamsReader<'_> {
    pub(super) fn lists(&self, mut fields: Fields<'_>, findings: &mut Findings<'_>) -> Option<ListsParams> {
        let blacklist = fields.take("blacklist", findings);
        let expression = fields.take("check_expression", findings);
        let name = expression.map_or_else(|| fields.spelled("check_expression"), Node::name);
        fields.finish(findings);
        let blacklist = self.blacklist(blacklist, findings);
        let text = match expression {
            Some(node) => node.text(&node.name(), findings)?,
            None => Text { at: self.at, value: "source.ip".to_owned() },
        };
        let check_expression = compile(&text, &name, self.manifest(), findings)?;
        let found = check_expression.result_type();
        if found.carrier() != Kind::String && found != ValueType::IpAddress {
            findings.error(
                text.at,
                format!("{name} has to be STRING or IP_ADDRESS, but the expression is {found}"),
            );
            return None;
        }
        cacheability::check(&check_expression, &text, "this aspect", findings);
        Some(ListsParams { blacklist: blacklist?, check_expression })
    }

    /// Whether what is on the list is refused. The block may say it for all aspects that use it; then an aspect says the
    /// same, or nothing.
    fn blacklist(&self, node: Option<&Node>, findings: &mut Findings<'_>) -> Option<bool> {
        let block = self.handler.and_then(|handler| self.context.vocabulary.handlers.config(handler));
        let of_block = block.and_then(|block| Some((block, block.params.get("blacklist")?.as_bool()?)));
        let of_aspect = match node {
            Some(node) => Some((node.at, node.boolean(&node.name(), findings)?)),
            None => None,
        };
        match (of_aspect, of_block) {
            (Some((at, here)), Some((block, there))) if here != there => {
                let name = &block.name;
                let message =
                    format!("the aspect says `blacklist: {here}`, its adapter block `{name}` says {there}");
                findings.error(at, message).help("say it in one of the two places");
                None
            }
            (Some((_, said)), _) | (None, Some((_, said))) => Some(said),
            (None, None) => Some(false),
        }
    }
}

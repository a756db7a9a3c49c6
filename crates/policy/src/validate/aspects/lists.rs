//! Parameters of `lists` aspects.

use attributes::{Kind, ValueType};

use super::super::cacheability;
use super::super::expressions::compile;
use super::ParamsReader;
use crate::ListsParams;
use crate::diagnostic::Findings;
use crate::document::{Fields, Text};

impl ParamsReader<'_> {
    pub(super) fn lists(&self, mut fields: Fields<'_>, findings: &mut Findings<'_>) -> Option<ListsParams> {
        let blacklist = fields.take("blacklist", findings);
        let expression = fields.take("check_expression", findings);
        fields.finish(findings);
        let blacklist = match blacklist {
            Some(node) => node.boolean("`blacklist`", findings)?,
            None => false,
        };
        let text = match expression {
            Some(node) => node.text("`check_expression`", findings)?,
            None => Text { at: self.at, value: "source.ip".to_owned() },
        };
        let check_expression = compile(&text, "`check_expression`", self.manifest(), findings)?;
        cacheability::check(&check_expression, &text, "this aspect", findings);
        let found = check_expression.result_type();
        if found.carrier() != Kind::String && found != ValueType::IpAddress {
            findings.error(
                text.at,
                format!("`check_expression` has to be STRING or IP_ADDRESS, but the expression is {found}"),
            );
            return None;
        }
        Some(ListsParams { blacklist, check_expression })
    }
}

//! Reading adapter blocks.

use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet};

use super::descriptors::list_of;
use super::ignore_header;
use crate::diagnostic::{At, Findings};
use crate::document::{Content, DESCRIPTOR_SECTIONS, Document, Fields, Node};
use crate::suggest::{did_you_mean, listed, nearest};
use crate::{AdapterInfo, AspectKind, HandlerConfig, ParamPart, ParamProblem};

/// The adapter blocks, and what aspects find them by.
#[derive(Debug)]
pub(super) struct Handlers<'a> {
    /// What blocks can use.
    known: &'a [&'a AdapterInfo],
    configs: Vec<HandlerConfig>,
    by_kind_and_name: BTreeMap<(AspectKind, String), (usize, At)>,
    /// Where each block's name stands, and whether an aspect uses it.
    places: Vec<(At, Cell<bool>)>,
    /// Names of blocks that were refused; what refers to them is not reported again.
    refused: BTreeSet<String>,
}

impl<'a> Handlers<'a> {
    pub(super) fn read(
        document: Option<&Document>,
        known: &'a [&'a AdapterInfo],
        findings: &mut Findings<'_>,
    ) -> Self {
        let mut handlers = Self {
            known,
            configs: Vec::new(),
            by_kind_and_name: BTreeMap::new(),
            places: Vec::new(),
            refused: BTreeSet::new(),
        };
        let Some(document) = document else { return handlers };
        let Some(mut fields) = Fields::of(&document.root, "an adapters file", findings) else {
            return handlers;
        };
        ignore_header(&mut fields, findings);
        let section = fields.take("adapters", findings);
        for section in DESCRIPTOR_SECTIONS {
            fields.ignore(section, "it belongs into `descriptors.yml`", findings);
        }
        fields.finish(findings);
        for block in list_of(section, findings) {
            handlers.read_block(block, findings);
        }
        handlers
    }

    /// The block that serves a kind under a name.
    pub(super) fn find(&self, kind: AspectKind, name: &str) -> Option<usize> {
        let index = self.by_kind_and_name.get(&(kind, name.to_owned())).map(|(index, _)| *index)?;
        if let Some((_, is_used)) = self.places.get(index) {
            is_used.set(true);
        }
        Some(index)
    }

    /// Warns of blocks that no aspect uses.
    pub(super) fn report_unused(&self, findings: &mut Findings<'_>) {
        for (config, (at, is_used)) in self.configs.iter().zip(&self.places) {
            if !is_used.get() && !config.name.is_empty() {
                let HandlerConfig { name, impl_name, .. } = config;
                findings
                    .warning(*at, format!("no aspect uses the adapter block `{name}` (`{impl_name}`)"))
                    .help(format!("an aspect uses it with `adapter: {name}`"));
            }
        }
    }

    /// Whether there is a block of the name that was refused.
    pub(super) fn is_refused(&self, name: &str) -> bool {
        self.refused.contains(name)
    }

    /// What to do about an aspect that found no block.
    pub(super) fn help(&self, kind: AspectKind, name: &str, is_named: bool) -> String {
        let serving: Vec<_> = self
            .by_kind_and_name
            .keys()
            .filter(|(served, _)| *served == kind)
            .map(|(_, name)| name.as_str())
            .collect();
        let of_impl =
            self.configs.iter().find(|config| config.impl_name == name && config.kinds.contains(&kind));
        let of_name = self.configs.iter().find(|config| config.name == name);
        if let Some(config) = of_impl {
            format!("`{name}` is an `impl`; the block that uses it is named `{}`", config.name)
        } else if let Some(near) = nearest(name, serving.iter().copied()) {
            format!("did you mean `{near}`?")
        } else if let Some(config) = of_name.filter(|_| is_named) {
            let kinds = listed(config.kinds.iter().map(|kind| kind.as_str()));
            format!("the block `{name}` uses `{}`, which serves {kinds}", config.impl_name)
        } else if serving.is_empty() {
            let able = self.known.iter().filter(|info| info.kinds.contains(&kind)).map(|info| info.name);
            format!("no adapter block serves `{kind}`; the adapters that could are {}", listed(able))
        } else {
            format!("the blocks that serve `{kind}` are {}", listed(serving))
        }
    }

    /// The block at a position.
    pub(super) fn config(&self, index: usize) -> Option<&HandlerConfig> {
        self.configs.get(index)
    }

    pub(super) fn into_configs(self) -> Vec<HandlerConfig> {
        self.configs
    }

    fn read_block(&mut self, block: &Node, findings: &mut Findings<'_>) {
        let Some(mut fields) = Fields::of(block, "an adapter block", findings) else { return };
        let name_node = fields.take("name", findings);
        let name = name_node
            .and_then(|name| name.coerced_text(&name.name(), findings))
            .map_or(String::new(), |n| n.value);
        let kind = fields.take("kind", findings);
        let implementation = fields.take("impl", findings);
        let params = fields.take_entry("params", findings);
        let has_params = params.is_some_and(|entry| !entry.value.is_null());
        fields.finish_with(findings, |_| {
            (!has_params).then(|| "parameters belong under `params:`, one level deeper".to_owned())
        });
        if name.is_empty() {
            findings.warning(block.at, "the adapter block has no name, so no aspect can use it");
        }
        let Some(info) = find(implementation, block.at, self.known, findings) else {
            self.refused.insert(name);
            return;
        };
        if let Some(kind) = kind {
            check_kind(kind, info, findings);
        }
        let empty = serde_json::Value::Object(serde_json::Map::new());
        let params = match params.map(|entry| &entry.value) {
            Some(node) if !node.is_null() => {
                check_params(node, info, findings);
                node.to_json()
            }
            Some(_) | None => {
                report_problems((info.validate)(&empty), &Node::null(block.at), info, findings);
                empty
            }
        };
        let at = name_node.map_or(block.at, |name| name.at);
        let outputs = (info.outputs)(&params);
        self.add(
            HandlerConfig { name, impl_name: info.name, kinds: info.kinds, params, outputs },
            at,
            findings,
        );
    }

    fn add(&mut self, config: HandlerConfig, at: At, findings: &mut Findings<'_>) {
        let index = self.configs.len();
        let mut twice = None;
        for kind in config.kinds {
            match self.by_kind_and_name.entry((*kind, config.name.clone())) {
                std::collections::btree_map::Entry::Vacant(vacant) => drop(vacant.insert((index, at))),
                std::collections::btree_map::Entry::Occupied(first) => twice = Some((*kind, first.get().1)),
            }
        }
        if let Some((kind, first)) = twice {
            let place = findings.place(first);
            findings
                .error(
                    at,
                    format!(
                        "two adapter blocks named `{}` serve `{kind}`; the other is at {place}",
                        config.name
                    ),
                )
                .help("give them different names, and have each aspect name the one that it means");
        }
        self.configs.push(config);
        self.places.push((at, Cell::new(false)));
    }
}

fn find<'a>(
    node: Option<&Node>,
    block: At,
    adapters: &[&'a AdapterInfo],
    findings: &mut Findings<'_>,
) -> Option<&'a AdapterInfo> {
    let names = || adapters.iter().map(|info| info.name);
    let Some(node) = node else {
        findings
            .error(block, "the adapter block has no `impl`")
            .help(format!("the adapters are {}", listed(names())));
        return None;
    };
    let wanted = node.coerced_text(&node.name(), findings)?;
    let found = adapters.iter().copied().find(|info| info.name == wanted.value);
    if found.is_none() {
        let help = did_you_mean(&wanted.value, names())
            .unwrap_or_else(|| format!("the adapters are {}", listed(names())));
        findings.error(wanted.at, format!("there is no adapter `{}`", wanted.value)).help(help);
    }
    found
}

/// A block serves all kinds of its adapter, whatever it says, so a wrong kind is worth a warning only.
fn check_kind(node: &Node, info: &AdapterInfo, findings: &mut Findings<'_>) {
    let Some(kind) = node.coerced_text(&node.name(), findings) else { return };
    if kind.value.parse::<AspectKind>().is_err() {
        super::aspects::report_kind(&kind, findings);
    } else if !info.kinds.iter().any(|served| served.as_str() == kind.value) {
        let kinds = listed(info.kinds.iter().map(|kind| kind.as_str()));
        findings
            .warning(kind.at, format!("`{}` does not serve `{}`", info.name, kind.value))
            .help(format!("it serves {kinds}, and so does this block"));
    }
}

fn check_params(node: &Node, info: &AdapterInfo, findings: &mut Findings<'_>) {
    if !matches!(node.content, Content::Map(_)) {
        findings.error(node.at, format!("expected a map for `params`, found {}", node.describe()));
        return;
    }
    report_problems((info.validate)(&node.to_json()), node, info, findings);
}

/// Reports what an adapter says about its parameters where they stand.
fn report_problems(
    outcome: Result<(), Vec<ParamProblem>>,
    params: &Node,
    info: &AdapterInfo,
    findings: &mut Findings<'_>,
) {
    for ParamProblem { path, part, message, help } in outcome.err().into_iter().flatten() {
        let spot = params.find(&path);
        let at = match part {
            ParamPart::Name => spot.key_at,
            ParamPart::Value => spot.value_at(),
        };
        let message = match spot.path.as_str() {
            "" => format!("`{}`: {message}", info.name),
            path => format!("`{}`: `{path}`: {message}", info.name),
        };
        findings.error(at, message).maybe_help(help);
    }
}

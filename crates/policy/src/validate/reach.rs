//! What can never be reached: rules whose selectors cannot hold, and definitions of quotas behind others.
//!
//! Everything here is a warning. It is conservative: whatever is said never to apply applies to no request.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use checkcache::Target;
use expr::{Program, Requirement, can_all_hold};

use super::expressions::Selector;
use crate::diagnostic::{At, Findings};
use crate::plan::Identity;
use crate::subject::{GLOBAL, is_suffix};

/// What has to hold for a place in a file of rules: that the request is for the subject, and the selectors around it.
#[derive(Debug, Clone)]
pub(super) struct Guards<'a> {
    subject: &'a str,
    identity: &'a Identity,
    selectors: Vec<&'a Selector>,
}

/// The definitions of quotas in a file of rules.
#[derive(Debug, Default)]
pub(super) struct Definitions {
    by_name: BTreeMap<Arc<str>, Vec<Definition>>,
}

/// One definition, and the texts of the selectors that it stands under.
#[derive(Debug)]
struct Definition {
    at: At,
    selectors: BTreeSet<String>,
}

// === impl Guards ===

impl<'a> Guards<'a> {
    pub(super) fn new(subject: &'a str, identity: &'a Identity) -> Self {
        Self { subject, identity, selectors: Vec::new() }
    }

    /// The same and one selector more, if there is one.
    pub(super) fn with<'b>(&self, selector: Option<&'b Selector>) -> Guards<'b>
    where
        'a: 'b,
    {
        let selectors = self.selectors.iter().copied().chain(selector).collect();
        Guards { subject: self.subject, identity: self.identity, selectors }
    }

    /// Warns of a selector that says nothing: one that never holds in this place, or one that always does.
    pub(super) fn check(&self, selector: &Selector, findings: &mut Findings<'_>) {
        let Selector { program, text } = selector;
        match program.foregone() {
            Some(true) if text.value.trim().eq_ignore_ascii_case("true") => {}
            Some(true) => findings
                .warning(text.at, "this selector holds for every request")
                .help("leave it out, or write `true`"),
            // That it fails, and so refuses instead of never applying, was said where it does.
            Some(false) if !program.warnings().is_empty() => {}
            Some(false) => never_alone(selector, findings),
            None if self.never_for_subject(selector, findings) => {}
            None => self.never_inside(selector, findings),
        }
    }

    /// Whether what a selector says of the identity is not so for the subject, which is then reported.
    fn never_for_subject(&self, selector: &Selector, findings: &mut Findings<'_>) -> bool {
        let Self { subject, identity, .. } = self;
        if *subject == GLOBAL {
            return false;
        }
        let identity = Target::Attribute(identity.attribute().clone());
        let excludes = |requirement: &Requirement| {
            requirement.target == identity && requirement.value().is_some_and(|v| is_elsewhere(subject, &v))
        };
        let Some(wrong) = selector.program.requirements().into_iter().find(excludes) else { return false };
        let at = selector.text.locate(&wrong.span, findings);
        findings
            .warning(at, format!("this selector never holds: `{wrong}` is not so for subject `{subject}`"))
            .help(format!(
                "the rules of a file are for requests whose `{identity}` is its subject, or below it"
            ));
        true
    }

    /// Reports a selector that cannot hold where those around it do.
    fn never_inside(&self, selector: &Selector, findings: &mut Findings<'_>) {
        let around = || self.selectors.iter().map(|selector| &selector.program);
        if can_all_hold(around().chain([&selector.program])) || !can_all_hold(around()) {
            return;
        }
        let contradiction = self.selectors.iter().rev().find_map(|outer| {
            let (first, second) = contradiction(&outer.program, &selector.program)?;
            Some((outer, first, second))
        });
        match contradiction {
            Some((outer, first, second)) => {
                let place = findings.place(outer.text.locate(&first.span, findings));
                let at = selector.text.locate(&second.span, findings);
                findings
                    .warning(at, format!("this selector never holds: `{second}` contradicts `{first}`"))
                    .help(format!("the rule around it asks for that at {place}"));
            }
            None => findings
                .warning(
                    selector.text.at,
                    "this selector never holds together with those of the rules around it",
                )
                .help("a rule is only looked at if the selectors of all rules around it hold"),
        }
    }
}

/// Reports a selector that can never hold by itself.
fn never_alone(selector: &Selector, findings: &mut Findings<'_>) {
    let Selector { program, text } = selector;
    match contradiction(program, program) {
        Some((first, second)) => {
            let at = text.locate(&second.span, findings);
            let is_choice = first.value().is_some() && second.value().is_some();
            findings
                .warning(at, format!("this selector never holds: `{second}` contradicts `{first}`"))
                .maybe_help(is_choice.then(|| "for the one or the other, write `||`".to_owned()));
        }
        None => findings
            .warning(text.at, "this selector never holds, so what it guards never applies")
            .help("remove what it guards, or correct it"),
    }
}

/// Two things that two programs ask for, and that no request can have.
fn contradiction(one: &Program, other: &Program) -> Option<(Requirement, Requirement)> {
    let seconds = other.requirements();
    one.requirements().into_iter().find_map(|first| {
        let second = seconds.iter().find(|second| first.contradicts(second))?;
        Some((first, second.clone()))
    })
}

/// Whether a value of the identity is neither a subject nor below it. Case and a dot at the end do not count, as they do
/// not for names of hosts; of names that are not ASCII nothing is said.
fn is_elsewhere(subject: &str, value: &attributes::Value) -> bool {
    let attributes::Value::String(value) = value else { return true };
    let plain = |name: &str| name.to_ascii_lowercase().trim_end_matches('.').to_owned();
    value.is_ascii() && subject.is_ascii() && !is_suffix(&plain(subject), &plain(value))
}

// === impl Definitions ===

impl Definitions {
    /// Adds a definition behind those that are there, and warns if one of them always comes before it.
    pub(super) fn add(
        &mut self,
        name: &Arc<str>,
        at: At,
        guards: &Guards<'_>,
        own: Option<String>,
        findings: &mut Findings<'_>,
    ) {
        let around = guards.selectors.iter().map(|selector| selector.text.value.clone());
        let selectors: BTreeSet<_> = around.chain(own).filter(|text| text != "true").collect();
        let earlier = self.by_name.entry(Arc::clone(name)).or_default();
        if let Some(first) = earlier.iter().find(|first| first.selectors.is_subset(&selectors)) {
            let place = findings.place(first.at);
            findings
                .warning(at, format!("this definition of quota `{name}` is never reached: the one at {place} applies before it"))
                .help("of the definitions of a subject the first that applies counts; put the one with the narrower selector first");
        }
        earlier.push(Definition { at, selectors });
    }
}

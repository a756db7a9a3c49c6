//! The steps of a resolution, for whoever wants to follow it.
//!
//! Resolution is one piece of code, and who follows it only listens: what is explained is what is done. Nobody listens
//! while requests are served, and then it costs nothing.

use attributes::Name;
use expr::{EvalError, Program};

/// Follows a resolution. Each method is told of a step when it was taken, in order; what somebody does not care for need
/// not be implemented.
pub trait Walk<'s> {
    /// The identity attribute was looked at, and its value, if it has one, is or is not in the domain. Not told if no
    /// subject but `global` has rules.
    fn identity(&mut self, _attribute: &'s Name, _value: Option<&str>, _is_in_domain: bool) {}

    /// A subject was looked up, and its block is the one of this `scope/subject`, or there is none for this phase. The
    /// most specific subject comes first and `global` last.
    fn subject(&mut self, _subject: &str, _block: Option<&'s str>) {}

    /// It was asked whether a rule or an aspect applies; without a selector it always does.
    fn considered(
        &mut self,
        _location: &'s str,
        _selector: Option<&'s Program>,
        _outcome: Result<bool, &EvalError>,
    ) {
    }
}

/// Nobody follows.
pub(crate) struct Unwatched;

impl Walk<'_> for Unwatched {}

#[cfg(test)]
mod tests {
    use attributes::{Bag, Value};
    use checkcache::Recorder;

    use super::*;
    use crate::fixture::{ADAPTERS, DESCRIPTORS, load_text};

    /// Writes down what it is told.
    #[derive(Default)]
    struct Notes(Vec<String>);

    impl<'s> Walk<'s> for Notes {
        fn identity(&mut self, attribute: &'s Name, value: Option<&str>, is_in_domain: bool) {
            self.0.push(format!("{attribute} {value:?} {is_in_domain}"));
        }

        fn subject(&mut self, subject: &str, block: Option<&'s str>) {
            self.0.push(format!("{subject} {block:?}"));
        }

        fn considered(
            &mut self,
            location: &'s str,
            selector: Option<&'s Program>,
            outcome: Result<bool, &EvalError>,
        ) {
            self.0.push(format!("{location} {:?} {outcome:?}", selector.map(Program::text)));
        }
    }

    #[test]
    fn who_follows_is_told_of_each_step_and_changes_none() {
        let rules = "rules: [{ selector: 'source.user == \"a\"', aspects: [{ kind: denials }] }]";
        let text = format!(
            "{DESCRIPTORS}{ADAPTERS}//- scopes/global/subjects/global/rules.yml\nrules: [{{ aspects: [{{ kind: \
             denials }}] }}]\n//- scopes/global/subjects/svc.cluster.local/rules.yml\n{rules}\n"
        );
        let snapshot = load_text(&text).snapshot.unwrap();
        let bag: Bag = [("target.service", Value::from("x.svc.cluster.local"))].into_iter().collect();
        let (mut notes, mut recorder, mut alone) =
            (Notes::default(), Recorder::new(&bag), Recorder::new(&bag));
        let followed = snapshot.follow_check(&mut recorder, &mut notes);
        let plan = snapshot.resolve_check(&mut alone);
        assert_eq!(followed.errors, plan.errors);
        assert_eq!(recorder.into_trace(), alone.into_trace());
        assert_eq!(
            notes.0,
            [
                "target.service Some(\"x.svc.cluster.local\") true",
                "x.svc.cluster.local None",
                "svc.cluster.local Some(\"global/svc.cluster.local\")",
                "cluster.local None",
                "local None",
                "global Some(\"global/global\")",
                "global/global rules[0] None Ok(true)",
                "global/global rules[0].aspects[0] None Ok(true)",
                "global/svc.cluster.local rules[0] Some(\"source.user == \\\"a\\\"\") Err(LookupFailed(\"source.user\"))",
            ]
        );
    }
}

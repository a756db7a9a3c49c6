//! Preprocess: what more is known of a request, before anything is decided or told about it.
//!
//! `attributes` aspects hand their inputs to adapters, and what these derive lies over the request's own attributes from
//! then on. A trace names the inputs and never what was derived, which holds for as long as the validity says.

use attributes::Bag;
use checkcache::{Recorder, Trace, Validity};
use futures::future::join_all;
use policy::{Aspect, AspectParams, Instance, Plan};

use super::Active;
use super::dispatch::{call, now};
use crate::adapters::{Derived, HandlerError};
use crate::telemetry::Telemetry;
use crate::text;

/// What was derived from a request.
pub struct Preprocessed {
    /// The derived attributes. They come before the request's own of the same names.
    pub derived: Bag,
    /// What was looked at; nothing if nobody asked for it.
    pub trace: Trace,
    /// How long the same would be derived.
    pub validity: Validity,
    /// What could not be derived, in plan order.
    pub failures: Vec<Failure>,
}

/// Why something could not be derived.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The aspect, or what is guarded by the selector.
    pub location: String,
    /// Why.
    pub message: String,
}

/// Derives attributes from a request, and writes down what was looked at if it is `traced`.
pub async fn preprocess(active: &Active, bag: &Bag, is_traced: bool, telemetry: &Telemetry) -> Preprocessed {
    let mut preprocessed = Preprocessed {
        derived: Bag::new(),
        trace: Trace::default(),
        validity: Validity::Revision,
        failures: Vec::new(),
    };
    if !active.snapshot.has_preprocess() {
        return preprocessed;
    }
    let asked = preprocessed.look(active, bag, is_traced, telemetry);
    let answers = asked
        .into_iter()
        .map(|(aspect, instance)| async move { (aspect, derive(active, aspect, instance, telemetry).await) });
    for (aspect, answer) in join_all(answers).await {
        preprocessed.add(aspect, answer);
    }
    preprocessed
}

impl Preprocessed {
    /// What adapters are to be asked, in plan order.
    fn look<'s>(
        &mut self,
        active: &'s Active,
        bag: &Bag,
        is_traced: bool,
        telemetry: &Telemetry,
    ) -> Vec<(&'s Aspect, Instance)> {
        let mut recorder = if is_traced { Recorder::new(bag) } else { Recorder::untraced(bag) };
        let Plan { aspects, errors, headers: _ } = active.snapshot.resolve_preprocess(&mut recorder);
        for error in errors {
            let message = format!("cannot evaluate the selector: {}", text::chain(&error.error));
            telemetry.evaluation_error("preprocess", error.location, &message);
            self.failures.push(Failure { location: error.location.to_owned(), message });
        }
        let mut asked = Vec::with_capacity(aspects.len());
        for aspect in aspects {
            match aspect.evaluate(&mut recorder, now()) {
                Ok(instance) => asked.push((aspect, instance)),
                Err(error) => {
                    let message = text::chain(&error);
                    telemetry.evaluation_error("preprocess", &aspect.location, &message);
                    self.fail(aspect, message);
                }
            }
        }
        self.trace = recorder.into_trace();
        asked
    }

    /// Takes up an answer. The later aspect, which is the one of the more specific subject, has the last word.
    fn add(&mut self, aspect: &Aspect, answer: Result<Derived, HandlerError>) {
        let AspectParams::Attributes(params) = &aspect.params else {
            return self.fail(aspect, format!("`{}` aspects derive nothing", aspect.kind));
        };
        let Derived { outputs, validity } = match answer {
            Ok(derived) => derived,
            Err(error) => return self.fail(aspect, error.to_string()),
        };
        match params.bind(&outputs) {
            Ok(bound) => {
                self.validity = self.validity.fold(validity).fold(aspect.validity);
                for (attribute, value) in bound {
                    self.derived.insert(attribute, value);
                }
            }
            Err(error) => self.fail(aspect, text::chain(&error)),
        }
    }

    fn fail(&mut self, aspect: &Aspect, message: String) {
        self.failures.push(Failure { location: aspect.location.clone(), message });
    }
}

async fn derive(
    active: &Active,
    aspect: &Aspect,
    instance: Instance,
    telemetry: &Telemetry,
) -> Result<Derived, HandlerError> {
    let Instance::Inputs(inputs) = instance else {
        return Err(HandlerError::Failed(format!("`{}` aspects derive nothing", aspect.kind)));
    };
    match active.handlers.get(aspect.handler) {
        Some(slot) => call(slot, telemetry, slot.handler.derive(&inputs)).await,
        None => Err(HandlerError::Failed("its adapter block is missing".to_owned())),
    }
}

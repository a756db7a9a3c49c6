//! Tests of lists: what they contain, how they are kept, how they are had, and how that was before.

mod contents;
mod keeping;
mod providing;
mod vectors;

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::json;
use tokio::time::Instant;

use super::origin::{Fetched, Origin};
use super::*;
use crate::adapters::fixture::{block, surroundings};
use crate::telemetry::Telemetry;

/// An origin that has what a test says, one after the other, and then hangs.
#[derive(Clone, Default)]
struct Script(Arc<Mutex<Scripted>>);

#[derive(Default)]
struct Scripted {
    outcomes: VecDeque<Outcome>,
    /// When something was asked for.
    asked: Vec<Instant>,
    /// How often what was asked for was taken up.
    taken_up: usize,
}

impl Script {
    fn of<const N: usize>(outcomes: [Outcome; N]) -> Self {
        Self(Arc::new(Mutex::new(Scripted { outcomes: outcomes.into(), ..Scripted::default() })))
    }

    fn asked(&self) -> Vec<Instant> {
        self.0.lock().unwrap().asked.clone()
    }
}

#[async_trait]
impl Origin for Script {
    fn name(&self) -> &'static str {
        "the test"
    }

    async fn fetch(&mut self) -> Result<Fetched, String> {
        let outcome = {
            let mut scripted = self.0.lock().unwrap();
            scripted.asked.push(Instant::now());
            scripted.outcomes.pop_front()
        };
        match outcome {
            Some(outcome) => outcome,
            None => std::future::pending().await,
        }
    }

    fn taken_up(&mut self) {
        self.0.lock().unwrap().taken_up += 1;
    }
}

type Outcome = Result<Fetched, String>;

#[allow(clippy::unnecessary_wraps, reason = "it is one of several outcomes")]
fn text(text: &str) -> Outcome {
    Ok(Fetched::Text(text.to_owned()))
}

fn failure() -> Outcome {
    Err("it is away".to_owned())
}

/// A checker with these parameters whose list is had from a script.
fn scripted(params: &serde_json::Value, script: &Script, surroundings: &Surroundings) -> ListChecker {
    let params = ListParams::parse(&LIST, params).unwrap();
    ListChecker(Source::of("list", params, Some(Box::new(script.clone())), surroundings))
}

async fn is_found(checker: &ListChecker, value: &str) -> Result<bool, HandlerError> {
    checker.contains(&Value::from(value)).await.map(|membership| membership.found)
}

fn metrics(surroundings: &Surroundings) -> String {
    let mut page = String::new();
    surroundings.telemetry.write(None, &mut page);
    page
}

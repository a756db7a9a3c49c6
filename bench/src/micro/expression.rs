//! An expression beside the same written by hand, and beside the language that others embed.

use std::collections::HashMap;
use std::hint::black_box;

use anyhow::{Context as _, Result, ensure};
use pieces::expression::{TEXT, by_hand, evaluate, program, with_operands};
use pieces::request;

use crate::row::{Goal, Row};
use crate::sample::{Pair, in_turn, nanos};

pub(crate) fn beside_hand(rounds: usize) -> Result<Vec<Row>> {
    let mut pairs = Vec::new();
    // Kept, so that each round has another place in memory: how fast it is depends on that too.
    let mut before = Vec::new();
    for _ in 0..rounds {
        let (bag, program) = (with_operands(request::bag()), program()?);
        ensure!(evaluate(&program, &bag) && by_hand(&bag), "both say yes");
        pairs.push((nanos(|| evaluate(&program, &bag)), nanos(|| by_hand(black_box(&bag)))));
        before.push((bag, program));
    }
    let pair = Pair::new(pairs);
    let what = ["an expression, with observations", "by hand in Rust"];
    Ok(vec![Row::pair("micro/expression-hand", what, "ns", &pair, Goal::AtMost(3.0))])
}

pub(crate) fn beside_cel(rounds: usize) -> Result<Vec<Row>> {
    let (bag, program) = (with_operands(request::bag()), program()?);
    let theirs = cel::Program::compile(TEXT)?;
    let mut context = cel::Context::default();
    context.add_variable_from_value("ai", 21_i64);
    context.add_variable_from_value("ar", HashMap::from([("foo", "bar")]));
    let said = theirs.execute(&context).ok().context("cel evaluates the expression")?;
    ensure!(said == cel::Value::Bool(true), "cel says yes");
    let functions = cel::Context::default();
    // A request's values are not known before it comes, so putting them where the language finds them is part of it, as
    // finding them in the bag is part of ours. The functions are there beforehand.
    let for_request = || {
        let mut context = functions.new_inner_scope();
        context.add_variable_from_value("ai", 21_i64);
        context.add_variable_from_value("ar", HashMap::from([("foo", "bar")]));
        theirs.execute(black_box(&context)).is_ok()
    };
    let whole = in_turn(rounds, || Ok(nanos(|| evaluate(&program, &bag))), || Ok(nanos(for_request)))?;
    let prepared = in_turn(
        rounds,
        || Ok(nanos(|| evaluate(&program, &bag))),
        || Ok(nanos(|| theirs.execute(black_box(&context)).is_ok())),
    )?;
    let what = "an expression, with observations";
    let (with_values, alone) = ("crate cel, values of the request", "crate cel, values already there");
    let mut beside_prepared =
        Row::pair("micro/expression-cel-prepared", [what, alone], "ns", &prepared, Goal::AtMost(0.2));
    beside_prepared.goal = None;
    let beside_whole =
        Row::pair("micro/expression-cel", [what, with_values], "ns", &whole, Goal::AtMost(0.2));
    Ok(vec![beside_whole, beside_prepared])
}

//! An expression, and the same as one would write it without a language.

use std::collections::BTreeMap;
use std::hint::black_box;
use std::sync::Arc;

use anyhow::Result;
use attributes::{AttributeSource, Bag, MapEntry, StringMap, ValueRef, ValueType};
use checkcache::Recorder;
use expr::Program;

/// What is evaluated.
pub const TEXT: &str = "ai == 20 || ar[\"foo\"] == \"bar\"";

/// A request with what the expression reads. The first half says no, so that all of it is evaluated.
#[must_use]
pub fn with_operands(mut bag: Bag) -> Bag {
    bag.insert("ai", 21);
    let map: StringMap = [(Arc::from("foo"), Arc::from("bar"))].into_iter().collect();
    bag.insert("ar", map);
    bag
}

/// The expression, compiled.
pub fn program() -> Result<Program> {
    let manifest =
        BTreeMap::from([("ai".to_owned(), ValueType::Int64), ("ar".to_owned(), ValueType::StringMap)]);
    Ok(expr::compile(TEXT, &manifest)?)
}

/// One evaluation, with what it looked at.
pub fn evaluate(program: &Program, bag: &Bag) -> bool {
    // As a bag, as it goes to the version by hand.
    let bag: &Bag = black_box(bag);
    let mut recorder = Recorder::new(bag);
    let result = program.evaluate_bool(&mut recorder) == Ok(true);
    black_box(recorder.into_trace());
    result
}

/// The same by hand.
pub fn by_hand(bag: &Bag) -> bool {
    matches!(bag.get("ai"), Some(ValueRef::Int64(20)))
        || matches!(bag.entry("ar", "foo"), MapEntry::Found("bar"))
}

//! What was measured, as rows: for a terminal, for a page, for machines.

use std::fmt::{self, Write as _};

use serde_json::{Value, json};

use crate::sample::{Pair, Sample};

/// A figure beside another one, or alone.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    /// By which it is asked for: `GROUP/NAME`.
    pub(crate) name: String,
    /// What was measured.
    pub(crate) what: String,
    /// The median.
    pub(crate) value: f64,
    /// What the values count.
    pub(crate) unit: &'static str,
    /// What it stands beside.
    pub(crate) beside: Option<Beside>,
    /// How far the rounds lie apart, as a part of the median.
    pub(crate) spread: f64,
    /// What is wanted.
    pub(crate) goal: Option<Goal>,
}

/// What a figure stands beside.
#[derive(Debug, Clone)]
pub(crate) struct Beside {
    /// What was measured there.
    pub(crate) what: String,
    /// Its median, in the same unit.
    pub(crate) value: f64,
    /// Ours for one of theirs.
    pub(crate) ratio: f64,
}

/// What is wanted of the ratio, or of the value of a figure that stands alone.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    AtLeast(f64),
    AtMost(f64),
}

// === impl Row ===

impl Row {
    /// A row of two things that were measured in turn.
    pub(crate) fn pair(
        name: &'static str,
        what: [&'static str; 2],
        unit: &'static str,
        pair: &Pair,
        goal: Goal,
    ) -> Self {
        Self::beside(name.to_owned(), what.map(str::to_owned), unit, pair).with_goal(goal)
    }

    /// A row of two things of which nothing is wanted.
    pub(crate) fn beside(name: String, [what, beside]: [String; 2], unit: &'static str, pair: &Pair) -> Self {
        let beside = Beside { what: beside, value: pair.beside.median(), ratio: pair.ratio() };
        let (value, spread) = (pair.ours.median(), pair.spread());
        Self { name, what, value, unit, beside: Some(beside), spread, goal: None }
    }

    /// A row of one thing.
    pub(crate) fn alone(name: &'static str, what: &'static str, unit: &'static str, sample: &Sample) -> Self {
        let (value, spread) = (sample.median(), sample.spread());
        let (name, what) = (name.to_owned(), what.to_owned());
        Self { name, what, value, unit, beside: None, spread, goal: None }
    }

    #[must_use]
    pub(crate) fn with_goal(mut self, goal: Goal) -> Self {
        self.goal = Some(goal);
        self
    }

    /// Whether the goal is met; nothing where there is none.
    fn is_met(&self) -> Option<bool> {
        let figure = self.beside.as_ref().map_or(self.value, |beside| beside.ratio);
        self.goal.map(|goal| goal.is_met_by(figure))
    }

    fn cells(&self) -> [String; 9] {
        let beside = self.beside.as_ref();
        let text = |value: Option<String>| value.unwrap_or_default();
        [
            self.name.clone(),
            self.what.clone(),
            figure(self.value),
            self.unit.to_owned(),
            text(beside.map(|beside| format!("{}: {}", beside.what, figure(beside.value)))),
            text(beside.map(|beside| format!("{:.2}", beside.ratio))),
            format!("± {:.0} %", self.spread * 100.0),
            text(self.goal.map(|goal| goal.to_string())),
            text(self.is_met().map(|is_met| if is_met { "yes" } else { "no" }.to_owned())),
        ]
    }

    /// For machines.
    pub(crate) fn json(&self) -> Value {
        json!({
            "name": self.name,
            "value": self.value,
            "unit": self.unit,
            "beside": self.beside.as_ref().map(|beside| beside.value),
            "ratio": self.beside.as_ref().map(|beside| beside.ratio),
            "goal": self.goal.map(|goal| goal.to_string()),
            "met": self.is_met(),
        })
    }
}

const HEADING: [&str; 9] = ["name", "what", "value", "unit", "beside", "ratio", "spread", "goal", "met"];

/// Rows as one JSON object.
pub(crate) fn to_json(rows: impl Iterator<Item = Value>) -> Value {
    json!({ "rows": rows.collect::<Vec<_>>() })
}

/// All rows as a table of Markdown, columns aligned so that it reads in a terminal too.
pub(crate) fn to_table(rows: &[Row]) -> String {
    let mut lines = vec![HEADING.map(str::to_owned)];
    lines.extend(rows.iter().map(Row::cells));
    let width = |column: usize| lines.iter().map(|cells| cells[column].chars().count()).max().unwrap_or(0);
    let widths: [usize; 9] = std::array::from_fn(width);
    let mut table = String::new();
    for (index, cells) in lines.iter().enumerate() {
        for (cell, width) in cells.iter().zip(widths) {
            let _ = write!(table, "| {cell:<width$} ");
        }
        table.push_str("|\n");
        if index == 0 {
            for width in widths {
                let _ = write!(table, "|{:-<1$}", "", width + 2);
            }
            table.push_str("|\n");
        }
    }
    table
}

/// Three digits that count, or all before the point.
pub(crate) fn figure(value: f64) -> String {
    match value.abs() {
        size if size >= 100.0 => format!("{value:.0}"),
        size if size >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

// === impl Goal ===

impl Goal {
    fn is_met_by(self, figure: f64) -> bool {
        match self {
            Self::AtLeast(least) => figure >= least,
            Self::AtMost(most) => figure <= most,
        }
    }
}

impl fmt::Display for Goal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AtLeast(least) => write!(f, "≥ {least}"),
            Self::AtMost(most) => write!(f, "≤ {most}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_has_the_fields_that_machines_read() {
        let pair = Pair::new(vec![(2.0, 4.0)]);
        let met = Row::pair("micro/x", ["ours", "theirs"], "ns", &pair, Goal::AtMost(0.5));
        let missed = Row::pair("micro/x", ["ours", "theirs"], "ns", &pair, Goal::AtLeast(0.6));
        let alone = Row::alone("size/x", "bytes", "KiB", &Sample::new(vec![3.0]));
        assert_eq!(
            to_json([met, missed, alone].iter().map(Row::json)),
            json!({ "rows": [
                { "name": "micro/x", "value": 2.0, "unit": "ns", "beside": 4.0, "ratio": 0.5, "goal": "≤ 0.5",
                  "met": true },
                { "name": "micro/x", "value": 2.0, "unit": "ns", "beside": 4.0, "ratio": 0.5, "goal": "≥ 0.6",
                  "met": false },
                { "name": "size/x", "value": 3.0, "unit": "KiB", "beside": null, "ratio": null, "goal": null,
                  "met": null },
            ]})
        );
    }
}

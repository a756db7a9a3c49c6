//! The plot of how cost grows: one panel for each dimension, both axes logarithmic, so that what grows in proportion is a
//! diagonal and what does not grow is level.

use std::fmt::Write as _;
use std::fs;

use anyhow::Result;

use super::{Curve, Dimension, TIMES};

const PANEL: f64 = 300.0;
const MARGIN: f64 = 56.0;
const TOP: f64 = 48.0;
/// Below a panel: the axis, and a line of the legend for each curve.
const FOOT: f64 = 44.0;
const LEGEND_LINE: f64 = 18.0;

/// Multiples of the first cost at the lower and the upper edge.
const EDGES: [f64; 2] = [0.5, 200.0];

/// Colours that those who see fewer of them can tell apart too.
const COLOURS: [&str; 6] = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];

/// Writes `bench/growth.svg`.
pub(crate) fn write(curves: &[Curve]) -> Result<()> {
    Ok(fs::write(::tests::paths::root().join("bench/growth.svg"), svg(curves)?)?)
}

fn svg(curves: &[Curve]) -> Result<String> {
    let of = |dimension| curves.iter().filter(move |curve| curve.growth.dimension == dimension);
    let legend = Dimension::ALL.iter().map(|dimension| of(*dimension).count()).max().unwrap_or(0);
    let width = (PANEL + MARGIN) * Dimension::ALL.len() as f64 + MARGIN / 2.0;
    let height = TOP + PANEL + FOOT + LEGEND_LINE * legend as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"{width}\" height=\"{height}\" fill=\"white\"/>\n"
    );
    for (index, dimension) in Dimension::ALL.into_iter().enumerate() {
        let left = MARGIN + index as f64 * (PANEL + MARGIN);
        frame(&mut svg, left, dimension)?;
        for (number, (curve, colour)) in of(dimension).zip(COLOURS).enumerate() {
            line(&mut svg, left, curve, colour, number)?;
        }
    }
    svg.push_str("</svg>\n");
    Ok(svg)
}

/// Where a number of times lies from left to right.
fn across(left: f64, times: f64) -> f64 {
    let [first, .., last] = TIMES.map(|times| times as f64);
    left + PANEL * (times / first).ln() / (last / first).ln()
}

/// Where a multiple of the first cost lies from the top.
fn down(multiple: f64) -> f64 {
    let [low, high] = EDGES;
    TOP + PANEL * (high / multiple.clamp(low, high)).ln() / (high / low).ln()
}

fn frame(svg: &mut String, left: f64, dimension: Dimension) -> Result<()> {
    let (bottom, right) = (TOP + PANEL, left + PANEL);
    writeln!(
        svg,
        "<text x=\"{left}\" y=\"{}\" font-size=\"14\">cost by {}, as multiples of the first</text>",
        TOP - 20.0,
        dimension.word()
    )?;
    for multiple in [1.0, 10.0, 100.0] {
        let y = down(multiple);
        writeln!(svg, "<path d=\"M{left} {y:.1}H{right}\" stroke=\"#ddd\"/>")?;
        writeln!(
            svg,
            "<text x=\"{}\" y=\"{:.1}\" text-anchor=\"end\">{multiple}×</text>",
            left - 6.0,
            y + 4.0
        )?;
    }
    for times in TIMES {
        let x = across(left, times as f64);
        writeln!(svg, "<path d=\"M{x:.1} {TOP}V{bottom}\" stroke=\"#ddd\"/>")?;
        writeln!(svg, "<text x=\"{x:.1}\" y=\"{}\" text-anchor=\"middle\">{times}×</text>", bottom + 16.0)?;
    }
    let (from, to) = (down(1.0), down(100.0));
    writeln!(
        svg,
        "<path d=\"M{left} {from:.1}L{right} {to:.1}\" stroke=\"#999\" stroke-dasharray=\"4 4\"/>\n\
         <text x=\"{}\" y=\"{:.1}\" fill=\"#777\" text-anchor=\"end\">in proportion</text>",
        right - 24.0,
        to + 6.0
    )?;
    Ok(())
}

fn line(svg: &mut String, left: f64, curve: &Curve, colour: &str, number: usize) -> Result<()> {
    let multiples = curve.multiples()?;
    let points: Vec<_> = TIMES
        .iter()
        .zip(multiples)
        .map(|(times, multiple)| (across(left, *times as f64), down(multiple)))
        .collect();
    let path: Vec<_> = points.iter().map(|(x, y)| format!("{x:.1} {y:.1}")).collect();
    writeln!(svg, "<path d=\"M{}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>", path.join("L"))?;
    for (x, y) in points {
        writeln!(svg, "<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>")?;
    }
    let y = TOP + PANEL + FOOT + LEGEND_LINE * number as f64;
    let [_, _, most] = multiples;
    writeln!(
        svg,
        "<path d=\"M{left} {:.1}h16\" stroke=\"{colour}\" stroke-width=\"2\"/>\n\
         <text x=\"{}\" y=\"{y:.1}\">{}, from {} {}: {most:.2}×</text>",
        y - 4.0,
        left + 22.0,
        curve.growth.what,
        curve.growth.base,
        curve.growth.dimension.word()
    )?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::growth::{GROWTHS, Growth};
    use crate::sample::Sample;

    #[test]
    fn what_grows_in_proportion_lies_on_the_diagonal() -> Result<()> {
        let sample = |value: f64| Sample::new(vec![value]);
        let curve = Curve {
            growth: Growth { what: "looking", dimension: Dimension::Rules, base: 7, ..GROWTHS[0] },
            samples: [sample(3.0), sample(30.0), sample(300.0)],
        };
        let svg = svg(&[curve])?;
        let left = MARGIN + PANEL + MARGIN;
        let ends = format!("M{left:.1} {:.1}L", down(1.0));
        assert!(svg.contains(&ends), "{svg}");
        assert!(svg.contains(&format!("L{:.1} {:.1}\"", left + PANEL, down(100.0))), "{svg}");
        assert!(svg.contains("looking, from 7 rules: 100.00×"), "{svg}");
        Ok(())
    }
}

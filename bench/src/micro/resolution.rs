//! Resolution among very many rules, beside resolution among few.

use anyhow::{Result, ensure};
use pieces::resolution::resolve;
use pieces::{request, tree};

use crate::row::{Goal, Row};
use crate::sample::{in_turn, nanos};

/// The number of subjects whose rules are ten thousand.
pub(crate) const SUBJECTS: usize = 1_000;

pub(crate) fn among_many(rounds: usize) -> Result<Vec<Row>> {
    let bag = request::bag();
    let many = tree::snapshot(&tree::files(SUBJECTS)?)?;
    let few = tree::snapshot(&tree::files(1)?)?;
    for snapshot in [&many, &few] {
        let found = resolve(snapshot, &bag);
        ensure!(found == 5, "{found} aspects apply, not 5");
    }
    let pair = in_turn(rounds, || Ok(nanos(|| resolve(&many, &bag))), || Ok(nanos(|| resolve(&few, &bag))))?;
    let what = ["resolution among 10,000 rules, 5 apply", "among 10 rules"];
    Ok(vec![Row::pair("micro/resolution", what, "ns", &pair, Goal::AtMost(1.3))])
}

//! What a second core brings, to the server and to a tonic server whose calls are empty.
//!
//! With a core for the load beside the two, by throughput; else by the processor time of a call, which grows if the
//! threads stand in each other's way.

use std::net::SocketAddr;
use std::time::Instant;

use anyhow::Result;

use super::{L2_ENTRIES, Place, check};
use crate::cores::Cores;
use crate::load::Calls;
use crate::micro::resolution::SUBJECTS;
use crate::processor::ProcessorTime;
use crate::row::{Goal, Row};
use crate::sample::Pair;
use crate::{Effort, block_on};

pub(crate) fn cores(effort: Effort) -> Result<Vec<Row>> {
    let pair = two_beside_one(effort, &async |place, calls, cores| {
        let mut server = place.mixer(L2_ENTRIES, cores).await?;
        let id = server.process().id();
        place.rate_on(cores, id, server.address(), calls, effort).await
    })?;
    let row = Row::beside("server/cores".to_owned(), what("Check, L2 hit")?, "calls/s", &pair);
    Ok(vec![row.with_goal(Goal::AtLeast(1.8))])
}

/// What the transport alone gets out of it.
pub(crate) fn empty_cores(effort: Effort) -> Result<Vec<Row>> {
    let pair = two_beside_one(effort, &async |place, calls, cores| {
        let stub = place.empty(cores).await?;
        place.rate_on(cores, stub.id(), stub.address(), calls, effort).await
    })?;
    Ok(vec![Row::beside("limit/cores".to_owned(), what("an empty tonic call")?, "calls/s", &pair)])
}

/// What a server does on two cores and on one, in turn.
fn two_beside_one(effort: Effort, rate: &impl AsyncFn(&Place, &Calls, u32) -> Result<f64>) -> Result<Pair> {
    block_on(async {
        let place = Place::new(SUBJECTS)?;
        let calls = check(place.folder.path())?;
        let mut rounds = Vec::new();
        for _ in 0..effort.processes() {
            let two = rate(&place, &calls, 2).await?;
            rounds.push((two, rate(&place, &calls, 1).await?));
        }
        Ok(Pair::new(rounds))
    })
}

fn what(call: &str) -> Result<[String; 2]> {
    let how = if is_roomy()? { "" } else { " (by processor time)" };
    Ok([format!("{call}, two cores{how}"), "one core".to_owned()])
}

/// Whether there is a core for the load beside two for a server.
fn is_roomy() -> Result<bool> {
    Ok(Cores::of_this_process()?.count() > 2)
}

impl Place {
    /// Calls that a server on so many cores answers in a second, or would if it had them to itself.
    async fn rate_on(
        &self,
        cores: u32,
        id: Option<u32>,
        address: SocketAddr,
        calls: &Calls,
        effort: Effort,
    ) -> Result<f64> {
        if is_roomy()? {
            self.cores.after(2).enter()?;
            return calls.rate(address, effort.seconds).await;
        }
        let (begin, time) = (Instant::now(), ProcessorTime::of(id)?);
        let rate = calls.rate(address, effort.seconds).await?;
        Ok(rate * begin.elapsed().as_secs_f64() / time.spent()? * f64::from(cores))
    }
}

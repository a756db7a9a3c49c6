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
    let pair = block_on(async {
        let place = Place::new(SUBJECTS)?;
        let calls = check(place.folder.path())?;
        let mut rounds = Vec::new();
        for _ in 0..effort.processes() {
            let mut rates = [0.0; 2];
            for (rate, cores) in rates.iter_mut().zip([2, 1]) {
                let mut server = place.mixer(L2_ENTRIES, cores).await?;
                let id = server.process().id();
                *rate = place.rate_on(cores, id, server.address(), &calls, effort).await?;
            }
            rounds.push(rates.into());
        }
        Ok(Pair::new(rounds))
    })?;
    let row = Row::beside("server/cores".to_owned(), what("Check, L2 hit")?, "calls/s", &pair);
    Ok(vec![row.with_goal(Goal::AtLeast(1.8))])
}

/// What the transport alone gets out of it.
pub(crate) fn empty_cores(effort: Effort) -> Result<Vec<Row>> {
    let pair = block_on(async {
        let place = Place::new(SUBJECTS)?;
        let calls = check(place.folder.path())?;
        let mut rounds = Vec::new();
        for _ in 0..effort.processes() {
            let mut rates = [0.0; 2];
            for (rate, cores) in rates.iter_mut().zip([2, 1]) {
                let stub = place.empty(cores).await?;
                *rate = place.rate_on(cores, stub.id(), stub.address(), &calls, effort).await?;
            }
            rounds.push(rates.into());
        }
        Ok(Pair::new(rounds))
    })?;
    Ok(vec![Row::beside("limit/cores".to_owned(), what("an empty tonic call")?, "calls/s", &pair)])
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

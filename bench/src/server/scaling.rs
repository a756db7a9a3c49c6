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
use crate::sample::{Pair, SLOT_S, alternate};
use crate::{Effort, block_on};

/// A server on some cores.
struct Scaled<S> {
    cores: u32,
    id: Option<u32>,
    address: SocketAddr,
    _server: S,
}

pub(crate) fn cores(effort: Effort) -> Result<Vec<Row>> {
    let pair = two_beside_one(effort, &async |place, cores| {
        let mut server = place.mixer(L2_ENTRIES, cores).await?;
        Ok(Scaled { cores, id: server.process().id(), address: server.address(), _server: server })
    })?;
    let row = Row::beside("server/cores".to_owned(), what("Check, L2 hit")?, "calls/s", &pair);
    Ok(vec![row.with_goal(Goal::AtLeast(1.8))])
}

/// What the transport alone gets out of it.
pub(crate) fn empty_cores(effort: Effort) -> Result<Vec<Row>> {
    let pair = two_beside_one(effort, &async |place, cores| {
        let stub = place.empty(cores).await?;
        Ok(Scaled { cores, id: stub.id(), address: stub.address(), _server: stub })
    })?;
    Ok(vec![Row::beside("limit/cores".to_owned(), what("an empty tonic call")?, "calls/s", &pair)])
}

/// What a server does on two cores and on one, in turn.
fn two_beside_one<S>(effort: Effort, start: &impl AsyncFn(&Place, u32) -> Result<Scaled<S>>) -> Result<Pair> {
    block_on(async {
        let place = Place::new(SUBJECTS)?;
        let calls = check(place.folder.path())?;
        let mut rounds = Vec::new();
        for round in 0..effort.processes() {
            let (two, one) = (start(&place, 2).await?, start(&place, 1).await?);
            let (two, one) =
                (async || two.rate(&place, &calls).await, async || one.rate(&place, &calls).await);
            rounds.push(alternate(round, effort.seconds, &two, &one).await?);
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

impl<S> Scaled<S> {
    /// Calls that it answers in a second, or would if it had its cores to itself.
    async fn rate(&self, place: &Place, calls: &Calls) -> Result<f64> {
        if is_roomy()? {
            place.cores.after(2).enter()?;
            return calls.rate(self.address, SLOT_S).await;
        }
        let (begin, time) = (Instant::now(), ProcessorTime::of(self.id)?);
        let rate = calls.rate(self.address, SLOT_S).await?;
        Ok(rate * begin.elapsed().as_secs_f64() / time.spent()? * f64::from(self.cores))
    }
}

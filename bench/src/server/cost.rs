//! What a call to Check costs the server, with rules and attributes of any number.

use anyhow::Result;
use pieces::{request, tree};
use tests::MixerServer;

use super::{CHECK, L2_ENTRIES, Place, checks_answered};
use crate::load::Calls;
use crate::processor::ProcessorTime;
use crate::sample::Sample;
use crate::{Effort, block_on};

/// How a call is measured.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CheckCost {
    pub(crate) rules: usize,
    pub(crate) attributes: usize,
    /// Whether the server has a cache, in which it finds the verdict.
    pub(crate) caches: bool,
}

/// A server under load.
struct Loaded {
    place: Place,
    server: MixerServer,
    calls: Calls,
}

impl Default for CheckCost {
    fn default() -> Self {
        Self { rules: tree::RULES_EACH, attributes: request::ATTRIBUTES, caches: false }
    }
}

impl CheckCost {
    /// Microseconds of the server's processor time for a call, each way in turn.
    pub(crate) fn in_turn(ways: [Self; 3], effort: Effort) -> Result<[Sample; 3]> {
        block_on(async {
            let mut servers = Vec::new();
            for way in ways {
                servers.push(way.start().await?);
            }
            let mut values = [const { Vec::new() }; 3];
            for _ in 0..effort.processes() {
                for (values, server) in values.iter_mut().zip(&mut servers) {
                    values.push(server.cost(effort).await?);
                }
            }
            Ok(values.map(Sample::new))
        })
    }

    async fn start(self) -> Result<Loaded> {
        let place = Place::new(self.rules / tree::RULES_EACH)?;
        let server = place.mixer(if self.caches { L2_ENTRIES } else { 0 }, 1).await?;
        let message = request::check(&request::dictionary()?, &request::bag_of(self.attributes))?;
        let calls = Calls::new(CHECK, &message, place.folder.path())?;
        Ok(Loaded { place, server, calls })
    }
}

impl Loaded {
    async fn cost(&mut self, effort: Effort) -> Result<f64> {
        self.place.cores.after(1).enter()?;
        let answered = checks_answered(&self.server).await?;
        let time = ProcessorTime::of(self.server.process().id())?;
        self.calls.rate(self.server.address(), effort.seconds).await?;
        let spent = time.spent()?;
        Ok(spent * 1e6 / (checks_answered(&self.server).await? - answered))
    }
}

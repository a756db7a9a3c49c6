//! l2: the second-level check cache, for all proxies together.
//!
//! Between the decoded check and resolution. It is the cache that the filter has, in its form for many threads, with a
//! clock. Beside what is stored, it shares what is being found out: of equal requests that miss, one is decided about.
//! That is a task of its own, so that it goes on if the request that began it is gone.
//!
//! A verdict that is about to expire is renewed in the background by the first request that finds it so. Those that
//! find it until then, the first among them, do not wait.

mod flights;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use attributes::{AttributeSource, Bag};
use checkcache::shared::{Felled, Hit, Lookup, SharedCache};
use checkcache::{Limits, MissReason, Revision, Root, Statistics, Tick, Trace, Vacancy, Validity, Verdict};
use futures::FutureExt as _;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use self::flights::{Boarding, Flights, Landing};
use crate::limits;
use crate::runtime::{self, Active, Decision};
use crate::telemetry::{self, CacheUse, Telemetry};

/// The cache, or none.
#[derive(Debug)]
pub struct L2 {
    cache: Option<SharedCache>,
    origin: Instant,
    flights: Arc<Flights>,
    renewals: Arc<Semaphore>,
}

/// The answer to a check, from the cache or not.
#[derive(Debug)]
pub enum Answer<F> {
    /// What was taken from the cache.
    Found(F),
    /// Decided for this request or for an equal one.
    Decided {
        /// What was decided.
        decided: Arc<Decided>,
        /// Why it was not in the cache; `None` if there is no cache.
        missed: Option<MissReason>,
    },
}

/// A decision that several requests may share.
#[derive(Debug, PartialEq)]
pub struct Decided {
    verdict: Arc<Verdict>,
    trace: Trace,
    is_failure: bool,
}

/// What a look at what is stored came to; nothing if there is no cache.
#[derive(Debug)]
pub struct Looked<F>(Option<Lookup<(F, Option<Permit>)>>);

/// What it takes to renew a verdict.
#[derive(Debug)]
struct Permit {
    vacancy: Vacancy,
    /// Among those that are renewed.
    place: OwnedSemaphorePermit,
}

/// A request to decide about.
struct Request {
    active: Arc<Active>,
    bag: Arc<Bag>,
    telemetry: Arc<Telemetry>,
}

// === impl L2 ===

impl L2 {
    /// A cache of so many verdicts; 0 is none. Whoever does not know the seed cannot make entries collide.
    pub fn new(entries: usize, seed: [u8; 16]) -> Self {
        Self {
            cache: (entries > 0).then(|| SharedCache::new(Limits::of_entries(entries), seed)),
            origin: Instant::now(),
            flights: Arc::default(),
            renewals: Arc::new(Semaphore::new(limits::RENEWALS)),
        }
    }

    /// Looks for what is stored, and takes of it at once what is needed.
    pub fn look<F>(
        &self,
        active: &Active,
        source: &impl AttributeSource,
        take: impl FnOnce(&SharedCache, &Hit<'_>) -> F,
    ) -> Looked<F> {
        Looked(self.cache.as_ref().map(|cache| {
            let take = |hit: &Hit<'_>| (take(cache, hit), self.permit(hit));
            cache.lookup(&root(active), source, self.now(), take)
        }))
    }

    /// Answers a check that was looked for: with what is stored, with what is being decided about an equal request, or
    /// with a decision of its own.
    pub async fn answer<F>(
        self: &Arc<Self>,
        Looked(looked): Looked<F>,
        active: &Arc<Active>,
        bag: Arc<Bag>,
        telemetry: &Arc<Telemetry>,
    ) -> Answer<F> {
        // What all requests share is counted once more only by those that go on with it.
        let request = || Request { active: Arc::clone(active), bag, telemetry: Arc::clone(telemetry) };
        match looked {
            None => Answer::Decided { decided: request().decide().await, missed: None },
            Some(Lookup::Hit((found, permit))) => {
                if let Some(permit) = permit {
                    self.renew(permit, request());
                }
                Answer::Found(found)
            }
            Some(Lookup::Miss(vacancy)) => {
                let missed = Some(vacancy.reason());
                Answer::Decided { decided: self.fly(vacancy, request()).await, missed }
            }
        }
    }

    /// Forgets every verdict of other revisions.
    pub fn retain(&self, revision: Revision) {
        if let Some(cache) = &self.cache {
            free(cache.retain(revision));
        }
    }

    /// Forgets every verdict and says how many there were.
    pub fn clear(&self) -> usize {
        let Some(cache) = &self.cache else { return 0 };
        let felled = cache.clear();
        let verdicts = felled.verdicts();
        free(felled);
        verdicts
    }

    /// What the cache has seen and holds.
    pub fn statistics(&self) -> Option<Statistics> {
        self.cache.as_ref().map(SharedCache::statistics)
    }

    /// Decides about a request that missed, or waits for who decides about an equal one.
    async fn fly(self: &Arc<Self>, vacancy: Vacancy, request: Request) -> Arc<Decided> {
        let key = self.flights.key(vacancy.generation(), &request.active, &request.bag);
        let (arrival, is_own) = match self.flights.board(key) {
            Boarding::Alone => return self.decide(vacancy, &request).await,
            Boarding::Join(arrival) => {
                request.telemetry.l2_joined_flights.increment();
                (arrival, false)
            }
            Boarding::Lead(landing, arrival) => {
                let (l2, request) = (Arc::clone(self), request.clone());
                tokio::spawn(async move {
                    let decide = async {
                        // Between the lookup and now, the flight of an equal request may have ended.
                        match l2.look_again(&request) {
                            Some(decided) => decided,
                            None => l2.decide(vacancy, &request).await,
                        }
                    };
                    pilot(landing, &request.telemetry, decide).await;
                });
                (arrival, true)
            }
        };
        match arrival.answer().await {
            // Whoever asks may use it so many times: what was decided once is not handed out twice.
            Some(decided) if !is_own && decided.verdict.validity.is_counted() => request.decide().await,
            // The flight was for an equal request, so this is so; and if it were not, an answer is not worth a risk.
            Some(decided) if decided.trace.holds_for(&*request.bag) => decided,
            Some(_) | None => request.decide().await,
        }
    }

    /// What it takes to renew a verdict that is about to expire, if nobody renews it, and if not too many are renewed.
    fn permit(&self, hit: &Hit<'_>) -> Option<Permit> {
        if !hit.is_ending() {
            return None;
        }
        // First the permit, since the right to renew is there only once.
        let place = Arc::clone(&self.renewals).try_acquire_owned().ok()?;
        Some(Permit { vacancy: hit.renew()?, place })
    }

    /// Begins to renew a verdict.
    fn renew(self: &Arc<Self>, Permit { vacancy, place }: Permit, request: Request) {
        let key = self.flights.key(vacancy.generation(), &request.active, &request.bag);
        if let Boarding::Lead(landing, _) = self.flights.board(key) {
            request.telemetry.l2_renewals.increment();
            let l2 = Arc::clone(self);
            tokio::spawn(async move {
                pilot(landing, &request.telemetry, l2.decide(vacancy, &request)).await;
                drop(place);
            });
        }
    }

    fn look_again(&self, request: &Request) -> Option<Arc<Decided>> {
        let take = |hit: &Hit<'_>| {
            let verdict = Verdict { validity: hit.validity(), ..hit.verdict().as_ref().clone() };
            Decided { verdict: Arc::new(verdict), trace: hit.trace(), is_failure: false }
        };
        self.cache.as_ref()?.look_again(&request.root(), &*request.bag, self.now(), take).map(Arc::new)
    }

    /// Decides about a request, and stores the verdict if it may be.
    async fn decide(&self, vacancy: Vacancy, request: &Request) -> Arc<Decided> {
        // An adapter says for how long its answer holds when it gives it, which others may be slower to do.
        let begun = self.now();
        let decided = request.decide().await;
        if let Some(cache) = &self.cache {
            if decided.is_storable() {
                let verdict = Arc::clone(&decided.verdict);
                cache.insert(vacancy, &request.root(), &decided.trace, verdict, begun);
            } else {
                request.telemetry.l2_not_cacheable.increment();
            }
        }
        decided
    }

    fn now(&self) -> Tick {
        Tick::default().after(self.origin.elapsed())
    }
}

/// Brings a flight to its end, whatever comes of it.
async fn pilot(landing: Landing, telemetry: &Telemetry, decide: impl Future<Output = Arc<Decided>>) {
    match AssertUnwindSafe(decide).catch_unwind().await {
        Ok(decided) => landing.land(decided),
        Err(panic) => {
            telemetry.panics.increment();
            telemetry::panicked("flight", runtime::panic_message(&*panic));
        }
    }
}

fn root(active: &Active) -> Root {
    Root { revision: active.snapshot.revision(), quota: None }
}

/// Frees much memory where no request waits for it.
fn free(felled: Felled) {
    // Outside of the runtime nobody waits.
    if let Ok(threads) = tokio::runtime::Handle::try_current() {
        threads.spawn_blocking(move || drop(felled));
    }
}

// === impl Looked ===

impl<F> Looked<F> {
    /// The answer, if it was found and there is nothing more to do about it. Else what to go on with.
    pub fn into_answer(self) -> Result<Answer<F>, Self> {
        match self {
            Self(Some(Lookup::Hit((found, None)))) => Ok(Answer::Found(found)),
            other => Err(other),
        }
    }
}

// === impl Answer ===

impl<F> Answer<F> {
    /// What the cache had to do with it.
    pub fn cache_use(&self) -> CacheUse {
        match self {
            Self::Found(_) => CacheUse::Hit,
            Self::Decided { missed: Some(_), .. } => CacheUse::Miss,
            Self::Decided { missed: None, .. } => CacheUse::Off,
        }
    }
}

// === impl Decided ===

impl Decided {
    /// The verdict.
    pub fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// What was looked at to reach it.
    pub fn trace(&self) -> &Trace {
        &self.trace
    }

    /// Whether it is a refusal because something failed.
    pub fn is_failure(&self) -> bool {
        self.is_failure
    }

    fn is_storable(&self) -> bool {
        match self.verdict.validity {
            // Every proxy would be handed the full number of uses.
            Validity::Never | Validity::For { uses: Some(_), .. } => false,
            Validity::For { uses: None, .. } | Validity::Revision => true,
        }
    }
}

impl From<Decision> for Decided {
    fn from(decision: Decision) -> Self {
        let Decision { verdict, trace, is_failure } = decision;
        Self { verdict: Arc::new(verdict), trace, is_failure }
    }
}

// === impl Request ===

impl Request {
    fn root(&self) -> Root {
        root(&self.active)
    }

    async fn decide(&self) -> Arc<Decided> {
        Arc::new(runtime::check(&self.active, &self.bag, &self.telemetry).await.into())
    }
}

impl Clone for Request {
    fn clone(&self) -> Self {
        let Self { active, bag, telemetry } = self;
        Self { active: Arc::clone(active), bag: Arc::clone(bag), telemetry: Arc::clone(telemetry) }
    }
}

#[cfg(test)]
mod tests;

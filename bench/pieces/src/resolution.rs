//! Which aspects apply to a request.

use std::hint::black_box;

use attributes::Bag;
use checkcache::Recorder;
use policy::Snapshot;

/// How many aspects apply.
pub fn resolve(snapshot: &Snapshot, bag: &Bag) -> usize {
    let mut recorder = Recorder::new(black_box(bag));
    snapshot.resolve_check(&mut recorder).aspects.len()
}

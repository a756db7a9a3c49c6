//! Reload: a block that stays as it is goes on, one that changes is another handler, and the old one comes to its end.

use policy::SourceFile;
use serde_json::{Value as Json, json};
use tokio::time::Instant;

use super::world::BLOCK;
use super::{World, for_each};
use crate::adapters;
use crate::limits;
use crate::runtime::Runtime;

/// A configuration of one block. A rule is not necessary: every block comes alive.
fn files(world: &World, params: &Json) -> Vec<SourceFile> {
    let file = |path: &str, text: String| SourceFile { path: path.to_owned(), text };
    let block = json!({ "name": BLOCK, "impl": world.name(), "params": params });
    vec![
        file("scopes/global/adapters.yml", json!({ "adapters": [block] }).to_string()),
        file("scopes/global/subjects/global/rules.yml", "rules: []".to_owned()),
    ]
}

#[test]
fn a_block_that_changes_is_another_handler_and_no_other_is() {
    for_each(async |world| {
        if adapters::infos().iter().all(|info| info.name != world.name()) {
            // The example, of which the server knows nothing.
            return;
        }
        let before = world.traces();
        let runtime = Runtime::within(world.surroundings.clone());
        let load = |params: Json| {
            runtime.load(Ok(files(world, &params))).unwrap_or_else(|error| panic!("{error}"));
            runtime.active().unwrap().handler(0)
        };
        let first = load(world.params());
        assert_eq!(load(world.params()), first, "its block did not change");
        let (usual, other) = (world.params(), world.other_params());
        let is_other = usual != other;
        assert_eq!(load(other.clone()) != first, is_other);
        // What is refused changes nothing.
        let refused = runtime.load(Ok(files(world, &json!({ "nonsense": 1 }))));
        assert!(refused.is_err());
        let begun = Instant::now();
        runtime.flush().await;
        assert!(begun.elapsed() <= limits::FLUSH * 2, "{:?}", begun.elapsed());
        drop(runtime);
        world.until_idle(&before).await;
    });
}

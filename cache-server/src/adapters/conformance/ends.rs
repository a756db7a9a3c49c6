//! The end of a handler: what it holds is written within a bound, and what it began ends with it.

use policy::AspectKind;
use tokio::time::Instant;

use super::calls::call;
use super::for_each;
use super::world::BLOCK;
use crate::adapters::Handler;
use crate::limits;

/// Lets a handler do all that it can do.
async fn use_all(handler: &dyn Handler) {
    for kind in AspectKind::ALL {
        // Whatever it answers.
        let _ = call(handler, kind).await;
    }
}

#[test]
fn a_flush_ends_though_the_backend_hangs() {
    for_each(async |world| {
        for params in [world.params(), world.params_without_backend()] {
            let handler = world.start(BLOCK, params);
            use_all(&*handler).await;
            let begun = Instant::now();
            handler.flush().await;
            let took = begun.elapsed();
            assert!(took < limits::FLUSH, "{took:?}");
        }
    });
}

/// Told twice that it is in force, it begins nothing twice; when it is gone, nothing of what it began is there.
#[test]
fn what_a_handler_began_ends_with_it() {
    for_each(async |world| {
        let before = world.traces();
        for params in [world.params(), world.other_params(), world.params_without_backend()] {
            let handler = world.start(BLOCK, params);
            let begun = world.traces();
            handler.in_force();
            assert_eq!(world.traces(), begun, "it began something twice");
            use_all(&*handler).await;
            handler.flush().await;
            drop(handler);
            world.until_idle(&before).await;
        }
    });
}

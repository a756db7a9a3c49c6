//! Configurations in force whose handlers are a test's own.

use std::path::PathBuf;
use std::sync::Arc;

use policy::{HandlerConfig, SourceFile};

use super::demand::Demands;
use super::slot::Endings;
use super::{Active, Prepared, Runtime, Slot};
use crate::adapters::{self, Handler, Surroundings};

/// A configuration of documents, with a handler for each of its blocks.
pub(crate) fn active(
    documents: &[(&str, String)],
    handler: impl Fn(&HandlerConfig) -> Arc<dyn Handler>,
) -> Active {
    let files: Vec<_> = documents
        .iter()
        .map(|(path, text)| SourceFile { path: (*path).to_owned(), text: text.clone() })
        .collect();
    let loaded = policy::load(&files, &adapters::infos(), &policy::Options::default());
    let snapshot = loaded.snapshot.unwrap_or_else(|| panic!("{:?}", loaded.diagnostics));
    let slot = |config: &HandlerConfig| Slot::new(config.clone(), handler(config), &Endings::default());
    let handlers = snapshot.handlers().iter().map(slot).collect();
    let demands = Demands::after(None, snapshot.revision(), snapshot.demand());
    Active { snapshot, demands, handlers }
}

impl Active {
    /// What tells the handler of a block from all others that there are.
    pub(crate) fn handler(&self, position: usize) -> *const () {
        Arc::as_ptr(&self.handlers[position].handler).cast()
    }
}

impl Runtime {
    /// A runtime whose handlers have these surroundings.
    pub(crate) fn within(surroundings: Surroundings) -> Self {
        let runtime = Self::new(PathBuf::new(), policy::Options::default(), Arc::default());
        Self { surroundings, ..runtime }
    }

    /// Puts a configuration in force that was not loaded.
    pub(crate) fn force(&self, active: Active) {
        self.put_in_force(Prepared { active, warnings: Vec::new(), files: 0 });
    }
}

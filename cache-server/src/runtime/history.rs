//! How the configuration came to be what it is: for whoever changed something and wants to know what became of it.

use attributes::Timestamp;
use policy::Diagnostic;

/// The last change that came into force, and the last that was refused.
#[derive(Debug, Clone, Default)]
pub struct History {
    /// What came into force last.
    pub loaded: Option<LoadedConfig>,
    /// What was refused last.
    pub refused: Option<Refusal>,
}

/// A configuration that came into force.
#[derive(Debug, Clone)]
pub struct LoadedConfig {
    /// When.
    pub at: Timestamp,
    /// How many files it has.
    pub files: usize,
    /// What it is warned of.
    pub warnings: Vec<Diagnostic>,
}

/// A configuration that was refused.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// When.
    pub at: Timestamp,
    /// Why, in one line.
    pub reason: String,
    /// Everything that was found, if it could be read.
    pub diagnostics: Vec<Diagnostic>,
    /// Whether nothing came into force since then.
    pub stands: bool,
}

impl History {
    /// A configuration came into force.
    pub(super) fn load(&mut self, loaded: LoadedConfig) {
        self.loaded = Some(loaded);
        if let Some(refused) = &mut self.refused {
            refused.stands = false;
        }
    }

    /// A configuration was refused.
    pub(super) fn refuse(&mut self, at: Timestamp, reason: String, diagnostics: Vec<Diagnostic>) {
        self.refused = Some(Refusal { at, reason, diagnostics, stands: true });
    }
}

//! The programs of an aspect that reads the same more than once: metrics mostly have labels in common, and a log's
//! template says what its labels say.
//!
//! Programs of one text, compiled against one manifest, are one, and for each request each is evaluated once.

use attributes::ValueRef;
use checkcache::Recorder;
use expr::{Operand, Program};

use super::{AspectError, operand};

/// Programs, each text once, which are known by their places.
#[derive(Debug, Default)]
pub(crate) struct Programs(Vec<Program>);

/// What programs came to for one request, by their places. Each is evaluated when it is read first.
#[derive(Debug)]
pub(super) struct Results<'e> {
    programs: &'e [Program],
    known: Vec<Option<Operand<'e>>>,
}

// === impl Programs ===

impl Programs {
    /// The place of a program, which is one of its text that is there already.
    pub(crate) fn place_of(&mut self, program: Program) -> usize {
        let Self(programs) = self;
        let known = programs.iter().position(|known| known.text() == program.text());
        known.unwrap_or_else(|| {
            programs.push(program);
            programs.len() - 1
        })
    }

    pub(super) fn as_slice(&self) -> &[Program] {
        &self.0
    }
}

// === impl Results ===

impl<'e> Results<'e> {
    pub(super) fn new(Programs(programs): &'e Programs) -> Self {
        Self { programs, known: vec![None; programs.len()] }
    }

    /// What a program came to.
    pub(super) fn known(&self, place: usize) -> Option<&Operand<'e>> {
        self.known[place].as_ref()
    }

    /// The same, borrowed.
    pub(super) fn seen(&self, place: usize) -> Option<ValueRef<'_>> {
        self.known(place).map(Operand::as_ref)
    }

    /// What a program comes to, or an error that says what it was for.
    pub(super) fn get<'r: 'e>(
        &mut self,
        place: usize,
        what: impl FnOnce() -> String,
        recorder: &mut Recorder<'r>,
    ) -> Result<&Operand<'e>, AspectError> {
        let result = match self.known[place].take() {
            Some(result) => result,
            None => operand(&self.programs[place], what, recorder)?,
        };
        Ok(self.known[place].insert(result))
    }
}

//! Host calls that fail on demand.

/// What a host call can end with, other than success.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs, reason = "these are the names of the ABI")]
pub(crate) enum Status {
    NotFound = 1,
    BadArgument = 2,
    SerializationFailure = 3,
    ParseFailure = 4,
    BadExpression = 5,
    InvalidMemoryAccess = 6,
    Empty = 7,
    CasMismatch = 8,
    ResultMismatch = 9,
    InternalFailure = 10,
    BrokenConnection = 11,
    Unimplemented = 12,
}

impl Status {
    /// Every one.
    pub(crate) const ALL: [Self; 12] = [
        Self::NotFound,
        Self::BadArgument,
        Self::SerializationFailure,
        Self::ParseFailure,
        Self::BadExpression,
        Self::InvalidMemoryAccess,
        Self::Empty,
        Self::CasMismatch,
        Self::ResultMismatch,
        Self::InternalFailure,
        Self::BrokenConnection,
        Self::Unimplemented,
    ];
}

/// Which calls of an import fail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum When {
    /// All of them.
    Always,
    /// One of them; the first is number 1.
    Nth(usize),
}

/// An import that fails: it does nothing and says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The import's name.
    pub(crate) import: &'static str,
    /// What it says.
    pub(crate) status: Status,
    /// When it does so.
    pub(crate) when: When,
}

impl Fault {
    /// The status of call number `number` of `import`, if this fault is about it.
    pub(super) fn hits(&self, import: &str, number: usize) -> Option<Status> {
        let is_due = match self.when {
            When::Always => true,
            When::Nth(nth) => nth == number,
        };
        (self.import == import && is_due).then_some(self.status)
    }
}

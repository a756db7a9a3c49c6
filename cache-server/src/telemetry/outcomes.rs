//! How things end that are counted: the values of labels.

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckResult {
    /// The operation may go ahead.
    Ok,
    /// It may not.
    Denied,
    /// It may not, because something failed.
    Error,
}

/// What L2 did about a check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CacheUse {
    /// It answered.
    Hit,
    /// It had no answer.
    Miss,
    /// It is off.
    Off,
}

/// How a call of an adapter ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallResult {
    /// It answered.
    Ok,
    /// It answered with an error.
    Error,
    /// It took too long.
    Timeout,
    /// It panicked.
    Panic,
    /// It was not begun: as many as there may be were under way.
    Overloaded,
}

/// What came of asking for a list again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListRefresh {
    /// It is another one, or the first.
    Changed,
    /// It is the same.
    Unchanged,
    /// It could not be had, or is none.
    Failed,
}

// === impl CheckResult ===

impl CheckResult {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Denied => "denied",
            Self::Error => "error",
        }
    }
}

// === impl CacheUse ===

impl CacheUse {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Hit => "hit",
            Self::Miss => "miss",
            Self::Off => "off",
        }
    }
}

// === impl CallResult ===

impl CallResult {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Error => "error",
            Self::Timeout => "timeout",
            Self::Panic => "panic",
            Self::Overloaded => "overloaded",
        }
    }
}

// === impl ListRefresh ===

impl ListRefresh {
    pub(super) fn as_str(self) -> &'static str {
        match self {
            Self::Changed => "changed",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
        }
    }
}

//! quota: amounts that are counted against limits, in memory.
//!
//! At the end of a quota's way through the server: the adapter that counts by itself is this crate with locks and a
//! clock around it, and the one that counts in Redis falls back on it. No clock, no I/O, no randomness: the time comes
//! in as a [`Tick`], and whoever shares a [`Ledger`] between threads brings the lock.
//!
//! A ledger has a *cell* for each [`Key`] that something is counted for, and remembers the answers to requests that
//! name themselves by an id.
//!
//! Invariants:
//! - No more than a limit allows is ever granted; what exactly that is, each [`Algorithm`] says. Where there is no room
//!   to count, nothing is granted.
//! - A cell is thrown away only when it holds nothing, so that none at all would answer the same.
//! - A clock that goes backwards stands still until it has caught up: it frees nothing twice and nothing early.

mod cell;
mod deduplication;
mod key;
mod ledger;
mod limit;
pub mod limits;
mod tick;

pub use cell::Algorithm;
pub use key::Key;
pub use ledger::{Course, Ledger, Request, Settings, Settled};
pub use limit::Limit;
pub use tick::Tick;

#[cfg(test)]
mod conformance;
#[cfg(test)]
mod promises;

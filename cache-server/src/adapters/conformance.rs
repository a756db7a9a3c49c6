//! What every adapter does and leaves alone, whatever it is for.
//!
//! One suite over [`ALL`](super::ALL): an adapter that is listed there and not in [`subjects`](subjects) fails it, and so
//! does one whose parameters are there and whose behaviour is not as the contract says. The contract, for people, is
//! `docs/adapters/README.md`; what an adapter is for, its own tests show.
//!
//! Each adapter is run alone, on a thread and a clock of its own (see [`world`]): what it begins can be counted, and a
//! wait costs no time. Its backend, if it has one, hangs or is away; nothing here is served by anybody.

mod calls;
mod ends;
mod example;
mod parameters;
mod reload;
mod subjects;
mod world;

use self::subjects::{Backend, Subject, subjects};
use self::world::{World, for_each};

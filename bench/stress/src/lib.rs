//! Mixed load for hours, with every byte checked and nothing allowed to grow.
//!
//! Reading order:
//!
//! * [`Plan`], [`run`], [`Report`]: what to do, and what came of it.
//! * `blocks`: reads and writes with known generations, through the page cache and around it.
//! * `abandon`: futures dropped at random moments.
//! * `objects`: files that come and go. `journal`: a write-ahead log that is closed and recovered again and again.
//! * `faults`: the same operations on a simulated device that fails, stalls, tears and runs full.
//! * `growth`: memory, descriptors and threads of the process over time.
//!
//! What holds: a role that finds a wrong byte, a lost record or an error that nobody injected ends the run and is named
//! in the report; every queue, file and model is bounded by the plan; nothing outlives [`run`]. It never prints.
#![forbid(unsafe_code)]

mod abandon;
mod blocks;
mod faults;
mod growth;
mod journal;
mod objects;
mod random;
mod report;
mod scene;

pub use growth::{Growth, Usage};
pub use report::{Report, RoleReport};
pub use scene::{Plan, StressError, run};

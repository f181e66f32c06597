//! What accesses look like: observations in, decisions out.
//!
//! Pure: no clock, no I/O, no task, no unsafe code. Whoever uses it brings the time, and carries out what it says.
//!
//! Modules, in reading order:
//!
//! * `access`: one request.
//! * `recogniser`: assigns requests to streams and names their pattern; `index` finds a stream by what would continue it.
//! * `spots`, `arrival`: where random requests gather, and when requests come. `calibration`: how sure that is.
//! * `prefetch`: what to read ahead, and when. `trace`, `simulate`: what that is worth on recorded requests.
//!
//! What holds: recogniser and predictors allocate at the start and stay that size; no input panics. The simulation is for offline use.
//!
//! ```
//! use rustfs_rio_tune::{Access, AccessKind, Direction, Pattern, Recogniser};
//!
//! let mut recogniser = Recogniser::new(256, 16);
//! let read = |n: u64| Access { at_ns: n * 1000, space: 1, offset: n << 16, len: 1 << 16, kind: AccessKind::Read };
//! let last = (0..64).map(|n| recogniser.observe(&read(n))).last();
//! let forward = Pattern::Sequential { stride: 0, direction: Direction::Forward };
//! assert_eq!(last.map(|verdict| verdict.pattern), Some(forward));
//! ```
#![forbid(unsafe_code)]

mod access;
mod arrival;
mod calibration;
mod index;
mod prefetch;
mod recogniser;
mod simulate;
mod spots;
mod trace;

pub use access::{Access, AccessKind};
pub use arrival::Arrival;
pub use prefetch::{Predictor, PrefetchConfig, Range, StreamPredictor};
pub use recogniser::{Direction, Pattern, Recogniser, StreamId, Verdict};
pub use simulate::{Counts, simulate};
pub use trace::{TraceError, TraceFormat, requests};

//! What accesses look like: observations in, decisions out.
//!
//! Pure: no clock, no I/O, no task, no unsafe code. Whoever uses it brings the time, and carries out what it says.
//!
//! Modules, in reading order:
//!
//! * `access`: one request.
//! * `recogniser`: assigns requests to streams and names their pattern; `index` finds a stream by what would continue it.
//! * `spots`, `arrival`: where random requests gather, and when requests come. `calibration`: how sure that is.
//! * `predict`: what to read ahead, and when. `trace`, `simulate`: what that is worth on recorded requests.
//! * `parameter`, `parameters`: what is tuned, and its bounds. `snapshot`: what one decision period looked like, and what is
//!   wanted. `decision`, `decision_log`: what was decided, why, and what came of it.
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
mod decision;
mod decision_log;
mod index;
mod parameter;
mod parameters;
mod predict;
mod recogniser;
mod simulate;
mod snapshot;
mod spots;
mod trace;

pub use access::{Access, AccessKind};
pub use arrival::Arrival;
pub use decision::{
    Decision, DecisionId, DecisionState, Evidence, Expected, Figure, Measured, Outcome, Reason, ReverseIf,
};
pub use decision_log::DecisionLog;
pub use parameter::{BOUNDS, Bounds, Group, Parameter, Shown, Unit, UnknownParameter};
pub use parameters::{Codec, Parameters};
pub use predict::Predictor;
pub use predict::plan::{
    CLASSES, Feedback, PROPOSALS_MAX, Plan, Prefetch, PrefetchBounds, PrefetchOutcome, Pressure, Proposal,
    Proposals, Range, Ticket,
};
pub use predict::prefetcher::{PREDICTORS_MAX, Prefetcher, SourceStats};
pub use predict::registry::{PredictorSizes, Registration, built_in, registry};
pub use predict::stream::StreamPredictor;
pub use recogniser::{Direction, Pattern, Recogniser, StreamId, Verdict};
pub use simulate::{BLOCK_BYTES, Counts, DeviceModel, Pace, Policy, Simulation, SimulationConfig, simulate};
pub use snapshot::{Snapshot, Targets, WorkloadSignature};
pub use trace::{LineReader, TraceError, TraceFormat, recorded, requests};

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
//! * `control`: the loop that tunes, the methods it can use, what it remembers, and their comparison.
//! * `codec`: which codec an object is compressed with. `forecast`: how much load is to be expected.
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
mod codec;
mod control;
mod decision;
mod decision_log;
mod forecast;
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
pub use codec::{
    CodecChoice, CodecChooser, CodecChooserConfig, CodecChooserError, CodecCost, CodecObjective, CodecRecord,
    Compressibility, OBJECT_CLASSES, ObjectView,
};
pub use control::config::{AdaptationSpeed, ControlError, ControllerConfig, OptimizationLevel, Weights};
pub use control::contest::{Rank, Scenario, Standing, compare_tuners, rank};
pub use control::controller::{Controller, RequestError};
pub use control::learnt::{LearntState, LearntStateError};
pub use control::memory::{Memory, Remembered};
pub use control::space::{Point, Space};
pub use control::surface::{Surface, SurfaceError};
pub use control::tuner::bandit::Bandit;
pub use control::tuner::climb::Climb;
pub use control::tuner::evolve::Evolution;
pub use control::tuner::gaussian::Gaussian;
pub use control::tuner::{Estimate, Situation, Suggestion, TUNERS, Tuner, TunerFactory};
pub use decision::{
    Decision, DecisionId, DecisionState, Evidence, Expected, Figure, Measured, Outcome, Reason, ReverseIf,
};
pub use decision_log::DecisionLog;
pub use forecast::{Forecast, LoadForecast, Preparation};
pub use parameter::{BOUNDS, Bounds, Group, Parameter, Shown, Unit, UnknownParameter};
pub use parameters::{Codec, Parameters};
pub use predict::Predictor;
pub use predict::history::HistoryPredictor;
pub use predict::plan::{
    CLASSES, Feedback, PROPOSALS_MAX, Plan, Prefetch, PrefetchBounds, PrefetchOutcome, Pressure, Proposal,
    Proposals, Range, Ticket,
};
pub use predict::prefetcher::{PREDICTORS_MAX, Prefetcher, SourceStats};
pub use predict::registry::{PredictorSizes, Registration, built_in, registry};
pub use predict::stream::StreamPredictor;
pub use predict::stride::StridePredictor;
pub use predict::temporal::TemporalPredictor;
pub use recogniser::{Direction, Pattern, Recogniser, StreamId, Verdict};
pub use simulate::{BLOCK_BYTES, Counts, DeviceModel, Pace, Policy, Simulation, SimulationConfig, simulate};
pub use snapshot::{Snapshot, Targets, WorkloadSignature};
pub use trace::{LineReader, TraceError, TraceFormat, recorded, requests};

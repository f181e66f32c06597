//! [`PredictiveOptimizer`]: patterns of access, tuned parameters, and what is recommended.
//!
//! `types`: the structures of the existing API. `patterns`: what accesses by name look like. `period`: measurements of a decision period.
//! `state`: the file of what was learnt. The logic is that of `rustfs_rio_tune`; this is its shell.

mod patterns;
mod period;
mod state;
mod types;

pub use state::{StateError, load_learnt_state, save_learnt_state};
pub use types::{
    AccessDirection, AccessPattern, AccessPatternType, OptimizationParameters, OptimizationRecommendation,
    OptimizationType,
};

use crate::config::{AdvancedRioConfig, PredictiveOptimizerConfig};
use crate::live::LiveParameters;
use parking_lot::Mutex;
use patterns::Patterns;
use period::Period;
use rustfs_rio_tune::{
    ControlError, Controller, ControllerConfig, Decision, DecisionState, Group, LearntState, Parameter,
    Parameters, RequestError, Snapshot, Targets,
};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Puts a value of a parameter in force and returns the one that is in force then; `None` if it could not.
pub type Apply = dyn Fn(Parameter, f64) -> Option<f64> + Send + Sync;

/// Why an optimizer could not be made, or a recommendation not be applied.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum OptimizerError {
    /// Settings that make no sense.
    #[error(transparent)]
    Settings(#[from] ControlError),
    /// The parameters cannot be changed now.
    #[error(transparent)]
    Request(#[from] RequestError),
    /// A codec that does not exist.
    #[error("no codec is called '{name}'; there are none, lz4, s2, snappy, zstd, deflate, gzip and brotli")]
    Codec {
        /// What was given.
        name: String,
    },
    /// A pinned parameter that does not exist.
    #[error(transparent)]
    Parameter(#[from] rustfs_rio_tune::UnknownParameter),
    /// The engine did not take the value.
    #[error("{parameter} was not changed: the engine refused the value")]
    Refused {
        /// Which.
        parameter: Parameter,
    },
}

/// Recognises how data is accessed, and tunes or recommends. Clones are the same optimizer.
///
/// Used alone, it changes nothing by itself: it measures by [`record_performance`](Self::record_performance), recommends, and judges what
/// [`apply_optimization`](Self::apply_optimization) changed: a change that made things worse is taken back. Inside an
/// [`EnhancedRioRuntime`](crate::EnhancedRioRuntime) the runtime feeds it with the engine's own measurements and its decisions reach the engine.
///
/// It has no task: work is done in the calls, at most a millisecond once a decision period. Memory: 64 names of operations, 256 streams, 4096 latencies
/// of a period, and the bounds of its controller.
#[derive(Clone)]
pub struct PredictiveOptimizer {
    inner: Arc<Inner>,
}

struct Inner {
    config: PredictiveOptimizerConfig,
    origin: Instant,
    /// Whether somebody else calls [`PredictiveOptimizer::turn`].
    driven: bool,
    apply: Box<Apply>,
    state: Mutex<State>,
}

struct State {
    controller: Controller,
    patterns: Patterns,
    period: Period,
}

impl PredictiveOptimizer {
    /// An optimizer used alone. Settings that make no sense count as not said; [`try_new`](Self::try_new) reports them.
    #[must_use]
    pub fn new(config: PredictiveOptimizerConfig) -> Self {
        Self::try_new(config).unwrap_or_else(|_| {
            let config = PredictiveOptimizerConfig::default();
            let controller =
                Controller::new(ControllerConfig { auto_tune: false, ..ControllerConfig::default() });
            // The defaults make sense; a unit test says so.
            #[allow(clippy::expect_used, reason = "a unit test covers it")]
            let controller = controller.expect("the default settings make sense");
            Self::from_parts(config, controller, false, Box::new(|_, value| Some(value)))
        })
    }

    /// An optimizer used alone.
    ///
    /// # Errors
    ///
    /// [`OptimizerError::Settings`] for a learning rate outside (0, 1]; [`OptimizerError::Parameter`] for a pinned name that is no parameter's.
    pub fn try_new(config: PredictiveOptimizerConfig) -> Result<Self, OptimizerError> {
        let controller = ControllerConfig {
            auto_tune: false,
            groups: groups(&config, true),
            frozen: frozen(&config)?,
            learning_rate: config.learning_rate,
            operations_min: config.min_samples_for_prediction as u64,
            ..ControllerConfig::default()
        };
        let controller = Controller::new(controller)?;
        Ok(Self::from_parts(config, controller, false, Box::new(|_, value| Some(value))))
    }

    /// An optimizer for a runtime, which calls [`turn`](Self::turn) once a decision period. It starts with the parameters that are in force, and changes
    /// them through `apply`.
    ///
    /// # Errors
    ///
    /// As [`try_new`](Self::try_new).
    pub fn for_runtime(
        config: &AdvancedRioConfig,
        start: &Parameters,
        apply: Box<Apply>,
    ) -> Result<Self, OptimizerError> {
        let mut predictive = config.predictive_config.clone();
        predictive.enable_predictive_prefetching &= config.enable_predictive_prefetching;
        predictive.enable_adaptive_batching &= config.enable_adaptive_batching;
        let latency = config.target_latency_us.filter(|us| *us > 0.0 && *us < 1e12);
        let controller = ControllerConfig {
            start: *start,
            targets: Targets {
                latency: latency.map(|us| Duration::from_secs_f64(us / 1e6)),
                throughput_bps: config.target_throughput_bps,
                iops: config.target_iops,
                ..Targets::default()
            },
            auto_tune: config.enable_auto_tuning,
            groups: groups(&predictive, config.enable_buffer_pools),
            frozen: frozen(&predictive)?,
            aggressiveness: config.optimization_aggressiveness.into(),
            speed: config.adaptation_speed.into(),
            learning_rate: config.learning_rate,
            ..ControllerConfig::default()
        };
        let controller = Controller::new(controller)?;
        Ok(Self::from_parts(predictive, controller, true, apply))
    }

    fn from_parts(
        config: PredictiveOptimizerConfig,
        controller: Controller,
        driven: bool,
        apply: Box<Apply>,
    ) -> Self {
        let state = State { controller, patterns: Patterns::new(), period: Period::default() };
        Self {
            inner: Arc::new(Inner {
                config,
                origin: Instant::now(),
                driven,
                apply,
                state: Mutex::new(state),
            }),
        }
    }

    /// Takes an access of `size` bytes at `offset` by operations of this name. A name that contains `write` writes.
    pub async fn record_access(&self, operation_type: &str, offset: u64, size: usize) {
        let now = self.now();
        let mut state = self.inner.state.lock();
        state.patterns.observe(operation_type, offset, size, now);
        self.turn_if_due(&mut state, now);
    }

    /// Takes a measurement: a latency in microseconds, and bytes a second. Numbers that are not finite or negative are left out.
    pub async fn record_performance(&self, operation_type: &str, latency_us: f64, throughput_bps: f64) {
        let now = self.now();
        let mut state = self.inner.state.lock();
        state.period.observe(operation_type, latency_us, throughput_bps);
        self.turn_if_due(&mut state, now);
    }

    /// The parameters in force.
    pub async fn get_current_parameters(&self) -> OptimizationParameters {
        self.parameters().into()
    }

    /// What accesses look like, by the name of their operation; at most 64. A pattern seen less often than
    /// [`min_samples_for_prediction`](PredictiveOptimizerConfig::min_samples_for_prediction) has a lower confidence by that share.
    pub async fn get_access_patterns(&self) -> HashMap<String, AccessPattern> {
        self.inner.state.lock().patterns.all(self.inner.config.min_samples_for_prediction)
    }

    /// What would help and is not done by itself, most urgent first.
    pub async fn get_recommendations(&self) -> Vec<OptimizationRecommendation> {
        let now = self.now();
        let mut state = self.inner.state.lock();
        self.turn_if_due(&mut state, now);
        let config = &self.inner.config;
        let found = state.patterns.all(config.min_samples_for_prediction);
        let found: Vec<&AccessPattern> =
            found.values().filter(|pattern| pattern.confidence >= config.confidence_threshold).collect();
        let current = *state.controller.parameters();
        let prefetch = config.enable_predictive_prefetching;
        types::recommendations(state.controller.recommendations(), &found, &current, prefetch)
    }

    /// Puts a recommendation in force, within the bounds, and measures it from the next period on: a change that makes things worse is taken back.
    /// [`decisions`](Self::decisions) says what came of it.
    ///
    /// # Errors
    ///
    /// [`OptimizerError::Codec`] for an unknown codec; [`OptimizerError::Request`] for a pinned parameter; [`OptimizerError::Refused`] if the engine does not take a
    /// value.
    pub async fn apply_optimization(
        &self,
        recommendation: OptimizationRecommendation,
    ) -> Result<(), OptimizerError> {
        let changes = recommendation.optimization_type.changes()?;
        let now = self.now();
        let mut state = self.inner.state.lock();
        let decisions = state.controller.request(now, &changes)?;
        match self.carry_out(&mut state.controller, &decisions) {
            Some(parameter) => Err(OptimizerError::Refused { parameter }),
            None => Ok(()),
        }
    }

    /// Takes the measurements of a decision period and puts what is decided in force. For whoever drives the optimizer; `now` is
    /// a time on any steady clock. Returns the decisions, those in force and those only recommended.
    pub fn turn(&self, now: Duration, snapshot: &Snapshot) -> Vec<Decision> {
        let mut state = self.inner.state.lock();
        self.turn_locked(&mut state, now, snapshot)
    }

    fn turn_locked(&self, state: &mut State, now: Duration, snapshot: &Snapshot) -> Vec<Decision> {
        let seen = state.patterns.end_period();
        let mut snapshot = *snapshot;
        if snapshot.sequential_share == 0.0 {
            snapshot.sequential_share = seen;
        }
        let decisions = state.controller.decide(now, &snapshot);
        self.carry_out(&mut state.controller, &decisions);
        // As they stand now: applied, refused or recommended.
        let log = state.controller.log();
        decisions.into_iter().map(|decision| log.get(decision.id).cloned().unwrap_or(decision)).collect()
    }

    /// Ends the period, where nobody else does.
    fn turn_if_due(&self, state: &mut State, now: Duration) {
        let interval = self.inner.config.optimization_update_interval;
        if !self.inner.driven
            && let Some(snapshot) = state.period.end(now, interval)
        {
            self.turn_locked(state, now, &snapshot);
        }
    }

    /// Applies what is proposed; returns the first parameter that was refused.
    fn carry_out(&self, controller: &mut Controller, decisions: &[Decision]) -> Option<Parameter> {
        let mut refused = None;
        for decision in decisions.iter().filter(|decision| decision.state == DecisionState::Proposed) {
            match (self.inner.apply)(decision.parameter, decision.to) {
                Some(applied) => controller.confirm(decision.id, applied),
                None => {
                    refused = refused.or(Some(decision.parameter));
                    controller.refuse(decision.id)
                }
            };
            tracing::info!(
                optimization_applied = refused.is_none(),
                parameter = decision.parameter.name(),
                "{decision}"
            );
        }
        refused
    }

    /// The parameters in force.
    #[must_use]
    pub fn parameters(&self) -> Parameters {
        *self.inner.state.lock().controller.parameters()
    }

    /// Changes a parameter as a decision like any other: clamped, applied, measured, and taken back if it makes things worse. To keep a
    /// value whatever comes of it, [`pin`](Self::pin) the parameter afterwards. Returns the value in force, in the parameter's unit.
    ///
    /// # Errors
    ///
    /// [`OptimizerError::Request`] for a pinned parameter; [`OptimizerError::Refused`] if the engine does not take the value.
    pub fn set_parameter(&self, parameter: Parameter, value: f64) -> Result<f64, OptimizerError> {
        let mut state = self.inner.state.lock();
        let decisions = state.controller.request(self.now(), &[(parameter, value)])?;
        match self.carry_out(&mut state.controller, &decisions) {
            Some(parameter) => Err(OptimizerError::Refused { parameter }),
            None => Ok(state.controller.parameters().get(parameter)),
        }
    }

    /// Leaves a parameter as it is from now on.
    pub fn pin(&self, parameter: Parameter) {
        self.inner.state.lock().controller.freeze(parameter);
    }

    /// Tunes a parameter again.
    pub fn unpin(&self, parameter: Parameter) {
        self.inner.state.lock().controller.unfreeze(parameter);
    }

    /// The time since the optimizer was made: the clock of [`turn`](Self::turn) and of what decisions say of their time.
    #[must_use]
    pub fn age(&self) -> Duration {
        self.now()
    }

    /// Takes accesses of files, under one lock; at most 64 names are kept, and the one not seen for longest goes first.
    pub(crate) fn observe_files<'a>(&self, accesses: impl Iterator<Item = (&'a str, u64, usize, Duration)>) {
        let mut state = self.inner.state.lock();
        for (name, offset, size, at) in accesses {
            state.patterns.observe(name, offset, size, at);
        }
    }

    /// As [`get_access_patterns`](Self::get_access_patterns), without `await`.
    #[must_use]
    pub fn access_patterns(&self) -> HashMap<String, AccessPattern> {
        self.inner.state.lock().patterns.all(self.inner.config.min_samples_for_prediction)
    }

    /// The latest decisions, oldest first, at most 512: why each was taken, what was expected and what was measured.
    #[must_use]
    pub fn decisions(&self) -> Vec<Decision> {
        self.inner.state.lock().controller.log().iter().cloned().collect()
    }

    /// What was learnt, for a file.
    #[must_use]
    pub fn learnt(&self) -> LearntState {
        self.inner.state.lock().controller.learnt()
    }

    /// Starts warm.
    pub fn restore(&self, learnt: &LearntState) {
        self.inner.state.lock().controller.restore(learnt);
    }

    fn now(&self) -> Duration {
        self.inner.origin.elapsed()
    }
}

impl std::fmt::Debug for PredictiveOptimizer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("PredictiveOptimizer")
            .field("driven", &self.inner.driven)
            .field("parameters", &self.parameters())
            .finish_non_exhaustive()
    }
}

fn groups(config: &PredictiveOptimizerConfig, pools: bool) -> Vec<Group> {
    let switches = [
        (Group::Prefetching, config.enable_predictive_prefetching),
        (Group::Batching, config.enable_adaptive_batching),
        (Group::CodecSelection, config.enable_dynamic_algorithm_selection),
        (Group::Pools, pools),
        (Group::Concurrency, true),
    ];
    switches.into_iter().filter(|(_, on)| *on).map(|(group, _)| group).collect()
}

fn frozen(config: &PredictiveOptimizerConfig) -> Result<Vec<Parameter>, rustfs_rio_tune::UnknownParameter> {
    config.pinned.iter().map(|name| name.trim().parse()).collect()
}

impl From<crate::OptimizationLevel> for rustfs_rio_tune::OptimizationLevel {
    fn from(level: crate::OptimizationLevel) -> Self {
        match level {
            crate::OptimizationLevel::Low => Self::Low,
            crate::OptimizationLevel::Medium => Self::Medium,
            crate::OptimizationLevel::High => Self::High,
        }
    }
}

impl From<crate::AdaptationSpeed> for rustfs_rio_tune::AdaptationSpeed {
    fn from(speed: crate::AdaptationSpeed) -> Self {
        match speed {
            crate::AdaptationSpeed::Slow => Self::Slow,
            crate::AdaptationSpeed::Medium => Self::Medium,
            crate::AdaptationSpeed::Fast => Self::Fast,
        }
    }
}

impl LiveParameters {
    /// All values, within the bounds of the contract.
    #[must_use]
    pub fn parameters(&self) -> Parameters {
        let mut values = Parameters::default();
        let (codec, level) = self.compression();
        for (parameter, value) in [
            (Parameter::PrefetchDistance, self.prefetch_distance() as f64),
            (Parameter::PrefetchSize, self.prefetch_size() as f64),
            (Parameter::BatchSize, self.batch_size() as f64),
            (Parameter::BatchTimeout, self.batch_timeout_us() as f64 / 1e3),
            (Parameter::Compression, f64::from(codec)),
            (Parameter::CompressionLevel, f64::from(level)),
            (Parameter::BufferPoolSize, self.buffer_pool_size() as f64),
            (Parameter::BufferSize, self.buffer_size() as f64),
            (Parameter::MaxConcurrentOps, self.max_concurrent_ops() as f64),
            (Parameter::QueueDepth, self.queue_depth() as f64),
        ] {
            values.set(parameter, value);
        }
        values
    }
}

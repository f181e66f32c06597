//! The optimizer of a runtime: what feeds it, what carries out its decisions, and the task that does both.
//!
//! Parts, in the order in which a number travels:
//!
//! * `observe`: what one decision period looked like, from recorder, engine, cache, ring of accesses and system.
//! * [`PredictiveOptimizer`](crate::PredictiveOptimizer): decides and judges.
//! * `apply`: brings a value to the part that uses it, and says what is in force.
//! * `control_loop`: the task that does all this each period, and keeps what was learnt.

mod apply;
mod control_loop;
mod observe;

use crate::buffers::AdvancedBufferPool;
use crate::config::AdvancedRioConfig;
use crate::enhanced::RioRecommendation;
use crate::error::RuntimeError;
use crate::optimizer::{OptimizationRecommendation, PredictiveOptimizer};
use crate::owned_task::OwnedTask;
use crate::runtime::RuntimeHandle;
use apply::Applier;
use rustfs_rio_monitor::Recorder;
use rustfs_rio_tune::Parameter;
use std::sync::Arc;
use tokio::time::Instant;

/// The optimizer of a runtime with its task, or nothing.
pub(crate) struct Tuning {
    optimizer: Option<Tuned>,
}

struct Tuned {
    optimizer: PredictiveOptimizer,
    task: OwnedTask,
    learns: bool,
}

impl Tuning {
    /// What the engine has to count into for the optimizer, where no monitor wants it anyway.
    pub(crate) fn recorder(config: &AdvancedRioConfig) -> Option<Arc<Recorder>> {
        config.enable_ml_optimizations.then(|| Arc::new(Recorder::new()))
    }

    pub(crate) fn start(
        config: &AdvancedRioConfig,
        base: &RuntimeHandle,
        pool: Option<&AdvancedBufferPool>,
    ) -> Result<Self, RuntimeError> {
        if !config.enable_ml_optimizations {
            return Ok(Self { optimizer: None });
        }
        let applier = Applier::new(base.clone(), pool.cloned());
        let mut wanted = config.clone();
        wanted.predictive_config.pinned.extend(set_on_purpose(config));
        let start = applier.in_force();
        let apply = Box::new(move |parameter, value| Some(applier.apply(parameter, value)));
        let optimizer = PredictiveOptimizer::for_runtime(&wanted, &start, apply)
            .map_err(|error| RuntimeError::InitializationFailed(format!("optimizer: {error}")))?;
        let task = control_loop::start(optimizer.clone(), base, config)?;
        Ok(Self { optimizer: Some(Tuned { optimizer, task, learns: config.enable_pattern_learning }) })
    }

    pub(crate) fn optimizer(&self) -> Option<&PredictiveOptimizer> {
        self.optimizer.as_ref().map(|tuned| &tuned.optimizer)
    }

    pub(crate) async fn record_access(&self, operation: &str, offset: u64, size: usize) {
        if let Some(tuned) = self.optimizer.as_ref().filter(|tuned| tuned.learns) {
            tuned.optimizer.record_access(operation, offset, size).await;
        }
    }

    pub(crate) async fn record_performance(&self, operation: &str, latency_us: f64, throughput_bps: f64) {
        if let Some(optimizer) = self.optimizer() {
            optimizer.record_performance(operation, latency_us, throughput_bps).await;
        }
    }

    pub(crate) async fn recommendations(&self) -> Vec<RioRecommendation> {
        match self.optimizer() {
            Some(optimizer) => {
                optimizer.get_recommendations().await.into_iter().map(RioRecommendation::from).collect()
            }
            None => Vec::new(),
        }
    }

    /// Ends the task; what was learnt is in its file afterwards.
    pub(crate) async fn end(&self, deadline: Instant) -> bool {
        match &self.optimizer {
            Some(tuned) => tuned.task.end(deadline).await,
            None => true,
        }
    }
}

/// Parameters that somebody set: tuning leaves them alone.
fn set_on_purpose(config: &AdvancedRioConfig) -> impl Iterator<Item = String> {
    let (runtime, built_in) = (&config.runtime_config, AdvancedRioConfig::built_in());
    let untouched = &built_in.runtime_config;
    let pool_is_set =
        config.max_buffer_pool_size.is_some() || config.memory_strategy != built_in.memory_strategy;
    let all = [
        (Parameter::MaxConcurrentOps, runtime.max_concurrent_file_ops != untouched.max_concurrent_file_ops),
        (Parameter::QueueDepth, runtime.queue_depth != untouched.queue_depth),
        (Parameter::BufferSize, runtime.buffer_size != untouched.buffer_size || pool_is_set),
        (Parameter::BufferPoolSize, pool_is_set),
    ];
    all.into_iter().filter(|(_, is_set)| *is_set).map(|(parameter, _)| parameter.name().to_owned())
}

impl From<OptimizationRecommendation> for RioRecommendation {
    fn from(found: OptimizationRecommendation) -> Self {
        let expected = match found.expected_improvement {
            gain if gain != 0.0 => format!("{:+.1} % by the measurements so far", gain * 100.0),
            _ => "not measured yet; a trial will tell, and is taken back if it harms".to_owned(),
        };
        Self {
            subject: "tuning".to_owned(),
            action: format!("set {}", found.optimization_type),
            expected,
            priority: found.priority,
            confidence: found.confidence,
        }
    }
}

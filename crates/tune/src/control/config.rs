//! How the loop behaves.

use crate::{Codec, Group, Parameter, Parameters, Targets};
use serde::{Deserialize, Serialize};

/// How far the loop goes in one step.
///
/// | | rungs a step | quiet periods between trials | loss that ends a trial at once |
/// |---|---|---|---|
/// | `Low` | 1 | 4 | 2 % |
/// | `Medium` | 2 | 0 | 3 % |
/// | `High` | 4 | 0 | 4 % |
///
/// A rung is a factor of the square root of two for most parameters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OptimizationLevel {
    /// Small steps, mostly quiet.
    Low,
    /// Steps of up to one doubling.
    #[default]
    Medium,
    /// Steps of up to two doublings.
    High,
}

impl OptimizationLevel {
    pub(crate) const fn step_max(self) -> u8 {
        match self {
            Self::Low => 1,
            Self::Medium => 2,
            Self::High => 4,
        }
    }

    pub(crate) const fn quiet_periods(self) -> u32 {
        match self {
            Self::Low => 4,
            Self::Medium | Self::High => 0,
        }
    }

    pub(crate) const fn guard(self) -> f64 {
        match self {
            Self::Low => 0.02,
            Self::Medium => 0.03,
            Self::High => 0.04,
        }
    }
}

/// How many periods a verdict takes: at most five (`Slow`), three (`Medium`) or two (`Fast`). Fewer periods answer sooner and are
/// wrong more often.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum AdaptationSpeed {
    /// At most five periods.
    Slow,
    /// At most three periods.
    #[default]
    Medium,
    /// At most two periods.
    Fast,
}

impl AdaptationSpeed {
    pub(crate) const fn trial_periods(self) -> u32 {
        match self {
            Self::Slow => 5,
            Self::Medium => 3,
            Self::Fast => 2,
        }
    }
}

/// Settings of a [`Controller`](crate::Controller).
#[derive(Debug, Clone, PartialEq)]
pub struct ControllerConfig {
    /// Where to start, and where to return when nothing is known. Clamped.
    pub start: Parameters,
    /// What is wanted.
    pub targets: Targets,
    /// Weight of each objective.
    pub weights: Weights,
    /// Whether anything may be changed; without it every decision is a recommendation.
    pub auto_tune: bool,
    /// Groups that may be changed; the others only get recommendations.
    pub groups: Vec<Group>,
    /// Parameters that may not be changed whatever their group, and get no recommendations: somebody set them on purpose.
    pub frozen: Vec<Parameter>,
    /// Codecs to choose from, from the cheapest to the strongest.
    pub codecs: Vec<Codec>,
    /// Size and frequency of steps.
    pub aggressiveness: OptimizationLevel,
    /// Periods for a verdict.
    pub speed: AdaptationSpeed,
    /// Least weight of a new period in the running mean of a setting, above 0 and at most 1: the mean reaches back over about
    /// `1 / learning_rate` periods. Default 0.1.
    pub learning_rate: f64,
    /// Operations a period must have to say anything; below, it is idle and nothing is decided. Default 32.
    pub operations_min: u64,
    /// Workloads remembered at most. Default 64.
    pub memory_capacity: usize,
    /// Decisions kept in the log at most. Default [`DecisionLog::CAPACITY`](crate::DecisionLog::CAPACITY).
    pub log_capacity: usize,
    /// Seed of everything that is drawn at random.
    pub seed: u64,
}

impl Default for ControllerConfig {
    fn default() -> Self {
        Self {
            start: Parameters::default(),
            targets: Targets::default(),
            weights: Weights::default(),
            auto_tune: true,
            groups: vec![
                Group::Prefetching,
                Group::Batching,
                Group::CodecSelection,
                Group::Pools,
                Group::Concurrency,
            ],
            frozen: Vec::new(),
            codecs: vec![Codec::None, Codec::Lz4, Codec::S2, Codec::Zstd],
            aggressiveness: OptimizationLevel::default(),
            speed: AdaptationSpeed::default(),
            learning_rate: 0.1,
            operations_min: 32,
            memory_capacity: 64,
            log_capacity: crate::DecisionLog::CAPACITY,
            seed: 0,
        }
    }
}

/// How much each objective counts: the score changes by `weight` per cent for each per cent of its figure. Throughput and latency
/// together make 1, so that a closed loop that gets one per cent faster scores one per cent more.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Weights {
    /// Operations and bytes a second, half each.
    pub throughput: f64,
    /// Median and 99th percentile of the latency, half each.
    pub latency: f64,
    /// CPU for each operation.
    pub cpu: f64,
    /// Memory of the process.
    pub memory: f64,
    /// Ratio of compression, where anything is compressed.
    pub space: f64,
}

impl Default for Weights {
    fn default() -> Self {
        Self { throughput: 0.6, latency: 0.4, cpu: 0.1, memory: 0.05, space: 0.2 }
    }
}

/// What is wrong with the settings of a controller.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum ControlError {
    /// The learning rate is no rate.
    #[error("learning_rate is {value}; it must be above 0 and at most 1 (the default is 0.1)")]
    LearningRate {
        /// What was given.
        value: f64,
    },
    /// A weight is negative or not a number, or all are zero.
    #[error("weight '{name}' is {value}; weights are finite, at least 0, and not all 0")]
    Weight {
        /// Which.
        name: &'static str,
        /// What was given.
        value: f64,
    },
    /// A target that nothing can meet or miss.
    #[error("target '{name}' is {value}; a target is finite and above 0, or left out")]
    Target {
        /// Which.
        name: &'static str,
        /// What was given.
        value: f64,
    },
    /// No codec to choose from.
    #[error("no codec to choose from; name at least one, or leave codec selection out of the groups")]
    NoCodec,
}

impl ControllerConfig {
    /// Says whether the settings make sense.
    ///
    /// # Errors
    ///
    /// [`ControlError`], with the value and what is allowed.
    pub fn check(&self) -> Result<(), ControlError> {
        let rate = self.learning_rate;
        if !(rate > 0.0 && rate <= 1.0) {
            return Err(ControlError::LearningRate { value: rate });
        }
        let Weights { throughput, latency, cpu, memory, space } = self.weights;
        let weights = [
            ("throughput", throughput),
            ("latency", latency),
            ("cpu", cpu),
            ("memory", memory),
            ("space", space),
        ];
        let bad = weights.into_iter().find(|(_, value)| !(value.is_finite() && *value >= 0.0));
        let empty = (weights.iter().all(|(_, value)| *value == 0.0)).then_some(weights[0]);
        if let Some((name, value)) = bad.or(empty) {
            return Err(ControlError::Weight { name, value });
        }
        let Targets { latency, throughput_bps, iops, memory_bytes, cpu_us_per_op } = self.targets;
        let targets = [
            ("latency", latency.map(|latency| latency.as_secs_f64())),
            ("throughput_bps", throughput_bps),
            ("iops", iops),
            ("memory_bytes", memory_bytes.map(|bytes| bytes as f64)),
            ("cpu_us_per_op", cpu_us_per_op),
        ];
        let given = targets.into_iter().filter_map(|(name, value)| Some((name, value?)));
        if let Some((name, value)) = given.into_iter().find(|(_, value)| !(value.is_finite() && *value > 0.0))
        {
            return Err(ControlError::Target { name, value });
        }
        if self.codecs.is_empty() && self.groups.contains(&Group::CodecSelection) {
            return Err(ControlError::NoCodec);
        }
        Ok(())
    }
}

//! The structures of the existing API.

use super::OptimizerError;
use rustfs_rio_tune::{Codec, Decision, Group, Parameter, Parameters, Reason};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::fmt;
use std::time::{Duration, SystemTime};

/// What the accesses of an operation look like.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessPattern {
    /// The pattern.
    pub pattern_type: AccessPatternType,
    /// Probability that it is right, 0 to 1.
    pub confidence: f64,
    /// What it was derived from: `sequential_share`, `backward_share`, `mean_size`, `last_offset`, `last_size`, `skew`.
    pub parameters: HashMap<String, f64>,
    /// When it was last seen, since 1970.
    pub last_update: Duration,
    /// Accesses behind it.
    pub observation_count: usize,
}

/// The kinds of pattern.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum AccessPatternType {
    /// One access after the other.
    Sequential {
        /// Bytes from the start of one access to the start of the next.
        stride: usize,
        /// Which way.
        direction: AccessDirection,
    },
    /// In no order.
    Random {
        /// Share of the accesses that fall into hot spots, 0 to 1.
        hotspot_ratio: f64,
    },
    /// At a rate that rises and falls.
    Periodic {
        /// Seconds from one rise to the next.
        period_seconds: f64,
        /// (highest rate - lowest rate) / (highest rate + lowest rate), 0 to 1.
        amplitude: f64,
    },
    /// In groups with silence between them.
    Burst {
        /// Milliseconds from the first to the last access of a group.
        burst_duration_ms: f64,
        /// Milliseconds of silence between groups.
        inter_burst_delay_ms: f64,
    },
}

/// Which way accesses go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum AccessDirection {
    /// To higher offsets.
    Forward,
    /// To lower offsets.
    Backward,
    /// Both, in streams of their own.
    Bidirectional,
}

/// What is recommended.
#[derive(Debug, Clone, PartialEq)]
pub struct OptimizationRecommendation {
    /// The change.
    pub optimization_type: OptimizationType,
    /// What it was derived from, by name.
    pub parameters: HashMap<String, f64>,
    /// Expected change of the score, 0.05 for five per cent better; 0 where only a trial can tell.
    pub expected_improvement: f64,
    /// Probability that it is an improvement, 0 to 1.
    pub confidence: f64,
    /// 1 to 10, 10 first.
    pub priority: u8,
    /// When it was found, since 1970.
    pub apply_at: Duration,
}

/// The kinds of change.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum OptimizationType {
    /// Reading ahead.
    PrefetchTuning {
        /// Blocks.
        prefetch_distance: usize,
        /// Bytes of a block.
        prefetch_size: usize,
    },
    /// Submission.
    BatchTuning {
        /// Operations.
        batch_size: usize,
        /// Bound on waiting, in milliseconds.
        batch_timeout_ms: f64,
    },
    /// Codec.
    CompressionSelection {
        /// Its name.
        algorithm: String,
        /// Its level.
        compression_level: u8,
    },
    /// Buffers.
    BufferPoolTuning {
        /// Buffers.
        pool_size: usize,
        /// Bytes of a buffer.
        buffer_size: usize,
    },
    /// Operations in flight.
    ConcurrencyTuning {
        /// Operations accepted.
        max_concurrent_ops: usize,
        /// Operations in the kernel, per ring.
        queue_depth: usize,
    },
}

/// The tuned parameters, in the shape of the existing API.
#[derive(Debug, Clone, PartialEq)]
pub struct OptimizationParameters {
    /// Blocks read ahead. Default 4.
    pub prefetch_distance: usize,
    /// Bytes of such a block. Default 65536.
    pub prefetch_size: usize,
    /// Operations of a submission. Default 16.
    pub batch_size: usize,
    /// Bound on waiting for others, in milliseconds. Default 10.
    pub batch_timeout_ms: f64,
    /// Name of the codec. Default `zstd`.
    pub compression_algorithm: String,
    /// Its level. Default 3.
    pub compression_level: u8,
    /// Buffers of the pool. Default 1024.
    pub buffer_pool_size: usize,
    /// Bytes of a buffer. Default 65536.
    pub buffer_size: usize,
    /// Operations accepted at one time. Default 1024.
    pub max_concurrent_ops: usize,
    /// Operations in the kernel at one time. Default 32.
    pub queue_depth: usize,
}

impl Default for OptimizationParameters {
    fn default() -> Self {
        Parameters::default().into()
    }
}

impl From<Parameters> for OptimizationParameters {
    fn from(values: Parameters) -> Self {
        Self {
            prefetch_distance: values.prefetch_distance,
            prefetch_size: values.prefetch_size,
            batch_size: values.batch_size,
            batch_timeout_ms: values.get(Parameter::BatchTimeout),
            compression_algorithm: values.codec.name().to_owned(),
            compression_level: values.compression_level,
            buffer_pool_size: values.buffer_pool_size,
            buffer_size: values.buffer_size,
            max_concurrent_ops: values.max_concurrent_ops,
            queue_depth: values.queue_depth,
        }
    }
}

impl OptimizationType {
    /// The group of values as they are, with one of them changed.
    fn of(group: Group, values: &Parameters) -> Self {
        match group {
            Group::Prefetching => Self::PrefetchTuning {
                prefetch_distance: values.prefetch_distance,
                prefetch_size: values.prefetch_size,
            },
            Group::Batching => Self::BatchTuning {
                batch_size: values.batch_size,
                batch_timeout_ms: values.get(Parameter::BatchTimeout),
            },
            Group::CodecSelection => Self::CompressionSelection {
                algorithm: values.codec.name().to_owned(),
                compression_level: values.compression_level,
            },
            Group::Pools => {
                Self::BufferPoolTuning { pool_size: values.buffer_pool_size, buffer_size: values.buffer_size }
            }
            Group::Concurrency => Self::ConcurrencyTuning {
                max_concurrent_ops: values.max_concurrent_ops,
                queue_depth: values.queue_depth,
            },
        }
    }

    /// The parameters it changes, on their common scale.
    pub(super) fn changes(&self) -> Result<[(Parameter, f64); 2], OptimizerError> {
        Ok(match self {
            Self::PrefetchTuning { prefetch_distance, prefetch_size } => [
                (Parameter::PrefetchDistance, *prefetch_distance as f64),
                (Parameter::PrefetchSize, *prefetch_size as f64),
            ],
            Self::BatchTuning { batch_size, batch_timeout_ms } => {
                [(Parameter::BatchSize, *batch_size as f64), (Parameter::BatchTimeout, *batch_timeout_ms)]
            }
            Self::CompressionSelection { algorithm, compression_level } => {
                let codec = Codec::from_name(algorithm);
                let codec = codec.ok_or_else(|| OptimizerError::Codec { name: algorithm.clone() })?;
                [
                    (Parameter::Compression, codec.code()),
                    (Parameter::CompressionLevel, f64::from(*compression_level)),
                ]
            }
            Self::BufferPoolTuning { pool_size, buffer_size } => {
                [(Parameter::BufferPoolSize, *pool_size as f64), (Parameter::BufferSize, *buffer_size as f64)]
            }
            Self::ConcurrencyTuning { max_concurrent_ops, queue_depth } => [
                (Parameter::MaxConcurrentOps, *max_concurrent_ops as f64),
                (Parameter::QueueDepth, *queue_depth as f64),
            ],
        })
    }
}

impl fmt::Display for OptimizationType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.changes() {
            Ok([(first, a), (second, b)]) => {
                write!(f, "{first} {}, {second} {}", first.show(a), second.show(b))
            }
            Err(error) => error.fmt(f),
        }
    }
}

impl fmt::Display for OptimizationRecommendation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.optimization_type)?;
        if self.expected_improvement != 0.0 {
            write!(f, ": expected {:+.1} %", self.expected_improvement * 100.0)?;
        }
        write!(f, " (priority {}, confidence {:.2})", self.priority, self.confidence)
    }
}

/// What the controller recommends, and what the patterns do where it has not measured anything yet.
pub(super) fn recommendations(
    decisions: &[Decision],
    patterns: &[&AccessPattern],
    current: &Parameters,
    prefetch: bool,
) -> Vec<OptimizationRecommendation> {
    let apply_at = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut found: Vec<OptimizationRecommendation> = Vec::new();
    for decision in decisions {
        let mut values = *current;
        values.set(decision.parameter, decision.to);
        let figures = &decision.evidence.figures;
        let expected = decision.expected;
        found.push(OptimizationRecommendation {
            optimization_type: OptimizationType::of(decision.parameter.group(), &values),
            parameters: figures
                .iter()
                .map(|figure| (figure.name.clone().into_owned(), figure.value))
                .collect(),
            expected_improvement: expected.gain,
            confidence: confidence(decision),
            priority: match decision.evidence.reason {
                Reason::Remembered => 9,
                Reason::Improve => 7,
                _ => 3,
            },
            apply_at,
        });
    }
    let known = |group: &OptimizationType| matches!(group, OptimizationType::PrefetchTuning { .. });
    if prefetch && !found.iter().any(|one| known(&one.optimization_type)) {
        found.extend(patterns.iter().filter_map(|pattern| read_ahead(pattern, current, apply_at)).next());
    }
    found.sort_by(|a, b| b.priority.cmp(&a.priority).then(b.confidence.total_cmp(&a.confidence)));
    found
}

/// Probability that the gain is one: that of a normal variable with the expected mean and error. What follows from a limit in use is as sure as the
/// measurement of it; a trial without an expectation is even.
fn confidence(decision: &Decision) -> f64 {
    let expected = decision.expected;
    if expected.error <= 0.0 {
        return if decision.evidence.reason == Reason::Improve { 0.75 } else { 0.5 };
    }
    // Logistic approximation of the normal distribution, within 0.01.
    1.0 / (1.0 + (-1.702 * expected.gain / expected.error).exp())
}

/// A sequential stream wants at least eight of its requests under way, and blocks no smaller than a request.
fn read_ahead(
    pattern: &AccessPattern,
    current: &Parameters,
    apply_at: Duration,
) -> Option<OptimizationRecommendation> {
    const REQUESTS_AHEAD: usize = 8;
    let AccessPatternType::Sequential { stride, .. } = pattern.pattern_type else { return None };
    let mut wanted = *current;
    let distance = current.prefetch_distance.max(REQUESTS_AHEAD);
    wanted.set(Parameter::PrefetchDistance, distance as f64);
    wanted.set(Parameter::PrefetchSize, current.prefetch_size.max(stride) as f64);
    (wanted != *current).then(|| OptimizationRecommendation {
        optimization_type: OptimizationType::of(Group::Prefetching, &wanted),
        parameters: pattern.parameters.clone(),
        expected_improvement: 0.0,
        confidence: pattern.confidence,
        priority: 5,
        apply_at,
    })
}

//! What the optimizer recognised, prefetched and decided.

use super::{History, Part};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Access patterns and prefetching.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Patterns {
    /// The time on the server.
    pub now: u64,
    /// What was recognised.
    pub patterns: Part<Vec<Pattern>>,
    /// What was read ahead.
    pub prefetch: Part<Prefetch>,
    /// The cache.
    pub cache: Part<Cache>,
}

/// A pattern of access.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Pattern {
    /// The file or stream.
    pub subject: String,
    /// What was recognised.
    pub pattern: String,
    /// Share of all accesses that were seen there, 0 to 1.
    pub share: f64,
    /// How sure that is, 0 to 1.
    pub confidence: f64,
}

/// What was read ahead, since the start. A block is that of the cache.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Prefetch {
    /// Blocks asked for ahead.
    pub issued: u64,
    /// Of them, blocks that were read afterwards.
    pub used: u64,
    /// Blocks that were given up unread.
    pub wasted: u64,
    /// Requests ahead that were left out, because of pressure or bounds.
    pub dropped: u64,
    /// Bytes read ahead.
    pub bytes: u64,
    /// The numbers over time.
    pub t: Vec<u64>,
    /// Blocks asked for per second.
    pub issued_per_s: Vec<f64>,
    /// Blocks used per second.
    pub used_per_s: Vec<f64>,
    /// Blocks wasted per second.
    pub wasted_per_s: Vec<f64>,
}

/// The cache, since the start.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Cache {
    /// Lookups that found something.
    pub hits: u64,
    /// Lookups that found nothing.
    pub misses: u64,
    /// Bytes in it.
    pub bytes: u64,
    /// Its bound.
    pub bound_bytes: u64,
    /// Blocks given up.
    pub evicted: u64,
    /// The hit share over time.
    pub t: Vec<u64>,
    /// Share of lookups in the step that found something; `null` in steps without lookups.
    pub hit_share: Vec<Option<f64>>,
}

/// A parameter that the optimizer may change.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TunedParameter {
    /// Its name.
    pub name: String,
    /// Its value now, in words.
    pub value: String,
    /// Its bounds, in words.
    pub bounds: String,
}

/// What the optimizer decided.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Decisions {
    /// The time on the server.
    pub now: u64,
    /// Newest first, at most 512.
    pub decisions: Part<Vec<Decision>>,
}

/// A decision.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Decision {
    /// Its number.
    pub id: u64,
    /// When it was taken.
    pub at: u64,
    /// The parameter.
    pub parameter: String,
    /// The value before, in words.
    pub from: String,
    /// The value after.
    pub to: String,
    /// Why, in words.
    pub reason: String,
    /// The numbers behind it.
    pub figures: Vec<DecisionFigure>,
    /// What it was expected to bring.
    pub expected: DecisionEffect,
    /// What it brought, once that is known.
    pub measured: Option<DecisionOutcome>,
    /// What would reverse it.
    pub reverse_if: String,
    /// `proposed`, `applied`, `kept`, `rolled_back`, `recommended` or `refused`.
    pub state: String,
}

/// A number behind a decision.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DecisionFigure {
    /// What it is.
    pub name: String,
    /// How much.
    pub value: f64,
    /// In what.
    pub unit: String,
}

/// An effect on what the optimizer is after.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DecisionEffect {
    /// The gain: 0.1 is a tenth better.
    pub gain: f64,
    /// Half the width of the range it is thought to lie in.
    pub error: f64,
}

/// What a decision brought.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DecisionOutcome {
    /// The effect.
    pub effect: DecisionEffect,
    /// Bytes per second before.
    pub throughput_bps_before: f64,
    /// And after.
    pub throughput_bps_after: f64,
    /// 99th percentile of the latency before.
    pub p99_us_before: f64,
    /// And after.
    pub p99_us_after: f64,
}

/// A decision and the history around it.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DecisionDetail {
    /// The decision.
    pub decision: Decision,
    /// The history from two minutes before it to two minutes after.
    pub around: History,
}

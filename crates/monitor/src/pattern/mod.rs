//! Patterns in a metric: constant, periodic, trending, spikes, a level shift.
//!
//! The order of work: [`spikes`] are found against the values around them and taken out; [`period`] is looked for in what is left
//! after a line or a step; then a line and a step compete for what the period does not explain. Each finding says what it rests on.
//! Everything here takes equally spaced values and knows no clock.

pub(crate) mod period;
mod shape;
mod spikes;

use crate::robust;
use crate::series::TrendDirection;
use serde::{Deserialize, Serialize};

/// Values that are needed to say anything.
pub const PATTERN_VALUES_MIN: usize = 32;

/// A pattern in a metric's values. Places count from the first value, spans are in values; whoever knows the interval turns them
/// into times.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Pattern {
    /// Nothing moves by more than a hundredth of the level.
    Constant {
        /// The level.
        level: f64,
    },
    /// It repeats.
    Periodic {
        /// Values from one repetition to the next.
        period: usize,
        /// Share of the movement around the trend that repeats, 0 to 1.
        strength: f64,
    },
    /// It rises or falls, by more than chance and more than the noise hides.
    Trending {
        /// The way.
        direction: TrendDirection,
        /// Change per value: a Theil-Sen slope.
        slope: f64,
        /// How consistently, 0 to 1, whatever the unit: Kendall's tau without its sign.
        strength: f64,
    },
    /// Few values far from those around them.
    Spike {
        /// How many such moments.
        count: usize,
        /// The place of the latest one.
        latest: usize,
        /// The largest distance from the values around, in standard deviations of the usual distances.
        height_sigmas: f64,
    },
    /// It moved from one level to another, and stayed.
    LevelShift {
        /// The first value of the new level.
        at: usize,
        /// The level before.
        from: f64,
        /// The level since.
        to: f64,
    },
}

impl Pattern {
    /// The name in exports.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Constant { .. } => "constant",
            Self::Periodic { .. } => "periodic",
            Self::Trending { .. } => "trending",
            Self::Spike { .. } => "spike",
            Self::LevelShift { .. } => "level_shift",
        }
    }
}

/// A pattern with what it rests on.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FoundPattern {
    /// The pattern.
    pub pattern: Pattern,
    /// What it rests on, for people.
    pub evidence: String,
}

/// What equally spaced values show: at most one pattern of each kind, none for noise, for fewer than [`PATTERN_VALUES_MIN`] values,
/// and for values that are not all finite. Cost: some milliseconds for 720 values.
#[must_use]
pub fn find_patterns(values: &[f64]) -> Vec<FoundPattern> {
    if values.len() < PATTERN_VALUES_MIN || values.iter().any(|value| !value.is_finite()) {
        return Vec::new();
    }
    let mut found = Vec::new();
    let (spikes, calm) = spikes::take_out(values);
    found.extend(spikes.map(|spikes| spikes.describe(values.len())));
    if let Some(constant) = constant(&calm) {
        found.push(constant);
        return found;
    }
    let periodic = period::find(&shape::without_trend(&calm));
    let level = match &periodic {
        Some(periodic) => periodic.removed_from(&calm),
        None => calm,
    };
    found.extend(periodic.map(|periodic| periodic.describe()));
    found.extend(shape::line_or_step(&level));
    found
}

/// Share of the level within which a constant stays.
const CONSTANT_WITHIN: f64 = 0.01;

fn constant(values: &[f64]) -> Option<FoundPattern> {
    let mut sorted = values.to_vec();
    sorted.sort_unstable_by(f64::total_cmp);
    let [low, level, high] = [0.02, 0.5, 0.98].map(|share| robust::quantile_sorted(&sorted, share));
    let is_constant = high - low <= CONSTANT_WITHIN * level.abs();
    is_constant.then(|| FoundPattern {
        pattern: Pattern::Constant { level },
        evidence: format!("96 % of {} values lie within {low:.6} to {high:.6}", values.len()),
    })
}

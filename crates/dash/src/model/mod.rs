//! What every panel shows, as types. `GET /api/v1/openapi.json` serves their schema.
//!
//! Times are seconds since 1970 unless a name says otherwise; a suffix names the unit: `_us`, `_s`, `_bytes`, `_bps` (bytes per second),
//! `_pct`, `_share` (0 to 1). A series is a set of columns of the same length, the first of them `t`.

mod alerts;
mod latency;
mod maps;
mod overview;
mod resources;
mod settings;
mod tuning;

pub use alerts::{Alert, Alerts, Recommendation, Recommendations, Silence, SilenceRequest, Silenced};
pub use latency::{Distribution, Latency, LatencyHeat, LatencyRow};
pub use maps::{IoMap, IoMapFile, IoMapPart};
pub use overview::{Check, History, Live, Overview, Service};
pub use resources::{ResourceSeries, ResourceTotals, Resources};
pub use settings::{Configuration, Setting, SettingProblem};
pub use tuning::{
    Cache, Decision, DecisionDetail, DecisionEffect, DecisionFigure, DecisionOutcome, Decisions, Pattern,
    Patterns, Prefetch, TunedParameter,
};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Data, or why there is none and what to do about it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Part<T> {
    /// The data.
    Data(T),
    /// Why there is none.
    Absent(Absent),
}

/// Why a panel has no data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Absent {
    /// The reason.
    pub why: String,
    /// What to switch on or to wait for.
    pub remedy: String,
}

impl<T> Part<T> {
    /// The data, or a reason why not with its remedy.
    #[must_use]
    pub fn or_absent(data: Option<T>, why: &str, remedy: &str) -> Self {
        data.map_or_else(
            || Self::Absent(Absent { why: why.to_owned(), remedy: remedy.to_owned() }),
            Self::Data,
        )
    }

    /// The data, if there is any.
    #[must_use]
    pub fn data(&self) -> Option<&T> {
        match self {
            Self::Data(data) => Some(data),
            Self::Absent(_) => None,
        }
    }
}

/// An answer that is an error.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Problem {
    /// What was wrong, what was expected, what to do.
    pub error: String,
}

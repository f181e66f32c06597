//! Alerts, silences and recommendations.

use super::Part;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Alerts, open and past.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Alerts {
    /// The time on the server.
    pub now: u64,
    /// Open ones, the most severe first.
    pub open: Vec<Alert>,
    /// Closed ones, the latest first, at most 256.
    pub past: Vec<Alert>,
    /// Metrics that are kept quiet about.
    pub silences: Vec<Silence>,
    /// Whether silences may be set from here.
    pub control: bool,
}

/// An alert.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Alert {
    /// Its number.
    pub id: u64,
    /// `degradation`, `resource_exhaustion`, `anomaly` or `predictive`.
    pub category: String,
    /// `info`, `warning` or `critical`.
    pub severity: String,
    /// The metric.
    pub metric: String,
    /// Its latest value.
    pub value: f64,
    /// The value from which on it is an alert.
    pub threshold: f64,
    /// What it rests on.
    pub evidence: String,
    /// What to do.
    pub actions: Vec<String>,
    /// When it opened.
    pub opened: u64,
    /// When it closed.
    pub closed: Option<u64>,
    /// How often it came back shortly after closing.
    pub reopened: u32,
    /// Whether it is kept quiet about.
    pub silenced: bool,
}

/// A metric that is kept quiet about.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Silence {
    /// The metric.
    pub metric: String,
    /// Seconds left.
    pub left_s: u64,
}

/// Asks for a silence.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SilenceRequest {
    /// The metric, as alerts name it.
    pub metric: String,
    /// How long, 1 to 86400.
    pub seconds: u64,
}

/// A silence was taken.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Silenced {
    /// The metrics that are kept quiet about now.
    pub silences: Vec<Silence>,
}

/// What would help.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Recommendations {
    /// The time on the server.
    pub now: u64,
    /// Most urgent first.
    pub items: Part<Vec<Recommendation>>,
}

/// Something that would help.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Recommendation {
    /// What it is about.
    pub category: String,
    /// What to do.
    pub action: String,
    /// What to expect of it.
    pub expected: String,
    /// 1 to 10, 10 first.
    pub priority: u8,
    /// 0 to 1.
    pub confidence: f64,
}

//! Alerts: what is wrong, since when, on what evidence, and what to do. [`AlertBook`] opens and closes them.

mod book;
mod post;
mod rfc3339;

pub use book::{AlertBook, Change, Silence};
pub use post::{Posted, alert_line, alertmanager_body};

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What kind of trouble.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Category {
    /// A metric is worse than its own past.
    Degradation,
    /// A resource will run out.
    Exhaustion,
    /// A single value far beyond anything usual.
    Anomaly,
    /// A metric is about to miss its target.
    Predictive,
}

impl Category {
    /// The name in exports.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Degradation => "degradation",
            Self::Exhaustion => "exhaustion",
            Self::Anomaly => "anomaly",
            Self::Predictive => "predictive",
        }
    }
}

/// How bad.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum AlertSeverity {
    /// Worth knowing.
    Info,
    /// Somebody should look today.
    Warning,
    /// Somebody should look now.
    Critical,
}

impl std::fmt::Display for AlertSeverity {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Critical => "critical",
        })
    }
}

/// What detection found in one interval.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// The kind of trouble.
    pub category: Category,
    /// The metric, one of [`METRICS`](crate::METRICS).
    pub metric: &'static str,
    /// How bad.
    pub severity: AlertSeverity,
    /// The metric's value.
    pub value: f64,
    /// The value from which on it is a finding.
    pub threshold: f64,
    /// What it rests on, for people.
    pub evidence: String,
    /// What to do.
    pub actions: &'static [&'static str],
}

/// An alert, open or closed. Serialises to the same fields in the log file and the history.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// Counts up from 1 per book.
    pub id: u64,
    /// The kind of trouble.
    pub category: Category,
    /// The worst so far.
    pub severity: AlertSeverity,
    /// The metric.
    pub metric: String,
    /// The metric's latest value.
    pub value: f64,
    /// The value from which on it is a finding.
    pub threshold: f64,
    /// What it rests on.
    pub evidence: String,
    /// What to do, each naming a parameter or a cause.
    pub actions: Vec<String>,
    /// When it opened, in time since 1970. Times serialise as seconds.
    #[serde(with = "seconds")]
    pub opened: Duration,
    /// When it was last seen, in time since 1970.
    #[serde(with = "seconds")]
    pub updated: Duration,
    /// When it closed; `None` while it is open.
    #[serde(with = "seconds_or_none")]
    pub closed: Option<Duration>,
    /// How often it opened again shortly after closing.
    pub reopened: u32,
    /// Whether it is silenced: it is kept but not delivered.
    pub silenced: bool,
}

/// Times as a number of seconds: what other programs expect, and exact to the microsecond for times of these centuries.
pub(crate) mod seconds {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::time::Duration;

    pub(crate) fn serialize<S: Serializer>(time: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
        time.as_secs_f64().serialize(serializer)
    }

    pub(crate) fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(deserializer)?;
        Duration::try_from_secs_f64(seconds).map_err(serde::de::Error::custom)
    }
}

mod seconds_or_none {
    use serde::{Deserialize, Deserializer, Serialize, Serializer};
    use std::time::Duration;

    pub(super) fn serialize<S: Serializer>(
        time: &Option<Duration>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        time.map(|time| time.as_secs_f64()).serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<Duration>, D::Error> {
        let seconds = Option::<f64>::deserialize(deserializer)?;
        seconds.map(Duration::try_from_secs_f64).transpose().map_err(serde::de::Error::custom)
    }
}

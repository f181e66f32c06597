//! A decision, with everything that is needed to judge it.

use crate::{Parameter, Snapshot, WorkloadSignature};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

/// Names a decision for as long as its controller lives; counts up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DecisionId(pub u64);

impl fmt::Display for DecisionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "#{}", self.0)
    }
}

/// A change of one parameter: why, what it should bring, what it brought, and what would undo it.
///
/// Decisions of the same [`trial`](Self::trial) are applied and judged together.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Decision {
    /// Its name.
    pub id: DecisionId,
    /// The trial it is part of; one number for decisions that are judged together.
    pub trial: u64,
    /// When it was made, on the clock that [`Controller::decide`](crate::Controller::decide) is called with.
    pub at: Duration,
    /// What changes.
    pub parameter: Parameter,
    /// Value before, on the parameter's common scale.
    pub from: f64,
    /// Value after; always within the parameter's bounds.
    pub to: f64,
    /// Why.
    pub evidence: Evidence,
    /// What it should bring.
    pub expected: Expected,
    /// What it brought, once that is known.
    pub measured: Option<Measured>,
    /// What would reverse it.
    pub reverse_if: ReverseIf,
    /// How far it is.
    pub state: DecisionState,
}

/// The life of a decision.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DecisionState {
    /// To be applied by whoever called the controller, and then confirmed or refused.
    Proposed,
    /// In force, its effect being measured.
    Applied,
    /// Measured and left in force.
    Kept,
    /// Measured and undone, by the decision whose evidence names it.
    RolledBack,
    /// Would be taken, and is not allowed to.
    Recommended,
    /// Was not applied: its [`Evidence`] says what it would have been for.
    Refused,
}

impl DecisionState {
    /// Its name, as in JSON.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Proposed => "proposed",
            Self::Applied => "applied",
            Self::Kept => "kept",
            Self::RolledBack => "rolled_back",
            Self::Recommended => "recommended",
            Self::Refused => "refused",
        }
    }
}

/// Why a decision was taken.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Evidence {
    /// The kind of reason.
    pub reason: Reason,
    /// The workload it was taken for.
    pub workload: WorkloadSignature,
    /// The numbers behind it; at most eight.
    pub figures: Vec<Figure>,
}

/// A number with a name and a unit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Figure {
    /// What it is.
    pub name: Cow<'static, str>,
    /// How much.
    pub value: f64,
    /// In what: `us`, `bytes/s`, `ratio` and so on; empty for a plain count.
    pub unit: Cow<'static, str>,
}

impl Figure {
    /// A number with its name and unit.
    #[must_use]
    pub const fn new(name: &'static str, value: f64, unit: &'static str) -> Self {
        Self { name: Cow::Borrowed(name), value, unit: Cow::Borrowed(unit) }
    }
}

/// The kinds of reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Reason {
    /// A small step whose effect is not known yet.
    Probe,
    /// A step in a direction that was measured to be good, or that a model of the measurements expects to be.
    Improve,
    /// What worked the last time this workload was met.
    Remembered,
    /// The workload changed, and nothing is known of the new one: back to the defaults.
    Shift,
    /// Undoes a decision that made things worse.
    RollBack {
        /// The decision that is undone.
        of: DecisionId,
    },
    /// Undoes a decision whose effect cannot be told from noise, where the smaller value costs less.
    NoGain {
        /// The decision that is undone.
        of: DecisionId,
    },
    /// The setting is worse than the one everything started with.
    BelowStart,
    /// Memory is short.
    Pressure,
    /// Memory is no longer short.
    PressureOver,
    /// Load is expected to grow or fall.
    Forecast,
    /// Asked for from outside.
    Requested,
}

/// The effect a decision is expected to have.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Expected {
    /// Relative change of the score, 0.05 for five per cent better. 0 for a probe that could go either way.
    pub gain: f64,
    /// Standard error of that number.
    pub error: f64,
}

/// The effect a decision was measured to have.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// Relative change of the score, 0.05 for five per cent better.
    pub gain: f64,
    /// Standard error of that number.
    pub error: f64,
    /// Periods it was measured over.
    pub periods: u32,
    /// The last period before.
    pub before: Outcome,
    /// The mean of the periods after.
    pub after: Outcome,
}

/// The figures by which people judge a setting.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Outcome {
    /// Bytes a second.
    pub throughput_bps: f64,
    /// Operations a second.
    pub iops: f64,
    /// Median latency in microseconds.
    pub latency_p50_us: f64,
    /// 99th percentile of the latency in microseconds.
    pub latency_p99_us: f64,
    /// CPU for each operation in microseconds.
    pub cpu_us_per_op: f64,
    /// Memory in bytes.
    pub memory_bytes: f64,
}

impl From<&Snapshot> for Outcome {
    fn from(snapshot: &Snapshot) -> Self {
        Self {
            throughput_bps: snapshot.throughput_bps(),
            iops: snapshot.iops(),
            latency_p50_us: snapshot.latency_p50.as_secs_f64() * 1e6,
            latency_p99_us: snapshot.latency_p99.as_secs_f64() * 1e6,
            cpu_us_per_op: snapshot.cpu_us_per_op(),
            memory_bytes: snapshot.memory_bytes as f64,
        }
    }
}

/// What would reverse a decision.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReverseIf {
    /// The score of a single period falls below the one before by more than this share.
    WorseBy {
        /// Share of the score, 0 to 1.
        share: f64,
    },
    /// The workload becomes another one, further away than [`WorkloadSignature::SAME`].
    Shift,
    /// Memory pressure ends.
    PressureBelow {
        /// As [`Snapshot::pressure`].
        pressure: f64,
    },
    /// Nothing: it undoes another decision.
    Nothing,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Probe => f.write_str("to learn what it does"),
            Self::Improve => f.write_str("measurements point this way"),
            Self::Remembered => f.write_str("worked for this workload before"),
            Self::Shift => f.write_str("the workload changed and nothing is known of the new one"),
            Self::RollBack { of } => write!(f, "{of} made it worse"),
            Self::NoGain { of } => write!(f, "{of} made no difference that could be measured"),
            Self::BelowStart => f.write_str("it is worse than where everything started"),
            Self::Pressure => f.write_str("memory is short"),
            Self::PressureOver => f.write_str("memory is no longer short"),
            Self::Forecast => f.write_str("load is expected to change"),
            Self::Requested => f.write_str("asked for"),
        }
    }
}

impl fmt::Display for ReverseIf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::WorseBy { share } => write!(f, "one period is more than {:.1} % worse", share * 100.0),
            Self::Shift => f.write_str("the workload changes"),
            Self::PressureBelow { pressure } => write!(f, "memory pressure falls below {pressure:.2}"),
            Self::Nothing => f.write_str("nothing"),
        }
    }
}

impl fmt::Display for Figure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, value, unit } = self;
        let gap = if unit.is_empty() { "" } else { " " };
        if value.abs() >= 100.0 {
            write!(f, "{name} {value:.0}{gap}{unit}")
        } else {
            write!(f, "{name} {value:.3}{gap}{unit}")
        }
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.reason)?;
        for (n, figure) in self.figures.iter().enumerate() {
            write!(f, "{}{figure}", if n == 0 { " (" } else { ", " })?;
        }
        if self.figures.is_empty() { Ok(()) } else { f.write_str(")") }
    }
}

impl fmt::Display for Decision {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (from, to) = (self.parameter.show(self.from), self.parameter.show(self.to));
        let state = self.state.name().replace('_', " ");
        write!(f, "{} {state}: {} {from} -> {to}: {}", self.id, self.parameter, self.evidence)?;
        if self.expected.error > 0.0 || self.expected.gain != 0.0 {
            write!(f, "; expected {:+.1} %", self.expected.gain * 100.0)?;
        }
        if let Some(measured) = &self.measured {
            let (gain, error) = (measured.gain * 100.0, measured.error * 100.0);
            write!(f, "; measured {gain:+.1} % +- {error:.1} over {} periods", measured.periods)?;
        }
        write!(f, "; reversed if {}", self.reverse_if)
    }
}

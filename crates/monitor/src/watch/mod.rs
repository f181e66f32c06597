//! Detection: what each metric's latest value means.
//!
//! [`level`] compares a metric with its own past, [`exhaustion`] and [`target`] look ahead. A [`Watch`] runs all of them over one
//! interval's values and reports findings; which of them are news is the [`AlertBook`](crate::AlertBook)'s business.

pub(crate) mod exhaustion;
pub(crate) mod level;
mod target;

use crate::alert::{AlertSeverity, Category, Finding};
use crate::metric::{METRICS, Metric, Worse};
use crate::stats::RealTimeStats;
use crate::system::SystemSample;
use exhaustion::ExhaustionWatch;
use level::{Excess, Level, LevelWatch};
use std::time::Duration;
use target::TargetWatch;

/// Values that the operator wants kept.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Targets {
    /// 99th percentile of latency at most, in microseconds.
    pub latency_us: Option<f64>,
    /// Reads and writes per second at least.
    pub iops: Option<f64>,
    /// Bytes per second at least.
    pub throughput_bps: Option<f64>,
    /// Share of a resource (memory, open files) that may be used, 0 to 1. Default 0.97.
    pub resource_share: f64,
}

impl Default for Targets {
    fn default() -> Self {
        Self { latency_us: None, iops: None, throughput_bps: None, resource_share: 0.97 }
    }
}

/// Watches every metric of [`METRICS`]. Takes the time from its caller.
#[derive(Debug)]
pub struct Watch {
    interval: Duration,
    watched: Vec<Watched>,
    refused: u64,
}

#[derive(Debug)]
struct Watched {
    metric: &'static Metric,
    level: LevelWatch,
    exhaustion: Option<ExhaustionWatch>,
    target: Option<TargetWatch>,
}

impl Watch {
    /// A watch over intervals of this length.
    #[must_use]
    pub fn new(interval: Duration, targets: Targets) -> Self {
        let watched = |metric: &'static Metric| Watched {
            metric,
            level: LevelWatch::default(),
            exhaustion: metric.name.ends_with("_share").then(|| ExhaustionWatch::new(targets.resource_share)),
            target: targets.of(metric).and_then(TargetWatch::new),
        };
        Self { interval, watched: METRICS.iter().map(watched).collect(), refused: 0 }
    }

    /// What the interval that took `elapsed` shows. An interval of a wildly different length, after a suspend or a jump of the
    /// clock, shows nothing.
    pub fn look(&mut self, elapsed: Duration, stats: &RealTimeStats, system: &SystemSample) -> Vec<Finding> {
        let is_odd = elapsed < self.interval / 2 || elapsed > self.interval * 3;
        if is_odd {
            self.watched.iter_mut().for_each(|watched| watched.level.interrupt());
            return Vec::new();
        }
        let mut findings = Vec::new();
        let interval = self.interval;
        for watched in &mut self.watched {
            match (watched.metric.value)(stats, system) {
                Some(value) if value.is_finite() => findings.extend(watched.look(interval, value)),
                Some(_) => self.refused = self.refused.saturating_add(1),
                None => watched.level.interrupt(),
            }
        }
        findings
    }

    /// Values that were not finite and so were not looked at.
    #[must_use]
    pub fn refused(&self) -> u64 {
        self.refused
    }
}

impl Targets {
    fn of(&self, metric: &Metric) -> Option<f64> {
        match metric.name {
            "p99_latency_us" => self.latency_us,
            "iops" => self.iops,
            "throughput_bps" => self.throughput_bps,
            _ => None,
        }
    }
}

impl Watched {
    fn look(&mut self, interval: Duration, value: f64) -> Vec<Finding> {
        let metric = self.metric;
        let finding = |category, severity, threshold, evidence| Finding {
            category,
            metric: metric.name,
            severity,
            value,
            threshold,
            evidence,
            actions: metric.actions,
        };
        let mut findings = Vec::new();
        if metric.worse != Worse::Neither {
            match self.level.push(metric, value) {
                Level::Shifted(excess) => {
                    let severity = severity(metric, &excess, value);
                    let evidence = describe(metric, value, &excess);
                    findings.push(finding(Category::Degradation, severity, excess.limit, evidence));
                }
                Level::Outlier(excess) => {
                    let evidence = describe(metric, value, &excess);
                    findings.push(finding(Category::Anomaly, AlertSeverity::Info, excess.limit, evidence));
                }
                Level::Usual | Level::Suspect => {}
            }
        }
        if let Some(exhaustion) = self.exhaustion.as_mut().and_then(|watch| watch.push(value)) {
            let left = interval.mul_f64(exhaustion.intervals_left.clamp(0.0, exhaustion::HORIZON));
            let severity = if exhaustion.intervals_left < 300.0 {
                AlertSeverity::Critical
            } else {
                AlertSeverity::Warning
            };
            let evidence = format!(
                "{:.1} % used, at least {:.3} percentage points more each {interval:?}; full in {:.0} s or sooner",
                value * 100.0,
                exhaustion.growth * 100.0,
                left.as_secs_f64()
            );
            findings.push(finding(Category::Exhaustion, severity, 1.0, evidence));
        }
        if let Some(target) = &mut self.target
            && let Some(intervals) = target.push(metric, value)
        {
            let left = interval.mul_f64(intervals);
            let evidence = format!(
                "{value:.1} {} and moving towards the target of {:.1}; reaches it in {:.0} s or sooner",
                metric.unit,
                target.target(),
                left.as_secs_f64()
            );
            findings.push(finding(Category::Predictive, AlertSeverity::Warning, target.target(), evidence));
        }
        findings
    }
}

/// Twice as far as an alert needs is critical.
fn severity(metric: &Metric, excess: &Excess, value: f64) -> AlertSeverity {
    let [value, usual, limit] = [value, excess.usual, excess.limit].map(|value| metric.compared(value));
    if (value - usual).abs() > 2.0 * (limit - usual).abs() {
        AlertSeverity::Critical
    } else {
        AlertSeverity::Warning
    }
}

fn describe(metric: &Metric, value: f64, excess: &Excess) -> String {
    format!(
        "{value:.3} {unit}; usual in the last minutes is {:.3}, up to {:.3} would pass; {:.1} standard deviations",
        excess.usual,
        excess.limit,
        excess.sigmas,
        unit = metric.unit
    )
}

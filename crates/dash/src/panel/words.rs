//! From the types of facade and monitor to those of the model.

use crate::model::{
    Alert, Decision, DecisionEffect, DecisionFigure, DecisionOutcome, Pattern, Recommendation, Setting,
    SettingProblem, TunedParameter,
};
use rustfs_rio::{
    AccessDirection, AccessPattern, AccessPatternType, ConfigValue, LiveParameters,
    MonitorOptimizationRecommendation, Origin, RioRecommendation,
};
use rustfs_rio_monitor::AlertSeverity;
use rustfs_rio_tune::Parameter;
use std::collections::HashMap;

/// For sorting: larger is worse.
pub(super) fn severity_rank(severity: &str) -> u8 {
    match severity {
        "critical" => 2,
        "warning" => 1,
        _ => 0,
    }
}

impl From<&rustfs_rio_monitor::Alert> for Alert {
    fn from(alert: &rustfs_rio_monitor::Alert) -> Self {
        let severity = match alert.severity {
            AlertSeverity::Info => "info",
            AlertSeverity::Warning => "warning",
            AlertSeverity::Critical => "critical",
        };
        Self {
            id: alert.id,
            category: alert.category.name().to_owned(),
            severity: severity.to_owned(),
            metric: alert.metric.clone(),
            value: finite(alert.value),
            threshold: finite(alert.threshold),
            evidence: alert.evidence.clone(),
            actions: alert.actions.clone(),
            opened: alert.opened.as_secs(),
            closed: alert.closed.map(|closed| closed.as_secs()),
            reopened: alert.reopened,
            silenced: alert.silenced,
        }
    }
}

impl From<&ConfigValue> for Setting {
    fn from(value: &ConfigValue) -> Self {
        Self {
            name: value.name.to_string(),
            value: value.value.clone(),
            origin: value.origin.to_string(),
            is_default: value.origin == Origin::Default,
            variables: value.variables.iter().map(ToString::to_string).collect(),
            allowed: value.allowed.to_string(),
            problems: value
                .problems
                .iter()
                .map(|problem| SettingProblem { text: problem.to_string() })
                .collect(),
        }
    }
}

impl From<MonitorOptimizationRecommendation> for Recommendation {
    fn from(found: MonitorOptimizationRecommendation) -> Self {
        Self {
            category: found.category,
            action: found.action,
            expected: found.expected_impact,
            priority: found.priority,
            confidence: finite(found.confidence),
        }
    }
}

impl From<&RioRecommendation> for Recommendation {
    fn from(found: &RioRecommendation) -> Self {
        Self {
            category: found.subject.clone(),
            action: found.action.clone(),
            expected: found.expected.clone(),
            priority: found.priority,
            confidence: finite(found.confidence),
        }
    }
}

impl Decision {
    /// `born` is the beginning of the optimizer's clock, in seconds since 1970.
    pub(crate) fn of(decision: &rustfs_rio_tune::Decision, born: u64) -> Self {
        let figure = |figure: &rustfs_rio_tune::Figure| DecisionFigure {
            name: figure.name.to_string(),
            value: finite(figure.value),
            unit: figure.unit.to_string(),
        };
        let effect = |gain, error| DecisionEffect { gain: finite(gain), error: finite(error) };
        let outcome = |measured: &rustfs_rio_tune::Measured| DecisionOutcome {
            effect: effect(measured.gain, measured.error),
            throughput_bps_before: finite(measured.before.throughput_bps),
            throughput_bps_after: finite(measured.after.throughput_bps),
            p99_us_before: finite(measured.before.latency_p99_us),
            p99_us_after: finite(measured.after.latency_p99_us),
        };
        Self {
            id: decision.id.0,
            at: born.saturating_add(decision.at.as_secs()),
            parameter: decision.parameter.to_string(),
            from: decision.parameter.show(decision.from).to_string(),
            to: decision.parameter.show(decision.to).to_string(),
            reason: decision.evidence.reason.to_string(),
            figures: decision.evidence.figures.iter().map(figure).collect(),
            expected: effect(decision.expected.gain, decision.expected.error),
            measured: decision.measured.as_ref().map(outcome),
            reverse_if: decision.reverse_if.to_string(),
            state: decision.state.name().to_owned(),
        }
    }
}

/// Patterns by what they were seen in, the surest first.
pub(crate) fn patterns(found: &HashMap<String, AccessPattern>) -> Vec<Pattern> {
    let all = found.values().map(|pattern| pattern.observation_count).sum::<usize>().max(1) as f64;
    let pattern = |(subject, seen): (&String, &AccessPattern)| Pattern {
        subject: subject.clone(),
        pattern: name_of(&seen.pattern_type),
        share: seen.observation_count as f64 / all,
        confidence: finite(seen.confidence),
    };
    let mut patterns: Vec<Pattern> = found.iter().map(pattern).collect();
    patterns.sort_by(|a, b| b.share.total_cmp(&a.share).then_with(|| a.subject.cmp(&b.subject)));
    patterns
}

fn name_of(pattern: &AccessPatternType) -> String {
    match pattern {
        AccessPatternType::Sequential { stride, direction } => {
            let way = match direction {
                AccessDirection::Forward => "forward",
                AccessDirection::Backward => "backward",
                AccessDirection::Bidirectional => "both ways",
            };
            format!("sequential, {way}, {stride} bytes from one to the next")
        }
        AccessPatternType::Random { hotspot_ratio } => {
            format!("random, {:.0} % in hot spots", hotspot_ratio * 100.0)
        }
        AccessPatternType::Periodic { period_seconds, .. } => {
            format!("periodic, every {period_seconds:.1} s")
        }
        AccessPatternType::Burst { burst_duration_ms, inter_burst_delay_ms } => {
            format!("bursts of {burst_duration_ms:.0} ms, {inter_burst_delay_ms:.0} ms between them")
        }
    }
}

/// The parameters in force, with their bounds.
pub(crate) fn tuned(live: &LiveParameters) -> Vec<TunedParameter> {
    let (codec, level) = live.compression();
    let value = |parameter: Parameter| match parameter {
        Parameter::PrefetchDistance => live.prefetch_distance() as f64,
        Parameter::PrefetchSize => live.prefetch_size() as f64,
        Parameter::BatchSize => live.batch_size() as f64,
        Parameter::BatchTimeout => live.batch_timeout_us() as f64 / 1e3,
        Parameter::Compression => f64::from(codec),
        Parameter::CompressionLevel => f64::from(level),
        Parameter::BufferPoolSize => live.buffer_pool_size() as f64,
        Parameter::BufferSize => live.buffer_size() as f64,
        Parameter::MaxConcurrentOps => live.max_concurrent_ops() as f64,
        Parameter::QueueDepth => live.queue_depth() as f64,
    };
    let tuned = |parameter: Parameter| {
        let bounds = parameter.bounds();
        TunedParameter {
            name: parameter.to_string(),
            value: parameter.show(value(parameter)).to_string(),
            bounds: format!("{} to {}", parameter.show(bounds.min), parameter.show(bounds.max)),
        }
    };
    Parameter::ALL.into_iter().map(tuned).collect()
}

/// JSON has no infinity.
pub(super) fn finite(value: f64) -> f64 {
    if value.is_finite() { value } else { 0.0 }
}

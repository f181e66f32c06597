//! A change under measurement.

use super::controller::Proposal;
use super::shift::Running;
use super::space::Point;
use super::tuner::Estimate;
use crate::{DecisionId, Measured, Outcome, Parameter, Parameters, Snapshot};

/// A gain below this is none: what could be won is less than what the next trial costs.
const GAIN_MIN: f64 = 0.004;
/// Standard errors by which a gain has to stand out to be kept before the last period.
const KEEP_ERRORS: f64 = 1.0;
/// And after one period only, by the two means alone: with more trials than one, some look that good by chance.
const FIRST_ERRORS: f64 = 2.0;
/// And by which a loss has to, to be undone before it.
const DROP_ERRORS: f64 = 0.5;
/// A trial that may well be losing this much does not get another period.
const LOSS_MAX: f64 = 0.05;
/// Of the last period, when a gain that is not certain is kept if it is likely.
const LIKELY_ERRORS: f64 = 0.3;

/// Changes that were applied together, and what was measured since.
#[derive(Debug, Clone)]
pub(crate) struct Trial {
    pub(crate) changes: Vec<(DecisionId, Parameter)>,
    /// The values before.
    pub(crate) values: Parameters,
    pub(crate) from: Point,
    pub(crate) to: Point,
    pub(crate) before: Outcome,
    /// The mean score of the setting before.
    pub(crate) base: Running,
    pub(crate) after: Running,
    after_outcome: Outcome,
    pub(crate) periods: u32,
}

/// What becomes of a trial.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Another period is needed.
    More,
    /// It pays.
    Keep,
    /// It harms.
    Harm,
    /// It makes no difference.
    NoGain,
}

impl Trial {
    /// Nothing measured yet.
    pub(crate) fn new(proposal: &Proposal, [from, to]: [Point; 2], before: Outcome, base: Running) -> Self {
        Self {
            changes: proposal.applied.clone(),
            values: proposal.from,
            from,
            to,
            before,
            base,
            after: Running::default(),
            after_outcome: Outcome::default(),
            periods: 0,
        }
    }

    /// Takes a period in.
    pub(crate) fn observe(&mut self, score: f64, snapshot: &Snapshot) {
        self.periods += 1;
        self.after.add(score, 1e-3);
        let (new, part) = (Outcome::from(snapshot), 1.0 / f64::from(self.periods));
        let mean = &mut self.after_outcome;
        for (mean, new) in [
            (&mut mean.throughput_bps, new.throughput_bps),
            (&mut mean.iops, new.iops),
            (&mut mean.latency_p50_us, new.latency_p50_us),
            (&mut mean.latency_p99_us, new.latency_p99_us),
            (&mut mean.cpu_us_per_op, new.cpu_us_per_op),
            (&mut mean.memory_bytes, new.memory_bytes),
        ] {
            *mean += (new - *mean) * part;
        }
    }

    /// The difference of the two means.
    pub(crate) fn direct(&self, noise: f64) -> Estimate {
        let error = self.base.error(noise).hypot(self.after.error(noise));
        Estimate { gain: self.after.mean - self.base.mean, error }
    }

    /// What the measurements say, given what the method makes of them.
    pub(crate) fn verdict(
        &self,
        direct: Estimate,
        opinion: Option<Estimate>,
        guard: f64,
        periods_max: u32,
    ) -> Verdict {
        if direct.gain < -guard {
            return Verdict::Harm;
        }
        let Estimate { gain, error } = opinion.unwrap_or(direct);
        // The method may know better than the two means how much it is, and not that it is a gain at all.
        let gain = if direct.gain > 0.0 { gain } else { gain.min(0.0) };
        let certain = self.periods > 1 || direct.gain > FIRST_ERRORS * direct.error;
        if certain && gain > GAIN_MIN + KEEP_ERRORS * error {
            return Verdict::Keep;
        }
        if gain < -DROP_ERRORS * error || gain - error < -LOSS_MAX {
            return if gain < -GAIN_MIN { Verdict::Harm } else { Verdict::NoGain };
        }
        if self.periods < periods_max.max(2) {
            return Verdict::More;
        }
        if gain > GAIN_MIN.max(LIKELY_ERRORS * error) { Verdict::Keep } else { Verdict::NoGain }
    }

    /// For the record.
    pub(crate) fn measured(&self, estimate: Estimate) -> Measured {
        Measured {
            gain: estimate.gain.exp_m1(),
            error: estimate.error,
            periods: self.periods,
            before: self.before,
            after: self.after_outcome,
        }
    }
}

//! Whether the workload is still the one it was, and how far scores scatter while it is.

use crate::WorkloadSignature;

/// Weight of a new period in the centre of a workload: it follows slow change and no jump.
const CENTRE_WEIGHT: f64 = 0.2;

/// A score this far from the mean of its setting is another world, whatever the noise.
const JUMP_MIN: f64 = 0.10;
/// And this many standard deviations.
const JUMP_DEVIATIONS: f64 = 6.0;
/// Periods in a row that have to agree on that.
const JUMP_PERIODS: u32 = 2;

/// Follows a workload in the space of signatures.
#[derive(Debug, Clone, Default)]
pub(crate) struct Whereabouts {
    centre: Option<[f64; WorkloadSignature::FEATURES]>,
    jumps: u32,
}

/// What a period's signature says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Sight {
    /// The first workload.
    Arrival,
    /// The same as before.
    Same,
    /// Another one.
    Shift,
}

impl Whereabouts {
    /// Takes the signature of a period in.
    pub(crate) fn observe(&mut self, signature: &WorkloadSignature) -> Sight {
        let new = signature.to_bytes().map(f64::from);
        match &mut self.centre {
            None => {
                self.centre = Some(new);
                Sight::Arrival
            }
            Some(centre) if rounded(centre).distance(signature) > WorkloadSignature::SAME => {
                *centre = new;
                self.jumps = 0;
                Sight::Shift
            }
            Some(centre) => {
                for (centre, new) in centre.iter_mut().zip(new) {
                    *centre += CENTRE_WEIGHT * (new - *centre);
                }
                Sight::Same
            }
        }
    }

    /// The centre of the workload; that of nothing at all before the first period.
    pub(crate) fn signature(&self) -> WorkloadSignature {
        rounded(&self.centre.unwrap_or_default())
    }

    /// Takes the score of a setting in force in; true when it left its mean for good though the signature is the same.
    pub(crate) fn jumped(&mut self, score: f64, mean: f64, noise: f64) -> bool {
        let far = (score - mean).abs() > JUMP_MIN.max(JUMP_DEVIATIONS * noise);
        self.jumps = if far { self.jumps + 1 } else { 0 };
        if self.jumps < JUMP_PERIODS {
            return false;
        }
        self.jumps = 0;
        true
    }
}

fn rounded(centre: &[f64; WorkloadSignature::FEATURES]) -> WorkloadSignature {
    WorkloadSignature::from_bytes(centre.map(|feature| feature.round() as u8))
}

/// A mean that is exact at first and then forgets.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Running {
    pub(crate) mean: f64,
    /// Periods it stands for.
    pub(crate) count: f64,
}

impl Running {
    /// Takes a value in, with at least the given weight.
    pub(crate) fn add(&mut self, value: f64, weight_min: f64) {
        self.count = (self.count + 1.0).min(1.0 / weight_min.max(1e-6));
        self.mean += (value - self.mean) / self.count;
    }

    /// Standard error of the mean of values with this deviation.
    pub(crate) fn error(&self, noise: f64) -> f64 {
        noise / self.count.max(1.0).sqrt()
    }
}

/// Standard deviation of the score of a period, from periods that followed each other under one setting.
#[derive(Debug, Clone)]
pub(crate) struct Noise {
    variance: f64,
    weight: f64,
    last: Option<f64>,
}

/// What a machine that does other things too shows in one second; holds until there are measurements.
const NOISE_PRIOR: f64 = 0.015;
/// Pairs of periods the prior counts for.
const NOISE_PRIOR_WEIGHT: f64 = 4.0;
/// Pairs of periods remembered.
const NOISE_MEMORY: f64 = 40.0;
/// Whatever was measured, scores scatter at least and at most this much: no trial ends at the first difference, and none is hopeless.
const NOISE_RANGE: (f64, f64) = (0.002, 0.2);

impl Default for Noise {
    fn default() -> Self {
        Self { variance: NOISE_PRIOR * NOISE_PRIOR, weight: NOISE_PRIOR_WEIGHT, last: None }
    }
}

impl Noise {
    /// Another period under the setting of the one before.
    pub(crate) fn observe(&mut self, score: f64) {
        if let Some(last) = self.last.replace(score) {
            // One freak period does not make the next twenty trials long.
            let half = ((score - last).powi(2) / 2.0).min(16.0 * self.variance);
            self.weight = (self.weight + 1.0).min(NOISE_MEMORY);
            self.variance += (half - self.variance) / self.weight;
        }
    }

    /// The setting or the workload changed.
    pub(crate) fn pause(&mut self) {
        self.last = None;
    }

    pub(crate) fn deviation(&self) -> f64 {
        self.variance.sqrt().clamp(NOISE_RANGE.0, NOISE_RANGE.1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noise_is_estimated_from_pairs() {
        let mut random = super::super::random::Random::new(1);
        let mut noise = Noise::default();
        for _ in 0..400 {
            noise.observe(3.0 + 0.05 * random.normal());
        }
        assert!((noise.deviation() - 0.05).abs() < 0.015, "{}", noise.deviation());
    }

    #[test]
    fn a_slow_change_is_followed_and_a_jump_is_seen_at_once() {
        let signature = |read_share| WorkloadSignature {
            read_share,
            ..WorkloadSignature::from_bytes([48, 20, 0, 0, 0, 8])
        };
        let mut whereabouts = Whereabouts::default();
        assert_eq!(whereabouts.observe(&signature(64)), Sight::Arrival);
        for share in (24..64).rev() {
            assert_eq!(whereabouts.observe(&signature(share)), Sight::Same, "{share}");
        }
        assert_eq!(whereabouts.observe(&signature(60)), Sight::Shift);
        assert_eq!(whereabouts.signature(), signature(60));
    }

    #[test]
    fn one_odd_period_is_no_jump() {
        let mut whereabouts = Whereabouts::default();
        assert!(!whereabouts.jumped(0.5, 0.0, 0.01));
        assert!(!whereabouts.jumped(0.0, 0.0, 0.01));
        assert!(!whereabouts.jumped(0.5, 0.0, 0.01));
        assert!(whereabouts.jumped(0.5, 0.0, 0.01));
    }
}

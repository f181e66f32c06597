//! The values each parameter can take while it is tuned: a ladder of rungs.

use crate::{Codec, Parameter, Parameters};

/// Rungs to a doubling: steps of a factor of 1.41, the smallest whose effect stands out of a few per cent of noise.
const RUNGS_PER_DOUBLING: f64 = 2.0;

/// Levels that differ enough to be told apart; each codec's range is clamped from it.
const LEVELS: [f64; 7] = [1.0, 3.0, 5.0, 7.0, 9.0, 12.0, 19.0];

/// A setting: one rung for each parameter.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Point([u8; Parameter::COUNT]);

impl Point {
    /// The rung of a parameter.
    #[must_use]
    pub const fn rung(&self, parameter: Parameter) -> u8 {
        self.0[parameter.index()]
    }

    /// With another rung for one parameter.
    #[must_use]
    pub const fn with(mut self, parameter: Parameter, rung: u8) -> Self {
        self.0[parameter.index()] = rung;
        self
    }

    /// The parameters in which two settings differ.
    pub fn changes(&self, other: &Point) -> impl Iterator<Item = Parameter> + use<> {
        let (a, b) = (self.0, other.0);
        Parameter::ALL.into_iter().filter(move |parameter| a[parameter.index()] != b[parameter.index()])
    }
}

/// The ladders of all parameters. Every rung is within the parameter's bounds.
#[derive(Debug, Clone)]
pub struct Space {
    ladders: [Vec<f64>; Parameter::COUNT],
}

impl Space {
    /// Ladders that contain the values of `start`, over the given codecs.
    #[must_use]
    pub fn new(start: &Parameters, codecs: &[Codec]) -> Self {
        let start = start.clamp();
        let ladder = |parameter: Parameter| {
            let bounds = parameter.bounds();
            let mut rungs: Vec<f64> = match parameter {
                Parameter::Compression => codecs.iter().map(|codec| codec.code()).collect(),
                Parameter::CompressionLevel => LEVELS.to_vec(),
                _ => {
                    let steps = (bounds.span() * RUNGS_PER_DOUBLING).ceil() as i32;
                    let factor = |step: i32| 2_f64.powf(f64::from(step) / RUNGS_PER_DOUBLING);
                    (0..=steps).map(|step| bounds.clamp(bounds.min * factor(step))).collect()
                }
            };
            let own = start.get(parameter);
            if !rungs.contains(&own) {
                rungs.push(own);
                if parameter != Parameter::Compression {
                    rungs.sort_by(f64::total_cmp);
                }
            }
            rungs.dedup();
            rungs
        };
        Self { ladders: Parameter::ALL.map(ladder) }
    }

    /// The rungs of a parameter.
    #[must_use]
    pub fn ladder(&self, parameter: Parameter) -> &[f64] {
        &self.ladders[parameter.index()]
    }

    /// The highest rung of a parameter.
    #[must_use]
    pub fn top(&self, parameter: Parameter) -> u8 {
        (self.ladder(parameter).len() - 1) as u8
    }

    /// Where a rung stands between the lowest (0) and the highest (1).
    #[must_use]
    pub fn place(&self, parameter: Parameter, point: &Point) -> f64 {
        let top = self.top(parameter);
        if top == 0 { 0.0 } else { f64::from(point.rung(parameter).min(top)) / f64::from(top) }
    }

    /// The setting nearest to some values.
    #[must_use]
    pub fn nearest(&self, values: &Parameters) -> Point {
        let mut point = Point::default();
        for parameter in Parameter::ALL {
            let value = values.get(parameter);
            let distance = |rung: &f64| match parameter.bounds().geometric {
                true => (rung.max(f64::MIN_POSITIVE) / value.max(f64::MIN_POSITIVE)).ln().abs(),
                false => (rung - value).abs(),
            };
            let rungs = self.ladder(parameter).iter().enumerate();
            let best = rungs.min_by(|a, b| distance(a.1).total_cmp(&distance(b.1)));
            point = point.with(parameter, best.map_or(0, |(rung, _)| rung as u8));
        }
        point
    }

    /// The values of a setting.
    #[must_use]
    pub fn parameters(&self, point: &Point) -> Parameters {
        let mut values = Parameters::default();
        for parameter in Parameter::ALL {
            values.set(parameter, self.value(parameter, point));
        }
        values
    }

    /// The value of one parameter of a setting.
    #[must_use]
    pub fn value(&self, parameter: Parameter, point: &Point) -> f64 {
        let ladder = self.ladder(parameter);
        ladder[usize::from(point.rung(parameter)).min(ladder.len() - 1)]
    }

    /// The setting some rungs up (or down) in one parameter, as far as the ladder goes; `None` where it goes no further.
    #[must_use]
    pub fn step(&self, from: &Point, parameter: Parameter, rungs: i32) -> Option<Point> {
        let now = i32::from(from.rung(parameter));
        let then = now.saturating_add(rungs).clamp(0, i32::from(self.top(parameter)));
        (then != now).then(|| from.with(parameter, then as u8))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ladders_stay_within_bounds_and_hold_the_start() {
        let mut start = Parameters::default();
        start.set(Parameter::BufferPoolSize, 3000.0);
        let space = Space::new(&start, &[Codec::None, Codec::Lz4, Codec::Zstd]);
        for parameter in Parameter::ALL {
            let ladder = space.ladder(parameter);
            assert!(ladder.len() <= 11, "{parameter} {ladder:?}");
            assert!(ladder.iter().all(|value| parameter.bounds().contains(*value)), "{parameter} {ladder:?}");
        }
        assert_eq!(space.parameters(&space.nearest(&start)), start);
        assert_eq!(space.ladder(Parameter::QueueDepth), [16.0, 23.0, 32.0, 45.0, 64.0, 91.0, 128.0]);
    }

    #[test]
    fn steps_end_at_the_bounds() {
        let space = Space::new(&Parameters::default(), &[Codec::Zstd]);
        let here = space.nearest(&Parameters::default());
        let up = space.step(&here, Parameter::QueueDepth, 100).unwrap();
        assert_eq!(space.parameters(&up).queue_depth, 128);
        assert_eq!(space.step(&up, Parameter::QueueDepth, 1), None);
        assert_eq!(here.changes(&up).collect::<Vec<_>>(), [Parameter::QueueDepth]);
        assert_eq!(space.step(&here, Parameter::Compression, 1), None, "one codec is no choice");
    }
}

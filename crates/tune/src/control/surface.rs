//! Measured performance over a grid of settings, for trying methods without an engine.

use super::objective::Objective;
use super::random::Random;
use super::space::{Point, Space};
use crate::{Outcome, Parameter, Parameters, Snapshot};
use std::time::Duration;

/// Points in a surface at most.
const POINTS_MAX: usize = 4096;
/// Parameters in a surface at most.
const AXES_MAX: usize = 4;
/// How much the 99th percentile scatters more than the throughput, and the share of the noise that lasts from period to period: of ten runs of one second on a
/// shared virtual disk.
const TAIL_NOISE: f64 = 3.0;
const LASTING: f64 = 0.9;

/// The performance of a workload over a full grid of some parameters; the others make no difference to it.
///
/// As text, one item a line, `#` begins a comment:
///
/// ```text
/// surface random-4k
/// load tasks=128 block=4096 reads=1 syncs=0 sequential=0
/// noise 0.015
/// axis queue_depth 16 32 64 128
/// at 16 = iops=51000 p50=300 p99=900 cpu=8.1 memory=30000000
/// at 32 = ...
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct Surface {
    name: String,
    load: Load,
    noise: f64,
    axes: Vec<Axis>,
    /// Logarithms of iops, p50, p99, CPU and memory; the last axis runs fastest.
    points: Vec<[f64; 5]>,
}

#[derive(Debug, Clone, PartialEq)]
struct Axis {
    parameter: Parameter,
    values: Vec<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Load {
    tasks: f64,
    block: f64,
    reads: f64,
    syncs: f64,
    sequential: f64,
    burstiness: f64,
}

/// What is wrong with the text of a surface.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("line {line} of a surface: {reason}")]
pub struct SurfaceError {
    /// Which line, from 1; one past the last if something is missing.
    pub line: usize,
    /// In words, with what was expected.
    pub reason: String,
}

impl Surface {
    /// Reads any number of surfaces.
    ///
    /// # Errors
    ///
    /// [`SurfaceError`] with the line and what was expected there.
    pub fn parse(text: &str) -> Result<Vec<Self>, SurfaceError> {
        let mut surfaces: Vec<Self> = Vec::new();
        let mut last = 0;
        for (n, line) in text.lines().enumerate() {
            last = n + 1;
            let line = line.split('#').next().unwrap_or_default().trim();
            let error = |reason: String| SurfaceError { line: n + 1, reason };
            let Some((word, rest)) = line.split_once(' ').or((!line.is_empty()).then_some((line, ""))) else {
                continue;
            };
            if word == "surface" {
                if let Some(before) = surfaces.last() {
                    before.complete().map_err(error)?;
                }
                surfaces.push(Self::empty(rest.trim()));
                continue;
            }
            let surface = surfaces.last_mut().ok_or_else(|| error("expected 'surface NAME' first".into()))?;
            surface.take(word, rest).map_err(error)?;
        }
        match surfaces.last() {
            Some(surface) => surface.complete().map_err(|reason| SurfaceError { line: last + 1, reason })?,
            None => {
                return Err(SurfaceError { line: last + 1, reason: "expected at least one surface".into() });
            }
        }
        Ok(surfaces)
    }

    fn empty(name: &str) -> Self {
        let load =
            Load { tasks: 1.0, block: 4096.0, reads: 1.0, syncs: 0.0, sequential: 0.0, burstiness: 1.0 };
        Self { name: name.to_owned(), load, noise: 0.0, axes: Vec::new(), points: Vec::new() }
    }

    fn take(&mut self, word: &str, rest: &str) -> Result<(), String> {
        match word {
            "load" => {
                let Load { tasks, block, reads, syncs, sequential, burstiness } = &mut self.load;
                for (name, value) in pairs(rest)? {
                    let field = match name {
                        "tasks" => &mut *tasks,
                        "block" => &mut *block,
                        "reads" => &mut *reads,
                        "syncs" => &mut *syncs,
                        "sequential" => &mut *sequential,
                        "burstiness" => &mut *burstiness,
                        _ => {
                            return Err(format!(
                                "unknown '{name}'; a load has tasks, block, reads, syncs, sequential, burstiness"
                            ));
                        }
                    };
                    *field = value;
                }
            }
            "noise" => self.noise = number(rest)?.min(0.5),
            "axis" => {
                let mut words = rest.split_whitespace();
                let name = words.next().unwrap_or_default();
                let parameter: Parameter =
                    name.parse().map_err(|error: crate::UnknownParameter| error.to_string())?;
                let values: Vec<f64> = words.map(number).collect::<Result<_, _>>()?;
                let rising = values.windows(2).all(|pair| pair[0] < pair[1]);
                if values.is_empty()
                    || !rising
                    || values[0] <= 0.0
                    || self.axes.len() == AXES_MAX
                    || !self.points.is_empty()
                {
                    return Err(format!(
                        "expected rising values above 0, on at most {AXES_MAX} axes, all before the first point"
                    ));
                }
                self.axes.push(Axis { parameter, values });
            }
            "at" => self.point(rest)?,
            _ => return Err(format!("expected surface, load, noise, axis or at, found '{word}'")),
        }
        Ok(())
    }

    fn point(&mut self, text: &str) -> Result<(), String> {
        let (place, figures) = text.split_once('=').ok_or("expected 'at VALUES = FIGURES'")?;
        let place: Vec<f64> = place.split_whitespace().map(number).collect::<Result<_, _>>()?;
        let expected = self.place_of(self.points.len()).ok_or("more points than the axes have")?;
        if place != expected {
            return Err(format!(
                "expected the point at {expected:?}, found {place:?}; the last axis runs fastest"
            ));
        }
        let mut point = [f64::NAN; 5];
        for (name, value) in pairs(figures)? {
            let index = ["iops", "p50", "p99", "cpu", "memory"].iter().position(|known| *known == name);
            point[index.ok_or_else(|| format!("unknown figure '{name}'"))?] = value.max(1e-3).ln();
        }
        if point.iter().any(|value| value.is_nan()) {
            return Err("expected iops, p50, p99, cpu and memory".into());
        }
        self.points.push(point);
        Ok(())
    }

    fn place_of(&self, mut index: usize) -> Option<Vec<f64>> {
        let mut place = Vec::new();
        for axis in self.axes.iter().rev() {
            place.push(axis.values[index % axis.values.len()]);
            index /= axis.values.len();
        }
        place.reverse();
        (index == 0 && self.points.len() < POINTS_MAX).then_some(place)
    }

    fn complete(&self) -> Result<(), String> {
        let wanted: usize = self.axes.iter().map(|axis| axis.values.len()).product();
        if self.points.len() == wanted && self.load.block >= 1.0 && self.load.tasks > 0.0 {
            return Ok(());
        }
        Err(format!("surface '{}' has {} of {wanted} points", self.name, self.points.len()))
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Standard deviation of the throughput of a period, as a share.
    #[must_use]
    pub const fn noise(&self) -> f64 {
        self.noise
    }

    /// What a setting comes to without noise: between the points by the logarithms of both sides, beyond the last as at the last.
    #[must_use]
    pub fn outcome(&self, values: &Parameters) -> Outcome {
        let mut sum = [0.0; 5];
        for corner in 0..1_usize << self.axes.len() {
            let (mut index, mut weight) = (0, 1.0);
            for (n, axis) in self.axes.iter().enumerate() {
                let (low, share) = axis.locate(values.get(axis.parameter));
                let high = corner >> n & 1;
                index = index * axis.values.len() + (low + high).min(axis.values.len() - 1);
                weight *= if high == 1 { share } else { 1.0 - share };
            }
            for (sum, value) in sum.iter_mut().zip(self.points[index]) {
                *sum += weight * value;
            }
        }
        let [iops, p50, p99, cpu, memory] = sum.map(f64::exp);
        Outcome {
            throughput_bps: iops * self.load.block,
            iops,
            latency_p50_us: p50,
            latency_p99_us: p99,
            cpu_us_per_op: cpu,
            memory_bytes: memory,
        }
    }

    /// A period of one second under a setting, with this relative deviation of the throughput, of the median and of the tail.
    #[must_use]
    pub fn snapshot(&self, values: &Parameters, [speed, median, tail]: [f64; 3]) -> Snapshot {
        let outcome = self.outcome(values);
        let Load { tasks, reads, syncs, sequential, burstiness, block } = self.load;
        let operations = outcome.iops * speed.exp();
        let micros = |value: f64| Duration::from_secs_f64(value.clamp(0.0, 1e12) / 1e6);
        let count = |share: f64| (operations * share).round() as u64;
        let transfers = 1.0 - syncs;
        Snapshot {
            period: Duration::from_secs(1),
            reads: count(reads * transfers),
            writes: count((1.0 - reads) * transfers),
            syncs: count(syncs),
            read_bytes: (operations * reads * transfers * block) as u64,
            write_bytes: (operations * (1.0 - reads) * transfers * block) as u64,
            latency_p50: micros(outcome.latency_p50_us * median.exp()),
            latency_p99: micros(outcome.latency_p99_us * tail.exp()),
            cpu: micros(outcome.cpu_us_per_op * operations),
            memory_bytes: outcome.memory_bytes as u64,
            in_flight_mean: tasks,
            queue_depth: tasks.min(values.queue_depth as f64),
            sequential_share: sequential,
            burstiness,
            ..Snapshot::default()
        }
    }

    /// The best setting on the rungs of a space, by trying all of those of the axes: what no method can beat.
    pub(crate) fn best(&self, space: &Space, from: &Point, objective: &Objective) -> (Point, f64) {
        let mut best = (*from, f64::NEG_INFINITY);
        let tops: Vec<usize> = self.axes.iter().map(|axis| space.ladder(axis.parameter).len()).collect();
        for index in 0..tops.iter().product() {
            let (mut point, mut rest) = (*from, index);
            for (axis, rungs) in self.axes.iter().zip(&tops) {
                point = point.with(axis.parameter, (rest % rungs) as u8);
                rest /= rungs;
            }
            let score = self.score(&space.parameters(&point), objective);
            if score > best.1 {
                best = (point, score);
            }
        }
        best
    }

    /// The score of a setting without noise.
    pub(crate) fn score(&self, values: &Parameters, objective: &Objective) -> f64 {
        objective.score(&self.snapshot(values, [0.0; 3]))
    }
}

impl Axis {
    /// The point at or below a value, and how far it is to the next.
    fn locate(&self, value: f64) -> (usize, f64) {
        let above = self.values.iter().position(|point| *point > value).unwrap_or(self.values.len());
        let low = above.saturating_sub(1);
        match self.values.get(low + 1) {
            Some(next) if value > self.values[low] => {
                (low, (value / self.values[low]).ln() / (next / self.values[low]).ln())
            }
            _ => (low, 0.0),
        }
    }
}

/// Deviations from period to period: some last, some do not.
#[derive(Debug)]
pub(crate) struct Weather {
    random: Random,
    lasting: f64,
}

impl Weather {
    pub(crate) fn new(seed: u64) -> Self {
        Self { random: Random::new(seed), lasting: 0.0 }
    }

    /// Deviations of throughput, median and tail for the next period.
    pub(crate) fn next(&mut self, noise: f64) -> [f64; 3] {
        let random = &mut self.random;
        // Half of the variance lasts.
        let half = noise * std::f64::consts::FRAC_1_SQRT_2;
        self.lasting = LASTING * self.lasting + (1.0 - LASTING * LASTING).sqrt() * half * random.normal();
        let speed = self.lasting + half * random.normal();
        [speed, half * random.normal() - speed, TAIL_NOISE * half * random.normal() - speed]
    }
}

fn number(text: &str) -> Result<f64, String> {
    let value: Option<f64> = text.trim().parse().ok();
    value
        .filter(|value| value.is_finite() && *value >= 0.0)
        .ok_or_else(|| format!("'{text}' is no number from 0 on"))
}

fn pairs(text: &str) -> Result<Vec<(&str, f64)>, String> {
    let pair = |word| {
        let (name, value) =
            str::split_once(word, '=').ok_or_else(|| format!("expected NAME=VALUE, found '{word}'"))?;
        Ok((name, number(value)?))
    };
    text.split_whitespace().map(pair).collect()
}

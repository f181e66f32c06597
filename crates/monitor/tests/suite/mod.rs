//! Labelled series: metrics with and without a fault, and what the monitor makes of them.
//!
//! Each series drives one metric for [`LENGTH`] intervals while the others stay at usual values with a little noise. A fault
//! begins at [`ONSET`].

use rustfs_rio_monitor::{AlertBook, Change, RealTimeStats, SystemSample, Targets, Watch};
use std::time::Duration;

pub const LENGTH: u32 = 900;
pub const ONSET: u32 = 600;
/// Memory and open files of the simulated machine.
const CAPACITY: u64 = 1 << 34;

/// xorshift64 (Marsaglia 2003) and what is built on it.
pub struct Random(u64);

impl Random {
    pub fn new(seed: u64) -> Self {
        let mut random = Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
        for _ in 0..8 {
            random.uniform();
        }
        random
    }

    /// 0 to 1.
    pub fn uniform(&mut self) -> f64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Mean 0, standard deviation 1: the sum of twelve.
    pub fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.uniform()).sum::<f64>() - 6.0
    }
}

/// The metric that a series drives.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Driven {
    Latency,
    Errors,
    Queue,
    Hits,
    Memory,
    Files,
}

/// What the noise of a series is like.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Noise {
    /// Independent, of this relative size.
    White(f64),
    /// Each value remembers nine tenths of the one before.
    Red(f64),
    /// White, and now and then one value many times as large.
    Spiky(f64),
    /// White around a wave of this relative height, with a period of 40 intervals.
    Wave(f64, f64),
    /// White around a slow wave, with a period of an hour.
    Slow(f64, f64),
}

/// A fault, or none.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Fault {
    None,
    /// Better by this factor, which is no fault.
    Better(f64),
    /// Worse by this factor from one value to the next.
    Step(f64),
    /// An added value per interval.
    Leak(f64),
    /// An added value, for good.
    Added(f64),
    /// One single value worse by this factor: a spike and nothing more.
    Blip(f64),
}

#[derive(Debug, Clone, Copy)]
pub struct Series {
    pub driven: Driven,
    pub usual: f64,
    pub noise: Noise,
    pub fault: Fault,
}

impl Series {
    /// Whether somebody should hear of it.
    pub fn is_faulty(&self) -> bool {
        matches!(self.fault, Fault::Step(_) | Fault::Leak(_) | Fault::Added(_))
    }
}

/// What came of a series.
#[derive(Debug, Default)]
pub struct Verdict {
    /// Alerts of the fault: after its onset, of its metric.
    pub right: u32,
    /// All other alerts.
    pub wrong: u32,
    /// Intervals from the onset to the first right alert.
    pub delay: Option<u32>,
}

/// The suite: 72 series.
pub fn suite() -> Vec<Series> {
    use Driven::{Errors, Files, Hits, Latency, Memory, Queue};
    use Noise::{Red, Slow, Spiky, Wave, White};
    let mut all = Vec::new();
    let mut add = |driven, usual, noise, faults: &[Fault]| {
        all.extend(faults.iter().map(|fault| Series { driven, usual, noise, fault: *fault }));
    };
    let latency = [
        Fault::None,
        Fault::Better(0.5),
        Fault::Blip(8.0),
        Fault::Step(1.5),
        Fault::Step(2.0),
        Fault::Step(5.0),
    ];
    for noise in [White(0.02), White(0.08), Red(0.05), Spiky(0.05), Wave(0.05, 0.2), Slow(0.05, 0.3)] {
        add(Latency, 250.0, noise, &latency);
    }
    add(Latency, 80_000.0, White(0.15), &[Fault::None, Fault::Step(2.0)]);
    add(Errors, 0.0, White(0.0), &[Fault::None, Fault::Added(2.0), Fault::Added(20.0)]);
    add(Errors, 0.2, White(0.3), &[Fault::None, Fault::Added(2.0), Fault::Added(20.0)]);
    for noise in [White(0.1), Red(0.1), Wave(0.1, 0.3)] {
        add(Queue, 16.0, noise, &[Fault::None, Fault::Step(3.0), Fault::Step(10.0)]);
    }
    add(Queue, 1.0, White(0.5), &[Fault::None, Fault::Added(40.0)]);
    add(Hits, 0.85, White(0.02), &[Fault::None, Fault::Added(-0.3), Fault::Added(-0.6)]);
    add(Hits, 0.85, Slow(0.02, 0.05), &[Fault::None, Fault::Added(-0.3)]);
    add(Memory, 0.4, White(0.002), &[Fault::None, Fault::Leak(0.0005), Fault::Leak(0.002)]);
    add(Memory, 0.4, Red(0.01), &[Fault::None, Fault::Leak(0.001), Fault::Leak(0.002)]);
    add(Memory, 0.5, Wave(0.005, 0.1), &[Fault::None, Fault::Leak(0.002)]);
    add(Files, 0.1, White(0.02), &[Fault::None, Fault::Leak(0.001), Fault::Leak(0.003)]);
    all
}

/// Plays a series to the monitor.
pub fn judge(series: &Series, seed: u64) -> Verdict {
    let mut random = Random::new(seed);
    let mut watch = Watch::new(Duration::from_secs(1), Targets::default());
    let mut book = AlertBook::new();
    let mut verdict = Verdict::default();
    let mut memory = 0.0;
    for i in 0..LENGTH {
        let value = value(series, i, &mut memory, &mut random);
        let (stats, system) = interval(series.driven, value, u64::from(i), &mut random);
        let findings = watch.look(Duration::from_secs(1), &stats, &system);
        for change in book.update(Duration::from_secs(u64::from(i)), findings) {
            let Change::Opened(alert) = change else { continue };
            let is_right =
                series.is_faulty() && i >= ONSET && names(series.driven).contains(&alert.metric.as_str());
            if is_right {
                verdict.right += 1;
                verdict.delay.get_or_insert(i - ONSET);
            } else if series.fault == Fault::Blip(8.0)
                && alert.severity < rustfs_rio_monitor::AlertSeverity::Warning
            {
                // A remark about a value that is eight times the usual is right.
            } else {
                verdict.wrong += 1;
            }
        }
    }
    verdict
}

fn names(driven: Driven) -> &'static [&'static str] {
    match driven {
        Driven::Latency => &["p50_latency_us", "p99_latency_us"],
        Driven::Errors => &["error_rate"],
        Driven::Queue => &["queue_depth"],
        Driven::Hits => &["cache_hit_rate"],
        Driven::Memory => &["memory_share"],
        Driven::Files => &["open_files_share"],
    }
}

fn value(series: &Series, i: u32, memory: &mut f64, random: &mut Random) -> f64 {
    let wave = |period: f64| (f64::from(i) / period * std::f64::consts::TAU).sin();
    let relative = match series.noise {
        Noise::White(size) => size * random.normal(),
        Noise::Red(size) => {
            *memory = 0.9 * *memory + (1.0f64 - 0.81).sqrt() * random.normal();
            size * *memory
        }
        Noise::Spiky(size) if random.uniform() < 0.01 => size * random.normal() + 3.0 * random.uniform(),
        Noise::Spiky(size) => size * random.normal(),
        Noise::Wave(size, height) => size * random.normal() + height * wave(40.0),
        Noise::Slow(size, height) => size * random.normal() + height * wave(3600.0),
    };
    let value = series.usual * (1.0 + relative);
    let since = i.checked_sub(ONSET);
    match (series.fault, since) {
        (Fault::None, _) | (_, None) => value,
        (Fault::Better(factor) | Fault::Step(factor), Some(_)) | (Fault::Blip(factor), Some(0)) => {
            value * factor
        }
        (Fault::Leak(each), Some(since)) => value + each * f64::from(since),
        (Fault::Added(more), Some(_)) => value + more,
        (Fault::Blip(_), Some(_)) => value,
    }
}

/// One interval's numbers, with `value` for the metric that is driven.
pub fn interval(
    driven: Driven,
    value: f64,
    second: u64,
    random: &mut Random,
) -> (RealTimeStats, SystemSample) {
    let mut near = |usual: f64, size: f64| usual * (1.0 + size * random.normal());
    let mut stats = RealTimeStats {
        timestamp: second,
        iops: near(20_000.0, 0.1),
        throughput_bps: near(8e7, 0.1),
        p50_latency_us: near(250.0, 0.05),
        p99_latency_us: near(900.0, 0.1),
        queue_depth: near(16.0, 0.1) as u32,
        cache_hit_rate: 0.8,
        ..RealTimeStats::default()
    };
    let mut system = SystemSample::default();
    system.memory_max = Some(CAPACITY);
    system.open_files_max = Some(CAPACITY);
    let share = |value: f64| (value.clamp(0.0, 1.0) * CAPACITY as f64) as u64;
    system.memory_used = Some(share(near(0.3, 0.005)));
    system.open_files = Some(share(0.05));
    match driven {
        Driven::Latency => {
            stats.p50_latency_us = value;
            stats.p99_latency_us = value * near(3.0, 0.1);
        }
        Driven::Errors => stats.error_rate = value.max(0.0),
        Driven::Queue => stats.queue_depth = value.max(0.0).round() as u32,
        Driven::Hits => stats.cache_hit_rate = value.clamp(0.0, 1.0),
        Driven::Memory => system.memory_used = Some(share(value)),
        Driven::Files => system.open_files = Some(share(value)),
    }
    (stats, system)
}

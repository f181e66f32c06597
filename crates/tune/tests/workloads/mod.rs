//! Generators of block traces, by seed: what the predictors were chosen on (seeds below 100) and what they are judged on (from 100).
#![allow(dead_code, reason = "each user of the workloads takes a part of them")]

use crate::suite::Random;
use rustfs_rio_tune::{Access, AccessKind, Pace};

const KIB: u64 = 1 << 10;
const SPAN: u64 = 64 << 30;

/// Whether there is something to gain by reading ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hope {
    Gain,
    Nothing,
}

pub(crate) struct Workload {
    pub(crate) name: &'static str,
    pub(crate) hope: Hope,
    pub(crate) pace: Pace,
    pub(crate) make: fn(&mut Maker),
}

/// Collects requests.
pub(crate) struct Maker {
    random: Random,
    now: u64,
    out: Vec<Access>,
}

impl Maker {
    fn push(&mut self, offset: u64, len: u64, kind: AccessKind) {
        self.now += 100_000 + self.random.below(1_800_000);
        self.out.push(Access { at_ns: self.now, space: 0, offset, len: len as u32, kind });
    }

    fn read(&mut self, offset: u64, len: u64) {
        self.push(offset, len, AccessKind::Read);
    }

    fn noise(&mut self, share: f64) {
        if self.random.unit() < share {
            let at = self.block(SPAN);
            self.read(at, 8 * KIB);
        }
    }

    fn block(&mut self, span: u64) -> u64 {
        self.random.below(span >> 12) << 12
    }

    fn geometric(&mut self, mean: f64) -> u64 {
        1 + (-(1.0 - self.random.unit()).ln() * mean) as u64
    }

    /// Scattered places in a random order, each of some blocks.
    fn order(&mut self, places: usize, blocks_max: u64) -> Vec<(u64, u64)> {
        (0..places).map(|_| (self.block(SPAN), (1 + self.random.below(blocks_max)) * 4 * KIB)).collect()
    }

    /// Small numbers are frequent: `x` with a probability of about `1 / x` (Zipf).
    fn zipf(&mut self, count: u64) -> u64 {
        ((count as f64).powf(self.random.unit()) as u64 - 1).min(count - 1)
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for at in (1..list.len()).rev() {
            list.swap(at, self.random.below(at as u64 + 1) as usize);
        }
    }
}

pub(crate) const TIMED: Pace = Pace::Recorded(1.0);

pub(crate) const WORKLOADS: [Workload; 20] = [
    Workload {
        name: "streams, many",
        hope: Hope::Gain,
        pace: TIMED,
        make: |m| streams(m, 100, 40.0, 0.2, 1),
    },
    Workload {
        name: "streams, few, long",
        hope: Hope::Gain,
        pace: TIMED,
        make: |m| streams(m, 8, 400.0, 0.3, 1),
    },
    Workload { name: "streams, short", hope: Hope::Gain, pace: TIMED, make: |m| streams(m, 50, 5.0, 0.3, 1) },
    Workload {
        name: "streams, backward",
        hope: Hope::Gain,
        pace: TIMED,
        make: |m| streams(m, 20, 60.0, 0.2, -1),
    },
    Workload {
        name: "streams, one by one",
        hope: Hope::Gain,
        pace: Pace::OneByOne,
        make: |m| streams(m, 30, 50.0, 0.1, 1),
    },
    Workload { name: "strides", hope: Hope::Gain, pace: TIMED, make: strides },
    Workload {
        name: "loop, shuffled",
        hope: Hope::Gain,
        pace: Pace::OneByOne,
        make: |m| loops(m, &[24_000], 5, 0.0, 1),
    },
    Workload { name: "loop, noise", hope: Hope::Gain, pace: TIMED, make: |m| loops(m, &[8_000], 6, 0.2, 8) },
    Workload {
        name: "loops, interleaved",
        hope: Hope::Gain,
        pace: TIMED,
        make: |m| loops(m, &[5_000, 3_000, 7_000, 4_000], 6, 0.1, 8),
    },
    Workload {
        name: "loops, 8 interleaved",
        hope: Hope::Gain,
        pace: Pace::OneByOne,
        make: |m| loops(m, &[3_000, 2_500, 3_500, 2_000, 4_000, 3_000, 2_800, 3_200], 7, 0.0, 4),
    },
    Workload { name: "loop, drifting", hope: Hope::Gain, pace: TIMED, make: drifting },
    Workload { name: "files in pieces", hope: Hope::Gain, pace: TIMED, make: files },
    Workload { name: "walks", hope: Hope::Gain, pace: TIMED, make: walks },
    Workload { name: "periodic", hope: Hope::Gain, pace: TIMED, make: periodic },
    Workload { name: "server mix", hope: Hope::Gain, pace: TIMED, make: server },
    Workload { name: "loop of scans", hope: Hope::Gain, pace: Pace::OneByOne, make: loop_of_scans },
    Workload {
        name: "uniform",
        hope: Hope::Nothing,
        pace: TIMED,
        make: |m| (0..40_000).for_each(|_| m.noise(1.0)),
    },
    Workload {
        name: "uniform, small",
        hope: Hope::Nothing,
        pace: TIMED,
        make: |m| {
            (0..60_000).for_each(|_| {
                let at = m.block(512 << 20);
                m.read(at, 4 * KIB);
            })
        },
    },
    Workload {
        name: "zipf",
        hope: Hope::Nothing,
        pace: TIMED,
        make: |m| {
            (0..80_000).for_each(|_| {
                let at = m.zipf(200_000);
                m.read(scatter(at), 8 * KIB);
            })
        },
    },
    Workload {
        name: "zipf, writes",
        hope: Hope::Nothing,
        pace: TIMED,
        make: |m| {
            (0..80_000).for_each(|n| {
                let at = m.zipf(400_000);
                let kind = if n % 3 == 0 { AccessKind::Write } else { AccessKind::Read };
                m.push(scatter(at), 4 * KIB, kind);
            })
        },
    },
];

/// The requests of one workload.
pub(crate) fn make(which: usize, seed: u64) -> Vec<Access> {
    let random = Random::new(seed.wrapping_mul(1009) + which as u64 + 1);
    let mut maker = Maker { random, now: 0, out: Vec::new() };
    (WORKLOADS[which].make)(&mut maker);
    maker.out
}

/// Frequent places do not adjoin.
fn scatter(number: u64) -> u64 {
    ((number.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) % (SPAN >> 13)) << 13
}

fn streams(m: &mut Maker, count: usize, mean: f64, noise: f64, way: i64) {
    // Where a stream is, its requests left, their size, and how often it is served.
    let mut open: Vec<(u64, u64, u64, u64)> = vec![(0, 0, 0, 1); count];
    while m.out.len() < 40_000 {
        let which = m.random.below(count as u64) as usize;
        if m.random.below(4) >= open[which].3 {
            continue;
        }
        if open[which].1 == 0 {
            let size = (4 * KIB) << m.random.below(5);
            open[which] = (SPAN / 4 + m.block(SPAN / 2), m.geometric(mean), size, 1 + m.random.below(4));
        }
        let (at, left, size, _) = open[which];
        m.read(at, size);
        open[which].0 = at.wrapping_add_signed(way * size as i64);
        open[which].1 = left - 1;
        m.noise(noise);
    }
}

fn strides(m: &mut Maker) {
    let mut open = [(0_u64, 0_u64, 0_u64, 0_i64); 12];
    while m.out.len() < 30_000 {
        let which = m.random.below(12) as usize;
        if open[which].1 == 0 {
            let stride = (5 + m.random.below(40) as i64) * 16 * KIB as i64;
            let way = if m.random.below(3) == 0 { -1 } else { 1 };
            open[which] = (SPAN / 4 + m.block(SPAN / 2), m.geometric(80.0), 8 * KIB, stride * way);
        }
        let (at, left, size, stride) = open[which];
        m.read(at, size);
        open[which].0 = at.wrapping_add_signed(stride);
        open[which].1 = left - 1;
        m.noise(0.15);
    }
}

fn loops(m: &mut Maker, lengths: &[usize], passes: usize, noise: f64, blocks_max: u64) {
    let orders: Vec<_> = lengths.iter().map(|&length| m.order(length, blocks_max)).collect();
    let mut places = vec![0_usize; lengths.len()];
    let total: usize = lengths.iter().sum::<usize>() * passes;
    while m.out.len() < total {
        let which = m.random.below(lengths.len() as u64) as usize;
        let (at, len) = orders[which][places[which]];
        places[which] = (places[which] + 1) % orders[which].len();
        m.read(at, len);
        m.noise(noise);
    }
}

/// Each pass leaves a tenth out, and moves a tenth elsewhere.
fn drifting(m: &mut Maker) {
    let mut order = m.order(6_000, 8);
    for _ in 0..8 {
        for &(offset, len) in &order {
            if m.random.below(10) > 0 {
                m.read(offset, len);
            }
        }
        for _ in 0..order.len() / 20 {
            let (one, other) = (m.random.below(6_000) as usize, m.random.below(6_000) as usize);
            order.swap(one, other);
        }
    }
}

/// Files of scattered pieces, read whole; some often, by several readers at once.
fn files(m: &mut Maker) {
    let files: Vec<Vec<_>> = (0..3_000)
        .map(|_| {
            let pieces = 2 + m.random.below(30) as usize;
            m.order(pieces, 4)
        })
        .collect();
    let mut readers = [(0_usize, usize::MAX); 4];
    while m.out.len() < 120_000 {
        let which = m.random.below(4) as usize;
        let (file, piece) = readers[which];
        if piece >= files[file].len() {
            readers[which] = (m.zipf(3_000) as usize, 0);
            continue;
        }
        let (at, len) = files[file][piece];
        m.read(at, len);
        readers[which].1 += 1;
        m.noise(0.05);
    }
}

/// From each place to one of two others: to the usual one three times out of four.
fn walks(m: &mut Maker) {
    let places = m.order(30_000, 2);
    let next: Vec<_> =
        (0..30_000).map(|_| [m.random.below(30_000) as usize, m.random.below(30_000) as usize]).collect();
    let mut at = 0;
    for step in 0..120_000 {
        let (offset, len) = places[at];
        m.read(offset, len);
        at = next[at][usize::from(m.random.below(4) == 0)];
        if step % 500 == 0 {
            at = m.random.below(50) as usize;
        }
    }
}

/// The same ranges every twenty seconds, in another order each time; noise between.
fn periodic(m: &mut Maker) {
    let mut ranges = m.order(1_500, 8);
    for period in 0..12_u64 {
        m.now = m.now.max(period * 20_000_000_000);
        let mut copy = std::mem::take(&mut ranges);
        // Roughly the same order, so that times agree within a part of the period.
        copy.chunks_mut(100).for_each(|chunk| m.shuffle(chunk));
        for &(at, len) in &copy {
            m.read(at, len);
        }
        ranges = copy;
        while m.now < (period + 1) * 20_000_000_000 {
            m.now += 2_000_000;
            m.noise(1.0);
        }
    }
}

fn server(m: &mut Maker) {
    let job = m.order(4_000, 8);
    let mut open = [(0_u64, 0_u64); 6];
    let mut place = 0;
    while m.out.len() < 100_000 {
        match m.random.below(10) {
            0..=2 => {
                let at = m.zipf(300_000);
                m.push(scatter(at), 4 * KIB, AccessKind::Write);
            }
            3..=4 => {
                let at = m.zipf(300_000);
                m.read(scatter(at), 8 * KIB);
            }
            5..=7 => {
                let which = m.random.below(6) as usize;
                if open[which].1 == 0 {
                    open[which] = (m.block(SPAN / 2), m.geometric(60.0));
                }
                m.read(open[which].0, 32 * KIB);
                open[which].0 += 32 * KIB;
                open[which].1 -= 1;
            }
            _ => {
                let (at, len) = job[place];
                place = (place + 1) % job.len();
                m.read(at, len);
            }
        }
    }
}

/// Pieces of 64 KiB in a scattered order, each read in requests of one block.
fn loop_of_scans(m: &mut Maker) {
    let order = m.order(2_500, 1);
    for _ in 0..4 {
        for &(at, _) in &order {
            (0..16).for_each(|block| m.read((at & !0xffff) + block * 4 * KIB, 4 * KIB));
        }
    }
}

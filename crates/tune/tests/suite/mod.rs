//! Labelled request streams: sixteen generators with noise, interleaving and changes of regime.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "each user of the suite takes a part of it"
)]

use rustfs_rio_tune::{Access, AccessKind, Arrival, Direction, Pattern, Recogniser, Verdict};

/// Says that a test cannot run here; CONTRIBUTING.md has the convention.
pub(crate) fn skip(reason: &str) {
    let line = format!("RIO-SKIP: {reason}");
    println!("{line}");
    if let Some(log) = std::env::var_os("RIO_SKIP_LOG") {
        use std::io::Write;
        let file = std::fs::OpenOptions::new().create(true).append(true).open(log);
        file.and_then(|mut file| writeln!(file, "{line}")).unwrap();
    }
}

/// xorshift64* (Vigna 2016).
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        (self.next() >> 11) % bound
    }

    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Truth {
    Forward,
    Backward,
    Stride(i64),
    Uniform,
    Hot,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum When {
    Any,
    Steady,
    Periodic,
    Burst,
}

pub(crate) struct Labelled {
    pub(crate) access: Access,
    pub(crate) stream: usize,
    pub(crate) truth: Truth,
    pub(crate) when: When,
}

const FILE: u64 = 16 << 30;

struct Maker {
    random: Random,
    now: u64,
    out: Vec<Labelled>,
    when: When,
    positions: Vec<u64>,
    span: u64,
    spots: Vec<u64>,
}

impl Maker {
    fn new(seed: u64) -> Self {
        let mut random = Random::new(seed);
        let spots = (0..8).map(|_| random.below(FILE >> 12) << 12).collect();
        let positions = (0..512).map(|_| FILE / 4 + (random.below(FILE >> 17) << 16)).collect();
        Self { random, now: 1, out: Vec::new(), when: When::Any, positions, span: FILE, spots }
    }

    fn push(&mut self, stream: usize, truth: Truth, offset: u64, len: u32) {
        let gap = 20_000 + self.random.below(160_000);
        if self.when == When::Any {
            self.now += gap;
        }
        let access = Access { at_ns: self.now, space: 7, offset, len, kind: AccessKind::Read };
        self.out.push(Labelled { access, stream, truth, when: self.when });
    }

    fn step(&mut self, stream: usize, truth: Truth, len: u32) {
        let at = self.positions[stream];
        let next = match truth {
            Truth::Forward => at + u64::from(len),
            Truth::Backward => at - u64::from(len),
            Truth::Stride(by) => at.wrapping_add_signed(by),
            Truth::Uniform | Truth::Hot => return self.loose(stream, truth),
        };
        self.positions[stream] = next;
        let offset = if truth == Truth::Backward { next } else { at };
        self.push(stream, truth, offset, len);
    }

    fn loose(&mut self, stream: usize, truth: Truth) {
        let mut offset = self.random.below(self.span >> 12) << 12;
        if truth == Truth::Hot && self.random.unit() < 0.8 {
            offset = self.spots[self.random.below(8) as usize] + (self.random.below(16) << 12);
        }
        self.push(stream, truth, offset, 4096);
    }

    fn noise(&mut self, share: f64) {
        if self.random.unit() < share {
            self.loose(511, Truth::Uniform);
        }
    }
}

pub(crate) const GENERATORS: [&str; 16] = [
    "forward",
    "forward, lengths vary, noise",
    "backward",
    "stride",
    "stride backward, noise",
    "16 forward",
    "200 forward, noise",
    "uniform",
    "hot spots",
    "hot range",
    "bursts",
    "periodic",
    "mixture",
    "regimes",
    "forward, displaced",
    "uniform, small file",
];

/// The requests of one generator.
pub(crate) fn generate(which: usize, seed: u64) -> Vec<Labelled> {
    let mut m = Maker::new(seed.wrapping_mul(31) + which as u64 + 1);
    let block = 4096_u32 << m.random.below(5);
    let stride = i64::from(block) * (2 + m.random.below(30) as i64);
    match which {
        0 => (0..400).for_each(|_| m.step(0, Truth::Forward, block)),
        1 => (0..400).for_each(|_| {
            let len = 4096 * (1 + m.random.below(16) as u32);
            m.step(0, Truth::Forward, len);
            m.noise(0.1);
        }),
        2 => (0..400).for_each(|_| m.step(0, Truth::Backward, block)),
        3 => (0..400).for_each(|_| m.step(0, Truth::Stride(stride), block)),
        4 => (0..400).for_each(|_| {
            m.step(0, Truth::Stride(-stride), block);
            m.noise(0.1);
        }),
        5 | 6 => (0..if which == 5 { 4_000 } else { 30_000 }).for_each(|_| {
            let stream = m.random.below(if which == 5 { 16 } else { 200 }) as usize;
            m.step(stream, Truth::Forward, block);
            m.noise(if which == 5 { 0.0 } else { 0.1 });
        }),
        7 => (0..600).for_each(|_| m.step(0, Truth::Uniform, 4096)),
        8 => (0..600).for_each(|_| m.step(0, Truth::Hot, 4096)),
        9 => {
            m.spots = (0..8).map(|part| (3 << 30) + part * (100 << 20)).collect();
            (0..600).for_each(|_| m.step(0, Truth::Hot, 4096));
        }
        10 => bursts(&mut m),
        11 => periodic(&mut m),
        12 => (0..2_000).for_each(|_| match m.random.below(4) {
            0 => m.step(0, Truth::Forward, block),
            1 => m.step(1, Truth::Stride(stride), block),
            2 => m.step(2, Truth::Backward, block),
            _ => m.step(3, Truth::Uniform, 4096),
        }),
        13 => (0..1_200).for_each(|n| match n / 300 {
            0 => m.step(0, Truth::Forward, block),
            1 => m.step(1, Truth::Uniform, 4096),
            2 => m.step(2, Truth::Backward, block),
            _ => m.step(3, Truth::Uniform, 4096),
        }),
        14 => {
            (0..400).for_each(|_| m.step(0, Truth::Forward, block));
            for at in (1..m.out.len()).step_by(20) {
                let before = m.out[at - 1].access.offset;
                m.out[at - 1].access.offset = m.out[at].access.offset;
                m.out[at].access.offset = before;
            }
        }
        _ => {
            m.span = 64 << 20;
            (0..3_000).for_each(|_| m.step(0, Truth::Uniform, 4096));
        }
    }
    m.out
}

fn bursts(m: &mut Maker) {
    m.when = When::Burst;
    for _ in 0..40 {
        for _ in 0..8 + m.random.below(8) {
            m.now += 50_000 + m.random.below(100_000);
            m.step(0, Truth::Uniform, 4096);
        }
        m.now += 5_000_000 + m.random.below(5_000_000);
    }
}

fn periodic(m: &mut Maker) {
    m.when = When::Periodic;
    let period = 2e6 + m.random.unit() * 8e6;
    let mean_gap = period / 14.0;
    for _ in 0..600 {
        let phase = m.now as f64 / period * std::f64::consts::TAU;
        let gap = mean_gap / (1.0 + 0.7 * phase.sin()).max(0.1) * (0.85 + 0.3 * m.random.unit());
        m.now += gap as u64;
        m.step(0, Truth::Uniform, 4096);
    }
}

/// Whether the verdict names the truth.
pub(crate) fn right(verdict: &Verdict, labelled: &Labelled) -> bool {
    let pattern = match (verdict.pattern, labelled.truth) {
        (Pattern::Sequential { stride, direction }, truth) => {
            let whole = u64::from(labelled.access.len);
            match truth {
                Truth::Forward => (stride == 0 || stride == whole) && direction == Direction::Forward,
                Truth::Backward => (stride == 0 || stride == whole) && direction == Direction::Backward,
                Truth::Stride(by) => {
                    stride == by.unsigned_abs() && (direction == Direction::Backward) == (by < 0)
                }
                Truth::Uniform | Truth::Hot => false,
            }
        }
        (Pattern::Random { hot_share, .. }, Truth::Hot) => hot_share > 0.0,
        (Pattern::Random { hot_share, .. }, Truth::Uniform) => hot_share == 0.0,
        _ => false,
    };
    pattern
        && match labelled.when {
            When::Any => true,
            When::Steady => verdict.arrival == Arrival::Steady,
            When::Periodic => matches!(verdict.arrival, Arrival::Periodic { .. }),
            When::Burst => matches!(verdict.arrival, Arrival::Burst { .. }),
        }
}

pub(crate) struct Judged {
    pub(crate) verdict: Verdict,
    /// Requests of the same labelled stream before this one.
    pub(crate) before: u32,
    pub(crate) right: bool,
}

/// The verdicts of a fresh recogniser on one generator.
pub(crate) fn judge(which: usize, seed: u64) -> Vec<Judged> {
    let mut recogniser = Recogniser::new(256, 16);
    let mut counts = [0_u32; 512];
    let mut judged = Vec::new();
    for labelled in generate(which, seed) {
        let verdict = recogniser.observe(&labelled.access);
        let before = counts[labelled.stream];
        counts[labelled.stream] += 1;
        judged.push(Judged { verdict, before, right: right(&verdict, &labelled) });
    }
    judged
}

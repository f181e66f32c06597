//! The choice of a codec, and what is learnt from what became of it.

use super::sample::{Compressibility, OBJECT_CLASSES};
use crate::Codec;
use crate::snapshot::sane;
use std::time::Duration;

/// Codecs and levels to choose from, at most.
const CANDIDATES_MAX: usize = 16;
/// Objects that a prior counts for: a measurement of one object is worth half of the caller's table.
const PRIOR_WEIGHT: f64 = 1.0;
/// Objects that a mean reaches back over: content changes.
const WEIGHT_MAX: f64 = 256.0;
/// Width of the confidence bound, in standard errors for each root of the logarithm of the number of objects.
const OPTIMISM: f64 = 0.7;
/// Deviation of the cost of an object within a class, as a share of it, before it is measured.
const DEVIATION_PRIOR: f64 = 0.3;
/// CPU is never priced higher than this many times its time, however busy the machine is.
const CPU_PRICE_MAX: f64 = 10.0;

/// What compression is for: what one byte less on the device is worth, in nanoseconds of CPU.
#[derive(Debug, Clone, Copy, PartialEq)]
#[non_exhaustive]
pub enum CodecObjective {
    /// 4 ns: a device of 250 MB/s is what objects wait for.
    Speed,
    /// 15 ns: between the two. Zstandard at level 3 takes 3 to 10 ns for a byte of text and saves more than half of it.
    Balanced,
    /// 100 ns: space costs more than CPU.
    Space,
    /// Anything else, above 0.
    NanosecondsPerByte(f64),
}

impl CodecObjective {
    const fn ns_per_byte(self) -> f64 {
        match self {
            Self::Speed => 4.0,
            Self::Balanced => 15.0,
            Self::Space => 100.0,
            Self::NanosecondsPerByte(value) => value,
        }
    }
}

/// What a codec at a level costs and saves on ordinary compressible data, as measured on this machine: the prior.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CodecCost {
    /// The codec.
    pub codec: Codec,
    /// Its level.
    pub level: u8,
    /// CPU nanoseconds for each byte that goes in.
    pub ns_per_byte: f64,
    /// Part of what [`Compressibility::out_per_in`] promises that it reaches: 1 all of it, 0 nothing.
    pub reach: f64,
}

/// What is known of a codec at a level for a class of objects.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CodecRecord {
    /// The codec.
    pub codec: Codec,
    /// Its level.
    pub level: u8,
    /// The class, below [`OBJECT_CLASSES`].
    pub class: u8,
    /// Objects it stands for.
    pub weight: f32,
    /// Mean CPU nanoseconds for each byte that goes in.
    pub ns_per_byte: f32,
    /// Mean of the bytes that come out for each that goes in.
    pub out_per_in: f32,
}

impl CodecRecord {
    /// Names the field that makes no sense.
    pub(crate) fn check(&self) -> Result<(), &'static str> {
        let (lowest, highest) = self.codec.levels();
        let number = |value: f32, max: f32| value.is_finite() && (0.0..=max).contains(&value);
        match self {
            _ if !(lowest..=highest).contains(&self.level) => Err("level"),
            _ if usize::from(self.class) >= OBJECT_CLASSES => Err("class"),
            _ if !number(self.weight, WEIGHT_MAX as f32) => Err("weight"),
            _ if !number(self.ns_per_byte, 1e9) => Err("ns_per_byte"),
            _ if !number(self.out_per_in, 16.0) => Err("out_per_in"),
            _ => Ok(()),
        }
    }
}

/// Settings of a [`CodecChooser`].
#[derive(Debug, Clone, PartialEq)]
pub struct CodecChooserConfig {
    /// What to choose from, at most 16, with what the caller measured or knows of each. Storing is always a choice.
    pub candidates: Vec<CodecCost>,
    /// What compression is for.
    pub objective: CodecObjective,
}

/// What is wrong with the settings of a chooser.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum CodecChooserError {
    /// Too many candidates.
    #[error("{found} codecs to choose from; at most 15 and storing are told apart well")]
    Candidates {
        /// How many.
        found: usize,
    },
    /// A cost that is none.
    #[error("codec {} level {level} with {field} {value}; costs are finite and at least 0, a reach is at most 2, and a level is one of the codec's", codec.name())]
    Cost {
        /// The codec.
        codec: Codec,
        /// The level.
        level: u8,
        /// Which number.
        field: &'static str,
        /// What was given.
        value: f64,
    },
    /// A byte that is worth nothing.
    #[error("a byte worth {value} ns; it is worth more than 0 and less than infinity")]
    Worth {
        /// What was given.
        value: f64,
    },
}

/// What is known of an object before it is compressed.
#[derive(Debug, Clone, Copy)]
pub struct ObjectView<'a> {
    /// Its size in bytes.
    pub size: u64,
    /// Some of its content, from any places; 4 KiB are enough.
    pub sample: &'a [u8],
    /// Share of the CPU that is idle, 0 to 1.
    pub cpu_headroom: f64,
}

/// A choice, with what is expected of it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct CodecChoice {
    /// The codec.
    pub codec: Codec,
    /// Its level.
    pub level: u8,
    /// The class of the object, for [`CodecChooser::learn`].
    pub class: u8,
    /// What the sample showed.
    pub compressibility: Compressibility,
    /// Bytes expected out for each byte in.
    pub out_per_in: f64,
    /// CPU nanoseconds expected for each byte in.
    pub ns_per_byte: f64,
    /// Objects of this class this codec was tried on before.
    pub experience: f64,
}

impl std::fmt::Display for CodecChoice {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Compressibility { bits_per_byte, repeats } = self.compressibility;
        write!(f, "{}", self.codec.name())?;
        if self.codec.levels().1 > 0 {
            write!(f, " {}", self.level)?;
        }
        write!(
            f,
            ": {bits_per_byte:.1} bits a byte, {:.0} % repeats; expected {:.0} % of the size at {:.1} ns a byte, after {:.0} such objects",
            repeats * 100.0,
            self.out_per_in * 100.0,
            self.ns_per_byte,
            self.experience
        )
    }
}

/// Chooses codecs, by class of object, with an upper confidence bound: Auer, Cesa-Bianchi, Fischer, "Finite-time analysis of the multiarmed
/// bandit problem", 2002. The regret against the best codec of each class grows with the logarithm of the number of objects.
///
/// Memory: 40 classes of at most 16 candidates, 15 KiB.
#[derive(Debug, Clone)]
pub struct CodecChooser {
    candidates: Vec<CodecCost>,
    byte_ns: f64,
    /// By class, then candidate.
    arms: Vec<Arm>,
    seen: [u32; OBJECT_CLASSES],
}

#[derive(Debug, Clone, Copy, Default)]
struct Arm {
    /// Objects measured.
    weight: f64,
    ns_per_byte: f64,
    out_per_in: f64,
    /// Mean square of the relative deviation of the cost from its mean, and objects behind it.
    spread: f64,
}

impl CodecChooser {
    /// With the caller's costs as all that is known.
    ///
    /// # Errors
    ///
    /// [`CodecChooserError`] for costs that make no sense.
    pub fn new(config: CodecChooserConfig) -> Result<Self, CodecChooserError> {
        let byte_ns = config.objective.ns_per_byte();
        if !(byte_ns > 0.0 && byte_ns.is_finite()) {
            return Err(CodecChooserError::Worth { value: byte_ns });
        }
        let mut candidates = vec![CodecCost { codec: Codec::None, level: 0, ns_per_byte: 0.0, reach: 0.0 }];
        candidates.extend(config.candidates.into_iter().filter(|cost| cost.codec != Codec::None));
        if candidates.len() > CANDIDATES_MAX {
            return Err(CodecChooserError::Candidates { found: candidates.len() - 1 });
        }
        for CodecCost { codec, level, ns_per_byte, reach } in candidates.iter().copied() {
            let bad = |field, value| CodecChooserError::Cost { codec, level, field, value };
            if !(0.0..=1e9).contains(&ns_per_byte) {
                return Err(bad("ns_per_byte", ns_per_byte));
            }
            if !(0.0..=2.0).contains(&reach) {
                return Err(bad("reach", reach));
            }
            let (lowest, highest) = codec.levels();
            if !(lowest..=highest).contains(&level) {
                return Err(bad("level", level.into()));
            }
        }
        let arms = vec![
            Arm { spread: DEVIATION_PRIOR * DEVIATION_PRIOR, ..Arm::default() };
            candidates.len() * OBJECT_CLASSES
        ];
        Ok(Self { candidates, byte_ns, arms, seen: [0; OBJECT_CLASSES] })
    }

    /// The codec for an object. Takes a few microseconds, most of them for the sample.
    #[must_use]
    pub fn choose(&self, object: &ObjectView<'_>) -> CodecChoice {
        self.choose_for(&Compressibility::of(object.sample), object.size, object.cpu_headroom)
    }

    /// As [`choose`](Self::choose), for an object of `size` bytes whose sample was looked at before.
    #[must_use]
    pub fn choose_for(&self, look: &Compressibility, size: u64, cpu_headroom: f64) -> CodecChoice {
        let compressibility = *look;
        let class = compressibility.class(size);
        let cpu_price = (1.0 / sane(cpu_headroom, 0.0, 1.0)).min(CPU_PRICE_MAX);
        let patience = OPTIMISM * f64::from(self.seen[usize::from(class)] + 2).ln().sqrt();
        let mut best = (f64::INFINITY, 0);
        for index in 0..self.candidates.len() {
            let (ns, out, experience) = self.known(class, index, &compressibility);
            let cost = ns * cpu_price + out * self.byte_ns;
            let arm = self.arms[usize::from(class) * self.candidates.len() + index];
            // Storing costs what it costs.
            let doubt =
                if index == 0 { 0.0 } else { cost * (arm.spread / (experience + PRIOR_WEIGHT)).sqrt() };
            let hopeful = cost - patience * doubt;
            if hopeful < best.0 {
                best = (hopeful, index);
            }
        }
        let (ns_per_byte, out_per_in, experience) = self.known(class, best.1, &compressibility);
        let CodecCost { codec, level, .. } = self.candidates[best.1];
        CodecChoice { codec, level, class, compressibility, out_per_in, ns_per_byte, experience }
    }

    /// Cost, output and experience of a candidate for objects like this one: the prior, moved by what was measured.
    fn known(&self, class: u8, index: usize, look: &Compressibility) -> (f64, f64, f64) {
        let cost = self.candidates[index];
        let prior_out = (1.0 - (1.0 - look.out_per_in()) * cost.reach).max(0.01);
        let arm = self.arms[usize::from(class) * self.candidates.len() + index];
        let share = arm.weight / (arm.weight + PRIOR_WEIGHT);
        let ns = cost.ns_per_byte + share * (arm.ns_per_byte - cost.ns_per_byte);
        let out = prior_out + share * (arm.out_per_in - prior_out);
        (ns, out, arm.weight)
    }

    /// Takes in what became of a choice. An object without bytes says nothing; numbers out of reason are cut.
    pub fn learn(&mut self, choice: &CodecChoice, in_bytes: u64, out_bytes: u64, cpu: Duration) {
        let same = |cost: &CodecCost| cost.codec == choice.codec && cost.level == choice.level;
        let class = usize::from(choice.class);
        let Some(index) = self.candidates.iter().position(same) else { return };
        if in_bytes == 0 || class >= OBJECT_CLASSES {
            return;
        }
        self.seen[class] = self.seen[class].saturating_add(1);
        let ns = (cpu.as_secs_f64() * 1e9 / in_bytes as f64).min(1e6);
        let out = (out_bytes as f64 / in_bytes as f64).min(2.0);
        let byte_ns = self.byte_ns;
        let arm = &mut self.arms[class * self.candidates.len() + index];
        let expected = arm.ns_per_byte + arm.out_per_in * byte_ns;
        arm.weight = (arm.weight + 1.0).min(WEIGHT_MAX);
        arm.ns_per_byte += (ns - arm.ns_per_byte) / arm.weight;
        arm.out_per_in += (out - arm.out_per_in) / arm.weight;
        if arm.weight > 1.0 && expected > 0.0 {
            let deviation = ((ns + out * byte_ns) / expected - 1.0).clamp(-1.0, 1.0);
            arm.spread += (deviation * deviation - arm.spread) / (arm.weight + 1.0);
        }
    }

    /// The codec and level that most is known of, over all classes; what objects without a choice of their own should use.
    #[must_use]
    pub fn favourite(&self) -> (Codec, u8) {
        let weight = |index: usize| -> f64 {
            (0..OBJECT_CLASSES).map(|class| self.arms[class * self.candidates.len() + index].weight).sum()
        };
        let best = (0..self.candidates.len()).max_by(|a, b| weight(*a).total_cmp(&weight(*b))).unwrap_or(0);
        (self.candidates[best].codec, self.candidates[best].level)
    }

    /// What was learnt, for [`LearntState`](crate::LearntState).
    #[must_use]
    pub fn records(&self) -> Vec<CodecRecord> {
        let mut records = Vec::new();
        for (at, arm) in self.arms.iter().enumerate().filter(|(_, arm)| arm.weight > 0.0) {
            let CodecCost { codec, level, .. } = self.candidates[at % self.candidates.len()];
            records.push(CodecRecord {
                codec,
                level,
                class: (at / self.candidates.len()) as u8,
                weight: arm.weight as f32,
                ns_per_byte: arm.ns_per_byte as f32,
                out_per_in: arm.out_per_in as f32,
            });
        }
        records
    }

    /// Takes what was learnt before; records of other codecs or levels, and such that make no sense, are left out.
    pub fn restore(&mut self, records: &[CodecRecord]) {
        for record in records.iter().filter(|record| record.check().is_ok()) {
            let same = |cost: &CodecCost| cost.codec == record.codec && cost.level == record.level;
            let Some(index) = self.candidates.iter().position(same) else { continue };
            let arm = &mut self.arms[usize::from(record.class) * self.candidates.len() + index];
            // Half as sure: the machine may be another one.
            arm.weight = f64::from(record.weight) / 2.0;
            arm.ns_per_byte = record.ns_per_byte.into();
            arm.out_per_in = record.out_per_in.into();
        }
    }
}

//! Who chooses the method for a block.

use std::fmt;
use std::time::Duration;

use super::{Codec, Codecs, Estimate, Method};

/// A block for which a method is to be chosen, and the means to find out about it.
pub struct Block<'a> {
    plain: &'a [u8],
    codecs: &'a mut Codecs,
    trial: &'a mut Vec<u8>,
}

impl<'a> Block<'a> {
    /// `codecs` carries out trials, into `trial`, which is emptied.
    pub fn new(plain: &'a [u8], codecs: &'a mut Codecs, trial: &'a mut Vec<u8>) -> Self {
        Self { plain, codecs, trial }
    }

    /// The block's bytes.
    pub fn plain(&self) -> &[u8] {
        self.plain
    }

    /// A glance at it.
    pub fn estimate(&self) -> Estimate {
        Estimate::of(self.plain)
    }

    /// Compresses two pieces of `bytes` each, from the first and the third quarter of the block, and returns the size of the results
    /// as a part of theirs: 1 if they do not shrink. A block that is no longer than that is compressed as a whole.
    pub fn trial(&mut self, method: Method, bytes: usize) -> f64 {
        let (plain, quarter) = (self.plain, self.plain.len() / 4);
        let whole = plain.len() <= 2 * bytes;
        let starts: &[usize] = if whole { &[0] } else { &[quarter, 3 * quarter] };
        let length = if whole { plain.len() } else { bytes };
        let (mut before, mut after) = (0, 0);
        for start in starts {
            let rest = plain.get(*start..).unwrap_or_default();
            let piece = rest.get(..length).unwrap_or(rest);
            self.trial.clear();
            before += piece.len();
            // A library without memory shows at the block itself.
            after += match self.codecs.compress(method, None, piece, self.trial) {
                Ok(_) => self.trial.len(),
                Err(_) => piece.len(),
            };
        }
        self.trial.clear();
        if before == 0 { 1.0 } else { after as f64 / before as f64 }
    }
}

impl fmt::Debug for Block<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Block").field("bytes", &self.plain.len()).finish_non_exhaustive()
    }
}

/// What became of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// The method that was chosen.
    pub method: Method,
    /// What was stored: the method's codec, or [`Codec::None`] if it did not gain enough.
    pub stored_as: Codec,
    /// Bytes before.
    pub plain_bytes: usize,
    /// Bytes after.
    pub stored_bytes: usize,
    /// Time that choosing and compressing took.
    pub elapsed: Duration,
}

/// Chooses a method for each block. One policy serves many threads at once.
pub trait CodecPolicy: Send + Sync + fmt::Debug {
    /// The method for a block.
    fn choose(&self, block: &mut Block<'_>) -> Method;

    /// Learns what became of a block. Nothing by default.
    fn observe(&self, outcome: &Outcome) {
        let _ = outcome;
    }
}

/// The same method for every block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fixed(pub Method);

impl CodecPolicy for Fixed {
    fn choose(&self, _: &mut Block<'_>) -> Method {
        self.0
    }
}

/// Pieces of this size are tried; below it, setting up a codec costs more than the bytes.
const TRIAL_BYTES: usize = 8 << 10;
/// Above this entropy a block without repeats is taken as incompressible; random bytes have 7.95 in a sample of 4 KiB.
const EVEN: f64 = 7.85;
/// Below this part of repeated groups there is nothing for a match finder.
const NO_REPEATS: f64 = 0.01;
/// Cost of compression in nanoseconds per byte that goes in and per byte that comes out, by least squares over mixed data on
/// one machine; `rio claims --only C10` says what choices by them cost. The first part is the search for matches, the second the coding of what is left.
const COSTS: [(Codec, f64, f64); 2] = [(Codec::Lz4, 0.20, 1.6), (Codec::Zstd, 0.45, 3.0)];

/// Takes the method with the least expected time to compress a block and to store what is left of it.
///
/// A glance finds blocks that cannot shrink; two pieces of 8 KiB of all others are tried with lz4 and zstd at level 1. What a stored byte costs is a
/// rate, in bytes per second: that of the device or network behind, or of what space is worth.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Adaptive {
    seconds_per_byte: f64,
}

impl Adaptive {
    /// A rate that stands for one of several writers on a network disk; the default.
    pub const DEFAULT_RATE: u64 = 100 << 20;

    /// A policy for a store that takes `bytes_per_second`; 0 counts as 1.
    pub fn new(bytes_per_second: u64) -> Self {
        Self { seconds_per_byte: 1.0 / bytes_per_second.max(1) as f64 }
    }

    /// Seconds per byte of a block that shrinks to `ratio` in a trial.
    fn cost(&self, codec: Codec, ratio: f64) -> f64 {
        let cost = COSTS.iter().find(|(of, _, _)| *of == codec);
        let compress = cost.map_or(0.0, |(_, per_in, per_out)| (per_in + per_out * ratio) * 1e-9);
        compress + ratio * self.seconds_per_byte
    }
}

impl Default for Adaptive {
    fn default() -> Self {
        Self::new(Self::DEFAULT_RATE)
    }
}

impl CodecPolicy for Adaptive {
    fn choose(&self, block: &mut Block<'_>) -> Method {
        let estimate = block.estimate();
        if estimate.entropy > EVEN && estimate.repeats < NO_REPEATS && estimate.sampled >= 1024 {
            return Method::NONE;
        }
        let methods = [Method::new(Codec::Lz4), Method::new(Codec::Zstd)];
        if block.plain().len() <= 2 * TRIAL_BYTES {
            // A trial of a small block would be the work itself; what zstd costs more is little beside storing an object.
            return methods[1];
        }
        let mut best = (self.cost(Codec::None, 1.0), Method::NONE);
        for method in methods {
            let cost = self.cost(method.codec(), block.trial(method, TRIAL_BYTES));
            if cost < best.0 {
                best = (cost, method);
            }
        }
        best.1
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choose(policy: &dyn CodecPolicy, plain: &[u8]) -> Method {
        let (mut codecs, mut trial) = (Codecs::new(), Vec::new());
        policy.choose(&mut Block::new(plain, &mut codecs, &mut trial))
    }

    fn random(bytes: usize) -> Vec<u8> {
        let mut state = 7u64;
        let next = || {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        };
        std::iter::repeat_with(next).take(bytes).collect()
    }

    #[test]
    fn incompressible_blocks_stay_as_they_are() {
        for bytes in [2048, 10_000, 300_000] {
            assert_eq!(choose(&Adaptive::default(), &random(bytes)), Method::NONE);
        }
    }

    #[test]
    fn what_a_byte_costs_decides() {
        // Letters at random: nothing repeats, and an entropy coder saves about two fifths.
        let letters: Vec<u8> = random(300_000).into_iter().map(|byte| b'a' + byte % 26).collect();
        assert_eq!(choose(&Adaptive::new(1 << 20), &letters).codec(), Codec::Zstd);
        assert_eq!(choose(&Adaptive::new(100 << 30), &letters), Method::NONE);
    }

    #[test]
    fn zeros_are_compressed() {
        assert_ne!(choose(&Adaptive::default(), &vec![0; 1 << 20]), Method::NONE);
        assert_ne!(choose(&Adaptive::default(), &[0; 100]), Method::NONE);
        assert_ne!(choose(&Fixed(Method::new(Codec::S2)), &[0; 100]), Method::NONE);
    }
}

//! How compressible an object looks, from a few kilobytes of it.

/// Bytes that are looked at, at most: 16 pieces of 256 bytes over the whole sample. A look takes a few microseconds.
const PIECES: usize = 16;
const PIECE: usize = 256;

/// Classes of objects that codecs are expected to treat alike.
pub const OBJECT_CLASSES: usize = ENTROPIES * REPEATS * SIZES;
const ENTROPIES: usize = 5;
const REPEATS: usize = 4;
const SIZES: usize = 2;

/// Objects below this many bytes are a class of their own: what it costs to begin counts.
const SMALL: u64 = 16 << 10;

/// Slots for the last place of each four bytes.
const SLOTS: usize = 1 << 10;

/// What a sample shows.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Compressibility {
    /// Entropy of single bytes, 0 to 8 bits: what an entropy coder alone would need for a byte.
    pub bits_per_byte: f64,
    /// Share of the places whose four bytes occurred shortly before in the same piece, 0 to 1: what a dictionary coder would find.
    pub repeats: f64,
}

impl Compressibility {
    /// Looks at a sample of any length; of an empty one it says that nothing can be gained.
    #[must_use]
    pub fn of(sample: &[u8]) -> Self {
        if sample.is_empty() {
            return Self { bits_per_byte: 8.0, repeats: 0.0 };
        }
        let mut counts = [0_u32; 256];
        let mut last = [u16::MAX; SLOTS];
        let (mut seen, mut places, mut repeats) = (0_u32, 0_u32, 0_u32);
        let piece = PIECE.min(sample.len());
        let pieces = PIECES.min(sample.len() / piece);
        let gap = (sample.len() - piece) / pieces.saturating_sub(1).max(1);
        for n in 0..pieces {
            let bytes = &sample[n * gap..n * gap + piece];
            for byte in bytes {
                counts[usize::from(*byte)] += 1;
            }
            seen += piece as u32;
            for (at, four) in bytes.windows(4).enumerate() {
                let key = u32::from_le_bytes([four[0], four[1], four[2], four[3]]);
                let slot = (key.wrapping_mul(0x9E37_79B1) >> 22) as usize;
                // The place within this piece, and which piece, so that nothing of an older one is taken for a match.
                let before = std::mem::replace(&mut last[slot], (n * PIECE + at) as u16);
                let before = usize::from(before).wrapping_sub(n * PIECE);
                places += 1;
                repeats += u32::from(before < at && bytes[before..before + 4] == *four);
            }
        }
        let share = |count: u32| f64::from(count) / f64::from(seen);
        let entropy: f64 = counts
            .iter()
            .filter(|count| **count > 0)
            .map(|count| -share(*count) * share(*count).log2())
            .sum();
        // A sample of n bytes cannot show more than log2(n) bits: what is short of that is raised to the full eight.
        let most = f64::from(seen).log2().clamp(1.0, 8.0);
        let repeats = if places == 0 { 0.0 } else { f64::from(repeats) / f64::from(places) };
        Self { bits_per_byte: (entropy * 8.0 / most).clamp(0.0, 8.0), repeats }
    }

    /// Output bytes for each input byte that a good codec is expected to need: the prior, before anything was compressed.
    #[must_use]
    pub fn out_per_in(&self) -> f64 {
        (self.bits_per_byte / 8.0 * (1.0 - 0.8 * self.repeats)).clamp(0.02, 1.0)
    }

    /// The class of an object of this many bytes, below [`OBJECT_CLASSES`].
    #[must_use]
    pub fn class(&self, size: u64) -> u8 {
        let entropy = match self.bits_per_byte {
            bits if bits < 3.0 => 0,
            bits if bits < 5.0 => 1,
            bits if bits < 6.5 => 2,
            bits if bits < 7.5 => 3,
            _ => 4,
        };
        let repeats = match self.repeats {
            share if share < 0.02 => 0,
            share if share < 0.15 => 1,
            share if share < 0.5 => 2,
            _ => 3,
        };
        let small = usize::from(size < SMALL);
        (((entropy * REPEATS) + repeats) * SIZES + small) as u8
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::random::Random;

    #[test]
    fn noise_zeros_and_text_are_told_apart() {
        let mut random = Random::new(7);
        let noise: Vec<u8> = (0..65536).map(|_| random.next() as u8).collect();
        let noise = Compressibility::of(&noise);
        assert!(noise.bits_per_byte > 7.8 && noise.repeats < 0.01, "{noise:?}");
        let zeros = Compressibility::of(&[0; 65536]);
        assert!(zeros.bits_per_byte == 0.0 && zeros.repeats > 0.95, "{zeros:?}");
        let text =
            "the quick brown fox jumps over the lazy dog and runs from the other dogs again ".repeat(900);
        let text = Compressibility::of(text.as_bytes());
        assert!((3.0..5.0).contains(&text.bits_per_byte) && text.repeats > 0.3, "{text:?}");
        assert!(zeros.out_per_in() < text.out_per_in() && text.out_per_in() < noise.out_per_in());
    }

    #[test]
    fn short_samples_and_empty_ones_are_fine() {
        for len in 0..1200 {
            let bytes: Vec<u8> = (0..len).map(|n| (n * 37) as u8).collect();
            let look = Compressibility::of(&bytes);
            assert!(
                (0.0..=8.0).contains(&look.bits_per_byte) && (0.0..=1.0).contains(&look.repeats),
                "{len} {look:?}"
            );
            assert!(usize::from(look.class(len as u64)) < OBJECT_CLASSES);
        }
    }
}

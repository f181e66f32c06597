//! What a glance at a block tells: how even its bytes are, and how often four of them come again.

/// Bytes of a block that are looked at.
pub const SAMPLE_BYTES: usize = 4096;

/// The sample is taken in this many pieces, spread over the block.
const PIECES: usize = 4;
/// Entries of the table that remembers groups of four bytes; a power of two.
const TABLE: usize = 1 << 10;

/// A glance at a block. It costs a few microseconds, whatever the block's size.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Estimate {
    /// Entropy of single bytes in the sample, in bits per byte: 0 for one value, 8 for random bytes (a few hundredths less here,
    /// because the sample is finite). What an entropy coder alone reaches (Shannon 1948).
    pub entropy: f64,
    /// Part of the positions in the sample, 0 to 1, whose four bytes stood before in the same piece: what a match finder lives on.
    pub repeats: f64,
    /// Bytes that were looked at: at most [`SAMPLE_BYTES`].
    pub sampled: usize,
}

impl Estimate {
    /// Looks at up to [`SAMPLE_BYTES`] of `plain`.
    pub fn of(plain: &[u8]) -> Self {
        let (mut counts, mut sampled) = ([0u32; 256], 0);
        let (mut repeats, mut positions) = (0u32, 0u32);
        let mut table = [u32::MAX; TABLE];
        for piece in pieces(plain) {
            table.fill(u32::MAX);
            for byte in piece {
                if let Some(count) = counts.get_mut(usize::from(*byte)) {
                    *count += 1;
                }
            }
            sampled += piece.len();
            for window in piece.windows(4) {
                let &[a, b, c, d] = window else { continue };
                let group = u32::from_le_bytes([a, b, c, d]);
                // The multiplier of Knuth's multiplicative hashing, 2^32 divided by the golden ratio.
                let place = (group.wrapping_mul(2_654_435_761) >> 22) as usize;
                if let Some(entry) = table.get_mut(place) {
                    positions += 1;
                    repeats += u32::from(*entry == group);
                    *entry = group;
                }
            }
        }
        let total = sampled as f64;
        let bits = |count: u32| {
            let part = f64::from(count) / total;
            -part * part.log2()
        };
        let entropy: f64 = counts.into_iter().filter(|count| *count > 0).map(bits).sum();
        let repeats = f64::from(repeats) / f64::from(positions.max(1));
        Self { entropy: entropy.max(0.0), repeats, sampled }
    }
}

/// The whole of a small block; pieces at the same distances of a large one.
fn pieces(plain: &[u8]) -> impl Iterator<Item = &[u8]> {
    let whole = plain.len() <= SAMPLE_BYTES;
    let (count, length) = if whole { (1, plain.len()) } else { (PIECES, SAMPLE_BYTES / PIECES) };
    let step = if whole { 0 } else { (plain.len() - length) / (PIECES - 1) };
    (0..count)
        .map(move |piece| plain.get(piece * step..).and_then(|rest| rest.get(..length)).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn extremes_are_told_apart() {
        let zeros = Estimate::of(&[0; 100_000]);
        assert!(zeros.entropy == 0.0 && zeros.repeats > 0.99 && zeros.sampled == SAMPLE_BYTES, "{zeros:?}");
        let mut state = 1u64;
        let random: Vec<u8> = std::iter::repeat_with(|| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            (state >> 56) as u8
        })
        .take(100_000)
        .collect();
        let random = Estimate::of(&random);
        assert!(random.entropy > 7.9 && random.repeats < 0.01, "{random:?}");
        let text = "the quick brown fox jumps over the lazy dog; ".repeat(1000);
        let text = Estimate::of(text.as_bytes());
        assert!(text.entropy < 5.0 && text.repeats > 0.9, "{text:?}");
    }

    #[test]
    fn any_length_is_looked_at() {
        for length in [0, 1, 3, 4, 5, SAMPLE_BYTES, SAMPLE_BYTES + 1, 5 * SAMPLE_BYTES + 7] {
            let estimate = Estimate::of(&vec![9; length]);
            assert_eq!(estimate.sampled, length.min(SAMPLE_BYTES));
        }
    }
}

//! The buckets of every latency histogram: linear below 64 ns, then 32 per doubling, as in HdrHistogram
//! (<https://hdrhistogram.org>).
//!
//! A bucket is at most 1/32 of its lower bound wide and is reported by its middle, so a reported value is within 1/64, below
//! 1.6 %, of the true one. One layout for all makes merging an addition without loss.

/// Buckets per doubling.
const PER_OCTAVE: u64 = 1 << OCTAVE_BITS;
const OCTAVE_BITS: u32 = 5;

/// Buckets of a row of a heat map, half a doubling.
pub(crate) const PER_ROW: usize = (PER_OCTAVE / 2) as usize;

/// The upper end of a row, in nanoseconds.
pub(crate) const fn row_upper(row: usize) -> u64 {
    upper((row + 1) * PER_ROW - 1)
}

/// Values are kept up to this many nanoseconds, some 18 minutes; longer ones count as this long.
pub(crate) const NANOS_MAX: u64 = (1 << 40) - 1;

/// Buckets of a histogram.
pub(crate) const BUCKETS: usize = index(NANOS_MAX) + 1;

/// The bucket that a value belongs to.
pub(crate) const fn index(nanos: u64) -> usize {
    let nanos = if nanos > NANOS_MAX { NANOS_MAX } else { nanos };
    // The position of the highest bit; small values count as if they had more, which makes their buckets one wide.
    let top = 63 - (nanos | (PER_OCTAVE - 1)).leading_zeros();
    let shift = top.saturating_sub(OCTAVE_BITS);
    ((shift as u64) * PER_OCTAVE + (nanos >> shift)) as usize
}

/// The smallest value of a bucket.
pub(crate) const fn lower(index: usize) -> u64 {
    let index = index as u64;
    if index < 2 * PER_OCTAVE {
        return index;
    }
    let shift = index / PER_OCTAVE - 1;
    (index - shift * PER_OCTAVE) << shift
}

/// The largest value of a bucket.
pub(crate) const fn upper(index: usize) -> u64 {
    lower(index + 1) - 1
}

/// The value that stands for a bucket.
pub(crate) const fn middle(index: usize) -> u64 {
    let (low, high) = (lower(index), upper(index));
    low + (high - low) / 2
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn buckets_follow_each_other_without_gap_or_overlap() {
        for bucket in 0..BUCKETS {
            assert_eq!(index(lower(bucket)), bucket);
            assert_eq!(index(upper(bucket)), bucket);
        }
        assert_eq!(upper(BUCKETS - 1), NANOS_MAX);
        assert_eq!(index(u64::MAX), BUCKETS - 1);
    }

    proptest! {
        #[test]
        fn a_reported_value_is_within_a_64th(exponent in 0u32..40, low in any::<u64>()) {
            let nanos = (1u64 << exponent) | (low & ((1 << exponent) - 1));
            let reported = middle(index(nanos));
            prop_assert!(reported.abs_diff(nanos) as f64 <= nanos as f64 / 64.0, "{nanos} became {reported}");
        }
    }
}

//! Latency distributions: counts per bucket, merged by addition, never averaged.

use crate::buckets::{self, BUCKETS};
use std::time::Duration;

/// A distribution of durations, up to about 18 minutes, with a relative error of at most 1/64 per reported value.
///
/// Merging two histograms gives exactly the histogram of all their values together, in any order, so percentiles over
/// threads, paths and time keep the error of a single one.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Histogram {
    /// Counts from bucket 0 on; as long as it has to be.
    counts: Vec<u64>,
}

/// Why bytes are not a histogram.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HistogramError {
    /// The bytes end within a number.
    #[error("the histogram ends in the middle of a number; the record is cut short")]
    Truncated,
    /// A number is longer than 64 bits.
    #[error("a number of the histogram exceeds 64 bits")]
    Number,
    /// A bucket beyond the last, or twice the same.
    #[error("bucket {bucket} of a histogram is beyond the last, {max}")]
    Bucket {
        /// The bucket.
        bucket: u64,
        /// The last bucket.
        max: u64,
    },
    /// The counts add up to more than 64 bits.
    #[error("the counts of a histogram exceed 64 bits together")]
    Sum,
}

impl Histogram {
    /// An empty histogram.
    #[must_use]
    pub const fn new() -> Self {
        Self { counts: Vec::new() }
    }

    /// Adds a value `weight` times.
    pub fn record(&mut self, value: Duration, weight: u64) {
        let nanos = u64::try_from(value.as_nanos()).unwrap_or(u64::MAX);
        self.add(buckets::index(nanos), weight);
    }

    pub(crate) fn add(&mut self, bucket: usize, count: u64) {
        if count == 0 || bucket >= BUCKETS {
            return;
        }
        if self.counts.len() <= bucket {
            self.counts.resize(bucket + 1, 0);
        }
        if let Some(place) = self.counts.get_mut(bucket) {
            *place = place.saturating_add(count);
        }
    }

    /// Adds all values of another histogram.
    pub fn merge(&mut self, other: &Self) {
        other.filled().for_each(|(bucket, count)| self.add(bucket, count));
    }

    /// What was recorded after `earlier`, a former state of the same histogram. A count that went down, which only a restart
    /// of the recorder explains, counts from zero.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let mut difference = Self::new();
        for (bucket, count) in self.filled() {
            let before = earlier.counts.get(bucket).copied().unwrap_or(0);
            difference.add(bucket, if before > count { count } else { count - before });
        }
        difference
    }

    /// Buckets that hold something, with their counts, in order of value.
    pub(crate) fn filled(&self) -> impl Iterator<Item = (usize, u64)> {
        self.counts.iter().copied().enumerate().filter(|(_, count)| *count > 0)
    }

    /// Values recorded, by weight.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.counts.iter().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// Whether nothing was recorded.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.filled().next().is_none()
    }

    /// The value that a share `quantile` (0 to 1, clamped) of all values does not exceed, by the nearest-rank definition; zero
    /// for an empty histogram. Within 1/64 of the exact value.
    #[must_use]
    pub fn quantile(&self, quantile: f64) -> Duration {
        let [value] = self.quantiles([quantile]);
        value
    }

    /// Several [quantiles](Self::quantile) in one pass. The shares must not fall; one that does gets the value of the one before it.
    #[must_use]
    pub fn quantiles<const N: usize>(&self, shares: [f64; N]) -> [Duration; N] {
        let total = self.count();
        let mut values = [Duration::ZERO; N];
        let mut filled = self.filled();
        let (mut seen, mut value) = (0u64, Duration::ZERO);
        for (place, share) in values.iter_mut().zip(shares) {
            let share = if share.is_finite() { share.clamp(0.0, 1.0) } else { 1.0 };
            let rank = ((total as f64 * share).ceil() as u64).clamp(1, total.max(1));
            while seen < rank {
                let Some((bucket, count)) = filled.next() else { break };
                seen = seen.saturating_add(count);
                value = Duration::from_nanos(buckets::middle(bucket));
            }
            *place = value;
        }
        values
    }

    /// The largest value, zero for an empty histogram. Within 1/64.
    #[must_use]
    pub fn max(&self) -> Duration {
        self.quantile(1.0)
    }

    /// The smallest value, zero for an empty histogram. Within 1/64.
    #[must_use]
    pub fn min(&self) -> Duration {
        self.quantile(0.0)
    }

    /// The sum of all values in seconds, within 1/64.
    #[must_use]
    pub fn sum_seconds(&self) -> f64 {
        self.filled().map(|(bucket, count)| buckets::middle(bucket) as f64 * 1e-9 * count as f64).sum()
    }

    /// The mean in seconds, `None` for an empty histogram. Within 1/64.
    #[must_use]
    pub fn mean_seconds(&self) -> Option<f64> {
        let count = self.count();
        (count > 0).then(|| self.sum_seconds() / count as f64)
    }

    /// How many values do not exceed `limit`. A bucket that `limit` divides counts if its middle does not exceed it.
    #[must_use]
    pub fn count_up_to(&self, limit: Duration) -> u64 {
        let limit = u64::try_from(limit.as_nanos()).unwrap_or(u64::MAX);
        let below = self.filled().take_while(|(bucket, _)| buckets::middle(*bucket) <= limit);
        below.fold(0, |sum, (_, count)| sum.saturating_add(count))
    }

    /// Counts by half a doubling: the row's number and its count, for rows that hold something.
    pub(crate) fn rows(&self) -> impl Iterator<Item = (usize, u64)> {
        self.filled().map(|(bucket, count)| (bucket / buckets::PER_ROW, count))
    }

    /// Appends the histogram to `out`: for each filled bucket the distance from the one before and the count, both as
    /// LEB128 numbers. The length is not written; [`decode`](Self::decode) takes the whole of its input.
    pub fn encode(&self, out: &mut Vec<u8>) {
        let mut next = 0;
        for (bucket, count) in self.filled() {
            put_number(out, (bucket - next) as u64);
            put_number(out, count);
            next = bucket + 1;
        }
    }

    /// Reads what [`encode`](Self::encode) wrote.
    ///
    /// # Errors
    ///
    /// [`HistogramError`] for anything else; memory stays bounded by the number of buckets, whatever the input.
    pub fn decode(mut bytes: &[u8]) -> Result<Self, HistogramError> {
        let mut histogram = Self::new();
        let mut next = 0u64;
        let mut sum = 0u64;
        while !bytes.is_empty() {
            let bucket = next.saturating_add(take_number(&mut bytes)?);
            if bucket >= BUCKETS as u64 {
                return Err(HistogramError::Bucket { bucket, max: BUCKETS as u64 - 1 });
            }
            let count = take_number(&mut bytes)?;
            sum = sum.checked_add(count).ok_or(HistogramError::Sum)?;
            histogram.add(bucket as usize, count);
            next = bucket + 1;
        }
        Ok(histogram)
    }
}

impl std::fmt::Debug for Histogram {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Histogram")
            .field("count", &self.count())
            .field("p50", &self.quantile(0.5))
            .field("p99", &self.quantile(0.99))
            .field("max", &self.max())
            .finish()
    }
}

/// Appends a number in LEB128, seven bits a byte, lowest first.
pub(crate) fn put_number(out: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        out.push((number as u8 & 0x7f) | 0x80);
        number >>= 7;
    }
    out.push(number as u8);
}

/// Takes a LEB128 number from the front of `bytes`.
pub(crate) fn take_number(bytes: &mut &[u8]) -> Result<u64, HistogramError> {
    let mut number = 0u64;
    for shift in (0..64).step_by(7) {
        let (&byte, rest) = bytes.split_first().ok_or(HistogramError::Truncated)?;
        *bytes = rest;
        if shift == 63 && byte > 1 {
            return Err(HistogramError::Number);
        }
        number |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(HistogramError::Number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn of(values: &[u64]) -> Histogram {
        let mut histogram = Histogram::new();
        values.iter().for_each(|nanos| histogram.record(Duration::from_nanos(*nanos), 1));
        histogram
    }

    #[test]
    fn an_empty_one_answers_zero() {
        let empty = Histogram::new();
        assert_eq!((empty.count(), empty.quantile(0.5), empty.mean_seconds()), (0, Duration::ZERO, None));
        assert!(empty.is_empty() && Histogram::decode(&[]).unwrap().is_empty());
    }

    #[test]
    fn a_restarted_recorder_counts_from_zero() {
        let (before, after) = (of(&[40; 9]), of(&[40; 3]));
        assert_eq!(after.since(&before).count(), 3);
    }

    #[test]
    fn bytes_that_are_no_histogram_are_refused() {
        assert_eq!(Histogram::decode(&[0x80]), Err(HistogramError::Truncated));
        assert_eq!(Histogram::decode(&[0x05]), Err(HistogramError::Truncated));
        assert_eq!(Histogram::decode(&[0xff; 11]), Err(HistogramError::Number));
        let mut far = Vec::new();
        put_number(&mut far, BUCKETS as u64);
        put_number(&mut far, 1);
        assert!(matches!(Histogram::decode(&far), Err(HistogramError::Bucket { .. })));
        let mut full = Vec::new();
        for _ in 0..2 {
            put_number(&mut full, 0);
            put_number(&mut full, u64::MAX);
        }
        assert_eq!(Histogram::decode(&full), Err(HistogramError::Sum));
    }

    proptest! {
        #[test]
        fn quantiles_are_near_the_sorted_values(mut values in prop::collection::vec(0u64..1 << 40, 1..400), q in 0.0f64..=1.0) {
            let histogram = of(&values);
            values.sort_unstable();
            let rank = ((values.len() as f64 * q).ceil() as usize).clamp(1, values.len());
            let exact = values[rank - 1];
            let reported = histogram.quantile(q).as_nanos() as u64;
            prop_assert!(reported.abs_diff(exact) as f64 <= exact as f64 / 64.0, "{reported} for {exact}");
        }

        #[test]
        fn merging_is_recording_everything_in_one(a in prop::collection::vec(0u64..1 << 40, 0..99), b in prop::collection::vec(0u64..1 << 40, 0..99)) {
            let mut merged = of(&a);
            merged.merge(&of(&b));
            prop_assert_eq!(&merged, &of(&[a.clone(), b.clone()].concat()));
            prop_assert_eq!(merged.since(&of(&a)).count(), b.len() as u64);
        }

        #[test]
        fn bytes_round_trip(values in prop::collection::vec(any::<u64>(), 0..200)) {
            let histogram = of(&values);
            let mut bytes = Vec::new();
            histogram.encode(&mut bytes);
            prop_assert_eq!(Histogram::decode(&bytes), Ok(histogram));
        }

        #[test]
        fn no_bytes_panic(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            let _ = Histogram::decode(&bytes);
        }
    }
}

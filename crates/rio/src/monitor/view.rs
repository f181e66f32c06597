//! What a dashboard asks of the monitor beyond its live numbers: whole distributions, and counts by operation and path.

use super::AdvancedPerformanceMonitor;
use rustfs_rio_monitor::{Reading, Sample, Snapshot};

impl AdvancedPerformanceMonitor {
    /// Samples with whole latency distributions that end in `from..=to`, in seconds since 1970, oldest first: per second if the range is at
    /// most an hour, per ten seconds up to a day, per five minutes beyond.
    #[must_use]
    pub fn samples(&self, from: u64, to: u64) -> Vec<Sample> {
        self.shared.with(|collector| collector.history().range(from, to))
    }

    /// Counts of every operation, path and class since the start, as of the end of the latest interval, and what the process and the
    /// machine used then.
    #[must_use]
    pub fn counts(&self) -> (Snapshot, Reading) {
        self.shared.with(|collector| {
            let (snapshot, reading) = collector.totals();
            (snapshot.clone(), reading.clone())
        })
    }
}

//! What one decision period looked like.
//!
//! Files are seen through the runtime's ring of accesses. While that thins them out, because there are more than it can keep,
//! neighbours are missing and a scan would look random; such stretches are left out, and what was known stays.

use crate::access_ring::AccessRing;
use crate::optimizer::PredictiveOptimizer;
use crate::runtime::RuntimeHandle;
use rustfs_rio_monitor::{Operation, Recorder, Snapshot as Counts, SystemSample};
use rustfs_rio_tune::Snapshot;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Remembers where the last period ended.
pub(super) struct Observer {
    recorder: Arc<Recorder>,
    counts: Counts,
    cpu_seconds: f64,
    cache: Cached,
    since: Instant,
}

/// What the cache did since it was made.
#[derive(Debug, Clone, Copy, Default)]
struct Cached {
    lookups: u64,
    hits: u64,
    used_bytes: u64,
    wasted_bytes: u64,
}

impl Cached {
    fn of(base: &RuntimeHandle) -> Self {
        let Some(cache) = base.block_cache() else { return Self::default() };
        let (stats, ahead) = (cache.stats(), cache.prefetch_stats().unwrap_or_default());
        let others = stats.missed_blocks + stats.joined_blocks + stats.bypassed_blocks;
        let block = stats.block_size as u64;
        Self {
            lookups: stats.hit_blocks + others,
            hits: stats.hit_blocks,
            used_bytes: (ahead.used_blocks + ahead.late_blocks) * block,
            wasted_bytes: ahead.wasted_blocks * block,
        }
    }
}

impl Observer {
    pub(super) fn new(recorder: Arc<Recorder>) -> Self {
        let cpu_seconds = SystemSample::read().cpu_seconds.unwrap_or(0.0);
        let (counts, cache) = (recorder.snapshot(), Cached::default());
        Self { counts, recorder, cpu_seconds, cache, since: Instant::now() }
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.since.elapsed()
    }

    /// The period since the last call. Costs some 300 us, half of it in `/proc`.
    pub(super) fn observe(&mut self, base: &RuntimeHandle, window: &Window) -> Snapshot {
        let (now, counts, system) = (Instant::now(), self.recorder.snapshot(), SystemSample::read());
        let new = counts.since(&self.counts);
        let period = now.saturating_duration_since(self.since);
        let cpu_seconds = system.cpu_seconds.unwrap_or(self.cpu_seconds);
        let cpu = (cpu_seconds - self.cpu_seconds).max(0.0);
        let cache = Cached::of(base);
        let before = std::mem::replace(&mut self.cache, cache);
        (self.counts, self.since, self.cpu_seconds) = (counts, now, cpu_seconds);
        // What others ask for; reading ahead and waiting for buffers are means to that.
        let asked = |operation: Operation| {
            !operation.is_composite() && !matches!(operation, Operation::Prefetch | Operation::Wait)
        };
        let plain = new.totals(|key| asked(key.operation));
        let reads = new.operation(Operation::Read);
        let writes = new.operation(Operation::Write);
        let syncs = new.operation(Operation::Sync);
        let known = reads.operations + writes.operations + syncs.operations;
        let [p50, p99] = plain.latency.quantiles([0.5, 0.99]);
        // Little's law: the mean number in flight is the time spent in operations per time.
        let in_flight = plain.latency.sum_seconds() / period.as_secs_f64().max(1e-9);
        Snapshot {
            period,
            reads: reads.operations,
            writes: writes.operations,
            syncs: syncs.operations,
            others: plain.operations.saturating_sub(known),
            errors: plain.errors,
            read_bytes: reads.bytes,
            write_bytes: writes.bytes,
            latency_p50: p50,
            latency_p99: p99,
            cpu: Duration::from_secs_f64(cpu.min(1e9)),
            memory_bytes: system.resident_bytes.unwrap_or(0),
            in_flight_mean: in_flight,
            queue_depth: base.stats().in_kernel as f64,
            burstiness: window.burstiness(),
            cache_lookups: cache.lookups.saturating_sub(before.lookups),
            cache_hits: cache.hits.saturating_sub(before.hits),
            prefetch_used_bytes: cache.used_bytes.saturating_sub(before.used_bytes),
            prefetch_wasted_bytes: cache.wasted_bytes.saturating_sub(before.wasted_bytes),
            pressure: system.pressure.memory.unwrap_or(0.0) / 100.0,
            ..Snapshot::default()
        }
    }
}

/// Follows the accesses of a runtime's files.
#[derive(Default)]
pub(super) struct Files {
    /// Number of the first access of the ring that was not seen.
    next: u64,
    names: HashMap<u32, String>,
}

impl Files {
    /// Takes what the files did since the last call.
    pub(super) fn follow(&mut self, ring: &AccessRing, optimizer: &PredictiveOptimizer, window: &mut Window) {
        let (accesses, next) = ring.since(self.next);
        self.next = next;
        let seen: Vec<_> = accesses.iter().filter(|access| access.weight == 1).collect();
        if seen.iter().any(|access| !self.names.contains_key(&access.file)) {
            // The ring names as many files as are worth following.
            self.names =
                ring.files().into_iter().map(|file| (file.id, file.path.display().to_string())).collect();
        }
        seen.iter().for_each(|access| window.add(access.at_us));
        let named = seen.iter().filter_map(|access| {
            let name = self.names.get(&access.file)?.as_str();
            Some((name, access.offset, access.len as usize, Duration::from_micros(access.at_us)))
        });
        optimizer.observe_files(named);
    }
}

/// What a stretch of accesses looked like.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Window {
    requests: u64,
    last_us: Option<u64>,
    gaps: f64,
    gaps_squared: f64,
}

impl Window {
    /// Standard deviation of the gaps between requests divided by their mean; 0 below two gaps.
    pub(super) fn burstiness(&self) -> f64 {
        let count = self.requests.saturating_sub(1) as f64;
        if count < 2.0 || self.gaps <= 0.0 {
            return 0.0;
        }
        let mean = self.gaps / count;
        (self.gaps_squared / count - mean * mean).max(0.0).sqrt() / mean
    }

    fn add(&mut self, at_us: u64) {
        self.requests += 1;
        if let Some(last) = self.last_us.replace(at_us) {
            let gap = at_us.saturating_sub(last) as f64;
            self.gaps += gap;
            self.gaps_squared += gap * gap;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regular_gaps_have_no_burstiness_and_groups_have_much() {
        let mut regular = Window::default();
        (0..100).for_each(|n| regular.add(n * 1000));
        assert!(regular.burstiness() < 0.01, "{}", regular.burstiness());
        let mut groups = Window::default();
        (0..100).for_each(|n| groups.add(n / 10 * 1_000_000 + n % 10));
        assert!(groups.burstiness() > 2.0, "{}", groups.burstiness());
    }
}

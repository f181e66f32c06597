//! Which devices the ring serves well.
//!
//! When the ring fails an operation that the blocking path then carries out, the ring is at fault, not the operation: a
//! driver without the feature, a broken kernel. After several such cases in a row the device's operations go to blocking
//! threads, and from time to time one is sent to the ring to see whether it recovered. Errors that both paths report,
//! `EIO` or a full disk, say nothing about the ring and change nothing here.

use crate::sync::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::{Duration, Instant};

/// Failures in a row that latch a device.
const FAILURES_TO_LATCH: u32 = 8;
/// First time on the blocking path; doubles with every failed probe.
const LATCH_MIN: Duration = Duration::from_secs(1);
const LATCH_MAX: Duration = Duration::from_secs(60);

/// Ring health of one device.
#[derive(Debug)]
pub(crate) struct DeviceHealth {
    epoch: Instant,
    failures: AtomicU32,
    /// Milliseconds since `epoch` until which the ring is avoided; 0 while it is trusted.
    latched_until: AtomicU64,
    latch_millis: AtomicU64,
    /// The device cannot be polled.
    no_polling: AtomicBool,
}

impl DeviceHealth {
    pub(crate) fn new() -> Self {
        Self {
            epoch: Instant::now(),
            failures: AtomicU32::new(0),
            latched_until: AtomicU64::new(0),
            latch_millis: AtomicU64::new(LATCH_MIN.as_millis() as u64),
            no_polling: AtomicBool::new(false),
        }
    }

    /// Whether transfers may be polled for.
    pub(crate) fn allows_polling(&self) -> bool {
        !self.no_polling.load(Ordering::Relaxed)
    }

    /// The polled ring failed a transfer that another path carried out.
    pub(crate) fn polling_failed(&self) {
        if !self.no_polling.swap(true, Ordering::Relaxed) {
            tracing::info!("a device has no polled queues; its transfers use the ordinary rings");
        }
    }

    fn now(&self) -> u64 {
        self.epoch.elapsed().as_millis() as u64
    }

    /// Whether an operation may use the ring. While latched, one caller per period is let through as a probe.
    pub(crate) fn allows_ring(&self) -> bool {
        let until = self.latched_until.load(Ordering::Relaxed);
        until == 0 || self.allows_probe(until, self.now())
    }

    fn allows_probe(&self, until: u64, now: u64) -> bool {
        if now < until {
            return false;
        }
        let next = now + self.latch_millis.load(Ordering::Relaxed);
        self.latched_until.compare_exchange(until, next, Ordering::AcqRel, Ordering::Relaxed).is_ok()
    }

    pub(crate) fn is_latched(&self) -> bool {
        self.latched_until.load(Ordering::Relaxed) != 0
    }

    /// The ring served an operation.
    pub(crate) fn ring_worked(&self) {
        if self.failures.load(Ordering::Relaxed) > 0 || self.is_latched() {
            self.failures.store(0, Ordering::Relaxed);
            self.latched_until.store(0, Ordering::Relaxed);
            self.latch_millis.store(LATCH_MIN.as_millis() as u64, Ordering::Relaxed);
        }
    }

    /// The ring failed an operation that the blocking path then carried out. Returns whether the device is latched now
    /// that was not before.
    pub(crate) fn ring_failed(&self) -> bool {
        self.failed_at(self.now())
    }

    fn failed_at(&self, now: u64) -> bool {
        let failures = self.failures.fetch_add(1, Ordering::Relaxed) + 1;
        if failures < FAILURES_TO_LATCH {
            return false;
        }
        let pause = self.latch_millis.load(Ordering::Relaxed);
        let longer = (pause * 2).min(LATCH_MAX.as_millis() as u64);
        self.latch_millis.store(longer, Ordering::Relaxed);
        self.latched_until.swap(now + pause, Ordering::AcqRel) == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latches_after_failures_in_a_row_and_probes_back() {
        let health = DeviceHealth::new();
        for _ in 1..FAILURES_TO_LATCH {
            assert!(!health.failed_at(0));
        }
        assert!(!health.is_latched());
        assert!(health.failed_at(0));
        let until = health.latched_until.load(Ordering::Relaxed);
        assert!(!health.allows_probe(until, until - 1));
        assert!(health.allows_probe(until, until), "one probe is let through");
        assert!(!health.allows_probe(until, until), "only one");
        health.ring_worked();
        assert!(!health.is_latched() && health.allows_ring());
    }

    #[test]
    fn a_success_in_between_starts_the_count_again() {
        let health = DeviceHealth::new();
        for _ in 0..3 {
            for _ in 1..FAILURES_TO_LATCH {
                assert!(!health.failed_at(0));
            }
            health.ring_worked();
        }
        assert!(!health.is_latched());
    }
}

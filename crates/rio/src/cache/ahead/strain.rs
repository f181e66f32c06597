//! Whether there is room for reading ahead.

use parking_lot::Mutex;
use rustfs_rio_buf::{Pressure as Memory, PressureGauge};
use rustfs_rio_engine::Engine;
use rustfs_rio_tune::Pressure;
use std::sync::atomic::{AtomicU8, AtomicU64, Ordering};

/// Time between two looks at the memory of the system, which take some 50 us, and at the engine's queue.
const MEMORY_LOOKS_NS: u64 = 500_000_000;
const QUEUE_LOOKS_NS: u64 = 2_000_000;

/// The pressure in force, looked at while reads come, never at rest.
pub(crate) struct Strain {
    gauge: PressureGauge,
    memory: AtomicU8,
    queue: AtomicU8,
    memory_at: AtomicU64,
    queue_at: AtomicU64,
    looking: Mutex<()>,
}

impl Strain {
    pub(crate) fn new() -> Self {
        Self {
            gauge: PressureGauge::new(),
            memory: AtomicU8::new(0),
            queue: AtomicU8::new(0),
            memory_at: AtomicU64::new(0),
            queue_at: AtomicU64::new(0),
            looking: Mutex::new(()),
        }
    }

    /// The higher of both pressures as they were at the last look.
    pub(crate) fn now(&self) -> Pressure {
        match self.memory.load(Ordering::Relaxed).max(self.queue.load(Ordering::Relaxed)) {
            0 => Pressure::None,
            1 => Pressure::Some,
            _ => Pressure::Full,
        }
    }

    /// Looks at the engine's queue if it is time; `true` if it is time for a look at memory too, which is for the carrier.
    pub(crate) fn refresh(&self, at_ns: u64, engine: &Engine) -> bool {
        if at_ns.saturating_sub(self.queue_at.load(Ordering::Relaxed)) >= QUEUE_LOOKS_NS {
            self.queue_at.store(at_ns, Ordering::Relaxed);
            let (in_flight, bound) = (engine.stats().in_flight, engine.config().max_concurrent_ops as u64);
            let level = if in_flight >= bound - bound / 8 { 2 } else { u8::from(in_flight >= bound / 2) };
            self.queue.store(level, Ordering::Relaxed);
        }
        at_ns.saturating_sub(self.memory_at.load(Ordering::Relaxed)) >= MEMORY_LOOKS_NS
    }

    /// Looks at memory if it is time.
    pub(crate) fn look_at_memory(&self, at_ns: u64) {
        let Some(_looking) = self.looking.try_lock() else { return };
        if at_ns.saturating_sub(self.memory_at.load(Ordering::Relaxed)) < MEMORY_LOOKS_NS {
            return;
        }
        self.memory_at.store(at_ns, Ordering::Relaxed);
        let level = match self.gauge.read() {
            Memory::None => 0,
            Memory::Some => 1,
            Memory::Full => 2,
        };
        self.memory.store(level, Ordering::Relaxed);
    }
}

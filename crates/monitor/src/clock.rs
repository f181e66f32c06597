//! The clock of the hot path.

use std::time::Duration;

/// Reads the processor's time-stamp counter where it is steady, and the operating system's monotonic clock elsewhere. Cheap to
/// clone. Making the first one calibrates for under a millisecond.
#[derive(Debug, Clone)]
pub struct Clock {
    clock: quanta::Clock,
}

/// A reading of a [`Clock`], in units that only the clock knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Ticks(pub(crate) u64);

impl Clock {
    /// A calibrated clock.
    #[must_use]
    pub fn new() -> Self {
        Self { clock: quanta::Clock::new() }
    }

    /// The current reading.
    #[inline]
    #[must_use]
    pub fn now(&self) -> Ticks {
        Ticks(self.clock.raw())
    }

    /// Time between two readings; zero if the later one is not later, which counters of two processors can show.
    #[inline]
    #[must_use]
    pub fn between(&self, start: Ticks, end: Ticks) -> Duration {
        Duration::from_nanos(self.nanos(start, end))
    }

    #[inline]
    pub(crate) fn nanos(&self, start: Ticks, end: Ticks) -> u64 {
        self.clock.delta_as_nanos(start.0, end.0)
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_does_not_go_back() {
        let clock = Clock::new();
        let (start, end) = (clock.now(), clock.now());
        assert_eq!(clock.between(end, start).min(clock.between(start, end)), Duration::ZERO);
    }
}

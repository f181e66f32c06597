//! When requests of a space come: steadily, in bursts, or with a rate that rises and falls.

/// A gap this many times the usual one ends a burst. Poisson arrivals have one such gap in 3,000.
const QUIET_FACTOR: f32 = 8.0;
/// Part of its range that the smoothed logarithm of the gap has to be off the middle for a change of rate.
const SWING: f32 = 0.2;
/// Range of that logarithm below which the rate counts as constant: a factor of 1.8 between slowest and fastest.
const RANGE_MIN: f32 = 0.6;
/// How fast the range shrinks to what is seen now, per request.
const ENVELOPE: f32 = 1.0 / 48.0;
/// Mean deviation of the intervals between rises, relative to their mean, that still counts as regular. Irregular (exponential)
/// intervals have 0.74.
const IRREGULARITY_MAX: f32 = 0.22;
/// Rises or silences before a pattern is named.
const EVENTS_MIN: u32 = 3;

/// When requests come.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Arrival {
    /// No structure found.
    Steady,
    /// The rate rises and falls regularly.
    Periodic {
        /// Time from one rise to the next, nanoseconds.
        period_ns: u64,
        /// (highest rate - lowest rate) / (highest rate + lowest rate), 0 to 1.
        amplitude: f32,
    },
    /// Requests come in groups with silence between them.
    Burst {
        /// Mean time from the first to the last request of a group, nanoseconds.
        length_ns: u64,
        /// Mean silence between groups, nanoseconds.
        gap_ns: u64,
    },
}

/// What is known about the arrivals of one space.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Arrivals {
    last_ns: u64,
    seen: u32,
    inner_gap: f32,
    since_quiet: u32,
    quiets: u32,
    burst_start_ns: u64,
    burst_requests: f32,
    burst_length: f32,
    quiet_gap: f32,
    log_fast: f32,
    fast_rate_now: bool,
    rise_ns: u64,
    rises: u32,
    interval: f32,
    deviation: f32,
    log_low: f32,
    log_high: f32,
    log_range: f32,
}

fn blend(old: f32, new: f32, weight: f32) -> f32 {
    old + (new - old) * weight
}

/// The mean of the first values, then an exponential one.
fn weight(count: u32, at_least: f32) -> f32 {
    (1.0 / count.max(1) as f32).max(at_least)
}

impl Arrivals {
    pub(crate) fn observe(&mut self, at_ns: u64) {
        let gap = at_ns.saturating_sub(self.last_ns).max(1) as f32;
        self.seen = self.seen.saturating_add(1);
        if self.seen == 1 {
            self.burst_start_ns = at_ns;
        } else if self.seen > 4 && gap > QUIET_FACTOR * self.inner_gap {
            self.end_burst(at_ns, gap);
        } else {
            self.inner_gap = blend(self.inner_gap, gap, weight(self.seen - 1, 1.0 / 16.0));
            self.since_quiet = self.since_quiet.saturating_add(1);
            self.follow_rate(at_ns, gap);
        }
        self.last_ns = at_ns;
    }

    fn end_burst(&mut self, at_ns: u64, gap: f32) {
        self.quiets = self.quiets.saturating_add(1);
        let part = weight(self.quiets, 0.25);
        let length = self.last_ns.saturating_sub(self.burst_start_ns) as f32;
        self.burst_length = blend(self.burst_length, length, part);
        self.burst_requests = blend(self.burst_requests, (self.since_quiet + 1) as f32, part);
        self.quiet_gap = blend(self.quiet_gap, gap, part);
        self.burst_start_ns = at_ns;
        // Silences that follow one another are a slower rate, not bursts.
        if self.since_quiet < 2 {
            self.inner_gap = blend(self.inner_gap, gap, 0.5);
        }
        self.since_quiet = 0;
    }

    fn follow_rate(&mut self, at_ns: u64, gap: f32) {
        let log = gap.ln();
        self.log_fast = blend(self.log_fast, log, weight(self.seen - 1, 0.35));
        if self.seen == 2 {
            (self.log_low, self.log_high) = (log, log);
        }
        self.log_low = self.log_fast.min(blend(self.log_low, self.log_fast, ENVELOPE));
        self.log_high = self.log_fast.max(blend(self.log_high, self.log_fast, ENVELOPE));
        let range = self.log_high - self.log_low;
        let (middle, swing) = (f32::midpoint(self.log_low, self.log_high), (SWING * range).max(0.1));
        if self.fast_rate_now {
            self.fast_rate_now = self.log_fast < middle + swing;
        } else if self.log_fast < middle - swing && range > RANGE_MIN {
            self.fast_rate_now = true;
            self.rise(at_ns);
        }
    }

    fn rise(&mut self, at_ns: u64) {
        if self.rises > 0 {
            let interval = at_ns.saturating_sub(self.rise_ns) as f32;
            let part = weight(self.rises, 0.2);
            if self.rises > 1 {
                let off = (interval - self.interval).abs();
                self.deviation = blend(self.deviation, off, weight(self.rises - 1, 0.2));
            }
            self.interval = blend(self.interval, interval, part);
            self.log_range = blend(self.log_range, self.log_high - self.log_low, part);
        }
        self.rises = self.rises.saturating_add(1);
        self.rise_ns = at_ns;
    }

    /// What the arrivals look like now.
    pub(crate) fn arrival(&self) -> Arrival {
        let burst_goes_on = (self.since_quiet as f32) < 4.0 * self.burst_requests.max(1.0);
        if self.quiets >= EVENTS_MIN && self.burst_requests >= 3.0 && burst_goes_on {
            return Arrival::Burst { length_ns: self.burst_length as u64, gap_ns: self.quiet_gap as u64 };
        }
        let since_rise = self.last_ns.saturating_sub(self.rise_ns) as f32;
        let regular = self.deviation < IRREGULARITY_MAX * self.interval && since_rise < 2.0 * self.interval;
        if self.rises > EVENTS_MIN && regular {
            let ratio = self.log_range.exp();
            let amplitude = ((ratio - 1.0) / (ratio + 1.0)).clamp(0.0, 1.0);
            return Arrival::Periodic { period_ns: self.interval as u64, amplitude };
        }
        Arrival::Steady
    }
}

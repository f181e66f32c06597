//! How many blocks of a size to hold, from how many were needed. No clock and no memory in here: time is what the caller says.
//!
//! Per period, the blocks needed at its peak are noted. What is held is a high quantile of the last [`WINDOW`] periods, times a
//! headroom: a peak is kept while it is recent, a single odd period is not, and a mean, which serves half of the periods badly,
//! plays no part.
//!
//! Bursts that come back at regular intervals are expected, and held for, a little before they are due. A burst is one of the whole
//! pool, because the few blocks of a single size come and go too irregularly to tell; what each size needed in it is remembered.

use std::collections::VecDeque;
use std::time::Duration;

/// Time between two looks.
pub(crate) const PERIOD: Duration = Duration::from_millis(500);
/// Periods that are remembered: eight seconds.
const WINDOW: usize = 16;
/// Of the remembered periods, so many may need more than what is held.
const ABOVE: usize = 1;
/// More than is wanted by this part is given back; less is not worth the calls.
const SLACK: f64 = 0.1;
/// A burst needs so many times what is usual, and so many bytes more.
const BURST: f64 = 2.0;
const BURST_BYTES: u64 = 1 << 20;
/// Bursts that are remembered; three are the fewest that can be regular.
const BURSTS: usize = 6;
const BURSTS_MIN: usize = 3;
/// Intervals between bursts are regular if they differ by no more than this part of their median, and by two periods.
const JITTER: f64 = 0.15;
/// After so many expected bursts in a row that did not come, the rhythm is forgotten.
const MISSED_MAX: u32 = 2;

/// What is known about one size.
#[derive(Debug, Default)]
pub(crate) struct Demand {
    needed: VecDeque<u32>,
    /// What bursts needed, the last one at the end.
    peaks: VecDeque<u32>,
}

/// What to do about one size.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Plan {
    /// Blocks to hold, in use and idle together.
    pub(crate) hold: u32,
    /// Whether they should be there before they are asked for.
    pub(crate) ahead: bool,
}

impl Demand {
    /// Takes note of a period that needed so many blocks at its peak.
    pub(crate) fn observe(&mut self, needed: u32, outlook: Outlook) {
        push(&mut self.needed, WINDOW, needed);
        match outlook {
            Outlook::Begins => push(&mut self.peaks, BURSTS, needed),
            Outlook::Lasts => {
                if let Some(peak) = self.peaks.back_mut() {
                    *peak = needed.max(*peak);
                }
            }
            Outlook::Usual | Outlook::Expected => {}
            Outlook::Forgotten => self.peaks.clear(),
        }
    }

    /// What to hold, with so much headroom (1.2 for a fifth more).
    pub(crate) fn plan(&self, headroom: f64, outlook: Outlook) -> Plan {
        let usual = f64::from(quantile(&self.needed, ABOVE).unwrap_or(0)) * headroom;
        let usual = usual.ceil().min(f64::from(u32::MAX)) as u32;
        match self.peaks.iter().max() {
            Some(peak) if outlook.wants_peak() && *peak > usual => Plan { hold: *peak, ahead: true },
            _ => Plan { hold: usual, ahead: false },
        }
    }

    /// Whether nothing was needed for so long that there is nothing to know.
    pub(crate) fn is_over(&self) -> bool {
        self.needed.iter().all(|needed| *needed == 0) && self.peaks.is_empty()
    }
}

fn push<T>(list: &mut VecDeque<T>, most: usize, value: T) {
    if list.len() == most {
        list.pop_front();
    }
    list.push_back(value);
}

/// What is exceeded by `above` of the values.
fn quantile<T: Copy + Ord>(values: &VecDeque<T>, above: usize) -> Option<T> {
    let mut sorted: Vec<T> = values.iter().copied().collect();
    sorted.sort_unstable_by(|a, b| b.cmp(a));
    sorted.get(above.min(sorted.len().saturating_sub(1))).copied()
}

/// Whether a pool that holds so many bytes and wants so many should give some back.
pub(crate) fn is_too_much(held: u64, wanted: u64) -> bool {
    held as f64 > wanted as f64 * (1.0 + SLACK)
}

/// What is to be said about a period.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Outlook {
    /// Nothing.
    Usual,
    /// A burst is due.
    Expected,
    /// A burst began in it.
    Begins,
    /// A burst went on in it.
    Lasts,
    /// Bursts that were expected did not come; they are expected no more.
    Forgotten,
}

impl Outlook {
    fn wants_peak(self) -> bool {
        matches!(self, Self::Expected | Self::Begins | Self::Lasts)
    }
}

/// Times at which the whole pool needed more than usual.
#[derive(Debug, Default)]
pub(crate) struct Bursts {
    needed: VecDeque<u64>,
    onsets: VecDeque<Duration>,
    lasts: bool,
    missed: u32,
}

impl Bursts {
    /// Takes note of a period that ended at `now` and needed so many bytes at its peak.
    pub(crate) fn observe(&mut self, now: Duration, needed: u64) -> Outlook {
        let usual = quantile(&self.needed, WINDOW / 2).unwrap_or(needed);
        push(&mut self.needed, WINDOW, needed);
        let is_burst = needed as f64 > usual as f64 * BURST && needed >= usual.saturating_add(BURST_BYTES);
        let begins = is_burst && !self.lasts;
        self.lasts = is_burst;
        if begins {
            push(&mut self.onsets, BURSTS, now);
            self.missed = 0;
            return Outlook::Begins;
        }
        if self.forget(now) {
            return Outlook::Forgotten;
        }
        match (is_burst, self.is_due(now)) {
            (true, _) => Outlook::Lasts,
            (false, true) => Outlook::Expected,
            (false, false) => Outlook::Usual,
        }
    }

    /// Whether nothing was needed for so long that there is nothing to know.
    pub(crate) fn is_over(&self) -> bool {
        self.onsets.is_empty() && self.needed.iter().all(|needed| *needed == 0)
    }

    /// Counts expected bursts that did not come, and gives the rhythm up in the end.
    fn forget(&mut self, now: Duration) -> bool {
        let Some(last) = self.onsets.back().copied() else { return false };
        let missed = match self.interval() {
            Some((interval, tolerance)) => {
                let since = now.saturating_sub(last).saturating_sub(tolerance);
                (since.as_secs_f64() / interval.as_secs_f64().max(PERIOD.as_secs_f64())) as u32
            }
            None => 0,
        };
        self.missed = self.missed.max(missed);
        // Without a rhythm, what is older than any that could be recognised is of no use either.
        let is_stale = self.interval().is_none() && now.saturating_sub(last) > Duration::from_secs(24 * 3600);
        if self.missed > MISSED_MAX || is_stale {
            self.onsets.clear();
            self.missed = 0;
            return true;
        }
        false
    }

    /// The median interval and how much intervals may differ, if bursts are regular.
    fn interval(&self) -> Option<(Duration, Duration)> {
        if self.onsets.len() < BURSTS_MIN {
            return None;
        }
        let onsets = self.onsets.iter().zip(self.onsets.iter().skip(1));
        let mut intervals: Vec<Duration> = onsets.map(|(a, b)| b.saturating_sub(*a)).collect();
        intervals.sort_unstable();
        let median = intervals[intervals.len() / 2];
        let tolerance = median.mul_f64(JITTER).min(10 * PERIOD).max(2 * PERIOD);
        let is_regular = intervals.iter().all(|interval| interval.abs_diff(median) <= tolerance);
        (is_regular && median > 2 * tolerance).then_some((median, tolerance))
    }

    fn is_due(&self, now: Duration) -> bool {
        let (Some((interval, tolerance)), Some(last)) = (self.interval(), self.onsets.back()) else {
            return false;
        };
        let due = *last + interval * (self.missed + 1);
        now + tolerance + PERIOD >= due && now <= due + tolerance
    }
}

#[cfg(all(test, not(rio_loom)))]
mod tests {
    use super::*;

    const HEADROOM: f64 = 1.2;

    /// One size of 1 MiB, which is all of a pool.
    #[derive(Default)]
    struct Clock {
        demand: Demand,
        bursts: Bursts,
        now: Duration,
    }

    impl Clock {
        fn periods(&mut self, count: u32, needed: u32) -> Plan {
            let mut outlook = Outlook::Usual;
            for _ in 0..count {
                self.now += PERIOD;
                outlook = self.bursts.observe(self.now, u64::from(needed) << 20);
                self.demand.observe(needed, outlook);
            }
            self.demand.plan(HEADROOM, outlook)
        }
    }

    fn clock() -> Clock {
        Clock::default()
    }

    #[test]
    fn what_is_needed_is_held_with_headroom() {
        assert_eq!(clock().periods(20, 100), Plan { hold: 120, ahead: false });
        assert_eq!(clock().periods(20, 0), Plan::default());
        assert_eq!(Demand::default().plan(HEADROOM, Outlook::Expected), Plan::default());
    }

    #[test]
    fn one_odd_period_counts_for_nothing_and_two_do() {
        let mut clock = clock();
        clock.periods(15, 10);
        assert_eq!(clock.periods(1, 90).hold, 90, "while it lasts");
        assert_eq!(clock.periods(1, 10).hold, 12);
        clock.periods(1, 90);
        assert_eq!(clock.periods(1, 10).hold, 108);
    }

    #[test]
    fn a_burst_is_forgotten_within_ten_seconds() {
        let mut clock = clock();
        clock.periods(20, 10);
        assert_eq!(clock.periods(4, 100).hold, 120);
        assert_eq!(clock.periods(8, 10).hold, 120, "it may come back");
        assert_eq!(clock.periods(12, 10).hold, 12);
    }

    #[test]
    fn a_regular_burst_is_expected_in_time_and_not_long_before() {
        let mut clock = clock();
        for _ in 0..3 {
            clock.periods(56, 10);
            clock.periods(4, 100);
        }
        // The next is due 60 periods after the last began.
        assert_eq!(clock.periods(30, 10), Plan { hold: 12, ahead: false });
        assert_eq!(clock.periods(25, 10), Plan { hold: 100, ahead: true });
        clock.periods(1, 10);
        assert!(clock.periods(4, 100).hold >= 100);
        assert_eq!(clock.periods(30, 10), Plan { hold: 12, ahead: false });
    }

    #[test]
    fn a_rhythm_that_ends_is_forgotten() {
        let mut clock = clock();
        for _ in 0..4 {
            clock.periods(36, 10);
            clock.periods(4, 100);
        }
        let mut ahead = 0;
        for _ in 0..400 {
            ahead += u32::from(clock.periods(1, 10).ahead);
        }
        assert!((1..60).contains(&ahead), "held ahead for {ahead} periods");
        clock.periods(100, 0);
        assert!(clock.demand.is_over());
    }

    #[test]
    fn irregular_bursts_are_not_expected() {
        let mut clock = clock();
        for quiet in [30, 70, 25, 110, 41, 90, 33] {
            clock.periods(4, 100);
            for _ in 0..quiet {
                assert!(!clock.periods(1, 10).ahead);
            }
        }
    }

    #[test]
    fn little_too_much_is_left_alone() {
        assert!(!is_too_much(110, 100) && is_too_much(111, 100) && is_too_much(1, 0) && !is_too_much(0, 0));
    }
}

//! When trouble begins and ends. Pure: signs and time in, changes out.

use super::signs::Signs;
use rustfs_rio_monitor::{Alert, AlertSeverity, Category, Change as AlertChange};
use std::time::{Duration, SystemTime};

/// A kind of trouble. The table of the module `heal` says how each is seen, treated and over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Ailment {
    /// A ring, or the ring on some device, fails.
    RingFails,
    /// A device takes far longer than usual.
    SlowDevice,
    /// A device does not answer at all.
    HungDevice,
    /// More operations come than the engine takes.
    Overload,
    /// Memory is short.
    MemoryPressure,
    /// File descriptors run out.
    FewDescriptors,
    /// A disk that files were created on is nearly full.
    DiskNearlyFull,
    /// A sync failed, and the file refuses writes.
    PoisonedFile,
}

impl Ailment {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::RingFails,
        Self::SlowDevice,
        Self::HungDevice,
        Self::Overload,
        Self::MemoryPressure,
        Self::FewDescriptors,
        Self::DiskNearlyFull,
        Self::PoisonedFile,
    ];

    /// Its name in events and alerts.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::RingFails => "ring_fails",
            Self::SlowDevice => "slow_device",
            Self::HungDevice => "hung_device",
            Self::Overload => "overload",
            Self::MemoryPressure => "memory_pressure",
            Self::FewDescriptors => "few_descriptors",
            Self::DiskNearlyFull => "disk_nearly_full",
            Self::PoisonedFile => "poisoned_file",
        }
    }

    /// What Rio does about it.
    #[must_use]
    pub fn reaction(self) -> &'static str {
        match self {
            Self::RingFails => "threads serve what the ring failed; the ring is probed from time to time",
            Self::SlowDevice | Self::HungDevice => "fewer operations are let in until it recovers",
            Self::Overload => "operations beyond the queue are refused with an error that says so",
            Self::MemoryPressure => "idle buffers and cached blocks are given back",
            Self::FewDescriptors => "the soft limit on open files is raised to the hard one",
            Self::DiskNearlyFull => "no files are created there; reads, writes and deletions go on",
            Self::PoisonedFile => "the file refuses writes and syncs until it is opened again",
        }
    }

    /// What a person can do about it.
    #[must_use]
    pub fn remedy(self) -> &'static str {
        match self {
            Self::RingFails => {
                "look at the kernel log; set RUSTFS_ENABLE_IO_URING=off if the kernel's io_uring is broken"
            }
            Self::SlowDevice | Self::HungDevice => {
                "look at the device (smartctl, kernel log) and at who else uses it"
            }
            Self::Overload => "send less at a time, add devices, or raise runtime.max_waiting_ops",
            Self::MemoryPressure => {
                "lower runtime.buffer_memory and cache.bytes, or give the service more memory"
            }
            Self::FewDescriptors => {
                "raise the hard limit (LimitNOFILE, ulimit -Hn), or look for files that are not closed"
            }
            Self::DiskNearlyFull => "delete or move files, or add space",
            Self::PoisonedFile => {
                "open the file again, verify its content and write again; look at the device"
            }
        }
    }

    fn severity(self) -> AlertSeverity {
        match self {
            Self::HungDevice | Self::PoisonedFile | Self::DiskNearlyFull => AlertSeverity::Critical,
            _ => AlertSeverity::Warning,
        }
    }

    fn category(self) -> Category {
        match self {
            Self::SlowDevice | Self::HungDevice | Self::RingFails => Category::Degradation,
            Self::PoisonedFile => Category::Anomaly,
            _ => Category::Exhaustion,
        }
    }
}

/// Trouble that is there.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct Trouble {
    /// Its kind.
    pub ailment: Ailment,
    /// What it was seen by, with numbers.
    pub evidence: String,
    /// When it was first seen, since 1970.
    pub since: Duration,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Change {
    Began(Trouble),
    Ended(Trouble),
}

impl Change {
    pub(super) fn trouble(&self) -> &Trouble {
        match self {
            Self::Began(trouble) | Self::Ended(trouble) => trouble,
        }
    }

    /// For the monitor's callbacks and sinks.
    pub(super) fn as_alert(&self) -> AlertChange {
        let trouble = self.trouble();
        let (now, ailment) = (wall(), trouble.ailment);
        let ended = matches!(self, Self::Ended(_));
        let alert = Alert {
            // Ailments are few and named; books count from 1.
            id: 0,
            category: ailment.category(),
            severity: ailment.severity(),
            metric: format!("health.{}", ailment.name()),
            value: f64::from(u8::from(!ended)),
            threshold: 1.0,
            evidence: format!("{}; {}", trouble.evidence, ailment.reaction()),
            actions: vec![ailment.remedy().to_owned()],
            opened: trouble.since,
            updated: now,
            closed: ended.then_some(now),
            reopened: 0,
            silenced: false,
        };
        if ended { AlertChange::Closed(alert) } else { AlertChange::Opened(alert) }
    }
}

fn wall() -> Duration {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}

/// Looks in a row that make a device slow, and that end an ailment.
const SLOW_LOOKS: u32 = 3;
const CALM_LOOKS: u32 = 5;
/// A device is slow at this many times its usual latency, if that is this long, and no longer slow below the second.
const SLOW_FACTOR: f64 = 10.0;
const FAST_FACTOR: f64 = 3.0;
const SLOW_SECONDS: f64 = 0.1;
/// A device that completes nothing for so long hangs.
const HUNG_AFTER: Duration = Duration::from_secs(5);
/// Weight of a look in the usual latency, about a minute of looks.
const USUAL_WEIGHT: f64 = 1.0 / 64.0;
/// Shares of open files.
const DESCRIPTORS_HIGH: f64 = 0.9;
const DESCRIPTORS_LOW: f64 = 0.8;
/// How long a poisoned file is news.
const POISON_FOR: Duration = Duration::from_secs(60);

#[derive(Debug, Default)]
struct Course {
    open: Option<Trouble>,
    /// Looks in a row with, or without, the sign.
    seen: u32,
    calm: u32,
}

/// The course of every ailment.
#[derive(Debug, Default)]
pub(super) struct Diagnosis {
    courses: [Course; Ailment::ALL.len()],
    last: Option<Signs>,
    last_completion: Duration,
    last_poisoning: Option<Duration>,
    usual_seconds: Option<f64>,
}

impl Diagnosis {
    pub(super) fn open(&self) -> Vec<Trouble> {
        self.courses.iter().filter_map(|course| course.open.clone()).collect()
    }

    /// Takes a look at `now`, on a clock that does not go back.
    pub(super) fn examine(&mut self, now: Duration, signs: &Signs) -> Vec<Change> {
        let last = self.last.replace(signs.clone()).unwrap_or_else(|| signs.clone());
        let completed = signs.completed.saturating_sub(last.completed);
        if completed > 0 || signs.in_flight == 0 {
            self.last_completion = now;
        }
        let mut changes = Vec::new();
        let stuck = now.saturating_sub(self.last_completion);
        self.note(
            &mut changes,
            Ailment::HungDevice,
            (1, 1),
            (stuck >= HUNG_AFTER).then(|| {
                format!(
                    "{} operations in flight and none completed for {} s",
                    signs.in_flight,
                    stuck.as_secs()
                )
            }),
        );
        self.slowness(&mut changes, signs.mean_seconds);
        let ring = (signs.latched_devices + signs.broken_rings > 0).then(|| {
            format!(
                "{} devices avoid the ring, {} rings are broken",
                signs.latched_devices, signs.broken_rings
            )
        });
        self.note(&mut changes, Ailment::RingFails, (1, 1), ring);
        let shed = signs.shed.saturating_sub(last.shed);
        let overload = (shed > 0).then(|| format!("{shed} operations were refused since the last look"));
        self.note(&mut changes, Ailment::Overload, (1, CALM_LOOKS), overload);
        let pressure = signs.memory_is_short.then(|| "the system reports memory pressure".to_owned());
        self.note(&mut changes, Ailment::MemoryPressure, (1, CALM_LOOKS), pressure);
        let bound = self.bound(Ailment::FewDescriptors, DESCRIPTORS_HIGH, DESCRIPTORS_LOW);
        let files = signs.descriptors_share.filter(|share| *share >= bound);
        let files = files.map(|share| format!("{:.0} % of the open files that are allowed", share * 100.0));
        self.note(&mut changes, Ailment::FewDescriptors, (1, 1), files);
        self.note(&mut changes, Ailment::DiskNearlyFull, (1, 1), signs.full_disk.clone());
        if signs.poisoned > last.poisoned {
            self.last_poisoning = Some(now);
        }
        let fresh = self.last_poisoning.is_some_and(|at| now.saturating_sub(at) < POISON_FOR);
        let poisoned = fresh.then(|| format!("{} files were poisoned by a failed sync", signs.poisoned));
        self.note(&mut changes, Ailment::PoisonedFile, (1, 1), poisoned);
        changes
    }

    fn slowness(&mut self, changes: &mut Vec<Change>, mean_seconds: Option<f64>) {
        let Some(mean) = mean_seconds else { return };
        let usual = *self.usual_seconds.get_or_insert(mean);
        let factor = self.bound(Ailment::SlowDevice, SLOW_FACTOR, FAST_FACTOR);
        let is_slow = mean >= SLOW_SECONDS && mean >= usual * factor;
        self.note(
            changes,
            Ailment::SlowDevice,
            (SLOW_LOOKS, CALM_LOOKS),
            is_slow.then(|| {
                format!("operations take {:.0} ms on average, usually {:.1} ms", mean * 1e3, usual * 1e3)
            }),
        );
        // What is slow is not taken for usual.
        if !is_slow {
            self.usual_seconds = Some(usual + USUAL_WEIGHT * (mean - usual));
        }
    }

    /// The first bound while there is no trouble, the second while there is.
    fn bound(&self, ailment: Ailment, begin: f64, end: f64) -> f64 {
        if self.courses[ailment as usize].open.is_some() { end } else { begin }
    }

    /// Takes a sign, or its absence; `looks` in a row begin and end the ailment.
    fn note(
        &mut self,
        changes: &mut Vec<Change>,
        ailment: Ailment,
        (to_begin, to_end): (u32, u32),
        sign: Option<String>,
    ) {
        let course = &mut self.courses[ailment as usize];
        match sign {
            Some(evidence) => {
                (course.seen, course.calm) = (course.seen.saturating_add(1), 0);
                if let Some(open) = &mut course.open {
                    open.evidence = evidence;
                } else if course.seen >= to_begin {
                    let trouble = Trouble { ailment, evidence, since: wall() };
                    course.open = Some(trouble.clone());
                    changes.push(Change::Began(trouble));
                }
            }
            None => {
                (course.seen, course.calm) = (0, course.calm.saturating_add(1));
                if course.calm >= to_end
                    && let Some(trouble) = course.open.take()
                {
                    changes.push(Change::Ended(trouble));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn steps(diagnosis: &mut Diagnosis, from: u64, looks: u64, signs: impl Fn(u64) -> Signs) -> Vec<Change> {
        let look = |second| diagnosis.examine(Duration::from_secs(second), &signs(second));
        (from..from + looks).flat_map(look).collect()
    }

    fn names(changes: &[Change]) -> Vec<(bool, Ailment)> {
        changes.iter().map(|change| (matches!(change, Change::Began(_)), change.trouble().ailment)).collect()
    }

    #[test]
    fn a_slow_device_is_seen_after_three_looks_and_forgotten_after_five_quick_ones() {
        let mut diagnosis = Diagnosis::default();
        let at =
            |seconds: f64| move |n| Signs { mean_seconds: Some(seconds), completed: n, ..Signs::default() };
        assert!(steps(&mut diagnosis, 0, 100, at(0.002)).is_empty());
        assert!(steps(&mut diagnosis, 100, 2, at(0.5)).is_empty(), "two looks may be chance");
        assert_eq!(names(&steps(&mut diagnosis, 102, 1, at(0.5))), [(true, Ailment::SlowDevice)]);
        assert!(steps(&mut diagnosis, 103, 4, at(0.002)).is_empty());
        assert_eq!(names(&steps(&mut diagnosis, 107, 1, at(0.002))), [(false, Ailment::SlowDevice)]);
    }

    #[test]
    fn a_device_that_completes_nothing_hangs_until_it_does() {
        let mut diagnosis = Diagnosis::default();
        let stuck = |_| Signs { in_flight: 3, completed: 7, ..Signs::default() };
        assert!(steps(&mut diagnosis, 0, 5, stuck).is_empty());
        let changes = steps(&mut diagnosis, 5, 1, stuck);
        assert_eq!(names(&changes), [(true, Ailment::HungDevice)]);
        assert!(changes[0].trouble().evidence.contains("3 operations in flight and none completed for 5 s"));
        let moving = |n| Signs { in_flight: 3, completed: n + 100, ..Signs::default() };
        assert_eq!(names(&steps(&mut diagnosis, 6, 1, moving)), [(false, Ailment::HungDevice)]);
    }

    #[test]
    fn the_others_begin_with_their_sign_and_end_without_it() {
        type Sick = fn(u64) -> Signs;
        let cases: [(Ailment, Sick, u64); 5] = [
            (Ailment::RingFails, |_| Signs { latched_devices: 1, ..Signs::default() }, 1),
            (Ailment::Overload, |n| Signs { shed: n, ..Signs::default() }, 5),
            (Ailment::MemoryPressure, |_| Signs { memory_is_short: true, ..Signs::default() }, 5),
            (Ailment::FewDescriptors, |_| Signs { descriptors_share: Some(0.95), ..Signs::default() }, 1),
            (Ailment::DiskNearlyFull, |_| Signs { full_disk: Some("/".into()), ..Signs::default() }, 1),
        ];
        for (ailment, sick, looks) in cases {
            let mut diagnosis = Diagnosis::default();
            assert!(steps(&mut diagnosis, 0, 3, |_| Signs::default()).is_empty(), "{ailment:?}");
            assert_eq!(names(&steps(&mut diagnosis, 3, 4, sick)), [(true, ailment)]);
            let last = sick(6);
            let well = |_| Signs { shed: last.shed, ..Signs::default() };
            let changes = steps(&mut diagnosis, 7, looks, well);
            assert_eq!(names(&changes), [(false, ailment)], "after {looks} looks");
            let alert = changes[0].as_alert();
            assert!(alert.alert().closed.is_some() && !alert.alert().actions.is_empty());
        }
    }

    #[test]
    fn a_poisoned_file_is_news_for_a_minute() {
        let mut diagnosis = Diagnosis::default();
        let count = |poisoned| move |_| Signs { poisoned, ..Signs::default() };
        assert!(steps(&mut diagnosis, 0, 1, count(0)).is_empty());
        assert_eq!(names(&steps(&mut diagnosis, 1, 1, count(1))), [(true, Ailment::PoisonedFile)]);
        assert_eq!(names(&steps(&mut diagnosis, 2, 60, count(1))), [(false, Ailment::PoisonedFile)]);
    }

    #[test]
    fn places_in_the_table_are_those_of_the_list() {
        assert!(Ailment::ALL.iter().enumerate().all(|(place, ailment)| *ailment as usize == place));
    }
}

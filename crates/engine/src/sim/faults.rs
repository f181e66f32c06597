//! What goes wrong on the simulated device, and when.

use super::rng::Rng;
use crate::op::OpKind;

/// One thing that goes wrong with one step of an operation. A fault that makes no sense for the step's kind has no
/// effect on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// The step fails with this error number and changes nothing.
    Error(i32),
    /// A transfer moves at most this many bytes (at least one, whole sectors on a direct file).
    Short(usize),
    /// A write changes some of its sectors and fails with `EIO`.
    Torn,
    /// A sync fails with `EIO`. Of what was not durable, any part may be, and later syncs no longer cover the rest, as
    /// on Linux, where pages that failed to be written count as clean.
    SyncFails,
    /// A sync reports success and makes nothing durable.
    SyncLies,
    /// The step does not end before [`SimDisk::release_hung`](super::SimDisk::release_hung).
    Hang,
}

/// A fault at a chosen moment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scripted {
    /// Steps of this kind are counted.
    pub kind: OpKind,
    /// Which of them, from 0, since the plan was given to the disk.
    pub nth: u64,
    /// What happens to it.
    pub fault: Fault,
}

/// The plan of a simulated device: probabilities per step, bounds, and faults at chosen moments. The default plan has no
/// faults: every step succeeds in full, in the order of submission, and at a crash a third of the unsynced writes is
/// lost and a third torn.
#[derive(Debug, Clone, PartialEq)]
pub struct Faults {
    /// Delay of execution and of the completion report in ticks of virtual time, drawn from 0 up to this for each step.
    /// Only the order of events depends on it; no time passes. 0 keeps the order of submission.
    pub latency_max: u64,
    /// Probability that a transfer is short.
    pub short: f64,
    /// Probability of `EINTR`.
    pub interrupted: f64,
    /// Probability of `EAGAIN`.
    pub would_block: f64,
    /// Probability that a read fails with `EIO`.
    pub read_error: f64,
    /// Probability that a write fails with `EIO` after changing some of its sectors.
    pub write_error: f64,
    /// Probability that a write or an allocation fails with `ENOSPC`, whatever the capacity.
    pub no_space: f64,
    /// Probability of [`Fault::SyncFails`].
    pub sync_error: f64,
    /// Probability of [`Fault::SyncLies`].
    pub sync_lie: f64,
    /// Probability of [`Fault::Hang`].
    pub hang: f64,
    /// Bytes that all files together may take, in pages of 4 KiB; `None` is no bound.
    pub capacity: Option<u64>,
    /// Handles that may be open at a time; opening another one fails with `EMFILE`. `None` is no bound.
    pub open_files_max: Option<usize>,
    /// Whether `fallocate` fails with `EOPNOTSUPP`.
    pub no_fallocate: bool,
    /// Probability that an unsynced write is lost at a crash.
    pub lost_at_crash: f64,
    /// Probability that an unsynced write that is not lost is torn at a crash: each of its sectors is kept or lost.
    pub torn_at_crash: f64,
    /// Faults at chosen moments; they go before those drawn by probability.
    pub script: Vec<Scripted>,
}

impl Default for Faults {
    fn default() -> Self {
        Self {
            latency_max: 0,
            short: 0.0,
            interrupted: 0.0,
            would_block: 0.0,
            read_error: 0.0,
            write_error: 0.0,
            no_space: 0.0,
            sync_error: 0.0,
            sync_lie: 0.0,
            hang: 0.0,
            capacity: None,
            open_files_max: None,
            no_fallocate: false,
            lost_at_crash: 1.0 / 3.0,
            torn_at_crash: 0.5,
            script: Vec::new(),
        }
    }
}

impl Faults {
    /// A plan with one fault: the `nth` step of this kind, from 0.
    #[must_use]
    pub fn once(kind: OpKind, nth: u64, fault: Fault) -> Self {
        Self { script: vec![Scripted { kind, nth, fault }], ..Self::default() }
    }

    /// What goes wrong with the `nth` step of this kind.
    pub(super) fn draw(&self, kind: OpKind, nth: u64, rng: &mut Rng) -> Option<Fault> {
        let scripted = self.script.iter().find(|entry| entry.kind == kind && entry.nth == nth);
        if let Some(entry) = scripted {
            return Some(entry.fault);
        }
        if rng.chance(self.hang) {
            return Some(Fault::Hang);
        }
        // Linux does not restart these two kinds after a signal: close has taken effect, and statx does not wait.
        if !matches!(kind, OpKind::Close | OpKind::Statx) {
            if rng.chance(self.interrupted) {
                return Some(Fault::Error(libc::EINTR));
            }
            if rng.chance(self.would_block) {
                return Some(Fault::Error(libc::EAGAIN));
            }
        }
        match kind {
            OpKind::Read | OpKind::ReadVectored => {
                if rng.chance(self.read_error) {
                    return Some(Fault::Error(libc::EIO));
                }
                self.shortened(rng)
            }
            OpKind::Write | OpKind::WriteVectored => {
                if rng.chance(self.no_space) {
                    return Some(Fault::Error(libc::ENOSPC));
                }
                if rng.chance(self.write_error) {
                    return Some(Fault::Torn);
                }
                self.shortened(rng)
            }
            OpKind::Fallocate => rng.chance(self.no_space).then_some(Fault::Error(libc::ENOSPC)),
            OpKind::Fsync | OpKind::Fdatasync => {
                if rng.chance(self.sync_error) {
                    return Some(Fault::SyncFails);
                }
                rng.chance(self.sync_lie).then_some(Fault::SyncLies)
            }
            _ => None,
        }
    }

    fn shortened(&self, rng: &mut Rng) -> Option<Fault> {
        // Mostly small counts, because they make the longest continuations.
        rng.chance(self.short).then(|| Fault::Short(1 << rng.below(14)))
    }
}

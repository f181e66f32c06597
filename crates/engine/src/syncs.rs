//! Syncs of one open file: they take turns, and a failed one is remembered.
//!
//! Linux reports a failed write-back once per open file. Of two overlapping `fsync(2)` calls one gets the error and the other
//! success, though the data of both may be lost; and the error of a call whose future was dropped goes to nobody. So:
//!
//! * Syncs of a file do not overlap. One that had to wait looks first whether the one before it failed.
//! * The failure is recorded when the kernel reports it, whether or not anybody waits for it.
//! * A sync that began after a caller asked for one serves that caller too: those that ask while one runs share the next.

use crate::op::OpKind;
use crate::sync::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// State of a file's syncs.
#[derive(Default)]
pub(crate) struct Syncs {
    failure: OnceLock<(OpKind, i32)>,
    turns: Arc<Mutex<Completed>>,
    begun: AtomicU64,
}

/// The right to sync. It travels with the operation, so that it lasts until the kernel has answered.
pub(crate) type Turn = OwnedMutexGuard<Completed>;

/// Numbers of the last syncs that succeeded.
#[derive(Default)]
pub(crate) struct Completed {
    all: u64,
    data: u64,
}

/// The moment at which a sync was asked for: how many had begun by then.
#[derive(Clone, Copy)]
pub(crate) struct Asked(u64);

impl Syncs {
    /// The first sync that failed, with its error number.
    pub(crate) fn failure(&self) -> Option<(OpKind, i32)> {
        self.failure.get().copied()
    }

    /// Records the kernel's report of a failed sync. Returns whether it is the first.
    pub(crate) fn failed(&self, kind: OpKind, errno: i32) -> bool {
        // These say that this kind of file has no sync, not that data was lost.
        !matches!(errno, libc::EINVAL | libc::EROFS | libc::EBADF) && self.failure.set((kind, errno)).is_ok()
    }

    pub(crate) fn ask(&self) -> Asked {
        Asked(self.begun.load(Ordering::SeqCst))
    }

    /// Waits until no other sync of this file is under way.
    pub(crate) async fn turn(&self) -> Turn {
        Arc::clone(&self.turns).lock_owned().await
    }

    /// Begins a sync and returns its number.
    pub(crate) fn begin(&self, _turn: &Turn) -> u64 {
        self.begun.fetch_add(1, Ordering::SeqCst) + 1
    }
}

impl Completed {
    /// Whether a sync that succeeded began after this one was asked for.
    pub(crate) fn covers(&self, asked: Asked, data_only: bool) -> bool {
        self.all > asked.0 || (data_only && self.data > asked.0)
    }

    /// Records that a sync succeeded.
    pub(crate) fn note(&mut self, number: u64, data_only: bool) {
        let last = if data_only { &mut self.data } else { &mut self.all };
        *last = number;
    }
}

#[cfg(all(test, not(rio_loom)))]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_sync_serves_those_who_asked_before_it_began() {
        let syncs = Syncs::default();
        let before = syncs.ask();
        let mut turn = syncs.turn().await;
        let number = syncs.begin(&turn);
        let during = syncs.ask();
        assert!(!turn.covers(before, true), "it has not succeeded yet");
        turn.note(number, true);
        assert!(turn.covers(before, true));
        assert!(!turn.covers(before, false), "only data was synced");
        assert!(!turn.covers(during, true), "it had begun already");
        let number = syncs.begin(&turn);
        turn.note(number, false);
        assert!(turn.covers(before, false) && turn.covers(during, true));
    }

    #[test]
    fn the_first_failure_is_kept_and_missing_support_is_none() {
        let syncs = Syncs::default();
        syncs.failed(OpKind::Fsync, libc::EINVAL);
        assert_eq!(syncs.failure(), None);
        syncs.failed(OpKind::Fsync, libc::EIO);
        syncs.failed(OpKind::Fdatasync, libc::ENOSPC);
        assert_eq!(syncs.failure(), Some((OpKind::Fsync, libc::EIO)));
    }
}

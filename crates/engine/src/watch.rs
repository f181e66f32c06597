//! Tells somebody who keeps copies of a file's content about every change of it.
//!
//! A [`ContentWatcher`] hears of a change before any of it can take effect, and again when the kernel is done with it and
//! before anybody can see the result. Both come exactly once per change, also if the future that waits for it is dropped. Only changes through
//! engines of this process that the watcher was given to are seen.

use crate::file::File;
use crate::op::Op;
use std::sync::Arc;

/// The part of a file that an operation may change. Every change may also move the end of the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// The first byte. `u64::MAX` if no byte that exists is touched: appending, reserving space.
    pub offset: u64,
    /// The byte after the last; `u64::MAX` up to the end of the file.
    pub end: u64,
}

impl Change {
    /// A change that only moves the end of the file outwards.
    pub const BEYOND_THE_END: Self = Self { offset: u64::MAX, end: u64::MAX };
}

/// Hears of changes. Called on the path of every write: must be short, must not block, and must not call the engine.
pub trait ContentWatcher: Send + Sync {
    /// The change may take effect from now on.
    fn change_begins(&self, change: Change);

    /// The change has taken effect, in full, in part or not at all; nothing of it is still to come.
    fn change_ended(&self, change: Change);
}

impl File {
    /// Has a watcher told of all changes through this open file and its clones, from now on. `false` if it has one already.
    pub fn watch_content(&self, watcher: Arc<dyn ContentWatcher>) -> bool {
        self.core.watcher.set(watcher).is_ok()
    }

    /// A change of `len` bytes begins; it ends when the value is dropped.
    #[inline]
    pub(crate) fn changes(&self, offset: u64, len: usize) -> Option<Changing> {
        let watcher = self.core.watcher.get()?;
        let change = if self.core.appends {
            Change::BEYOND_THE_END
        } else {
            Change { offset, end: offset.saturating_add(len as u64) }
        };
        Some(Changing::begin(watcher, change))
    }
}

/// A change that has begun.
pub(crate) struct Changing {
    watcher: Arc<dyn ContentWatcher>,
    change: Change,
}

impl Changing {
    fn begin(watcher: &Arc<dyn ContentWatcher>, change: Change) -> Self {
        watcher.change_begins(change);
        Self { watcher: Arc::clone(watcher), change }
    }

    /// What an operation on a watched file changes, if it changes anything.
    pub(crate) fn by(op: &Op, watcher: &Arc<dyn ContentWatcher>, appends: bool) -> Option<Self> {
        let change = op.change()?;
        let change = if appends && op.kind().is_transfer() { Change::BEYOND_THE_END } else { change };
        Some(Self::begin(watcher, change))
    }
}

impl Drop for Changing {
    fn drop(&mut self) {
        self.watcher.change_ended(self.change);
    }
}

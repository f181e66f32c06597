//! The reference: what each byte of the file may be, live and after a power loss.
//!
//! The model knows what was asked for and what was answered, not what the device did. So it keeps sets. A byte's live set
//! holds what a read may return; an acknowledged write reduces it to one value. A byte's durable set holds what a power
//! loss may leave; it grows with every write that is attempted and shrinks when a sync is acknowledged, to what the byte
//! may have been at or after the moment the sync was asked for.
//!
//! What makes it difficult:
//!
//! * A sync that fails may leave pages clean that are not on the disk, and the kernel may drop them: reads may then go back
//!   to durable values, and later syncs say nothing about bytes that were not written again (they are `tainted`).
//! * That happens when the device fails the sync, which is before the failure is reported, so the possibility exists as
//!   long as any sync is under way.
//! * A write whose future was dropped may take effect at any time until the engine is at rest (it is a `ghost`).

use crate::lab::data::byte;
use rustfs_rio_engine::File;
use std::ops::Range;

/// Length of the modelled range; the file's size stays within it.
pub(crate) const LEN: usize = 30_000;

/// A few byte values, or all of them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) struct Set {
    count: u8,
    values: [u8; 6],
}

const ALL: u8 = u8::MAX;

impl Set {
    pub(crate) fn of(value: u8) -> Self {
        Self { count: 1, values: [value, 0, 0, 0, 0, 0] }
    }

    pub(crate) fn has(&self, value: u8) -> bool {
        self.count == ALL || self.values[..self.count as usize].contains(&value)
    }

    pub(crate) fn add(&mut self, value: u8) {
        if self.has(value) {
            return;
        }
        match self.values.get_mut(self.count as usize) {
            Some(place) => {
                *place = value;
                self.count += 1;
            }
            None => self.count = ALL,
        }
    }

    pub(crate) fn add_all(&mut self, other: Set) {
        if other.count == ALL {
            self.count = ALL;
            return;
        }
        for value in &other.values[..other.count as usize] {
            self.add(*value);
        }
    }
}

impl std::fmt::Debug for Set {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.count {
            ALL => f.write_str("anything"),
            count => write!(f, "{:02x?}", &self.values[..count as usize]),
        }
    }
}

/// The sizes that a file may have.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    low: usize,
    high: usize,
}

impl Sizes {
    fn exactly(size: usize) -> Self {
        Self { low: size, high: size }
    }
    fn or(self, other: Sizes) -> Self {
        Self { low: self.low.min(other.low), high: self.high.max(other.high) }
    }
}

/// A change that was asked for.
#[derive(Debug, Clone)]
pub(crate) struct Change {
    pub(crate) range: Range<usize>,
    /// Stream of the bytes written; `None` writes zeros, as a truncation does.
    pub(crate) stream: Option<u64>,
    /// The sizes that it may lead to, if it may change the size.
    sizes: Option<Sizes>,
    /// A sync failed while it was under way, so nobody knows whether it is dirty.
    doubtful: bool,
    id: u64,
}

impl Change {
    fn value(&self, at: usize) -> u8 {
        self.stream.map_or(0, |stream| byte(stream, at as u64))
    }
}

/// A sync that was asked for.
pub(crate) struct Sync {
    id: u64,
    /// What each byte and the size may have been since.
    seen: Vec<Set>,
    sizes: Sizes,
    tainted: Vec<bool>,
    /// Syncs that were under way: if one of them fails, success of this one means nothing.
    rivals: Vec<u64>,
    file: File,
}

pub(crate) struct Model {
    live: Vec<Set>,
    durable: Vec<Set>,
    tainted: Vec<bool>,
    live_sizes: Sizes,
    durable_sizes: Sizes,
    changes: Vec<Change>,
    ghosts: Vec<Change>,
    syncs: Vec<Sync>,
    dropped_syncs: Vec<Sync>,
    failed_syncs: Vec<u64>,
    collapsed: u64,
    ids: u64,
    /// Syncs of this schedule may report success without effect.
    pub(crate) lies: bool,
    /// Syncs of this schedule may fail.
    pub(crate) fails: bool,
}

impl Model {
    /// A file of `size` zero bytes, durable.
    pub(crate) fn new(size: usize) -> Self {
        Self {
            live: vec![Set::of(0); LEN],
            durable: vec![Set::of(0); LEN],
            tainted: vec![false; LEN],
            live_sizes: Sizes::exactly(size),
            durable_sizes: Sizes::exactly(size),
            changes: Vec::new(),
            ghosts: Vec::new(),
            syncs: Vec::new(),
            dropped_syncs: Vec::new(),
            failed_syncs: Vec::new(),
            collapsed: 0,
            ids: 0,
            lies: false,
            fails: false,
        }
    }

    fn next_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }

    /// A write is about to be asked for.
    pub(crate) fn write_starts(&mut self, range: Range<usize>, stream: u64) -> Change {
        let grown = Sizes { low: self.live_sizes.low, high: self.live_sizes.high.max(range.end) };
        let sizes = (range.end > self.live_sizes.low).then_some(grown);
        self.change_starts(Change { range, stream: Some(stream), sizes, doubtful: false, id: 0 })
    }

    /// The size is about to be set.
    pub(crate) fn resize_starts(&mut self, size: usize) -> Change {
        let sizes = Some(Sizes::exactly(size).or(self.live_sizes));
        self.change_starts(Change { range: size..LEN, stream: None, sizes, doubtful: false, id: 0 })
    }

    fn change_starts(&mut self, change: Change) -> Change {
        let change = Change { id: self.next_id(), ..change };
        for at in change.range.clone() {
            let value = change.value(at);
            self.durable[at].add(value);
            for sync in self.syncs.iter_mut().chain(&mut self.dropped_syncs) {
                sync.seen[at].add(value);
            }
        }
        if let Some(sizes) = change.sizes {
            self.durable_sizes = self.durable_sizes.or(sizes);
            for sync in self.syncs.iter_mut().chain(&mut self.dropped_syncs) {
                sync.sizes = sync.sizes.or(sizes);
            }
        }
        self.changes.push(change.clone());
        change
    }

    fn take(&mut self, change: &Change) -> Change {
        let index = self.changes.iter().position(|other| other.id == change.id).expect("it is under way");
        self.changes.swap_remove(index)
    }

    /// A write ended: its first `done` bytes were acknowledged, the others may have been written (`attempted`) or not.
    pub(crate) fn write_ends(&mut self, change: &Change, done: usize, attempted: bool) {
        let change = self.take(change);
        let acknowledged = change.range.start + done;
        for at in change.range.start..acknowledged {
            self.settle(at, &change);
        }
        if attempted {
            for at in acknowledged..change.range.end {
                self.live[at].add(change.value(at));
            }
            self.live_sizes.high = self.live_sizes.high.max(change.range.end);
        }
        if done > 0 {
            self.live_sizes.low = self.live_sizes.low.max(acknowledged);
            self.live_sizes.high = self.live_sizes.high.max(acknowledged);
        }
        self.doubt_sizes(&change);
    }

    /// Setting the size ended.
    pub(crate) fn resize_ends(&mut self, change: &Change, worked: bool) {
        let change = self.take(change);
        if worked {
            for at in change.range.clone() {
                self.settle(at, &change);
            }
            self.live_sizes = Sizes::exactly(change.range.start);
        }
        self.doubt_sizes(&change);
    }

    fn settle(&mut self, at: usize, change: &Change) {
        let mut values = Set::of(change.value(at));
        for ghost in self.ghosts.iter().filter(|ghost| ghost.range.contains(&at)) {
            values.add(ghost.value(at));
        }
        if change.doubtful {
            values.add_all(self.durable[at]);
        }
        self.live[at] = values;
        self.tainted[at] = change.doubtful;
    }

    fn doubt_sizes(&mut self, change: &Change) {
        if change.doubtful {
            self.live_sizes = self.live_sizes.or(self.durable_sizes);
        }
    }

    /// The future of a write was dropped.
    pub(crate) fn write_dropped(&mut self, change: &Change) {
        let change = self.take(change);
        for at in change.range.clone() {
            self.live[at].add(change.value(at));
        }
        self.ghosts.push(change);
    }

    /// A sync is about to be asked for.
    pub(crate) fn sync_starts(&mut self, file: &File) -> u64 {
        let mut seen = self.live.clone();
        let mut sizes = self.live_sizes;
        for change in self.changes.iter().chain(&self.ghosts) {
            for at in change.range.clone() {
                seen[at].add(change.value(at));
            }
            sizes = change.sizes.map_or(sizes, |other| sizes.or(other));
        }
        let id = self.next_id();
        let rivals = self.syncs.iter().chain(&self.dropped_syncs).map(|sync| sync.id).collect();
        let tainted = self.tainted.clone();
        self.syncs.push(Sync { id, seen, sizes, tainted, rivals, file: file.clone() });
        id
    }

    fn take_sync(&mut self, id: u64) -> Sync {
        let index = self.syncs.iter().position(|sync| sync.id == id).expect("it is under way");
        self.syncs.swap_remove(index)
    }

    /// A sync was acknowledged: what was written before it was asked for survives a power loss.
    pub(crate) fn sync_succeeds(&mut self, id: u64) {
        let sync = self.take_sync(id);
        let under_way =
            |rival: &u64| self.syncs.iter().chain(&self.dropped_syncs).any(|sync| sync.id == *rival);
        let unsure = sync.rivals.iter().any(|rival| under_way(rival) || self.failed_syncs.contains(rival));
        if self.lies || (self.fails && unsure) || sync.id < self.collapsed {
            return;
        }
        self.collapsed = sync.id;
        for at in 0..LEN {
            if !sync.tainted[at] {
                self.durable[at] = sync.seen[at];
            }
        }
        // A failed sync may have left a size that later syncs say nothing about, like a tainted byte.
        self.durable_sizes = match sync.tainted.iter().any(|tainted| *tainted) {
            true => self.durable_sizes,
            false => sync.sizes,
        };
    }

    /// A sync failed.
    pub(crate) fn sync_fails(&mut self, id: u64) {
        let sync = self.take_sync(id);
        self.note_failure(sync.id);
    }

    fn note_failure(&mut self, id: u64) {
        self.failed_syncs.push(id);
        for at in 0..LEN {
            let before = self.durable[at];
            if self.live[at] != before {
                self.live[at].add_all(before);
                self.tainted[at] = true;
            }
        }
        if (self.live_sizes.low, self.live_sizes.high) != (self.durable_sizes.low, self.durable_sizes.high) {
            self.live_sizes = self.live_sizes.or(self.durable_sizes);
            self.tainted[LEN - 1] = true;
        }
        for change in self.changes.iter_mut().chain(&mut self.ghosts) {
            change.doubtful = true;
        }
    }

    /// The future of a sync was dropped.
    pub(crate) fn sync_dropped(&mut self, id: u64) {
        let sync = self.take_sync(id);
        self.dropped_syncs.push(sync);
    }

    /// The engine is at rest: abandoned operations have ended. A sync that failed unheard must have poisoned its file, for
    /// otherwise nobody would ever hear of it.
    pub(crate) fn rest(&mut self) {
        assert!(self.changes.is_empty() && self.syncs.is_empty(), "operations are under way");
        let ghosts = std::mem::take(&mut self.ghosts);
        for ghost in ghosts.iter().filter(|ghost| ghost.doubtful) {
            for at in ghost.range.clone() {
                self.tainted[at] = true;
            }
        }
        for sync in std::mem::take(&mut self.dropped_syncs) {
            if sync.file.is_poisoned() {
                self.note_failure(sync.id);
            }
        }
        self.failed_syncs.clear();
    }

    /// Checks what a read returned.
    pub(crate) fn check_read(
        &self,
        offset: usize,
        asked: usize,
        bytes: &[u8],
        complete: bool,
    ) -> Result<(), String> {
        // As long as a sync may fail, what it drops may go back to what is durable.
        let at_risk = self.fails && !(self.syncs.is_empty() && self.dropped_syncs.is_empty());
        let sizes = if at_risk { self.live_sizes.or(self.durable_sizes) } else { self.live_sizes };
        let bound = |size: usize| size.saturating_sub(offset).min(asked);
        if bytes.len() > bound(sizes.high) || (complete && bytes.len() < bound(sizes.low)) {
            return Err(format!("{} bytes at {offset}, asked for {asked}, file of {sizes:?}", bytes.len()));
        }
        for (at, value) in (offset..).zip(bytes) {
            if !(self.live[at].has(*value) || at_risk && self.durable[at].has(*value)) {
                return Err(format!("read {value:02x} at {at}, allowed {:?}", self.live[at]));
            }
        }
        Ok(())
    }

    /// Checks what a power loss left.
    pub(crate) fn check_crash(&self, bytes: &[u8]) -> Result<(), String> {
        if !(self.durable_sizes.low..=self.durable_sizes.high).contains(&bytes.len()) {
            return Err(format!("{} bytes are left, expected {:?}", bytes.len(), self.durable_sizes));
        }
        for (at, value) in bytes.iter().enumerate() {
            if !self.durable[at].has(*value) {
                return Err(format!("{value:02x} is left at {at}, allowed {:?}", self.durable[at]));
            }
        }
        Ok(())
    }
}

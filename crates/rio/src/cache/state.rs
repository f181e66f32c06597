//! What is true of one file: which blocks are being read, which parts are being changed, and whether what was read may be kept.
//!
//! Rules, all under one lock:
//!
//! * While a part of the file changes, none of its blocks is in the cache, and none comes in: reads of it go to the device.
//! * A read that began before a change began is not kept, and nobody who comes after that waits for it.
//! * A block that is shorter than the others is the end of the file. It is kept only if nothing changed since its read began,
//!   and any change that may move the end drops it.
//!
//! So a reader finds in the cache only what a read of the device would have given since the last change was acknowledged.

use super::landing::{Arrival, Landing};
use super::page::{Key, Page, Share};
use super::store::Store;
use super::tally::Count;
use parking_lot::{Mutex, MutexGuard};
use rustfs_rio_buf::PooledBuf;
use rustfs_rio_engine::{Change, ContentWatcher};
use rustfs_rio_tune::PrefetchOutcome;
use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::SystemTime;

/// A change of more blocks than this gives up all blocks of the file at once, in constant time.
const ONE_BY_ONE_MAX: u64 = 1024;

/// Numbers what files held, across all files of all runtimes, so that no number means two things.
static GENERATIONS: AtomicU64 = AtomicU64::new(1);

/// How a file looked, to tell whether it changed while nobody had it open.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) size: u64,
    pub(crate) modified: SystemTime,
    pub(crate) changed: SystemTime,
}

/// One file, shared by all who have it open.
pub(crate) struct FileState {
    /// Number for the predictor.
    pub(crate) space: u32,
    generation: AtomicU64,
    handles: AtomicUsize,
    store: Arc<Store>,
    books: Mutex<Books>,
}

#[derive(Default)]
struct Books {
    /// Parts that change now, in blocks.
    changing: Vec<Range<u64>>,
    /// Begins and ends of changes so far.
    changes: u64,
    /// Reads whose result may be kept, by their first block; they do not overlap.
    runs: BTreeMap<u64, Run>,
    /// Waiters of reads whose result may not be kept.
    outdated: Vec<(u64, Arc<Landing>)>,
    runs_begun: u64,
    /// The block that is in the cache and ends the file.
    short: Option<u64>,
    /// Nothing is there from this block on, as far as reads showed since the last change.
    end: Option<u64>,
    /// As the file was, if that can be trusted and nothing was changed since.
    stamp: Option<Stamp>,
}

struct Run {
    end: u64,
    id: u64,
    /// Changes when it began.
    changes: u64,
    /// Made by the first who waits.
    landing: Option<Arc<Landing>>,
}

/// How a part of a request is served.
pub(crate) enum Part {
    /// It is in the cache.
    Page(Arc<Page>),
    /// It is to be read and kept.
    Lead(Lead),
    /// Somebody reads it.
    Join(Join),
    /// It is to be read and not kept.
    Around(Range<u64>),
}

/// A wait for somebody else's read.
pub(crate) struct Join {
    pub(crate) blocks: Range<u64>,
    landing: Arc<Landing>,
    /// First block of the read.
    first: u64,
    /// The read is for these blocks alone.
    is_same: bool,
    /// Nothing changed since the read began, so that the end of the file is where it finds it.
    is_fresh: bool,
}

impl Books {
    fn changes_at(&self, block: u64) -> Option<u64> {
        self.changing.iter().filter(|part| part.contains(&block)).map(|part| part.end).max()
    }

    /// The read that covers a block.
    fn run_at(&mut self, block: u64) -> Option<(u64, &mut Run)> {
        let (&first, run) = self.runs.range_mut(..=block).next_back()?;
        (block < run.end).then_some((first, run))
    }

    /// Where the next read or change after `block` begins, at most `end`.
    fn free_until(&self, block: u64, end: u64) -> u64 {
        let run = self.runs.range(block..).next().map_or(end, |(first, _)| *first);
        let change = self.changing.iter().map(|part| part.start).filter(|start| *start > block).min();
        end.min(run).min(change.unwrap_or(end))
    }

    fn outdate(&mut self, part: &Range<u64>) {
        let before = self.run_at(part.start).map(|(first, _)| first);
        let within = self.runs.range(part.clone()).map(|(first, _)| *first);
        let firsts: Vec<u64> = before.into_iter().chain(within).collect();
        for first in firsts {
            if let Some(Run { id, landing: Some(landing), .. }) = self.runs.remove(&first) {
                self.outdated.push((id, landing));
            }
        }
    }
}

impl FileState {
    pub(crate) fn new(store: Arc<Store>, space: u32) -> Self {
        let generation = AtomicU64::new(GENERATIONS.fetch_add(1, Ordering::Relaxed));
        Self { space, generation, handles: AtomicUsize::new(0), store, books: Mutex::default() }
    }

    /// One more has the file open. What is in the cache stays if others have it open too, or if it looks as it did.
    pub(crate) fn enter(&self, stamp: Option<Stamp>) {
        let mut books = self.books.lock();
        if self.handles.fetch_add(1, Ordering::Relaxed) == 0 {
            if books.stamp.is_none() || books.stamp != stamp {
                self.forget(&mut books);
            }
            books.stamp = stamp;
        } else if books.stamp.is_some() && stamp.is_some() && books.stamp != stamp {
            // Nobody here changed it.
            self.forget(&mut books);
            books.stamp = stamp;
        }
    }

    /// One less has it open.
    pub(crate) fn leave(&self) {
        self.handles.fetch_sub(1, Ordering::Relaxed);
    }

    /// Whether nobody has it open.
    pub(crate) fn is_closed(&self) -> bool {
        self.handles.load(Ordering::Relaxed) == 0
    }

    /// Gives up everything about the file's content: it was changed in a way that nobody announced.
    pub(crate) fn reset(&self) {
        let mut books = self.books.lock();
        books.stamp = None;
        self.forget(&mut books);
    }

    fn forget(&self, books: &mut Books) {
        books.changes += 1;
        books.short = None;
        books.end = None;
        books.outdate(&(0..u64::MAX));
        self.generation.store(GENERATIONS.fetch_add(1, Ordering::Relaxed), Ordering::Release);
    }

    #[inline]
    fn key(&self, block: u64) -> Key {
        Key { generation: self.generation.load(Ordering::Acquire), block }
    }

    /// A block that is in the cache.
    #[inline]
    pub(crate) fn page(&self, block: u64) -> Option<Arc<Page>> {
        self.store.get(self.key(block))
    }

    /// How the blocks of a request are to be served, in order and without gaps.
    pub(crate) fn plan(self: &Arc<Self>, blocks: Range<u64>) -> Vec<Part> {
        let mut parts = Vec::new();
        let mut books = self.books.lock();
        let mut block = blocks.start;
        while block < blocks.end {
            if let Some(page) = self.page(block) {
                parts.push(Part::Page(page));
                block += 1;
                continue;
            }
            if let Some(end) = books.changes_at(block) {
                let part = block..end.min(blocks.end);
                block = part.end;
                parts.push(Part::Around(part));
                continue;
            }
            if let Some(join) = Self::join(&mut books, block, &blocks) {
                block = join.blocks.end;
                parts.push(Part::Join(join));
                continue;
            }
            let end = books.free_until(block, blocks.end);
            let end = (block + 1..end).find(|next| self.store.has(self.key(*next))).unwrap_or(end);
            parts.push(Part::Lead(self.begin(&mut books, block..end)));
            block = end;
        }
        parts
    }

    /// Begins to read ahead those blocks that nobody has and nobody reads, in runs.
    pub(crate) fn plan_ahead(self: &Arc<Self>, blocks: Range<u64>) -> Vec<Lead> {
        let mut leads = Vec::new();
        let mut books = self.books.lock();
        let blocks = blocks.start..blocks.end.min(books.end.unwrap_or(u64::MAX));
        let mut block = blocks.start;
        while block < blocks.end {
            if self.store.has(self.key(block)) {
                block += 1;
            } else if let Some(end) = books.changes_at(block) {
                block = end;
            } else if let Some((_, run)) = books.run_at(block) {
                block = run.end;
            } else {
                let end = books.free_until(block, blocks.end);
                let end = (block + 1..end).find(|next| self.store.has(self.key(*next))).unwrap_or(end);
                leads.push(self.begin(&mut books, block..end));
                block = end;
            }
        }
        leads
    }

    fn begin(self: &Arc<Self>, books: &mut Books, blocks: Range<u64>) -> Lead {
        let id = books.runs_begun;
        books.runs_begun += 1;
        let run = Run { end: blocks.end, id, changes: books.changes, landing: None };
        books.runs.insert(blocks.start, run);
        Lead { state: Arc::clone(self), blocks, id, is_open: true }
    }

    fn join(books: &mut Books, block: u64, wanted: &Range<u64>) -> Option<Join> {
        let (changes, is_quiet) = (books.changes, books.changing.is_empty());
        let (first, run) = books.run_at(block)?;
        let landing = Arc::clone(run.landing.get_or_insert_with(Arc::default));
        let blocks = block..run.end.min(wanted.end);
        let is_same = first >= wanted.start && run.end <= wanted.end;
        Some(Join { blocks, landing, first, is_same, is_fresh: is_quiet && run.changes == changes })
    }

    fn blocks_of(&self, change: Change) -> Range<u64> {
        let shift = self.store.shift();
        if change.offset == u64::MAX {
            return u64::MAX..u64::MAX;
        }
        let end = if change.end == u64::MAX { u64::MAX } else { change.end.div_ceil(1 << shift) };
        change.offset >> shift..end
    }
}

impl ContentWatcher for FileState {
    fn change_begins(&self, change: Change) {
        let part = self.blocks_of(change);
        let mut books = self.books.lock();
        books.changes += 1;
        books.stamp = None;
        books.end = None;
        books.outdate(&part);
        let shift = self.store.shift();
        if let Some(short) = books.short.take_if(|short| change.end > *short << shift) {
            self.store.remove(self.key(short));
        }
        if part.end - part.start > ONE_BY_ONE_MAX {
            self.forget(&mut books);
        } else {
            part.clone().for_each(|block| self.store.remove(self.key(block)));
        }
        books.changing.push(part);
    }

    fn change_ended(&self, change: Change) {
        let part = self.blocks_of(change);
        let mut books = self.books.lock();
        books.changes += 1;
        if let Some(place) = books.changing.iter().position(|other| *other == part) {
            books.changing.swap_remove(place);
        }
    }
}

/// The duty to read blocks, which others may be waiting for. Dropping it hands the duty to one of them.
pub(crate) struct Lead {
    state: Arc<FileState>,
    pub(crate) blocks: Range<u64>,
    id: u64,
    is_open: bool,
}

impl Lead {
    /// The blocks were read: buffers in order, each full up to the end of the file; `share` tells for what each was read ahead. Keeps
    /// what may be kept, tells those who wait, and returns all of it.
    pub(crate) fn arrived(
        mut self,
        buffers: Vec<PooledBuf>,
        share: impl Fn(u64) -> Option<Share>,
    ) -> Arc<[Arc<Page>]> {
        let state = Arc::clone(&self.state);
        let mut books = state.books.lock();
        let run = self.take(&mut books);
        let ledger = &state.store.ledger;
        let filled = self.blocks.clone().zip(buffers).filter(|(_, bytes)| !bytes.is_empty());
        let pages: Arc<[Arc<Page>]> =
            filled.map(|(block, bytes)| Arc::new(Page::new(bytes, ledger.made(share(block))))).collect();
        let landing = match run {
            Some(run) => {
                self.keep(&mut books, &run, &pages);
                run.landing
            }
            None => {
                self.unkept(&pages);
                Self::outdated(&mut books, self.id)
            }
        };
        drop(books);
        if let Some(landing) = landing {
            landing.arrive(Arrival::Pages(Arc::clone(&pages)));
        }
        pages
    }

    /// The blocks could not be read.
    pub(crate) fn failed(mut self, error: &Arc<io::Error>) {
        self.end(&Arrival::Failed(Arc::clone(error)));
    }

    fn keep(&self, books: &mut MutexGuard<'_, Books>, run: &Run, pages: &[Arc<Page>]) {
        let store = &self.state.store;
        let is_settled = run.changes == books.changes && books.changing.is_empty();
        let read = self.blocks.start + pages.len() as u64;
        if is_settled && read < self.blocks.end {
            books.end = Some(books.end.unwrap_or(u64::MAX).min(read));
        }
        for (block, page) in self.blocks.clone().zip(pages) {
            if page.bytes().len() < store.block_size() {
                if !is_settled {
                    continue;
                }
                books.short = Some(block);
            }
            store.put(self.state.key(block), Arc::clone(page));
        }
    }

    /// Reading ahead was in vain: the file changed meanwhile.
    fn unkept(&self, pages: &[Arc<Page>]) {
        for share in pages.iter().filter_map(|page| self.state.store.ledger.first_use(page)) {
            self.state.store.ledger.report(share, PrefetchOutcome::Wasted, 1);
        }
    }

    fn take(&mut self, books: &mut Books) -> Option<Run> {
        self.is_open = false;
        let is_ours = books.runs.get(&self.blocks.start).is_some_and(|run| run.id == self.id);
        is_ours.then(|| books.runs.remove(&self.blocks.start)).flatten()
    }

    fn outdated(books: &mut Books, id: u64) -> Option<Arc<Landing>> {
        let place = books.outdated.iter().position(|(other, _)| *other == id)?;
        Some(books.outdated.swap_remove(place).1)
    }

    fn end(&mut self, arrival: &Arrival) {
        let state = Arc::clone(&self.state);
        let mut books = state.books.lock();
        let landing = match self.take(&mut books) {
            Some(run) => run.landing,
            None => Self::outdated(&mut books, self.id),
        };
        drop(books);
        if let Some(landing) = landing {
            landing.arrive(arrival.clone());
        }
    }
}

impl Drop for Lead {
    fn drop(&mut self) {
        if self.is_open {
            self.end(&Arrival::GivenUp);
        }
    }
}

/// What a wait brought.
pub(crate) enum Joined {
    /// Blocks in order, fewer than asked for at the end of the file.
    Pages(Vec<Arc<Page>>),
    /// The read that it waited for failed.
    Failed(Arc<io::Error>),
    /// The blocks have to be asked for again.
    Again,
}

impl Join {
    /// Waits for the other's read.
    pub(crate) async fn wait(self, store: &Store) -> Joined {
        match self.landing.wait().await {
            Arrival::Pages(pages) => {
                let skip = usize::try_from(self.blocks.start - self.first).unwrap_or(usize::MAX);
                let want = usize::try_from(self.blocks.end - self.blocks.start).unwrap_or(usize::MAX);
                let pages: Vec<_> = pages.iter().skip(skip).take(want).cloned().collect();
                let is_short =
                    pages.len() < want || pages.iter().any(|page| page.bytes().len() < store.block_size());
                if is_short && !self.is_fresh {
                    return Joined::Again;
                }
                for share in pages.iter().filter_map(|page| store.ledger.first_use(page)) {
                    store.ledger.report(share, PrefetchOutcome::Late, 1);
                }
                store.ledger.tally.add(Count::Joined, pages.len() as u64);
                Joined::Pages(pages)
            }
            // A fault elsewhere in a longer read is none of this one.
            Arrival::Failed(error) if self.is_same => Joined::Failed(error),
            Arrival::Failed(_) | Arrival::GivenUp => Joined::Again,
        }
    }
}

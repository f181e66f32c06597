//! Reads of a cached file: what is in memory is copied, the rest is fetched once for all who want it.

use super::ahead::{Demand, Device, Planner};
use super::page::{Page, Share, SharedPage};
use super::registry::Opened;
use super::sink::{Given, Sink, Slot};
use super::state::{FileState, Join, Joined, Lead, Part};
use super::store::Store;
use super::tally::Count;
use crate::AlignedBuf;
use bytes::Bytes;
use futures_util::future::join_all;
use rustfs_rio_buf::{IoBufMut, PooledBuf, Slice};
use rustfs_rio_engine::{File, FileError, budget, charge};
use rustfs_rio_monitor::{Ended, Key, Operation, Path, Recorder};
use rustfs_rio_tune::PrefetchOutcome;
use std::io;
use std::ops::Range;
use std::sync::Arc;

/// Blocks of one request that are looked up and fetched together: 1 MiB of the smallest.
const BLOCKS_AT_ONCE: u64 = 256;

/// An open file that blocks can be read from.
pub(crate) struct Target {
    file: File,
    opened: Opened,
    /// Where what is read ahead has to wait; `None` if nothing is.
    device: Option<Arc<Device>>,
}

impl Target {
    pub(crate) fn new(file: File, opened: Opened, device: Option<Arc<Device>>) -> Self {
        Self { file, opened, device }
    }

    pub(crate) fn file(&self) -> &File {
        &self.file
    }

    pub(crate) fn state(&self) -> &Arc<FileState> {
        self.opened.state()
    }

    pub(crate) fn device(&self) -> Option<&Arc<Device>> {
        self.device.as_ref()
    }

    /// A demand read goes to the device, until the value is dropped.
    fn demand(&self) -> Option<Demand<'_>> {
        self.device.as_ref().map(|device| device.demand())
    }
}

/// An open direct file whose reads go through the cache.
pub(crate) struct CachedFile {
    target: Arc<Target>,
    store: Arc<Store>,
    recorder: Option<Arc<Recorder>>,
    planner: Option<Arc<Planner>>,
}

/// Blocks of one range that a request was the first to use.
#[derive(Default)]
struct Uses {
    share: Option<Share>,
    blocks: u64,
}

/// Bytes of a part of a request.
enum Piece {
    Page(Arc<Page>),
    Pages(Arc<[Arc<Page>]>),
    Joined(Vec<Arc<Page>>),
    Raw(AlignedBuf),
    /// To be asked for again from here on.
    Again,
}

/// Where a read stands.
struct Progress {
    at: u64,
    end: u64,
    is_over: bool,
    /// Whether the device was read for it.
    has_read: bool,
}

impl Progress {
    /// Takes what a block, or a run of blocks from `start` on, has of the rest; `whole` bytes if the file does not end in it.
    fn take(&mut self, bytes: &[u8], start: u64, whole: usize, sink: &mut impl Sink) {
        let skip = usize::try_from(self.at - start).unwrap_or(usize::MAX).min(bytes.len());
        let want = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let bytes_left = &bytes[skip..];
        let part = &bytes_left[..bytes_left.len().min(want)];
        sink.put(part);
        self.at += part.len() as u64;
        self.is_over = self.at == self.end || bytes.len() < whole;
    }
}

impl CachedFile {
    pub(crate) fn new(
        target: Arc<Target>,
        store: Arc<Store>,
        recorder: Option<Arc<Recorder>>,
        planner: Option<Arc<Planner>>,
    ) -> Self {
        Self { target, store, recorder, planner }
    }

    fn state(&self) -> &Arc<FileState> {
        self.target.state()
    }

    /// Appends to `buffer`, which has room for `len` bytes, what is at `offset`; fewer only at the end of the file.
    pub(crate) async fn read_pooled(
        &self,
        mut buffer: PooledBuf,
        offset: u64,
        len: usize,
    ) -> io::Result<PooledBuf> {
        self.read(&mut buffer, offset, len).await?;
        Ok(buffer)
    }

    /// Fills the caller's buffer.
    pub(crate) async fn read_into<B: IoBufMut>(&self, buffer: B, offset: u64) -> (io::Result<usize>, B) {
        let len = buffer.bytes_total();
        let mut given = Given::new(buffer);
        let result = self.read(&mut given, offset, len).await;
        (result, given.into_inner())
    }

    /// Fills a borrowed slice.
    pub(crate) async fn read_slice(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        let len = buffer.len();
        self.read(&mut Slot::new(buffer), offset, len).await
    }

    /// The bytes themselves, without a copy, if they lie in one block that is in memory.
    pub(crate) fn shared(&self, offset: u64, len: usize) -> Option<Bytes> {
        let shift = self.store.shift();
        let skip = (offset & ((1 << shift) - 1)) as usize;
        if skip + len > self.store.block_size() {
            return None;
        }
        let page = self.state().page(offset >> shift)?;
        self.observe(offset, len);
        let there = page.bytes().len();
        self.store.ledger.tally.add(Count::Hit, 1);
        let mut uses = Uses::default();
        self.note_use(&page, &mut uses);
        self.settle(&mut uses);
        let bytes = Bytes::from_owner(SharedPage(page));
        Some(bytes.slice(skip.min(there)..(skip + len).min(there)))
    }

    async fn read<S: Sink>(&self, sink: &mut S, offset: u64, len: usize) -> io::Result<usize> {
        let timer = self.recorder.as_ref().map(|recorder| recorder.start_short());
        let shift = self.store.shift();
        let end = offset + len as u64;
        let mut progress = Progress { at: offset, end, is_over: len == 0, has_read: false };
        let (mut hits, mut uses) = (0, Uses::default());
        self.observe(offset, len);
        while !progress.is_over {
            let block = progress.at >> shift;
            if let Some(page) = self.state().page(block) {
                self.note_use(&page, &mut uses);
                hits += 1;
                progress.take(page.bytes(), block << shift, self.store.block_size(), sink);
                continue;
            }
            self.fetch(&mut progress, sink).await?;
        }
        self.settle(&mut uses);
        let done = (progress.at - offset) as usize;
        if hits > 0 {
            self.store.ledger.tally.add(Count::Hit, hits);
            charge(done);
            budget().await;
        }
        if let (Some(recorder), Some(timer), false) = (&self.recorder, timer, progress.has_read) {
            let key = Key::new(Operation::Read, Path::Cache, self.target.file().class());
            recorder.finish(timer, key, Ended::well(done as u64));
        }
        Ok(done)
    }

    /// Shows the read to the predictors.
    #[inline]
    fn observe(&self, offset: u64, len: usize) {
        if let Some(planner) = &self.planner {
            planner.observe(&self.target, offset, len);
        }
    }

    /// If a block was read ahead, this was what it was read for. Blocks of the same range are reported together.
    #[inline]
    fn note_use(&self, page: &Page, uses: &mut Uses) {
        let Some(share) = self.store.ledger.first_use(page) else { return };
        match &mut uses.share {
            Some(known) if known.ticket == share.ticket => known.bytes += share.bytes,
            _ => {
                self.settle(uses);
                uses.share = Some(share);
            }
        }
        uses.blocks += 1;
    }

    /// Reports what was used.
    #[inline]
    fn settle(&self, uses: &mut Uses) {
        if let Some(share) = uses.share.take() {
            self.store.ledger.report(share, PrefetchOutcome::Used, std::mem::take(&mut uses.blocks));
            if let Some(device) = self.target.device() {
                device.served_ahead();
            }
        }
    }

    /// Serves the next blocks, of which the first is not in memory.
    async fn fetch(&self, progress: &mut Progress, sink: &mut impl Sink) -> io::Result<()> {
        let shift = self.store.shift();
        let first = progress.at >> shift;
        let last = ((progress.end - 1) >> shift) + 1;
        let parts = self.state().plan(first..last.min(first + BLOCKS_AT_ONCE));
        let waits = parts.iter().filter(|part| !matches!(part, Part::Page(_))).count();
        progress.has_read |= parts.iter().any(|part| matches!(part, Part::Lead(_) | Part::Around(_)));
        let mut block = first;
        if waits > 1 {
            // Boxed, because this is rare and the futures of all reads would carry its size.
            let pieces = Box::pin(join_all(parts.into_iter().map(|part| self.resolve(part)))).await;
            for (count, piece) in pieces {
                if progress.is_over || !self.deliver(progress, piece?, block, count, sink) {
                    break;
                }
                block += count;
            }
            return Ok(());
        }
        for part in parts {
            let (count, piece) = self.resolve(part).await;
            if !self.deliver(progress, piece?, block, count, sink) || progress.is_over {
                break;
            }
            block += count;
        }
        Ok(())
    }

    /// Hands the bytes of `count` blocks on; `false` if they have to be asked for again.
    fn deliver(
        &self,
        progress: &mut Progress,
        piece: Piece,
        block: u64,
        count: u64,
        sink: &mut impl Sink,
    ) -> bool {
        let (shift, size) = (self.store.shift(), self.store.block_size());
        let pages: &[Arc<Page>] = match &piece {
            Piece::Again => return false,
            Piece::Raw(bytes) => {
                progress.take(bytes, block << shift, size * count as usize, sink);
                return true;
            }
            Piece::Page(page) => std::slice::from_ref(page),
            Piece::Pages(pages) => pages,
            Piece::Joined(pages) => pages,
        };
        for (block, page) in (block..).zip(pages) {
            progress.take(page.bytes(), block << shift, size, sink);
            if progress.is_over {
                return true;
            }
        }
        // Blocks that are missing lie beyond the end.
        progress.is_over |= (pages.len() as u64) < count;
        true
    }

    async fn resolve(&self, part: Part) -> (u64, io::Result<Piece>) {
        let tally = &self.store.ledger.tally;
        match part {
            Part::Page(page) => {
                let mut uses = Uses::default();
                self.note_use(&page, &mut uses);
                self.settle(&mut uses);
                tally.add(Count::Hit, 1);
                (1, Ok(Piece::Page(page)))
            }
            Part::Lead(lead) => {
                let count = lead.blocks.end - lead.blocks.start;
                (count, self.lead(lead).await)
            }
            Part::Join(join) => (join.blocks.end - join.blocks.start, self.join(join).await),
            Part::Around(blocks) => (blocks.end - blocks.start, self.around(blocks).await),
        }
    }

    async fn lead(&self, lead: Lead) -> io::Result<Piece> {
        let blocks = lead.blocks.clone();
        let count = (blocks.end - blocks.start) as usize;
        let Some(buffers) = self.store.memory(count) else {
            // Whoever waits for it reads by itself as well.
            drop(lead);
            return self.around(blocks).await;
        };
        let tally = &self.store.ledger.tally;
        tally.add(Count::Missed, count as u64);
        tally.add(Count::DemandReads, 1);
        let demand = self.target.demand();
        let result = read_blocks(self.target.file(), blocks.start << self.store.shift(), buffers).await;
        drop(demand);
        match result {
            Ok(buffers) => Ok(Piece::Pages(lead.arrived(buffers, |_| None))),
            Err(error) => {
                let error = Arc::new(error);
                lead.failed(&error);
                Err(Arc::try_unwrap(error).unwrap_or_else(|error| again(&error)))
            }
        }
    }

    async fn join(&self, join: Join) -> io::Result<Piece> {
        match join.wait(&self.store).await {
            Joined::Pages(pages) => {
                if let Some(device) = self.target.device() {
                    device.served_ahead();
                }
                Ok(Piece::Joined(pages))
            }
            Joined::Failed(error) => Err(again(&error)),
            Joined::Again => Ok(Piece::Again),
        }
    }

    async fn around(&self, blocks: Range<u64>) -> io::Result<Piece> {
        let count = blocks.end - blocks.start;
        self.store.ledger.tally.add(Count::Around, count);
        self.store.ledger.tally.add(Count::DemandReads, 1);
        let len = count as usize * self.store.block_size();
        let buffer = Slice::of_capacity(AlignedBuf::with_capacity(len)?, 0, len);
        let _demand = self.target.demand();
        let (result, buffer) = self.target.file().read_at(buffer, blocks.start << self.store.shift()).await;
        result?;
        Ok(Piece::Raw(buffer.into_inner()))
    }
}

/// Reads adjoining blocks with one operation.
pub(crate) async fn read_blocks(
    file: &File,
    offset: u64,
    mut buffers: Vec<PooledBuf>,
) -> io::Result<Vec<PooledBuf>> {
    if buffers.len() == 1
        && let Some(buffer) = buffers.pop()
    {
        let (result, buffer) = file.read_at(buffer, offset).await;
        result?;
        buffers.push(buffer);
        return Ok(buffers);
    }
    let (result, buffers) = file.read_vectored_at(buffers, offset).await;
    result.map(|_| buffers)
}

/// The same error for one more who waited.
fn again(error: &io::Error) -> io::Error {
    let cause = |error: &io::Error| match error.raw_os_error() {
        Some(errno) => io::Error::from_raw_os_error(errno),
        None => io::Error::new(error.kind(), error.to_string()),
    };
    match FileError::of(error) {
        Some(context) => io::Error::from(FileError {
            operation: context.operation,
            path: context.path.clone(),
            offset: context.offset,
            len: context.len,
            transferred: context.transferred,
            source: cause(&context.source),
        }),
        None => cause(error),
    }
}

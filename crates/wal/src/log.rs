//! The writing side: the active segment, the change to the next one, and the control file. One commit at a time.
//!
//! The order in which things become durable is what recovery relies on:
//!
//! 1. All batches of a segment, before the header of the next one, which states where they end.
//! 2. That header, before the control file names the segment; the control file, before the segment's first batch.
//! 3. The control file's new first record, before a file that held older ones is used again.

use crate::config::WalConfig;
use crate::directory::{Directory, file_name};
use crate::error::WalError;
use crate::format::batch::{BatchBuilder, Seal, batch_bytes};
use crate::format::control::Control;
use crate::format::header::SegmentHeader;
use crate::format::{first_chain, segment_seed};
use crate::group::{BoxFuture, Device, Done, Errand, Failure, Job};
use crate::recording::{Recording, error_class};
use crate::survey::Segment;
use crate::sync::Mutex;
use rustfs_rio_engine::buf::AlignedBuf;
use rustfs_rio_engine::{DirectMode, Engine, File, FileError, OpKind, OpenOptions};
use rustfs_rio_monitor::Operation;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::time::SystemTime;

/// Commits of this size on average, in bytes, gain less from a file that is full of zeros than the zeros cost: with 0.7 ns a byte
/// to write them and 65 us saved for each commit the two are even at 90,000.
const FILL_COMMIT_MAX: u64 = 65536;
/// Zeros that are written at a time when a segment is made.
const ZEROS_BYTES: usize = 1 << 20;

/// A log that is open for writing.
pub(crate) struct Log {
    pub(crate) engine: Engine,
    pub(crate) directory: Directory,
    pub(crate) config: WalConfig,
    pub(crate) recording: Recording,
    /// What readers may see.
    pub(crate) published: Mutex<Published>,
    /// With the commit that runs, and here between commits.
    writer: Mutex<Option<Box<Writer>>>,
}

/// What is committed.
#[derive(Debug, Clone, Default)]
pub(crate) struct Published {
    /// Live segments in order, with where their batches end.
    pub(crate) segments: VecDeque<LiveSegment>,
    pub(crate) spares: usize,
    pub(crate) next_sequence: u64,
    pub(crate) truncated_before: u64,
    pub(crate) checkpoint: u64,
    pub(crate) position: u64,
    /// Whether there may be commits that are not on stable storage.
    pub(crate) unsynced: bool,
}

#[derive(Debug, Clone)]
pub(crate) struct LiveSegment {
    pub(crate) name: String,
    pub(crate) number: u64,
    pub(crate) header: SegmentHeader,
    pub(crate) end: u64,
    pub(crate) next_sequence: u64,
}

/// What the writer needs to go on.
pub(crate) struct Writer {
    pub(crate) control: Control,
    pub(crate) control_file: File,
    pub(crate) active: Option<Active>,
    pub(crate) spares: VecDeque<Segment>,
    /// Number of the next file that is made.
    pub(crate) next_file: u64,
    pub(crate) commit: u64,
    pub(crate) durable_commit: u64,
    pub(crate) sequence: u64,
    pub(crate) chain: u32,
    pub(crate) position: u64,
}

pub(crate) struct Active {
    pub(crate) file: File,
    pub(crate) header: SegmentHeader,
    pub(crate) offset: u64,
}

/// A file for the next segment.
struct Candidate {
    file: File,
    name: String,
    number: u64,
    uses: u32,
    is_new: bool,
}

impl Writer {
    /// A log without segments.
    pub(crate) fn new(control: Control, control_file: File) -> Self {
        Self {
            chain: first_chain(control.log),
            sequence: control.truncated_before,
            control,
            control_file,
            active: None,
            spares: VecDeque::new(),
            next_file: 1,
            commit: 0,
            durable_commit: 0,
            position: 0,
        }
    }

    /// Whether the next segment is to be filled with zeros, by the size of this one's commits.
    fn fills(&self) -> bool {
        let Some(Active { header, offset, .. }) = &self.active else { return true };
        let commits = (self.commit + 1).saturating_sub(header.first_commit);
        (offset - header.data_start()) / commits.max(1) < FILL_COMMIT_MAX
    }
}

impl Log {
    pub(crate) fn new(
        engine: Engine,
        directory: Directory,
        config: WalConfig,
        published: Published,
        writer: Writer,
    ) -> Self {
        Self {
            recording: Recording::of(&engine),
            engine,
            directory,
            config,
            published: Mutex::new(published),
            writer: Mutex::new(Some(Box::new(writer))),
        }
    }

    /// Makes the first segment, so that the first append does not have to.
    pub(crate) async fn prepare(&self) -> Result<(), WalError> {
        let Some(mut writer) = self.writer.lock().take() else { return Err(WalError::Closed) };
        let result = self.roll(&mut writer).await;
        self.put_back(writer);
        result.map_err(|(Failure::Refused(error) | Failure::Broken(error))| error)
    }

    /// Gives up the writer, and with it the locks of its files as soon as the kernel is done with them.
    pub(crate) fn release(&self) {
        let writer = self.writer.lock().take();
        drop(writer);
    }

    async fn carry_out(self: Arc<Self>, job: Job) -> Done {
        let Some(mut writer) = self.writer.lock().take() else {
            return Done { result: Err(Failure::Refused(WalError::Closed)), memory: None };
        };
        // First what makes room, then what may need it.
        if let Err(failure) = self.give_up(&mut writer, &job.errand).await {
            self.put_back(writer);
            return Done { result: Err(failure), memory: None };
        }
        let (mut result, mut memory) = (Ok(()), None);
        if job.batch.count() > 0 {
            let (timer, bytes) = (self.recording.start(), job.batch.body_bytes() as u64);
            (result, memory) = self.write(&mut writer, job.batch).await;
            let error = result.as_ref().err().map(|(Failure::Refused(error) | Failure::Broken(error))| error);
            self.recording.finish(timer, Operation::Commit, bytes, error.map(error_class));
        }
        if result.is_ok() && (job.errand.sync || job.errand.close) {
            result = self.sync(&mut writer).await;
        }
        if result.is_ok() && job.errand.close {
            writer.control.closed = true;
            result = self.write_control(&mut writer).await;
            if result.is_ok() {
                // The writer goes, and the locks of its files with it.
                return Done { result, memory };
            }
        }
        self.put_back(writer);
        Done { result, memory }
    }

    fn put_back(&self, writer: Box<Writer>) {
        *self.writer.lock() = Some(writer);
    }

    /// Writes a batch where it belongs.
    async fn write(
        &self,
        writer: &mut Writer,
        batch: BatchBuilder,
    ) -> (Result<(), Failure>, Option<AlignedBuf>) {
        if let Err(failure) = self.make_room(writer, &batch).await {
            return (Err(failure), None);
        }
        let Some(active) = &mut writer.active else {
            return (Err(Failure::Refused(WalError::Closed)), None);
        };
        let seal = Seal {
            seed: segment_seed(active.header.log, active.header.segment),
            segment: active.header.segment,
            commit: writer.commit + 1,
            durable_commit: writer.durable_commit,
            epoch: writer.control.epoch,
            previous_chain: writer.chain,
        };
        let (header, buf) = match batch.seal(&seal, active.header.block_bytes as usize) {
            Ok(sealed) => sealed,
            Err(error) => return (Err(Failure::Refused(error.into())), None),
        };
        let len = buf.len() as u64;
        let durable = self.config.durability.is_durable();
        let (result, buf) = if durable {
            active.file.write_durable_at(buf, active.offset).await
        } else {
            active.file.write_at(buf, active.offset).await
        };
        if let Err(error) = result {
            return (Err(write_failure(error)), Some(buf));
        }
        active.offset += len;
        writer.commit = header.commit;
        writer.sequence = header.next_sequence();
        writer.chain = header.chain;
        writer.position += len;
        if durable {
            writer.durable_commit = header.commit;
        }
        let mut published = self.published.lock();
        published.next_sequence = writer.sequence;
        published.position = writer.position;
        published.unsynced |= !durable;
        if let Some(segment) = published.segments.back_mut() {
            segment.end = active.offset;
            segment.next_sequence = writer.sequence;
        }
        drop(published);
        (Ok(()), Some(buf))
    }

    async fn sync(&self, writer: &mut Writer) -> Result<(), Failure> {
        if writer.durable_commit == writer.commit {
            return Ok(());
        }
        if let Some(active) = &writer.active {
            active.file.sync_data().await.map_err(broken)?;
        }
        writer.durable_commit = writer.commit;
        self.published.lock().unsynced = false;
        Ok(())
    }

    /// Changes to another segment if the batch does not fit into this one.
    async fn make_room(&self, writer: &mut Writer, batch: &BatchBuilder) -> Result<(), Failure> {
        if let Some(active) = &writer.active {
            let bytes = batch_bytes(batch.body_bytes(), active.header.block_bytes as usize) as u64;
            if active.offset + bytes <= active.header.segment_bytes {
                return Ok(());
            }
        }
        self.roll(writer).await
    }

    /// Makes the next segment the active one.
    async fn roll(&self, writer: &mut Writer) -> Result<(), Failure> {
        self.sync(writer).await?;
        let candidate = self.candidate(writer).await?;
        let previous_end = writer.active.as_ref().map_or(0, |active| active.offset);
        let header = SegmentHeader {
            log: writer.control.log,
            segment: writer.control.last_segment + 1,
            first_sequence: writer.sequence,
            first_commit: writer.commit + 1,
            first_position: writer.position,
            segment_bytes: self.config.segment_bytes,
            block_bytes: self.config.block_bytes,
            uses: candidate.uses,
            previous_end,
            previous_chain: writer.chain,
            created: crate::entry::nanos(SystemTime::now()),
        };
        let block = AlignedBuf::copy_from(&header.encode()).map_err(refused)?;
        if let (Err(error), _) = candidate.file.write_durable_at(block, 0).await {
            // A file system that copies on write can run out of room here. The file goes, header and all.
            if candidate.is_new && is_no_space(&error) {
                return match self.directory.remove(&candidate.name).await {
                    Ok(()) => Err(Failure::Refused(WalError::NoSpace(Arc::new(error)))),
                    Err(_) => Err(broken(error)),
                };
            }
            return Err(broken(error));
        }
        if !candidate.is_new {
            writer.spares.pop_front();
        }
        writer.control.last_segment = header.segment;
        self.write_control(writer).await?;
        let offset = header.data_start();
        writer.active = Some(Active { file: candidate.file, header, offset });
        let segment = LiveSegment {
            name: candidate.name,
            number: candidate.number,
            header,
            end: offset,
            next_sequence: header.first_sequence,
        };
        let mut published = self.published.lock();
        published.segments.push_back(segment);
        published.spares = writer.spares.len();
        Ok(())
    }

    /// A file for the next segment: the oldest spare one, or a new one.
    async fn candidate(&self, writer: &mut Writer) -> Result<Candidate, Failure> {
        // Spares of another size are of no use any more.
        while let Some(spare) = writer.spares.front()
            && (spare.bytes != self.config.segment_bytes
                || spare.header.segment_bytes != self.config.segment_bytes)
        {
            self.directory.remove(&spare.name).await.map_err(refused_io)?;
            writer.spares.pop_front();
        }
        let Some(spare) = writer.spares.front() else { return self.make(writer).await };
        let (name, number) = (spare.name.clone(), spare.number);
        let uses = spare.header.uses.saturating_add(1);
        let file = self.open_segment(&name, false).await.map_err(refused_io)?;
        if !self.directory.lock(&file).map_err(refused_io)? {
            let path = self.directory.path().to_owned();
            return Err(Failure::Refused(WalError::Locked { path }));
        }
        Ok(Candidate { file, name, number, uses, is_new: false })
    }

    /// Makes a file, full of zeros unless commits are large. On ext4 an `fdatasync(2)` after a write into such a file takes 122 us
    /// where one that has to record a new size or extent takes 187.
    async fn make(&self, writer: &mut Writer) -> Result<Candidate, Failure> {
        let number = writer.next_file;
        let name = file_name(number);
        writer.next_file += 1;
        let file = self.open_segment(&name, true).await.map_err(refused_io)?;
        let made = match self.fill(&file, writer.fills()).await {
            Ok(()) => self.directory.sync().await,
            Err(error) => Err(error),
        };
        if let Err(error) = made {
            drop(file);
            if let Err(why) = self.directory.remove(&name).await {
                tracing::warn!(file = name, error = %why, "an unfinished segment file could not be removed");
            }
            return Err(refused_io(error));
        }
        self.directory.lock(&file).map_err(refused_io)?;
        Ok(Candidate { file, name, number, uses: 0, is_new: true })
    }

    async fn fill(&self, file: &File, fills: bool) -> io::Result<()> {
        let size = self.config.segment_bytes;
        let reserved = match file.allocate(0, 0, size).await {
            Err(error) if error.kind() != io::ErrorKind::Unsupported => return Err(error),
            result => result.is_ok(),
        };
        // Where no append waits for a sync, reserved space is enough.
        if reserved && !(fills && self.config.durability.is_durable()) {
            return file.sync_all().await;
        }
        let len = size.min(ZEROS_BYTES as u64) as usize;
        let mut zeros = AlignedBuf::zeroed(len)?;
        let mut offset = 0;
        while offset < size {
            zeros.truncate((size - offset).min(len as u64) as usize);
            let (result, buf) = file.write_at(zeros, offset).await;
            offset += result? as u64;
            zeros = buf;
        }
        file.sync_all().await
    }

    /// Opens a segment file for writing: past the page cache where each commit is synced anyway, so that a failed write is
    /// reported by the write, and nothing can be read that is not on the device.
    pub(crate) async fn open_segment(&self, name: &str, new: bool) -> io::Result<File> {
        let block = self.config.block_bytes;
        open_for_writing(&self.engine, &self.directory, name, new, (&self.config, block)).await
    }

    async fn give_up(&self, writer: &mut Writer, errand: &Errand) -> Result<(), Failure> {
        if errand.truncate_before.is_none() && errand.checkpoint.is_none() {
            return Ok(());
        }
        let before = errand.truncate_before.unwrap_or(0).min(writer.sequence);
        if before > writer.control.truncated_before {
            // What stays must be durable before what comes before it goes.
            self.sync(writer).await?;
            writer.control.truncated_before = before;
        }
        if let Some(checkpoint) = errand.checkpoint {
            writer.control.checkpoint = checkpoint.min(writer.sequence);
        }
        self.write_control(writer).await?;
        {
            let mut published = self.published.lock();
            published.truncated_before = writer.control.truncated_before;
            published.checkpoint = writer.control.checkpoint;
            while published.segments.len() > 1
                && published
                    .segments
                    .get(1)
                    .is_some_and(|next| next.header.first_sequence <= writer.control.truncated_before)
                && let Some(LiveSegment { name, number, header, .. }) = published.segments.pop_front()
            {
                let bytes = header.segment_bytes;
                writer.spares.push_back(Segment { name, number, bytes, header });
            }
        }
        while writer.spares.len() > self.config.spare_segments_max
            && let Some(spare) = writer.spares.pop_front()
        {
            if let Err(error) = self.directory.remove(&spare.name).await {
                tracing::warn!(file = spare.name, %error, "a segment that was given up could not be removed");
            }
        }
        self.published.lock().spares = writer.spares.len();
        Ok(())
    }

    async fn write_control(&self, writer: &mut Writer) -> Result<(), Failure> {
        writer.control.durable_commit = writer.durable_commit;
        write_control(&writer.control_file, &mut writer.control).await.map_err(broken)
    }
}

/// Writes the next generation of the control file.
pub(crate) async fn write_control(file: &File, control: &mut Control) -> io::Result<()> {
    control.generation += 1;
    let (result, _) = file.write_durable_at(control.encode(), control.slot_offset()).await;
    result.map(drop)
}

/// As [`Log::open_segment`], before there is a log. The block size is the one of the segment.
pub(crate) async fn open_for_writing(
    engine: &Engine,
    directory: &Directory,
    name: &str,
    new: bool,
    (config, block): (&WalConfig, u32),
) -> io::Result<File> {
    let options = OpenOptions::new().read(true).write(true).mode(0o600);
    let path = directory.join(name);
    if config.durability.is_durable() {
        let direct = options.clone().create_new(new).direct(DirectMode::Auto);
        let file = engine.open(&path, &direct).await?;
        if file.direct_alignment().is_none_or(|alignment| alignment <= block as usize) {
            return Ok(file);
        }
        // The device wants larger blocks than the log has.
        return engine.open(&path, &options).await;
    }
    engine.open(&path, &options.create_new(new)).await
}

impl Device for Log {
    fn commit(self: Arc<Self>, job: Job) -> BoxFuture<Done> {
        Box::pin(self.carry_out(job))
    }

    fn patience(&self) -> Option<BoxFuture<()>> {
        match self.config.durability {
            crate::Durability::Group(wait) => Some(Box::pin(tokio::time::sleep(wait))),
            _ => None,
        }
    }
}

fn is_no_space(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded)
}

fn broken(error: io::Error) -> Failure {
    Failure::Broken(WalError::Poisoned(Arc::new(error)))
}

fn refused(error: impl Into<WalError>) -> Failure {
    Failure::Refused(error.into())
}

fn refused_io(error: io::Error) -> Failure {
    if is_no_space(&error) {
        return Failure::Refused(WalError::NoSpace(Arc::new(error)));
    }
    refused(error)
}

/// A write for which there was no room leaves a place that the next batch overwrites. Every other failure leaves unknown
/// content, and one of a sync an unknown amount of it.
fn write_failure(error: io::Error) -> Failure {
    let wrote = FileError::of(&error).is_some_and(|context| context.operation == OpKind::Write);
    if wrote && is_no_space(&error) { refused_io(error) } else { broken(error) }
}

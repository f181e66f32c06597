//! The log as its users see it.

use crate::config::{Durability, WalConfig};
use crate::directory::Directory;
use crate::entry::{WalEntry, check_data, nanos};
use crate::error::WalError;
use crate::examine::{Report, SegmentInfo, SegmentState, info};
use crate::format::LogId;
use crate::format::batch::{BatchBuilder, record_bytes};
use crate::group::{Errand, Group, Limits};
use crate::log::Log;
use crate::open;
use crate::reader::Reader;
use crate::recording::Recording;
use crate::survey::Segment;
use rustfs_rio_engine::Engine;
use rustfs_rio_monitor::Operation;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, SystemTime};
use tokio::runtime::Handle;
use tokio::sync::Notify;
use tokio::task::JoinHandle;

/// Turns that a commit gives to the tasks which the one before has woken. More gain nothing: a task that does not come back by
/// then has something else to do.
const GATHER_TURNS: u8 = 3;

/// A write-ahead log in a directory. Share it in an `Arc`; all operations take `&self`.
///
/// An append that was acknowledged is durable in the sense of the log's [`Durability`]. An append whose future is dropped is
/// in the log as a whole or not at all. After a failed write or sync every append fails with [`WalError::Poisoned`] until
/// the log is opened again.
pub struct Wal {
    group: Arc<Group<Log>>,
    log: Arc<Log>,
    recovery: Report,
    /// Commits what several wait for. Ends when the log is closed or dropped.
    committer: JoinHandle<()>,
    /// Syncs what was acknowledged without a sync. Ends when the log is closed or dropped.
    syncer: Option<(Arc<Notify>, JoinHandle<()>)>,
}

impl Wal {
    /// Makes an empty log. The directory is made if it does not exist; its parent must.
    ///
    /// # Errors
    ///
    /// [`WalError::Exists`] if there is a log already, which stays as it is; [`WalError::Config`]; [`WalError::NotALog`];
    /// [`WalError::Locked`]; [`WalError::NoSpace`]; [`WalError::Io`]; [`WalError::NoRuntime`].
    pub async fn create(
        engine: &Engine,
        path: impl AsRef<Path>,
        config: WalConfig,
    ) -> Result<Self, WalError> {
        Self::create_from(engine, path, config, 1).await
    }

    /// As [`create`](Self::create); the first record gets this sequence, at least 1.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    pub async fn create_from(
        engine: &Engine,
        path: impl AsRef<Path>,
        config: WalConfig,
        first_sequence: u64,
    ) -> Result<Self, WalError> {
        let directory = Directory::new(path.as_ref(), runtime()?);
        let mut id = [0; 16];
        rustix::rand::getrandom(&mut id[..], rustix::rand::GetRandomFlags::empty())
            .map_err(io::Error::from)?;
        let start = (LogId(id), first_sequence.max(1));
        Self::start(open::create(engine.clone(), directory, config, start).await?)
    }

    /// Opens a log and recovers what is durable in it; [`recovery`](Self::recovery) says what was found.
    ///
    /// # Errors
    ///
    /// [`WalError::NotFound`] if there is none; [`WalError::Damaged`] if something durable is damaged or missing, in which
    /// case nothing is changed; [`WalError::Locked`], [`WalError::Config`], [`WalError::NotALog`], [`WalError::Version`],
    /// [`WalError::Io`], [`WalError::NoRuntime`].
    pub async fn open(engine: &Engine, path: impl AsRef<Path>, config: WalConfig) -> Result<Self, WalError> {
        let directory = Directory::new(path.as_ref(), runtime()?);
        Self::recover(engine, directory, config).await
    }

    async fn recover(engine: &Engine, directory: Directory, config: WalConfig) -> Result<Self, WalError> {
        let recording = Recording::of(engine);
        let timer = recording.start();
        let opened = open::open(engine.clone(), directory, config).await;
        let bytes = opened.as_ref().map_or(0, |(_, report)| report.data_bytes);
        let error = opened.as_ref().err().map(crate::recording::error_class);
        recording.finish(timer, Operation::Recover, bytes, error);
        Self::start(opened?)
    }

    /// A log on a simulated device; the engine must be one of that device.
    ///
    /// # Errors
    ///
    /// As [`create`](Self::create).
    #[cfg(any(test, feature = "testing"))]
    pub async fn create_simulated(
        engine: &Engine,
        disk: &rustfs_rio_engine::sim::SimDisk,
        path: impl AsRef<Path>,
        config: WalConfig,
    ) -> Result<Self, WalError> {
        let directory = Directory::simulated(path.as_ref(), disk);
        let start = (LogId(*b"simulated device"), 1);
        Self::start(open::create(engine.clone(), directory, config, start).await?)
    }

    /// Opens a log on a simulated device.
    ///
    /// # Errors
    ///
    /// As [`open`](Self::open).
    #[cfg(any(test, feature = "testing"))]
    pub async fn open_simulated(
        engine: &Engine,
        disk: &rustfs_rio_engine::sim::SimDisk,
        path: impl AsRef<Path>,
        config: WalConfig,
    ) -> Result<Self, WalError> {
        let directory = Directory::simulated(path.as_ref(), disk);
        Self::recover(engine, directory, config).await
    }

    fn start((log, recovery): (Log, Report)) -> Result<Self, WalError> {
        let log = Arc::new(log);
        let limits = Limits {
            pending_bytes_max: log.config.pending_bytes_max,
            body_bytes_max: log.config.body_bytes_max(),
            records_max: log.config.batch_records_max,
            gather_records: log.config.gather_records,
            buffer_bytes: log.config.buffer_bytes,
            sequence_end: u64::MAX,
            turns: GATHER_TURNS,
        };
        let next = log.published.lock().next_sequence;
        let group = Arc::new(Group::new(Arc::clone(&log), limits, next)?);
        let committer = runtime()?.spawn(Arc::clone(&group).serve());
        let syncer = match log.config.durability {
            Durability::Relaxed(interval) => {
                let (group, unsynced) = (Arc::clone(&group), Arc::new(Notify::new()));
                let task = sync_regularly(group, Arc::clone(&unsynced), interval);
                Some((unsynced, runtime()?.spawn(task)))
            }
            _ => None,
        };
        Ok(Self { group, log, recovery, committer, syncer })
    }

    /// What was found when the log was opened.
    #[must_use]
    pub fn recovery(&self) -> &Report {
        &self.recovery
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &WalConfig {
        &self.log.config
    }

    /// Appends a record of type 0 and returns its sequence.
    ///
    /// # Errors
    ///
    /// [`WalError::EmptyRecord`], [`WalError::RecordTooLarge`], [`WalError::NoSpace`], [`WalError::SequenceOverflow`]: nothing
    /// was written. [`WalError::Poisoned`], [`WalError::Closed`]: the log takes no more.
    pub async fn append(&self, data: &[u8]) -> Result<u64, WalError> {
        self.append_typed(0, data).await
    }

    /// As [`append`](Self::append), with the user's own mark.
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append).
    pub async fn append_typed(&self, entry_type: u8, data: &[u8]) -> Result<u64, WalError> {
        check_data(data, self.log.config.record_limit())?;
        let timestamp = nanos(SystemTime::now());
        let push = |batch: &mut BatchBuilder| batch.push(timestamp, entry_type, data);
        let appending = self.group.append(1, record_bytes(data.len()), push);
        let sequence = self.log.recording.whole(Operation::Append, data.len() as u64, appending).await?;
        self.note_unsynced();
        Ok(sequence)
    }

    /// Appends records of type 0 together: after a crash all of them are there, or none. Returns their sequences.
    ///
    /// # Errors
    ///
    /// As [`append`](Self::append), and [`WalError::BatchTooLarge`].
    pub async fn append_batch<D: AsRef<[u8]> + Sync>(&self, data: &[D]) -> Result<Vec<u64>, WalError> {
        let max = self.log.config.record_limit();
        data.iter().try_for_each(|data| check_data(data.as_ref(), max))?;
        let timestamp = nanos(SystemTime::now());
        let records = data.iter().map(|data| (timestamp, 0, data.as_ref()));
        self.append_together(records).await
    }

    /// Appends entries with their own times and types, together as [`append_batch`](Self::append_batch). Their sequences are
    /// assigned by the log.
    ///
    /// # Errors
    ///
    /// As [`append_batch`](Self::append_batch).
    pub async fn append_entries(&self, entries: &[WalEntry]) -> Result<Vec<u64>, WalError> {
        let max = self.log.config.record_limit();
        entries.iter().try_for_each(|entry| entry.check(max))?;
        let records =
            entries.iter().map(|entry| (nanos(entry.timestamp), entry.entry_type, entry.data.as_ref()));
        self.append_together(records).await
    }

    async fn append_together<'a>(
        &self,
        records: impl ExactSizeIterator<Item = (u64, u8, &'a [u8])> + Clone,
    ) -> Result<Vec<u64>, WalError> {
        let count = records.len();
        if count == 0 {
            return Ok(Vec::new());
        }
        let bytes = records.clone().map(|(_, _, data)| record_bytes(data.len())).sum();
        let data_bytes = records.clone().map(|(_, _, data)| data.len() as u64).sum();
        let (records_max, bytes_max) = (self.log.config.batch_records_max, self.log.config.body_bytes_max());
        if count > records_max as usize || bytes > bytes_max {
            return Err(WalError::BatchTooLarge { records: count, bytes, records_max, bytes_max });
        }
        let push = |batch: &mut BatchBuilder| {
            batch.reserve_body(bytes)?;
            let first = batch.next_sequence();
            for (timestamp, entry_type, data) in records {
                batch.push(timestamp, entry_type, data)?;
            }
            Ok(first)
        };
        let appending = self.group.append(count as u32, bytes, push);
        let first = self.log.recording.whole(Operation::Append, data_bytes, appending).await?;
        self.note_unsynced();
        Ok((first..first + count as u64).collect())
    }

    fn note_unsynced(&self) {
        if let Some((unsynced, _)) = &self.syncer {
            unsynced.notify_one();
        }
    }

    /// Waits until everything that was appended before is durable, whatever the log's durability.
    ///
    /// # Errors
    ///
    /// [`WalError::Poisoned`], [`WalError::Closed`], or the error of a commit that it waited for.
    pub async fn flush(&self) -> Result<(), WalError> {
        let sync = !self.log.config.durability.is_durable();
        self.group.run(Errand { sync, ..Errand::default() }).await
    }

    /// Gives up the records before this one, durably, and with them the segments that hold no others. A sequence beyond the end
    /// gives up all records.
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush).
    pub async fn truncate_before(&self, sequence: u64) -> Result<(), WalError> {
        let errand = Errand { truncate_before: Some(sequence), ..Errand::default() };
        match self.group.run(errand).await {
            // Records that were committed with it found no room. There may be some now, and it is their affair.
            Err(WalError::NoSpace(_)) => self.group.run(errand).await,
            result => result,
        }
    }

    /// Notes durably where replay may begin. The log keeps the number and attaches no meaning to it; a later call replaces it.
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush).
    pub async fn checkpoint(&self, sequence: u64) -> Result<(), WalError> {
        self.group.run(Errand { checkpoint: Some(sequence), ..Errand::default() }).await
    }

    /// What [`checkpoint`](Self::checkpoint) noted last; 0 if it was never called.
    #[must_use]
    pub fn last_checkpoint(&self) -> u64 {
        self.log.published.lock().checkpoint
    }

    /// Sequence of the first record that was not given up.
    #[must_use]
    pub fn first_sequence(&self) -> u64 {
        self.log.published.lock().truncated_before
    }

    /// Sequence that the next record gets. Records before it may be under way.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.group.next_sequence()
    }

    /// Bytes of all commits since the log was made, with those that were given up.
    #[must_use]
    pub fn write_position(&self) -> u64 {
        self.log.published.lock().position
    }

    /// The live segments, in order.
    #[must_use]
    pub fn segments(&self) -> Vec<SegmentInfo> {
        let published = self.log.published.lock();
        let count = published.segments.len();
        let each = published.segments.iter().enumerate().map(|(index, live)| {
            let state = if index + 1 == count { SegmentState::Active } else { SegmentState::Sealed };
            let bytes = live.header.segment_bytes;
            let (name, number, header) = (live.name.clone(), live.number, live.header);
            info(&Segment { name, number, bytes, header }, state, live.end, live.next_sequence)
        });
        each.collect()
    }

    /// Reads records in order from this one on.
    ///
    /// # Errors
    ///
    /// [`WalError::Truncated`] if it was given up, [`WalError::Beyond`] if it is not the next record or an earlier one.
    pub fn read_from(&self, sequence: u64) -> Result<Reader, WalError> {
        let (first, next) = {
            let published = self.log.published.lock();
            (published.truncated_before, published.next_sequence)
        };
        if sequence < first {
            return Err(WalError::Truncated { sequence, first });
        }
        if sequence > next {
            return Err(WalError::Beyond { sequence, next });
        }
        Ok(Reader::new(Arc::clone(&self.log), sequence))
    }

    /// Reads everything that is committed and checks it. Returns the number of records.
    ///
    /// # Errors
    ///
    /// [`WalError::Damaged`] with the first damage; [`WalError::Truncated`] if records are given up meanwhile; [`WalError::Io`].
    pub async fn verify(&self) -> Result<u64, WalError> {
        let (first, end) = {
            let published = self.log.published.lock();
            (published.truncated_before, published.next_sequence)
        };
        let mut reader = self.read_from(first)?;
        while reader.next_sequence() < end && reader.next().await?.is_some() {}
        Ok(reader.next_sequence() - first)
    }

    /// The error that keeps the log from taking appends, if there is one.
    #[must_use]
    pub fn failure(&self) -> Option<WalError> {
        self.group.failure()
    }

    /// Makes everything durable, notes that the log ends here, and unlocks it. Appends that wait are carried out; later ones
    /// fail with [`WalError::Closed`]. A log that is dropped instead is recovered when it is opened again.
    ///
    /// # Errors
    ///
    /// As [`flush`](Self::flush).
    pub async fn close(&self) -> Result<(), WalError> {
        self.group.run(Errand { close: true, ..Errand::default() }).await
    }
}

impl Drop for Wal {
    fn drop(&mut self) {
        if let Some((_, task)) = &self.syncer {
            task.abort();
        }
        // Readers may live longer, and must not keep the log locked.
        self.group.abandon();
        self.committer.abort();
        self.log.release();
    }
}

fn runtime() -> Result<Handle, WalError> {
    Handle::try_current().map_err(|_| WalError::NoRuntime)
}

/// Syncs this long after something was acknowledged without a sync. At rest it waits for that to happen.
async fn sync_regularly(group: Arc<Group<Log>>, unsynced: Arc<Notify>, interval: Duration) {
    loop {
        unsynced.notified().await;
        tokio::time::sleep(interval).await;
        if group.run(Errand { sync: true, ..Errand::default() }).await.is_err() && group.is_over() {
            return;
        }
    }
}

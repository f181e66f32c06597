//! What can be saved: the whole beginning of a damaged log, and the records of a file of the earlier draft. Both go into a
//! new log; the source is only read.

use crate::config::{Durability, WalConfig};
use crate::directory::Directory;
use crate::entry::WalEntry;
use crate::error::{Damage, WalError};
use crate::examine::{self, examine};
use crate::format::batch::{RECORD_BYTES_MAX, Records, record_bytes};
use crate::format::control::Control;
use crate::format::draft::{self, DraftError};
use crate::format::header::HeaderRead;
use crate::format::scan::{EndReason, Expect, Scanner};
use crate::survey::{self, Plan, Segment, SegmentFile, expect_at};
use crate::wal::Wal;
use bytes::Bytes;
use rustfs_rio_engine::buf::AlignedBuf;
use rustfs_rio_engine::{Engine, OpenOptions};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// Bytes of records that are appended together.
const APPEND_BYTES: usize = 1 << 20;
/// Bytes of a draft file that are read at a time, unless a record is larger.
const WINDOW_BYTES: usize = 1 << 20;

/// What was saved from a log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Salvaged {
    /// Records that were copied.
    pub records: u64,
    /// Sequence of the first of them.
    pub first_sequence: u64,
    /// Sequence behind the last of them.
    pub next_sequence: u64,
    /// Records behind the damage that are whole and were not copied, because others before them are missing.
    pub left_behind: u64,
    /// What is wrong with the source.
    pub damage: Vec<Damage>,
}

/// What was read from a file of the earlier draft.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Imported {
    /// Records that were copied.
    pub records: u64,
    /// Bytes of the file that they take.
    pub bytes: u64,
    /// Why the file was not read to its end.
    pub stopped: Option<DraftError>,
}

/// Copies the records of a log up to the first damage into a new log, with their sequences, times and types. A sound log is
/// copied as a whole.
///
/// # Errors
///
/// As [`Wal::create`] for the new log and [`inspect`](crate::inspect) for the old one, of which the control file may be
/// damaged. What was copied before an error stays in the new log, which is not closed in order then.
pub async fn salvage(
    engine: &Engine,
    from: impl AsRef<Path>,
    to: impl AsRef<Path>,
) -> Result<Salvaged, WalError> {
    let runtime = tokio::runtime::Handle::try_current().map_err(|_| WalError::NoRuntime)?;
    let directory = Directory::new(from.as_ref(), runtime);
    let (control, control_damage) = match examine::find(engine, &directory).await {
        Ok(control) => (control, None),
        Err(WalError::Damaged { damage, .. }) => {
            (guess(&survey::read_headers(engine, &directory).await?), Some(damage))
        }
        Err(error) => return Err(error),
    };
    let plan = survey::plan(&control, survey::read_headers(engine, &directory).await?);
    let report = examine(engine, &directory, &control, &plan, None, |_, _, _| {}).await?.report;
    let first = plan.live.first().map_or(1, |segment| segment.header.first_sequence);
    let first_sequence = first.max(control.truncated_before);
    let config = generous(plan.live.iter().map(|segment| segment.header.segment_bytes).max());
    let new = Wal::create_from(engine, to, config, first_sequence).await?;
    copy_whole(engine, &directory, &plan, &new).await?;
    let next_sequence = new.next_sequence();
    new.close().await?;
    let records = next_sequence - first_sequence;
    let damage = control_damage.into_iter().chain(report.damage).collect();
    let left_behind = report.records.saturating_sub(records);
    Ok(Salvaged { records, first_sequence, next_sequence, left_behind, damage })
}

/// Copies the segments for as long as each one continues the one before it.
async fn copy_whole(engine: &Engine, directory: &Directory, plan: &Plan, new: &Wal) -> Result<(), WalError> {
    let mut expect: Option<Expect> = None;
    for (index, segment) in plan.live.iter().enumerate() {
        let own = expect_at(&segment.header);
        let continues = |expect: &Expect| {
            (expect.commit, expect.sequence, expect.chain) == (own.commit, own.sequence, own.chain)
        };
        if !expect.as_ref().is_none_or(continues) {
            // Perhaps another file claims to be the same segment.
            continue;
        }
        let follows = |next: &&Segment| next.header.segment == segment.header.segment + 1;
        let sealed_end = plan.live.get(index + 1).filter(follows).map(|next| next.header.previous_end);
        let file = engine.open(directory.join(&segment.name), &OpenOptions::new().read(true)).await?;
        let start = Expect { epoch: expect.map_or(0, |expect| expect.epoch), ..own };
        let scanner = Scanner::new(&segment.header, segment.bytes, sealed_end, start);
        let mut entries = Vec::new();
        let wanted = new.next_sequence();
        let end = survey::scan(&file, scanner, |_, header, body| {
            let records = Records::new(header, body).filter(|record| record.sequence >= wanted);
            entries.extend(records.map(|record| WalEntry::from_record(&record)));
        })
        .await?;
        append_all(new, &entries).await?;
        if matches!(end.reason, EndReason::Damaged { .. }) {
            return Ok(());
        }
        expect = Some(end.expect);
    }
    Ok(())
}

/// What the control file would have said, from the segments: those of the log that has most of them.
fn guess(files: &[SegmentFile]) -> Control {
    let headers = files.iter().filter_map(|file| match file.header {
        HeaderRead::Valid(header) => Some(header),
        _ => None,
    });
    let mut headers: Vec<_> = headers.collect();
    headers.sort_by_key(|header| (header.log, header.segment));
    let groups = headers.chunk_by(|one, two| one.log == two.log);
    let largest = groups.max_by_key(|group| group.len()).unwrap_or_default();
    let log = largest.first().map_or(crate::format::LogId([0; 16]), |header| header.log);
    Control {
        truncated_before: largest.first().map_or(1, |header| header.first_sequence),
        last_segment: largest.last().map_or(0, |header| header.segment),
        ..Control::new(log)
    }
}

/// Settings that take whatever another log took.
fn generous(segment_bytes: Option<u64>) -> WalConfig {
    let defaults = WalConfig::default();
    WalConfig {
        // Synced as a whole when it is closed.
        durability: Durability::Unsynced,
        segment_bytes: segment_bytes.unwrap_or(0).max(defaults.segment_bytes).next_multiple_of(65536),
        pending_bytes_max: 1 << 30,
        record_bytes_max: RECORD_BYTES_MAX,
        ..defaults
    }
}

async fn append_all(new: &Wal, mut entries: &[WalEntry]) -> Result<(), WalError> {
    while !entries.is_empty() {
        let mut bytes = 0;
        let fits = entries.iter().take_while(|entry| {
            bytes += record_bytes(entry.data.len());
            bytes <= APPEND_BYTES
        });
        let count = fits.count().max(1).min(new.config().batch_records_max as usize);
        let (now, later) = entries.split_at(count);
        new.append_entries(now).await?;
        entries = later;
    }
    Ok(())
}

/// Copies the records of a file of the earlier draft (record format 1) into a new log. They keep their sequences, which begin
/// with 1, and their times to the second. The format has no checksums: what looks like records is taken for them, up to the
/// first bytes that do not.
///
/// # Errors
///
/// [`WalError::Draft`] if the file does not begin with a record; as [`Wal::create`] for the new log; [`WalError::Io`].
pub async fn import_draft(
    engine: &Engine,
    from: impl AsRef<Path>,
    to: impl AsRef<Path>,
) -> Result<Imported, WalError> {
    let file = engine.open(&from, &OpenOptions::new().read(true)).await?;
    let size = file.stat().await?.size;
    let mut window = AlignedBuf::with_capacity(WINDOW_BYTES)?;
    let (mut offset, mut sequence) = (0, 0);
    let mut new: Option<Wal> = None;
    let stopped = loop {
        window = survey::read_window(&file, window, offset, 0).await?;
        let (entries, used, error) = decode_all(&window, sequence);
        if entries.is_empty() {
            // Perhaps a record is larger than the window.
            match error {
                Some(DraftError::Truncated { stated, .. })
                    if window.len() < stated as usize + draft::DRAFT_HEADER_BYTES
                        && offset + u64::from(stated) + draft::DRAFT_HEADER_BYTES as u64 <= size =>
                {
                    window = AlignedBuf::with_capacity(stated as usize + draft::DRAFT_HEADER_BYTES)?;
                    continue;
                }
                Some(DraftError::TooShort { have: 0 }) if offset > 0 => break None,
                Some(source) if offset == 0 => {
                    return Err(WalError::Draft { path: from.as_ref().to_owned(), offset, source });
                }
                error => break error,
            }
        }
        let log = match new.take() {
            Some(log) => log,
            None => Wal::create(engine, &to, generous(None)).await?,
        };
        append_all(new.insert(log), &entries).await?;
        sequence += entries.len() as u64;
        offset += used as u64;
    };
    if let Some(new) = new {
        new.close().await?;
    }
    Ok(Imported { records: sequence, bytes: offset, stopped })
}

fn decode_all(bytes: &[u8], mut before: u64) -> (Vec<WalEntry>, usize, Option<DraftError>) {
    let mut entries = Vec::new();
    let mut used = 0;
    loop {
        match draft::decode(&bytes[used..], before) {
            Ok((record, taken)) => {
                before = record.sequence;
                used += taken;
                entries.push(WalEntry {
                    sequence: record.sequence,
                    data: Bytes::copy_from_slice(record.data),
                    timestamp: SystemTime::UNIX_EPOCH
                        .checked_add(Duration::from_secs(record.seconds))
                        .unwrap_or(SystemTime::UNIX_EPOCH),
                    entry_type: 0,
                });
            }
            Err(error) => return (entries, used, Some(error)),
        }
    }
}

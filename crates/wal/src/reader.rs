//! Reading records in order, also while others append.

use crate::entry::WalEntry;
use crate::error::{Damage, WalError};
use crate::format::batch::Records;
use crate::format::header::SegmentHeader;
use crate::format::scan::{DamageKind, EndReason, Expect, Scanner, Step};
use crate::log::{LiveSegment, Log};
use crate::survey::{expect_at, read_window};
use rustfs_rio_engine::buf::AlignedBuf;
use rustfs_rio_engine::{DirectMode, File, OpenOptions};
use std::collections::VecDeque;
use std::sync::Arc;

/// Bytes that are read at a time, unless a commit is larger.
const WINDOW_BYTES: u64 = 1 << 20;

/// A position in a log, from which records are read in order. It holds one commit in memory, and at least 1 MiB.
///
/// It sees what is committed. At the end [`next`](Self::next) returns `None`; called again later it goes on with what was
/// appended meanwhile.
pub struct Reader {
    log: Arc<Log>,
    next: u64,
    entries: VecDeque<WalEntry>,
    place: Option<Place>,
}

struct Place {
    file: File,
    name: String,
    header: SegmentHeader,
    offset: u64,
    expect: Expect,
    window: AlignedBuf,
    window_offset: u64,
}

impl Reader {
    pub(crate) fn new(log: Arc<Log>, next: u64) -> Self {
        Self { log, next, entries: VecDeque::new(), place: None }
    }

    /// Sequence of the record that comes next.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.next
    }

    /// The next record, or `None` at the end of what is committed.
    ///
    /// # Errors
    ///
    /// [`WalError::Truncated`] if the record was given up meanwhile; [`WalError::Damaged`] if what is on the device is not what
    /// was written; [`WalError::Io`]. The same call may be repeated after an error.
    pub async fn next(&mut self) -> Result<Option<WalEntry>, WalError> {
        loop {
            if let Some(entry) = self.entries.pop_front() {
                self.next = entry.sequence + 1;
                return Ok(Some(entry));
            }
            let Some(segment) = self.segment()? else { return Ok(None) };
            if let Err(error) = self.load(&segment).await {
                self.place = None;
                // A file that is reused while it is read looks damaged, and is not.
                self.segment()?;
                return Err(error);
            }
        }
    }

    /// The segment with the next record; `None` if there is none.
    fn segment(&self) -> Result<Option<LiveSegment>, WalError> {
        let published = self.log.published.lock();
        if self.next < published.truncated_before {
            return Err(WalError::Truncated { sequence: self.next, first: published.truncated_before });
        }
        if self.next >= published.next_sequence {
            return Ok(None);
        }
        let behind = published.segments.partition_point(|segment| segment.header.first_sequence <= self.next);
        Ok(behind.checked_sub(1).and_then(|index| published.segments.get(index)).cloned())
    }

    /// Reads the next commits of a segment until one has the next record.
    async fn load(&mut self, segment: &LiveSegment) -> Result<(), WalError> {
        let place = match &mut self.place {
            Some(place) if place.header == segment.header && place.expect.sequence <= self.next => place,
            stale => stale.insert(Place::open(&self.log, segment).await?),
        };
        let mut scanner = Scanner::between(&segment.header, place.offset, segment.end, place.expect);
        loop {
            match scanner.step(&place.window, place.window_offset) {
                Step::Need { offset, len } => {
                    let want = (segment.end - offset).min(WINDOW_BYTES).max(len as u64);
                    place.window = AlignedBuf::with_capacity(0)?;
                    let window = AlignedBuf::with_capacity(usize::try_from(want).unwrap_or(len))?;
                    place.window = read_window(&place.file, window, offset, len).await?;
                    place.window_offset = offset;
                    // What is behind the end may have been read before it was written.
                    let known = usize::try_from(segment.end - offset).unwrap_or(usize::MAX);
                    place.window.truncate(known);
                }
                Step::Batch { offset, header, body } => {
                    let next = self.next;
                    let wanted = Records::new(&header, body).filter(|record| record.sequence >= next);
                    self.entries.extend(wanted.map(|record| WalEntry::from_record(&record)));
                    let len = crate::format::batch::batch_bytes(
                        header.body_bytes as usize,
                        segment.header.block_bytes as usize,
                    );
                    place.offset = offset + len as u64;
                    place.expect = Expect {
                        commit: header.commit + 1,
                        sequence: header.next_sequence(),
                        chain: header.chain,
                        epoch: header.epoch,
                    };
                    if !self.entries.is_empty() {
                        return Ok(());
                    }
                }
                Step::End(end) => {
                    let kind = match end.reason {
                        EndReason::Damaged { kind, .. } => kind,
                        _ => DamageKind::Header,
                    };
                    let damage = Damage::Records {
                        segment: segment.header.segment,
                        file: place.name.clone(),
                        offset: end.offset,
                        sequence: end.expect.sequence,
                        kind,
                    };
                    return Err(WalError::damaged(self.log.directory.path(), damage));
                }
            }
        }
    }
}

impl Place {
    async fn open(log: &Log, segment: &LiveSegment) -> Result<Self, WalError> {
        // The same way past the page cache as the writer: a page that was read there before it was written would be stale.
        let direct = if log.config.durability.is_durable() { DirectMode::Auto } else { DirectMode::Off };
        let options = OpenOptions::new().read(true).direct(direct);
        let file = log.engine.open(log.directory.join(&segment.name), &options).await?;
        Ok(Self {
            file,
            name: segment.name.clone(),
            header: segment.header,
            offset: segment.header.data_start(),
            expect: expect_at(&segment.header),
            window: AlignedBuf::with_capacity(0)?,
            window_offset: 0,
        })
    }
}

//! Settings of a log.

use crate::error::WalError;
use crate::format::SEGMENT_HEADER_BYTES;
use crate::format::batch::{BATCH_HEADER_BYTES, RECORD_BYTES_MAX, RECORD_HEADER_BYTES};
use std::time::Duration;

/// When an append is acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Durability {
    /// When its bytes are on stable storage. Appends that arrive while a commit runs share the next one.
    #[default]
    Strict,
    /// As `Strict`, and a commit waits for more appends before it starts: at most this long, rounded up to milliseconds, and
    /// until it has as many records as the one before and those that came meanwhile, or
    /// [`batch_records_max`](WalConfig::batch_records_max) records, or half of
    /// [`pending_bytes_max`](WalConfig::pending_bytes_max). For devices whose syncs take longer than that.
    Group(Duration),
    /// When its bytes are in the page cache. They are synced at the latest this long after; a crash of the machine loses
    /// what was acknowledged since the last sync, a crash of the process does not.
    Relaxed(Duration),
    /// When its bytes are in the page cache. Nothing but [`flush`](crate::Wal::flush), the change to another segment and
    /// [`close`](crate::Wal::close) syncs.
    Unsynced,
}

impl Durability {
    /// Whether an acknowledgement says that the record is on stable storage.
    #[must_use]
    pub fn is_durable(self) -> bool {
        matches!(self, Self::Strict | Self::Group(_))
    }
}

/// Settings of a log. What an existing log was made with (`segment_bytes`, `block_bytes`) holds for its existing segments;
/// new values take effect from the next segment on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WalConfig {
    /// When an append is acknowledged. Default [`Durability::Strict`].
    pub durability: Durability,
    /// Size of a segment file: 16 KiB to 1 TiB, a multiple of 4096 and of the block size, at least four blocks. Default 64 MiB:
    /// large enough that the pause for making a segment is rare, small enough that it is short.
    pub segment_bytes: u64,
    /// Commits start at multiples of this, so that none is written into a block that holds an earlier one: a power of two,
    /// 512 to 65536. Default 4096, the largest sector of common devices. Smaller values save space for small commits.
    pub block_bytes: u32,
    /// Bytes of appends that wait or are being written; further appends wait in order. Default 8 MiB.
    pub pending_bytes_max: usize,
    /// Records of one commit at most; 1 to 1,048,576. Default 65536.
    pub batch_records_max: u32,
    /// A commit that waits for more records waits no longer when it has this many. Default 1024.
    pub gather_records: u32,
    /// Memory that a batch starts with, in bytes, 512 to `pending_bytes_max`; it grows by itself. Default 64 KiB.
    pub buffer_bytes: usize,
    /// Largest record, in bytes of data, 1 to 2^30. Default 4 MiB. What fits into half of `pending_bytes_max` and into a segment
    /// is a bound as well; [`record_limit`](Self::record_limit) tells which one holds.
    pub record_bytes_max: usize,
    /// Segments that were given up and are kept for reuse, at most. Default 4. A reused file needs no allocation.
    pub spare_segments_max: usize,
}

const SEGMENT_BYTES_MIN: u64 = 16384;
const SEGMENT_BYTES_MAX: u64 = 1 << 40;

impl Default for WalConfig {
    fn default() -> Self {
        Self {
            durability: Durability::Strict,
            segment_bytes: 64 << 20,
            block_bytes: 4096,
            pending_bytes_max: 8 << 20,
            batch_records_max: 65536,
            gather_records: 1024,
            buffer_bytes: 64 << 10,
            record_bytes_max: 4 << 20,
            spare_segments_max: 4,
        }
    }
}

impl WalConfig {
    pub(crate) fn check(&self) -> Result<(), WalError> {
        let fail = |name, value, expected| Err(WalError::Config { name, value, expected });
        let block = self.block_bytes;
        if !(512..=65536).contains(&block) || !block.is_power_of_two() {
            return fail("block_bytes", u64::from(block), "a power of two from 512 to 65536");
        }
        let unit = SEGMENT_HEADER_BYTES.max(u64::from(block));
        if !(SEGMENT_BYTES_MIN.max(4 * unit)..=SEGMENT_BYTES_MAX).contains(&self.segment_bytes)
            || !self.segment_bytes.is_multiple_of(unit)
        {
            let expected = "a multiple of 4096 and of block_bytes, four blocks and 16384 to 2^40";
            return fail("segment_bytes", self.segment_bytes, expected);
        }
        if !(4096..=1 << 30).contains(&self.pending_bytes_max) {
            return fail("pending_bytes_max", self.pending_bytes_max as u64, "4096 to 2^30");
        }
        if !(1..=1 << 20).contains(&self.batch_records_max) {
            return fail("batch_records_max", u64::from(self.batch_records_max), "1 to 1048576");
        }
        if self.gather_records == 0 {
            return fail("gather_records", 0, "at least 1");
        }
        if !(512..=self.pending_bytes_max).contains(&self.buffer_bytes) {
            return fail("buffer_bytes", self.buffer_bytes as u64, "512 to pending_bytes_max");
        }
        if !(1..=RECORD_BYTES_MAX).contains(&self.record_bytes_max) {
            return fail("record_bytes_max", self.record_bytes_max as u64, "1 to 2^30");
        }
        if self.spare_segments_max > 1024 {
            return fail("spare_segments_max", self.spare_segments_max as u64, "at most 1024");
        }
        if let Durability::Group(wait) | Durability::Relaxed(wait) = self.durability
            && !(Duration::from_micros(1)..=Duration::from_secs(60)).contains(&wait)
        {
            let value = u64::try_from(wait.as_micros()).unwrap_or(u64::MAX);
            return fail("durability interval in microseconds", value, "1 us to 60 s");
        }
        Ok(())
    }

    /// The largest record that a log with these settings takes, in bytes of data.
    #[must_use]
    pub fn record_limit(&self) -> usize {
        let fits = self.body_bytes_max().min(self.pending_bytes_max / 2);
        // Records take multiples of 8 bytes.
        self.record_bytes_max.min((fits & !7).saturating_sub(RECORD_HEADER_BYTES))
    }

    /// Bytes of records that one commit can have: what an empty segment takes, and never more than may be pending.
    pub(crate) fn body_bytes_max(&self) -> usize {
        let room = self.segment_bytes.saturating_sub(SEGMENT_HEADER_BYTES.max(u64::from(self.block_bytes)));
        let room = usize::try_from(room).unwrap_or(usize::MAX).min(1 << 31);
        room.saturating_sub(BATCH_HEADER_BYTES).min(self.pending_bytes_max)
    }
}

//! Where the batches of a segment end, and why they end there.
//!
//! [`Scanner`] does no I/O: it says which bytes it needs and is given them. It accepts batches for as long as each one
//! continues the one before it. Where that ends it looks at the rest of the segment before it judges:
//!
//! * A later batch of this segment that was written when the missing commit was known to be durable proves that durable
//!   data was damaged. Nothing else does: commits that were not durable may be lost in any order and in part.
//! * Remains of an earlier opening of the log (a lower epoch, or a chain that does not fit) and of the file's earlier use
//!   as another segment are never taken for new data.

use super::batch::{BATCH_HEADER_BYTES, BatchHeader, batch_bytes, check_body};
use super::header::SegmentHeader;
use super::segment_seed;

/// What the next batch has to continue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expect {
    /// Number of the next commit.
    pub commit: u64,
    /// Sequence of the next record.
    pub sequence: u64,
    /// Checksum of the record before it.
    pub chain: u32,
    /// The highest epoch so far.
    pub epoch: u32,
}

/// Why the batches of a segment end where they do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EndReason {
    /// At the end that the next segment states, or at the end of the file.
    Full,
    /// Nothing was written behind them.
    Clean,
    /// Behind them stands what the file held as an earlier segment.
    Stale,
    /// Behind them stands part of something that is not provably durable.
    Torn,
    /// Behind them stood something durable that is damaged or gone.
    Damaged {
        /// What is at that place.
        kind: DamageKind,
        /// Offset of a later batch that proves it; the end that the next segment states, if there is none.
        proof: u64,
    },
}

/// What stands where a durable batch is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DamageKind {
    /// Zeros.
    Hole,
    /// Something that is no batch header, or another one.
    Header,
    /// The right header, and records that do not have its checksums.
    Body,
}

impl std::fmt::Display for DamageKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Hole => "zeros where a batch was",
            Self::Header => "a damaged batch header",
            Self::Body => "damaged records",
        })
    }
}

/// Where the batches of a segment end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct End {
    /// The offset at which the next batch would stand.
    pub offset: u64,
    /// What it would have to continue.
    pub expect: Expect,
    /// Why there is none.
    pub reason: EndReason,
}

/// What a scanner has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step<'a> {
    /// It needs these bytes; more behind them do no harm.
    Need {
        /// First byte in the file.
        offset: u64,
        /// Bytes needed at least.
        len: usize,
    },
    /// A batch that continues the one before it.
    Batch {
        /// Where it starts.
        offset: u64,
        /// Its header.
        header: BatchHeader,
        /// Its records, checked.
        body: &'a [u8],
    },
    /// There are no more.
    End(End),
}

/// Finds the batches of one segment.
#[derive(Debug, Clone)]
pub struct Scanner {
    seed: u32,
    segment: u64,
    block: u64,
    end_max: u64,
    sealed_end: Option<u64>,
    recycled: bool,
    offset: u64,
    expect: Expect,
    beyond: Option<Beyond>,
}

/// The search behind the last good batch.
#[derive(Debug, Clone, Copy)]
struct Beyond {
    at: u64,
    kind: DamageKind,
    /// Whether batches of this segment were seen there.
    own: bool,
}

impl Scanner {
    /// A scanner for a segment of a file of this size, of which the batches end at `sealed_end` if a later segment says so.
    #[must_use]
    pub fn new(header: &SegmentHeader, file_bytes: u64, sealed_end: Option<u64>, expect: Expect) -> Self {
        Self {
            seed: segment_seed(header.log, header.segment),
            segment: header.segment,
            block: u64::from(header.block_bytes),
            end_max: header.segment_bytes.min(file_bytes),
            sealed_end,
            recycled: header.uses > 0,
            offset: header.data_start(),
            expect,
            beyond: None,
        }
    }

    /// A scanner for the batches from `offset` up to `end`, both of which are known to be boundaries of batches.
    #[must_use]
    pub fn between(header: &SegmentHeader, offset: u64, end: u64, expect: Expect) -> Self {
        Self { offset, ..Self::new(header, header.segment_bytes, Some(end), expect) }
    }

    /// Goes on, with `window` being the bytes of the file from `window_offset`.
    pub fn step<'a>(&mut self, window: &'a [u8], window_offset: u64) -> Step<'a> {
        if self.beyond.is_none() {
            match self.next_batch(window, window_offset) {
                Ok(step) => return step,
                Err(kind) => self.beyond = Some(Beyond { at: self.offset, kind, own: false }),
            }
        }
        self.search(window, window_offset)
    }

    /// The next batch, or what stands in its place.
    fn next_batch<'a>(&mut self, window: &'a [u8], window_offset: u64) -> Result<Step<'a>, DamageKind> {
        if self.sealed_end == Some(self.offset) || self.offset + self.block > self.end_max {
            return Ok(self.end(EndReason::Full));
        }
        let offset = self.offset;
        let Some(block) = slice(window, window_offset, offset, self.block as usize) else {
            return Ok(Step::Need { offset, len: self.block as usize });
        };
        let Some(header) = BatchHeader::decode(block, self.seed) else {
            return Err(if is_zero(block) { DamageKind::Hole } else { DamageKind::Header });
        };
        let total = batch_bytes(header.body_bytes as usize, self.block as usize) as u64;
        let end = offset.saturating_add(total);
        if !self.continues(&header) || end > self.sealed_end.unwrap_or(self.end_max).min(self.end_max) {
            return Err(DamageKind::Header);
        }
        let len = BATCH_HEADER_BYTES + header.body_bytes as usize;
        let Some(bytes) = slice(window, window_offset, offset, len) else {
            return Ok(Step::Need { offset, len });
        };
        let body = &bytes[BATCH_HEADER_BYTES..];
        if !check_body(&header, body) {
            return Err(DamageKind::Body);
        }
        self.offset = end;
        self.expect = Expect {
            commit: header.commit.saturating_add(1),
            sequence: header.next_sequence(),
            chain: header.chain,
            epoch: header.epoch,
        };
        Ok(Step::Batch { offset, header, body })
    }

    fn continues(&self, header: &BatchHeader) -> bool {
        header.segment == self.segment
            && header.commit == self.expect.commit
            && header.first_sequence == self.expect.sequence
            && header.previous_chain == self.expect.chain
            && header.epoch >= self.expect.epoch
            && header.durable_commit < header.commit
    }

    /// Looks for proof that something durable is missing.
    fn search<'a>(&mut self, window: &[u8], window_offset: u64) -> Step<'a> {
        let Some(mut beyond) = self.beyond else { return self.end(EndReason::Clean) };
        if let Some(proof) = self.sealed_end {
            return self.end(EndReason::Damaged { kind: beyond.kind, proof });
        }
        while beyond.at + self.block <= self.end_max {
            let Some(block) = slice(window, window_offset, beyond.at, self.block as usize) else {
                self.beyond = Some(beyond);
                return Step::Need { offset: beyond.at, len: self.block as usize };
            };
            if let Some(header) = BatchHeader::decode(block, self.seed) {
                beyond.own = true;
                if header.commit > self.expect.commit && header.durable_commit >= self.expect.commit {
                    return self.end(EndReason::Damaged { kind: beyond.kind, proof: beyond.at });
                }
            } else if BatchHeader::claimed_segment(block) == Some(self.segment) {
                beyond.own = true;
            }
            beyond.at += self.block;
        }
        self.beyond = Some(beyond);
        let reason = match (beyond.kind, beyond.own) {
            (DamageKind::Hole, false) => EndReason::Clean,
            (DamageKind::Header, false) if self.recycled => EndReason::Stale,
            _ => EndReason::Torn,
        };
        self.end(reason)
    }

    fn end<'a>(&self, reason: EndReason) -> Step<'a> {
        Step::End(End { offset: self.offset, expect: self.expect, reason })
    }
}

fn slice(window: &[u8], window_offset: u64, offset: u64, len: usize) -> Option<&[u8]> {
    let start = usize::try_from(offset.checked_sub(window_offset)?).ok()?;
    window.get(start..start.checked_add(len)?)
}

fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == 0)
}

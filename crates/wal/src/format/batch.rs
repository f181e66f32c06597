//! Batches: the records that are committed together, and are there together or not at all.

use super::{crc, put, u32_at, u64_at};
use rustfs_rio_engine::buf::{AlignedBuf, BufferError};

/// Bytes of a batch before its records.
pub const BATCH_HEADER_BYTES: usize = 64;
/// Bytes of a record before its data.
pub const RECORD_HEADER_BYTES: usize = 32;
/// Records start at multiples of this.
const RECORD_ALIGNMENT: usize = 8;
/// Largest record: its length field has 32 bits, and so has the batch around it.
pub const RECORD_BYTES_MAX: usize = 1 << 30;
const MAGIC: u32 = u32::from_le_bytes(*b"RWb1");

/// Bytes that a record takes in a batch.
#[must_use]
pub fn record_bytes(data_bytes: usize) -> usize {
    (RECORD_HEADER_BYTES + data_bytes).next_multiple_of(RECORD_ALIGNMENT)
}

/// Bytes that a batch takes in a segment.
#[must_use]
pub fn batch_bytes(body_bytes: usize, block_bytes: usize) -> usize {
    (BATCH_HEADER_BYTES + body_bytes).next_multiple_of(block_bytes)
}

/// What stands at the beginning of a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BatchHeader {
    /// Number of the commit in the log, from 1.
    pub commit: u64,
    /// Sequence of the first record.
    pub first_sequence: u64,
    /// The last commit that was durable when this batch was written. Each commit up to it must be there.
    pub durable_commit: u64,
    /// The segment that this batch was written to.
    pub segment: u64,
    /// Number of records.
    pub count: u32,
    /// Bytes of the records.
    pub body_bytes: u32,
    /// The opening of the log that wrote it.
    pub epoch: u32,
    /// Checksum of the last record before this batch: the chain goes on from there.
    pub previous_chain: u32,
    /// Checksum of the batch's last record.
    pub chain: u32,
}

impl BatchHeader {
    /// The header's bytes, with a checksum that starts from the segment's seed.
    #[must_use]
    pub fn encode(&self, seed: u32) -> [u8; BATCH_HEADER_BYTES] {
        let mut bytes = [0; BATCH_HEADER_BYTES];
        put(&mut bytes, 0, &MAGIC.to_le_bytes());
        put(&mut bytes, 8, &self.commit.to_le_bytes());
        put(&mut bytes, 16, &self.first_sequence.to_le_bytes());
        put(&mut bytes, 24, &self.durable_commit.to_le_bytes());
        put(&mut bytes, 32, &self.segment.to_le_bytes());
        put(&mut bytes, 40, &self.count.to_le_bytes());
        put(&mut bytes, 44, &self.body_bytes.to_le_bytes());
        put(&mut bytes, 48, &self.epoch.to_le_bytes());
        put(&mut bytes, 52, &self.previous_chain.to_le_bytes());
        put(&mut bytes, 56, &self.chain.to_le_bytes());
        let sum = crc(seed, &bytes[8..]);
        put(&mut bytes, 4, &sum.to_le_bytes());
        bytes
    }

    /// The header at the beginning of `bytes`, if there is a whole one that belongs to the segment with this seed.
    #[must_use]
    pub fn decode(bytes: &[u8], seed: u32) -> Option<Self> {
        let bytes = bytes.get(..BATCH_HEADER_BYTES)?;
        // The magic first: most blocks of a scan do not have it.
        if u32_at(bytes, 0) != MAGIC || u32_at(bytes, 4) != crc(seed, &bytes[8..]) {
            return None;
        }
        Some(Self {
            commit: u64_at(bytes, 8),
            first_sequence: u64_at(bytes, 16),
            durable_commit: u64_at(bytes, 24),
            segment: u64_at(bytes, 32),
            count: u32_at(bytes, 40),
            body_bytes: u32_at(bytes, 44),
            epoch: u32_at(bytes, 48),
            previous_chain: u32_at(bytes, 52),
            chain: u32_at(bytes, 56),
        })
    }

    /// The number of the segment that a batch header at the beginning of `bytes` claims, whether or not it is whole.
    #[must_use]
    pub fn claimed_segment(bytes: &[u8]) -> Option<u64> {
        let bytes = bytes.get(..BATCH_HEADER_BYTES)?;
        (u32_at(bytes, 0) == MAGIC).then(|| u64_at(bytes, 32))
    }

    /// Sequence of the record behind the last one of this batch. Saturates, as an untrusted header may claim anything.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.first_sequence.saturating_add(u64::from(self.count))
    }
}

/// A record as it stands in a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its sequence.
    pub sequence: u64,
    /// Nanoseconds since 1970.
    pub timestamp: u64,
    /// The user's own mark.
    pub entry_type: u8,
    /// Its data.
    pub data: &'a [u8],
}

impl Record<'_> {
    /// The bytes before the data, with a checksum of 0.
    fn header(&self) -> [u8; RECORD_HEADER_BYTES] {
        let mut header = [0; RECORD_HEADER_BYTES];
        put(&mut header, 4, &(self.data.len() as u32).to_le_bytes());
        put(&mut header, 8, &self.sequence.to_le_bytes());
        put(&mut header, 16, &self.timestamp.to_le_bytes());
        header[24] = self.entry_type;
        header
    }

    /// The record by itself, as in a batch of one that nothing precedes. The data may have [`RECORD_BYTES_MAX`] bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = self.header().to_vec();
        bytes.extend_from_slice(self.data);
        bytes.resize(record_bytes(self.data.len()), 0);
        let sum = crc(0, &bytes[4..]);
        put(&mut bytes, 0, &sum.to_le_bytes());
        bytes
    }
}

/// Why bytes are not a record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RecordError {
    /// Fewer bytes than a record's header has.
    #[error("WAL entry too short")]
    TooShort,
    /// The data is cut off.
    #[error("WAL entry data truncated")]
    Truncated,
    /// The bytes are not those that were written.
    #[error("WAL entry checksum mismatch")]
    Checksum,
}

/// Reads a record that [`Record::encode`] wrote, and says how many bytes it takes.
///
/// # Errors
///
/// [`RecordError`].
pub fn decode_record(bytes: &[u8]) -> Result<(Record<'_>, usize), RecordError> {
    let header = bytes.get(..RECORD_HEADER_BYTES).ok_or(RecordError::TooShort)?;
    let len = u32_at(header, 4) as usize;
    if len > RECORD_BYTES_MAX {
        return Err(RecordError::Checksum);
    }
    let total = record_bytes(len);
    let body = bytes.get(..total).ok_or(RecordError::Truncated)?;
    let mut records = Records { body, chain: 0, sequence: u64_at(header, 8) };
    records.next().map(|record| (record, total)).ok_or(RecordError::Checksum)
}

/// Records of a batch, in order. Stops at the first one that is not whole; [`check_body`] tells whether all are.
#[derive(Debug, Clone)]
pub struct Records<'a> {
    body: &'a [u8],
    chain: u32,
    sequence: u64,
}

impl<'a> Records<'a> {
    /// Reads the records of a body with the header it was found with.
    #[must_use]
    pub fn new(header: &BatchHeader, body: &'a [u8]) -> Self {
        Self { body, chain: header.previous_chain, sequence: header.first_sequence }
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;
    fn next(&mut self) -> Option<Record<'a>> {
        let len = u32_at(self.body.get(..RECORD_HEADER_BYTES)?, 4) as usize;
        if len > RECORD_BYTES_MAX {
            return None;
        }
        let bytes = self.body.get(..record_bytes(len))?;
        let sum = crc(self.chain, &bytes[4..]);
        if sum != u32_at(bytes, 0) || u64_at(bytes, 8) != self.sequence {
            return None;
        }
        self.chain = sum;
        let record = Record {
            sequence: self.sequence,
            timestamp: u64_at(bytes, 16),
            entry_type: bytes[24],
            data: &bytes[RECORD_HEADER_BYTES..RECORD_HEADER_BYTES + len],
        };
        self.sequence = self.sequence.saturating_add(1);
        self.body = &self.body[bytes.len()..];
        Some(record)
    }
}

/// Whether a body is exactly what its header says.
#[must_use]
pub fn check_body(header: &BatchHeader, body: &[u8]) -> bool {
    let mut records = Records::new(header, body);
    let count = records.by_ref().count();
    body.len() == header.body_bytes as usize
        && count == header.count as usize
        && records.body.is_empty()
        && records.chain == header.chain
}

/// What the chain is before and after a batch, and who writes it where.
#[derive(Debug, Clone, Copy)]
pub struct Seal {
    /// Seed of the segment.
    pub seed: u32,
    /// The segment.
    pub segment: u64,
    /// Number of the commit.
    pub commit: u64,
    /// The last durable commit.
    pub durable_commit: u64,
    /// The opening of the log.
    pub epoch: u32,
    /// Chain value before the batch.
    pub previous_chain: u32,
}

/// A batch in the making, in memory that direct I/O accepts.
#[derive(Debug)]
pub struct BatchBuilder {
    buf: AlignedBuf,
    first_sequence: u64,
    count: u32,
}

impl BatchBuilder {
    /// An empty batch with room for this many bytes; it grows on demand.
    ///
    /// # Errors
    ///
    /// [`BufferError`] when memory is short.
    pub fn new(capacity: usize) -> Result<Self, BufferError> {
        let buf = AlignedBuf::with_capacity(capacity.max(BATCH_HEADER_BYTES))?;
        Ok(Self::reuse(buf, 1))
    }

    /// An empty batch in the memory of an earlier one, whose first record will have this sequence.
    #[must_use]
    pub fn reuse(mut buf: AlignedBuf, first_sequence: u64) -> Self {
        buf.clear();
        buf.resize(BATCH_HEADER_BYTES, 0);
        Self { buf, first_sequence, count: 0 }
    }

    /// Number of records.
    #[must_use]
    pub fn count(&self) -> u32 {
        self.count
    }

    /// Bytes of the records.
    #[must_use]
    pub fn body_bytes(&self) -> usize {
        self.buf.len() - BATCH_HEADER_BYTES
    }

    /// Bytes of memory that the batch holds.
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.buf.capacity()
    }

    /// Sequence that the next record gets.
    #[must_use]
    pub fn next_sequence(&self) -> u64 {
        self.first_sequence.saturating_add(u64::from(self.count))
    }

    /// Starts over with another first sequence.
    pub fn restart(&mut self, first_sequence: u64) {
        self.buf.truncate(BATCH_HEADER_BYTES);
        self.first_sequence = first_sequence;
        self.count = 0;
    }

    /// Adds a record and returns its sequence.
    ///
    /// # Errors
    ///
    /// [`BufferError`] when memory is short; the batch is as it was.
    pub fn push(&mut self, timestamp: u64, entry_type: u8, data: &[u8]) -> Result<u64, BufferError> {
        let start = self.buf.len();
        let end = start + record_bytes(data.len());
        self.reserve(end)?;
        let sequence = self.next_sequence();
        let record = Record { sequence, timestamp, entry_type, data };
        let header = record.header();
        self.buf.extend_from_slice(&header);
        self.buf.extend_from_slice(data);
        self.buf.resize(end, 0);
        self.count += 1;
        Ok(sequence)
    }

    /// Makes room for so many bytes of further records, so that adding them cannot fail.
    ///
    /// # Errors
    ///
    /// [`BufferError`] when memory is short.
    pub fn reserve_body(&mut self, bytes: usize) -> Result<(), BufferError> {
        self.reserve(self.buf.len() + bytes)
    }

    fn reserve(&mut self, bytes: usize) -> Result<(), BufferError> {
        if bytes <= self.buf.capacity() {
            return Ok(());
        }
        let mut larger = AlignedBuf::with_capacity(bytes.max(2 * self.buf.capacity()))?;
        larger.extend_from_slice(&self.buf);
        self.buf = larger;
        Ok(())
    }

    /// Fills in header and checksums and pads to whole blocks.
    ///
    /// # Errors
    ///
    /// [`BufferError`] when memory is short.
    pub fn seal(mut self, seal: &Seal, block_bytes: usize) -> Result<(BatchHeader, AlignedBuf), BufferError> {
        let body_bytes = self.body_bytes();
        self.reserve(batch_bytes(body_bytes, block_bytes))?;
        let mut chain = seal.previous_chain;
        let mut rest = &mut self.buf[BATCH_HEADER_BYTES..];
        while rest.len() >= RECORD_HEADER_BYTES {
            let len = record_bytes(u32_at(rest, 4) as usize);
            let (record, behind) = rest.split_at_mut(len);
            chain = crc(chain, &record[4..]);
            put(record, 0, &chain.to_le_bytes());
            rest = behind;
        }
        let header = BatchHeader {
            commit: seal.commit,
            first_sequence: self.first_sequence,
            durable_commit: seal.durable_commit,
            segment: seal.segment,
            count: self.count,
            body_bytes: body_bytes as u32,
            epoch: seal.epoch,
            previous_chain: seal.previous_chain,
            chain,
        };
        put(&mut self.buf, 0, &header.encode(seal.seed));
        self.buf.resize(batch_bytes(body_bytes, block_bytes), 0);
        Ok((header, self.buf))
    }
}

//! The header of a segment file.

use super::{LogId, SEGMENT_HEADER_BYTES, VERSION, crc, put, u32_at, u64_at};

const MAGIC: &[u8; 8] = b"RIO-WAL\n";
const ENCODED_BYTES: usize = 128;
/// The second copy is in another sector than the first, whatever a sector is up to this size.
const COPY_AT: usize = SEGMENT_HEADER_BYTES as usize / 2;

/// What a segment says about itself and about the one before it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentHeader {
    /// The log it belongs to.
    pub log: LogId,
    /// Number of the segment in the log, from 1.
    pub segment: u64,
    /// Sequence of its first record.
    pub first_sequence: u64,
    /// Number of its first commit.
    pub first_commit: u64,
    /// Bytes of batches in all segments before it.
    pub first_position: u64,
    /// Size of the file.
    pub segment_bytes: u64,
    /// Batches start at multiples of this.
    pub block_bytes: u32,
    /// How often the file was used for other segments before. Such a file holds old batches behind its end.
    pub uses: u32,
    /// Where the batches of the segment before this one end. They were durable before this header was written.
    pub previous_end: u64,
    /// Chain value at that place.
    pub previous_chain: u32,
    /// When the header was written, in nanoseconds since 1970.
    pub created: u64,
}

/// What stands in a file's first block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HeaderRead {
    /// A header.
    Valid(SegmentHeader),
    /// Nothing but zeros: the file was allocated and never used.
    Zero,
    /// A header of this later version of the format.
    Version(u32),
    /// Something else.
    Damaged,
}

impl SegmentHeader {
    /// The file's first block.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut block = vec![0; SEGMENT_HEADER_BYTES as usize];
        let bytes = &mut block[..ENCODED_BYTES];
        put(bytes, 0, MAGIC);
        put(bytes, 8, &VERSION.to_le_bytes());
        put(bytes, 12, &self.block_bytes.to_le_bytes());
        put(bytes, 16, &self.log.0);
        put(bytes, 32, &self.segment.to_le_bytes());
        put(bytes, 40, &self.first_sequence.to_le_bytes());
        put(bytes, 48, &self.first_commit.to_le_bytes());
        put(bytes, 56, &self.first_position.to_le_bytes());
        put(bytes, 64, &self.segment_bytes.to_le_bytes());
        put(bytes, 72, &self.created.to_le_bytes());
        put(bytes, 80, &self.previous_end.to_le_bytes());
        put(bytes, 88, &self.previous_chain.to_le_bytes());
        put(bytes, 92, &self.uses.to_le_bytes());
        let sum = crc(0, &bytes[..ENCODED_BYTES - 4]);
        put(bytes, ENCODED_BYTES - 4, &sum.to_le_bytes());
        block.copy_within(..ENCODED_BYTES, COPY_AT);
        block
    }

    /// Reads a file's first block, from whichever copy is whole. A block that is cut short is not a header.
    #[must_use]
    pub fn decode(block: &[u8]) -> HeaderRead {
        let copies = [block.get(..ENCODED_BYTES), block.get(COPY_AT..COPY_AT + ENCODED_BYTES)];
        let mut version = None;
        for copy in copies.into_iter().flatten() {
            match Self::decode_copy(copy) {
                HeaderRead::Valid(header) => return HeaderRead::Valid(header),
                HeaderRead::Version(found) => version = Some(found),
                HeaderRead::Zero | HeaderRead::Damaged => {}
            }
        }
        match version {
            Some(found) => HeaderRead::Version(found),
            None if block.iter().all(|byte| *byte == 0) => HeaderRead::Zero,
            None => HeaderRead::Damaged,
        }
    }

    fn decode_copy(bytes: &[u8]) -> HeaderRead {
        if bytes.get(..8) != Some(MAGIC)
            || crc(0, &bytes[..ENCODED_BYTES - 4]) != u32_at(bytes, ENCODED_BYTES - 4)
        {
            return HeaderRead::Damaged;
        }
        let version = u32_at(bytes, 8);
        if version != VERSION {
            return HeaderRead::Version(version);
        }
        let mut log = LogId([0; 16]);
        log.0.copy_from_slice(&bytes[16..32]);
        let header = Self {
            log,
            segment: u64_at(bytes, 32),
            first_sequence: u64_at(bytes, 40),
            first_commit: u64_at(bytes, 48),
            first_position: u64_at(bytes, 56),
            segment_bytes: u64_at(bytes, 64),
            block_bytes: u32_at(bytes, 12),
            created: u64_at(bytes, 72),
            previous_end: u64_at(bytes, 80),
            previous_chain: u32_at(bytes, 88),
            uses: u32_at(bytes, 92),
        };
        if header.is_sound() { HeaderRead::Valid(header) } else { HeaderRead::Damaged }
    }

    /// Whether the values can be worked with.
    fn is_sound(&self) -> bool {
        let block = u64::from(self.block_bytes);
        (512..=65536).contains(&block)
            && block.is_power_of_two()
            && self.segment > 0
            && self.first_sequence > 0
            && self.first_commit > 0
            && self.segment_bytes.is_multiple_of(SEGMENT_HEADER_BYTES.max(block))
            && (SEGMENT_HEADER_BYTES.max(block) * 2..=1 << 40).contains(&self.segment_bytes)
            && self.first_position <= 1 << 62
    }

    /// Where the first batch starts: behind the header, at a multiple of the block size.
    #[must_use]
    pub fn data_start(&self) -> u64 {
        SEGMENT_HEADER_BYTES.max(u64::from(self.block_bytes))
    }
}

//! The control file: what is known about the log as a whole.
//!
//! It has two slots, written in turns and synced each time, so that one of them is whole at any moment.

use super::{LogId, VERSION, crc, put, u32_at, u64_at};

/// Size of a slot, and distance between the two.
pub const SLOT_BYTES: usize = 4096;
/// Size of the file.
pub const CONTROL_BYTES: usize = 2 * SLOT_BYTES;
const MAGIC: &[u8; 8] = b"RIO-WCT\n";
const ENCODED_BYTES: usize = 96;

/// Facts about a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Control {
    /// The log.
    pub log: LogId,
    /// Counts the writes of this file; the slot with the higher number is the newer one.
    pub generation: u64,
    /// How often the log was opened for writing. Batches of an earlier epoch never follow one of a later epoch.
    pub epoch: u32,
    /// The last segment that was put into use; 0 if none was.
    pub last_segment: u64,
    /// Records before this sequence were given up.
    pub truncated_before: u64,
    /// Where replay may begin; what it means is the user's affair. 0 if it was never set.
    pub checkpoint: u64,
    /// A commit that was durable when this was written: if the log ends before it, something was lost.
    pub durable_commit: u64,
    /// Whether the log was closed in order. Then `durable_commit` is its last commit.
    pub closed: bool,
}

/// What a control file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ControlRead {
    /// Facts.
    Valid(Control),
    /// Zeros, or fewer bytes than the file has once it is made: creation was interrupted.
    Unfinished,
    /// A later version of the format.
    Version(u32),
    /// Neither slot is whole.
    Damaged,
}

impl Control {
    /// A new log.
    #[must_use]
    pub fn new(log: LogId) -> Self {
        Self {
            log,
            generation: 0,
            epoch: 0,
            last_segment: 0,
            truncated_before: 1,
            checkpoint: 0,
            durable_commit: 0,
            closed: false,
        }
    }

    /// Offset of the slot that this generation goes to.
    #[must_use]
    pub fn slot_offset(&self) -> u64 {
        (self.generation % 2) * SLOT_BYTES as u64
    }

    /// The slot.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut slot = vec![0; SLOT_BYTES];
        put(&mut slot, 0, MAGIC);
        put(&mut slot, 8, &VERSION.to_le_bytes());
        put(&mut slot, 12, &self.epoch.to_le_bytes());
        put(&mut slot, 16, &self.log.0);
        put(&mut slot, 32, &self.generation.to_le_bytes());
        put(&mut slot, 40, &self.last_segment.to_le_bytes());
        put(&mut slot, 48, &self.truncated_before.to_le_bytes());
        put(&mut slot, 56, &self.checkpoint.to_le_bytes());
        put(&mut slot, 64, &self.durable_commit.to_le_bytes());
        put(&mut slot, 72, &u32::from(self.closed).to_le_bytes());
        let sum = crc(0, &slot[..ENCODED_BYTES - 4]);
        put(&mut slot, ENCODED_BYTES - 4, &sum.to_le_bytes());
        slot
    }

    /// Reads a control file.
    #[must_use]
    pub fn decode(file: &[u8]) -> ControlRead {
        let mut newest: Option<Control> = None;
        let mut version = None;
        for slot in file.chunks_exact(SLOT_BYTES).take(2) {
            match Self::decode_slot(slot) {
                ControlRead::Valid(found) if newest.is_none_or(|old| old.generation < found.generation) => {
                    newest = Some(found);
                }
                ControlRead::Version(found) => version = Some(found),
                _ => {}
            }
        }
        match (newest, version) {
            (_, Some(version)) => ControlRead::Version(version),
            (Some(control), None) => ControlRead::Valid(control),
            (None, None) if file.len() < CONTROL_BYTES || file.iter().all(|byte| *byte == 0) => {
                ControlRead::Unfinished
            }
            (None, None) => ControlRead::Damaged,
        }
    }

    fn decode_slot(slot: &[u8]) -> ControlRead {
        let bytes = &slot[..ENCODED_BYTES];
        if bytes.get(..8) != Some(MAGIC)
            || crc(0, &bytes[..ENCODED_BYTES - 4]) != u32_at(bytes, ENCODED_BYTES - 4)
        {
            return ControlRead::Damaged;
        }
        let version = u32_at(bytes, 8);
        if version != VERSION {
            return ControlRead::Version(version);
        }
        let mut log = LogId([0; 16]);
        log.0.copy_from_slice(&bytes[16..32]);
        ControlRead::Valid(Self {
            log,
            generation: u64_at(bytes, 32),
            epoch: u32_at(bytes, 12),
            last_segment: u64_at(bytes, 40),
            truncated_before: u64_at(bytes, 48),
            checkpoint: u64_at(bytes, 56),
            durable_commit: u64_at(bytes, 64),
            closed: u32_at(bytes, 72) != 0,
        })
    }
}

//! What was learnt, as bytes: `docs/formats/learnt-state.md`.

use super::memory::{Memory, Remembered};
use crate::codec::CodecRecord;
use crate::{Codec, Parameters, WorkloadSignature};
use std::time::Duration;

/// First bytes of a file.
const MAGIC: [u8; 8] = *b"RIO-LRN\n";
/// The version written here, and the only one read.
const VERSION: u32 = 1;
const HEADER: usize = 24;
const SETTING: usize = 52;
const CODEC: usize = 16;
const CHECKSUM: usize = 4;
/// Codec records in a file at most: every codec at every level in every class is fewer.
const CODECS_MAX: usize = 4096;

/// Everything that survives a restart.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct LearntState {
    /// What worked for which workload, the one not met for longest first; at most [`Memory::CAPACITY_MAX`].
    pub settings: Vec<Remembered>,
    /// What codecs cost and save; at most 4096.
    pub codecs: Vec<CodecRecord>,
}

/// Why bytes are no learnt state. Whoever meets one sets the file aside and starts without.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum LearntStateError {
    /// It is something else.
    #[error("not a learnt state: it begins with {found:02x?} instead of 'RIO-LRN'; set the file aside")]
    Foreign {
        /// The first bytes, at most eight.
        found: Vec<u8>,
    },
    /// It is from another version of Rio.
    #[error(
        "learnt state of version {found}; this Rio reads version 1: set the file aside, or use the Rio that wrote it"
    )]
    Version {
        /// The version it says.
        found: u32,
    },
    /// Its length is not what its counts ask for.
    #[error(
        "learnt state of {found} bytes, but its header asks for {expected}; it was cut off or is damaged: set it aside"
    )]
    Length {
        /// Bytes there are.
        found: usize,
        /// Bytes there should be; 0 where the counts are above what any file may hold.
        expected: usize,
    },
    /// Its checksum does not match.
    #[error(
        "learnt state with checksum {found:08x}, but its bytes give {expected:08x}; it is damaged: set it aside"
    )]
    Checksum {
        /// What it says.
        found: u32,
        /// What its bytes give.
        expected: u32,
    },
    /// A value that no Rio would have written.
    #[error("learnt state whose {record} {index} has a bad {field}; it is damaged or made up: set it aside")]
    Value {
        /// `setting` or `codec`.
        record: &'static str,
        /// Which one, from 0.
        index: usize,
        /// Which field.
        field: &'static str,
    },
}

impl LearntState {
    /// As bytes. What is above the bounds on the number of records is left out, the oldest first.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let settings = &self.settings[self.settings.len().saturating_sub(Memory::CAPACITY_MAX)..];
        let codecs = &self.codecs[self.codecs.len().saturating_sub(CODECS_MAX)..];
        let mut out = Vec::with_capacity(length(settings.len(), codecs.len()));
        out.extend(MAGIC);
        out.extend(VERSION.to_le_bytes());
        out.extend((settings.len() as u32).to_le_bytes());
        out.extend((codecs.len() as u32).to_le_bytes());
        out.extend([0; 4]);
        settings.iter().for_each(|setting| encode_setting(setting, &mut out));
        codecs.iter().for_each(|codec| encode_codec(codec, &mut out));
        out.extend(crc32c::crc32c(&out).to_le_bytes());
        out
    }

    /// From [`encode`](Self::encode).
    ///
    /// # Errors
    ///
    /// [`LearntStateError`], which says what is wrong; nothing is taken from a file that is not whole.
    pub fn decode(bytes: &[u8]) -> Result<Self, LearntStateError> {
        let mut reader = Reader { bytes };
        if !bytes.starts_with(&MAGIC) {
            return Err(LearntStateError::Foreign { found: bytes[..bytes.len().min(MAGIC.len())].to_vec() });
        }
        let found = bytes.len();
        if found < HEADER + CHECKSUM {
            return Err(LearntStateError::Length { found, expected: HEADER + CHECKSUM });
        }
        reader.take::<8>();
        let version = reader.u32();
        if version != VERSION {
            return Err(LearntStateError::Version { found: version });
        }
        let (settings, codecs) = (reader.u32() as usize, reader.u32() as usize);
        reader.take::<4>();
        if settings > Memory::CAPACITY_MAX || codecs > CODECS_MAX {
            return Err(LearntStateError::Length { found, expected: 0 });
        }
        let expected = length(settings, codecs);
        if found != expected {
            return Err(LearntStateError::Length { found, expected });
        }
        let (body, checksum) = bytes.split_at(found - CHECKSUM);
        let (said, given) = (Reader { bytes: checksum }.u32(), crc32c::crc32c(body));
        if said != given {
            return Err(LearntStateError::Checksum { found: said, expected: given });
        }
        let settings =
            (0..settings).map(|index| decode_setting(&mut reader, index)).collect::<Result<_, _>>()?;
        let codecs = (0..codecs).map(|index| decode_codec(&mut reader, index)).collect::<Result<_, _>>()?;
        Ok(Self { settings, codecs })
    }
}

const fn length(settings: usize, codecs: usize) -> usize {
    HEADER + settings * SETTING + codecs * CODEC + CHECKSUM
}

fn encode_setting(setting: &Remembered, out: &mut Vec<u8>) {
    let values = setting.parameters.clamp();
    let number = |value: usize| (value as u32).to_le_bytes();
    out.extend(setting.signature.to_bytes());
    out.extend([0; 2]);
    out.extend(setting.visits.to_le_bytes());
    out.extend((setting.gain as f32).to_le_bytes());
    out.extend(number(values.prefetch_distance));
    out.extend(number(values.prefetch_size));
    out.extend(number(values.batch_size));
    out.extend((values.batch_timeout.as_micros() as u32).to_le_bytes());
    out.extend([values.codec.code() as u8, values.compression_level, 0, 0]);
    out.extend(number(values.buffer_pool_size));
    out.extend(number(values.buffer_size));
    out.extend(number(values.max_concurrent_ops));
    out.extend(number(values.queue_depth));
}

fn decode_setting(reader: &mut Reader<'_>, index: usize) -> Result<Remembered, LearntStateError> {
    let bad = |field| LearntStateError::Value { record: "setting", index, field };
    let signature = WorkloadSignature::from_bytes(reader.take());
    reader.take::<2>();
    let visits = reader.u32();
    let gain = f64::from(f32::from_le_bytes(reader.take()));
    let [prefetch_distance, prefetch_size, batch_size, timeout_us] = [(); 4].map(|()| reader.u32());
    let [codec, compression_level, _, _] = reader.take();
    let [buffer_pool_size, buffer_size, max_concurrent_ops, queue_depth] =
        [(); 4].map(|()| reader.u32() as usize);
    let parameters = Parameters {
        prefetch_distance: prefetch_distance as usize,
        prefetch_size: prefetch_size as usize,
        batch_size: batch_size as usize,
        batch_timeout: Duration::from_micros(timeout_us.into()),
        codec: *Codec::ALL.get(usize::from(codec)).ok_or(bad("codec"))?,
        compression_level,
        buffer_pool_size,
        buffer_size,
        max_concurrent_ops,
        queue_depth,
    };
    if !parameters.is_within_bounds() {
        return Err(bad("parameter"));
    }
    if !gain.is_finite() {
        return Err(bad("gain"));
    }
    Ok(Remembered { signature, parameters, gain, visits })
}

fn encode_codec(record: &CodecRecord, out: &mut Vec<u8>) {
    out.extend([record.codec.code() as u8, record.level, record.class, 0]);
    out.extend(record.weight.to_le_bytes());
    out.extend(record.ns_per_byte.to_le_bytes());
    out.extend(record.out_per_in.to_le_bytes());
}

fn decode_codec(reader: &mut Reader<'_>, index: usize) -> Result<CodecRecord, LearntStateError> {
    let bad = |field| LearntStateError::Value { record: "codec", index, field };
    let [codec, level, class, _] = reader.take();
    let [weight, ns_per_byte, out_per_in] = [(); 3].map(|()| f32::from_le_bytes(reader.take()));
    let codec = *Codec::ALL.get(usize::from(codec)).ok_or(bad("codec"))?;
    let record = CodecRecord { codec, level, class, weight, ns_per_byte, out_per_in };
    record.check().map_err(bad)?;
    Ok(record)
}

/// Reads from the front; whoever uses it has checked the length.
struct Reader<'a> {
    bytes: &'a [u8],
}

impl Reader<'_> {
    fn take<const N: usize>(&mut self) -> [u8; N] {
        let Some((first, rest)) = self.bytes.split_first_chunk() else { return [0; N] };
        self.bytes = rest;
        *first
    }

    fn u32(&mut self) -> u32 {
        u32::from_le_bytes(self.take())
    }
}

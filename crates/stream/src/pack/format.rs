//! Sizes, headers and the trailer of a pack; `docs/formats/pack.md` specifies them.

use std::fmt;

use super::{PackError, Protection};
use crate::codec::DictionaryId;
use crate::keys::{KeyId, WRAPPED_BYTES_MAX, WrappedKey};

/// What every pack begins with.
pub const MAGIC: &[u8; 8] = b"RIOPACK\n";
/// Version of the format.
pub const VERSION: u8 = 1;
/// Bytes in a block unless told otherwise; decision 0036 has what other sizes cost.
pub const BLOCK_BYTES: usize = 1 << 20;
/// The smallest block, in bytes.
pub const BLOCK_BYTES_MIN: usize = 4 << 10;
/// The largest block, in bytes.
pub const BLOCK_BYTES_MAX: usize = 16 << 20;
/// Bytes of a header that tell how long it is.
pub const PREFIX_BYTES: usize = 16;
/// The longest header, in bytes.
pub const HEADER_BYTES_MAX: usize = FIXED_BYTES + 1 + 255 + 2 + WRAPPED_BYTES_MAX + MAC_BYTES;
/// What a segment needs besides its body: header and tag.
pub const SEGMENT_OVERHEAD: usize = SEGMENT_HEADER_BYTES + TAG_BYTES;
/// Frames that one page of the index describes.
pub const FRAMES_PER_PAGE: u64 = 1 << 14;
/// The last bytes of a pack.
pub const TRAILER_BYTES: usize = 16;

pub(super) const SEGMENT_HEADER_BYTES: usize = 12;
pub(super) const TAG_BYTES: usize = 16;
pub(super) const MAC_BYTES: usize = 32;
/// Up to and including the identifier of the dictionary.
const FIXED_BYTES: usize = 48;
const FLAG_DICTIONARY: u8 = 1;
const FLAG_CONTENT_HASH: u8 = 2;
/// The end of every pack.
const END: &[u8; 4] = b"END\n";
/// Frames are counted below this, so that no sum of lengths overflows.
pub(super) const FRAMES_MAX: u64 = 1 << 40;

/// The random name of an object, so that frames of two objects cannot be exchanged.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct ObjectId(pub [u8; 16]);

impl fmt::Display for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for ObjectId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ObjectId({self})")
    }
}

/// What stands at the beginning of a pack. It is in clear; it is authentic only after a [`FrameOpener`](super::FrameOpener) was made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackHeader {
    /// What authenticates, and encrypts, the segments.
    pub protection: Protection,
    /// Bytes in every block but the last: a power of two.
    pub block_bytes: usize,
    /// The object's random name.
    pub object: ObjectId,
    /// Whether the BLAKE3 hash of the content is stored at the end.
    pub content_hash: bool,
    /// The dictionary that zstd frames need.
    pub dictionary: Option<DictionaryId>,
    /// The object's key; there if and only if it is encrypted.
    pub key: Option<WrappedKey>,
}

/// Length in bytes of the header that begins with `prefix`.
///
/// # Errors
///
/// [`PackError::Magic`], [`PackError::Version`], [`PackError::Header`].
pub fn header_bytes(prefix: &[u8; PREFIX_BYTES]) -> Result<usize, PackError> {
    let Some((magic, rest)) = prefix.split_first_chunk::<8>() else { return Err(PackError::Magic) };
    let &[version, _, _, _, low, high, _, _] = rest else { return Err(PackError::Magic) };
    if magic != MAGIC {
        return Err(PackError::Magic);
    }
    if version != VERSION {
        return Err(PackError::Version { found: version });
    }
    let length = usize::from(u16::from_le_bytes([low, high]));
    match (FIXED_BYTES + 3 + MAC_BYTES..=HEADER_BYTES_MAX).contains(&length) {
        true => Ok(length),
        false => Err(PackError::Header { field: "length" }),
    }
}

impl PackHeader {
    /// The header without its MAC.
    pub(super) fn encode(&self) -> Vec<u8> {
        let (id, wrapped) = match &self.key {
            Some(key) => (key.id.as_str().as_bytes(), key.bytes.as_slice()),
            None => (&b""[..], &b""[..]),
        };
        let length = FIXED_BYTES + 1 + id.len() + 2 + wrapped.len() + MAC_BYTES;
        let mut bytes = Vec::with_capacity(length);
        bytes.extend_from_slice(MAGIC);
        let flags = if self.dictionary.is_some() { FLAG_DICTIONARY } else { 0 }
            | if self.content_hash { FLAG_CONTENT_HASH } else { 0 };
        let block = self.block_bytes.trailing_zeros() as u8;
        bytes.extend_from_slice(&[VERSION, self.protection.byte(), block, flags]);
        // The parts are bounded by their types: the sum stays below 1500.
        bytes.extend_from_slice(&u16::try_from(length).unwrap_or(u16::MAX).to_le_bytes());
        bytes.extend_from_slice(&[0, 0]);
        bytes.extend_from_slice(&self.object.0);
        bytes.extend_from_slice(self.dictionary.map_or([0; 16], |id| *id.bytes()).as_slice());
        bytes.push(u8::try_from(id.len()).unwrap_or(u8::MAX));
        bytes.extend_from_slice(id);
        bytes.extend_from_slice(&u16::try_from(wrapped.len()).unwrap_or(u16::MAX).to_le_bytes());
        bytes.extend_from_slice(wrapped);
        bytes
    }

    /// A header of exactly the bytes that [`header_bytes`] counts, and its MAC, which is not checked here.
    ///
    /// # Errors
    ///
    /// Those of [`header_bytes`]; [`PackError::Header`].
    pub fn decode(bytes: &[u8]) -> Result<(Self, [u8; 32]), PackError> {
        let wrong = |field| PackError::Header { field };
        let prefix = bytes.first_chunk::<PREFIX_BYTES>().ok_or_else(|| wrong("length"))?;
        if header_bytes(prefix)? != bytes.len() {
            return Err(wrong("length"));
        }
        let &[.., protection, block, flags, _, _, reserved, reserved_too] = prefix;
        let protection = Protection::from_byte(protection).ok_or_else(|| wrong("protection"))?;
        if reserved != 0 || reserved_too != 0 || flags & !(FLAG_DICTIONARY | FLAG_CONTENT_HASH) != 0 {
            return Err(wrong("flags"));
        }
        let block_bytes = 1usize.checked_shl(u32::from(block)).unwrap_or(0);
        check_block(block_bytes).map_err(|_| wrong("block size"))?;
        let rest = bytes.get(PREFIX_BYTES..).unwrap_or_default();
        let (object, rest) = rest.split_first_chunk::<16>().ok_or_else(|| wrong("length"))?;
        let (dictionary, rest) = rest.split_first_chunk::<16>().ok_or_else(|| wrong("length"))?;
        let named = flags & FLAG_DICTIONARY != 0;
        if !named && *dictionary != [0; 16] {
            return Err(wrong("dictionary"));
        }
        let (id, rest) = split_id(rest).ok_or_else(|| wrong("key name"))?;
        let (wrapped, mac) = split_wrapped(rest).ok_or_else(|| wrong("wrapped key"))?;
        let mac = mac.try_into().map_err(|_| wrong("length"))?;
        let key = match (protection, id, wrapped) {
            (Protection::Blake3, b"", b"") => None,
            (Protection::Blake3, _, _) | (_, _, b"") => return Err(wrong("wrapped key")),
            _ => {
                let name = std::str::from_utf8(id).map_err(|_| wrong("key name"))?;
                Some(WrappedKey {
                    id: KeyId::new(name).map_err(|_| wrong("key name"))?,
                    bytes: wrapped.to_vec(),
                })
            }
        };
        let dictionary = named.then(|| DictionaryId::from_bytes(*dictionary));
        let content_hash = flags & FLAG_CONTENT_HASH != 0;
        Ok((Self { protection, block_bytes, object: ObjectId(*object), content_hash, dictionary, key }, mac))
    }
}

fn split_id(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    rest.split_at_checked(usize::from(*length))
}

fn split_wrapped(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(usize::from(u16::from_le_bytes(*length)))
}

pub(super) fn check_block(bytes: usize) -> Result<(), PackError> {
    let fits = bytes.is_power_of_two() && (BLOCK_BYTES_MIN..=BLOCK_BYTES_MAX).contains(&bytes);
    if fits { Ok(()) } else { Err(PackError::BlockBytes { found: bytes }) }
}

/// The last bytes of a pack: where the final segment is. Nothing in it is to be trusted before that segment is authenticated.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Trailer {
    /// Number of the final segment, from 0.
    pub number: u64,
    /// Its length in bytes.
    pub length: u32,
}

impl Trailer {
    pub(super) fn encode(self) -> [u8; TRAILER_BYTES] {
        let mut bytes = [0; TRAILER_BYTES];
        let (number, rest) = bytes.split_at_mut(8);
        let (length, end) = rest.split_at_mut(4);
        number.copy_from_slice(&self.number.to_le_bytes());
        length.copy_from_slice(&self.length.to_le_bytes());
        end.copy_from_slice(END);
        bytes
    }

    /// A trailer of the last [`TRAILER_BYTES`] of a file; `None` if they are none.
    pub fn decode(bytes: &[u8; TRAILER_BYTES]) -> Option<Self> {
        let (number, rest) = bytes.split_first_chunk::<8>()?;
        let (length, end) = rest.split_first_chunk::<4>()?;
        let trailer = Self { number: u64::from_le_bytes(*number), length: u32::from_le_bytes(*length) };
        (end == END && trailer.length as usize >= SEGMENT_OVERHEAD).then_some(trailer)
    }
}

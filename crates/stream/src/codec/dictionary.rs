//! Dictionaries: what many small objects have in common, so that each does not have to store it.

use std::fmt;
use std::sync::Arc;

use super::CodecError;

/// The longest dictionary in bytes; zstd gains nothing from more.
pub const DICTIONARY_BYTES_MAX: usize = 1 << 20;

/// The name of a dictionary: the first 16 bytes of the BLAKE3 hash of its content.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct DictionaryId([u8; 16]);

impl DictionaryId {
    /// An identifier as a format stores it.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        Self(bytes)
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl fmt::Display for DictionaryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for DictionaryId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DictionaryId({self})")
    }
}

/// A Zstandard dictionary. Clones share the bytes. Only [`Codec::Zstd`](super::Codec::Zstd) uses it; other codecs ignore it.
///
/// ```
/// use rustfs_rio_stream::codec::{Codec, Codecs, Dictionary, Method};
///
/// # fn main() -> Result<(), rustfs_rio_stream::codec::CodecError> {
/// let object = |id: u32| format!("{{\"id\":{},\"state\":\"stored\",\"class\":\"standard\"}}", id.wrapping_mul(2654435761));
/// let samples: Vec<String> = (0..2000).map(object).collect();
/// let dictionary = Dictionary::train(&samples, 4096)?;
/// let (mut codecs, plain) = (Codecs::new(), object(77777));
/// let (mut with, mut without) = (Vec::new(), Vec::new());
/// codecs.compress(Method::new(Codec::Zstd), Some(&dictionary), plain.as_bytes(), &mut with)?;
/// codecs.compress(Method::new(Codec::Zstd), None, plain.as_bytes(), &mut without)?;
/// assert!(with.len() < without.len());
/// # Ok(()) }
/// ```
#[derive(Clone)]
pub struct Dictionary {
    bytes: Arc<[u8]>,
    id: DictionaryId,
}

impl Dictionary {
    /// A dictionary of given bytes: one that was trained before, or any text that objects resemble.
    ///
    /// # Errors
    ///
    /// [`CodecError::DictionaryLength`] outside 1 to [`DICTIONARY_BYTES_MAX`].
    pub fn new(bytes: &[u8]) -> Result<Self, CodecError> {
        if bytes.is_empty() || bytes.len() > DICTIONARY_BYTES_MAX {
            return Err(CodecError::DictionaryLength { found: bytes.len(), most: DICTIONARY_BYTES_MAX });
        }
        let mut id = [0; 16];
        for (to, from) in id.iter_mut().zip(blake3::hash(bytes).as_bytes()) {
            *to = *from;
        }
        Ok(Self { bytes: bytes.into(), id: DictionaryId(id) })
    }

    /// A dictionary of at most `bytes_max` bytes from objects that are typical (the COVER algorithm of zstd). It copies the samples.
    ///
    /// # Errors
    ///
    /// [`CodecError::Training`] if the samples are too few or have nothing in common; [`CodecError::DictionaryLength`].
    pub fn train<S: AsRef<[u8]>>(samples: &[S], bytes_max: usize) -> Result<Self, CodecError> {
        if bytes_max == 0 || bytes_max > DICTIONARY_BYTES_MAX {
            return Err(CodecError::DictionaryLength { found: bytes_max, most: DICTIONARY_BYTES_MAX });
        }
        let trained = zstd::dict::from_samples(samples, bytes_max).map_err(|error| CodecError::Training {
            samples: samples.len(),
            bytes: samples.iter().map(|sample| sample.as_ref().len()).sum(),
            reason: error.to_string(),
        })?;
        Self::new(&trained)
    }

    /// Its content, for keeping it.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its name.
    pub fn id(&self) -> DictionaryId {
        self.id
    }
}

impl fmt::Debug for Dictionary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Dictionary").field("id", &self.id).field("bytes", &self.bytes.len()).finish()
    }
}

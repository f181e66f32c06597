//! The state of all codecs of one thread.

use std::fmt;

use super::library::{
    Deflate, Lz4, S2, Unzstd, Zstd, brotli_compress, brotli_decompress, lz4_decompress, s2_decompress,
};
use super::{Codec, CodecError, Dictionary, Method};

/// A block must shrink by one part in so many, or it is stored raw: below that, reading it back fast is worth more.
const LEAST_GAIN: usize = 64;

/// Compresses and decompresses blocks; keeps the tables and contexts of the libraries from block to block.
///
/// One per thread: calls take `&mut self`. What it holds follows the methods that were used: 16 KiB for lz4, 0.6 to 90 MiB for zstd
/// by level, about 300 KiB for deflate, and for lz4 a buffer of the longest block.
///
/// ```
/// use rustfs_rio_stream::codec::{Codec, Codecs, Method};
///
/// # fn main() -> Result<(), rustfs_rio_stream::codec::CodecError> {
/// let (mut codecs, plain) = (Codecs::new(), [7; 5000]);
/// let (mut stored, mut again) = (Vec::new(), Vec::new());
/// let codec = codecs.compress(Method::new(Codec::Lz4), None, &plain, &mut stored)?;
/// codecs.decompress(codec, None, &stored, plain.len(), &mut again)?;
/// assert!(stored.len() < 100 && again == plain);
/// # Ok(()) }
/// ```
#[derive(Default)]
pub struct Codecs {
    lz4: Option<Lz4>,
    zstd: Option<Zstd>,
    unzstd: Option<Unzstd>,
    s2: Option<S2>,
    deflate: Option<Deflate>,
    gzip: Option<Deflate>,
}

impl Codecs {
    /// Nothing is allocated before a method is used.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends `plain` to `out`, compressed if that saves at least a 64th, else as it is, and returns what was done to it: the
    /// method's codec or [`Codec::None`]. At most `plain.len()` bytes are appended.
    ///
    /// # Errors
    ///
    /// [`CodecError::Library`]; `out` is then as it was.
    pub fn compress(
        &mut self,
        method: Method,
        dictionary: Option<&Dictionary>,
        plain: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<Codec, CodecError> {
        let start = out.len();
        // At least one byte less, so that a stored length tells raw from compressed.
        let room = plain.len().saturating_sub(1 + plain.len() / LEAST_GAIN);
        match self.try_compress(method, dictionary, plain, room, out) {
            Ok(true) => Ok(method.codec()),
            Ok(false) => {
                out.truncate(start);
                out.extend_from_slice(plain);
                Ok(Codec::None)
            }
            Err(error) => {
                out.truncate(start);
                Err(error)
            }
        }
    }

    /// Appends the `declared` bytes that `stored` was made of to `out`.
    ///
    /// # Errors
    ///
    /// [`CodecError::Damaged`] if it is not what the codec makes, or longer or shorter than declared. `out` is then as it was.
    pub fn decompress(
        &mut self,
        codec: Codec,
        dictionary: Option<&Dictionary>,
        stored: &[u8],
        declared: usize,
        out: &mut Vec<u8>,
    ) -> Result<(), CodecError> {
        let start = out.len();
        let result = self.try_decompress(codec, dictionary, stored, declared, out);
        match result {
            Ok(true) => Ok(()),
            Ok(false) => {
                out.truncate(start);
                Err(CodecError::Damaged { codec, declared })
            }
            Err(error) => {
                out.truncate(start);
                Err(error)
            }
        }
    }

    fn try_compress(
        &mut self,
        method: Method,
        dictionary: Option<&Dictionary>,
        plain: &[u8],
        room: usize,
        out: &mut Vec<u8>,
    ) -> Result<bool, CodecError> {
        let level = method.level();
        match method.codec() {
            Codec::None => Ok(false),
            _ if room == 0 => Ok(false),
            Codec::Lz4 => self.lz4.get_or_insert_with(Lz4::new).compress(plain, room, out),
            Codec::Zstd => {
                let context = match &mut self.zstd {
                    Some(context) => context,
                    empty => empty.insert(Zstd::new(level)?),
                };
                context.set(level, dictionary)?;
                Ok(context.compress(plain, room, out))
            }
            codec @ (Codec::S2 | Codec::Snappy) => {
                Ok(self.s2.get_or_insert_with(S2::new).compress(codec, level, plain, room, out))
            }
            Codec::Brotli => Ok(brotli_compress(level, plain, room, out)),
            codec @ (Codec::Deflate | Codec::Gzip) => self.deflate(codec).compress(level, plain, room, out),
        }
    }

    fn try_decompress(
        &mut self,
        codec: Codec,
        dictionary: Option<&Dictionary>,
        stored: &[u8],
        declared: usize,
        out: &mut Vec<u8>,
    ) -> Result<bool, CodecError> {
        if codec == Codec::None {
            out.extend_from_slice(stored);
            return Ok(stored.len() == declared);
        }
        if codec == Codec::Zstd {
            let context = match &mut self.unzstd {
                Some(context) => context,
                empty => empty.insert(Unzstd::new()?),
            };
            return context.decompress(dictionary, stored, declared, out);
        }
        let start = out.len();
        out.resize(start + declared, 0);
        let (_, plain) = out.split_at_mut(start);
        Ok(match codec {
            Codec::Lz4 => lz4_decompress(stored, plain),
            Codec::Brotli => brotli_decompress(stored, plain),
            Codec::Deflate | Codec::Gzip => self.deflate(codec).decompress(stored, plain),
            _ => s2_decompress(stored, plain),
        })
    }

    fn deflate(&mut self, codec: Codec) -> &mut Deflate {
        let slot = if codec == Codec::Gzip { &mut self.gzip } else { &mut self.deflate };
        slot.get_or_insert_with(|| Deflate::new(codec))
    }
}

impl fmt::Debug for Codecs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Codecs").finish_non_exhaustive()
    }
}

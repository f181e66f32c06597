//! The compression libraries, each behind the same two calls.
//!
//! `compress` appends at most `room` bytes to `out` and returns whether the result fitted; `out` may have anything behind its
//! former end when it did not. `decompress` appends exactly `declared` bytes or fails.

use std::io::{self, Cursor, Read, Write};

use flate2::{Compress, Compression, Decompress, FlushCompress, FlushDecompress, Status};
use lz4_flex::block::{CompressTable, compress_into_with_table, decompress_into, get_maximum_output_size};
use zstd::zstd_safe::CParameter;

use super::{Codec, CodecError, Dictionary, DictionaryId};

/// Window of deflate: 2^15 bytes, the most that the format has.
const WINDOW_BITS: u8 = 15;
/// Window of Brotli: 2^22 bytes, larger than any block here needs.
const BROTLI_WINDOW_BITS: i32 = 22;
/// What Brotli's adapter reads at once, in bytes.
const BROTLI_BUFFER: usize = 4096;

/// LZ4 with its hash table and a buffer for the longest result, because the library wants that much room.
pub(super) struct Lz4 {
    table: CompressTable,
    room: Vec<u8>,
}

impl Lz4 {
    pub(super) fn new() -> Self {
        Self { table: CompressTable::small(), room: Vec::new() }
    }

    pub(super) fn compress(
        &mut self,
        plain: &[u8],
        room: usize,
        out: &mut Vec<u8>,
    ) -> Result<bool, CodecError> {
        let most = get_maximum_output_size(plain.len());
        // Never shortened: the buffer is cleared once, not for every block.
        if self.room.len() < most {
            self.room.resize(most, 0);
        }
        // A large table is slower for small blocks, and the library never goes back by itself.
        let small = plain.len() < usize::from(u16::MAX);
        match (&self.table, small) {
            (CompressTable::Large(_), true) => self.table = CompressTable::small(),
            (CompressTable::Small(_), false) => self.table = CompressTable::large(),
            _ => {}
        }
        let length = compress_into_with_table(plain, &mut self.room, &mut self.table)
            .map_err(|_| CodecError::Library { codec: Codec::Lz4 })?;
        match self.room.get(..length) {
            Some(compressed) if length <= room => out.extend_from_slice(compressed),
            _ => return Ok(false),
        }
        Ok(true)
    }
}

pub(super) fn lz4_decompress(stored: &[u8], plain: &mut [u8]) -> bool {
    matches!(decompress_into(stored, plain), Ok(length) if length == plain.len())
}

/// Zstandard with the level and dictionary that its context is set to.
pub(super) struct Zstd {
    context: zstd::bulk::Compressor<'static>,
    level: i32,
    dictionary: Option<DictionaryId>,
}

impl Zstd {
    pub(super) fn new(level: i32) -> Result<Self, CodecError> {
        let context = zstd::bulk::Compressor::new(level).map_err(|_| zstd_failed())?;
        Ok(Self { context, level, dictionary: None })
    }

    /// Sets level and dictionary if they are others than last time.
    pub(super) fn set(&mut self, level: i32, dictionary: Option<&Dictionary>) -> Result<(), CodecError> {
        let id = dictionary.map(Dictionary::id);
        if self.dictionary != id {
            let bytes = dictionary.map_or(&[][..], Dictionary::bytes);
            self.context.set_dictionary(level, bytes).map_err(|_| zstd_failed())?;
        } else if self.level != level {
            self.context.set_parameter(CParameter::CompressionLevel(level)).map_err(|_| zstd_failed())?;
        }
        (self.level, self.dictionary) = (level, id);
        Ok(())
    }

    pub(super) fn compress(&mut self, plain: &[u8], room: usize, out: &mut Vec<u8>) -> bool {
        let start = out.len();
        out.reserve(room);
        let mut end = Cursor::new(&mut *out);
        end.set_position(start as u64);
        // The only failure that a valid context has is too little room.
        self.context.compress_to_buffer(plain, &mut end).is_ok() && out.len() - start <= room
    }
}

/// Decompression of Zstandard with the dictionary that its context is set to.
pub(super) struct Unzstd {
    context: zstd::bulk::Decompressor<'static>,
    dictionary: Option<DictionaryId>,
}

impl Unzstd {
    pub(super) fn new() -> Result<Self, CodecError> {
        Ok(Self { context: zstd::bulk::Decompressor::new().map_err(|_| zstd_failed())?, dictionary: None })
    }

    pub(super) fn decompress(
        &mut self,
        dictionary: Option<&Dictionary>,
        stored: &[u8],
        declared: usize,
        out: &mut Vec<u8>,
    ) -> Result<bool, CodecError> {
        let id = dictionary.map(Dictionary::id);
        if self.dictionary != id {
            let bytes = dictionary.map_or(&[][..], Dictionary::bytes);
            self.context.set_dictionary(bytes).map_err(|_| zstd_failed())?;
            self.dictionary = id;
        }
        let start = out.len();
        // The library writes no further than the vector's capacity, which is bounded by what was declared now or before.
        out.reserve(declared);
        let mut end = Cursor::new(&mut *out);
        end.set_position(start as u64);
        Ok(matches!(self.context.decompress_to_buffer(stored, &mut end), Ok(length) if length == declared))
    }
}

fn zstd_failed() -> CodecError {
    CodecError::Library { codec: Codec::Zstd }
}

/// Deflate, bare or in gzip's wrapping.
pub(super) struct Deflate {
    codec: Codec,
    level: i32,
    compress: Option<Compress>,
    decompress: Option<Decompress>,
}

impl Deflate {
    pub(super) fn new(codec: Codec) -> Self {
        Self { codec, level: 0, compress: None, decompress: None }
    }

    pub(super) fn compress(
        &mut self,
        level: i32,
        plain: &[u8],
        room: usize,
        out: &mut Vec<u8>,
    ) -> Result<bool, CodecError> {
        if self.level != level {
            self.compress = None;
            self.level = level;
        }
        let gzip = self.codec == Codec::Gzip;
        let context = self.compress.get_or_insert_with(|| {
            let level = Compression::new(level.unsigned_abs());
            if gzip { Compress::new_gzip(level, WINDOW_BITS) } else { Compress::new(level, false) }
        });
        context.reset();
        let start = out.len();
        out.resize(start + room, 0);
        let (_, target) = out.split_at_mut(start);
        let status = context.compress(plain, target, FlushCompress::Finish);
        let length = usize::try_from(context.total_out()).unwrap_or(usize::MAX);
        match status {
            Ok(Status::StreamEnd) => {
                out.truncate(start.saturating_add(length));
                Ok(true)
            }
            Ok(_) => Ok(false),
            Err(_) => Err(CodecError::Library { codec: self.codec }),
        }
    }

    pub(super) fn decompress(&mut self, stored: &[u8], plain: &mut [u8]) -> bool {
        let gzip = self.codec == Codec::Gzip;
        let context = match self.decompress.take() {
            Some(mut context) if !gzip => {
                context.reset(false);
                self.decompress.insert(context)
            }
            // A context for gzip forgets by `reset` that it is one.
            _ if gzip => self.decompress.insert(Decompress::new_gzip(WINDOW_BITS)),
            _ => self.decompress.insert(Decompress::new(false)),
        };
        let status = context.decompress(stored, plain, FlushDecompress::Finish);
        matches!(status, Ok(Status::StreamEnd))
            && context.total_out() == plain.len() as u64
            && context.total_in() == stored.len() as u64
    }
}

/// S2 and Snappy with their hash tables.
pub(super) struct S2(minlz::s2::Encoder);

impl S2 {
    pub(super) fn new() -> Self {
        Self(minlz::s2::Encoder::new())
    }

    pub(super) fn compress(
        &mut self,
        codec: Codec,
        level: i32,
        plain: &[u8],
        room: usize,
        out: &mut Vec<u8>,
    ) -> bool {
        let compressed = match (codec, level) {
            (Codec::Snappy, _) => self.0.encode_snappy(plain),
            (_, ..=1) => self.0.encode(plain),
            (_, 2) => self.0.encode_better(plain),
            _ => self.0.encode_best(plain),
        };
        if compressed.len() > room {
            return false;
        }
        out.extend_from_slice(&compressed);
        true
    }
}

pub(super) fn s2_decompress(stored: &[u8], plain: &mut [u8]) -> bool {
    matches!(minlz::s2::decode_len(stored), Ok((length, _)) if length == plain.len())
        && minlz::s2::decode_into(plain, stored) == Ok(plain.len())
}

/// A vector that takes so many bytes and refuses more with an error: Brotli's adapter would offer them to a full slice for ever.
struct Room<'a> {
    out: &'a mut Vec<u8>,
    left: usize,
}

impl Write for Room<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.left = self.left.checked_sub(bytes.len()).ok_or(io::ErrorKind::StorageFull)?;
        self.out.extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn brotli_compress(level: i32, mut plain: &[u8], room: usize, out: &mut Vec<u8>) -> bool {
    let parameters = brotli::enc::BrotliEncoderParams {
        quality: level,
        lgwin: BROTLI_WINDOW_BITS,
        size_hint: plain.len(),
        ..Default::default()
    };
    brotli::BrotliCompress(&mut plain, &mut Room { out, left: room }, &parameters).is_ok()
}

pub(super) fn brotli_decompress(stored: &[u8], plain: &mut [u8]) -> bool {
    let mut reader = brotli::Decompressor::new(stored, BROTLI_BUFFER);
    // Exactly as long as declared: one more byte is as wrong as one less.
    reader.read_exact(plain).is_ok() && matches!(reader.read(&mut [0]), Ok(0))
}

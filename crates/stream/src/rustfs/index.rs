//! Where blocks begin.

use std::io::{self, Read, Seek, SeekFrom};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::block::HEAD_BYTES_MAX;
use super::layout::{IndexLayout, encode, parse};
use super::walk::frame_head;

/// The most entries that a stored index has.
pub const MAX_INDEX_ENTRIES: usize = 1 << 16;
/// Entries are at least so many bytes of content apart.
pub const MIN_INDEX_DIST: i64 = 1 << 20;
/// Below so many entries, none is left out however close they are.
const ENTRIES_KEPT: usize = 1000;
/// Longest index that [`Index::load_stream`] takes: [`MAX_INDEX_ENTRIES`] entries of two numbers of 10 bytes, and the rest.
const STORED_BYTES_MAX: u32 = 20 * (1 << 16) + 128;

/// A place in a stream and in its content. As the index of a RustFS block stream has it, a block ends here, and the next one begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct IndexInfo {
    /// Offset in the stream, in bytes.
    pub compressed_offset: i64,
    /// Offset in the content, in bytes.
    pub uncompressed_offset: i64,
}

/// Where a reader may start in a compressed stream.
///
/// It is a hint: nothing protects it, and its stored form cannot express every index. Whoever reads at a place it names checks what is
/// there, and rebuilds the index from the stream ([`Index::rebuild`]) if that is no block.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Index {
    /// Bytes of content that the index covers; -1 if that is not known.
    pub total_uncompressed: i64,
    /// Bytes of the stream that it covers; -1 if that is not known.
    pub total_compressed: i64,
    pub(super) info: Vec<IndexInfo>,
    pub(super) est_block_uncomp: i64,
}

impl Default for Index {
    fn default() -> Self {
        Self::new()
    }
}

impl Index {
    /// An index without entries that covers nothing.
    pub fn new() -> Self {
        Self { total_uncompressed: -1, total_compressed: -1, info: Vec::new(), est_block_uncomp: 0 }
    }

    /// Number of entries.
    pub fn len(&self) -> usize {
        self.info.len()
    }

    /// Whether there is no entry.
    pub fn is_empty(&self) -> bool {
        self.info.is_empty()
    }

    /// The entries, ascending.
    pub fn entries(&self) -> &[IndexInfo] {
        &self.info
    }

    /// Notes that a block ended at these places. Entries that are less than 1 MiB of content apart are left out; the same place of the
    /// content again replaces the place in the stream.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::InvalidData`] for a place before the last one.
    pub fn add(&mut self, compressed_offset: i64, uncompressed_offset: i64) -> io::Result<()> {
        let entry = IndexInfo { compressed_offset, uncompressed_offset };
        let Some(last) = self.info.last_mut() else {
            self.info.push(entry);
            return Ok(());
        };
        if last.uncompressed_offset == uncompressed_offset {
            last.compressed_offset = compressed_offset;
            return Ok(());
        }
        let earlier = |what: &str, a: i64, b: i64| {
            let text = format!("internal error: Earlier {what} received ({a} > {b})");
            Err(io::Error::new(io::ErrorKind::InvalidData, text))
        };
        if last.uncompressed_offset > uncompressed_offset {
            return earlier("uncompressed", last.uncompressed_offset, uncompressed_offset);
        }
        if last.compressed_offset > compressed_offset {
            return earlier("compressed", last.compressed_offset, compressed_offset);
        }
        if last.uncompressed_offset.saturating_add(MIN_INDEX_DIST) > uncompressed_offset {
            return Ok(());
        }
        self.info.push(entry);
        self.total_compressed = compressed_offset;
        self.total_uncompressed = uncompressed_offset;
        Ok(())
    }

    /// The last entry at or before byte `offset` of the content, as (offset in the stream, offset in the content); the beginning of both
    /// if there is none. A negative `offset` counts from the end.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::Other`], `corrupt index`, if the totals are not known; [`io::ErrorKind::UnexpectedEof`] behind the end, and for
    /// an index without entries.
    pub fn find(&self, offset: i64) -> io::Result<(i64, i64)> {
        if self.total_uncompressed < 0 {
            return Err(io::Error::other("corrupt index"));
        }
        let from_end = if offset < 0 { self.total_uncompressed.checked_add(offset) } else { Some(offset) };
        let eof = |text: &str| io::Error::new(io::ErrorKind::UnexpectedEof, text);
        let inside = from_end.filter(|offset| (0..=self.total_uncompressed).contains(offset));
        let offset = inside.ok_or_else(|| eof("offset out of bounds"))?;
        if self.info.is_empty() {
            return Err(eof("empty index"));
        }
        let after = self.info.partition_point(|entry| entry.uncompressed_offset <= offset);
        let entry = after.checked_sub(1).and_then(|at| self.info.get(at));
        Ok(entry.map_or((0, 0), |entry| (entry.compressed_offset, entry.uncompressed_offset)))
    }

    /// Leaves out entries so that at most [`MAX_INDEX_ENTRIES`] are left, or about 1000 if they are close together.
    pub(crate) fn thin(&mut self) {
        let len = self.info.len();
        let mut skip = (len + 1) / MAX_INDEX_ENTRIES;
        let close = |skip: usize| {
            let spacing = i64::try_from(skip + 1).unwrap_or(i64::MAX);
            self.est_block_uncomp.saturating_mul(spacing) < MIN_INDEX_DIST
        };
        while close(skip) && len / (skip + 1) > ENTRIES_KEPT {
            skip += 1;
        }
        if skip == 0 {
            return;
        }
        self.info = self.info.iter().step_by(skip + 1).copied().collect();
        let spacing = i64::try_from(skip + 1).unwrap_or(i64::MAX);
        self.est_block_uncomp = self.est_block_uncomp.saturating_mul(spacing);
    }

    /// The stored form, as RustFS 1.0.0-beta.6 writes it.
    pub fn into_vec(self) -> Bytes {
        self.encode(IndexLayout::Plain)
    }

    /// The stored form in one of the two layouts.
    pub fn encode(mut self, layout: IndexLayout) -> Bytes {
        self.thin();
        let mut out = Vec::new();
        encode(&self, layout, &mut out);
        out.into()
    }

    /// Appends the stored form with other totals, which the index takes over.
    pub fn append_to(&mut self, b: &mut Vec<u8>, uncomp_total: i64, comp_total: i64) {
        self.thin();
        (self.total_uncompressed, self.total_compressed) = (uncomp_total, comp_total);
        encode(self, IndexLayout::Plain, b);
    }

    /// Reads the stored form in either layout and returns what follows it. After an error, the index is as it was.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::UnexpectedEof`], `buffer too small`, if it is cut off; [`io::ErrorKind::Other`] for everything else that is not
    /// whole, ascending and inside its totals.
    pub fn load<'a>(&mut self, b: &'a [u8]) -> io::Result<&'a [u8]> {
        let (index, rest) = parse(b)?;
        *self = index;
        Ok(rest)
    }

    /// Reads the stored form that ends `rs`.
    ///
    /// # Errors
    ///
    /// As [`Index::load`], and those of `rs`.
    pub fn load_stream<R: Read + Seek>(&mut self, mut rs: R) -> io::Result<()> {
        let mut tail = [0; 10];
        rs.seek(SeekFrom::End(-10))?;
        rs.read_exact(&mut tail)?;
        let [a, b, c, d, trailer @ ..] = tail;
        let size = u32::from_le_bytes([a, b, c, d]);
        if &trailer != super::layout::TRAILER {
            return Err(io::Error::other("invalid trailer"));
        }
        if size > STORED_BYTES_MAX {
            return Err(io::Error::other("invalid header"));
        }
        rs.seek(SeekFrom::End(-i64::from(size)))?;
        let mut stored = vec![0; size as usize];
        rs.read_exact(&mut stored)?;
        self.load(&stored)?;
        Ok(())
    }

    /// JSON for people: the totals, `offsets` and `est_block_uncompressed`.
    ///
    /// # Errors
    ///
    /// Those of [`serde_json`], for which there is no reason here.
    pub fn to_json(&self) -> serde_json::Result<Vec<u8>> {
        #[derive(Serialize)]
        struct Offset {
            compressed: i64,
            uncompressed: i64,
        }
        #[derive(Serialize)]
        struct Form {
            total_uncompressed: i64,
            total_compressed: i64,
            offsets: Vec<Offset>,
            est_block_uncompressed: i64,
        }
        let offset = |entry: &IndexInfo| Offset {
            compressed: entry.compressed_offset,
            uncompressed: entry.uncompressed_offset,
        };
        serde_json::to_vec_pretty(&Form {
            total_uncompressed: self.total_uncompressed,
            total_compressed: self.total_compressed,
            offsets: self.info.iter().map(offset).collect(),
            est_block_uncompressed: self.est_block_uncomp,
        })
    }

    /// Makes the index of a block stream by walking over its frames; only their heads are read. The totals are those of the whole stream.
    ///
    /// # Errors
    ///
    /// Those of `stream`; [`BlockError`](super::BlockError) inside an [`io::Error`] if the stream is no block stream or is cut off.
    pub fn rebuild<R: Read + Seek>(mut stream: R) -> io::Result<Self> {
        let end = stream.seek(SeekFrom::End(0))?;
        let (mut index, mut offset, mut plain) = (Self::new(), 0u64, 0i64);
        while offset < end {
            stream.seek(SeekFrom::Start(offset))?;
            let mut head = Vec::with_capacity(HEAD_BYTES_MAX);
            stream.by_ref().take(HEAD_BYTES_MAX as u64).read_to_end(&mut head)?;
            let truncated = super::BlockError::Truncated { offset };
            let head = frame_head(&head, offset)?.ok_or_else(|| truncated.clone())?;
            offset += head.frame_bytes;
            if offset > end {
                return Err(truncated.into());
            }
            if head.end {
                break;
            }
            let length = i64::try_from(head.plain_bytes).ok();
            let too_long = || io::Error::other("invalid uncompressed size");
            plain = length.and_then(|length| plain.checked_add(length)).ok_or_else(too_long)?;
            index.add(i64::try_from(offset).unwrap_or(i64::MAX), plain)?;
        }
        index.total_uncompressed = plain;
        index.total_compressed = i64::try_from(offset).unwrap_or(i64::MAX);
        Ok(index)
    }

    /// The stored index if it is consistent and its entries are ends of blocks in `stream`, else a rebuilt one.
    ///
    /// # Errors
    ///
    /// As [`Index::rebuild`].
    pub fn load_or_rebuild<R: Read + Seek>(stored: &[u8], mut stream: R) -> io::Result<Self> {
        let mut index = Self::new();
        if index.load(stored).is_ok_and(<[u8]>::is_empty) && index.fits(&mut stream)? {
            return Ok(index);
        }
        Self::rebuild(stream)
    }

    /// Whether a frame begins, or the stream ends, at each entry.
    fn fits<R: Read + Seek>(&self, mut stream: R) -> io::Result<bool> {
        let end = stream.seek(SeekFrom::End(0))?;
        for entry in &self.info {
            let Ok(offset) = u64::try_from(entry.compressed_offset) else { return Ok(false) };
            if offset == end {
                continue;
            }
            if offset > end {
                return Ok(false);
            }
            stream.seek(SeekFrom::Start(offset))?;
            let mut head = Vec::with_capacity(HEAD_BYTES_MAX);
            stream.by_ref().take(HEAD_BYTES_MAX as u64).read_to_end(&mut head)?;
            let inside = |head: super::FrameHead| offset + head.frame_bytes <= end;
            if !frame_head(&head, offset).ok().flatten().is_some_and(inside) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

//! Reading ranges of a pack from anything that can be read at an offset.

use std::fmt;
use std::io;
use std::ops::Range;
use std::sync::Arc;

use super::format::{PREFIX_BYTES, SEGMENT_OVERHEAD, TRAILER_BYTES, Trailer, header_bytes};
use super::{Contexts, Directory, Page, ReadOptions, Summary};
use super::{FramePlace, PackError};

/// Bytes that can be read at any offset.
pub trait ReadAt {
    /// Fills `buf` with the bytes from `offset` on.
    ///
    /// # Errors
    ///
    /// [`io::ErrorKind::UnexpectedEof`] if there are fewer; what the system reports.
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()>;

    /// How many bytes there are.
    ///
    /// # Errors
    ///
    /// What the system reports.
    fn size(&self) -> io::Result<u64>;
}

impl ReadAt for [u8] {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = self.get(start..).and_then(|rest| rest.get(..buf.len()));
        bytes.map(|bytes| buf.copy_from_slice(bytes)).ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }
}

impl ReadAt for Vec<u8> {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        self.as_slice().read_exact_at(buf, offset)
    }

    fn size(&self) -> io::Result<u64> {
        self.as_slice().size()
    }
}

#[cfg(unix)]
impl ReadAt for std::fs::File {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        std::os::unix::fs::FileExt::read_exact_at(self, buf, offset)
    }

    fn size(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

impl<R: ReadAt + ?Sized> ReadAt for &R {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        (**self).read_exact_at(buf, offset)
    }

    fn size(&self) -> io::Result<u64> {
        (**self).size()
    }
}

impl<R: ReadAt + ?Sized> ReadAt for Arc<R> {
    fn read_exact_at(&self, buf: &mut [u8], offset: u64) -> io::Result<()> {
        (**self).read_exact_at(buf, offset)
    }

    fn size(&self) -> io::Result<u64> {
        (**self).size()
    }
}

/// Reads any range of a pack's content, touching only the frames that hold it.
///
/// Opening reads the trailer, the final segment and the header. The first range in each 16384 frames reads a page of the index of up
/// to 64 KiB, of which the latest is kept, as is the latest frame. A range of 64 KiB takes one frame, or two if it crosses a boundary.
///
/// ```
/// use rustfs_rio_stream::pack::{Encoder, PackOptions, ReadOptions, SeekableReader};
///
/// # fn main() -> std::io::Result<()> {
/// let mut pack = Vec::new();
/// let mut encoder = Encoder::new(&PackOptions::new(), &mut pack)?;
/// encoder.push(&[b'a'; 5_000_000], &mut pack)?;
/// encoder.push(b"the end", &mut pack)?;
/// encoder.finish(&mut pack)?;
///
/// let mut reader = SeekableReader::open(pack, ReadOptions::new())?;
/// let mut out = Vec::new();
/// reader.read_range(4_999_998..5_000_007, &mut out)?;
/// assert_eq!(out, b"aathe end");
/// assert_eq!(reader.frames_read(), 1);
/// # Ok(()) }
/// ```
pub struct SeekableReader<R> {
    source: R,
    directory: Directory,
    contexts: Contexts,
    page: Option<(usize, Page)>,
    /// The latest frame and its content.
    frame: Option<(u64, Vec<u8>)>,
    stored: Vec<u8>,
    frames_read: u64,
}

impl<R: ReadAt> SeekableReader<R> {
    /// Opens a pack.
    ///
    /// # Errors
    ///
    /// An [`io::Error`] around a [`PackError`] for what is no whole pack, or what the source reports.
    pub fn open(source: R, options: ReadOptions) -> io::Result<Self> {
        let size = source.size()?;
        let mut prefix = [0; PREFIX_BYTES];
        let truncated = || PackError::Truncated { length: size };
        if size < PREFIX_BYTES as u64 {
            return Err(truncated().into());
        }
        source.read_exact_at(&mut prefix, 0)?;
        let length = header_bytes(&prefix)?;
        let least = (length + SEGMENT_OVERHEAD + TRAILER_BYTES) as u64;
        if size < least {
            return Err(truncated().into());
        }
        let mut header = vec![0; length];
        source.read_exact_at(&mut header, 0)?;
        let mut end = [0; TRAILER_BYTES];
        source.read_exact_at(&mut end, size - TRAILER_BYTES as u64)?;
        let trailer = Trailer::decode(&end).ok_or_else(truncated)?;
        // Bounded by the file itself.
        let start =
            (size - TRAILER_BYTES as u64).checked_sub(u64::from(trailer.length)).ok_or_else(truncated)?;
        let mut final_segment = vec![0; trailer.length as usize];
        source.read_exact_at(&mut final_segment, start)?;
        let directory = Directory::open(&header, trailer, &final_segment, size, &options)?;
        let (contexts, stored) = (Contexts::new(), Vec::new());
        Ok(Self { source, directory, contexts, page: None, frame: None, stored, frames_read: 0 })
    }

    /// What the pack holds.
    pub fn summary(&self) -> &Summary {
        self.directory.summary()
    }

    /// The pack's directory.
    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Frames that were read so far; a range that lies in the frame of the one before reads none.
    pub fn frames_read(&self) -> u64 {
        self.frames_read
    }

    /// Appends a range of the content to `out`.
    ///
    /// # Errors
    ///
    /// An [`io::Error`] around [`PackError::Range`] or what is wrong with a frame; what the source reports. The frames before
    /// are in `out` by then.
    pub fn read_range(&mut self, range: Range<u64>, out: &mut Vec<u8>) -> io::Result<()> {
        for frame in self.directory.frames(&range)? {
            let plain = self.load(frame)?;
            let content = self.frame.as_ref().map_or(&[][..], |(_, content)| content);
            let within = |at: u64| {
                usize::try_from(at.clamp(plain.start, plain.end) - plain.start).unwrap_or(usize::MAX)
            };
            out.extend_from_slice(content.get(within(range.start)..within(range.end)).unwrap_or_default());
        }
        Ok(())
    }

    /// Makes a frame the latest one and returns its range of the content.
    fn load(&mut self, frame: u64) -> io::Result<Range<u64>> {
        let place = self.place(frame)?;
        if self.frame.as_ref().is_some_and(|(number, _)| *number == frame) {
            return Ok(place.plain);
        }
        let (_, mut content) = self.frame.take().unwrap_or_default();
        content.clear();
        let length = usize::try_from(place.stored.end - place.stored.start).unwrap_or(usize::MAX);
        let most = self.directory.opener().header().block_bytes + SEGMENT_OVERHEAD;
        if length > most {
            return Err(PackError::Index { offset: place.stored.start }.into());
        }
        self.stored.resize(length, 0);
        self.source.read_exact_at(&mut self.stored, place.stored.start)?;
        self.frames_read += 1;
        self.directory.open_frame(&mut self.contexts, &place, &self.stored, &mut content)?;
        self.frame = Some((frame, content));
        Ok(place.plain)
    }

    fn place(&mut self, frame: u64) -> io::Result<FramePlace> {
        let wanted = self.directory.page_of(frame);
        if self.page.as_ref().is_none_or(|(number, _)| *number != wanted) {
            let missing = || PackError::Index { offset: self.directory.summary().pack_bytes };
            let place = self.directory.page_place(wanted).ok_or_else(missing)?;
            let mut bytes = vec![0; usize::try_from(place.end - place.start).unwrap_or(usize::MAX)];
            self.source.read_exact_at(&mut bytes, place.start)?;
            self.page = Some((wanted, self.directory.open_page(wanted, &bytes)?));
        }
        let found = self.page.as_ref().and_then(|(_, page)| self.directory.place(page, frame));
        found.ok_or_else(|| PackError::Index { offset: self.directory.summary().pack_bytes }.into())
    }
}

impl<R> fmt::Debug for SeekableReader<R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeekableReader")
            .field("directory", &self.directory)
            .field("frames_read", &self.frames_read)
            .finish_non_exhaustive()
    }
}

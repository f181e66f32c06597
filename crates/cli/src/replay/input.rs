//! Opens a trace: decompresses it, tells its format, and hands out its requests one by one in bounded memory.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use anyhow::Context;
use rustfs_rio_tune::recorded::{self, BlockReader};
use rustfs_rio_tune::{Access, LineReader, TraceError, TraceFormat};

/// No line of a known format is longer.
const LINE_BYTES_MAX: usize = 4096;
/// Bytes that a decompressed trace may have: a small file that unpacks to more is an accident or an attack.
const UNPACKED_BYTES_MAX: u64 = 1 << 40;
/// Memory that the xz decoder may take, in KiB: `xz -9` needs 65 MiB.
const XZ_MEMORY_KIB: u32 = 128 << 10;
/// Window of the zstd decoder, as a power of two: `zstd --ultra -22` needs 27.
const ZSTD_WINDOW_LOG_MAX: u32 = 27;
const BUFFER_BYTES: usize = 64 << 10;

/// The trace cannot be used as it is; the text says where and why.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BadTrace {
    #[error(transparent)]
    Format(#[from] TraceError),
    #[error("line {line}: longer than {LINE_BYTES_MAX} bytes: this is no trace of lines")]
    LongLine { line: usize },
    #[error("line {line}: not text (UTF-8)")]
    NotText { line: usize },
    #[error("the {packing} data is damaged or cut off after {requests} requests: {error}")]
    Packing { packing: &'static str, requests: u64, error: io::Error },
}

/// Counts what was read of a file.
struct Counted<R> {
    inner: R,
    position: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buf)?;
        self.position.fetch_add(count as u64, Ordering::Relaxed);
        Ok(count)
    }
}

/// The requests of a trace, in order; ends after the first error.
pub(crate) struct TraceReader {
    input: Box<dyn BufRead>,
    packing: Option<&'static str>,
    format: TraceFormat,
    lines: LineReader,
    line: Vec<u8>,
    blocks: BlockReader,
    pending: std::vec::IntoIter<Access>,
    requests: u64,
    over: bool,
    position: Arc<AtomicU64>,
    bytes: Option<u64>,
}

impl TraceReader {
    /// Opens a file, or standard input for `-`.
    pub(crate) fn open(path: &Path, format: Option<TraceFormat>, unit: Option<u32>) -> anyhow::Result<Self> {
        let position = Arc::new(AtomicU64::new(0));
        if path.as_os_str() == "-" {
            return Self::start(io::stdin(), position, None, format, unit);
        }
        let file = File::open(path).with_context(|| format!("cannot open the trace {}", path.display()))?;
        let bytes = file.metadata().ok().filter(std::fs::Metadata::is_file).map(|metadata| metadata.len());
        Self::start(file, position, bytes, format, unit)
            .with_context(|| format!("cannot read the trace {}", path.display()))
    }

    fn start(
        inner: impl Read + 'static,
        position: Arc<AtomicU64>,
        bytes: Option<u64>,
        format: Option<TraceFormat>,
        unit: Option<u32>,
    ) -> anyhow::Result<Self> {
        let counted = Counted { inner, position: Arc::clone(&position) };
        let mut raw = BufReader::with_capacity(BUFFER_BYTES, counted);
        let start = fill(&mut raw)?.to_vec();
        let (packing, mut input): (_, Box<dyn BufRead>) = if start.starts_with(b"\x1f\x8b") {
            (Some("gzip"), buffered(flate2::bufread::MultiGzDecoder::new(raw)))
        } else if start.starts_with(b"\x28\xb5\x2f\xfd") {
            let mut decoder = zstd::Decoder::with_buffer(raw)?;
            decoder.window_log_max(ZSTD_WINDOW_LOG_MAX)?;
            (Some("zstd"), buffered(decoder))
        } else if start.starts_with(b"\xfd7zXZ\0") {
            (Some("xz"), buffered(lzma_rust2::XzReader::new_mem_limit(raw, true, XZ_MEMORY_KIB)))
        } else {
            (None, Box::new(raw))
        };
        let broken = |error| unpacking(packing, 0, error);
        let start = fill(&mut input).map_err(broken)?;
        let format = match format {
            Some(format) => format,
            None => TraceFormat::detect(start).map_err(BadTrace::from)?,
        };
        let mut lines = LineReader::new(format);
        if let Some(unit) = unit {
            lines = lines.with_unit(unit);
        }
        let mut reader = Self {
            input,
            packing,
            format,
            lines,
            line: Vec::new(),
            blocks: BlockReader::new(),
            pending: Vec::new().into_iter(),
            requests: 0,
            over: false,
            position,
            bytes,
        };
        if format == TraceFormat::Rio {
            let mut header = [0; recorded::HEADER_BYTES];
            let count = reader.read_full(&mut header)?;
            if count < header.len() {
                let reason = "the file is shorter than a header";
                return Err(BadTrace::from(TraceError::Recorded { block: 0, reason }).into());
            }
            recorded::check_header(&header).map_err(BadTrace::from)?;
        }
        Ok(reader)
    }

    /// The format, given or told.
    pub(crate) const fn format(&self) -> TraceFormat {
        self.format
    }

    /// Bytes of the file as it is stored, and how many of them have been read; `None` for what has no length.
    pub(crate) fn progress(&self) -> Option<(u64, u64)> {
        Some((self.position.load(Ordering::Relaxed), self.bytes?))
    }

    fn next_request(&mut self) -> anyhow::Result<Option<Access>> {
        loop {
            if let Some(access) = self.pending.next() {
                return Ok(Some(access));
            }
            if self.format == TraceFormat::Rio {
                if !self.next_block()? {
                    return Ok(None);
                }
                continue;
            }
            if !self.next_line()? {
                return Ok(None);
            }
            let line = self.lines.line() + 1;
            let text = std::str::from_utf8(&self.line).map_err(|_| BadTrace::NotText { line })?;
            if let Some(access) = self.lines.read(text).map_err(BadTrace::from)? {
                return Ok(Some(access));
            }
        }
    }

    /// Reads the next line; false at the end.
    fn next_line(&mut self) -> anyhow::Result<bool> {
        self.line.clear();
        let mut limited = (&mut self.input).take(LINE_BYTES_MAX as u64 + 1);
        let read = limited.read_until(b'\n', &mut self.line);
        let count = read.map_err(|error| unpacking(self.packing, self.requests, error))?;
        if count > LINE_BYTES_MAX {
            return Err(BadTrace::LongLine { line: self.lines.line() + 1 }.into());
        }
        Ok(count > 0)
    }

    /// Decodes the next block; false at the end.
    fn next_block(&mut self) -> anyhow::Result<bool> {
        let mut header = [0; recorded::BLOCK_HEADER_BYTES];
        let count = self.read_full(&mut header)?;
        if count == 0 {
            return Ok(false);
        }
        let header = self.blocks.header(&header).map_err(BadTrace::from)?;
        let mut records = vec![0; header.bytes];
        let complete = count == recorded::BLOCK_HEADER_BYTES && self.read_full(&mut records)? == header.bytes;
        if !complete {
            return Err(BadTrace::from(self.blocks.cut_off()).into());
        }
        let mut accesses = Vec::new();
        self.blocks.records(&header, &records, &mut accesses).map_err(BadTrace::from)?;
        self.pending = accesses.into_iter();
        Ok(true)
    }

    /// Fills `buf` as far as the input goes.
    fn read_full(&mut self, buf: &mut [u8]) -> anyhow::Result<usize> {
        let mut count = 0;
        while count < buf.len() {
            match self.input.read(&mut buf[count..]) {
                Ok(0) => break,
                Ok(more) => count += more,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(unpacking(self.packing, self.requests, error)),
            }
        }
        Ok(count)
    }
}

impl Iterator for TraceReader {
    type Item = anyhow::Result<Access>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.over {
            return None;
        }
        let next = self.next_request().transpose();
        match &next {
            Some(Ok(_)) => self.requests += 1,
            // A trace without requests is an error once.
            None if self.requests == 0 => {
                self.over = true;
                return Some(Err(BadTrace::from(TraceError::Empty).into()));
            }
            _ => self.over = true,
        }
        next
    }
}

fn buffered(decoder: impl Read + 'static) -> Box<dyn BufRead> {
    Box::new(BufReader::with_capacity(BUFFER_BYTES, Bounded { inner: decoder, left: UNPACKED_BYTES_MAX }))
}

/// An error where more comes than may.
struct Bounded<R> {
    inner: R,
    left: u64,
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buf)?;
        self.left = self
            .left
            .checked_sub(count as u64)
            .ok_or_else(|| io::Error::other(format!("it unpacks to more than {UNPACKED_BYTES_MAX} bytes")))?;
        Ok(count)
    }
}

fn fill(input: &mut impl BufRead) -> io::Result<&[u8]> {
    loop {
        match input.fill_buf() {
            Ok(_) => break,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    input.fill_buf()
}

/// An error of reading: of the data, where a decoder gave it.
fn unpacking(packing: Option<&'static str>, requests: u64, error: io::Error) -> anyhow::Error {
    match packing {
        Some(packing) => BadTrace::Packing { packing, requests, error }.into(),
        None => error.into(),
    }
}

//! What a log's directory holds: control file, headers, and the order of the segments.

use crate::directory::{CONTROL_NAME, Directory, file_number};
use crate::error::{Damage, WalError};
use crate::format::SEGMENT_HEADER_BYTES;
use crate::format::batch::BatchHeader;
use crate::format::control::{CONTROL_BYTES, Control, ControlRead};
use crate::format::header::{HeaderRead, SegmentHeader};
use crate::format::scan::{End, Expect, Scanner, Step};
use crate::format::segment_seed;
use rustfs_rio_engine::buf::AlignedBuf;
use rustfs_rio_engine::{Engine, File, OpenOptions};
use std::io;

/// Bytes that are read at a time.
const WINDOW_BYTES: usize = 1 << 20;

/// A segment file, seen from outside.
#[derive(Debug, Clone)]
pub(crate) struct SegmentFile {
    pub(crate) name: String,
    pub(crate) number: u64,
    pub(crate) bytes: u64,
    pub(crate) header: HeaderRead,
}

/// A segment file with a header.
#[derive(Debug, Clone)]
pub(crate) struct Segment {
    pub(crate) name: String,
    pub(crate) number: u64,
    pub(crate) bytes: u64,
    pub(crate) header: SegmentHeader,
}

/// The files of a log by what they are good for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Plan {
    /// Segments with records that were not given up, in order.
    pub(crate) live: Vec<Segment>,
    /// Segments that were given up, in order.
    pub(crate) spare: Vec<Segment>,
    /// Files without a header, or with one that is not readable.
    pub(crate) headless: Vec<SegmentFile>,
    /// What is wrong, in the order in which it was found.
    pub(crate) damage: Vec<Damage>,
}

/// Reads the control file.
pub(crate) async fn read_control(engine: &Engine, directory: &Directory) -> Result<ControlRead, WalError> {
    let path = directory.join(CONTROL_NAME);
    let file = match engine.open(&path, &OpenOptions::new().read(true)).await {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(ControlRead::Unfinished),
        Err(error) => return Err(error.into()),
    };
    let (result, bytes) = file.read_at(Vec::with_capacity(CONTROL_BYTES), 0).await;
    result?;
    match Control::decode(&bytes) {
        ControlRead::Version(found) => Err(WalError::Version { path, found }),
        read => Ok(read),
    }
}

/// Reads the first block of each segment file.
pub(crate) async fn read_headers(
    engine: &Engine,
    directory: &Directory,
) -> Result<Vec<SegmentFile>, WalError> {
    let mut files = Vec::new();
    for name in directory.list().await? {
        let Some(number) = file_number(&name) else { continue };
        let path = directory.join(&name);
        let file = match engine.open(&path, &OpenOptions::new().read(true)).await {
            Ok(file) => file,
            // A reader may look while a writer removes a spare.
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(error.into()),
        };
        let bytes = file.stat().await?.size;
        let (result, block) = file.read_at(Vec::with_capacity(SEGMENT_HEADER_BYTES as usize), 0).await;
        result?;
        let header = SegmentHeader::decode(&block);
        if let HeaderRead::Version(found) = header {
            return Err(WalError::Version { path, found });
        }
        files.push(SegmentFile { name, number, bytes, header });
    }
    Ok(files)
}

/// Puts the files of a log in order. Does no I/O.
pub(crate) fn plan(control: &Control, files: Vec<SegmentFile>) -> Plan {
    let mut plan = Plan::default();
    let mut segments: Vec<Segment> = Vec::new();
    for file in files {
        match file.header {
            HeaderRead::Valid(header) if header.log != control.log => {
                plan.damage.push(Damage::Foreign {
                    file: file.name,
                    found: header.log,
                    expected: control.log,
                });
            }
            HeaderRead::Valid(header) => {
                let SegmentFile { name, number, bytes, .. } = file;
                segments.push(Segment { name, number, bytes, header });
            }
            _ => plan.headless.push(file),
        }
    }
    segments.sort_by_key(|segment| segment.header.segment);
    for pair in segments.windows(2) {
        if let [one, two] = pair
            && one.header.segment == two.header.segment
        {
            plan.damage.push(Damage::Duplicate {
                segment: one.header.segment,
                one: one.name.clone(),
                two: two.name.clone(),
            });
        }
    }
    // A segment is live unless the one after it begins at or before the first record that was not given up.
    let live_from = segments
        .iter()
        .rposition(|segment| segment.header.first_sequence <= control.truncated_before)
        .unwrap_or(0);
    plan.live = segments.split_off(live_from.min(segments.len()));
    plan.spare = segments;
    plan.find_missing(control);
    plan
}

impl Plan {
    fn find_missing(&mut self, control: &Control) {
        let missing = |first, last| Damage::Missing { first, last };
        let Some(first) = self.live.first().map(|segment| &segment.header) else {
            if control.last_segment > 0 {
                self.damage.push(missing(1, control.last_segment));
            }
            return;
        };
        if first.first_sequence > control.truncated_before {
            self.damage.push(missing(1, first.segment - 1));
        }
        for pair in self.live.windows(2) {
            if let [one, two] = pair
                && two.header.segment > one.header.segment + 1
            {
                self.damage.push(missing(one.header.segment + 1, two.header.segment - 1));
            }
        }
        let last = self.live.last().map_or(0, |segment| segment.header.segment);
        if last < control.last_segment {
            self.damage.push(missing(last + 1, control.last_segment));
        }
    }
}

/// What the first batch of a segment has to continue.
pub(crate) fn expect_at(header: &SegmentHeader) -> Expect {
    Expect {
        commit: header.first_commit,
        sequence: header.first_sequence,
        chain: header.previous_chain,
        epoch: 0,
    }
}

/// Scans the batches of an open segment. `each` is given offset, header and records of each batch.
pub(crate) async fn scan(
    file: &File,
    mut scanner: Scanner,
    mut each: impl FnMut(u64, &BatchHeader, &[u8]) + Send,
) -> Result<End, WalError> {
    let mut window = AlignedBuf::with_capacity(WINDOW_BYTES)?;
    let mut window_offset = 0;
    loop {
        let (offset, len) = match scanner.step(&window, window_offset) {
            Step::Need { offset, len } => (offset, len),
            Step::Batch { offset, header, body } => {
                each(offset, &header, body);
                continue;
            }
            Step::End(end) => return Ok(end),
        };
        window = read_window(file, window, offset, len).await?;
        window_offset = offset;
    }
}

/// Reads at least `len` bytes from `offset`, and more as far as there are any and the buffer takes them.
pub(crate) async fn read_window(
    file: &File,
    mut window: AlignedBuf,
    offset: u64,
    len: usize,
) -> Result<AlignedBuf, WalError> {
    if window.capacity() < len {
        window = AlignedBuf::with_capacity(len)?;
    }
    window.clear();
    let (result, window) = file.read_at(window, offset).await;
    if result? < len {
        let error = format!("{} ended while it was read", file.path().display());
        return Err(io::Error::new(io::ErrorKind::UnexpectedEof, error).into());
    }
    Ok(window)
}

/// Whether a file without a readable header holds batches of this log, so that it is no unused file.
pub(crate) async fn holds_batches(
    engine: &Engine,
    directory: &Directory,
    control: &Control,
    file: &SegmentFile,
) -> Result<bool, WalError> {
    let open = engine.open(directory.join(&file.name), &OpenOptions::new().read(true)).await?;
    let mut window = AlignedBuf::with_capacity(WINDOW_BYTES)?;
    let mut offset = 0;
    while offset < file.bytes {
        window = read_window(&open, window, offset, 0).await?;
        for block in window.chunks(512) {
            if let Some(segment) = BatchHeader::claimed_segment(block)
                && BatchHeader::decode(block, segment_seed(control.log, segment)).is_some()
            {
                return Ok(true);
            }
        }
        if window.is_empty() {
            break;
        }
        offset += window.len() as u64;
    }
    Ok(false)
}

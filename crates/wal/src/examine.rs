//! Reads a whole log and says what is in it and what is wrong with it. Changes nothing.

use crate::directory::{Directory, Found};
use crate::error::{Damage, WalError};
use crate::format::LogId;
use crate::format::batch::BatchHeader;
use crate::format::control::{Control, ControlRead};
use crate::format::scan::{End, EndReason, Expect, Scanner};
use crate::survey::{self, Plan, Segment, expect_at, holds_batches};
use rustfs_rio_engine::{Engine, File, OpenOptions};
use std::path::Path;
use std::time::{Duration, SystemTime};

/// What stands behind the last record of a log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Tail {
    /// Nothing: the segment is full, or its rest was never written.
    Clean,
    /// What the file held in an earlier use.
    Stale,
    /// Part of commits that are not provably durable. They are not in the log.
    Torn,
}

/// What a segment is in use for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum SegmentState {
    /// New records go here.
    Active,
    /// It is full.
    Sealed,
    /// Its records were given up; the file waits for another use.
    Spare,
}

/// A segment of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct SegmentInfo {
    /// Its number in the log.
    pub segment: u64,
    /// Its file, in the log's directory.
    pub file: String,
    /// What it is in use for.
    pub state: SegmentState,
    /// Sequence of its first record.
    pub first_sequence: u64,
    /// Sequence of the record behind its last one. Equal to `first_sequence` if it has none.
    pub next_sequence: u64,
    /// Bytes from the file's beginning to the end of its last commit.
    pub used_bytes: u64,
    /// Size of the file.
    pub file_bytes: u64,
    /// Commits start at multiples of this.
    pub block_bytes: u32,
    /// How often the file was in use for other segments before.
    pub uses: u32,
    /// When it was put into use.
    pub created: SystemTime,
}

/// What is in a log.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Report {
    /// The log's identity.
    pub log: LogId,
    /// How often it was opened for writing.
    pub epoch: u32,
    /// Sequence of the first record that was not given up.
    pub first_sequence: u64,
    /// Sequence that the next record gets.
    pub next_sequence: u64,
    /// Where replay may begin, if the user said so; otherwise 0.
    pub checkpoint: u64,
    /// Whole records from `first_sequence` on.
    pub records: u64,
    /// Their data, in bytes.
    pub data_bytes: u64,
    /// Commits that were read.
    pub commits: u64,
    /// Segments in order, spare ones first.
    pub segments: Vec<SegmentInfo>,
    /// What stands behind the last record.
    pub tail: Tail,
    /// Whether the log was closed in order.
    pub closed: bool,
    /// Files with the name of a segment that hold none.
    pub unused_files: Vec<String>,
    /// What is wrong; empty for a sound log.
    pub damage: Vec<Damage>,
}

impl Report {
    /// Whether nothing durable is damaged or missing.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.damage.is_empty()
    }
}

/// Reads the log in a directory from beginning to end, without a lock and without changing anything. Of a log that is open
/// for writing it sees some moment; a segment that is reused while it is read may look damaged.
///
/// # Errors
///
/// [`WalError::NotFound`], [`WalError::NotALog`], [`WalError::Version`], [`WalError::Damaged`] if the control file is not
/// readable, [`WalError::Io`]. All other damage is in the report.
pub async fn inspect(engine: &Engine, path: impl AsRef<Path>) -> Result<Report, WalError> {
    let runtime = tokio::runtime::Handle::try_current().map_err(|_| WalError::NoRuntime)?;
    let directory = Directory::new(path.as_ref(), runtime);
    let (_, _, examined) = read_log(engine, &directory, |_, _, _| {}).await?;
    Ok(examined.report)
}

/// A log as it was found.
pub(crate) struct Examined {
    pub(crate) report: Report,
    pub(crate) expect: Expect,
    /// Where the last segment ends.
    pub(crate) end: u64,
}

/// Reads control file and segments. `each` is given every whole batch up to the first damage.
pub(crate) async fn read_log(
    engine: &Engine,
    directory: &Directory,
    each: impl FnMut(&Segment, &BatchHeader, &[u8]) + Send,
) -> Result<(Control, Plan, Examined), WalError> {
    let control = find(engine, directory).await?;
    let plan = survey::plan(&control, survey::read_headers(engine, directory).await?);
    let examined = examine(engine, directory, &control, &plan, None, each).await?;
    Ok((control, plan, examined))
}

/// The control file of the log in a directory.
pub(crate) async fn find(engine: &Engine, directory: &Directory) -> Result<Control, WalError> {
    let path = directory.path();
    match directory.look().await? {
        Found::Nothing => return Err(WalError::NotFound { path: path.to_owned() }),
        Found::Other => {
            let reason = "it is no directory; a log of the earlier draft is read by `rio wal import`";
            return Err(WalError::NotALog { path: path.to_owned(), reason });
        }
        Found::Directory => {}
    }
    match survey::read_control(engine, directory).await? {
        ControlRead::Valid(control) => Ok(control),
        ControlRead::Unfinished if survey::read_headers(engine, directory).await?.is_empty() => {
            Err(WalError::NotFound { path: path.to_owned() })
        }
        _ => Err(WalError::damaged(path, Damage::Control)),
    }
}

/// Reads all live segments. `last` is the last one's file, if it is open already.
pub(crate) async fn examine(
    engine: &Engine,
    directory: &Directory,
    control: &Control,
    plan: &Plan,
    last: Option<&File>,
    mut each: impl FnMut(&Segment, &BatchHeader, &[u8]) + Send,
) -> Result<Examined, WalError> {
    let mut state = State::new(control, plan);
    for file in &plan.headless {
        if holds_batches(engine, directory, control, file).await? {
            state.report.damage.push(Damage::Header { file: file.name.clone() });
        } else {
            state.report.unused_files.push(file.name.clone());
        }
    }
    for (index, segment) in plan.live.iter().enumerate() {
        let next = plan.live.get(index + 1);
        let follows = |next: &&Segment| next.header.segment == segment.header.segment + 1;
        let sealed_end = next.filter(follows).map(|next| next.header.previous_end);
        state.enter(segment, index == 0);
        let opened;
        let file = match last {
            Some(file) if next.is_none() => file,
            _ => {
                let path = directory.join(&segment.name);
                opened = engine.open(path, &OpenOptions::new().read(true)).await?;
                &opened
            }
        };
        let scanner = Scanner::new(&segment.header, segment.bytes, sealed_end, state.expect);
        let whole = state.report.damage.is_empty();
        let end = survey::scan(file, scanner, |_, header, body| {
            state.count(header, body);
            if whole {
                each(segment, header, body);
            }
        })
        .await?;
        state.leave(segment, next, &end);
    }
    Ok(state.finish(control))
}

struct State {
    report: Report,
    expect: Expect,
    end: u64,
}

impl State {
    fn new(control: &Control, plan: &Plan) -> Self {
        let spare = plan.spare.iter().map(|segment| {
            let header = &segment.header;
            info(segment, SegmentState::Spare, header.data_start(), header.first_sequence)
        });
        let expect = plan.live.first().map(|segment| expect_at(&segment.header));
        let report = Report {
            log: control.log,
            epoch: control.epoch,
            first_sequence: control.truncated_before,
            next_sequence: control.truncated_before,
            checkpoint: control.checkpoint,
            records: 0,
            data_bytes: 0,
            commits: 0,
            segments: spare.collect(),
            tail: Tail::Clean,
            closed: control.closed,
            unused_files: Vec::new(),
            damage: plan.damage.clone(),
        };
        let first = Expect {
            commit: control.durable_commit + 1,
            sequence: control.truncated_before,
            chain: crate::format::first_chain(control.log),
            epoch: 0,
        };
        Self { report, expect: expect.unwrap_or(first), end: 0 }
    }

    fn enter(&mut self, segment: &Segment, is_first: bool) {
        let own = expect_at(&segment.header);
        let number = segment.header.segment;
        let file = segment.name.clone();
        let same = (own.commit, own.sequence, own.chain)
            == (self.expect.commit, self.expect.sequence, self.expect.chain);
        if !is_first && !same && self.report.damage.is_empty() {
            self.report.damage.push(Damage::Discontinuous { segment: number, file: file.clone() });
        }
        self.expect = Expect { epoch: self.expect.epoch, ..own };
        let (found, expected) = (segment.bytes, segment.header.segment_bytes);
        if found < expected {
            self.report.damage.push(Damage::Short { segment: number, file, found, expected });
        }
    }

    fn count(&mut self, header: &BatchHeader, body: &[u8]) {
        self.report.commits += 1;
        for record in crate::format::batch::Records::new(header, body) {
            if record.sequence >= self.report.first_sequence {
                self.report.records += 1;
                self.report.data_bytes += record.data.len() as u64;
            }
        }
    }

    fn leave(&mut self, segment: &Segment, next: Option<&Segment>, end: &End) {
        self.expect = end.expect;
        self.end = end.offset;
        let state = if next.is_some() { SegmentState::Sealed } else { SegmentState::Active };
        self.report.segments.push(info(segment, state, end.offset, end.expect.sequence));
        self.report.tail = match end.reason {
            EndReason::Full | EndReason::Clean => Tail::Clean,
            EndReason::Stale => Tail::Stale,
            EndReason::Torn => Tail::Torn,
            EndReason::Damaged { kind, .. } => {
                self.report.damage.push(Damage::Records {
                    segment: segment.header.segment,
                    file: segment.name.clone(),
                    offset: end.offset,
                    sequence: end.expect.sequence,
                    kind,
                });
                Tail::Clean
            }
        };
    }

    fn finish(mut self, control: &Control) -> Examined {
        let found = self.expect.commit - 1;
        if self.report.damage.is_empty() && found < control.durable_commit {
            self.report.damage.push(Damage::LostEnd { found, expected: control.durable_commit });
        }
        self.report.next_sequence = self.expect.sequence.max(control.truncated_before);
        Examined { report: self.report, expect: self.expect, end: self.end }
    }
}

pub(crate) fn info(segment: &Segment, state: SegmentState, end: u64, next_sequence: u64) -> SegmentInfo {
    SegmentInfo {
        segment: segment.header.segment,
        file: segment.name.clone(),
        state,
        first_sequence: segment.header.first_sequence,
        next_sequence,
        used_bytes: end,
        file_bytes: segment.bytes,
        block_bytes: segment.header.block_bytes,
        uses: segment.header.uses,
        created: SystemTime::UNIX_EPOCH + Duration::from_nanos(segment.header.created),
    }
}

//! Carries the requests of a trace out.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use parking_lot::Mutex;
use rustfs_rio::{AlignedBuf, DirectMode, DiskFile, OpenOptions, RuntimeHandle};
use rustfs_rio_load::{Cancel, Content};
use rustfs_rio_tune::{Access, AccessKind};
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

/// Requests in flight at most when they come at their recorded times; beyond that they wait, and the wait is counted.
const BACKLOG_MAX: usize = 4096;
/// A sleep may last this much longer than asked for; the rest is waited for awake.
const SLEEP_SLACK: Duration = Duration::from_micros(80);
const BLOCK: u64 = 4096;

/// When requests come.
#[derive(Clone, Copy)]
pub(super) enum Pace {
    /// At their recorded times, so many times faster, whether earlier ones have ended or not. Each due time counts from the start,
    /// so that no delay adds up.
    Recorded(f64),
    /// So many at a time, each as soon as one before it has ended.
    AsFast(usize),
}

/// What came of a replay.
#[derive(Default)]
pub(super) struct Played {
    pub(super) requests: u64,
    /// From when each read was due to when it had its bytes, added up.
    pub(super) wait: Duration,
    pub(super) written_bytes: u64,
}

/// What all tasks share.
struct Stage {
    file: DiskFile,
    content: Option<Content>,
    wait_ns: AtomicU64,
    written: AtomicU64,
    failure: Mutex<Option<String>>,
}

/// Plays all requests and waits for the last to end.
pub(super) fn play(
    tokio: &Runtime,
    rio: &RuntimeHandle,
    path: &Path,
    content: Option<&Content>,
    requests: &[Access],
    pace: Pace,
    cancel: &Cancel,
) -> anyhow::Result<Played> {
    let options = OpenOptions::new().read(true).write(content.is_some()).direct(DirectMode::On);
    let file = tokio.block_on(DiskFile::open_with(path, &options, rio)).context("cannot open the file")?;
    let stage = Arc::new(Stage {
        file,
        content: content.cloned(),
        wait_ns: AtomicU64::new(0),
        written: AtomicU64::new(0),
        failure: Mutex::new(None),
    });
    let played = match pace {
        Pace::Recorded(speed) => at_their_times(tokio, &stage, requests, speed, cancel)?,
        Pace::AsFast(depth) => as_fast(tokio, &stage, requests, depth, cancel)?,
    };
    if let Some(failure) = stage.failure.lock().take() {
        bail!(failure);
    }
    Ok(Played {
        requests: played,
        wait: Duration::from_nanos(stage.wait_ns.load(Ordering::Relaxed)),
        written_bytes: stage.written.load(Ordering::Relaxed),
    })
}

fn at_their_times(
    tokio: &Runtime,
    stage: &Arc<Stage>,
    requests: &[Access],
    speed: f64,
    cancel: &Cancel,
) -> anyhow::Result<u64> {
    let room = Arc::new(Semaphore::new(BACKLOG_MAX));
    let first = requests.first().map_or(0, |access| access.at_ns);
    let bar = super::super::progress::playing(requests.len() as u64);
    let start = Instant::now();
    for (number, access) in requests.iter().enumerate() {
        let after = Duration::from_nanos(access.at_ns.saturating_sub(first)).div_f64(speed);
        let due = start + after;
        wait_until(due);
        if number.is_multiple_of(256) {
            cancel.check()?;
            bar.set_position(number as u64);
        }
        let permit = match Arc::clone(&room).try_acquire_owned() {
            Ok(permit) => permit,
            Err(_) => tokio.block_on(Arc::clone(&room).acquire_owned())?,
        };
        let (stage, access) = (Arc::clone(stage), *access);
        tokio.spawn(async move {
            stage.carry_out(access, due).await;
            drop(permit);
        });
    }
    // All permits are back when nothing is in flight.
    let all = tokio.block_on(room.acquire_many(BACKLOG_MAX as u32))?;
    drop(all);
    bar.finish_and_clear();
    Ok(requests.len() as u64)
}

fn wait_until(due: Instant) {
    loop {
        let left = due.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return;
        }
        match left.checked_sub(SLEEP_SLACK) {
            Some(most) if !most.is_zero() => std::thread::sleep(most),
            _ => std::thread::yield_now(),
        }
    }
}

fn as_fast(
    tokio: &Runtime,
    stage: &Arc<Stage>,
    requests: &[Access],
    depth: usize,
    cancel: &Cancel,
) -> anyhow::Result<u64> {
    let requests: Arc<[Access]> = requests.into();
    let next = Arc::new(AtomicUsize::new(0));
    let bar = super::super::progress::playing(requests.len() as u64);
    let tasks: Vec<_> = (0..depth)
        .map(|_| {
            let (stage, requests, next) = (Arc::clone(stage), Arc::clone(&requests), Arc::clone(&next));
            let (cancel, bar) = (cancel.clone(), bar.clone());
            tokio.spawn(async move {
                while let Some(access) = requests.get(next.fetch_add(1, Ordering::Relaxed)) {
                    if cancel.is_set() {
                        return;
                    }
                    stage.carry_out(*access, Instant::now()).await;
                    bar.inc(1);
                }
            })
        })
        .collect();
    for task in tasks {
        tokio.block_on(task)?;
    }
    bar.finish_and_clear();
    cancel.check()?;
    Ok(requests.len() as u64)
}

impl Stage {
    async fn carry_out(&self, access: Access, due: Instant) {
        let result = match (access.kind, &self.content) {
            (AccessKind::Read, _) => self.read(access, due).await,
            (AccessKind::Write, Some(content)) => self.write(access, content).await,
            // A file of the user's is not changed.
            (AccessKind::Write, None) => Ok(()),
        };
        if let Err(error) = result {
            let mut failure = self.failure.lock();
            let text = || format!("request at {} of {} bytes: {error:#}", access.offset, access.len);
            failure.get_or_insert_with(text);
        }
    }

    async fn read(&self, access: Access, due: Instant) -> anyhow::Result<()> {
        let bytes = self.file.read_range(access.offset, u64::from(access.len)).await?;
        let wait = u64::try_from(due.elapsed().as_nanos()).unwrap_or(u64::MAX);
        self.wait_ns.fetch_add(wait, Ordering::Relaxed);
        if bytes.len() < access.len as usize {
            bail!("only {} bytes were there", bytes.len());
        }
        let first = access.offset.next_multiple_of(BLOCK);
        let last = access.end() / BLOCK * BLOCK;
        if let Some(content) = self.content.as_ref().filter(|_| first < last) {
            let inside = (first - access.offset) as usize..(last - access.offset) as usize;
            content.check(first, &bytes[inside], Some(0), access.at_ns)?;
        }
        Ok(())
    }

    /// Writes the whole blocks around the range, with what they hold anyway.
    async fn write(&self, access: Access, content: &Content) -> anyhow::Result<()> {
        let first = access.offset / BLOCK * BLOCK;
        let len = (access.end().next_multiple_of(BLOCK) - first) as usize;
        let mut buffer = AlignedBuf::zeroed(len)?;
        content.fill(first, 0, &mut buffer);
        self.file.write_from(buffer, first).await.0?;
        self.written.fetch_add(len as u64, Ordering::Relaxed);
        Ok(())
    }
}

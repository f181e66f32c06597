//! The replay on the real engine: direct reads of a file on this disk, with what Rio caches and reads ahead.
//!
//! * [`layout`]: where the requests of a trace lie in a file that is much smaller than the traced devices
//! * [`player`]: carries the requests out when they are due, or as fast as they come back
//!
//! Without `--file` the replay makes a file of its own, checks every block that a read covers, and carries writes out. A file of
//! the user's is only read.

mod layout;
mod player;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use rustfs_rio::{CacheConfig, RuntimeConfig, RuntimeHandle, init_runtime_with_config};
use rustfs_rio_load::{Cancel, Content, Dataset};
use rustfs_rio_tune::{Access, AccessKind, TraceFormat};

use super::args::{ALL, NONE, ReplayArgs};
use super::input::TraceReader;
use super::progress::Progress;
use super::record::Record;
use crate::UsageError;
use crate::bench::interrupt::Interrupt;
use layout::Layout;
use player::{Pace, Played};

/// Requests of one replay at most; they are kept in memory, 32 bytes each.
const REQUESTS_MAX: u64 = 50_000_000;
/// Blocks in which hits are counted.
const BLOCK: u64 = 4096;
const SEED: u64 = 1;
const SHUTDOWN_DEADLINE: Duration = Duration::from_secs(30);

/// A file to replay on.
struct Ground {
    path: PathBuf,
    content: Option<Content>,
    /// Removes the file at the end if it is the replay's own.
    _dataset: Option<Dataset>,
}

/// Runs the trace once.
pub(super) fn run(args: &ReplayArgs, trace: &mut TraceReader) -> anyhow::Result<Record> {
    let ahead = match args.predictor.as_str() {
        ALL => true,
        NONE => false,
        other => {
            let text = format!("--predictor {other} needs --simulate; on the real engine it is all or none");
            return Err(UsageError(text).into());
        }
    };
    let requests = read(args, trace)?;
    let layout = Layout::new(&requests, args.file_bytes_max())?;
    let interrupt = Interrupt::watch().context("cannot handle signals")?;
    let ground = prepare(args, &layout, interrupt.cancel())?;
    let tokio = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let rio = {
        let _inside = tokio.enter();
        init_runtime_with_config(config(args, ahead)?)?
    };
    let before = device_reads();
    let pace = pace(args, trace.format());
    let played = player::play(
        &tokio,
        &rio,
        &ground.path,
        ground.content.as_ref(),
        &layout.place(&requests),
        pace,
        interrupt.cancel(),
    );
    let record = played.map(|played| record(args, trace.format(), &rio, &requests, &played, before));
    let report = tokio.block_on(rio.shutdown(SHUTDOWN_DEADLINE));
    let record = record?;
    if !report.is_clean() {
        bail!("the engine did not shut down cleanly: {report:?}");
    }
    Ok(record)
}

fn pace(args: &ReplayArgs, format: TraceFormat) -> Pace {
    match args.depth() {
        Some(depth) => Pace::AsFast(depth),
        None if format.has_times() => Pace::Recorded(args.speed()),
        None => Pace::AsFast(1),
    }
}

fn read(args: &ReplayArgs, trace: &mut TraceReader) -> anyhow::Result<Vec<Access>> {
    let mut progress = Progress::new();
    let mut requests = Vec::new();
    let most = args.requests.unwrap_or(u64::MAX);
    while (requests.len() as u64) < most {
        let Some(access) = trace.next().transpose()? else { break };
        if requests.len() as u64 >= REQUESTS_MAX {
            let text = format!("the trace has more than {REQUESTS_MAX} requests; cut it with --requests");
            return Err(UsageError(text).into());
        }
        requests.push(access);
        progress.step(trace);
    }
    Ok(requests)
}

fn prepare(args: &ReplayArgs, layout: &Layout, cancel: &Cancel) -> anyhow::Result<Ground> {
    let needed = layout.bytes();
    if let Some(path) = &args.file {
        let size = std::fs::metadata(path).with_context(|| format!("cannot use {}", path.display()))?.len();
        if size < needed {
            let text = format!(
                "{} has {size} bytes and the trace needs {needed}; name a larger file, or leave --file out",
                path.display()
            );
            return Err(UsageError(text).into());
        }
        return Ok(Ground { path: path.clone(), content: None, _dataset: None });
    }
    let size = needed.next_multiple_of(1 << 20).max(1 << 20);
    let bar = crate::replay::progress::preparing(size);
    let dataset = Dataset::create(&args.dir, size, SEED, cancel, &mut |written| bar.set_position(written));
    bar.finish_and_clear();
    let dataset = dataset?;
    rustfs_rio_load::cache::prepare(dataset.file(), rustfs_rio_load::CachePolicy::Dropped, cancel)?;
    let path = dataset.file().path.clone();
    Ok(Ground { path, content: Some(Content::new(SEED)), _dataset: Some(dataset) })
}

fn config(args: &ReplayArgs, ahead: bool) -> anyhow::Result<RuntimeConfig> {
    let bounds = args.bounds();
    let cache = CacheConfig {
        bytes: args.cache_bytes(),
        prefetch: ahead,
        prefetch_use_min: bounds.use_min,
        prefetch_distance: u64::from(bounds.distance_bytes >> 16).clamp(4, 64),
        prefetch_size: u64::from(bounds.size_bytes),
        ..CacheConfig::default()
    };
    Ok(RuntimeConfig { cache: Some(cache), ..RuntimeConfig::from_env()? })
}

fn record(
    args: &ReplayArgs,
    format: TraceFormat,
    rio: &RuntimeHandle,
    requests: &[Access],
    played: &Played,
    before: u64,
) -> Record {
    let cache = rio.block_cache().map(|cache| cache.stats()).unwrap_or_default();
    let ahead = rio.block_cache().and_then(|cache| cache.prefetch_stats()).unwrap_or_default();
    let blocks = |access: &Access| access.end().div_ceil(BLOCK) - access.offset / BLOCK;
    let reads = requests.iter().filter(|access| access.kind == AccessKind::Read);
    Record {
        trace: args.trace.display().to_string(),
        format: format.name(),
        simulated: false,
        predictor: args.predictor.clone(),
        requests: played.requests,
        cache_bytes: cache.capacity_bytes,
        policy: "s3fifo".to_owned(),
        block_bytes: BLOCK,
        read_blocks: reads.map(blocks).sum(),
        hit_blocks: cache.hit_blocks + cache.joined_blocks,
        late_blocks: ahead.late_blocks,
        prefetch_issued_blocks: ahead.issued_blocks,
        prefetch_used_blocks: ahead.used_blocks + ahead.late_blocks,
        device_read_bytes: device_reads().saturating_sub(before),
        device_write_bytes: played.written_bytes,
        demand_wait_us_total: played.wait.as_secs_f64() * 1e6,
        sources: rio.block_cache().map(|cache| cache.prefetch_sources()).unwrap_or_default(),
    }
}

/// Bytes that this process caused to be fetched from storage: `read_bytes` of proc(5). 0 where the kernel does not count them.
fn device_reads() -> u64 {
    let io = std::fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("read_bytes:"));
    line.and_then(|count| count.trim().parse().ok()).unwrap_or(0)
}

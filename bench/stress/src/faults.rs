//! The engine on a simulated device that fails, stalls, interrupts and is short. An error may come back for every operation;
//! wrong bytes may not, and nothing may be left behind.

use std::path::Path;
use std::sync::Arc;

use rustfs_rio_engine::buf::AlignedBuf;
use rustfs_rio_engine::sim::{self, Faults, SimDisk};
use rustfs_rio_engine::{Engine, EngineConfig, File, OpenOptions};
use rustfs_rio_load::{BLOCK, Content};
use tokio::task::JoinSet;

use crate::abandon::within;
use crate::random::Random;
use crate::scene::{Plan, Role, StressError};

const BLOCKS: u64 = 256;
const BLOCKS_MAX: u64 = 16;
const SEED: u64 = 0x5249_4F03;
/// Operations of one device before it is looked at and replaced.
const ROUNDS: u64 = 5_000;
/// How long the engine may take to end on a device that was released.
const SHUTDOWN: std::time::Duration = std::time::Duration::from_secs(30);

pub(crate) fn start(role: &Arc<Role>, plan: &Plan, tasks: &mut JoinSet<()>) -> Result<(), StressError> {
    let (role, seed, width) = (Arc::clone(role), plan.seed, plan.tasks as u64);
    tasks.spawn(async move {
        let mut life = 0;
        while role.goes_on(0) {
            if let Err(problem) = one_device(&role, seed ^ life, width).await {
                role.fail(format!("seed {}: {problem}", seed ^ life));
            }
            life += 1;
        }
    });
    Ok(())
}

/// The life of one device: loaded by several tasks, checked at the end.
async fn one_device(role: &Arc<Role>, seed: u64, width: u64) -> Result<(), String> {
    let faults = Faults {
        latency_max: 40,
        short: 0.05,
        interrupted: 0.02,
        would_block: 0.02,
        read_error: 0.01,
        write_error: 0.01,
        no_space: 0.01,
        ..Faults::default()
    };
    let disk = SimDisk::with_faults(seed, faults);
    let content = Arc::new(Content::new(SEED));
    let mut bytes = vec![0; BLOCKS as usize * BLOCK];
    content.fill(0, 0, &mut bytes);
    disk.install("/file", &bytes);
    let config = EngineConfig { max_concurrent_ops: 32, queue_depth: 16, ..EngineConfig::default() };
    let engine = sim::engine(config, &disk).map_err(|error| error.to_string())?;
    let options = OpenOptions::new().read(true).write(true);
    let mut workers = JoinSet::new();
    for task in 0..width {
        // Opening may be made to fail as well, and is tried again as a service would.
        let Some(file) = open(role, &engine, &options).await else { continue };
        let (role, content) = (Arc::clone(role), Arc::clone(&content));
        let random = Random::new(seed, 6, task);
        workers.spawn(async move { work(&role, &file, &content, random, ROUNDS / width).await });
    }
    while let Some(ended) = workers.join_next().await {
        ended.map_err(|error| error.to_string())?;
    }
    let report = engine.shutdown(SHUTDOWN).await;
    let stats = engine.stats();
    if stats.submitted != stats.delivered + stats.reclaimed {
        return Err(format!("the books do not balance: {stats:?}; {report:?}"));
    }
    drop(engine);
    if disk.open_handles() != 0 {
        return Err(format!("{} handles were left open", disk.open_handles()));
    }
    let after = disk.read_live("/file").unwrap_or_default();
    content.check_fully(0, &after, Some(0)).map_err(|mismatch| format!("at the end, {mismatch}"))
}

async fn open(role: &Role, engine: &Engine, options: &OpenOptions) -> Option<File> {
    for _ in 0..16 {
        match engine.open(Path::new("/file"), options).await {
            Ok(file) => return Some(file),
            Err(_) => role.add(|report| report.injected_errors += 1),
        }
    }
    None
}

async fn work(role: &Role, file: &File, content: &Content, mut random: Random, rounds: u64) {
    for round in 0..rounds {
        if !role.goes_on(round) {
            return;
        }
        let count = 1 + random.below(BLOCKS_MAX);
        let offset = random.below(BLOCKS - count + 1) * BLOCK as u64;
        let Ok(mut bytes) = AlignedBuf::zeroed(count as usize * BLOCK) else {
            return role.fail("no memory for a buffer");
        };
        let polls = random.below(40);
        if random.once_in(2) {
            content.fill(offset, 0, &mut bytes);
            match within(polls, file.write_at(bytes, offset)).await {
                Some((Ok(_), _)) => role.add(|report| report.operations += 1),
                Some((Err(_), _)) => role.add(|report| report.injected_errors += 1),
                None => role.add(|report| report.dropped += 1),
            }
            continue;
        }
        match within(polls, file.read_at(bytes, offset)).await {
            Some((Ok(read), bytes)) => match content.check_fully(offset, &bytes[..read], Some(0)) {
                Ok(()) => role.add(|report| {
                    report.operations += 1;
                    report.verified_bytes += read as u64;
                }),
                Err(mismatch) => role.fail(mismatch.to_string()),
            },
            Some((Err(_), _)) => role.add(|report| report.injected_errors += 1),
            None => role.add(|report| report.dropped += 1),
        }
    }
}

//! Seeded fault schedules: several tasks work on one file of a device that fails in every way it knows, and a model says
//! what every read and every power loss may show.
//!
//! `RIO_SCHEDULES` is the number of schedules, `RIO_SCHEDULE_SEED` the first seed. A failure prints its seed; with that
//! seed and one schedule it happens again, and `RIO_SCHEDULE_TRACE=1` prints every step.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a failed step ends the test, and skips are printed"
)]

#[path = "../lab/mod.rs"]
mod lab;

mod model;
mod plan;
mod tasks;

use lab::number;
use model::{LEN, Model};
use plan::Plan;
use rustfs_rio_engine::sim::{self, Faults, Rng, SimDisk};
use rustfs_rio_engine::{EngineConfig, File, OpenOptions};
use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::atomic::{AtomicU64, Ordering};
use tasks::{FIXED, PATH, RANGES, Shared, Task};
use tokio::task::{JoinSet, LocalSet};

const SEED: u64 = 0x5eed_0000;

#[test]
fn schedules() {
    let count = number("RIO_SCHEDULES", 1000);
    let first = number("RIO_SCHEDULE_SEED", SEED);
    let next = AtomicU64::new(first);
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let seed = next.fetch_add(1, Ordering::Relaxed);
                    if seed >= first + count {
                        return;
                    }
                    run(seed);
                }
            });
        }
    });
    println!("{count} schedules from seed {first}");
}

#[test]
fn equal_seeds_give_equal_schedules() {
    for seed in SEED..SEED + 40 {
        assert_eq!(run(seed), run(seed), "seed {seed}");
    }
}

/// Names the seed when the schedule fails.
struct Named(u64);

impl Drop for Named {
    fn drop(&mut self) {
        if std::thread::panicking() {
            println!("failed: RIO_SCHEDULE_SEED={} RIO_SCHEDULES=1", self.0);
        }
    }
}

/// Runs one schedule and returns a digest of all that happened.
fn run(seed: u64) -> u64 {
    let _named = Named(seed);
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    LocalSet::new().block_on(&runtime, schedule(seed))
}

async fn schedule(seed: u64) -> u64 {
    let mut rng = Rng::new(seed);
    let plan = Plan::draw(&mut rng);
    let disk = SimDisk::new(rng.next_u64());
    disk.install(PATH, &[0; FIXED]);
    let config = EngineConfig { max_concurrent_ops: plan.concurrency, ..EngineConfig::default() };
    let engine = sim::engine(config, &disk).unwrap();
    let file = engine.open(PATH, &OpenOptions::new().read(true).write(true)).await.unwrap();
    let mut model = Model::new(FIXED);
    model.lies = plan.faults.sync_lie > 0.0;
    model.fails = plan.faults.sync_error > 0.0;
    disk.set_faults(plan.faults.clone());
    let shared = Rc::new(Shared {
        engine,
        model: RefCell::new(model),
        file: RefCell::new(file),
        streams: Cell::new(1),
        digest: Cell::new(0),
        traced: std::env::var_os("RIO_SCHEDULE_TRACE").is_some(),
    });
    shared.trace(|| format!("{:?}", plan.faults));
    for _ in 0..plan.rounds {
        round(&plan, &shared, &disk, &mut rng).await;
    }
    finish(&shared, &disk).await;
    let digest = shared.digest.get();
    let engine = shared.engine.clone();
    drop(shared);
    lab::balance(&engine).await;
    assert_eq!(disk.open_handles(), 0, "handles are left open");
    digest
}

/// Lets every task take some steps, then waits until the engine is at rest.
async fn round(plan: &Plan, shared: &Rc<Shared>, disk: &SimDisk, rng: &mut Rng) {
    let mut tasks = JoinSet::new();
    for range in RANGES {
        let task = Task { shared: Rc::clone(shared), rng: rng.fork(), range, drop: plan.drop };
        tasks.spawn_local(task.run(plan.steps_per_round));
    }
    loop {
        match tasks.try_join_next() {
            Some(ended) => ended.unwrap(),
            None if tasks.is_empty() && shared.engine.stats().in_flight == 0 => break,
            None => {
                if rng.chance(plan.crash) {
                    check_crash(shared, disk);
                }
                if disk.hung() > 0 && rng.chance(0.05) {
                    disk.release_hung();
                }
                tokio::task::yield_now().await;
            }
        }
    }
    shared.model.borrow_mut().rest();
    check_crash(shared, disk);
}

/// Checks one of the states that a power loss at this moment may leave.
fn check_crash(shared: &Shared, disk: &SimDisk) {
    let left = disk.crash().read_live(PATH).expect("the file's name is durable");
    shared.note(left.iter().fold(left.len() as u64, |sum, byte| sum.wrapping_mul(31) + u64::from(*byte)));
    let verdict = shared.model.borrow().check_crash(&left);
    verdict.unwrap_or_else(|why| panic!("after a power loss: {why}"));
}

/// With the faults gone: everything reads back, a sync makes it durable, and an engine on what a power loss leaves sees
/// the same bytes.
async fn finish(shared: &Rc<Shared>, disk: &SimDisk) {
    disk.set_faults(Faults::default());
    let options = OpenOptions::new().read(true).write(true);
    let file = shared.engine.open(PATH, &options).await.unwrap();
    shared.file.replace(file.clone());
    {
        let mut model = shared.model.borrow_mut();
        (model.lies, model.fails) = (false, false);
    }
    let all = read_all(&file).await;
    shared.model.borrow().check_read(0, LEN, &all, true).unwrap();
    let sync = shared.model.borrow_mut().sync_starts(&file);
    file.sync_all().await.unwrap();
    shared.model.borrow_mut().sync_succeeds(sync);
    for _ in 0..2 {
        check_crash(shared, disk);
    }
    let left = disk.crash();
    let engine = sim::engine(EngineConfig::default(), &left).unwrap();
    let reopened = engine.open(PATH, &options).await.unwrap();
    assert!(read_all(&reopened).await == left.read_live(PATH).unwrap(), "the engine reads what is left");
    drop(reopened);
    lab::balance(&engine).await;
}

async fn read_all(file: &File) -> Vec<u8> {
    let (result, bytes) = file.read_at(Vec::with_capacity(LEN), 0).await;
    assert_eq!(result.unwrap(), bytes.len());
    bytes
}

//! Power loss, I/O errors, full disks and lying syncs on the simulated device, from seeds.
//!
//! Each seed is one history of a few lives: tasks append, flush, truncate and are cancelled; then the power goes, or the
//! process, or the device fails; the log is opened again and compared with what the model knows. `RIO_WAL_SEEDS` sets the
//! number of seeds, `RIO_WAL_SEED` the first one.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod model;

use model::{Attempt, Expected, Model, Outcome};
use rustfs_rio_engine::sim::{self, Fault, Faults, Rng, Scripted, SimDisk};
use rustfs_rio_engine::{EngineConfig, OpKind};
use rustfs_rio_wal::{Durability, Wal, WalConfig, WalError};
use std::cell::RefCell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

const SEEDS_QUICK: u64 = 300;
const LIVES: usize = 4;

/// What may go wrong in a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Trouble {
    /// The power, and what a kernel does on good days: interruptions, short transfers, reordering.
    Power,
    /// Reads, writes and syncs fail.
    Errors,
    /// The disk is full at times.
    Full,
    /// One sync reports success and does nothing.
    Lie,
}

fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|value| value.parse().unwrap_or_else(|_| panic!("{name} is {value}")))
}

#[test]
fn acknowledged_records_survive() {
    let count = number("RIO_WAL_SEEDS").unwrap_or(SEEDS_QUICK);
    let first = number("RIO_WAL_SEED").unwrap_or(1);
    let mut totals = Totals::default();
    for seed in first..first + count {
        let result = catch_unwind(AssertUnwindSafe(|| history(seed, &mut totals)));
        if let Err(panic) = result {
            eprintln!("seed {seed} fails; RIO_WAL_SEED={seed} RIO_WAL_SEEDS=1 repeats it");
            std::panic::resume_unwind(panic);
        }
    }
    println!("{count} seeds: {totals:?}");
    // Otherwise the test would say nothing.
    if count >= SEEDS_QUICK {
        assert!(totals.acknowledged > 10 * count && totals.cut > 0 && totals.cancelled > 0);
        assert!(totals.refused > 0 && totals.poisoned > 0 && totals.truncations > 0);
        assert!(totals.lies_detected > 0);
    }
}

#[derive(Debug, Default)]
struct Totals {
    lives: u64,
    acknowledged: u64,
    cancelled: u64,
    refused: u64,
    poisoned: u64,
    truncations: u64,
    /// Openings that cut something off.
    cut: u64,
    lies_detected: u64,
    /// Lies that cost acknowledged records, and of which the device leaves no trace.
    lies_undetected: u64,
}

fn history(seed: u64, totals: &mut Totals) {
    let mut rng = Rng::new(seed);
    let trouble = match rng.below(8) {
        0..4 => Trouble::Power,
        4..6 => Trouble::Errors,
        6 => Trouble::Full,
        _ => Trouble::Lie,
    };
    let config = config(&mut rng, trouble);
    let mut disk = SimDisk::new(rng.next_u64());
    disk.create_dir("/log").unwrap();
    let mut expected = Expected::new(config.durability.is_durable());
    for life in 0..LIVES {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        let next = runtime.block_on(live(&mut rng, &disk, &config, trouble, life, &mut expected, totals));
        totals.lives += 1;
        match next {
            Some(next) => disk = next,
            None => return,
        }
    }
}

fn config(rng: &mut Rng, trouble: Trouble) -> WalConfig {
    let wait = Duration::from_micros(50);
    let durability = match rng.below(6) {
        _ if trouble == Trouble::Lie => Durability::Strict,
        0 => Durability::Group(wait),
        1 => Durability::Relaxed(wait),
        2 => Durability::Unsynced,
        _ => Durability::Strict,
    };
    WalConfig {
        durability,
        segment_bytes: 16384 << rng.below(2),
        block_bytes: 512 << rng.below(4),
        pending_bytes_max: 4096 << rng.below(4),
        buffer_bytes: 512,
        batch_records_max: 1 << rng.below(6),
        spare_segments_max: rng.below(3) as usize,
        ..WalConfig::default()
    }
}

fn faults(rng: &mut Rng, trouble: Trouble) -> Faults {
    let often = rng.below(3) as f64 * 0.05;
    let mut faults = Faults {
        latency_max: rng.below(4) * 5,
        short: often,
        interrupted: often / 4.0,
        would_block: often / 4.0,
        lost_at_crash: rng.below(4) as f64 / 3.0,
        torn_at_crash: rng.below(3) as f64 / 2.0,
        no_fallocate: rng.chance(0.2),
        ..Faults::default()
    };
    match trouble {
        Trouble::Power => {}
        Trouble::Errors => {
            faults.read_error = 0.001;
            faults.write_error = 0.01;
            faults.sync_error = 0.01;
        }
        Trouble::Full => {
            faults.capacity = Some((3 + rng.below(8)) * 16384);
            faults.no_space = 0.01;
        }
        Trouble::Lie => {
            let nth = rng.below(60);
            faults.script = vec![Scripted { kind: OpKind::Fdatasync, nth, fault: Fault::SyncLies }];
        }
    }
    faults
}

/// One life of the log. Returns the disk that the next one finds, or `None` if the history ends here.
async fn live(
    rng: &mut Rng,
    disk: &SimDisk,
    config: &WalConfig,
    trouble: Trouble,
    life: usize,
    expected: &mut Expected,
    totals: &mut Totals,
) -> Option<SimDisk> {
    let engine = sim::engine(EngineConfig::default(), disk).unwrap();
    // The first look at what is there is undisturbed: it decides about the life before.
    let wal = if life == 0 {
        Wal::create_simulated(&engine, disk, "/log", config.clone()).await.unwrap()
    } else {
        match Wal::open_simulated(&engine, disk, "/log", config.clone()).await {
            Ok(wal) => wal,
            Err(WalError::Damaged { damage, .. }) if trouble == Trouble::Lie && expected.lied => {
                totals.lies_detected += 1;
                assert!(!damage.to_string().is_empty());
                return None;
            }
            Err(error) => panic!("the log does not open: {error}"),
        }
    };
    totals.cut += u64::from(wal.recovery().tail == rustfs_rio_wal::Tail::Torn);
    let entries = model::read_all(&wal).await;
    let lost = expected.check(&wal, &entries);
    if lost > 0 {
        assert!(trouble == Trouble::Lie && expected.lied, "{lost} acknowledged records are gone");
        totals.lies_undetected += 1;
        return None;
    }
    expected.settle(&entries, &wal);
    disk.set_faults(faults(rng, trouble));
    if trouble == Trouble::Lie {
        expected.lied = true;
    }
    if rng.chance(0.5) {
        disk.cut_power_after_steps(rng.below(400));
    } else {
        disk.cut_power_after_syncs(rng.below(60));
    }
    let wal = Arc::new(wal);
    let model = Rc::new(RefCell::new(Model::new(rng.next_u64(), expected)));
    let tasks = tokio::task::LocalSet::new();
    let mut handles = Vec::new();
    for _ in 0..1 + rng.below(5) {
        let (wal, model, mut rng) = (Arc::clone(&wal), Rc::clone(&model), rng.fork());
        handles.push(tasks.spawn_local(async move { task(&wal, &model, &mut rng).await }));
    }
    tasks.await;
    for handle in handles {
        handle.await.unwrap();
    }
    let model = Rc::into_inner(model).unwrap().into_inner();
    totals.acknowledged += model.count(Outcome::is_acknowledged);
    totals.cancelled += model.count(|outcome| *outcome == Outcome::Unknown);
    totals.refused += model.count(|outcome| *outcome == Outcome::Refused);
    totals.truncations += u64::from(model.truncated > 1);
    let broken = wal.failure().is_some();
    totals.poisoned += u64::from(broken);
    let closed = !broken && rng.chance(0.1) && wal.close().await.is_ok();
    expected.join(model, closed);
    drop(wal);
    // A process that dies leaves the page cache to the next one; after an error the machine is restarted as well, because
    // the simulated page cache shows what is not on the device.
    let next = if broken || rng.chance(0.7) {
        disk.crash()
    } else {
        disk.set_faults(Faults::default());
        disk.cut_power_after_steps(u64::MAX / 2);
        disk.clone()
    };
    assert!(engine.shutdown(Duration::from_secs(5)).await.is_clean());
    Some(next)
}

async fn task(wal: &Wal, model: &RefCell<Model>, rng: &mut Rng) {
    for _ in 0..5 + rng.below(30) {
        match rng.below(20) {
            0 => {
                let covered = model.borrow().settled();
                if wal.flush().await.is_ok() {
                    model.borrow_mut().flushed(&covered);
                }
            }
            1 => truncate(wal, model, rng).await,
            2 => {
                let at = rng.below(1000);
                model.borrow_mut().checkpoints.push(at);
                if wal.checkpoint(at.min(wal.next_sequence())).await.is_err() {
                    tokio::task::yield_now().await;
                }
            }
            3 => model::read_some(wal, rng).await,
            _ => append(wal, model, rng).await,
        }
        if wal.failure().is_some() {
            return;
        }
    }
}

async fn truncate(wal: &Wal, model: &RefCell<Model>, rng: &mut Rng) {
    let next = wal.read_from(wal.first_sequence()).map_or(1, |_| wal.next_sequence());
    let before = next.saturating_sub(rng.below(20)).max(1);
    {
        let mut model = model.borrow_mut();
        model.truncation_asked = model.truncation_asked.max(before);
    }
    if wal.truncate_before(before).await.is_ok() {
        let first = wal.first_sequence();
        let mut model = model.borrow_mut();
        model.truncated = model.truncated.max(first);
    }
}

async fn append(wal: &Wal, model: &RefCell<Model>, rng: &mut Rng) {
    let limit = wal.config().record_limit();
    let count =
        if rng.chance(0.2) { 1 + rng.below(u64::from(wal.config().batch_records_max).min(4)) } else { 1 };
    let sizes: Vec<usize> =
        (0..count).map(|_| 16 + rng.below(limit.min(1500) as u64 - 16) as usize).collect();
    let (index, records) = model.borrow_mut().attempt(&sizes);
    let patience = if rng.chance(0.15) { rng.below(6) } else { u64::MAX };
    let work = async {
        match &records[..] {
            [one] => wal.append(one).await.map(|sequence| vec![sequence]),
            all => wal.append_batch(all).await,
        }
    };
    let cancel = async {
        if patience == u64::MAX {
            std::future::pending::<()>().await;
        }
        for _ in 0..patience {
            tokio::task::yield_now().await;
        }
    };
    let outcome = tokio::select! {
        biased;
        result = work => match result {
            Ok(sequences) => Outcome::Acknowledged(sequences[0]),
            Err(WalError::Poisoned(_) | WalError::Closed) => Outcome::Failed,
            Err(_) => Outcome::Refused,
        },
        () = cancel => Outcome::Unknown,
    };
    let attempt: &mut Attempt = &mut model.borrow_mut().attempts[index];
    attempt.outcome = outcome;
}

//! One fault at a time on the simulated device, and a reference model of what happens without any.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

use proptest::prelude::*;
use rustfs_rio_engine::sim::{self, Fault, Faults, SimDisk};
use rustfs_rio_engine::{Engine, EngineConfig, OpKind};
use rustfs_rio_wal::{Durability, Tail, Wal, WalConfig, WalError};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

const EIO: i32 = 5;
const ENOSPC: i32 = 28;

fn config() -> WalConfig {
    WalConfig { segment_bytes: 32 << 10, block_bytes: 512, buffer_bytes: 512, ..WalConfig::default() }
}

fn disk() -> (SimDisk, Engine) {
    let disk = SimDisk::new(7);
    disk.create_dir("/log").unwrap();
    let engine = sim::engine(EngineConfig::default(), &disk).unwrap();
    (disk, engine)
}

async fn create(engine: &Engine, disk: &SimDisk, config: WalConfig) -> Wal {
    Wal::create_simulated(engine, disk, "/log", config).await.unwrap()
}

async fn reopen(engine: &Engine, disk: &SimDisk) -> Wal {
    Wal::open_simulated(engine, disk, "/log", config()).await.unwrap()
}

async fn count(wal: &Wal) -> u64 {
    wal.verify().await.unwrap()
}

#[tokio::test]
async fn a_failed_write_or_sync_ends_the_log_for_everybody() {
    for (kind, fault) in [
        (OpKind::Write, Fault::Error(EIO)),
        (OpKind::Write, Fault::Torn),
        (OpKind::Fdatasync, Fault::SyncFails),
        (OpKind::Fdatasync, Fault::Error(EIO)),
        // No room for what was written already: the sync has lost it.
        (OpKind::Fdatasync, Fault::Error(ENOSPC)),
    ] {
        let (disk, engine) = disk();
        let wal = Arc::new(create(&engine, &disk, config()).await);
        wal.append(b"durable").await.unwrap();
        disk.set_faults(Faults::once(kind, 0, fault));
        let tasks: Vec<_> = (0..8)
            .map(|_| {
                let wal = Arc::clone(&wal);
                tokio::spawn(async move { wal.append(b"lost").await })
            })
            .collect();
        let mut texts = Vec::new();
        for task in tasks {
            let Err(error @ WalError::Poisoned(_)) = task.await.unwrap() else {
                panic!("{fault:?}: no error")
            };
            texts.push(error.to_string());
        }
        texts.extend([
            wal.append(b"later").await.unwrap_err().to_string(),
            wal.flush().await.unwrap_err().to_string(),
            wal.truncate_before(1).await.unwrap_err().to_string(),
            wal.failure().unwrap().to_string(),
        ]);
        assert!(
            texts.iter().all(|text| *text == texts[0]),
            "{fault:?}: everybody has the first error: {texts:?}"
        );
        assert_eq!(count(&wal).await, 1, "what is durable stays readable");
        drop(wal);
        let after = disk.crash();
        let engine = sim::engine(EngineConfig::default(), &after).unwrap();
        let wal = reopen(&engine, &after).await;
        assert!(wal.recovery().records >= 1);
        wal.append(b"goes on").await.unwrap();
    }
}

#[tokio::test]
async fn a_full_disk_keeps_the_log_readable_and_room_lets_it_go_on() {
    let (disk, engine) = disk();
    let wal = create(&engine, &disk, config()).await;
    // The control file, two segments, and half of a third.
    disk.set_faults(Faults { capacity: Some(8192 + 80 * 1024), ..Faults::default() });
    let mut number = 0u64;
    let error = loop {
        match wal.append(&[1; 1500]).await {
            Ok(sequence) => {
                number += 1;
                assert_eq!(sequence, number);
            }
            Err(error) => break error,
        }
    };
    assert!(matches!(error, WalError::NoSpace(_)), "{error}");
    assert!(wal.failure().is_none());
    assert_eq!(count(&wal).await, number);
    assert!(matches!(wal.append(&[1; 1500]).await, Err(WalError::NoSpace(_))), "still");
    // By giving up records.
    wal.truncate_before(wal.segments().last().unwrap().first_sequence).await.unwrap();
    assert_eq!(wal.append(&[1; 1500]).await.unwrap(), number + 1);
    let error = loop {
        if let Err(error) = wal.append(&[1; 1500]).await {
            break error;
        }
    };
    assert!(matches!(error, WalError::NoSpace(_)), "{error}");
    let next = wal.next_sequence();
    // By room on the disk.
    disk.set_faults(Faults::default());
    assert_eq!(wal.append(&[1; 1500]).await.unwrap(), next);
    drop(wal);
    let wal = reopen(&engine, &disk).await;
    assert_eq!((wal.next_sequence(), wal.recovery().tail), (next + 1, Tail::Clean));
    count(&wal).await;
}

#[tokio::test]
async fn a_full_disk_while_a_file_is_made_leaves_no_file() {
    let (disk, engine) = disk();
    let wal = create(&engine, &disk, config()).await;
    for kind in [OpKind::Fallocate, OpKind::Write, OpKind::Fsync] {
        while wal.segments().last().unwrap().used_bytes + 2048 <= 32 << 10 {
            wal.append(&[1; 1500]).await.unwrap();
        }
        let before = disk.paths();
        disk.set_faults(Faults::once(kind, 0, Fault::Error(ENOSPC)));
        let error = wal.append(&[1; 1500]).await.unwrap_err();
        assert!(matches!(error, WalError::NoSpace(_)), "{kind}: {error}");
        assert_eq!(disk.paths(), before, "{kind}");
        disk.set_faults(Faults::default());
        wal.append(&[1; 1500]).await.unwrap();
    }
    count(&wal).await;
}

#[tokio::test]
async fn a_cancelled_append_is_there_or_not_and_stops_nobody() {
    let (disk, engine) = disk();
    let wal = create(&engine, &disk, config()).await;
    let context = &mut Context::from_waker(Waker::noop());
    // The driver, and one who waits for it.
    disk.hang();
    {
        let mut driver = pin!(wal.append(b"driver"));
        let mut waiter = pin!(wal.append(b"waiter"));
        assert!(driver.as_mut().poll(context).is_pending());
        assert!(waiter.as_mut().poll(context).is_pending());
    }
    disk.release_hung();
    assert_eq!(wal.append(b"third").await.unwrap(), 3);
    assert_eq!(count(&wal).await, 3, "both were taken over");
    // One that was never polled.
    drop(wal.append(b"never"));
    assert_eq!(wal.append(b"fourth").await.unwrap(), 4);
    // Dropped with the log while the device holds the write: there or not, and never in part.
    disk.hang();
    {
        let mut last = pin!(wal.append(b"last"));
        assert!(last.as_mut().poll(context).is_pending());
    }
    drop(wal);
    disk.release_hung();
    let wal = reopen(&engine, &disk).await;
    assert!((4..=5).contains(&count(&wal).await));
}

#[tokio::test]
async fn who_finds_no_room_waits_in_order() {
    let (disk, engine) = disk();
    let bounds = WalConfig { pending_bytes_max: 4096, batch_records_max: 2, ..config() };
    let wal = create(&engine, &disk, bounds).await;
    disk.hang();
    let mut waiting: Vec<_> = {
        let wal = &wal;
        (0..20u8).map(|number| Box::pin(async move { wal.append(&[number; 1000]).await })).collect()
    };
    let context = &mut Context::from_waker(Waker::noop());
    for append in &mut waiting {
        assert!(append.as_mut().poll(context).is_pending());
    }
    // At most four records of 1032 bytes, less what a batch takes, have numbers.
    assert!(wal.next_sequence() <= 4, "{} have numbers", wal.next_sequence() - 1);
    // One of those that wait gives up.
    drop(waiting.remove(10));
    disk.release_hung();
    for (append, sequence) in waiting.into_iter().zip(1..) {
        assert_eq!(append.await.unwrap(), sequence);
    }
}

#[tokio::test(start_paused = true)]
async fn relaxed_records_are_synced_in_time_without_another_call() {
    let (disk, engine) = disk();
    let interval = Duration::from_millis(50);
    let wal =
        create(&engine, &disk, WalConfig { durability: Durability::Relaxed(interval), ..config() }).await;
    wal.append(b"data").await.unwrap();
    let file = "/log/0000000001.wal";
    assert_ne!(disk.read_durable(file), disk.read_live(file));
    // why: time is the subject, and stands still otherwise
    tokio::time::sleep(2 * interval).await;
    assert_eq!(disk.read_durable(file), disk.read_live(file));
    let syncs = disk.syncs();
    // why: at rest nothing may be synced
    tokio::time::sleep(100 * interval).await;
    assert_eq!(disk.syncs(), syncs);
    wal.close().await.unwrap();
}

#[tokio::test]
async fn dropping_a_log_leaves_nothing_running() {
    let (disk, engine) = disk();
    let wal = create(
        &engine,
        &disk,
        WalConfig { durability: Durability::Relaxed(Duration::from_secs(60)), ..config() },
    )
    .await;
    wal.append(b"data").await.unwrap();
    let reader = wal.read_from(1).unwrap();
    drop(wal);
    drop(reader);
    tokio::task::yield_now().await;
    assert!(engine.shutdown(Duration::from_secs(5)).await.is_clean());
    assert_eq!(disk.open_handles(), 0);
}

/// What is done to a log.
#[derive(Debug, Clone)]
enum Step {
    Append(usize),
    Batch(Vec<usize>),
    Truncate(u64),
    Read(u64),
    Flush,
    Reopen { close: bool, crash: bool },
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        8 => (1usize..3000).prop_map(Step::Append),
        3 => prop::collection::vec(1usize..2000, 1..8).prop_map(Step::Batch),
        2 => (0u64..40).prop_map(Step::Truncate),
        2 => (0u64..60).prop_map(Step::Read),
        1 => Just(Step::Flush),
        2 => (any::<bool>(), any::<bool>()).prop_map(|(close, crash)| Step::Reopen { close, crash }),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    /// A log is a vector of records with a moving beginning.
    #[test]
    fn a_log_is_what_its_model_is(steps in prop::collection::vec(step(), 1..80), block in 0u32..4, spares in 0usize..3) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap();
        runtime.block_on(async {
            let settings = WalConfig { block_bytes: 512 << block, spare_segments_max: spares, ..config() };
            let (mut disk, mut engine) = disk();
            let mut wal = create(&engine, &disk, settings.clone()).await;
            let mut model: Vec<Vec<u8>> = Vec::new();
            let mut first = 1;
            let record = |number: usize, len: usize| vec![number as u8; len];
            for step in steps {
                match step {
                    Step::Append(len) => {
                        model.push(record(model.len(), len));
                        let sequence = wal.append(&model[model.len() - 1]).await.unwrap();
                        prop_assert_eq!(sequence, model.len() as u64);
                    }
                    Step::Batch(lens) => {
                        let start = model.len();
                        model.extend(lens.iter().enumerate().map(|(at, len)| record(start + at, *len)));
                        let sequences = wal.append_batch(&model[start..]).await.unwrap();
                        let all: Vec<u64> = (start as u64 + 1..=model.len() as u64).collect();
                        prop_assert_eq!(sequences, all);
                    }
                    Step::Truncate(back) => {
                        let before = (model.len() as u64 + 5).saturating_sub(back);
                        wal.truncate_before(before).await.unwrap();
                        first = first.max(before.min(model.len() as u64 + 1));
                    }
                    Step::Read(back) => {
                        let from = (model.len() as u64 + 1).saturating_sub(back).max(first);
                        let mut reader = wal.read_from(from).unwrap();
                        for number in from..=model.len() as u64 {
                            let entry = reader.next().await.unwrap().unwrap();
                            prop_assert_eq!((entry.sequence, &entry.data[..]), (number, &model[number as usize - 1][..]));
                        }
                        prop_assert_eq!(reader.next().await.unwrap(), None);
                    }
                    Step::Flush => wal.flush().await.unwrap(),
                    Step::Reopen { close, crash } => {
                        if close {
                            wal.close().await.unwrap();
                        }
                        drop(wal);
                        if crash {
                            disk = disk.crash();
                            engine = sim::engine(EngineConfig::default(), &disk).unwrap();
                        }
                        wal = Wal::open_simulated(&engine, &disk, "/log", settings.clone()).await.unwrap();
                        prop_assert_eq!(wal.recovery().closed, close);
                    }
                }
                prop_assert_eq!((wal.first_sequence(), wal.next_sequence()), (first, model.len() as u64 + 1));
            }
            prop_assert_eq!(wal.verify().await.unwrap(), model.len() as u64 + 1 - first);
            Ok(())
        })?;
    }
}

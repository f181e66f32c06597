//! Every setting of the engine, at its extremes, does the same work correctly.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failed step ends the test, and skips are printed"
)]

use rustfs_rio_engine::buf::AlignedBuf;
use rustfs_rio_engine::{Backend, DirectMode, Engine, EngineConfig, EngineError, OpenOptions, RingUse};
use std::time::Duration;

const BLOCK: usize = 4096;
const BLOCKS: usize = 64;

/// Writes and reads a file with many tasks at once, buffered and direct, and shuts down with balanced books.
async fn work(config: EngineConfig) -> Engine {
    let engine = Engine::new(config).unwrap();
    let dir = tempfile::tempdir().unwrap();
    for (name, direct) in [("buffered", DirectMode::Off), ("direct", DirectMode::Auto)] {
        let options = OpenOptions::new().read(true).write(true).create(true).direct(direct);
        let file = engine.open(dir.path().join(name), &options).await.unwrap();
        let write = |index: usize| {
            let file = file.clone();
            tokio::spawn(async move {
                let mut block = AlignedBuf::zeroed(BLOCK).unwrap();
                block.fill(index as u8);
                file.write_at(block, (index * BLOCK) as u64).await.0.unwrap()
            })
        };
        for task in (0..BLOCKS).map(write).collect::<Vec<_>>() {
            assert_eq!(task.await.unwrap(), BLOCK);
        }
        file.sync_data().await.unwrap();
        let read = |index: usize| {
            let file = file.clone();
            tokio::spawn(async move {
                let block = AlignedBuf::with_capacity(BLOCK).unwrap();
                let (count, block) = file.read_at(block, (index * BLOCK) as u64).await;
                assert_eq!(count.unwrap(), BLOCK);
                assert!(block.iter().all(|byte| *byte == index as u8), "block {index}");
            })
        };
        for task in (0..BLOCKS).map(read).collect::<Vec<_>>() {
            task.await.unwrap();
        }
    }
    let report = engine.shutdown(Duration::from_secs(30)).await;
    assert!(report.is_clean(), "{report:?}");
    let stats = engine.stats();
    assert_eq!(stats.submitted, stats.delivered + stats.reclaimed, "{stats:?}");
    assert_eq!(stats.in_flight, 0);
    engine
}

/// Where the machine refuses rings, the contract suite says so loudly; these tests then check the fallback.
fn has_ring(engine: &Engine) -> bool {
    engine.capabilities().rings > 0
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_smallest_bounds_slow_down_but_work() {
    let config = EngineConfig {
        max_concurrent_ops: 1,
        queue_depth: 1,
        blocking_threads_max: 1,
        ring_workers_max: 1,
        ..EngineConfig::default()
    };
    work(config).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_depth_below_the_load_queues_the_rest() {
    let config =
        EngineConfig { queue_depth: 2, backend: Backend::Auto, inline: false, ..EngineConfig::default() };
    work(config).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn several_rings_share_the_work() {
    let engine = work(EngineConfig { rings: 4, ..EngineConfig::default() }).await;
    assert!(!has_ring(&engine) || engine.capabilities().rings == 4);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kernel_thread_may_submit() {
    let config = EngineConfig { sqpoll_idle: Some(Duration::from_millis(10)), ..EngineConfig::default() };
    work(config).await;
}

/// Few machines have polled queues (the emulated one does); elsewhere this shows that transfers find another path.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn completions_may_be_polled_for() {
    work(EngineConfig { iopoll: true, ..EngineConfig::default() }).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn priority_is_passed_on() {
    work(EngineConfig { high_priority: true, ..EngineConfig::default() }).await;
}

#[tokio::test]
async fn without_gathering_every_operation_is_submitted_at_once() {
    let engine = work(EngineConfig { gather: false, inline: false, ..EngineConfig::default() }).await;
    let stats = engine.stats();
    assert!(!has_ring(&engine) || stats.ring_enters > 0, "{stats:?}");
}

#[tokio::test]
async fn without_inline_copies_nothing_runs_on_the_calling_task() {
    let engine = work(EngineConfig { inline: false, ..EngineConfig::default() }).await;
    assert_eq!(engine.stats().inline_ops, 0);
}

#[tokio::test]
async fn without_a_ring_nothing_goes_there() {
    let engine = work(EngineConfig { ring: RingUse::Off, ..EngineConfig::default() }).await;
    let stats = engine.stats();
    assert_eq!((stats.ring_ops, stats.ring_enters, engine.capabilities().rings), (0, 0, 0));
    assert!(engine.capabilities().ring_refusal.is_none(), "nobody refused it");
}

/// Reads all blocks of a file at once through the ring, and returns the calls into the kernel that took.
async fn enters_of_reads(engine: &Engine, file: &rustfs_rio_engine::File) -> u64 {
    let before = engine.stats().ring_enters;
    let read = |index: usize| file.read_at(vec![0; BLOCK], (index * BLOCK) as u64);
    let reads = futures_of((0..BLOCKS).map(read));
    for (result, _) in reads.await {
        assert_eq!(result.unwrap(), BLOCK);
    }
    engine.stats().ring_enters - before
}

/// Polls all futures in turn until each is done.
async fn futures_of<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.map(Box::pin).map(Some).collect();
    let mut done = Vec::new();
    std::future::poll_fn(|cx| {
        for slot in &mut running {
            if let Some(future) = slot
                && let std::task::Poll::Ready(output) = future.as_mut().poll(cx)
            {
                done.push(output);
                *slot = None;
            }
        }
        match running.iter().all(Option::is_none) {
            true => std::task::Poll::Ready(std::mem::take(&mut done)),
            false => std::task::Poll::Pending,
        }
    })
    .await
}

#[tokio::test]
async fn bounds_change_while_it_runs_and_reach_the_part_that_keeps_them() {
    let config = EngineConfig { backend: Backend::Auto, inline: false, rings: 1, ..EngineConfig::default() };
    let engine = Engine::new(config).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let options = OpenOptions::new().read(true).write(true).create(true);
    let file = engine.open(dir.path().join("file"), &options).await.unwrap();
    file.write_at(vec![1u8; BLOCKS * BLOCK], 0).await.0.unwrap();
    engine.set_max_concurrent_ops(2);
    engine.set_queue_depth(1);
    engine.set_batch(1, Duration::from_millis(20));
    engine.set_gather(false);
    let limits = engine.limits();
    assert_eq!((limits.max_concurrent_ops, limits.gather), (2, false));
    if has_ring(&engine) {
        assert_eq!((limits.queue_depth, limits.batch_size), (1, 1));
        assert_eq!(limits.batch_timeout, Duration::from_millis(20));
        let single = enters_of_reads(&engine, &file).await;
        assert!(single >= BLOCKS as u64, "each operation is a call of its own, not {single}");
    } else {
        println!("RIO-SKIP: without a ring there is nothing to gather");
    }
    engine.set_max_concurrent_ops(usize::MAX);
    engine.set_queue_depth(u32::MAX);
    let limits = engine.limits();
    assert_eq!((limits.max_concurrent_ops, limits.queue_depth), (65536, engine.config().queue_depth));
    drop(file);
    assert!(engine.shutdown(Duration::from_secs(30)).await.is_clean());
}

#[tokio::test]
async fn settings_out_of_range_are_refused_by_name() {
    let config = EngineConfig { rings: 65, ..EngineConfig::default() };
    let error = Engine::new(config).unwrap_err();
    assert!(matches!(error, EngineError::Config { name: "rings", value: 65, .. }), "{error}");
}

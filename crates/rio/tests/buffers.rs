//! Buffers of the runtime, and reads into them.

#![allow(clippy::unwrap_used, reason = "a failed step ends the test")]

use rustfs_rio::{
    AdvancedBufferPool, DiskFile, FileError, Leak, MemoryStrategy, PoolError, RuntimeConfig, RuntimeHandle,
};
use std::io::ErrorKind;
use std::time::Duration;

fn handle(buffer_memory: u64, io_timeout: Duration) -> RuntimeHandle {
    RuntimeHandle::new(RuntimeConfig { buffer_memory, io_timeout, ..RuntimeConfig::default() }).unwrap()
}

#[tokio::test]
async fn reads_use_the_same_memory_again() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("object");
    std::fs::write(&path, vec![7; 300_000]).unwrap();
    let handle = handle(64 << 20, Duration::from_secs(30));
    let file = DiskFile::open(&path, handle.clone()).await.unwrap();
    for offset in 0..50 {
        let part = file.read_range(offset * 1000, 100_000).await.unwrap();
        assert!(part.len() == 100_000 && part.iter().all(|byte| *byte == 7));
    }
    let stats = handle.buffer_pool().stats();
    assert_eq!((stats.hits, stats.misses, stats.outstanding, stats.buffers), (49, 1, 0, 1));
    assert!(handle.shutdown(Duration::from_secs(5)).await.is_clean());
}

#[tokio::test]
async fn a_buffer_is_written_and_read_back() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("object");
    let handle = handle(64 << 20, Duration::from_secs(30));
    let mut file = DiskFile::create_with_runtime(&path, &handle).await.unwrap();
    let mut buffer = handle.get_optimized_buffer(5000).await.unwrap();
    assert!(buffer.is_empty() && buffer.capacity() >= 5000);
    buffer.resize(5000, 3).unwrap();
    assert_eq!(file.write_all(&buffer).await.unwrap(), 5000);
    let (written, buffer) = file.write_from(buffer, 5000).await;
    assert_eq!((written.unwrap(), buffer.len()), (5000, 5000));
    assert_eq!(std::fs::read(&path).unwrap(), vec![3; 10_000]);
}

#[tokio::test]
async fn the_bound_is_an_error_that_says_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("object");
    std::fs::write(&path, vec![7; 3 << 20]).unwrap();
    // The wait below is this long; opening, which it bounds too, has to fit on a busy machine.
    let handle = handle(1 << 20, Duration::from_secs(1));
    let file = DiskFile::open(&path, handle.clone()).await.unwrap();
    let error = file.read_range(0, 3 << 20).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput);
    let context = FileError::of(&error).unwrap();
    assert_eq!((context.path.as_path(), context.offset), (path.as_path(), Some(0)));
    let source = context.source.get_ref().and_then(|source| source.downcast_ref::<PoolError>());
    assert!(matches!(source, Some(PoolError::TooLarge { .. })), "{error:?}");
    // Who holds all memory and asks for more does not wait for ever.
    let held = handle.get_optimized_buffer(1 << 20).await.unwrap();
    let error = file.read_range(0, 1).await.unwrap_err();
    assert!(error.kind() == ErrorKind::TimedOut && error.to_string().contains("buffer_memory"), "{error}");
    drop(held);
    assert_eq!(file.read_range(0, 1).await.unwrap()[..], [7]);
}

#[tokio::test]
async fn waiting_reads_get_their_turn() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("object");
    std::fs::write(&path, vec![7; 1 << 20]).unwrap();
    let handle = handle(2 << 20, Duration::from_secs(30));
    let file = std::sync::Arc::new(DiskFile::open(&path, handle.clone()).await.unwrap());
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let file = file.clone();
            tokio::spawn(async move {
                let part = file.read_range(0, 1 << 20).await.unwrap();
                tokio::task::yield_now().await;
                part.len()
            })
        })
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), 1 << 20);
    }
    let stats = handle.buffer_pool().stats();
    assert!(stats.buffers_peak <= 2 && stats.outstanding == 0, "{stats:?}");
}

#[test]
fn an_impossible_bound_is_refused() {
    let config = RuntimeConfig { buffer_memory: 4096, ..RuntimeConfig::default() };
    let error = RuntimeHandle::new(config).unwrap_err();
    assert!(error.to_string().contains("buffer_memory is 4096"), "{error}");
}

#[tokio::test]
async fn strategies_decide_sizes() {
    let capacities = async |strategy, hints: [usize; 4]| {
        let pool = AdvancedBufferPool::try_new(strategy).unwrap();
        let mut capacities = Vec::new();
        for hint in hints {
            let buffer = pool.get_optimized_buffer(hint).await.unwrap();
            assert!(buffer.is_empty());
            capacities.push(buffer.capacity());
        }
        capacities
    };
    let fixed = MemoryStrategy::Fixed { buffer_size: 1024, max_buffers: 10 };
    assert_eq!(capacities(fixed, [512, 2048, 1024, 0]).await, [1024; 4]);
    let adaptive =
        MemoryStrategy::Adaptive { min_size: 512, max_size: 6000, max_buffers: 10, growth_factor: 1.2 };
    assert_eq!(capacities(adaptive, [1, 5000, 4 << 20, 4097]).await, [4096, 6000, 6000, 6000]);
    let numa = MemoryStrategy::AdaptiveNuma { initial_size: 64 << 10, max_buffers: 1024, numa_node: Some(0) };
    assert_eq!(capacities(numa, [1000, 65_537, 1 << 20, 0]).await, [64 << 10, 80 << 10, 1 << 20, 64 << 10]);
}

#[tokio::test]
async fn statistics_are_those_of_what_happened() {
    let pool = AdvancedBufferPool::new(MemoryStrategy::Fixed { buffer_size: 1024, max_buffers: 4 });
    let (first, second) =
        (pool.get_optimized_buffer(512).await.unwrap(), pool.get_optimized_buffer(2048).await.unwrap());
    let stats = pool.get_stats().await;
    assert_eq!((stats.total_allocations, stats.cache_hits, stats.cache_misses), (2, 0, 2));
    assert_eq!((stats.average_buffer_size, stats.buffers_in_use, stats.current_buffer_count), (1280, 2, 2));
    assert!(
        stats.allocation_latency_us > 0.0
            && stats.memory_usage_bytes == 8192
            && stats.bound_bytes == 4 * 4096
    );
    drop((first, second));
    for _ in 0..13 {
        drop(pool.get_optimized_buffer(1).await.unwrap());
    }
    let stats = pool.get_stats().await;
    assert_eq!((stats.total_allocations, stats.cache_hits, stats.peak_buffer_count), (15, 13, 2));
    assert_eq!(stats.buffers_in_use, 0);
}

#[tokio::test]
async fn strategies_that_cannot_be_followed_are_typed_errors() {
    let refused = |strategy: MemoryStrategy| AdvancedBufferPool::try_new(strategy).unwrap_err();
    let adaptive = |min_size, max_size, max_buffers, growth_factor| MemoryStrategy::Adaptive {
        min_size,
        max_size,
        max_buffers,
        growth_factor,
    };
    assert_eq!(refused(MemoryStrategy::Fixed { buffer_size: 0, max_buffers: 1 }), PoolError::Zero);
    assert_eq!(refused(MemoryStrategy::Fixed { buffer_size: 1, max_buffers: 0 }), PoolError::Zero);
    assert_eq!(refused(adaptive(0, 1, 1, 1.2)), PoolError::Zero);
    assert_eq!(refused(adaptive(2, 1, 1, 1.2)), PoolError::Sizes { min: 2, max: 1 });
    assert!(matches!(refused(adaptive(1, 2, 1, 1.0)), PoolError::Headroom { .. }));
    assert!(matches!(refused(adaptive(1, 2, 1, f64::NAN)), PoolError::Headroom { .. }));
    assert!(matches!(
        refused(MemoryStrategy::Fixed { buffer_size: usize::MAX, max_buffers: 9 }),
        PoolError::Bound { .. }
    ));
    let nowhere = MemoryStrategy::AdaptiveNuma { initial_size: 4096, max_buffers: 1, numa_node: Some(999) };
    assert!(matches!(refused(nowhere.clone()), PoolError::NoSuchNode { node: 999, .. }));
    // The call shape without an error keeps it for later.
    let pool = AdvancedBufferPool::new(nowhere);
    assert!(matches!(pool.get_optimized_buffer(1).await, Err(PoolError::NoSuchNode { .. })));
    assert_eq!(pool.get_stats().await.total_allocations, 0);
    assert!(AdvancedBufferPool::try_new(MemoryStrategy::default()).is_ok());
}

#[tokio::test]
async fn at_the_bound_requests_wait_give_up_or_fail_as_they_asked() {
    let pool = AdvancedBufferPool::new(MemoryStrategy::Fixed { buffer_size: 4096, max_buffers: 1 });
    let held = pool.get_optimized_buffer(1).await.unwrap();
    assert!(matches!(pool.try_get_optimized_buffer(1), Err(PoolError::Exhausted { .. })));
    let late = pool.get_optimized_buffer_within(1, Duration::from_millis(1)).await;
    assert!(matches!(late, Err(PoolError::Exhausted { .. })));
    let waiting = tokio::spawn({
        let pool = pool.clone();
        async move { pool.get_optimized_buffer(1).await.map(|buffer| buffer.capacity()) }
    });
    while pool.get_stats().await.waiting_requests == 0 {
        tokio::task::yield_now().await;
    }
    drop(held);
    assert_eq!(waiting.await.unwrap(), Ok(4096));
}

#[tokio::test]
async fn a_cancelled_task_returns_what_it_held() {
    let pool = AdvancedBufferPool::new(MemoryStrategy::default());
    let task = tokio::spawn({
        let pool = pool.clone();
        async move {
            let _held = pool.get_optimized_buffer(1).await.unwrap();
            std::future::pending::<()>().await;
        }
    });
    while pool.get_stats().await.buffers_in_use == 0 {
        tokio::task::yield_now().await;
    }
    task.abort();
    assert!(task.await.unwrap_err().is_cancelled());
    assert_eq!(pool.get_stats().await.buffers_in_use, 0);
}

#[test]
fn a_pool_works_without_a_runtime() {
    let pool = AdvancedBufferPool::new(MemoryStrategy::default());
    let buffer = pool.try_get_optimized_buffer(1).unwrap();
    std::thread::spawn(move || drop(buffer)).join().unwrap();
    assert_eq!(pool.pool().unwrap().leak(), Leak::default());
}

#[tokio::test]
async fn a_shutdown_reports_buffers_in_use_and_where_they_were_taken() {
    let config = RuntimeConfig { trace_buffers: true, ..RuntimeConfig::default() };
    let handle = RuntimeHandle::new(config).unwrap();
    let mut kept = handle.get_optimized_buffer(5000).await.unwrap();
    let report = handle.shutdown(Duration::from_secs(5)).await;
    assert!(report.is_clean());
    assert_eq!((report.buffers.buffers, report.buffers.bytes, report.buffers.origins.len()), (1, 8192, 1));
    assert!(report.buffers.origins[0].contains("tests/buffers.rs"), "the caller is named");
    kept.resize(5000, 1).unwrap();
    drop(kept);
    assert_eq!(handle.shutdown(Duration::from_secs(5)).await.buffers, Leak::default());
}

#[tokio::test(start_paused = true)]
async fn idle_memory_goes_back_to_the_system_by_itself() {
    let pool = AdvancedBufferPool::new(MemoryStrategy::default());
    drop(pool.get_optimized_buffer(1 << 20).await.unwrap());
    assert_eq!(pool.get_stats().await.memory_usage_bytes, 1 << 20);
    // why: the clock is made up, and jumps to the next timer.
    tokio::time::sleep(Duration::from_secs(30)).await;
    assert_eq!(pool.get_stats().await.memory_usage_bytes, 0);
}

#[tokio::test]
async fn files_without_a_size_are_read_as_far_as_they_go() {
    let handle = handle(64 << 20, Duration::from_secs(30));
    let zero = DiskFile::open("/dev/zero", handle.clone()).await.unwrap();
    assert_eq!(zero.read_range(0, 3 << 20).await.unwrap().len(), 3 << 20);
    let status = DiskFile::open("/proc/self/status", handle.clone()).await.unwrap();
    assert!(status.read_range(0, 2 << 20).await.unwrap().starts_with(b"Name:"));
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("empty");
    std::fs::write(&path, "").unwrap();
    let empty = DiskFile::open(&path, handle).await.unwrap();
    assert!(empty.read_range(0, 1 << 50).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_shutdown_ends_waits_for_buffers_and_refuses_later_ones() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("object");
    std::fs::write(&path, vec![7; 1 << 20]).unwrap();
    let handle = handle(1 << 20, Duration::from_secs(300));
    let file = DiskFile::open(&path, handle.clone()).await.unwrap();
    let held = handle.get_optimized_buffer(1 << 20).await.unwrap();
    let waiting = tokio::spawn(async move { file.read_range(0, 1 << 20).await.map(|read| read.len()) });
    while handle.buffer_pool().stats().waiting == 0 {
        tokio::task::yield_now().await;
    }
    assert!(handle.shutdown(Duration::from_secs(5)).await.is_clean());
    let error = waiting.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("object") && error.to_string().contains("is shut down"), "{error}");
    assert!(handle.get_optimized_buffer(1).await.unwrap_err().to_string().contains("is shut down"));
    drop(held);
}

#[test]
fn a_pool_is_looked_after_on_the_runtime_that_uses_it() {
    let runtime =
        || tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    let pool = runtime().block_on(async { AdvancedBufferPool::new(MemoryStrategy::default()) });
    // The runtime that made it is gone.
    runtime().block_on(async {
        drop(pool.get_optimized_buffer(1 << 20).await.unwrap());
        // why: the clock is made up, and jumps to the next timer.
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(pool.get_stats().await.memory_usage_bytes, 0);
    });
}

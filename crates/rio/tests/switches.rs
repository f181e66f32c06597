//! Every combination of the switches starts, does the same work correctly, and ends; and each switch takes its code out.

#![allow(clippy::unwrap_used, reason = "a failed step ends the test")]

use rustfs_rio::{
    AdvancedRioConfig, DiskFile, EnhancedRioRuntime, OpenOptions, init_runtime_with_advanced_config,
};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

const SWITCHES: u32 = 9;

/// Every switch is on.
const ALL: u32 = (1 << SWITCHES) - 1;

fn combination(bits: u32) -> AdvancedRioConfig {
    let on = |bit: u32| bits >> bit & 1 == 1;
    AdvancedRioConfig {
        enable_buffer_pools: on(0),
        enable_predictive_prefetching: on(1),
        enable_adaptive_batching: on(2),
        numa_aware: on(3),
        enable_performance_monitoring: on(4),
        enable_ml_optimizations: on(5),
        enable_pattern_learning: on(6),
        enable_auto_tuning: on(7),
        enable_self_healing: on(8),
        ..AdvancedRioConfig::built_in()
    }
}

async fn start(config: AdvancedRioConfig) -> EnhancedRioRuntime {
    init_runtime_with_advanced_config(config).await.unwrap()
}

async fn close(runtime: EnhancedRioRuntime) {
    let report = runtime.shutdown(Duration::from_secs(30)).await;
    assert!(report.is_clean() && report.buffers.buffers == 0, "{report:?}");
    let stats = runtime.base_runtime().stats();
    assert_eq!(stats.submitted, stats.delivered + stats.reclaimed, "{stats:?}");
}

/// The heart of the contract: what is written is read back, whichever way; ends and errors are what they are.
async fn smoke(runtime: &EnhancedRioRuntime, directory: &std::path::Path) {
    let base = runtime.base_runtime();
    let path = directory.join("file");
    let options = OpenOptions::new().read(true).write(true).create(true).truncate(true);
    let mut file = DiskFile::open_with(&path, &options, base).await.unwrap();
    let data: Vec<u8> = (0..70_000u32).map(|index| (index * 31 % 251) as u8).collect();
    let mut buffer = runtime.get_optimized_buffer(data.len()).await.unwrap();
    buffer.extend_from_slice(&data).unwrap();
    assert_eq!(file.write_all(&buffer).await.unwrap(), data.len());
    drop(buffer);
    assert_eq!(&*file.read_range(1000, 4096).await.unwrap(), &data[1000..5096]);
    assert_eq!(file.read_range(69_000, 4096).await.unwrap().len(), 1000, "short at the end only");
    let (result, back) = file.read_into(vec![0; data.len()], 0).await;
    assert!(result.unwrap() == data.len() && back == data);
    let (result, _) = file.write_from(vec![9; 512], 70_000).await;
    assert_eq!(result.unwrap(), 512);
    file.seek(std::io::SeekFrom::Start(69_999)).await.unwrap();
    let mut rest = Vec::new();
    file.read_to_end(&mut rest).await.unwrap();
    assert_eq!(rest.len(), 513);
    AsyncWriteExt::write_all(&mut file, b"end").await.unwrap();
    file.flush_and_sync().await.unwrap();
    assert_eq!(file.stat().await.unwrap().size, 70_515);
    runtime.record_performance("read", 10.0, 1e6).await;
    runtime.record_access("read", 0, 4096).await;
    let _ = runtime.get_optimization_recommendations().await;
    assert!(DiskFile::open(directory.join("missing"), base.clone()).await.is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_combination_of_the_switches_works() {
    let directory = tempfile::tempdir().unwrap();
    for bits in 0..1 << SWITCHES {
        let runtime = start(combination(bits)).await;
        smoke(&runtime, directory.path()).await;
        close(runtime).await;
    }
}

/// All switches but one.
fn without(bit: u32) -> AdvancedRioConfig {
    combination(ALL & !(1 << bit))
}

#[tokio::test]
async fn without_pools_no_buffer_is_kept() {
    let directory = tempfile::tempdir().unwrap();
    let runtime = start(without(0)).await;
    smoke(&runtime, directory.path()).await;
    let stats = runtime.base_runtime().buffer_pool().stats();
    assert!(runtime.buffer_pool().is_none());
    assert!(stats.misses > 0 && stats.hits == 0 && stats.idle_bytes == 0, "{stats:?}");
    close(runtime).await;
}

#[tokio::test]
async fn without_batching_submissions_do_not_gather() {
    let runtime = start(without(2)).await;
    assert!(!runtime.base_runtime().engine().limits().gather);
    close(runtime).await;
    let runtime = start(combination(ALL)).await;
    assert!(runtime.base_runtime().engine().limits().gather);
    close(runtime).await;
}

#[tokio::test]
async fn without_monitor_and_optimizer_nothing_is_counted() {
    let runtime = start(combination(ALL & !(1 << 4) & !(1 << 5))).await;
    assert!(runtime.base_runtime().config().recorder.is_none());
    assert!(runtime.base_runtime().access_ring().is_none());
    assert!(runtime.performance_monitor().is_none());
    close(runtime).await;
}

/// Tasks of the tokio runtime around the call.
fn tasks() -> usize {
    tokio::runtime::Handle::current().metrics().num_alive_tasks()
}

#[tokio::test]
async fn without_healing_nobody_looks() {
    let none = tasks();
    let runtime = start(without(8)).await;
    let fewer = tasks() - none;
    assert!(runtime.troubles().is_empty());
    close(runtime).await;
    let before = tasks();
    let runtime = start(combination(ALL)).await;
    assert_eq!(tasks() - before, fewer + 1, "the healer is a task");
    close(runtime).await;
}

#[cfg(feature = "tune")]
mod tuned {
    use super::*;
    use rustfs_rio::{Parameter, PredictiveOptimizerConfig};

    fn quick(config: AdvancedRioConfig) -> AdvancedRioConfig {
        let predictive_config = PredictiveOptimizerConfig {
            optimization_update_interval: Duration::from_millis(20),
            pattern_analysis_interval: Duration::from_millis(10),
            ..config.predictive_config
        };
        AdvancedRioConfig { predictive_config, ..config }
    }

    #[tokio::test]
    async fn without_prefetching_there_is_no_cache() {
        let runtime = start(without(1)).await;
        assert!(runtime.block_cache().is_none() && runtime.prefetch_stats().is_none());
        close(runtime).await;
        let runtime = start(combination(ALL)).await;
        assert!(runtime.prefetch_stats().is_some());
        close(runtime).await;
    }

    #[tokio::test]
    async fn without_the_optimizer_there_is_none_and_nothing_changes() {
        let runtime = start(without(5)).await;
        assert!(runtime.predictive_optimizer().is_none() && runtime.decisions().is_empty());
        assert!(runtime.set_parameter(Parameter::QueueDepth, 16.0).is_err());
        close(runtime).await;
    }

    #[tokio::test]
    async fn without_learning_no_access_is_looked_at() {
        let directory = tempfile::tempdir().unwrap();
        let runtime = start(quick(without(6))).await;
        smoke(&runtime, directory.path()).await;
        // Ending the task takes a last look.
        runtime.shutdown(Duration::from_secs(30)).await;
        assert!(runtime.access_patterns().is_empty(), "{:?}", runtime.access_patterns());
        let runtime = start(quick(combination(ALL))).await;
        smoke(&runtime, directory.path()).await;
        runtime.shutdown(Duration::from_secs(30)).await;
        assert!(!runtime.access_patterns().is_empty());
    }
}

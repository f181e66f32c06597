//! The assembly as a program meets it.

#![allow(clippy::unwrap_used, reason = "a failed step ends the test")]

use rustfs_rio::{
    AdvancedRioConfig, DiskFile, EnhancedRioRuntime, RuntimeError, init_runtime_with_advanced_config,
};
use std::time::Duration;

async fn runtime(config: AdvancedRioConfig) -> EnhancedRioRuntime {
    init_runtime_with_advanced_config(config).await.unwrap()
}

async fn close(runtime: &EnhancedRioRuntime) {
    let report = runtime.shutdown(Duration::from_secs(30)).await;
    assert!(report.is_clean() && !report.already_down, "{report:?}");
    let stats = runtime.base_runtime().stats();
    assert_eq!(stats.submitted, stats.delivered + stats.reclaimed, "{stats:?}");
}

#[tokio::test]
async fn a_file_written_through_it_can_be_read() {
    let dir = tempfile::tempdir().unwrap();
    let runtime = runtime(AdvancedRioConfig::default()).await;
    let path = dir.path().join("data");
    let mut file = DiskFile::create_with_runtime(&path, runtime.base_runtime()).await.unwrap();
    let mut buffer = runtime.get_optimized_buffer(10_000).await.unwrap();
    buffer.extend_from_slice(&[9; 10_000]).unwrap();
    assert_eq!(file.write_all(&buffer).await.unwrap(), 10_000);
    drop((file, buffer));
    let file = DiskFile::open(&path, runtime.base_runtime().clone()).await.unwrap();
    assert_eq!(&*file.read_range(5_000, 10_000).await.unwrap(), &[9; 5_000]);
    drop(file);
    close(&runtime).await;
}

#[tokio::test]
async fn shutting_down_twice_is_safe_and_nothing_works_afterwards() {
    let runtime = runtime(AdvancedRioConfig::default()).await;
    close(&runtime).await;
    assert!(runtime.shutdown(Duration::from_secs(1)).await.already_down);
    assert!(runtime.get_optimized_buffer(4096).await.is_err());
}

#[tokio::test]
async fn what_is_switched_off_is_not_there() {
    let off = AdvancedRioConfig {
        enable_buffer_pools: false,
        enable_performance_monitoring: false,
        ..Default::default()
    };
    let runtime = runtime(off).await;
    assert!(runtime.buffer_pool().is_none() && runtime.performance_monitor().is_none());
    assert_eq!(runtime.get_optimized_buffer(100_000).await.unwrap().len(), 0);
    runtime.record_performance("read", 1.0, 1.0).await;
    assert!(runtime.get_optimization_recommendations().await.is_empty());
    close(&runtime).await;
}

#[test]
fn outside_a_tokio_runtime_it_says_so() {
    let made = init_runtime_with_advanced_config(AdvancedRioConfig::default());
    let mut made = std::pin::pin!(made);
    let polled = made.as_mut().poll(&mut std::task::Context::from_waker(std::task::Waker::noop()));
    let std::task::Poll::Ready(Err(error)) = polled else { panic!("it waits or works") };
    assert!(matches!(error, RuntimeError::RuntimeUnavailable), "{error}");
}

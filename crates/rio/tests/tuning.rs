//! Every tuned parameter reaches the part that uses it while the runtime works; decisions, patterns and what was learnt.

#![cfg(feature = "tune")]
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a failed step ends the test, and skips are printed"
)]

use rustfs_rio::{
    AccessPatternType, AdvancedRioConfig, Codec, Decision, DecisionState, DirectMode, DiskFile,
    EnhancedRioRuntime, OpenOptions, OptimizerError, Parameter, PredictiveOptimizerConfig, RequestError,
    init_runtime_with_advanced_config,
};
use std::time::Duration;

async fn runtime(config: AdvancedRioConfig) -> EnhancedRioRuntime {
    init_runtime_with_advanced_config(config).await.unwrap()
}

async fn close(runtime: EnhancedRioRuntime) {
    let report = runtime.shutdown(Duration::from_secs(30)).await;
    assert!(report.is_clean(), "{report:?}");
}

fn quick(config: AdvancedRioConfig) -> AdvancedRioConfig {
    let predictive_config = PredictiveOptimizerConfig {
        optimization_update_interval: Duration::from_millis(20),
        pattern_analysis_interval: Duration::from_millis(10),
        ..config.predictive_config
    };
    AdvancedRioConfig { predictive_config, ..config }
}

#[tokio::test]
async fn each_parameter_changes_the_part_that_uses_it() {
    let runtime = runtime(AdvancedRioConfig::default()).await;
    let (engine, live) = (runtime.base_runtime().engine(), runtime.live_parameters());
    let pool = runtime.buffer_pool().unwrap();
    let set = |parameter, value| runtime.set_parameter(parameter, value).unwrap();
    let has_ring = engine.capabilities().rings > 0;

    assert_eq!(set(Parameter::MaxConcurrentOps, 700.0), 700.0);
    assert_eq!(engine.limits().max_concurrent_ops, 700);
    if has_ring {
        assert_eq!(set(Parameter::QueueDepth, 16.0), 16.0);
        assert_eq!(engine.limits().queue_depth, 16);
        assert_eq!(set(Parameter::BatchSize, 32.0), 32.0);
        assert_eq!(engine.limits().batch_size, 32);
        assert_eq!(set(Parameter::BatchTimeout, 25.0), 25.0);
        assert_eq!(engine.limits().batch_timeout, Duration::from_millis(25));
    }
    set(Parameter::BufferPoolSize, 512.0);
    let held: Vec<_> = (0..512).map(|_| pool.try_get_optimized_buffer(1).unwrap()).collect();
    assert!(pool.try_get_optimized_buffer(1).is_err(), "the pool has no more than 512 buffers");
    drop(held);
    set(Parameter::BufferSize, 262_144.0);
    assert_eq!(pool.try_get_optimized_buffer(1).unwrap().capacity(), 262_144);
    assert_eq!(live.buffer_size(), 262_144, "cursors of files opened from now on");
    set(Parameter::PrefetchDistance, 16.0);
    set(Parameter::PrefetchSize, 131_072.0);
    assert_eq!((live.prefetch_distance(), live.prefetch_size()), (16, 131_072));
    set(Parameter::Compression, Codec::Lz4.code());
    assert_eq!(live.compression().0, Codec::Lz4.code() as u8);
    set(Parameter::Compression, Codec::Zstd.code());
    set(Parameter::CompressionLevel, 7.0);
    assert_eq!(live.compression(), (Codec::Zstd.code() as u8, 7));

    assert_eq!(set(Parameter::CompressionLevel, 7.0), 7.0, "it is in force already");
    assert_eq!(set(Parameter::MaxConcurrentOps, 1e9), 4096.0, "no value leaves its bounds");
    assert_eq!(engine.limits().max_concurrent_ops, 4096);
    let decisions = runtime.decisions();
    assert!(decisions.iter().any(|decision| decision.to_string().contains("queue_depth") == has_ring));
    close(runtime).await;
}

#[tokio::test]
async fn prefetch_parameters_bound_what_is_read_ahead() {
    let directory = tempfile::tempdir_in(".").unwrap();
    let path = directory.path().join("scan");
    std::fs::write(&path, vec![3; 8 << 20]).unwrap();
    let runtime = runtime(AdvancedRioConfig::default()).await;
    let options = OpenOptions::new().read(true).direct(DirectMode::Auto);
    let file = DiskFile::open_with(&path, &options, runtime.base_runtime()).await.unwrap();
    if file.direct_alignment().is_none() {
        println!("RIO-SKIP: without direct I/O in this directory nothing is cached");
        return close(runtime).await;
    }
    runtime.set_parameter(Parameter::PrefetchSize, 65_536.0).unwrap();
    for block in 0..256u64 {
        file.read_range(block * 16_384, 16_384).await.unwrap();
    }
    let stats = runtime.prefetch_stats().unwrap();
    assert!(stats.issued_blocks > 0, "{stats:?}");
    assert!(stats.before_demand_bytes_max <= 65_536, "{stats:?}");
    drop(file);
    close(runtime).await;
}

#[tokio::test]
async fn what_was_set_on_purpose_and_what_is_pinned_stays() {
    let mut config = AdvancedRioConfig::default();
    config.runtime_config.queue_depth = 64;
    config.predictive_config.pinned = vec!["batch_size".to_owned()];
    let runtime = runtime(config).await;
    for parameter in [Parameter::QueueDepth, Parameter::BatchSize] {
        let refused = runtime.set_parameter(parameter, 32.0).unwrap_err();
        assert!(matches!(refused, OptimizerError::Request(RequestError::Frozen { .. })), "{refused}");
    }
    let optimizer = runtime.predictive_optimizer().unwrap();
    optimizer.unpin(Parameter::QueueDepth);
    assert_eq!(
        runtime.set_parameter(Parameter::QueueDepth, 32.0).unwrap(),
        runtime.parameters().queue_depth as f64
    );
    close(runtime).await;
}

async fn load(runtime: &EnhancedRioRuntime, mut until: impl FnMut(&[Decision]) -> bool) -> Vec<Decision> {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("scanned");
    std::fs::write(&path, vec![1; 1 << 20]).unwrap();
    let file = DiskFile::open(&path, runtime.base_runtime().clone()).await.unwrap();
    let working = async {
        loop {
            for block in 0..256u64 {
                file.read_range(block * 4096, 4096).await.unwrap();
            }
            // The reads are copies that never wait; the loop has to get its turn.
            tokio::task::yield_now().await;
            let decisions = runtime.decisions();
            if until(&decisions) {
                return decisions;
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), working).await.expect("the loop decides")
}

#[tokio::test]
async fn the_loop_decides_applies_and_judges_under_load() {
    let runtime = runtime(quick(AdvancedRioConfig::default())).await;
    let judged = |decision: &Decision| {
        matches!(decision.state, DecisionState::Kept | DecisionState::RolledBack)
            && decision.measured.is_some()
    };
    let decisions = load(&runtime, |all| all.iter().any(judged)).await;
    let one = decisions.iter().find(|decision| judged(decision)).unwrap();
    let text = one.to_string();
    assert!(text.contains("measured") && text.contains(one.parameter.name()), "{text}");
    let patterns = runtime.access_patterns();
    let (name, pattern) = patterns.iter().find(|(name, _)| name.ends_with("scanned")).unwrap();
    assert!(matches!(pattern.pattern_type, AccessPatternType::Sequential { .. }), "{name}: {pattern:?}");
    close(runtime).await;
}

#[tokio::test]
async fn without_auto_tuning_nothing_is_changed() {
    let runtime = runtime(quick(AdvancedRioConfig { enable_auto_tuning: false, ..Default::default() })).await;
    let before = runtime.parameters();
    let optimizer = runtime.predictive_optimizer().unwrap().clone();
    let mut periods = 0;
    load(&runtime, |_| {
        periods += 1;
        periods > 200
    })
    .await;
    assert_eq!(runtime.parameters(), before);
    let applied =
        |decision: &Decision| !matches!(decision.state, DecisionState::Recommended | DecisionState::Refused);
    assert!(!optimizer.decisions().iter().any(applied), "{:?}", optimizer.decisions());
    close(runtime).await;
}

#[tokio::test]
async fn what_was_learnt_survives_and_a_damaged_file_is_set_aside() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("learnt");
    let mut config = quick(AdvancedRioConfig::default());
    config.predictive_config.state_file = Some(path.clone());
    close(runtime(config.clone()).await).await;
    assert!(path.exists());
    std::fs::write(&path, b"not a state").unwrap();
    close(runtime(config).await).await;
    assert!(directory.path().join("learnt.set-aside").exists());
    assert!(path.exists(), "a new one was begun");
}

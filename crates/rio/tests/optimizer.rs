//! The optimizer as the existing API has it: patterns are recognised, recommendations can be applied and are judged.
#![cfg(feature = "tune")]

use rustfs_rio::optimizer::{StateError, load_learnt_state, save_learnt_state};
use rustfs_rio::{
    AccessDirection, AccessPatternType, AdvancedRioConfig, OptimizationParameters,
    OptimizationRecommendation, OptimizationType, OptimizerError, PredictiveOptimizer,
};
use rustfs_rio_tune::{DecisionState, LearntState, Parameter, Parameters, Snapshot};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

fn alone() -> PredictiveOptimizer {
    PredictiveOptimizer::new(Default::default())
}

fn asked(optimization_type: OptimizationType) -> OptimizationRecommendation {
    OptimizationRecommendation {
        optimization_type,
        parameters: HashMap::new(),
        expected_improvement: 0.1,
        confidence: 0.9,
        priority: 5,
        apply_at: Duration::ZERO,
    }
}

#[tokio::test]
async fn sequential_and_random_accesses_are_told_apart() {
    let optimizer = alone();
    let mut random = 7_u64;
    for n in 0..200 {
        optimizer.record_access("scan", n * 65536, 65536).await;
        optimizer.record_access("rewrite", (1 << 40) - n * 4096, 4096).await;
        random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        optimizer.record_access("lookup", (random >> 33) * 4096, 4096).await;
    }
    let patterns = optimizer.get_access_patterns().await;
    let expected = AccessPatternType::Sequential { stride: 65536, direction: AccessDirection::Forward };
    assert_eq!(patterns["scan"].pattern_type, expected);
    assert!(patterns["scan"].confidence > 0.9 && patterns["scan"].observation_count == 200);
    let expected = AccessPatternType::Sequential { stride: 4096, direction: AccessDirection::Backward };
    assert_eq!(patterns["rewrite"].pattern_type, expected);
    assert!(
        !matches!(patterns["lookup"].pattern_type, AccessPatternType::Sequential { .. }),
        "{:?}",
        patterns["lookup"]
    );
    let recommendations = optimizer.get_recommendations().await;
    let ahead = recommendations
        .iter()
        .find(|found| matches!(found.optimization_type, OptimizationType::PrefetchTuning { .. }));
    let ahead = ahead.expect("streams are worth reading ahead for");
    assert!(ahead.to_string().contains("prefetch_distance 8"), "{ahead}");
}

#[tokio::test]
async fn a_few_accesses_are_not_enough() {
    let optimizer = alone();
    for n in 0..5 {
        optimizer.record_access("scan", n * 65536, 65536).await;
    }
    assert!(optimizer.get_access_patterns().await["scan"].confidence < 0.5);
    assert!(optimizer.get_recommendations().await.is_empty());
}

#[tokio::test]
async fn names_are_bounded() {
    let optimizer = alone();
    for n in 0..1000 {
        optimizer.record_access(&format!("operation {n}"), 0, 1).await;
    }
    assert!(optimizer.get_access_patterns().await.len() <= 64);
}

#[tokio::test]
async fn what_is_applied_is_in_force_and_within_bounds() {
    let optimizer = alone();
    assert_eq!(optimizer.get_current_parameters().await, OptimizationParameters::default());
    let batch = OptimizationType::BatchTuning { batch_size: 32, batch_timeout_ms: 20.0 };
    optimizer.apply_optimization(asked(batch)).await.unwrap();
    let values = optimizer.get_current_parameters().await;
    assert_eq!((values.batch_size, values.batch_timeout_ms), (32, 20.0));
    let far = OptimizationType::ConcurrencyTuning { max_concurrent_ops: usize::MAX, queue_depth: 0 };
    optimizer.apply_optimization(asked(far)).await.unwrap();
    let values = optimizer.get_current_parameters().await;
    assert_eq!((values.max_concurrent_ops, values.queue_depth), (4096, 16));
    let codec = OptimizationType::CompressionSelection { algorithm: "lzma".into(), compression_level: 1 };
    let error = optimizer.apply_optimization(asked(codec)).await.unwrap_err();
    assert!(error.to_string().contains("'lzma'"), "{error}");
    let codec = OptimizationType::CompressionSelection { algorithm: "lz4".into(), compression_level: 1 };
    optimizer.apply_optimization(asked(codec)).await.unwrap();
    assert_eq!(optimizer.get_current_parameters().await.compression_algorithm, "lz4");
}

fn second(iops: f64) -> Snapshot {
    let latency = Duration::from_secs_f64(64.0 / iops);
    Snapshot {
        period: Duration::from_secs(1),
        reads: iops as u64,
        read_bytes: iops as u64 * 4096,
        latency_p50: latency,
        latency_p99: latency * 2,
        in_flight_mean: 64.0,
        ..Snapshot::default()
    }
}

#[tokio::test]
async fn a_change_that_harms_is_taken_back_from_the_engine() {
    let depth = Arc::new(AtomicU64::new(32));
    let engine = depth.clone();
    let apply = move |parameter, value: f64| {
        if parameter == Parameter::QueueDepth {
            engine.store(value as u64, Ordering::Relaxed);
        }
        Some(value)
    };
    let config = AdvancedRioConfig { enable_auto_tuning: false, ..Default::default() };
    let optimizer =
        PredictiveOptimizer::for_runtime(&config, &Parameters::default(), Box::new(apply)).unwrap();
    let measure = |at: u64| {
        optimizer
            .turn(Duration::from_secs(at), &second(20_000.0 - 50.0 * depth.load(Ordering::Relaxed) as f64))
    };
    (0..5).for_each(|at| drop(measure(at)));
    let change = OptimizationType::ConcurrencyTuning { max_concurrent_ops: 1024, queue_depth: 128 };
    optimizer.apply_optimization(asked(change)).await.unwrap();
    assert_eq!(depth.load(Ordering::Relaxed), 128);
    measure(6);
    assert_eq!(depth.load(Ordering::Relaxed), 32);
    let decisions = optimizer.decisions();
    let change =
        decisions.iter().find(|decision| decision.state == DecisionState::RolledBack).expect("its record");
    let measured = change.measured.expect("its effect");
    assert!(measured.gain < -0.1 && measured.after.iops < measured.before.iops, "{change}");
}

#[tokio::test]
async fn an_engine_that_refuses_is_reported() {
    let config = AdvancedRioConfig::default();
    let optimizer =
        PredictiveOptimizer::for_runtime(&config, &Parameters::default(), Box::new(|_, _| None)).unwrap();
    let change = OptimizationType::ConcurrencyTuning { max_concurrent_ops: 1024, queue_depth: 128 };
    let error = optimizer.apply_optimization(asked(change)).await.unwrap_err();
    assert_eq!(error, OptimizerError::Refused { parameter: Parameter::QueueDepth });
    assert_eq!(optimizer.parameters(), Parameters::default());
}

#[tokio::test(start_paused = true)]
async fn reported_performance_becomes_a_period() {
    let config = rustfs_rio::PredictiveOptimizerConfig {
        optimization_update_interval: Duration::ZERO,
        ..Default::default()
    };
    let optimizer = PredictiveOptimizer::new(config);
    for _ in 0..100 {
        optimizer.record_performance("read", 100.0, 1e9).await;
        optimizer.record_performance("write", f64::NAN, -1.0).await;
    }
    let odd = rustfs_rio::PredictiveOptimizerConfig { learning_rate: 1.5, ..Default::default() };
    let error = PredictiveOptimizer::try_new(odd.clone()).unwrap_err().to_string();
    assert!(error.contains("above 0 and at most 1"), "{error}");
    assert_eq!(PredictiveOptimizer::new(odd).parameters(), Parameters::default());
}

#[test]
fn a_damaged_state_is_set_aside_and_a_missing_one_is_empty() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("learnt");
    assert_eq!(load_learnt_state(&path).unwrap(), LearntState::default());
    save_learnt_state(&path, &LearntState::default()).unwrap();
    assert_eq!(load_learnt_state(&path).unwrap(), LearntState::default());
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[9] ^= 1;
    std::fs::write(&path, &bytes).unwrap();
    let error = load_learnt_state(&path).unwrap_err();
    assert!(matches!(error, StateError::SetAside { .. }), "{error}");
    assert!(!path.exists() && folder.path().join("learnt.set-aside").exists());
    assert_eq!(load_learnt_state(&path).unwrap(), LearntState::default(), "the next start is a cold one");
    assert!(matches!(
        save_learnt_state(&folder.path().join("no/such/folder"), &LearntState::default()),
        Err(StateError::Io { .. })
    ));
}

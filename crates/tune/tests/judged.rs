//! The predictors on generated workloads, with seeds that had no part in choosing them.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod suite;
mod workloads;

use rustfs_rio_tune::{
    Access, AccessKind, Counts, Predictor, PredictorSizes, PrefetchBounds, Prefetcher, Registration,
    SimulationConfig, StreamPredictor, registry, simulate,
};
use workloads::{Hope, WORKLOADS, make};

/// The predictors were chosen on seeds below 100.
const SEEDS: std::ops::Range<u64> = 200..201;

/// Counts with all predictors and with none, over all seeds.
fn judge(which: usize) -> (Counts, Counts) {
    let config = SimulationConfig {
        cache_bytes: 64 << 20,
        pace: WORKLOADS[which].pace,
        ..SimulationConfig::default()
    };
    let mut sums = (Counts::default(), Counts::default());
    for seed in SEEDS {
        let accesses = make(which, seed);
        let with = simulate(&accesses, &config, Some(Prefetcher::new(PrefetchBounds::default())));
        let without = simulate(&accesses, &config, None);
        for (sum, one) in [(&mut sums.0, with), (&mut sums.1, without)] {
            sum.reads += one.reads;
            sum.hits += one.hits;
            sum.prefetched += one.prefetched;
            sum.used += one.used;
            sum.device_reads += one.device_reads;
            sum.wait_ns += one.wait_ns;
        }
    }
    sums
}

#[test]
fn where_there_is_something_to_gain_it_is_gained_and_half_is_used() {
    for (which, workload) in WORKLOADS.iter().enumerate().filter(|(_, one)| one.hope == Hope::Gain) {
        let (with, without) = judge(which);
        assert!(with.used_share() >= 0.5, "{}: {with:?}", workload.name);
        // With most reads in the cache already, six tenths more are not to be had.
        let wanted = if without.hit_ratio() < 0.5 {
            1.6 * without.hit_ratio() + 0.2
        } else {
            without.hit_ratio() + 0.02
        };
        assert!(with.hit_ratio() >= wanted, "{}: {with:?}, without {without:?}", workload.name);
        assert!(with.wait_ns < without.wait_ns, "{}: {with:?}, without {without:?}", workload.name);
    }
}

#[test]
fn where_there_is_nothing_to_gain_next_to_nothing_is_read() {
    for (which, workload) in WORKLOADS.iter().enumerate().filter(|(_, one)| one.hope == Hope::Nothing) {
        let (with, without) = judge(which);
        assert!(
            with.device_reads * 100 <= without.device_reads * 101,
            "{}: {with:?}, without {without:?}",
            workload.name
        );
        assert!(with.hits * 100 >= without.hits * 99, "{}: {with:?}, without {without:?}", workload.name);
    }
}

/// Each predictor by itself earns its keep on what it is for.
#[test]
fn each_predictor_finds_what_it_is_for() {
    for (name, workload) in [
        ("stream", "streams, backward"),
        ("stride", "strides"),
        ("history", "loop, shuffled"),
        ("history", "files in pieces"),
        ("temporal", "periodic"),
    ] {
        let which = WORKLOADS.iter().position(|one| one.name == workload).unwrap();
        let registration: &Registration = registry().iter().find(|one| one.name == name).unwrap();
        let predictors = vec![(registration.make)(&PredictorSizes::default())];
        let config = SimulationConfig {
            cache_bytes: 64 << 20,
            pace: WORKLOADS[which].pace,
            ..SimulationConfig::default()
        };
        let prefetcher = Prefetcher::with_predictors(PrefetchBounds::default(), predictors);
        let counts = simulate(&make(which, SEEDS.start), &config, Some(prefetcher));
        assert!(counts.used > 4_000 && counts.used_share() >= 0.5, "{name} on {workload}: {counts:?}");
    }
}

#[test]
fn a_stream_takes_less_than_256_bytes() {
    let bytes = |streams| StreamPredictor::new(streams).bytes();
    let each = (bytes(65_536) - bytes(256)) / (65_536 - 256);
    assert!(each <= 256, "{each}");
}

/// A cache that is smaller than what is read ahead for one stream still gains.
#[test]
fn a_small_cache_is_not_flooded() {
    let read = |n: u64| Access { at_ns: 0, space: 0, offset: n << 14, len: 1 << 14, kind: AccessKind::Read };
    let accesses: Vec<_> = (0..4_000).map(read).collect();
    for cache_bytes in [1 << 20, 256 << 10, 64 << 10] {
        let config = SimulationConfig { cache_bytes, ..SimulationConfig::default() };
        let counts = simulate(&accesses, &config, Some(Prefetcher::new(PrefetchBounds::default())));
        assert!(counts.used_share() >= 0.9 && counts.hit_ratio() > 0.5, "{cache_bytes}: {counts:?}");
    }
}

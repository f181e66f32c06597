//! A flame graph names the function that uses the CPU. Alone in its process, because the profiling timer is one per process.

#![allow(clippy::unwrap_used, missing_docs, reason = "a test that cannot go on has failed")]

use rustfs_rio_dash::profile::{ProfileError, Running};
use std::hint::black_box;
use std::time::{Duration, Instant};

#[inline(never)]
fn planted_hot_function(until: Instant) -> u64 {
    let mut state = 1u64;
    while Instant::now() < until {
        for _ in 0..100_000 {
            state = black_box(state.wrapping_mul(6_364_136_223_846_793_005).rotate_left(7));
        }
    }
    state
}

#[test]
fn the_hot_function_has_over_80_per_cent() {
    let running = Running::start(499).unwrap();
    assert!(matches!(Running::start(99), Err(ProfileError::Sampling(_))), "two profiles at one time");
    black_box(planted_hot_function(Instant::now() + Duration::from_secs(2)));
    let profile = running.finish().unwrap();
    let shares = profile.shares();
    let hot = shares.iter().find(|share| share.function.contains("planted_hot_function")).unwrap();
    assert!(profile.samples() > 100 && hot.total > 0.8, "{} samples, {hot:?}", profile.samples());
    let svg = String::from_utf8(profile.flamegraph("hot").unwrap()).unwrap();
    assert!(svg.contains("planted_hot_function"));
    assert!(profile.pprof().unwrap().len() > 100);
    // The timer is free again.
    Running::start(99).unwrap();
}

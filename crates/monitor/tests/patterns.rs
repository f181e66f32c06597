//! Patterns are found in labelled series, and none in noise.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests stop at the first surprise"
)]

#[allow(dead_code, missing_docs, unreachable_pub, reason = "one helper of the suite is used here")]
mod suite;

use rustfs_rio_monitor::{Pattern, TrendDirection, find_patterns};
use std::f64::consts::TAU;
use suite::Random;

const LENGTH: usize = 360;

/// A series and the kinds of pattern that are in it.
struct Labelled {
    name: &'static str,
    kinds: &'static [&'static str],
    value: fn(usize, &mut Random, &mut f64) -> f64,
}

const fn of(
    name: &'static str,
    kinds: &'static [&'static str],
    value: fn(usize, &mut Random, &mut f64) -> f64,
) -> Labelled {
    Labelled { name, kinds, value }
}

fn wave(i: usize, period: f64) -> f64 {
    (i as f64 / period * TAU).sin()
}

fn red(random: &mut Random, memory: &mut f64, keeps: f64) -> f64 {
    *memory = keeps * *memory + (1.0 - keeps * keeps).sqrt() * random.normal();
    *memory
}

const SERIES: [Labelled; 26] = [
    of("zero", &["constant"], |_, _, _| 0.0),
    of("a fixed number", &["constant"], |_, _, _| 42.0),
    of("a thousandth of noise", &["constant"], |_, random, _| 1000.0 + random.normal()),
    of("constant with a spike", &["constant", "spike"], |i, random, _| {
        100.0 + 0.1 * random.normal() + if i == 200 { 80.0 } else { 0.0 }
    }),
    of("white noise", &[], |_, random, _| 100.0 + 5.0 * random.normal()),
    of("heavy tails", &[], |_, random, _| 100.0 * (0.6 * random.normal()).exp()),
    of("uniform", &[], |_, random, _| random.uniform()),
    of("memory", &[], |_, random, memory| 100.0 + 5.0 * red(random, memory, 0.7)),
    of("a count", &[], |_, random, _| (16.0 + 4.0 * random.normal()).round()),
    of("a sine of 24", &["periodic"], |i, random, _| 100.0 + 10.0 * wave(i, 24.0) + 3.0 * random.normal()),
    of("a sine of 60 in noise", &["periodic"], |i, random, _| {
        100.0 + 5.0 * wave(i, 60.0) + 4.0 * random.normal()
    }),
    of("a saw of 30", &["periodic"], |i, random, _| (i % 30) as f64 + random.normal()),
    of("a pulse each 20", &["periodic"], |i, random, _| {
        10.0 + if i % 20 < 8 { 20.0 } else { 0.0 } + 2.0 * random.normal()
    }),
    of("two waves", &["periodic"], |i, random, _| {
        50.0 + 8.0 * wave(i, 40.0) + 5.0 * wave(i, 20.0) + 2.0 * random.normal()
    }),
    of("a wave on a slope", &["periodic", "trending"], |i, random, _| {
        0.2 * i as f64 + 10.0 * wave(i, 36.0) + 2.0 * random.normal()
    }),
    of("a wave that steps", &["periodic", "level_shift"], |i, random, _| {
        (if i < 180 { 0.0 } else { 60.0 }) + 8.0 * wave(i, 30.0) + 2.0 * random.normal()
    }),
    of("a rise", &["trending"], |i, random, _| 100.0 + 0.1 * i as f64 + 4.0 * random.normal()),
    of("a fall", &["trending"], |i, random, _| 500.0 - 0.5 * i as f64 + 10.0 * random.normal()),
    of("a leak", &["trending"], |i, random, memory| 0.3 + 0.001 * i as f64 + 0.01 * red(random, memory, 0.5)),
    of("growth", &["trending"], |i, random, _| (0.01 * i as f64).exp() * (1.0 + 0.05 * random.normal())),
    of("half as much again", &["level_shift"], |i, random, _| {
        (if i < 250 { 100.0 } else { 150.0 }) + 5.0 * random.normal()
    }),
    of("a fall to a third", &["level_shift"], |i, random, _| {
        (if i < 100 { 900.0 } else { 300.0 }) * (1.0 + 0.05 * random.normal())
    }),
    of("a small step", &["level_shift"], |i, random, _| {
        (if i < 180 { 20.0 } else { 22.0 }) + 0.5 * random.normal()
    }),
    of("one spike", &["spike"], |i, random, _| {
        100.0 + 5.0 * random.normal() + if i == 300 { 400.0 } else { 0.0 }
    }),
    of("three dips", &["spike"], |i, random, _| {
        100.0 + 2.0 * random.normal() - if matches!(i, 90 | 91 | 220 | 333) { 70.0 } else { 0.0 }
    }),
    of("a spike on a rise", &["spike", "trending"], |i, random, _| {
        100.0 + 0.2 * i as f64 + 4.0 * random.normal() + if i == 50 { 300.0 } else { 0.0 }
    }),
];

#[test]
fn kinds_are_right_on_labelled_series() {
    let (mut right, mut wrong, mut missed) = (0u32, 0u32, 0u32);
    let mut mistakes = Vec::new();
    for (number, series) in SERIES.iter().enumerate() {
        for seed in 0..8 {
            let mut random = Random::new(900 + seed * 100 + number as u64);
            let mut memory = 0.0;
            let values: Vec<f64> = (0..LENGTH).map(|i| (series.value)(i, &mut random, &mut memory)).collect();
            let found = find_patterns(&values);
            assert!(found.iter().all(|one| !one.evidence.is_empty()));
            let names: Vec<&str> = found.iter().map(|one| one.pattern.name()).collect();
            right += names.iter().filter(|name| series.kinds.contains(name)).count() as u32;
            wrong += names.iter().filter(|name| !series.kinds.contains(name)).count() as u32;
            missed += series.kinds.iter().filter(|kind| !names.contains(kind)).count() as u32;
            if names.len() != series.kinds.len() || names.iter().any(|name| !series.kinds.contains(name)) {
                mistakes.push(format!("{} (seed {seed}): {names:?}", series.name));
            }
        }
    }
    let precision = f64::from(right) / f64::from(right + wrong);
    let recall = f64::from(right) / f64::from(right + missed);
    assert!(
        precision >= 0.97 && recall >= 0.97,
        "precision {precision:.3}, recall {recall:.3}: {mistakes:#?}"
    );
}

fn only(values: &[f64]) -> Pattern {
    let found = find_patterns(values);
    assert_eq!(found.len(), 1, "{found:#?}");
    found[0].pattern.clone()
}

#[test]
fn places_periods_and_levels_are_right() {
    let mut random = Random::new(1);
    let step: Vec<f64> =
        (0..LENGTH).map(|i| if i < 250 { 100.0 } else { 150.0 } + 3.0 * random.normal()).collect();
    let Pattern::LevelShift { at, from, to } = only(&step) else { panic!("no step") };
    assert!(
        at.abs_diff(250) <= 2 && (from - 100.0).abs() < 1.0 && (to - 150.0).abs() < 1.0,
        "{at} {from} {to}"
    );
    for period in [12usize, 45, 90] {
        let values: Vec<f64> =
            (0..LENGTH).map(|i| 10.0 * wave(i, period as f64) + 2.0 * random.normal()).collect();
        let Pattern::Periodic { period: found, strength } = only(&values) else { panic!("no period") };
        assert!(found.abs_diff(period) <= 1 && strength > 0.8, "{found} for {period}, {strength}");
    }
    let fall: Vec<f64> = (0..LENGTH).map(|i| -0.5 * i as f64 + 5.0 * random.normal()).collect();
    let Pattern::Trending { direction, slope, strength } = only(&fall) else { panic!("no trend") };
    assert_eq!(direction, TrendDirection::Decreasing);
    assert!((slope + 0.5).abs() < 0.02 && strength > 0.8);
    let spike: Vec<f64> = (0..LENGTH).map(|i| if i == 77 { 90.0 } else { 10.0 + random.normal() }).collect();
    assert!(
        matches!(only(&spike), Pattern::Spike { count: 1, latest: 77, height_sigmas } if height_sigmas > 20.0)
    );
}

#[test]
fn units_do_not_matter_and_wild_input_finds_nothing() {
    let series = |unit: f64| {
        let mut random = Random::new(6);
        let values: Vec<f64> =
            (0..LENGTH).map(|i| unit * (50.0 + 10.0 * wave(i, 24.0) + 2.0 * random.normal())).collect();
        find_patterns(&values).iter().map(|one| one.pattern.name()).collect::<Vec<_>>()
    };
    assert_eq!(series(1e-9), ["periodic"]);
    assert_eq!(series(1e12), ["periodic"]);
    assert!(find_patterns(&[]).is_empty() && find_patterns(&[1.0; 10]).is_empty());
    let mut wild = vec![1.0; 100];
    wild[50] = f64::NAN;
    assert!(find_patterns(&wild).is_empty());
    wild[50] = f64::MAX;
    let _ = find_patterns(&wild);
}

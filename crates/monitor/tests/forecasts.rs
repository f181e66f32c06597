//! Forecasts against values that nobody has seen: no worse than seasonal-naive, and intervals that hold what they promise.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::print_stdout,
    reason = "tests stop at the first surprise"
)]
#![cfg(feature = "forecast")]

#[allow(dead_code, missing_docs, unreachable_pub, reason = "one helper of the suite is used here")]
mod suite;

use rustfs_rio_monitor::{ForecastError, forecast};
use std::f64::consts::TAU;
use suite::Random;

const LENGTH: usize = 480;
const HORIZON: usize = 24;

type Value = fn(usize, &mut Random, &mut f64) -> f64;

fn wave(i: usize, period: f64) -> f64 {
    (i as f64 / period * TAU).sin()
}

fn red(random: &mut Random, memory: &mut f64, keeps: f64) -> f64 {
    *memory = keeps * *memory + (1.0 - keeps * keeps).sqrt() * random.normal();
    *memory
}

/// Series that repeat.
const SEASONAL: [(&str, Value); 10] = [
    ("sine, 24, little noise", |i, r, _| 100.0 + 20.0 * wave(i, 24.0) + 2.0 * r.normal()),
    ("sine, 24, much noise", |i, r, _| 100.0 + 10.0 * wave(i, 24.0) + 8.0 * r.normal()),
    ("sine, 60", |i, r, _| 100.0 + 20.0 * wave(i, 60.0) + 5.0 * r.normal()),
    ("on a slope", |i, r, _| 0.2 * i as f64 + 20.0 * wave(i, 24.0) + 4.0 * r.normal()),
    ("on a wandering level", |i, r, m| 100.0 + 20.0 * wave(i, 24.0) + 10.0 * red(r, m, 0.95)),
    ("saw, 30", |i, r, _| (i % 30) as f64 + 2.0 * r.normal()),
    ("pulses, 20", |i, r, _| (if i % 20 < 6 { 60.0 } else { 20.0 }) + 4.0 * r.normal()),
    ("two waves, 48 and 16", |i, r, _| 50.0 + 10.0 * wave(i, 48.0) + 6.0 * wave(i, 16.0) + 3.0 * r.normal()),
    ("in proportion, 36", |i, r, _| 100.0 * (1.0 + 0.4 * wave(i, 36.0)) * (1.0 + 0.05 * r.normal())),
    ("without noise, 12", |i, _, _| 10.0 * wave(i, 12.0)),
];

const OTHERS: [(&str, Value); 6] = [
    ("white noise", |_, r, _| 100.0 + 5.0 * r.normal()),
    ("a line", |i, r, _| 0.3 * i as f64 + 5.0 * r.normal()),
    ("heavy tails", |_, r, _| 100.0 * (0.5 * r.normal()).exp()),
    ("memory", |_, r, m| 100.0 + 5.0 * red(r, m, 0.8)),
    ("a random walk", |_, r, m| {
        *m += r.normal();
        *m
    }),
    ("a step", |i, r, _| (if i < 200 { 100.0 } else { 160.0 }) + 6.0 * r.normal()),
];

/// Mean error of the forecast and of the value one true period before, and the share of values in their intervals.
fn judge(value: Value, period: Option<usize>, seeds: u64) -> [f64; 3] {
    let (mut error, mut naive, mut within, mut count) = (0.0, 0.0, 0u32, 0u32);
    for seed in 0..seeds {
        let mut random = Random::new(5000 + seed);
        let mut memory = 0.0;
        let all: Vec<f64> = (0..LENGTH + HORIZON).map(|i| value(i, &mut random, &mut memory)).collect();
        let (seen, unseen) = all.split_at(LENGTH);
        let forecast = forecast(seen, HORIZON).unwrap();
        for (step, (ahead, truth)) in forecast.steps.iter().zip(unseen).enumerate() {
            error += (ahead.value - truth).abs();
            naive += period.map_or(0.0, |period| (seen[LENGTH - period + step % period] - truth).abs());
            within += u32::from((ahead.low..=ahead.high).contains(truth));
            count += 1;
        }
    }
    [error, naive, f64::from(within)].map(|sum| sum / f64::from(count))
}

#[test]
fn no_seasonal_series_is_foretold_worse_than_by_its_last_season() {
    let periods = [24, 24, 60, 24, 24, 30, 20, 48, 36, 12];
    let mut better = 0;
    for ((name, value), period) in SEASONAL.iter().zip(periods) {
        let [error, naive, _] = judge(*value, Some(period), 5);
        println!("{name} | {error:.3} | {naive:.3} | {:.2}", error / naive);
        assert!(error <= naive * 1.0001 + 1e-9, "{name}: {error} against {naive}");
        better += u32::from(error < 0.95 * naive);
    }
    assert!(better >= 7, "better on {better} of 10");
}

#[test]
fn eighty_percent_intervals_hold_75_to_85_percent_of_held_out_values() {
    let (mut held, mut series) = (0.0, 0.0);
    let all = SEASONAL.iter().filter(|(name, _)| !name.starts_with("without")).chain(&OTHERS);
    for (name, value) in all {
        let [_, _, within] = judge(*value, None, 20);
        println!("{name} | {within:.3}");
        held += within;
        series += 1.0;
        // One kind of series has 20 forecasts, whose 24 steps hang together.
        assert!((0.6..=0.95).contains(&within), "{name}: {within:.3}");
    }
    let share = held / series;
    println!("all | {share:.3}");
    assert!((0.75..=0.85).contains(&share), "{share:.3}");
}

#[test]
fn what_cannot_be_foretold_is_an_error_that_says_why() {
    assert!(matches!(forecast(&[1.0; 10], 1), Err(ForecastError::TooFew { found: 10, .. })));
    let mut values = vec![1.0; 100];
    for steps in [0, 34, usize::MAX] {
        assert!(matches!(forecast(&values, steps), Err(ForecastError::Horizon { max: 33, .. })));
    }
    let flat = forecast(&values, 5).unwrap();
    assert!(flat.steps.iter().all(|ahead| (ahead.value - 1.0).abs() < 1e-6 && ahead.low <= ahead.high));
    values[7] = f64::INFINITY;
    assert_eq!(forecast(&values, 5), Err(ForecastError::NotFinite));
    let huge: Vec<f64> = (0..100).map(|i| if i % 2 == 0 { f64::MAX } else { f64::MIN }).collect();
    let _ = forecast(&huge, 5);
}

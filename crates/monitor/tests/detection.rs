//! Alerts are right: precision and recall on labelled series, and quiet days.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop at the first surprise"
)]

#[allow(dead_code, missing_docs, unreachable_pub, reason = "shared with the example of the same name")]
mod suite;

use rustfs_rio_monitor::{AlertBook, Change, RealTimeStats, Targets, Watch};
use std::time::Duration;
use suite::{Driven, Fault, Noise, Random};

#[test]
fn precision_and_recall_on_the_labelled_suite() {
    let all = suite::suite();
    assert!(all.len() >= 60, "{} series", all.len());
    let (mut right, mut wrong, mut found, mut faults) = (0, 0, 0, 0);
    for (number, series) in all.iter().enumerate() {
        let verdict = suite::judge(series, 1000 + number as u64);
        right += verdict.right;
        wrong += verdict.wrong;
        faults += u32::from(series.is_faulty());
        found += u32::from(verdict.delay.is_some());
    }
    let precision = f64::from(right) / f64::from(right + wrong);
    let recall = f64::from(found) / f64::from(faults);
    assert!(precision >= 0.97 && recall >= 0.95, "precision {precision:.3}, recall {recall:.3}");
}

#[test]
fn clear_faults_are_found_within_two_intervals() {
    let cases = [
        (Driven::Latency, 250.0, Noise::White(0.05), Fault::Step(1.5)),
        (Driven::Errors, 0.0, Noise::White(0.0), Fault::Added(5.0)),
        (Driven::Queue, 16.0, Noise::White(0.1), Fault::Step(4.0)),
        (Driven::Hits, 0.85, Noise::White(0.02), Fault::Added(-0.4)),
    ];
    for (driven, usual, noise, fault) in cases {
        for seed in 0..10 {
            let series = suite::Series { driven, usual, noise, fault };
            let verdict = suite::judge(&series, seed);
            // The onset's interval and the next one: a value far outside is confirmed by its successor.
            assert!(verdict.delay.is_some_and(|delay| delay <= 1), "{series:?}, seed {seed}: {verdict:?}");
        }
    }
}

/// A day of a service with a daily wave of load, short-lived neighbours and a little memory of its own past.
#[test]
fn a_clean_day_has_at_most_one_alert() {
    let mut opened = Vec::new();
    let mut random = Random::new(77);
    let mut watch = Watch::new(Duration::from_secs(1), Targets::default());
    let mut book = AlertBook::new();
    let mut red = 0.0;
    for second in 0..86_400u64 {
        let day = (second as f64 / 86_400.0 * std::f64::consts::TAU).sin();
        red = 0.9 * red + 0.436 * random.normal();
        let latency = 250.0 * (1.0 + 0.3 * day) * (1.0 + 0.05 * red + 0.03 * random.normal());
        let (mut stats, mut system) = suite::interval(Driven::Latency, latency, second, &mut random);
        stats.queue_depth = (16.0 * (1.0 + 0.4 * day) * (1.0 + 0.1 * random.normal())) as u32;
        stats.cache_hit_rate = 0.85 + 0.05 * day + 0.01 * random.normal();
        // One failed request now and then, of those that fail anywhere.
        stats.error_rate = if random.uniform() < 0.01 { 0.005 } else { 0.0 };
        // Memory that is taken and given back in a cycle of twenty minutes.
        let cycle = (second % 1200) as f64 / 1200.0;
        let used = 0.3 + 0.05 * (cycle * std::f64::consts::TAU).sin() + 0.002 * random.normal();
        system.memory_used = system.memory_max.map(|max| (max as f64 * used) as u64);
        let findings = watch.look(Duration::from_secs(1), &stats, &system);
        for change in book.update(Duration::from_secs(second), findings) {
            if let Change::Opened(alert) = change {
                opened.push((second, alert.metric, alert.category, alert.evidence));
            }
        }
    }
    assert!(opened.len() <= 1, "{opened:#?}");
}

#[test]
fn values_that_are_no_numbers_and_clocks_that_jump_find_nothing() {
    let mut watch = Watch::new(Duration::from_secs(1), Targets::default());
    let mut random = Random::new(5);
    for second in 0..400u64 {
        let (stats, system) = suite::interval(Driven::Latency, 250.0, second, &mut random);
        assert!(watch.look(Duration::from_secs(1), &stats, &system).is_empty());
        let wild = if second % 2 == 0 { f64::NAN } else { f64::INFINITY };
        let broken = RealTimeStats { p50_latency_us: wild, error_rate: wild, ..stats };
        assert!(watch.look(Duration::from_secs(1), &broken, &system).is_empty());
        if second < 200 {
            // Without a past anything passes.
            continue;
        }
        // A day between two readings, or no time at all: whatever the rates say, they are not this interval's.
        let absurd = RealTimeStats { p50_latency_us: 1e9, error_rate: 100.0, ..stats };
        for elapsed in [Duration::ZERO, Duration::from_secs(86_400), Duration::MAX] {
            assert!(watch.look(elapsed, &absurd, &system).is_empty());
        }
    }
    assert_eq!(watch.refused(), 800, "two values each time");
}

//! Trends do not depend on units, forecasts say how far off they are, and names are bounded.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests stop at the first surprise")]

#[allow(dead_code, missing_docs, unreachable_pub, reason = "one helper of the suite is used here")]
mod suite;

use rustfs_rio_monitor::{NAMES_MAX, PerformanceTrend, RefusedValue, Registry, TrendDirection};
use suite::Random;

fn trend(values: impl IntoIterator<Item = f64>) -> PerformanceTrend {
    let mut registry = Registry::new();
    values.into_iter().for_each(|value| registry.record("x", value).unwrap());
    registry.trends().next().unwrap()
}

#[test]
fn a_trend_is_the_same_in_every_unit() {
    let rising = |unit: f64| {
        let mut random = Random::new(3);
        trend((0..60).map(move |i| unit * (100.0 + f64::from(i) + 2.0 * random.normal())))
    };
    let (nanos, seconds) = (rising(1e9), rising(1e-9));
    assert_eq!(
        (nanos.trend_direction, seconds.trend_direction),
        (TrendDirection::Increasing, TrendDirection::Increasing)
    );
    assert!((nanos.trend_strength - seconds.trend_strength).abs() < 1e-9 && nanos.trend_strength > 0.9);
    assert!((nanos.predicted_value / 1e9 - 160.0).abs() < 3.0, "{nanos:?}");
    let falling = trend((0..60).map(|i| -f64::from(i)));
    assert_eq!(falling.trend_direction, TrendDirection::Decreasing);
    let mut random = Random::new(4);
    let noise = trend((0..60).map(|_| random.normal()));
    assert_eq!(noise.trend_direction, TrendDirection::Stable);
}

/// Held-out: each forecast is judged by the value that comes after it.
#[test]
fn eighty_percent_intervals_hold_75_to_85_percent() {
    type Shape = fn(u32, &mut Random, &mut f64) -> f64;
    let shapes: [(&str, Shape); 5] = [
        ("normal noise", |_, random, _| 100.0 + 5.0 * random.normal()),
        ("a line", |i, random, _| 0.3 * f64::from(i) + 5.0 * random.normal()),
        ("heavy tails", |_, random, _| 100.0 * (0.7 * random.normal()).exp()),
        ("memory of the past", |_, random, red| {
            *red = 0.8 * *red + random.normal();
            100.0 + *red
        }),
        ("a random walk", |_, random, walk| {
            *walk += random.normal();
            *walk
        }),
    ];
    for (name, shape) in shapes {
        let mut random = Random::new(11);
        let (mut memory, mut within, mut all) = (0.0, 0u32, 0u32);
        let mut registry = Registry::new();
        for i in 0..4000 {
            let value = shape(i, &mut random, &mut memory);
            if i > 200 {
                let forecast = registry.trends().next().unwrap();
                all += 1;
                within += u32::from((value - forecast.predicted_value).abs() <= forecast.prediction_margin);
            }
            registry.record("x", value).unwrap();
        }
        let coverage = f64::from(within) / f64::from(all);
        assert!((0.75..=0.85).contains(&coverage), "{name}: {coverage:.3}");
        let confidence = registry.trends().next().unwrap().prediction_confidence;
        assert!((0.6..=0.95).contains(&confidence), "{name}: {confidence}");
    }
}

#[test]
fn wild_values_and_floods_of_names_are_refused() {
    let mut registry = Registry::new();
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        assert!(matches!(registry.record("x", value), Err(RefusedValue::NotFinite { .. })));
    }
    assert!(matches!(registry.record("", 1.0), Err(RefusedValue::NameLength { len: 0, .. })));
    assert!(matches!(registry.record(&"n".repeat(4096), 1.0), Err(RefusedValue::NameLength { .. })));
    for number in 0..NAMES_MAX {
        registry.record(&format!("name {number}"), 1.0).unwrap();
    }
    for number in 0..10_000 {
        let refused = registry.record(&format!("request {number}"), 1.0);
        assert!(matches!(refused, Err(RefusedValue::TooManyNames { .. })));
    }
    registry.record("name 7", 2.0).unwrap();
    assert_eq!((registry.latest().count(), registry.refused()), (NAMES_MAX, 10_005));
    // One value says nothing about a trend.
    assert_eq!(registry.trends().count(), 0);
}

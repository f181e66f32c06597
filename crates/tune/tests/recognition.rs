//! The recogniser on the labelled suite, with seeds of its own, and within its bounds on anything.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod suite;

use proptest::prelude::*;
use rustfs_rio_tune::{Access, AccessKind, Arrival, Pattern, Recogniser};
use suite::{GENERATORS, Truth, When, generate, judge};

/// The calibration tables were made from seeds below 1,000.
const SEEDS: std::ops::Range<u64> = 1_000..1_010;

#[test]
fn patterns_are_right_after_64_requests_per_stream() {
    for (which, name) in GENERATORS.iter().enumerate() {
        for seed in SEEDS {
            let judged = judge(which, seed);
            let late = judged.iter().filter(|judged| judged.before >= 64);
            let (count, right) =
                late.fold((0, 0), |(count, right), j| (count + 1, right + usize::from(j.right)));
            assert!(right * 100 >= count * 95, "{name}, seed {seed}: {right} of {count} right");
        }
    }
}

#[test]
fn confidence_is_calibrated() {
    let mut bins = [(0.0_f64, 0.0_f64, 0.0_f64); 20];
    for which in 0..GENERATORS.len() {
        for seed in SEEDS {
            let judged = judge(which, seed);
            // Each generator counts alike, however many requests it makes.
            let share = 1.0 / judged.len() as f64;
            for one in &judged {
                let confidence = f64::from(one.verdict.confidence);
                let bin = &mut bins[((confidence * 20.0) as usize).min(19)];
                *bin = (
                    bin.0 + share,
                    bin.1 + share * confidence,
                    bin.2 + share * f64::from(u8::from(one.right)),
                );
            }
        }
    }
    let total: f64 = bins.iter().map(|bin| bin.0).sum();
    let error: f64 = bins.iter().map(|bin| (bin.1 - bin.2).abs()).sum::<f64>() / total;
    assert!(error <= 0.05, "expected calibration error {error:.4}: {bins:?}");
}

#[test]
fn a_change_of_regime_is_noticed_within_128_requests() {
    let regimes = GENERATORS.iter().position(|name| *name == "regimes").unwrap();
    for seed in SEEDS {
        let judged = judge(regimes, seed);
        for change in [300, 600, 900] {
            let after = &judged[change..change + 128];
            assert!(after.iter().any(|j| j.verdict.regime_changed), "seed {seed}: not noticed at {change}");
        }
        let quiet = judged[128..300].iter().chain(&judged[428..600]).chain(&judged[728..900]);
        assert_eq!(
            quiet.filter(|j| j.verdict.regime_changed).count(),
            0,
            "seed {seed}: noticed one that was not"
        );
    }
}

#[test]
fn interleaved_streams_are_told_apart() {
    let which = GENERATORS.iter().position(|name| *name == "16 forward").unwrap();
    for seed in SEEDS {
        let mut recogniser = Recogniser::new(256, 16);
        let mut ids = std::collections::HashMap::new();
        let (mut kept, mut all) = (0, 0);
        for labelled in generate(which, seed) {
            let verdict = recogniser.observe(&labelled.access);
            if matches!(verdict.pattern, Pattern::Sequential { .. }) {
                all += 1;
                kept += usize::from(*ids.entry(verdict.stream).or_insert(labelled.stream) == labelled.stream);
            }
        }
        assert!(kept * 100 >= all * 99, "seed {seed}: {kept} of {all} requests with their own stream");
    }
}

#[test]
fn periods_and_bursts_have_the_right_size() {
    let (period, gap) = (5_000_000.0, 5_000_000.0 / 16.0);
    let mut recogniser = Recogniser::new(16, 1);
    let mut now = 0.0_f64;
    let mut arrival = Arrival::Steady;
    for n in 0..400_u64 {
        now += gap / (1.0 + 0.6 * (now / period * std::f64::consts::TAU).sin());
        let offset = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 24 << 12;
        let access = Access { at_ns: now as u64, space: 0, offset, len: 4096, kind: AccessKind::Read };
        arrival = recogniser.observe(&access).arrival;
    }
    let Arrival::Periodic { period_ns, amplitude } = arrival else { panic!("{arrival:?}") };
    assert!((4_500_000..5_500_000).contains(&period_ns), "{period_ns}");
    assert!((0.3..=0.75).contains(&amplitude), "{amplitude}");

    let mut recogniser = Recogniser::new(16, 1);
    for n in 0..400_u64 {
        let at_ns = n / 10 * 20_000_000 + n % 10 * 100_000;
        let access = Access { at_ns, space: 0, offset: n << 12, len: 4096, kind: AccessKind::Read };
        arrival = recogniser.observe(&access).arrival;
    }
    let Arrival::Burst { length_ns, gap_ns } = arrival else { panic!("{arrival:?}") };
    assert!((850_000..950_000).contains(&length_ns), "{length_ns}");
    assert!((19_000_000..19_200_000).contains(&gap_ns), "{gap_ns}");
}

#[test]
fn steady_arrivals_are_called_steady() {
    let uniform = GENERATORS.iter().position(|name| *name == "uniform").unwrap();
    let mut wrong = 0;
    for seed in SEEDS {
        let mut accesses = generate(uniform, seed);
        assert!(accesses.iter().all(|one| one.truth == Truth::Uniform && one.when == When::Any));
        let mut recogniser = Recogniser::new(256, 16);
        let verdicts = accesses.drain(..).map(|one| recogniser.observe(&one.access));
        wrong += verdicts.filter(|verdict| verdict.arrival != Arrival::Steady).count();
    }
    assert!(wrong <= 300, "{wrong} of 6,000 evenly spread arrivals were given a structure");
}

#[test]
fn memory_is_bounded_and_nothing_is_allocated_in_steady_state() {
    let mut recogniser = Recogniser::new(256, 16);
    assert!(recogniser.bytes_per_stream() <= 256, "{}", recogniser.bytes_per_stream());
    let accesses: Vec<_> = (0..GENERATORS.len()).flat_map(|which| generate(which, 5_000)).collect();
    let info = allocation_counter::measure(|| {
        for labelled in &accesses {
            recogniser.observe(&labelled.access);
        }
    });
    assert_eq!(info.count_total, 0);
}

proptest! {
    #[test]
    fn any_requests_give_bounded_verdicts(
        requests in prop::collection::vec((any::<u64>(), 0_u32..40, any::<u64>(), any::<u32>()), 1..600),
        streams in 0_usize..70,
    ) {
        let mut recogniser = Recogniser::new(streams, 4);
        for (at_ns, space, offset, len) in requests {
            let verdict = recogniser.observe(&Access { at_ns, space, offset, len, kind: AccessKind::Write });
            prop_assert!((0.0..=1.0).contains(&verdict.confidence));
            if let Pattern::Random { hot_share, skew } = verdict.pattern {
                prop_assert!((0.0..=1.0).contains(&hot_share) && skew >= 1.0 && skew.is_finite());
            }
            if let Arrival::Periodic { amplitude, .. } = verdict.arrival {
                prop_assert!((0.0..=1.0).contains(&amplitude));
            }
        }
    }
}

//! No value leaves its bounds, and what people read is right.

use proptest::prelude::*;
use rustfs_rio_tune::{
    BOUNDS, Codec, Decision, DecisionId, DecisionLog, DecisionState, Evidence, Expected, Figure, Parameter,
    Parameters, Reason, ReverseIf, Snapshot, WorkloadSignature,
};
use std::time::Duration;

fn any_number() -> impl Strategy<Value = f64> {
    prop_oneof![
        any::<f64>(),
        Just(f64::NAN),
        Just(f64::INFINITY),
        Just(f64::NEG_INFINITY),
        Just(0.0),
        1.0..10_000_000.0,
    ]
}

proptest! {
    #[test]
    fn whatever_is_set_stays_within_bounds(sets in prop::collection::vec((0..10_usize, any_number()), 1..40)) {
        let mut values = Parameters::default();
        for (index, value) in sets {
            let parameter = Parameter::ALL[index];
            let set = values.set(parameter, value);
            prop_assert_eq!(set, values.get(parameter));
            prop_assert!(values.is_within_bounds(), "{:?}", values);
            for parameter in Parameter::ALL {
                prop_assert!(parameter.bounds().contains(values.get(parameter)));
            }
            let (lowest, highest) = values.codec.levels();
            prop_assert!((lowest..=highest).contains(&values.compression_level));
        }
    }

    #[test]
    fn places_between_the_bounds_go_both_ways(index in 0..10_usize, unit in any_number()) {
        let bounds = BOUNDS[index];
        let value = bounds.from_unit(unit);
        prop_assert!(bounds.contains(value));
        prop_assert_eq!(bounds.from_unit(bounds.to_unit(value)), value);
    }

    #[test]
    fn signatures_of_anything_are_signatures(
        reads in any::<u64>(), writes in any::<u64>(), bytes in any::<u64>(),
        odd in any_number(), other in any_number(), period in any::<u32>(),
    ) {
        let snapshot = Snapshot {
            reads, writes, read_bytes: bytes, write_bytes: bytes, in_flight_mean: odd, burstiness: other,
            sequential_share: odd, period: Duration::from_micros(period.into()), ..Snapshot::default()
        };
        let signature = snapshot.signature();
        prop_assert_eq!(WorkloadSignature::from_bytes(signature.to_bytes()), signature);
        prop_assert!(signature.distance(&signature) == 0.0);
        prop_assert!(snapshot.iops().is_finite() && snapshot.cpu_us_per_op().is_finite());
    }
}

#[test]
fn defaults_are_those_of_the_contract() {
    let values = Parameters::default();
    let shown: Vec<String> =
        values.shown().map(|(parameter, value)| format!("{parameter}={value}")).collect();
    let expected = [
        "prefetch_distance=4",
        "prefetch_size=64 KiB",
        "batch_size=16",
        "batch_timeout=10 ms",
        "compression=zstd",
        "compression_level=3",
        "buffer_pool_size=1024",
        "buffer_size=64 KiB",
        "max_concurrent_ops=1024",
        "queue_depth=32",
    ];
    assert_eq!(shown, expected);
}

#[test]
fn names_go_both_ways_and_foreign_ones_are_refused() {
    for parameter in Parameter::ALL {
        assert_eq!(parameter.name().parse(), Ok(parameter));
        assert_eq!(serde_json::to_string(&parameter).unwrap(), format!("\"{parameter}\""));
        assert_eq!(Parameter::ALL[parameter.index()], parameter);
    }
    for codec in Codec::ALL {
        assert_eq!(Codec::from_name(&codec.name().to_uppercase()), Some(codec));
        assert_eq!(Codec::from_code(codec.code()), codec);
    }
    let error = "prefetch".parse::<Parameter>().unwrap_err().to_string();
    assert!(error.contains("'prefetch'") && error.contains("prefetch_distance"), "{error}");
}

#[test]
fn a_change_of_codec_brings_the_level_along() {
    let mut values = Parameters::default();
    values.set(Parameter::CompressionLevel, 19.0);
    values.set(Parameter::Compression, Codec::Gzip.code());
    assert_eq!(values.compression_level, 9);
    values.set(Parameter::Compression, Codec::Lz4.code());
    assert_eq!(values.compression_level, 0);
}

fn decision(id: u64) -> Decision {
    Decision {
        id: DecisionId(id),
        trial: id,
        at: Duration::from_secs(7),
        parameter: Parameter::PrefetchSize,
        from: 65536.0,
        to: 131072.0,
        evidence: Evidence {
            reason: Reason::Improve,
            workload: Snapshot::default().signature(),
            figures: vec![Figure::new("sequential", 0.875, ""), Figure::new("p99", 1234.0, "us")],
        },
        expected: Expected { gain: 0.04, error: 0.02 },
        measured: None,
        reverse_if: ReverseIf::WorseBy { share: 0.03 },
        state: DecisionState::Proposed,
    }
}

#[test]
fn a_decision_reads_as_a_sentence_and_survives_json() {
    let decision = decision(3);
    assert_eq!(
        decision.to_string(),
        "#3 proposed: prefetch_size 64 KiB -> 128 KiB: measurements point this way (sequential 0.875, p99 1234 us); \
         expected +4.0 %; reversed if one period is more than 3.0 % worse"
    );
    let json = serde_json::to_string(&decision).unwrap();
    assert_eq!(serde_json::from_str::<Decision>(&json).unwrap(), decision);
}

#[test]
fn the_log_is_bounded_and_finds_by_name() {
    let mut log = DecisionLog::new(3);
    for id in 1..=5 {
        log.push(decision(id));
    }
    assert_eq!((log.len(), log.dropped()), (3, 2));
    assert!(log.mark(DecisionId(4), DecisionState::Kept, None));
    assert!(!log.mark(DecisionId(1), DecisionState::Kept, None), "gone");
    assert_eq!(log.get(DecisionId(4)).map(|decision| decision.state), Some(DecisionState::Kept));
    assert_eq!(log.iter().map(|decision| decision.id.0).collect::<Vec<_>>(), [3, 4, 5]);
}

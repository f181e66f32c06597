//! What is read ahead is bounded and pays; traces and the simulation do what they say.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod suite;

use proptest::prelude::*;
use rustfs_rio_tune::{
    Access, AccessKind, Counts, Predictor, PrefetchConfig, StreamPredictor, TraceError, TraceFormat,
    requests, simulate,
};
use std::collections::HashSet;
use suite::{GENERATORS, Random, generate};

fn read(offset: u64, len: u32) -> Access {
    Access { at_ns: 0, space: 3, offset, len, kind: AccessKind::Read }
}

fn run(accesses: &[Access]) -> Counts {
    simulate(accesses, 64 << 20, Some(&mut StreamPredictor::new(PrefetchConfig::default())))
}

#[test]
fn sequences_are_read_ahead_and_random_requests_are_not() {
    let sequence: Vec<_> = (0..1000).map(|n| read(n << 16, 1 << 16)).collect();
    let counts = run(&sequence);
    assert!(counts.hit_ratio() > 0.95 && counts.used_share() > 0.98, "{counts:?}");
    let uniform = GENERATORS.iter().position(|name| *name == "uniform").unwrap();
    let random: Vec<_> =
        (1_000..1_010).flat_map(|seed| generate(uniform, seed)).map(|one| one.access).collect();
    assert_eq!(run(&random).prefetched, 0);
}

#[test]
fn pairs_that_never_go_on_cost_nothing() {
    let mut random = Random::new(9);
    let pairs = (0..5_000).map(|_| random.below(1 << 20) << 17);
    let accesses: Vec<_> = pairs.flat_map(|at| [read(at, 4096), read(at + 4096, 4096)]).collect();
    let counts = run(&accesses);
    // The second of a pair may be read ahead; a third is never asked for.
    assert!(counts.used_share() > 0.95, "{counts:?}");
}

#[test]
fn lines_that_are_no_requests_are_named() {
    let good = "5 1 16 8 1\n\n6 0 8 1 0\n";
    let parsed: Vec<_> = requests(good, TraceFormat::Mqsim).collect::<Result<_, _>>().unwrap();
    let first = Access { at_ns: 5, space: 1, offset: 8192, len: 4096, kind: AccessKind::Read };
    assert_eq!(
        parsed,
        [first, Access { at_ns: 6, space: 0, offset: 4096, len: 512, kind: AccessKind::Write }]
    );
    assert_eq!(requests("5,1,8192,4096,r", TraceFormat::Csv).next().unwrap().unwrap(), first);
    let untimed = |at_ns, offset, len| Access { at_ns, space: 0, offset, len, kind: AccessKind::Read };
    assert_eq!(requests("16 8 0 5", TraceFormat::Arc).next().unwrap().unwrap(), untimed(5, 8192, 4096));
    assert_eq!(requests("3", TraceFormat::Keys).next().unwrap().unwrap(), untimed(0, 12288, 4096));
    let arc = requests("16 8 0 5 1", TraceFormat::Arc).next().unwrap().unwrap_err();
    assert_eq!(arc.to_string(), "line 1: 5 fields, expected 4: lba sectors ignored number");
    assert!(requests("key", TraceFormat::Keys).next().unwrap().is_err());
    let fields = requests("5 1 16 8 1\n5 1 16 8\n", TraceFormat::Mqsim).nth(1).unwrap().unwrap_err();
    assert!(matches!(fields, TraceError::Fields { line: 2, found: 4, expected: 5, .. }), "{fields}");
    for (text, name) in [
        ("x 1 16 8 1", "ns"),
        ("5 4294967296 16 8 1", "space"),
        ("5 1 36028797018963968 8 1", "offset"),
        ("5 1 36028797018963967 8 1", "offset"),
        ("5 1 16 0 1", "length"),
        ("5 1 16 8388608 1", "length"),
        ("5 1 16 8 2", "op"),
        ("5 1 -16 8 1", "offset"),
    ] {
        match requests(text, TraceFormat::Mqsim).next() {
            Some(Err(TraceError::Value { line: 1, field, .. })) => assert_eq!(field, name, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn the_simulation_counts_by_hand() {
    let accesses = [read(0, 8192), read(4096, 4096), read(0, 4096), read(8192, 4096), read(4096, 4096)];
    // Two blocks of room: 0 and 1 come in, 1 and 0 hit, 2 displaces 1.
    let counts = simulate(&accesses, 8192, None);
    assert_eq!(counts, Counts { reads: 6, hits: 2, device_reads: 4, ..Counts::default() });
    assert_eq!(simulate(&accesses, 0, None).hits, 0);
}

/// Reads one fixed block ahead, once.
struct Once(Option<rustfs_rio_tune::Range>);

impl Predictor for Once {
    fn name(&self) -> &'static str {
        "once"
    }

    fn observe(&mut self, _: &Access) -> Option<rustfs_rio_tune::Range> {
        self.0.take()
    }
}

#[test]
fn a_block_read_ahead_counts_as_used_once() {
    let range = rustfs_rio_tune::Range { space: 3, offset: 4096, len: 8192 };
    let accesses = [read(0, 4096), read(4096, 4096), read(4096, 4096)];
    let counts = simulate(&accesses, 1 << 20, Some(&mut Once(Some(range))));
    assert_eq!(counts, Counts { reads: 3, hits: 2, prefetched: 2, used: 1, device_reads: 3 });
}

/// The traces are not part of the repository.
#[test]
fn real_traces_gain_or_are_left_alone() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/traces");
    let load = |name: &str| -> Option<Vec<Access>> {
        let text = std::fs::read_to_string(folder.join(name)).ok()?;
        Some(requests(&text, TraceFormat::Mqsim).collect::<Result<_, _>>().unwrap())
    };
    let (Some(search), Some(orders)) = (load("wsrch-small.trace"), load("tpcc-small.trace")) else {
        println!("skipped: {} has no traces", folder.display());
        return;
    };
    let counts = run(&search);
    assert!(counts.hit_ratio() >= 0.28 && counts.used_share() >= 0.5, "{counts:?}");
    let (with, without) = (run(&orders), simulate(&orders, 64 << 20, None));
    assert!(with.device_reads * 100 <= without.device_reads * 101, "{with:?} {without:?}");
}

proptest! {
    #[test]
    fn ranges_stay_in_bounds_and_repeat_nothing(
        requests in prop::collection::vec((0_u64..64, 1_u32..40, any::<bool>()), 1..800),
        bytes_max in any::<u32>(),
        use_min in 0.0_f32..1.0,
    ) {
        let config = PrefetchConfig { bytes_max, use_min, streams: 16 };
        let bound = bytes_max.clamp(4 << 10, 1 << 20);
        let mut predictor = StreamPredictor::new(config);
        let mut ends = [0_u64; 64];
        for (stream, blocks, go_on) in requests {
            let at = &mut ends[stream as usize];
            *at = if go_on { *at } else { *at + (1 << 22) };
            let access = read((stream << 40) + *at, blocks << 12);
            *at += u64::from(access.len);
            if let Some(range) = predictor.observe(&access) {
                prop_assert!(range.len > 0 && range.len <= bound);
                prop_assert!(range.offset >= access.end());
                prop_assert!(range.offset + u64::from(range.len) <= access.end() + u64::from(bound));
            }
        }
    }

    #[test]
    fn any_text_is_requests_or_errors(text in "[0-9 ,rw\\n-]{0,200}", which in 0_usize..4) {
        let format = [TraceFormat::Csv, TraceFormat::Mqsim, TraceFormat::Arc, TraceFormat::Keys][which];
        let lines: HashSet<_> = requests(&text, format).filter_map(Result::err).map(|error| error.to_string()).collect();
        prop_assert!(lines.iter().all(|line| line.starts_with("line ")));
    }

    #[test]
    fn predictors_never_allocate(offsets in prop::collection::vec(any::<u64>(), 1..200)) {
        let mut predictor = StreamPredictor::new(PrefetchConfig::default());
        let info = allocation_counter::measure(|| {
            for offset in &offsets {
                predictor.observe(&read(*offset, u32::MAX));
            }
        });
        prop_assert_eq!(info.count_total, 0);
    }
}

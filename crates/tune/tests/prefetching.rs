//! What is read ahead is bounded and pays.
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing, reason = "a test fails by panicking")]

mod suite;

use proptest::prelude::*;
use rustfs_rio_tune::{
    Access, AccessKind, Counts, Feedback, Pace, Plan, PrefetchBounds, PrefetchOutcome, Prefetcher, Pressure,
    SimulationConfig, TraceFormat, requests, simulate,
};
use suite::{GENERATORS, Random, generate};

fn read(offset: u64, len: u32) -> Access {
    Access { at_ns: 0, space: 3, offset, len, kind: AccessKind::Read }
}

const CONFIG: fn() -> SimulationConfig =
    || SimulationConfig { cache_bytes: 64 << 20, ..SimulationConfig::default() };

fn run(accesses: &[Access]) -> Counts {
    simulate(accesses, &CONFIG(), Some(Prefetcher::new(PrefetchBounds::default())))
}

#[test]
fn sequences_are_read_ahead_and_random_requests_are_not() {
    let forward: Vec<_> = (0..1000).map(|n| read(n << 16, 1 << 16)).collect();
    let backward: Vec<_> = (0..1000).map(|n| read((2000 - n) << 16, 1 << 16)).collect();
    for (name, sequence) in [("forward", forward), ("backward", backward)] {
        let counts = run(&sequence);
        assert!(counts.hit_ratio() > 0.95 && counts.used_share() > 0.98, "{name}: {counts:?}");
    }
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

/// The traces are not part of the repository.
#[test]
fn real_traces_gain_or_are_left_alone() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/traces");
    let load = |name: &str| -> Option<Vec<Access>> {
        let text = std::fs::read_to_string(folder.join(name)).ok()?;
        Some(requests(&text, TraceFormat::Mqsim).collect::<Result<_, _>>().unwrap())
    };
    let (Some(search), Some(orders)) = (load("wsrch-small.trace"), load("tpcc-small.trace")) else {
        suite::skip(&format!("{} has no traces", folder.display()));
        return;
    };
    let config = SimulationConfig { pace: Pace::Recorded(1.0), ..CONFIG() };
    let with =
        |accesses: &[Access]| simulate(accesses, &config, Some(Prefetcher::new(PrefetchBounds::default())));
    let counts = with(&search);
    assert!(counts.hit_ratio() >= 0.33 && counts.used_share() >= 0.5, "{counts:?}");
    let (with, without) = (with(&orders), simulate(&orders, &config, None));
    assert!(with.device_reads * 100 <= without.device_reads * 101, "{with:?} {without:?}");
}

#[test]
fn pressure_stops_and_takes_back() {
    let mut prefetcher = Prefetcher::new(PrefetchBounds::default());
    let mut open = Vec::new();
    for n in 0..200 {
        let plan: Plan = prefetcher.observe(&read(n << 16, 1 << 16), Pressure::None).clone();
        // The executor is slow: nothing of the last ranges has an outcome when the device fills up.
        open.extend_from_slice(plan.issue());
        for prefetch in open.drain(..open.len().saturating_sub(3)) {
            let bytes = prefetch.range.len;
            prefetcher.feedback(&Feedback { ticket: prefetch.ticket, outcome: PrefetchOutcome::Used, bytes });
        }
    }
    assert!(!open.is_empty());
    let plan = prefetcher.observe(&read(200 << 16, 1 << 16), Pressure::Full);
    assert!(plan.issue().is_empty());
    assert!(open.iter().all(|prefetch| plan.cancel().contains(&prefetch.ticket)), "{plan:?}");
}

#[test]
fn what_demand_reads_have_overtaken_is_cancelled() {
    let mut prefetcher = Prefetcher::new(PrefetchBounds::default());
    let (mut issued, mut cancelled) = (Vec::new(), Vec::new());
    for n in 0..100 {
        let plan = prefetcher.observe(&read(n << 16, 1 << 16), Pressure::None);
        issued.extend(plan.issue().iter().map(|prefetch| (prefetch.range.end(), prefetch.ticket)));
        cancelled.extend_from_slice(plan.cancel());
    }
    let passed: Vec<_> =
        issued.iter().filter(|(end, _)| *end <= 100 << 16).map(|(_, ticket)| *ticket).collect();
    assert!(passed.len() > 10);
    assert_eq!(cancelled, passed);
}

/// Requests of a few regions: sequences both ways, repeats, leaps.
fn any_requests() -> impl Strategy<Value = Vec<Access>> {
    let one = (0_u64..24, 1_u32..40, 0_u8..6, any::<bool>(), 0_u64..1_000_000);
    prop::collection::vec(one, 1..800).prop_map(|requests| {
        let mut ends = [1_u64 << 38; 24];
        let mut now = 0;
        let step = |(stream, blocks, step, write, gap): (u64, u32, u8, bool, u64)| {
            now += gap;
            let at = &mut ends[stream as usize];
            let len = blocks << 12;
            let offset = match step {
                0 => at.saturating_add(1 << 22),
                1 => at.saturating_sub(u64::from(2 * len)),
                2 => 1 << 38,
                3 => u64::MAX - u64::from(len) / 2,
                _ => *at,
            };
            *at = offset.saturating_add(u64::from(len));
            let kind = if write && step == 5 { AccessKind::Write } else { AccessKind::Read };
            Access { at_ns: now, space: stream as u32 % 3, offset, len, kind }
        };
        requests.into_iter().map(step).collect()
    })
}

proptest! {
    #[test]
    fn no_plan_leaves_the_bounds(
        accesses in any_requests(),
        size_bytes in any::<u32>(),
        distance_bytes in any::<u32>(),
        total_bytes in prop_oneof![Just(0), Just(u64::MAX), 0_u64..64 << 20],
        use_min in prop_oneof![Just(f32::NAN), Just(-1.0), Just(2.0), 0.0_f32..1.0],
        answers in any::<u64>(),
    ) {
        let bounds = PrefetchBounds { size_bytes, distance_bytes, total_bytes, use_min };
        let mut prefetcher = Prefetcher::new(bounds);
        let bound = bounds.clamped();
        let mut random = Random::new(answers);
        let (mut open, mut open_bytes) = (Vec::new(), 0_u64);
        for access in &accesses {
            let pressure = [Pressure::None, Pressure::None, Pressure::Some, Pressure::Full][random.below(4) as usize];
            let plan = prefetcher.observe(access, pressure).clone();
            for (at, prefetch) in plan.issue().iter().enumerate() {
                let range = prefetch.range;
                prop_assert!(range.len > 0 && range.len <= bound.size_bytes);
                prop_assert!(range.offset % 4096 == 0 && range.len % 4096 == 0);
                prop_assert!(range.offset.checked_add(u64::from(range.len)).is_some());
                prop_assert!((bound.use_min..=1.0).contains(&prefetch.probability));
                prop_assert!(plan.issue()[..at].iter().all(|other| !other.range.overlaps(&range)));
                open_bytes += u64::from(range.len);
                open.push(*prefetch);
            }
            prop_assert!(open_bytes <= total_bytes);
            prop_assert_eq!(open_bytes, prefetcher.open_bytes());
            prop_assert!(pressure < Pressure::Full || plan.issue().is_empty());
            while open.len() > 8 || (!open.is_empty() && random.below(2) == 0) {
                let prefetch = open.swap_remove(random.below(open.len() as u64) as usize);
                let outcome = [PrefetchOutcome::Used, PrefetchOutcome::Late, PrefetchOutcome::Wasted, PrefetchOutcome::Dropped][random.below(4) as usize];
                open_bytes -= u64::from(prefetch.range.len);
                prefetcher.feedback(&Feedback { ticket: prefetch.ticket, outcome, bytes: prefetch.range.len });
            }
        }
    }

    #[test]
    fn the_same_requests_give_the_same_plans(accesses in any_requests()) {
        let plans = || {
            let mut prefetcher = Prefetcher::new(PrefetchBounds::default());
            accesses.iter().flat_map(|access| prefetcher.observe(access, Pressure::None).issue().to_vec()).collect::<Vec<_>>()
        };
        prop_assert_eq!(plans(), plans());
    }

    #[test]
    fn predictors_never_allocate(accesses in any_requests(), offsets in prop::collection::vec(any::<u64>(), 1..200)) {
        let mut prefetcher = Prefetcher::new(PrefetchBounds::default());
        let info = allocation_counter::measure(|| {
            for access in &accesses {
                prefetcher.observe(access, Pressure::None);
            }
            for offset in &offsets {
                prefetcher.observe(&read(*offset, u32::MAX), Pressure::None);
            }
        });
        prop_assert_eq!(info.count_total, 0);
    }
}

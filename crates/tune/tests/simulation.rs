//! The simulation counts as one would by hand.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use proptest::prelude::*;
use rustfs_rio_tune::{
    Access, AccessKind, Counts, DeviceModel, Pace, Policy, Predictor, PrefetchBounds, Prefetcher, Proposal,
    Proposals, Range, Simulation, SimulationConfig, simulate,
};

fn read(offset: u64, len: u32) -> Access {
    Access { at_ns: 0, space: 3, offset, len, kind: AccessKind::Read }
}

/// 1 ms and nothing for the transfer, so that times are easily added.
const DEVICE: DeviceModel =
    DeviceModel { latency_ns: 1_000_000, bytes_per_second: u64::MAX, depth: 4, jitter_percent: 0, seed: 0 };

fn config(cache_bytes: u64) -> SimulationConfig {
    SimulationConfig { cache_bytes, device: DEVICE, ..SimulationConfig::default() }
}

#[test]
fn hits_and_waits_are_those_of_a_small_cache() {
    let accesses = [read(0, 8192), read(4096, 4096), read(0, 4096), read(8192, 4096), read(4096, 4096)];
    // Two blocks of room: 0 and 1 come in with one operation, 1 and 0 hit, 2 displaces 1.
    let counts = simulate(&accesses, &config(8192), None);
    let expected =
        Counts { requests: 5, reads: 6, hits: 2, device_reads: 4, wait_ns: 3_000_000, ..Counts::default() };
    assert_eq!(counts, expected);
    assert_eq!(simulate(&accesses, &config(0), None).hits, 0);
    assert_eq!(simulate(&accesses, &config(u64::MAX), None).hits, 3);
}

/// Reads one fixed range ahead, once.
struct Once(Option<Range>);

impl Predictor for Once {
    fn name(&self) -> &'static str {
        "once"
    }

    fn observe(&mut self, _: &Access, proposals: &mut Proposals) {
        if let Some(range) = self.0.take() {
            proposals.push(Proposal { range, probability: 1.0, class: 0, proven: true });
        }
    }

    fn set_bounds(&mut self, _: PrefetchBounds) {}
}

fn once(offset: u64, len: u32) -> Option<Prefetcher> {
    let range = Range { space: 3, offset, len };
    Some(Prefetcher::with_predictors(PrefetchBounds::default(), vec![Box::new(Once(Some(range)))]))
}

#[test]
fn a_block_read_ahead_counts_as_used_once() {
    let accesses = [read(0, 4096), read(4096, 4096), read(4096, 4096)];
    let counts = simulate(&accesses, &config(1 << 20), once(4096, 8192));
    let expected = Counts {
        requests: 3,
        reads: 3,
        hits: 2,
        prefetched: 2,
        used: 1,
        device_reads: 3,
        wait_ns: 1_000_000,
        ..Counts::default()
    };
    assert_eq!(counts, expected);
}

#[test]
fn a_read_that_comes_too_early_waits_for_the_rest() {
    let mut accesses = [read(0, 4096), read(4096, 4096)];
    accesses[1].at_ns = 400_000;
    let timed = SimulationConfig { pace: Pace::Recorded(1.0), ..config(1 << 20) };
    let counts = simulate(&accesses, &timed, once(4096, 4096));
    assert_eq!((counts.hits, counts.late, counts.wait_ns), (1, 1, 1_600_000));
    let slower = SimulationConfig { pace: Pace::Recorded(0.5), ..timed };
    assert_eq!(simulate(&accesses, &slower, once(4096, 4096)).wait_ns, 1_200_000);
}

#[test]
fn without_a_cache_nothing_is_read_ahead() {
    let accesses: Vec<_> = (0..100).map(|n| read(n << 12, 4096)).collect();
    let counts = simulate(&accesses, &config(4095), Some(Prefetcher::new(PrefetchBounds::default())));
    assert_eq!((counts.prefetched, counts.hits, counts.device_reads), (0, 0, 100));
}

#[test]
fn what_is_overwritten_unused_is_wasted() {
    let write = Access { kind: AccessKind::Write, ..read(4096, 4096) };
    let counts = simulate(&[read(0, 4096), write, read(4096, 4096)], &config(1 << 20), once(4096, 4096));
    assert_eq!((counts.prefetched, counts.used, counts.hits, counts.device_writes), (1, 0, 1, 1));
}

proptest! {
    #[test]
    fn the_books_balance(
        requests in prop::collection::vec((0_u64..300, 1_u32..20, any::<bool>(), 0_u64..2_000_000), 1..400),
        room in 0_u64..200,
        policy in 0_usize..4,
        depth in 0_u16..5,
        latency_ns in prop_oneof![Just(0), Just(u64::MAX), 0_u64..5_000_000],
        bytes_per_second in prop_oneof![Just(0), 1_u64..1 << 32],
    ) {
        let mut now = 0;
        let accesses: Vec<_> = requests.into_iter().map(|(at, blocks, write, gap)| {
            now += gap;
            let kind = if write && at % 7 == 0 { AccessKind::Write } else { AccessKind::Read };
            Access { at_ns: now, space: 0, offset: at * 4096, len: blocks * 4096, kind }
        }).collect();
        let config = SimulationConfig {
            cache_bytes: room * 4096,
            policy: Policy::ALL[policy],
            device: DeviceModel { latency_ns, bytes_per_second, depth, jitter_percent: depth as u8 * 30, seed: room },
            pace: Pace::Recorded(1.0),
        };
        let mut simulation = Simulation::new(config, Some(Prefetcher::new(PrefetchBounds { use_min: 0.0, ..PrefetchBounds::default() })));
        for access in &accesses {
            simulation.step(access);
            prop_assert!(simulation.held_blocks() as u64 <= room);
        }
        let counts = simulation.counts();
        prop_assert_eq!(counts.requests, accesses.len() as u64);
        prop_assert_eq!(counts.device_reads, counts.reads - counts.hits + counts.prefetched);
        prop_assert!(counts.used <= counts.prefetched && counts.late <= counts.hits && counts.hits <= counts.reads);
        let stats = simulation.sources().fold((0, 0, 0), |sum, stats| {
            (sum.0 + stats.issued_bytes, sum.1 + stats.used_bytes, sum.2 + stats.wasted_bytes + stats.dropped_bytes)
        });
        prop_assert_eq!(stats.1, counts.used * 4096);
        prop_assert!(stats.1 + stats.2 + simulation.unused_blocks() as u64 * 4096 <= stats.0);
    }
}

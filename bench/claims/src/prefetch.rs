//! C8: reading ahead, on recorded traces and on sequential reads.

use std::path::Path;

use rustfs_rio_load::target::Rio;
use rustfs_rio_load::{KIB, Target, Workload};
use rustfs_rio_tune::{
    Access, AccessKind, Counts, Pace, PredictorSizes, PrefetchBounds, Prefetcher, SimulationConfig,
    TraceFormat, built_in, requests, simulate,
};
use serde_json::json;

use crate::cell::ratios;
use crate::{Bar, Cell, ClaimError, Raw, Setting};

/// Cache of the replays, as in the promise.
const CACHE_BYTES: u64 = 64 << 20;
/// The traces that the promise is about, and what each is to show.
const TRACES: [(&str, Kind); 2] =
    [("wsrch-small.trace", Kind::Gains), ("tpcc-small.trace", Kind::NothingToGain)];
/// 64 KiB requests.
const SEQUENTIAL: usize = 64 * KIB;
/// Cache of the sequential reads: far less than the file, so that nothing is found that was not read ahead.
const SEQUENTIAL_CACHE_BYTES: u64 = 32 << 20;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Gains,
    NothingToGain,
}

/// C8.
pub(crate) fn measure(setting: &Setting, raw: &mut Raw) -> Result<Vec<Cell>, ClaimError> {
    let mut cells = Vec::new();
    for (name, kind) in TRACES {
        setting.check()?;
        match setting.traces.as_deref().map(|directory| replay(&directory.join(name))) {
            Some(Ok((without, with))) => {
                raw.add(json!({
                    "claim": "C8", "trace": name, "cache_bytes": CACHE_BYTES,
                    "without": counts(&without), "with": counts(&with),
                }));
                cells.extend(compare(name, kind, &without, &with));
            }
            Some(Err(error)) => cells.push(missing(name, &error.to_string())),
            None => cells.push(missing(name, "name the directory that holds it with --traces")),
        }
    }
    cells.extend(streams(setting, raw));
    cells.extend(sequential(setting, raw)?);
    Ok(cells)
}

fn missing(name: &str, why: &str) -> Cell {
    Cell::new(format!("{name}, hit rate"), "times", Bar::AtLeast(1.6), Vec::new()).note(why)
}

fn counts(counts: &Counts) -> serde_json::Value {
    json!({
        "read_blocks": counts.reads, "hit_blocks": counts.hits, "prefetched_blocks": counts.prefetched,
        "used_blocks": counts.used, "device_read_blocks": counts.device_reads, "wait_us": counts.wait_ns / 1000,
    })
}

/// Plays a trace through two simulations of one cache, without and with reading ahead.
fn replay(path: &Path) -> Result<(Counts, Counts), Box<dyn std::error::Error>> {
    let text =
        std::fs::read_to_string(path).map_err(|error| format!("cannot read {}: {error}", path.display()))?;
    let accesses = requests(&text, TraceFormat::Mqsim).collect::<Result<Vec<_>, _>>()?;
    Ok(play(&accesses))
}

fn play(accesses: &[Access]) -> (Counts, Counts) {
    let pace = Pace::Recorded(1.0);
    let config = SimulationConfig { cache_bytes: CACHE_BYTES, pace, ..SimulationConfig::default() };
    let ahead = Prefetcher::with_predictors(PrefetchBounds::default(), built_in(&PredictorSizes::default()));
    (simulate(accesses, &config, None), simulate(accesses, &config, Some(ahead)))
}

fn compare(name: &str, kind: Kind, without: &Counts, with: &Counts) -> Vec<Cell> {
    let wait = (1.0 - with.wait_ns as f64 / without.wait_ns.max(1) as f64) * 100.0;
    let extra = (with.device_reads as f64 / without.device_reads.max(1) as f64 - 1.0) * 100.0;
    match kind {
        Kind::Gains => vec![
            Cell::new(
                format!("{name}, hit rate of the cache without reading ahead"),
                "times",
                Bar::AtLeast(1.6),
                vec![with.hit_ratio() / without.hit_ratio().max(f64::MIN_POSITIVE)],
            ),
            Cell::new(format!("{name}, hit rate"), "share", Bar::AtLeast(0.28), vec![with.hit_ratio()])
                .note("a plain stream table reaches 0.234 at 0.51 used"),
            Cell::new(
                format!("{name}, used of what was read ahead"),
                "share",
                Bar::AtLeast(0.5),
                vec![with.used_share()],
            ),
            Cell::new(format!("{name}, less demand wait"), "%", Bar::AtLeast(30.0), vec![wait])
                .note("of the simulated device; on the disk: rio replay"),
        ],
        Kind::NothingToGain => {
            vec![Cell::new(format!("{name}, more device reads"), "%", Bar::AtMost(1.0), vec![extra])]
        }
    }
}

/// A load in which over half of the reads continue a stream: 16 streams of random lengths among random reads.
fn streams(setting: &Setting, raw: &mut Raw) -> Vec<Cell> {
    let mut state = setting.seed | 1;
    let mut random = move |bound: u64| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state % bound
    };
    let (mut accesses, mut places, mut continued) = (Vec::new(), [(0_u64, 0_u64); 16], 0_u64);
    for number in 0..60_000_u64 {
        let len = 16 << 10;
        let offset = if random(10) < 7 {
            let (place, left) = &mut places[random(16) as usize];
            if *left == 0 {
                (*place, *left) = (random(1 << 24) << 12, 8 + random(120));
            } else {
                continued += 1;
            }
            *left -= 1;
            *place += len;
            *place - len
        } else {
            random(1 << 24) << 12
        };
        let at_ns = number * 2_000_000;
        accesses.push(Access { at_ns, space: 1, offset, len: len as u32, kind: AccessKind::Read });
    }
    let (without, with) = play(&accesses);
    let share = continued as f64 * 100.0 / accesses.len() as f64;
    raw.add(json!({
        "claim": "C8", "trace": "generated streams", "continued_percent": share,
        "without": counts(&without), "with": counts(&with),
    }));
    let wait = (1.0 - with.wait_ns as f64 / without.wait_ns.max(1) as f64) * 100.0;
    vec![
        Cell::new(
            format!("{share:.0} % of reads continue a stream, less demand wait"),
            "%",
            Bar::AtLeast(45.0),
            vec![wait],
        )
        .note("of the simulated device"),
    ]
}

/// Direct sequential reads by one task, on the disk.
fn sequential(setting: &Setting, raw: &mut Raw) -> Result<Vec<Cell>, ClaimError> {
    let workload = Workload::sequential(SEQUENTIAL, 1).direct();
    let (ahead, plain) =
        (Rio::cached(SEQUENTIAL_CACHE_BYTES, true), Rio::cached(SEQUENTIAL_CACHE_BYTES, false));
    let targets: [Box<dyn Target>; 3] = [Box::new(ahead), Box::new(plain), Box::new(Rio::auto())];
    let report = setting.compare(workload.clone(), &targets, raw)?;
    let times = |base| ratios(&report, &workload, "rio-prefetching", base, |outcome| Some(outcome.iops));
    Ok(vec![
        Cell::new(
            "64 KiB sequential, one task, throughput without reading ahead",
            "times",
            Bar::AtLeast(1.3),
            times("rio-cached"),
        ),
        Cell::told("the same beside no cache at all", "times", times("rio-auto")),
    ])
}

//! C1 to C4: Rio beside other ways to do the same operations.

use rustfs_rio_load::target::{BareRing, Fio, Rio, SpawnBlocking, Threads, TokioFs};
use rustfs_rio_load::{KIB, Outcome, Report, Target, Workload};

use crate::cell::{is_right, ratios};
use crate::{Bar, Cell, ClaimError, Raw, Setting};

const SUBJECT: &str = "rio-auto";

type Figure = fn(&Outcome) -> Option<f64>;

fn iops_of(outcome: &Outcome) -> Option<f64> {
    Some(outcome.iops)
}

fn cpu_of(outcome: &Outcome) -> Option<f64> {
    Some(outcome.cpu_us_per_op)
}

fn less(ratio: f64) -> f64 {
    (1.0 - ratio) * 100.0
}

/// Why an engine has no figures, where it has none.
fn explain(cell: Cell, report: &Report, engine: &str) -> Cell {
    let skipped = report.skipped.iter().find(|skipped| skipped.engine == engine);
    match skipped.filter(|_| cell.value.is_none()) {
        Some(skipped) => cell.note(format!("{engine}: {}", skipped.reason)),
        None => cell,
    }
}

/// C1.
pub(crate) fn throughput(setting: &Setting, raw: &mut Raw) -> Result<Vec<Cell>, ClaimError> {
    let mut cells = Vec::new();
    for (block, bar) in [(64 * KIB, 3.5), (4 * KIB, 7.0)] {
        let workload = Workload::random(block, 32).writes(30);
        let targets: [Box<dyn Target>; 3] = [Box::new(Rio::auto()), Box::new(Threads), Box::new(TokioFs)];
        let report = setting.compare(workload.clone(), &targets, raw)?;
        let times = |base| ratios(&report, &workload, SUBJECT, base, iops_of);
        let name = format!("{} KiB, throughput of tokio::fs", block / KIB);
        cells.push(Cell::new(name, "times", Bar::AtLeast(bar), times("tokio-fs")));
        let name = format!("{} KiB, throughput of std threads", block / KIB);
        cells.push(match block {
            // The floor is a bar where the promise names it.
            block if block == 64 * KIB => Cell::new(name, "times", Bar::AtLeast(0.85), times("threads")),
            _ => Cell::told(name, "times", times("threads")),
        });
    }
    Ok(cells)
}

/// C2.
pub(crate) fn latency(setting: &Setting, raw: &mut Raw) -> Result<Vec<Cell>, ClaimError> {
    let figures: [(&str, Figure); 3] = [
        ("p50", |outcome| Some(outcome.p50_us)),
        ("p95", |outcome| Some(outcome.p95_us)),
        ("p99", |outcome| Some(outcome.p99_us)),
    ];
    let mut cells = Vec::new();
    for (block, tasks) in [(4 * KIB, 1), (4 * KIB, 32), (64 * KIB, 1), (64 * KIB, 32)] {
        let workload = Workload::random(block, tasks);
        let targets: [Box<dyn Target>; 2] = [Box::new(Rio::auto()), Box::new(TokioFs)];
        let report = setting.compare(workload.clone(), &targets, raw)?;
        for (figure, of) in figures {
            let name = format!("{} KiB, {tasks} tasks, {figure} below tokio::fs", block / KIB);
            let values = ratios(&report, &workload, SUBJECT, "tokio-fs", of).into_iter().map(less).collect();
            cells.push(Cell::new(name, "%", Bar::AtLeast(70.0), values));
        }
    }
    Ok(cells)
}

/// C3.
pub(crate) fn iops(setting: &Setting, raw: &mut Raw) -> Result<Vec<Cell>, ClaimError> {
    let cached = Workload::random(4 * KIB, 32);
    let targets: [Box<dyn Target>; 2] = [Box::new(Rio::auto()), Box::new(Threads)];
    let warm = setting.compare(cached.clone(), &targets, raw)?;
    let direct = cached.clone().direct();
    let targets: [Box<dyn Target>; 2] = [Box::new(Rio::auto()), Box::new(Fio)];
    let cold = setting.compare(direct.clone(), &targets, raw)?;
    let absolute = |report: &Report| {
        let ours = report.runs.iter().filter(|run| run.engine == SUBJECT && is_right(&run.outcome));
        ours.map(|run| run.outcome.iops / 1000.0).collect::<Vec<_>>()
    };
    let of_fio = Cell::new(
        "direct, IOPS of fio with io_uring",
        "times",
        Bar::AtLeast(0.95),
        ratios(&cold, &direct, SUBJECT, "fio", iops_of),
    );
    Ok(vec![
        Cell::new(
            "cached, IOPS of std threads",
            "times",
            Bar::AtLeast(0.90),
            ratios(&warm, &cached, SUBJECT, "threads", iops_of),
        ),
        explain(of_fio, &cold, "fio"),
        Cell::told("cached", "kIOPS", absolute(&warm)),
        Cell::told("direct", "kIOPS", absolute(&cold)),
    ])
}

/// C4. The thread-per-core engines themselves are linked by `bench/compare` only; a bare ring costs less than any of them, so
/// that the bar here is at least as hard.
pub(crate) fn cpu(setting: &Setting, raw: &mut Raw) -> Result<Vec<Cell>, ClaimError> {
    let workload = Workload::random(4 * KIB, 32).direct();
    let targets: [Box<dyn Target>; 3] = [Box::new(Rio::auto()), Box::new(SpawnBlocking), Box::new(BareRing)];
    let report = setting.compare(workload.clone(), &targets, raw)?;
    let below = ratios(&report, &workload, SUBJECT, "spawn-blocking", cpu_of).into_iter().map(less).collect();
    let of_ring = Cell::new(
        "CPU per operation of a bare ring",
        "times",
        Bar::AtMost(1.5),
        ratios(&report, &workload, SUBJECT, "bare-ring", cpu_of),
    );
    let of_ring = explain(of_ring, &report, "bare-ring");
    Ok(vec![
        Cell::new("CPU per operation below spawn_blocking", "%", Bar::AtLeast(60.0), below),
        match of_ring.note {
            Some(_) => of_ring,
            None => of_ring.note("below every thread-per-core engine; bench/compare has those"),
        },
    ])
}

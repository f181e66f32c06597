//! Every engine of this crate on real files, and engines that lie: those must be caught.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a failed step ends the test, and skips are printed"
)]

use std::io::{self, Write};
use std::time::Duration;

use rustfs_rio_load::target::{BareRing, Fio, Rio, SpawnBlocking, Threads, TokioFs};
use rustfs_rio_load::{
    Cancel, Content, Dataset, Job, KIB, LoadError, MIB, Notes, OpKind, Outcome, Plan, Report, Target,
    Workload, compare, read_full_at, write_full_at,
};

const SIZE: u64 = 8 * MIB as u64;

fn plan(workloads: Vec<Workload>) -> Plan {
    Plan {
        workloads,
        repeats: 1,
        budget: None,
        warmup: Duration::from_millis(10),
        duration: Duration::from_millis(60),
        workers: 2,
        seed: 3,
    }
}

fn run(plan: &Plan, targets: &[Box<dyn Target>]) -> Result<Report, LoadError> {
    // Beside the build output: on a disk, where direct I/O works, also where the temporary directory is in memory.
    let parent = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("the build output is writable");
    let cancel = Cancel::new();
    let dataset = Dataset::create(parent.path(), SIZE, 9, &cancel, &mut |_| {})?;
    compare(plan, &dataset, targets, &cancel, &mut |_| {})
}

/// Says loudly what could not run on this machine; `cargo xtask test` collects these lines.
fn skip(reason: &str) {
    let line = format!("RIO-SKIP: {reason}");
    println!("{line}");
    if let Some(path) = std::env::var_os("RIO_SKIP_LOG") {
        let mut log =
            std::fs::OpenOptions::new().append(true).create(true).open(path).expect("the log opens");
        writeln!(log, "{line}").expect("the log takes a line");
    }
}

fn all_kinds() -> Vec<Workload> {
    vec![
        Workload::random(4 * KIB, 8),
        Workload::sequential(MIB, 4),
        Workload::sequential(64 * KIB, 1).writes(100),
        Workload::random(4 * KIB, 8).writes(30),
        Workload::random(4 * KIB, 4).direct(),
        Workload::random(4 * KIB, 4).writes(50).direct(),
        Workload::sequential(4 * KIB, 1).writes(100).sync_each(),
    ]
}

#[test]
fn every_engine_runs_every_kind_of_workload_and_verifies() {
    let targets: Vec<Box<dyn Target>> = vec![
        Box::new(Threads),
        Box::new(BareRing),
        Box::new(Rio::auto()),
        Box::new(Rio::uring()),
        Box::new(Rio::blocking()),
        Box::new(SpawnBlocking),
        Box::new(TokioFs),
    ];
    let report = run(&plan(all_kinds()), &targets).unwrap();
    let rows = report.rows();
    for row in &rows {
        assert!(row.verified && row.iops > 0.0 && row.p50_us > 0.0 && row.p99_us >= row.p50_us, "{row:?}");
    }
    for skipped in &report.skipped {
        let refused = skipped.engine == "tokio-fs" && skipped.workload.direct
            || ["bare-ring", "rio-uring"].contains(&skipped.engine.as_str());
        assert!(refused && !skipped.failed && !skipped.reason.is_empty(), "{skipped:?}");
        if skipped.engine != "tokio-fs" {
            skip(&format!("{} in the load generator: {}", skipped.engine, skipped.reason));
        }
    }
    assert_eq!(rows.len() + report.skipped.len(), all_kinds().len() * targets.len());
}

#[test]
fn rio_says_which_paths_its_operations_took() {
    let direct = Workload::random(4 * KIB, 4).direct();
    let cached = Workload::random(4 * KIB, 4);
    let targets: [Box<dyn Target>; 3] =
        [Box::new(Rio::auto()), Box::new(Rio::uring()), Box::new(Rio::blocking())];
    let report = run(&plan(vec![direct.clone(), cached.clone()]), &targets).unwrap();
    let outcome = |workload, engine| report.runs_of(workload, engine).next().map(|run| &run.outcome);
    let backend = |workload, engine| outcome(workload, engine).unwrap().backend.clone().unwrap();
    assert!(backend(&cached, "rio-auto").contains("inline"));
    assert_eq!(backend(&cached, "rio-blocking"), "blocking 100 %");
    assert_eq!(outcome(&direct, "rio-blocking").unwrap().enters_per_op, Some(0.0));
    match Rio::uring().unavailable(&direct) {
        Some(reason) => assert!(report.skipped.iter().all(|skipped| skipped.reason == reason), "{report:?}"),
        None => {
            assert_eq!(backend(&direct, "rio-uring"), "ring 100 %");
            assert!(outcome(&direct, "rio-uring").unwrap().enters_per_op.unwrap() > 0.0);
        }
    }
}

#[test]
fn direct_reads_are_read_from_the_device_and_cached_ones_are_not() {
    let direct = Workload::random(64 * KIB, 2).direct();
    let cached = Workload::random(64 * KIB, 2);
    let report = run(&plan(vec![direct.clone(), cached.clone()]), &[Box::new(Threads)]).unwrap();
    let bytes = |workload| report.row(workload, "threads").unwrap().device_read_bytes;
    // Other tests of this process read too, so this is a lower bound.
    assert!(bytes(&direct).is_none_or(|bytes| bytes > 0));
    assert!(report.row(&cached, "threads").unwrap().verified);
}

#[test]
fn fio_gives_figures_where_it_is_installed_and_says_so_where_it_is_not() {
    let read = Workload::random(4 * KIB, 4).direct();
    let write = Workload::sequential(4 * KIB, 1).writes(100).sync_each();
    // Two jobs in two parts of the file: a wrong size would make fio write to a file that it was to read.
    let parts = Workload::sequential(MIB, 4);
    let plan =
        Plan { duration: Duration::from_millis(300), ..plan(vec![read, parts.clone(), write.clone()]) };
    let report = run(&plan, &[Box::new(Fio), Box::new(Threads)]).unwrap();
    match Fio.unavailable(&write) {
        Some(reason) => assert!(report.skipped.iter().all(|skipped| skipped.reason == reason)),
        None => {
            assert!(report.skipped.is_empty(), "{:?}", report.skipped);
            assert!(
                report.rows().iter().all(|row| row.iops > 0.0 && row.p50_us > 0.0 && row.cpu_us_per_op > 0.0)
            );
        }
    }
    // What fio has written over verifies again: the file was filled anew.
    assert!(report.row(&write, "threads").unwrap().verified);
    assert!(report.row(&parts, "threads").unwrap().verified);
}

/// Carries out operations like [`Threads`], but with a flaw.
struct Flawed(fn(&std::fs::File, OpKind, u64, &mut [u8]) -> io::Result<usize>);

impl Target for Flawed {
    fn name(&self) -> &str {
        "flawed"
    }

    fn run(&self, job: &Job) -> Result<Outcome, LoadError> {
        job.measure(self.name(), |run| {
            let file = job.open()?;
            let mut task = run.task(0);
            let mut buf = job.buffer()?;
            while let Some(op) = task.begin(&mut buf) {
                let result = self.0(&file, op.kind, op.offset, &mut buf);
                task.finish(op, result, &buf);
            }
            Ok(Notes::default())
        })
    }
}

fn outcome_of(
    flaw: fn(&std::fs::File, OpKind, u64, &mut [u8]) -> io::Result<usize>,
    write_pct: u8,
) -> Outcome {
    let workload = Workload::random(4 * KIB, 1).writes(write_pct);
    let report = run(&plan(vec![workload]), &[Box::new(Flawed(flaw))]).expect("the run itself succeeds");
    report.runs[0].outcome.clone()
}

fn honest(file: &std::fs::File, kind: OpKind, offset: u64, buf: &mut [u8]) -> io::Result<usize> {
    match kind {
        OpKind::Read => read_full_at(file, buf, offset),
        OpKind::Write => write_full_at(file, buf, offset, false),
    }
}

#[test]
fn an_engine_that_reads_nothing_or_elsewhere_is_caught() {
    assert!(outcome_of(honest, 50).verified);
    for flaw in [
        |_: &std::fs::File, _, _, buf: &mut [u8]| Ok(buf.len()),
        |file: &std::fs::File, kind, offset: u64, buf: &mut [u8]| honest(file, kind, offset ^ 4096, buf),
    ] {
        let outcome = outcome_of(flaw, 0);
        assert!(!outcome.verified && outcome.corrupt > 0, "{outcome:?}");
    }
}

#[test]
fn one_flipped_byte_in_the_file_is_caught() {
    let outcome = outcome_of(
        |file, kind, offset, buf| {
            let result = honest(file, kind, offset, buf);
            buf[2000] ^= 1;
            result
        },
        0,
    );
    assert!(!outcome.verified && outcome.corrupt > 0);
    assert!(outcome.first_problem.unwrap().contains("differ"));
}

#[test]
fn an_engine_that_drops_a_write_is_caught_while_it_runs_and_afterwards() {
    let drops_writes = |file: &std::fs::File, kind, offset, buf: &mut [u8]| match kind {
        OpKind::Write => Ok(buf.len()),
        OpKind::Read => honest(file, kind, offset, buf),
    };
    for write_pct in [50, 100] {
        let outcome = outcome_of(drops_writes, write_pct);
        assert!(!outcome.verified && outcome.corrupt > 0, "{write_pct} % writes: {outcome:?}");
    }
}

#[test]
fn errors_and_short_reads_are_counted_and_do_not_go_on_forever() {
    for flaw in [
        |_: &std::fs::File, _, _, _: &mut [u8]| Err(io::Error::from_raw_os_error(5)),
        |_: &std::fs::File, _, _, _: &mut [u8]| Ok(17),
    ] {
        let workload = Workload::random(4 * KIB, 1);
        let report = run(&plan(vec![workload]), &[Box::new(Flawed(flaw))]).unwrap();
        assert!(report.rows().is_empty());
        assert!(report.skipped[0].failed && report.skipped[0].reason.starts_with("Read at"), "{report:?}");
    }
}

#[test]
fn a_file_too_small_for_a_workload_is_an_error_that_names_both_sizes() {
    let error = run(&plan(vec![Workload::sequential(MIB, 32)]), &[Box::new(Threads)]).unwrap_err();
    assert!(
        matches!(error, LoadError::FileTooSmall { needed, size, .. } if needed == 32 * MIB as u64 && size == SIZE)
    );
}

#[test]
fn a_spent_budget_leaves_one_repeat_of_each_workload() {
    let workloads = vec![Workload::random(4 * KIB, 1), Workload::random(4 * KIB, 2)];
    let plan = Plan { repeats: 5, budget: Some(Duration::from_nanos(1)), ..plan(workloads) };
    let report = run(&plan, &[Box::new(Threads)]).unwrap();
    assert_eq!(report.runs.len(), 2, "{report:?}");
    assert_eq!(report.rows().len(), 2);
}

#[test]
fn a_cancelled_run_ends_soon_and_the_file_is_gone() {
    let parent = tempfile::tempdir().unwrap();
    let cancel = Cancel::new();
    let dataset = Dataset::create(parent.path(), SIZE, 9, &cancel, &mut |_| {}).unwrap();
    let started = std::time::Instant::now();
    let plan = Plan { duration: Duration::from_secs(600), ..plan(vec![Workload::random(4 * KIB, 4)]) };
    let result = std::thread::scope(|scope| {
        scope.spawn(|| {
            // why: any moment in the ten minutes will do, and no event tells that the run has begun.
            std::thread::sleep(Duration::from_millis(100));
            cancel.set();
        });
        compare(&plan, &dataset, &[Box::new(Threads)], &cancel, &mut |_| {})
    });
    assert!(matches!(result.unwrap_err(), LoadError::Cancelled));
    assert!(started.elapsed() < Duration::from_secs(30));
    drop(dataset);
    assert!(std::fs::read_dir(parent.path()).unwrap().next().is_none());
}

#[test]
fn content_is_the_same_in_every_build() {
    let mut block = vec![0; 4096];
    Content::new(1).fill(4096, 2, &mut block);
    let sum = block.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    assert_eq!(sum, CONTENT_SUM);
}

const CONTENT_SUM: u64 = 207_074_162_328_104_309;

//! `rio bench`: Rio beside other ways to read and write files, on the user's disk.
//!
//! * [`args`]: the command line, parsed into types
//! * [`engines`]: what can be measured
//! * [`machine`]: what the figures were made on
//! * [`show`]: progress, tables, JSON
//! * [`html`]: the report of one file
//! * [`interrupt`]: Ctrl-C and its like
//!
//! All measuring is done by `rustfs-rio-load`.

mod args;
mod engines;
pub(crate) mod html;
pub(crate) mod interrupt;
pub(crate) mod machine;
mod show;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use rustfs_rio::RuntimeConfig;
use rustfs_rio::monitor::ChromeTrace;
use rustfs_rio_load::{Dataset, LoadError, Plan, Report, Target, compare};

pub(crate) use args::BenchArgs;

use crate::UsageError;
use crate::dashboard::Beside;
use interrupt::Interrupt;
use machine::Machine;
use show::Show;

/// Seed of the file and of the operations: fixed, so that two runs do the same.
const SEED: u64 = 0x5249_4F00;
/// Exit code when bytes were wrong or operations failed.
const EXIT_WRONG: u8 = 3;
/// The part of the available memory that the test file may take where it has to stay in the page cache: the kernel takes
/// pages back long before nothing else is left.
const CACHEABLE_PART: f64 = 0.8;

/// Runs the subcommand.
pub(crate) fn run(args: &BenchArgs) -> anyhow::Result<ExitCode> {
    if args.list {
        show::list(&mut io::stdout().lock()).context(show::CANNOT_WRITE)?;
        return Ok(ExitCode::SUCCESS);
    }
    // Rather now than in the middle of the run.
    RuntimeConfig::from_env().map_err(|error| UsageError(error.to_string()))?;
    let machine = Machine::look(&args.dir);
    let plan = plan(args);
    let size = args.size();
    check(&plan, size, machine.memory_available)?;
    if let Some(path) = &args.html {
        html::check(path)?;
    }
    let beside = Beside::start(&args.dashboard)?;
    let monitor = beside.as_ref().map(Beside::monitor);
    let targets: Vec<Box<dyn Target>> = args.engines().iter().map(|engine| engine.target(monitor)).collect();
    let interrupt = Interrupt::watch().context("cannot handle signals")?;
    if let Some(beside) = &beside {
        // Beside the figures, for people only.
        _ = writeln!(io::stderr(), "dashboard  {}", beside.url());
    }
    let mut show = Show::new(args, &plan, targets.len(), &machine, interrupt.cancel());
    let trace = args.chrome_trace.as_deref().map(start_trace).transpose()?;
    let measured = measure(args, &plan, &targets, &interrupt, &mut show);
    if let Some(trace) = trace {
        trace.finish().context("cannot write the chrome trace")?;
    }
    match measured {
        Ok(report) => {
            if let Some(path) = &args.html {
                html::write(path, &plan, &report, &machine)?;
            }
            finish(&plan, &report, show)
        }
        Err(LoadError::Cancelled) => {
            show.take_failure().context(show::CANNOT_WRITE)?;
            Ok(interrupt.exit_code())
        }
        Err(error) => Err(with_advice(error)),
    }
}

/// Operations of a chrome trace at most: 200 MB.
const TRACED_MAX: u64 = 1_000_000;

fn start_trace(path: &std::path::Path) -> anyhow::Result<ChromeTrace> {
    let trace = ChromeTrace::create(path, TRACED_MAX)
        .with_context(|| format!("cannot create the chrome trace {}", path.display()))?;
    tracing::subscriber::set_global_default(trace.clone()).context("cannot take the engine's events")?;
    Ok(trace)
}

/// Makes the file, runs everything, and removes the file.
fn measure(
    args: &BenchArgs,
    plan: &Plan,
    targets: &[Box<dyn Target>],
    interrupt: &Interrupt,
    show: &mut Show,
) -> Result<Report, LoadError> {
    let cancel = interrupt.cancel();
    let size = args.size();
    let dataset =
        Dataset::create(&args.dir, size, SEED, cancel, &mut |written| show.prepared(written, size))?;
    compare(plan, &dataset, targets, cancel, &mut |progress| show.progress(&progress))
}

fn plan(args: &BenchArgs) -> Plan {
    let duration = args.duration();
    Plan {
        workloads: args.workloads(),
        repeats: args.repeats(),
        budget: args.budget(),
        warmup: duration / args::WARMUP_DIVISOR,
        duration,
        workers: args.workers(),
        seed: SEED,
    }
}

/// Refuses, before anything is written, what could not be measured.
fn check(plan: &Plan, size: u64, memory_available: Option<u64>) -> Result<(), UsageError> {
    let needy = plan.workloads.iter().max_by_key(|workload| workload.file_size_min());
    if let Some(workload) = needy.filter(|workload| workload.file_size_min() > size) {
        let needed = machine::bytes(workload.file_size_min());
        let text = format!(
            "a test file of {} is too small for {workload}, which needs {needed}: ask for more with --size, or for \
             other workloads with --only",
            machine::bytes(size)
        );
        return Err(UsageError(text));
    }
    let cached = plan.workloads.iter().find(|workload| !workload.direct);
    let available = memory_available.map(|bytes| (bytes as f64 * CACHEABLE_PART) as u64);
    match (cached, available) {
        (Some(workload), Some(available)) if size > available => Err(UsageError(format!(
            "a test file of {} does not fit into the page cache, which {workload} needs it to: at most {} of memory can \
             be had; ask for less with --size, or for direct workloads alone with --only direct",
            machine::bytes(size),
            machine::bytes(available)
        ))),
        _ => Ok(()),
    }
}

/// Says what the figures came to, and turns it into the exit code.
fn finish(plan: &Plan, report: &Report, mut show: Show) -> anyhow::Result<ExitCode> {
    show.take_failure().context(show::CANNOT_WRITE)?;
    show.finish(plan, report).context(show::CANNOT_WRITE)?;
    Ok(if report.problems().next().is_some() {
        ExitCode::from(EXIT_WRONG)
    } else if report.skipped.iter().any(|skipped| skipped.failed) {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

/// Adds what to do about an error, where there is something.
fn with_advice(error: LoadError) -> anyhow::Error {
    let advice = match &error {
        LoadError::Io { source, .. } => match source.kind() {
            io::ErrorKind::NotFound => Some("create the directory, or name another one with --dir"),
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                Some("name a directory that you may write to with --dir")
            }
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Some(
                "free some space, name another directory with --dir, or ask for a smaller file with --size",
            ),
            _ => None,
        },
        _ => None,
    };
    let error = anyhow::Error::from(error);
    match advice {
        Some(advice) => anyhow::anyhow!("{error:#}; {advice}"),
        None => error,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustfs_rio_load::Workload;

    fn plan(workload: Workload) -> Plan {
        Plan { workloads: vec![workload], ..super::plan(&BenchArgs::default()) }
    }

    #[test]
    fn what_cannot_be_measured_is_refused_with_both_sizes() {
        let memory = Some(1 << 30);
        let cached = plan("rand-mix70-1m-cached-32".parse().unwrap());
        assert!(check(&cached, 64 << 20, memory).is_ok());
        let small = check(&cached, 16 << 20, memory).unwrap_err().0;
        assert!(
            small.contains("16.00 MiB") && small.contains("32.00 MiB") && small.contains("--size"),
            "{small}"
        );
        let large = check(&cached, 1 << 30, memory).unwrap_err().0;
        assert!(large.contains("1.00 GiB") && large.contains("819.20 MiB"), "{large}");
        assert!(check(&plan("rand-read-4k-direct-1".parse().unwrap()), 1 << 40, memory).is_ok());
    }
}

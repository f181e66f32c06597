//! `rio stress`: hours of mixed load with every byte checked. All of it is done by `rustfs-rio-stress`.

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use rustfs_rio::RuntimeConfig;
use rustfs_rio_load::{LoadError, MIB};
use rustfs_rio_stress::{Plan, Report, StressError, run as load};
use serde_json::json;

use crate::UsageError;
use crate::bench::interrupt::Interrupt;
use crate::bench::machine::bytes;

/// Exit code when anything was wrong.
const EXIT_WRONG: u8 = 3;
const CANNOT_WRITE: &str = "cannot print the result";

const EXAMPLES: &str = "\
Examples:
  rio stress --seconds 60                    a minute of everything
  rio stress --seconds 3600 --faults         an hour, with a faulty device beside the real one
  rio stress --seconds 60 --seed 7 --json    the same numbers again, for programs

It makes directories with test files below --dir and removes them at the end.

Exit codes: 0 nothing was wrong, 1 failure, 2 usage, 3 a wrong byte, a lost record, a leak or books \
that do not balance, 128+N ended by signal N.";

/// Loads this machine's disk with everything Rio does at once, and checks every byte.
///
/// Cached and direct reads and writes, dropped futures, files that come and go, a log that is recovered again and again; memory,
/// open files and threads may not grow, and at the end every operation is accounted for.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct StressArgs {
    /// How long, in seconds, 1 to 604800
    #[arg(long, value_name = "S", default_value_t = 60, value_parser = clap::value_parser!(u64).range(1..=604_800))]
    seconds: u64,
    /// Directory on the disk to load
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Tasks of each role, 1 to 64
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=64))]
    tasks: u64,
    /// Size of each of the two test files in MiB, 16 to 65536
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u64).range(16..=65_536))]
    file_mib: u64,
    /// Seed of everything random
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Also loads a simulated device that fails, stalls and runs full
    #[arg(long)]
    faults: bool,
    /// Worker threads, 1 to 256
    #[arg(long, value_name = "N", default_value_t = 2, value_parser = clap::value_parser!(u64).range(1..=256))]
    workers: u64,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
}

/// Runs the subcommand.
pub(crate) fn run(args: &StressArgs) -> anyhow::Result<ExitCode> {
    RuntimeConfig::from_env().map_err(|error| UsageError(error.to_string()))?;
    let interrupt = Interrupt::watch().context("cannot handle signals")?;
    let plan = Plan {
        directory: args.dir.clone(),
        duration: Duration::from_secs(args.seconds),
        tasks: args.tasks as usize,
        file_bytes: args.file_mib * MIB as u64,
        seed: args.seed,
        faults: args.faults,
        workers: args.workers as usize,
        cancel: interrupt.cancel().clone(),
    };
    let bar = ProgressBar::new(args.seconds);
    let style = ProgressStyle::with_template("{bar:40} {pos}/{len} s, seed {msg}");
    bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
    bar.set_message(args.seed.to_string());
    let report = load(&plan, &mut |passed| bar.set_position(passed.as_secs()));
    bar.finish_and_clear();
    match report {
        Ok(report) => {
            show(args, &report).context(CANNOT_WRITE)?;
            Ok(if report.problems().is_empty() { ExitCode::SUCCESS } else { ExitCode::from(EXIT_WRONG) })
        }
        Err(StressError::Load(LoadError::Cancelled)) => Ok(interrupt.exit_code()),
        Err(error) => Err(error.into()),
    }
}

fn show(args: &StressArgs, report: &Report) -> io::Result<()> {
    let mut out = io::stdout().lock();
    if args.json {
        let problems = report.problems();
        writeln!(out, "{}", json!({ "report": report, "problems": problems, "ok": problems.is_empty() }))?;
        return out.flush();
    }
    writeln!(
        out,
        "{:<18} {:>12} {:>14} {:>10} {:>10}",
        "role", "operations", "checked", "dropped", "injected"
    )?;
    for role in &report.roles {
        writeln!(
            out,
            "{:<18} {:>12} {:>14} {:>10} {:>10}",
            role.role,
            role.operations,
            bytes(role.verified_bytes),
            role.dropped,
            role.injected_errors
        )?;
    }
    let growth = &report.growth;
    if growth.is_known {
        let line = |usage: &rustfs_rio_stress::Usage| {
            format!("{}, {} files, {} threads", bytes(usage.resident_bytes), usage.open_files, usage.threads)
        };
        writeln!(out, "\nuse early  {}\nuse late   {}", line(&growth.early), line(&growth.late))?;
    } else {
        writeln!(out, "\nuse        too short a run to tell whether anything grows")?;
    }
    let (submitted, delivered, reclaimed) = report.books;
    writeln!(out, "books      {submitted} submitted = {delivered} delivered + {reclaimed} reclaimed")?;
    let problems = report.problems();
    if problems.is_empty() {
        writeln!(out, "result     nothing was wrong in {:.0} s, seed {}", report.seconds, report.seed)?;
    }
    for problem in problems {
        writeln!(out, "WRONG      {problem} (seed {})", report.seed)?;
    }
    out.flush()
}

//! `rio-compare`: the work of `rio bench` through other engines, and the bars that Rio has to reach beside them.

mod bars;
mod buffer;
mod child;
mod engine;
mod rival;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, bail};
use clap::{Parser, Subcommand};
use rustfs_rio_load::{Cancel, Dataset, Job, KIB, MIB, Plan, Progress, Report, Target, Workload, compare};
use serde_json::json;

use crate::child::InChild;

/// Seed of the file and of the operations: fixed, so that two runs of this program do the same.
const SEED: u64 = 0x5249_4F00;
/// Stands among workloads for Rio at rest.
const IDLE: &str = "idle";
/// Exit code when a bar was missed.
const EXIT_MISSED: u8 = 4;
/// Exit code when bytes were wrong or operations failed.
const EXIT_WRONG: u8 = 3;

/// Measures file I/O engines on the same file, the same operations and the same state of the page cache.
#[derive(Debug, Parser)]
#[command(name = "rio-compare", version)]
struct Arguments {
    #[command(subcommand)]
    command: Option<Command>,
    /// Directory on the disk to measure; the test file is made in it and removed at the end.
    #[arg(long, default_value = ".")]
    dir: PathBuf,
    /// Size of the test file in MiB.
    #[arg(long, default_value_t = 1024, value_parser = clap::value_parser!(u64).range(1..=1 << 20))]
    size_mib: u64,
    /// Measured seconds per run.
    #[arg(long, default_value_t = 2.0)]
    seconds: f64,
    /// Runs of each engine on each workload; figures are their medians.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=1000))]
    repeats: u32,
    /// Worker threads of each engine.
    #[arg(long, default_value_t = 2, value_parser = clap::value_parser!(u32).range(1..=256))]
    workers: u32,
    /// Workloads, by name or by part of a standard name; `bars` (the default) is those that the bars need and `idle`,
    /// `idle` Rio at rest, `all` the standard list.
    #[arg(long, value_delimiter = ',', default_value = "bars")]
    only: Vec<String>,
    /// Engines; all by default.
    #[arg(long, value_delimiter = ',')]
    engines: Vec<String>,
    /// The engine that the bars are checked for.
    #[arg(long, default_value = "rio-auto")]
    subject: String,
    /// Prints one JSON object: rows, bars, what was skipped, and every single run.
    #[arg(long)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Carries out one run for a parent process.
    #[command(name = child::LEG, hide = true)]
    Leg {
        /// The engine.
        engine: String,
    },
    /// Measures Rio at rest for a parent process.
    #[command(name = child::IDLE, hide = true)]
    Idle,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match run(&arguments, &mut io::stdout().lock()) {
        Ok(code) => code,
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            _ = writeln!(io::stderr(), "rio-compare: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments, out: &mut impl Write) -> anyhow::Result<ExitCode> {
    if let Some(command) = &arguments.command {
        let input = &mut io::stdin().lock();
        match command {
            Command::Leg { engine } => child::run_leg(engine, input, out)?,
            Command::Idle => child::run_idle(input, out)?,
        }
        return Ok(ExitCode::SUCCESS);
    }
    let plan = plan(arguments)?;
    let targets = targets(&arguments.engines)?;
    let cancel = Cancel::new();
    let handler = cancel.clone();
    ctrlc::set_handler(move || handler.set()).context("cannot handle Ctrl-C")?;
    let size = arguments.size_mib * MIB as u64;
    let dataset = Dataset::create(&arguments.dir, size, SEED, &cancel, &mut |_| {})?;
    let report = compare(&plan, &dataset, &targets, &cancel, &mut |progress| {
        if let Progress::Begins { workload, engine } = progress {
            _ = writeln!(io::stderr(), "{workload} {engine}");
        }
    })?;
    let idle = match measures_idle(arguments) {
        true => Some(idle(&dataset, arguments, &cancel)?),
        false => None,
    };
    drop(dataset);
    finish(arguments, &plan, &report, idle, out)
}

/// The bar of an engine at rest is Rio's own, and part of the bars.
fn measures_idle(arguments: &Arguments) -> bool {
    arguments.subject == bars::IDLE_SUBJECT
        && arguments.only.iter().any(|name| name == "bars" || name == IDLE)
}

fn idle(dataset: &Dataset, arguments: &Arguments, cancel: &Cancel) -> anyhow::Result<f64> {
    _ = writeln!(io::stderr(), "at rest");
    let job = Job {
        file: dataset.file().clone(),
        workload: Workload::random(4 * KIB, 32),
        workers: arguments.workers as usize,
        warmup: Duration::ZERO,
        duration: bars::IDLE_TIME,
        seed: SEED,
        leg: u32::MAX,
        cancel: cancel.clone(),
    };
    child::idle_cpu(&job).context("cannot measure Rio at rest")
}

fn finish(
    arguments: &Arguments,
    plan: &Plan,
    report: &Report,
    idle: Option<f64>,
    out: &mut impl Write,
) -> anyhow::Result<ExitCode> {
    let mut bars = bars::check(report, &arguments.subject);
    bars.extend(idle.map(bars::idle));
    if arguments.json {
        serde_json::to_writer_pretty(&mut *out, &as_json(report, &bars))?;
        writeln!(out)?;
    } else {
        for workload in &plan.workloads {
            writeln!(out, "{}", report.table(workload))?;
        }
        bars::write(&bars, &arguments.subject, out)?;
        for run in report.problems() {
            let problem = run.outcome.first_problem.as_deref().unwrap_or("no detail");
            writeln!(out, "{} {}: {problem}", run.workload, run.engine)?;
        }
    }
    Ok(if report.problems().next().is_some() {
        ExitCode::from(EXIT_WRONG)
    } else if bars.iter().any(|bar| bar.is_met() == Some(false)) {
        ExitCode::from(EXIT_MISSED)
    } else {
        ExitCode::SUCCESS
    })
}

fn as_json(report: &Report, bars: &[bars::Bar]) -> serde_json::Value {
    let runs = report.runs.iter().map(|run| {
        json!({ "workload": run.workload, "engine": run.engine, "repeat": run.repeat, "outcome": run.outcome })
    });
    let skipped = report.skipped.iter().map(|skipped| {
        json!({ "workload": skipped.workload, "engine": skipped.engine, "reason": skipped.reason,
                "failed": skipped.failed })
    });
    json!({
        "rows": report.rows(),
        "bars": bars.iter().map(bars::Bar::json).collect::<Vec<_>>(),
        "skipped": skipped.collect::<Vec<_>>(),
        "runs": runs.collect::<Vec<_>>(),
    })
}

fn plan(arguments: &Arguments) -> anyhow::Result<Plan> {
    if !(0.01..=3600.0).contains(&arguments.seconds) {
        bail!("--seconds is {}; it must be from 0.01 to 3600", arguments.seconds);
    }
    let duration = Duration::from_secs_f64(arguments.seconds);
    Ok(Plan {
        workloads: workloads(&arguments.only)?,
        repeats: arguments.repeats as usize,
        budget: None,
        warmup: duration / 4,
        duration,
        workers: arguments.workers as usize,
        seed: SEED,
    })
}

fn workloads(only: &[String]) -> anyhow::Result<Vec<Workload>> {
    let mut chosen = Vec::new();
    for name in only {
        match name.as_str() {
            "bars" => chosen.extend(bars::workloads()),
            IDLE => {}
            "all" => chosen.extend(Workload::standard()),
            name => chosen.extend(Workload::select(name)?),
        }
    }
    let mut seen = std::collections::HashSet::new();
    chosen.retain(|workload| seen.insert(workload.clone()));
    Ok(chosen)
}

fn targets(names: &[String]) -> anyhow::Result<Vec<Box<dyn Target>>> {
    let engines = match names {
        [] => engine::all(),
        names => names.iter().map(|name| engine::by_name(name)).collect::<anyhow::Result<_>>()?,
    };
    Ok(engines.into_iter().map(|engine| Box::new(InChild(engine)) as Box<dyn Target>).collect())
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
    })
}

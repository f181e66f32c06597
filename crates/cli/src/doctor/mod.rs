//! `rio doctor`: what this machine offers, and what Rio will use of it.
//!
//! * [`finding`]: one thing found out, with its rating and what to do about it
//! * [`machine`]: kernel, processors, memory
//! * [`limits`]: what this process may use
//! * [`ring`]: whether io_uring works
//! * [`directory`]: what the file system and the disk of a directory can do, found out by doing it
//! * [`plan`]: what Rio makes of it, and where each setting came from
//! * [`show`]: tables and JSON
//!
//! Everything is read from the kernel or tried out; what cannot be found out is said to be unknown.

mod directory;
mod finding;
mod limits;
mod machine;
mod plan;
mod ring;
mod show;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use rustfs_rio::{AdvancedRioConfig, RuntimeError, RuntimeHandle};

use finding::{Finding, Rating, Section};

const EXAMPLES: &str = "\
Examples:
  rio doctor                      this machine and the current directory
  rio doctor --dir /mnt/data      a directory on another disk
  rio doctor --config             with every setting and where it came from
  rio doctor --json | jq '.findings[] | select(.rating != \"ok\")'

Exit codes: 0 Rio can work here, 1 it cannot, 2 usage.";

/// What the engine may take to end; it has nothing to do by then.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// Says what this machine offers and what Rio will use.
///
/// Each finding is rated: ok, note (works, could be better) or problem, with what to do about it. A small file is made in
/// the directory and removed again.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct DoctorArgs {
    /// The directory that files will be in.
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Also print every setting with its value and where it came from.
    #[arg(long)]
    config: bool,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// All that is shown.
#[derive(Debug)]
struct Report {
    sections: Vec<Section>,
    plan: Vec<plan::Use>,
    config: Option<Vec<rustfs_rio::ConfigValue>>,
}

impl Report {
    fn findings(&self) -> impl Iterator<Item = &Finding> {
        self.sections.iter().flat_map(|section| &section.findings)
    }

    /// Whether Rio can work as configured, in this directory.
    fn can_work(&self) -> bool {
        self.findings().all(|finding| !finding.stops)
    }

    fn rating(&self) -> Rating {
        self.findings().map(|finding| finding.rating).max().unwrap_or(Rating::Ok)
    }
}

/// Runs the subcommand.
pub(crate) fn run(args: &DoctorArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start a tokio runtime")?;
    let report = runtime.block_on(examine(args));
    let text = if args.json { show::json(&report)? } else { show::table(&report) };
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot write to standard output")?;
    Ok(if report.can_work() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn examine(args: &DoctorArgs) -> Report {
    let whole = AdvancedRioConfig::default();
    let values = whole.describe();
    let mistakes = AdvancedRioConfig::problems();
    let config = whole.runtime_config;
    let kernel = machine::Kernel::look();
    let offered = ring::offered(&config).await;
    let started = RuntimeHandle::new(config.clone());
    let mut sections = vec![
        Section::new("machine", machine::look(&kernel)),
        Section::new("limits", limits::look(&kernel, config.max_concurrent_file_ops)),
        Section::new("io_uring", ring::look(&offered)),
    ];
    // Where Rio cannot start as configured, the directory is looked at with the settings that always work.
    let handle = started.as_ref().map_or_else(|_| RuntimeHandle::new_tokio(), Clone::clone);
    let (place, findings) = directory::look(&args.dir, &handle).await;
    sections.push(Section::new("directory", findings));
    let settings = settings(&values, &mistakes, &started);
    let starts = settings.iter().all(|finding| !finding.stops);
    sections.push(Section::new("settings", settings));
    let plan = if starts { plan::uses(&handle, &offered, &values, place.as_ref()) } else { Vec::new() };
    handle.shutdown(SHUTDOWN).await;
    Report { sections, plan, config: args.config.then_some(values) }
}

/// What is wrong with the settings.
fn settings(
    values: &[rustfs_rio::ConfigValue],
    mistakes: &[rustfs_rio::ConfigError],
    started: &Result<RuntimeHandle, RuntimeError>,
) -> Vec<Finding> {
    let problem = |mistake: &rustfs_rio::ConfigError| {
        let remedy = format!("Rio does not start with it; use: {}", mistake.allowed());
        Finding::problem(mistake.subject(), mistake.to_string(), remedy).stopping()
    };
    let mut findings: Vec<Finding> = mistakes.iter().map(problem).collect();
    match started {
        Ok(_) if findings.is_empty() => {
            let defaults = values.iter().filter(|value| value.origin == rustfs_rio::Origin::Default).count();
            let text = match values.len() - defaults {
                0 => "all are built-in defaults".to_owned(),
                others => format!(
                    "{defaults} built-in defaults, {others} from file or environment; --config lists them"
                ),
            };
            findings.push(Finding::ok("values", text));
        }
        Ok(_) => {}
        Err(error) => {
            let remedy = "change the setting that the text names, or unset RUSTFS_FORCE_RUNTIME";
            findings.push(Finding::problem("start", error.to_string(), remedy).stopping());
        }
    }
    findings
}

//! `rio wal`: looks at write-ahead logs, checks them, and saves what can be saved.
//!
//! * [`show`]: text and JSON
//!
//! Nothing here writes to the log that it is given; what is saved goes into a new one.

mod show;

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Subcommand};
use rustfs_rio::RuntimeHandle;
use rustfs_rio::wal::{self, WalError};

use crate::UsageError;

const EXAMPLES: &str = "\
Examples:
  rio wal inspect /var/lib/app/wal            segments, records, and what stands behind the last one
  rio wal verify /var/lib/app/wal             reads and checks every record
  rio wal repair old/wal --into new/wal       saves all records up to the first damage
  rio wal import draft.log --into new/wal     reads a log of the earlier draft

Exit codes: 0 sound, 1 failure, 2 usage or no log there, 3 damaged or import stopped early.
A log that ends with a commit that is not whole is sound: opening it cuts that off.";

/// Exit code for data that is damaged or cut off, as `rio bench` has it for wrong data.
const EXIT_DATA: u8 = 3;
/// What the engine may take to end; it has nothing to do by then.
const SHUTDOWN: Duration = Duration::from_secs(5);

/// Looks at write-ahead logs, checks them, and saves what can be saved.
///
/// A log is a directory. None of these commands changes the log that it is given.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES, subcommand_required = true, arg_required_else_help = true)]
pub(crate) struct WalArgs {
    #[command(subcommand)]
    command: WalCommand,
}

#[derive(Debug, Subcommand)]
enum WalCommand {
    Inspect(LogArgs),
    /// Reads every record and checks it; names what is damaged or missing.
    Verify(LogArgs),
    Repair(RepairArgs),
    Import(ImportArgs),
}

/// Says what is in a log: segments, records, and what stands behind the last one.
#[derive(Debug, Args)]
struct LogArgs {
    /// The log's directory.
    dir: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Copies a damaged log up to the first damage into a new log.
///
/// The records keep their sequences, times and types. The damaged log stays as it is.
#[derive(Debug, Args)]
struct RepairArgs {
    /// The damaged log's directory.
    dir: PathBuf,
    /// The directory of the new log; it must not hold one.
    #[arg(long, value_name = "NEW_DIR")]
    into: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// Copies the records of a file of the earlier draft (record format 1) into a new log.
#[derive(Debug, Args)]
struct ImportArgs {
    /// The file.
    file: PathBuf,
    /// The directory of the new log; it must not hold one.
    #[arg(long, value_name = "NEW_DIR")]
    into: PathBuf,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
}

/// What is printed, and whether the data was found whole.
struct Answer {
    text: String,
    whole: bool,
}

/// Runs the subcommand.
pub(crate) fn run(args: &WalArgs) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start a tokio runtime")?;
    let answer = runtime.block_on(async {
        let handle = RuntimeHandle::new_tokio();
        let answer = answer(&handle, &args.command).await;
        handle.shutdown(SHUTDOWN).await;
        answer
    })?;
    let mut out = io::stdout().lock();
    out.write_all(answer.text.as_bytes())
        .and_then(|()| out.flush())
        .context("cannot write to standard output")?;
    Ok(if answer.whole { ExitCode::SUCCESS } else { ExitCode::from(EXIT_DATA) })
}

async fn answer(handle: &RuntimeHandle, command: &WalCommand) -> anyhow::Result<Answer> {
    match command {
        WalCommand::Inspect(args) => {
            let report = match wal::inspect(handle.engine(), &args.dir).await {
                // Without it nothing can be said about the rest.
                Err(error @ WalError::Damaged { .. }) => return Ok(unreadable(&error, args.json)),
                result => result.map_err(explain)?,
            };
            let text = if args.json { show::report_json(&report)? } else { show::report(&report) };
            Ok(Answer { text, whole: report.is_sound() })
        }
        WalCommand::Verify(args) => {
            let report = match wal::inspect(handle.engine(), &args.dir).await {
                Err(error @ WalError::Damaged { .. }) => return Ok(unreadable(&error, args.json)),
                result => result.map_err(explain)?,
            };
            let text = if args.json { show::report_json(&report)? } else { show::verdict(&report) };
            Ok(Answer { text, whole: report.is_sound() })
        }
        WalCommand::Repair(args) => {
            apart(&args.dir, &args.into)?;
            let salvaged = wal::salvage(handle.engine(), &args.dir, &args.into).await.map_err(explain)?;
            let text = match args.json {
                true => show::salvaged_json(&salvaged)?,
                false => show::salvaged(&salvaged, &args.into),
            };
            Ok(Answer { text, whole: salvaged.damage.is_empty() })
        }
        WalCommand::Import(args) => {
            let imported =
                wal::import_draft(handle.engine(), &args.file, &args.into).await.map_err(explain)?;
            let text = match args.json {
                true => show::imported_json(&imported)?,
                false => show::imported(&imported, &args.into),
            };
            Ok(Answer { text, whole: imported.stopped.is_none() })
        }
    }
}

fn unreadable(error: &WalError, json: bool) -> Answer {
    Answer { text: show::unreadable(error, json), whole: false }
}

/// Errors that another command line would not have.
fn explain(error: WalError) -> anyhow::Error {
    match error {
        WalError::NotFound { .. } | WalError::Exists { .. } | WalError::NotALog { .. } => {
            UsageError(error.to_string()).into()
        }
        other => other.into(),
    }
}

/// A log is not repaired into itself, nor into a directory below it.
fn apart(from: &Path, into: &Path) -> anyhow::Result<()> {
    let Ok(from) = from.canonicalize() else { return Ok(()) };
    // The new directory does not exist yet; what it will be in does.
    let place = into.ancestors().find_map(|part| {
        let part = if part.as_os_str().is_empty() { Path::new(".") } else { part };
        part.canonicalize().ok()
    });
    match place.is_some_and(|place| place.starts_with(&from)) {
        true => Err(UsageError(
            "--into names the damaged log or a place inside it; name another directory".into(),
        )
        .into()),
        false => Ok(()),
    }
}

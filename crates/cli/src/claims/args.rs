//! The command line of `rio claims`.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use rustfs_rio_claims::{ClaimError, PROMISES, Promise, promise};
use rustfs_rio_load::MIB;

/// Large enough that random blocks are not in a disk's own cache by accident.
const SIZE: u64 = 512 * MIB as u64;
/// With five repeats two disturbances do not reach the median.
const REPEATS: usize = 5;
const REPEATS_QUICK: usize = 3;
const DURATION: Duration = Duration::from_secs(1);
const DURATION_QUICK: Duration = Duration::from_millis(200);
/// The promises are about two workers.
const WORKERS: usize = 2;

const EXAMPLES: &str = "\
Examples:
  rio claims                           all promises
  rio claims --quick                   a first look; says that it is one
  rio claims --only C3,C8              two of them
  rio claims --out raw.json            keeps every single run
  rio claims --json | jq '.[] | select(.met | not) | .id'

It makes one directory with a test file below --dir and removes it at the end.

Exit codes: 0 every bar met, 1 failure, 2 usage, 4 a bar was missed, 128+N ended by signal N.";

/// Measures every promise of Rio on this machine and holds the figures against their bars.
///
/// Every comparison is made side by side in one run, interleaved and repeated; figures are medians with their spread.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ClaimsArgs {
    /// Promises, by id, separated by commas [default: all]
    #[arg(long, value_name = "IDS", value_delimiter = ',', value_parser = parse_promise)]
    only: Vec<&'static Promise>,
    /// Shorter runs, for a first look: its figures say little
    #[arg(long)]
    pub(super) quick: bool,
    /// Directory on the disk to measure
    #[arg(long, value_name = "DIR", default_value = ".")]
    pub(super) dir: PathBuf,
    /// Runs of each side, 1 to 100 [default: 5, with --quick 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
    repeats: Option<u16>,
    /// Measured seconds per run, 1 to 600 [default: 1, with --quick 0.2]
    #[arg(long, value_name = "S", value_parser = clap::value_parser!(u16).range(1..=600))]
    seconds: Option<u16>,
    /// Worker threads of the tokio runtimes, 1 to 256 [default: 2]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=256))]
    workers: Option<u16>,
    /// Directory with recorded block traces, for C8
    #[arg(long, value_name = "DIR")]
    pub(super) traces: Option<PathBuf>,
    /// Prints one JSON array with an object per promise
    #[arg(long)]
    pub(super) json: bool,
    /// Writes every single run to this file, as JSON
    #[arg(long, value_name = "FILE")]
    pub(super) out: Option<PathBuf>,
    /// Writes a report with charts to this file
    #[arg(long, value_name = "FILE")]
    pub(super) html: Option<PathBuf>,
    /// Lists the promises and ends
    #[arg(long)]
    pub(super) list: bool,
    /// Carries out one part in this process; used by the command itself
    #[arg(long, value_name = "DESCRIPTION", hide = true)]
    pub(super) child: Option<String>,
}

impl ClaimsArgs {
    pub(super) fn promises(&self) -> Vec<&'static Promise> {
        if self.only.is_empty() { PROMISES.iter().collect() } else { self.only.clone() }
    }

    pub(super) fn size(&self) -> u64 {
        SIZE
    }

    pub(super) fn repeats(&self) -> usize {
        let default = if self.quick { REPEATS_QUICK } else { REPEATS };
        self.repeats.map_or(default, usize::from)
    }

    pub(super) fn duration(&self) -> Duration {
        let default = if self.quick { DURATION_QUICK } else { DURATION };
        self.seconds.map_or(default, |seconds| Duration::from_secs(seconds.into()))
    }

    pub(super) fn workers(&self) -> usize {
        self.workers.map_or(WORKERS, usize::from)
    }
}

/// How this command is started for a part in a process of its own.
pub(super) fn child_command() -> Result<(PathBuf, Vec<String>), ClaimError> {
    let program = std::env::current_exe()
        .map_err(|source| ClaimError::System { operation: "find this program", source })?;
    Ok((program, vec!["claims".to_owned(), "--child".to_owned()]))
}

fn parse_promise(id: &str) -> Result<&'static Promise, String> {
    promise(id).ok_or_else(|| {
        let known: Vec<&str> = PROMISES.iter().map(|promise| promise.id).collect();
        format!("no such promise; there are {}", known.join(", "))
    })
}

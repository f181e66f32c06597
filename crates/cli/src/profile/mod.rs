//! `rio profile`: where CPU time, memory and I/O go.
//!
//! * [`workload`]: a workload on Rio in this process: flame graph, allocations, picture of its accesses
//! * [`foreign`]: another program: what `perf` and `/proc` tell
//!
//! Results are files in a directory, and a summary on standard output.

mod foreign;
mod workload;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use rustfs_rio_load::Workload;

use crate::UsageError;

const EXAMPLES: &str = "\
Examples:
  rio profile --workload rand-read-4k-cached-32   Rio under load: cpu.svg, cpu.pb.gz, io.svg
  rio profile --workload seq-read-1m-direct-1 --seconds 10 --out profile
  rio profile -- tar cf /dev/null /usr            another program: perf's flame graph, memory, I/O

cpu.svg opens in a browser, cpu.pb.gz in `go tool pprof`. Allocations are not counted by this program; of another one only the peak \
of its memory is known.";

/// Shows where CPU time, memory and I/O of a workload or of another program go.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct ProfileArgs {
    /// A workload of `rio bench --list`, or of that form, to run on Rio
    #[arg(long, value_name = "NAME", required_unless_present = "command", conflicts_with = "command")]
    workload: Option<Workload>,
    /// Directory on the disk to load
    #[arg(long, value_name = "DIR", default_value = ".")]
    dir: PathBuf,
    /// Size of the test file in MiB, 1 to 65536
    #[arg(long, value_name = "MIB", default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=65_536))]
    file_mib: u64,
    /// How long the workload runs, 1 to 600
    #[arg(long, value_name = "S", default_value_t = 5, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Samples per second of CPU time, 1 to 999
    #[arg(long, value_name = "HZ", default_value_t = 199, value_parser = clap::value_parser!(u32).range(1..=999))]
    frequency: u32,
    /// Directory for the results; made if it is missing
    #[arg(long, value_name = "DIR", default_value = "rio-profile")]
    out: PathBuf,
    /// Prints one JSON object
    #[arg(long)]
    json: bool,
    /// Another program, with its arguments
    #[arg(last = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// Runs the subcommand.
pub(crate) fn run(args: &ProfileArgs) -> anyhow::Result<ExitCode> {
    std::fs::create_dir_all(&args.out).map_err(|error| {
        UsageError(format!("cannot make {}: {error}; name another directory with --out", args.out.display()))
    })?;
    match &args.workload {
        Some(workload) => workload::run(args, workload),
        None => foreign::run(args),
    }
}

fn write(directory: &Path, name: &str, bytes: impl AsRef<[u8]>) -> anyhow::Result<PathBuf> {
    let path = directory.join(name);
    std::fs::write(&path, bytes).with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

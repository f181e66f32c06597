//! The `rio` command.
//!
//! * [`mod@bench`]: Rio beside other ways to read and write files, on the user's disk.
//! * [`claims`]: every promise of Rio, measured.
//! * [`doctor`]: what this machine offers and what Rio will use.
//! * [`mod@pack`]: objects in Rio's format: packing, unpacking, ranges, inspection.
//! * [`replay`]: recorded requests through cache and prefetching.
//! * [`profile`]: where CPU time, memory and I/O go. [`log`]: what the library says meanwhile.
//! * [`stress`]: hours of mixed load with every byte checked.
//! * [`top`]: a running program in the terminal. [`dashboard`]: a web page beside a run.
//! * [`wal`]: write-ahead logs: what is in them, whether it is whole, and saving what is.
//!
//! Each subcommand has a module with its arguments and a `run`, which returns the exit code. Here: the command line as a
//! whole, and what becomes of errors.
#![forbid(unsafe_code)]

mod bench;
mod claims;
mod dashboard;
mod doctor;
mod log;
mod pack;
mod profile;
mod replay;
mod stress;
mod top;
mod wal;

use std::io::{self, Write};
use std::process::ExitCode;

use clap::{Args, CommandFactory, Parser, Subcommand};
use clap_complete::Shell;

/// Exit code for a command line that cannot be carried out as it stands; clap uses it too.
const EXIT_USAGE: u8 = 2;

const EXAMPLES: &str = "\
Examples:
  rio bench --quick             a first look, under a minute, in the current directory
  rio bench --dir /mnt/data     the full comparison on another disk
  rio doctor                    what this machine offers, and what to change
  rio replay --simulate a.trace what cache and prefetching are worth on recorded requests
  rio wal verify /srv/app/wal   checks every record of a write-ahead log
  rio completions bash > ~/.local/share/bash-completion/completions/rio

Exit codes: 0 done, 1 failure, 2 usage, 3 wrong data, 4 a promise missed, 128+N ended by signal N.";

/// RustFS Rio: measures and inspects file I/O on this machine.
#[derive(Debug, Parser)]
#[command(name = "rio", version, max_term_width = 100, after_help = EXAMPLES)]
#[command(subcommand_required = true, arg_required_else_help = true)]
struct Cli {
    #[command(flatten)]
    log: log::LogArgs,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Bench(bench::BenchArgs),
    Claims(claims::ClaimsArgs),
    Doctor(doctor::DoctorArgs),
    Replay(replay::ReplayArgs),
    Pack(pack::PackArgs),
    Unpack(pack::UnpackArgs),
    Cat(pack::CatArgs),
    Inspect(pack::InspectArgs),
    Key(pack::KeyArgs),
    Profile(profile::ProfileArgs),
    Stress(stress::StressArgs),
    Top(top::TopArgs),
    Wal(wal::WalArgs),
    Completions(CompletionsArgs),
}

/// Prints completions for a shell.
#[derive(Debug, Args)]
struct CompletionsArgs {
    /// The shell.
    shell: Shell,
}

/// The command line was understood and asks for something impossible; the text says what to change.
#[derive(Debug)]
struct UsageError(String);

impl std::fmt::Display for UsageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for UsageError {}

fn main() -> ExitCode {
    let cli = Cli::parse();
    // A chrome trace takes the process's one subscriber.
    let is_traced = matches!(&cli.command, Command::Bench(args) if args.chrome_trace.is_some());
    if !is_traced {
        cli.log.begin();
    }
    let result = match cli.command {
        Command::Bench(args) => bench::run(&args),
        Command::Claims(args) => claims::run(&args),
        Command::Doctor(args) => doctor::run(&args),
        Command::Replay(args) => replay::run(&args),
        Command::Pack(args) => pack::pack(&args),
        Command::Unpack(args) => pack::unpack(&args),
        Command::Cat(args) => pack::cat(&args),
        Command::Inspect(args) => pack::inspect(&args),
        Command::Key(args) => pack::key(&args),
        Command::Profile(args) => profile::run(&args),
        Command::Stress(args) => stress::run(&args),
        Command::Top(args) => top::run(&args),
        Command::Wal(args) => wal::run(&args),
        Command::Completions(args) => completions(&args),
    };
    match result {
        Ok(code) => code,
        // Whoever read the output has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // With standard error gone there is nobody left to tell.
            _ = writeln!(io::stderr(), "rio: {error:#}");
            match error.downcast_ref::<UsageError>() {
                Some(_) => ExitCode::from(EXIT_USAGE),
                None => ExitCode::FAILURE,
            }
        }
    }
}

fn completions(args: &CompletionsArgs) -> anyhow::Result<ExitCode> {
    // Through memory, because the generator panics when it cannot write.
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "rio", &mut script);
    let mut out = io::stdout().lock();
    out.write_all(&script)?;
    out.flush()?;
    Ok(ExitCode::SUCCESS)
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        let io_error = cause.downcast_ref::<io::Error>().map(io::Error::kind);
        let json_error = cause.downcast_ref::<serde_json::Error>().and_then(serde_json::Error::io_error_kind);
        io_error.or(json_error) == Some(io::ErrorKind::BrokenPipe)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn a_broken_pipe_is_recognised_behind_context() {
        let error = anyhow::Error::from(io::Error::from(io::ErrorKind::BrokenPipe)).context("cannot print");
        assert!(is_broken_pipe(&error));
        assert!(!is_broken_pipe(&anyhow::Error::from(io::Error::from(io::ErrorKind::NotFound))));
    }
}

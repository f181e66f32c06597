//! Project automation, run as `cargo xtask COMMAND` from anywhere inside the checkout.
//!
//! In reading order: [`check`] is everything CI runs, as named steps; [`mod@test`] sets up what the tests need and runs
//! them, on the file systems of [`matrix`]; [`tidy`] is the house rules; [`vm`] boots another kernel; [`skips`] keeps
//! account of what did not run; [`instructions`] counts hot paths. [`process`], [`workspace`] and [`packages`] are the tools they share.
//!
//! A step that cannot run here is a skip: it is printed with its reason, and a failure under `RIO_REQUIRE_ALL=1`.

#![forbid(unsafe_code)]
// Printing is this program's purpose.
#![allow(clippy::print_stdout, clippy::print_stderr)]

mod check;
mod instructions;
mod licences;
mod matrix;
mod packages;
mod process;
mod skips;
mod steps;
mod test;
mod tidy;
mod vm;
mod workspace;

use std::process::ExitCode;

use anyhow::{Result, bail};

const HELP: &str = "\
usage: cargo xtask COMMAND

  check [--all] [--only STEP,STEP]   everything CI runs, with a table of results and times
  test [-- NEXTEST-ARGUMENTS]        install what the tests need, then run all of them
  tidy                               the house rules: sizes, prints, words, crate edges, links
  vm SCENARIO [OPTIONS] [-- ARGS]    boot another kernel under qemu with a test inside
  asan                               the soak test under AddressSanitizer (needs a nightly toolchain)
  loom                               the models of concurrent parts
  instructions [--bless]             instructions of hot paths, and a new baseline for them
  fuzz-schedules [--count N] [--seed S]
                                     seeded fault schedules against a reference model

`cargo xtask check --help` and `cargo xtask vm --help` list steps, scenarios and options.
RIO_REQUIRE_ALL=1 turns every skipped test or step into a failure.
";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match dispatch(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn dispatch(arguments: &[String]) -> Result<()> {
    workspace::enter_root()?;
    let (command, rest) = match arguments.split_first() {
        Some((command, rest)) => (command.as_str(), rest),
        None => ("help", &[][..]),
    };
    match command {
        "check" => check::run(rest),
        "test" => test::run(rest),
        test::MOUNTED => test::run_mounted(rest),
        "tidy" => tidy::run(),
        "vm" => vm::run(rest),
        "asan" => steps::alone(steps::asan),
        "loom" => steps::alone(steps::loom),
        "instructions" => instructions::run(rest),
        "fuzz-schedules" => steps::fuzz_schedules(rest),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => bail!("unknown command '{other}'; `cargo xtask help` lists them"),
    }
}

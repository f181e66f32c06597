//! `rio claims`: every promise of Rio, measured on this machine.
//!
//! * [`args`]: the command line
//! * [`html`]: the report of one file
//! * [`show`]: progress, table, JSON, the file with the raw runs
//!
//! All measuring is done by `rustfs-rio-claims`.

mod args;
mod html;
mod show;

use std::io;
use std::process::ExitCode;

use anyhow::Context;
use rustfs_rio::RuntimeConfig;
use rustfs_rio_claims::{Claim, ClaimError, Raw, Setting, measure, run_child};
use rustfs_rio_load::{Dataset, LoadError};

pub(crate) use args::ClaimsArgs;

use crate::UsageError;
use crate::bench::interrupt::Interrupt;
use crate::bench::machine::Machine;
use show::Show;

/// Seed of the file and of everything random: fixed, so that two runs do the same.
const SEED: u64 = 0x5249_4F01;
/// Exit code when a bar was missed.
const EXIT_MISSED: u8 = 4;
const CANNOT_WRITE: &str = "cannot print the result";

/// Runs the subcommand.
pub(crate) fn run(args: &ClaimsArgs) -> anyhow::Result<ExitCode> {
    if let Some(description) = &args.child {
        run_child(description, &mut io::stdout().lock())?;
        return Ok(ExitCode::SUCCESS);
    }
    if args.list {
        show::list(&mut io::stdout().lock()).context(CANNOT_WRITE)?;
        return Ok(ExitCode::SUCCESS);
    }
    RuntimeConfig::from_env().map_err(|error| UsageError(error.to_string()))?;
    if let Some(path) = &args.html {
        crate::bench::html::check(path)?;
    }
    let machine = Machine::look(&args.dir);
    let interrupt = Interrupt::watch().context("cannot handle signals")?;
    let mut show = Show::new(args, &machine);
    match measure_all(args, &interrupt, &mut show) {
        Ok((claims, raw)) => {
            if let Some(path) = &args.html {
                html::write(path, &claims, &machine, args.quick)?;
            }
            show.finish(&claims, raw, &machine)?;
            let missed = claims.iter().any(|claim| !claim.met);
            Ok(if missed { ExitCode::from(EXIT_MISSED) } else { ExitCode::SUCCESS })
        }
        Err(ClaimError::Load(LoadError::Cancelled)) => Ok(interrupt.exit_code()),
        Err(error) => Err(error.into()),
    }
}

fn measure_all(
    args: &ClaimsArgs,
    interrupt: &Interrupt,
    show: &mut Show,
) -> Result<(Vec<Claim>, Raw), ClaimError> {
    let cancel = interrupt.cancel().clone();
    show.prepare();
    let dataset = Dataset::create(&args.dir, args.size(), SEED, &cancel, &mut |_| {})?;
    let setting = Setting {
        dataset,
        directory: args.dir.clone(),
        repeats: args.repeats(),
        duration: args.duration(),
        workers: args.workers(),
        seed: SEED,
        traces: args.traces.clone(),
        child: args::child_command()?,
        allocated: None,
        cancel,
    };
    let (mut claims, mut raw) = (Vec::new(), Raw::new());
    for promise in args.promises() {
        show.begin(promise);
        let claim = match measure(promise, &setting, &mut raw) {
            Ok(claim) => claim,
            Err(ClaimError::Load(LoadError::Cancelled)) => return Err(LoadError::Cancelled.into()),
            // One promise that cannot be measured here says nothing about the others.
            Err(error) => Claim::failed(promise, &format!("{:#}", anyhow::Error::from(error))),
        };
        show.end(&claim);
        claims.push(claim);
    }
    Ok((claims, raw))
}

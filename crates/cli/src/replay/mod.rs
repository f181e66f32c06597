//! `rio replay`: runs a trace of requests through cache and prefetching.
//!
//! * [`args`]: the command line, parsed into types
//! * [`input`]: the trace as an iterator: formats, decompression, errors with their line
//! * [`simulated`]: on a model of cache and device; [`real`]: on the engine and this disk
//! * [`picture`]: the trace as a drawing
//! * [`record`]: the result, as table, JSON and leaderboard; [`progress`]: the bar
//!
//! Whatever carries out the requests takes [`args::ReplayArgs`] and [`input::TraceReader`] and returns a [`record::Record`].

mod args;
mod input;
mod picture;
mod progress;
mod real;
mod record;
mod simulated;

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Context;
use rustfs_rio_tune::registry;
use serde_json::json;

pub(crate) use args::ReplayArgs;

use input::{BadTrace, TraceReader};
use record::Record;

/// Exit code for a trace that is damaged or none, as `rio wal` has it for damaged logs.
const EXIT_DATA: u8 = 3;
const CANNOT_WRITE: &str = "cannot write to standard output";

/// Runs the subcommand.
pub(crate) fn run(args: &ReplayArgs) -> anyhow::Result<ExitCode> {
    args.check()?;
    match replay(args) {
        Ok(text) => {
            let mut out = io::stdout().lock();
            out.write_all(text.as_bytes()).and_then(|()| out.flush()).context(CANNOT_WRITE)?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) if error.chain().any(|cause| cause.is::<BadTrace>()) => {
            // With standard error gone there is nobody left to tell.
            _ = writeln!(io::stderr(), "rio: {error:#}");
            Ok(ExitCode::from(EXIT_DATA))
        }
        Err(error) => Err(error),
    }
}

/// What is to be printed.
fn replay(args: &ReplayArgs) -> anyhow::Result<String> {
    if let Some(path) = &args.picture {
        picture::draw(args, path)?;
    }
    let mut trace = TraceReader::open(&args.trace, args.format, args.unit_bytes)?;
    let name = || format!("cannot replay {}", args.trace.display());
    if args.compare {
        let predictors: Vec<_> = args::predictor_names().collect();
        let mut records = simulated::run(args, &mut trace, &predictors).with_context(name)?;
        return compared(args, &mut records);
    }
    let records = if args.simulate {
        simulated::run(args, &mut trace, &[&args.predictor]).with_context(name)?
    } else {
        vec![real::run(args, &mut trace).with_context(name)?]
    };
    let shown =
        records.iter().map(|record| if args.json { lines(&record.json()) } else { Ok(record.text()) });
    shown.collect()
}

fn compared(args: &ReplayArgs, records: &mut [Record]) -> anyhow::Result<String> {
    if args.json {
        record::rank(records);
        let ranked: Vec<_> = records.iter().map(Record::json).collect();
        return lines(&json!({ "trace": args.trace.display().to_string(), "ranked": ranked }));
    }
    let mut text = record::leaderboard(records);
    text.push('\n');
    for registration in registry() {
        text += &format!("{:<12} {}\n", registration.name, registration.about);
    }
    Ok(text)
}

fn lines(value: &serde_json::Value) -> anyhow::Result<String> {
    Ok(format!("{}\n", serde_json::to_string(value)?))
}

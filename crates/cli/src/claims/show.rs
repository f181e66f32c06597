//! Progress, tables, JSON, and the file with the raw runs.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressStyle};
use rustfs_rio_claims::{Claim, PROMISES, Promise, Raw};
use serde_json::json;

use super::{CANNOT_WRITE, ClaimsArgs};
use crate::bench::machine::Machine;

/// How often the spinner turns.
const TICK: Duration = Duration::from_millis(120);
const QUICK: &str = "quick run: short and few repeats, the figures say little";

/// What the command tells while it runs and at its end.
pub(super) struct Show {
    json: bool,
    quick: bool,
    out: Option<PathBuf>,
    bar: ProgressBar,
    failure: Option<io::Error>,
}

impl Show {
    pub(super) fn new(args: &ClaimsArgs, machine: &Machine) -> Self {
        let bar = ProgressBar::new(args.promises().len() as u64);
        let style = ProgressStyle::with_template("{spinner} {pos}/{len} {msg} {elapsed}");
        bar.set_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        bar.enable_steady_tick(TICK);
        let mut show = Self { json: args.json, quick: args.quick, out: args.out.clone(), bar, failure: None };
        if !show.json {
            let quick = if args.quick { format!("mode       {QUICK}\n") } else { String::new() };
            show.print(&format!("{machine}\n{quick}\n"));
        }
        show
    }

    pub(super) fn prepare(&mut self) {
        self.bar.set_message("making the test file");
    }

    pub(super) fn begin(&mut self, promise: &Promise) {
        self.bar.set_message(format!("{} {}", promise.id, promise.text));
    }

    pub(super) fn end(&mut self, claim: &Claim) {
        self.bar.inc(1);
        if !self.json {
            self.print(&format!("{}\n", claim.table()));
        }
    }

    /// The last words: a sum, or the JSON; and the raw runs.
    pub(super) fn finish(mut self, claims: &[Claim], raw: Raw, machine: &Machine) -> anyhow::Result<()> {
        self.bar.finish_and_clear();
        if let Some(path) = self.out.take() {
            let runs = json!({ "machine": machine.to_string(), "quick": self.quick, "claims": claims, "runs": raw.into_json() });
            let text = serde_json::to_string_pretty(&runs)?;
            std::fs::write(&path, text).with_context(|| format!("cannot write {}", path.display()))?;
        }
        if self.json {
            let text = serde_json::to_string(claims)?;
            self.print(&format!("{text}\n"));
        } else {
            let met = claims.iter().filter(|claim| claim.met).count();
            let missed: Vec<&str> = claims.iter().filter(|claim| !claim.met).map(|claim| claim.id).collect();
            let missed =
                if missed.is_empty() { String::new() } else { format!("; missed: {}", missed.join(", ")) };
            let quick = if self.quick { format!(" ({QUICK})") } else { String::new() };
            self.print(&format!("{met} of {} promises met{missed}{quick}\n", claims.len()));
        }
        self.failure.map_or(Ok(()), Err).context(CANNOT_WRITE)
    }

    fn print(&mut self, text: &str) {
        let failure = &mut self.failure;
        self.bar.suspend(|| {
            let mut out = io::stdout().lock();
            if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
                failure.get_or_insert(error);
            }
        });
    }
}

/// All promises.
pub(super) fn list(out: &mut impl Write) -> io::Result<()> {
    for promise in PROMISES {
        writeln!(out, "{:<4} {}\n     {}", promise.id, promise.text, promise.how)?;
    }
    out.flush()
}

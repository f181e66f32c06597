//! What `rio bench` shows: tables and JSON on standard output, progress on standard error where that is a terminal.

use std::io::{self, IsTerminal, Write};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustfs_rio_load::{Cancel, MIB, Plan, Progress, Report, Workload};

use super::args::BenchArgs;
use super::engines::{self, SUBJECT};
use super::machine::{self, Machine};

/// Between two runs the page cache is looked at or filled.
const BETWEEN_RUNS: Duration = Duration::from_millis(100);
/// A disk writes at least so much of the test file per second, usually more.
const FILE_BYTES_PER_SECOND: u64 = 200 * MIB as u64;

/// What an error of this module is about.
pub(super) const CANNOT_WRITE: &str = "cannot write to standard output";

const LEGEND: &str = "\
Latencies are those of one operation as its task sees it. CPU is that of the whole process, kernel included. device MB is
what a run fetched from storage. x tokio-fs and x floor are ratios of operations per second, each the median of ratios
within one repeat; the floor is the faster of threads and bare-ring.";

/// The output of one run of the program.
pub(super) struct Show {
    json: bool,
    /// Not shown yet.
    header: Option<String>,
    bar: ProgressBar,
    cancel: Cancel,
    /// Why output could not be written.
    failure: Option<io::Error>,
}

impl Show {
    /// Shows nothing before the first progress: until then it may turn out that there is nothing to do.
    pub(super) fn new(
        args: &BenchArgs,
        plan: &Plan,
        engines: usize,
        machine: &Machine,
        cancel: &Cancel,
    ) -> Self {
        Self {
            json: args.json,
            header: Some(format!("{machine}\n{}", describe(plan, engines, args.size()))),
            bar: ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()),
            cancel: cancel.clone(),
            failure: None,
        }
    }

    /// Says what is going to happen: on standard output with the tables, beside JSON to people only.
    fn show_header(&mut self) {
        let Some(text) = self.header.take() else { return };
        if !self.json {
            self.print(&format!("{text}\n{LEGEND}\n\n"));
        } else if io::stderr().is_terminal() {
            // Progress that cannot be shown is not worth an error.
            _ = writeln!(io::stderr(), "{text}");
        }
    }

    /// The test file has grown.
    pub(super) fn prepared(&mut self, written: u64, size: u64) {
        self.show_header();
        if self.bar.length().is_none() {
            self.bar.set_length(size);
            self.bar.set_style(style("{msg} {bar:40} {binary_bytes}/{binary_total_bytes}"));
            self.bar.set_message("writing the test file");
        }
        self.bar.set_position(written);
    }

    /// The comparison has gone on.
    pub(super) fn progress(&mut self, progress: &Progress<'_>) {
        match progress {
            Progress::Begins { workload, engine } => self.bar.set_message(format!("{workload} {engine}")),
            Progress::Ended { done, total } => {
                self.bar.set_style(style("{bar:40} {pos}/{len} runs, {eta} left: {msg}"));
                self.bar.set_length(*total as u64);
                self.bar.set_position(*done as u64);
            }
            Progress::Complete { workload, report } if !self.json => {
                let text = block(workload, report);
                self.bar.clone().suspend(|| self.print(&text));
            }
            _ => {}
        }
    }

    /// The JSON or the summary, and what went wrong.
    pub(super) fn finish(self, plan: &Plan, report: &Report) -> io::Result<()> {
        self.bar.finish_and_clear();
        let mut out = io::stdout().lock();
        if self.json {
            serde_json::to_writer(&mut out, &report.rows())?;
            writeln!(out)?;
        } else if let Some(summary) = report.summary(&plan.workloads, SUBJECT) {
            writeln!(out, "{summary}")?;
        }
        out.flush()?;
        let mut err = io::stderr();
        for run in report.problems() {
            let outcome = &run.outcome;
            let problem = outcome.first_problem.as_deref().unwrap_or("no detail");
            let (errors, corrupt) = (outcome.errors, outcome.corrupt);
            // The exit code tells it too.
            _ = writeln!(
                err,
                "rio: {} {}: {errors} operations failed, {corrupt} reads held wrong data; the first: {problem}",
                run.workload, run.engine
            );
        }
        for skipped in report.skipped.iter().filter(|skipped| skipped.failed) {
            _ = writeln!(err, "rio: {} {} failed: {}", skipped.workload, skipped.engine, skipped.reason);
        }
        Ok(())
    }

    /// The error of an earlier output, which also called the run off.
    pub(super) fn take_failure(&mut self) -> io::Result<()> {
        self.bar.finish_and_clear();
        self.failure.take().map_or(Ok(()), Err)
    }

    fn print(&mut self, text: &str) {
        let mut out = io::stdout().lock();
        if let Err(error) = out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
            self.failure.get_or_insert(error);
            self.cancel.set();
        }
    }
}

/// A workload's table and, where Rio is behind, a line that says so.
fn block(workload: &Workload, report: &Report) -> String {
    let loss = report.loss(workload, SUBJECT).map(|loss| format!("  {loss}\n")).unwrap_or_default();
    format!("{}{loss}\n", report.table(workload))
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar())
}

fn describe(plan: &Plan, engines: usize, size: u64) -> String {
    let runs = plan.workloads.len() * engines * plan.repeats;
    let each = plan.warmup + plan.duration + BETWEEN_RUNS;
    let file = Duration::from_secs(size / FILE_BYTES_PER_SECOND);
    let policies = plan.workloads.iter().fold((false, false), |(cached, direct), workload| {
        (cached | !workload.direct, direct | workload.direct)
    });
    let cache = match policies {
        (true, true) => "holds the file before each cached run, dropped before each direct one",
        (false, true) => "dropped before each run",
        (true, false) | (false, false) => "holds the file before each run",
    };
    format!(
        "test file  {}, removed at the end\npage cache {cache}\nruns       {} x {} x {} of {:?}, {}: {}",
        machine::bytes(size),
        count(plan.workloads.len(), "workload"),
        count(engines, "engine"),
        count(plan.repeats, "repeat"),
        plan.duration,
        count(plan.workers, "worker"),
        about(each * runs as u32 + file),
    )
}

fn count(number: usize, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

fn about(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..60 => format!("about {} s", seconds + 1),
        seconds => format!("about {} min", (seconds + 30) / 60),
    }
}

/// All that can be asked for.
pub(super) fn list(out: &mut impl Write) -> io::Result<()> {
    let quick = Workload::quick();
    writeln!(
        out,
        "Workloads (* with --quick); --only takes other names of this form too, such as rand-mix50-16k-direct-8"
    )?;
    for workload in Workload::standard() {
        let mark = if quick.contains(&workload) { '*' } else { ' ' };
        writeln!(out, "{mark} {:<32} {}", workload.name(), workload.describe())?;
    }
    writeln!(out, "\nEngines (* by default)")?;
    for engine in &engines::ALL {
        let mark = if engine.by_default { '*' } else { ' ' };
        writeln!(out, "{mark} {:<32} {}", engine.name, engine.what)?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_plan_is_described_in_full() {
        let plan = Plan {
            workloads: vec!["rand-read-4k-direct-1".parse().unwrap()],
            repeats: 3,
            budget: None,
            warmup: Duration::from_millis(100),
            duration: Duration::from_millis(400),
            workers: 1,
            seed: 1,
        };
        let text = describe(&plan, 2, 1 << 30);
        assert!(text.contains("1 workload x 2 engines x 3 repeats of 400ms, 1 worker: about 9 s"), "{text}");
        assert!(text.contains("1.00 GiB") && text.contains("dropped before each run"), "{text}");
    }

    #[test]
    fn times_are_rounded_for_people() {
        assert_eq!(about(Duration::from_millis(300)), "about 1 s");
        assert_eq!(about(Duration::from_secs(100)), "about 2 min");
    }

    #[test]
    fn the_templates_are_valid() {
        for template in [
            "{msg} {bar:40} {binary_bytes}/{binary_total_bytes}",
            "{bar:40} {pos}/{len} runs, {eta} left: {msg}",
        ] {
            assert!(ProgressStyle::with_template(template).is_ok());
        }
    }
}

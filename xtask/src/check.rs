//! `cargo xtask check`: named steps, all of them run even after a failure, with a table at the end.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::skips::SkipLog;
use crate::{instructions, steps};

/// What a step may use.
pub(crate) struct Context {
    /// Where skips are recorded.
    pub(crate) skips: SkipLog,
}

/// How a step ended when it did not fail.
pub(crate) enum Outcome {
    /// It ran; the text is a remark for the table.
    Passed(String),
    /// It could not run here, and why.
    Skipped(String),
}

/// A step: its function returns an error when it fails.
pub(crate) type StepFn = fn(&Context) -> Result<Outcome>;

struct Step {
    name: &'static str,
    about: &'static str,
    speed: Speed,
    run: StepFn,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Speed {
    /// Part of every `check`.
    Quick,
    /// Only with `--all` or by name.
    Slow,
}

const STEPS: [Step; 16] = [
    Step { name: "fmt", about: "formatting", speed: Speed::Quick, run: steps::fmt },
    Step { name: "tidy", about: "house rules", speed: Speed::Quick, run: steps::tidy },
    Step { name: "clippy", about: "lints as errors", speed: Speed::Quick, run: steps::clippy },
    Step {
        name: "features",
        about: "every feature alone, none and all",
        speed: Speed::Quick,
        run: steps::features,
    },
    Step { name: "platforms", about: "other targets compile", speed: Speed::Quick, run: steps::platforms },
    Step { name: "doc", about: "rustdoc warnings as errors", speed: Speed::Quick, run: steps::doc },
    Step {
        name: "licences",
        about: "licences of all dependencies",
        speed: Speed::Quick,
        run: steps::licences,
    },
    Step { name: "test", about: "all tests and doctests", speed: Speed::Quick, run: steps::test },
    Step { name: "loom", about: "models of concurrent parts", speed: Speed::Slow, run: steps::loom },
    Step { name: "schedules", about: "seeded fault schedules", speed: Speed::Slow, run: steps::schedules },
    Step { name: "wal", about: "power losses and killed writers", speed: Speed::Slow, run: steps::wal },
    Step { name: "history", about: "killed writers of the monitor", speed: Speed::Slow, run: steps::history },
    Step {
        name: "instructions",
        about: "instructions of hot paths",
        speed: Speed::Slow,
        run: instructions::check,
    },
    Step { name: "asan", about: "soak under AddressSanitizer", speed: Speed::Slow, run: steps::asan },
    Step { name: "vm-smoke", about: "the other kernel boots", speed: Speed::Slow, run: steps::vm_smoke },
    Step {
        name: "vm",
        about: "contract and device faults in it",
        speed: Speed::Slow,
        run: steps::vm_scenarios,
    },
];

/// Runs the chosen steps and prints the table; an error when one failed.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let Some(chosen) = choose(arguments)? else {
        print_help();
        return Ok(());
    };
    let context = Context { skips: SkipLog::open()? };
    let mut rows = Vec::new();
    for step in chosen {
        println!("\n=== {}: {}", step.name, step.about);
        let start = Instant::now();
        let result = (step.run)(&context);
        if let Err(error) = &result {
            eprintln!("{}: {error:#}", step.name);
        }
        if let Ok(Outcome::Skipped(why)) = &result {
            context.skips.add(step.name, why)?;
        }
        rows.push(Row { name: step.name, took: start.elapsed(), result });
    }
    println!();
    let skipped = context.skips.report();
    println!("\n{}", table(&rows));
    if let Some(row) = rows.iter().find(|row| row.name == "test") {
        println!("tests: {}", row.result_and_remark().1);
    }
    let failed: Vec<&str> = rows.iter().filter(|row| row.result.is_err()).map(|row| row.name).collect();
    if !failed.is_empty() {
        bail!("failed: {}", failed.join(", "));
    }
    skipped
}

struct Row {
    name: &'static str,
    took: Duration,
    result: Result<Outcome>,
}

impl Row {
    /// One word, and one line: the whole story stands above the table.
    fn result_and_remark(&self) -> (&'static str, String) {
        let (result, remark) = match &self.result {
            Ok(Outcome::Passed(remark)) => ("passed", remark.clone()),
            Ok(Outcome::Skipped(why)) => ("SKIPPED", why.clone()),
            Err(error) => ("FAILED", format!("{error:#}")),
        };
        (result, remark.lines().next().unwrap_or_default().to_owned())
    }
}

/// The steps that the arguments ask for; `None` asks for help.
fn choose(arguments: &[String]) -> Result<Option<Vec<&'static Step>>> {
    let mut chosen: Vec<&Step> = STEPS.iter().filter(|step| step.speed == Speed::Quick).collect();
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--all" => chosen = STEPS.iter().collect(),
            "--only" => chosen = named(arguments.next().map_or("", String::as_str))?,
            "--help" | "-h" => return Ok(None),
            other => bail!("unknown option '{other}'; `cargo xtask check --help` lists them"),
        }
    }
    Ok(Some(chosen))
}

fn named(names: &str) -> Result<Vec<&'static Step>> {
    let find = |name: &str| match STEPS.iter().find(|step| step.name == name) {
        Some(step) => Ok(step),
        None => bail!("no step '{name}'; steps: {}", STEPS.map(|step| step.name).join(", ")),
    };
    names.split(',').map(find).collect()
}

fn table(rows: &[Row]) -> String {
    let mut text = format!("{:<10} {:<8} {:>8}  remark\n", "step", "result", "seconds");
    for row in rows {
        let (result, remark) = row.result_and_remark();
        text += &format!("{:<10} {result:<8} {:>8.1}  {remark}\n", row.name, row.took.as_secs_f64());
    }
    text
}

fn print_help() {
    println!(
        "usage: cargo xtask check [--all] [--only STEP,STEP]\n\nsteps, those marked * only with --all or by name:"
    );
    for step in &STEPS {
        let mark = if step.speed == Speed::Slow { '*' } else { ' ' };
        println!("  {mark} {:<10} {}", step.name, step.about);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(arguments: &[&str]) -> Vec<&'static str> {
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        choose(&arguments).unwrap().unwrap().iter().map(|step| step.name).collect()
    }

    #[test]
    fn slow_steps_are_left_out_unless_asked_for() {
        assert!(!names(&[]).contains(&"asan"));
        assert!(names(&["--all"]).contains(&"asan"));
        assert_eq!(names(&["--only", "asan,fmt"]), ["asan", "fmt"]);
    }

    #[test]
    fn unknown_steps_and_options_are_errors() {
        for bad in [&["--only", "nonsense"][..], &["--only"], &["--fast"]] {
            let arguments: Vec<String> = bad.iter().map(ToString::to_string).collect();
            assert!(choose(&arguments).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_table_has_one_line_a_step() {
        let row = |result| Row { name: "fmt", took: Duration::from_millis(1500), result };
        let rows = [
            row(Ok(Outcome::Passed("3 tests\nmore".into()))),
            row(Ok(Outcome::Skipped("no tool".into()))),
            row(Err(anyhow::anyhow!("bad").context("worse"))),
        ];
        let text = table(&rows);
        assert_eq!(text.lines().count(), 4);
        assert!(text.contains("fmt        passed        1.5  3 tests\n"), "{text}");
        assert!(text.contains("SKIPPED       1.5  no tool"), "{text}");
        assert!(text.contains("FAILED        1.5  worse: bad"), "{text}");
    }
}

//! The instructions of hot paths, counted by valgrind and compared with a committed baseline. Clocks on shared machines are too
//! noisy for that; counts are not.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::check::{Context, Outcome};
use crate::packages::{self, Tool};
use crate::process::{self, Stream, cargo, command};
use crate::workspace;

const BENCH: &str = "bench/regression";
const BASELINE: &str = "bench/regression/baseline.txt";
/// The version that the bench is linked against, to which the runner has to belong.
const RUNNER_VERSION: &str = "0.20.0";
const RUNNER: &str = "gungraun-runner";
/// More instructions than the baseline by this share are a failure.
const MARGIN: f64 = 0.03;

type Counts = BTreeMap<String, u64>;

/// The step: no hot path needs more instructions than it did.
pub(crate) fn check(_: &Context) -> Result<Outcome> {
    if let Err(error) = packages::ensure_tools(&[Tool::new("valgrind", "valgrind")]) {
        return Ok(Outcome::Skipped(format!("{error:#}")));
    }
    let (counted, baseline) = (count()?, read(Path::new(BASELINE))?);
    let worse = worse(&baseline, &counted);
    if !worse.is_empty() {
        bail!(
            "{}\nif that is the price of something worth it: cargo xtask instructions --bless, and say so in the commit",
            worse.join("\n")
        );
    }
    let most = counted.iter().filter_map(|(name, count)| Some(*count as f64 / *baseline.get(name)? as f64));
    let most = most.fold(0.0, f64::max);
    Ok(Outcome::Passed(format!("{} paths, at most {most:.3} of the baseline", counted.len())))
}

/// `cargo xtask instructions [--bless]`: counts, prints, and writes a new baseline if asked to.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    let bless = match arguments {
        [] => false,
        [option] if option == "--bless" => true,
        _ => bail!("usage: cargo xtask instructions [--bless]"),
    };
    packages::ensure_tools(&[Tool::new("valgrind", "valgrind")])?;
    let counted = count()?;
    let lines: String = counted.iter().map(|(name, count)| format!("{name} {count}\n")).collect();
    print!("{lines}");
    if bless {
        std::fs::write(BASELINE, lines).with_context(|| format!("cannot write {BASELINE}"))?;
    }
    Ok(())
}

/// Runs the bench.
fn count() -> Result<Counts> {
    let runner = ensure_runner()?;
    let mut command =
        cargo(&["bench", "--manifest-path", &format!("{BENCH}/Cargo.toml"), "--bench", "instructions"]);
    command.env("GUNGRAUN_RUNNER", &runner).env("CARGO_TARGET_DIR", workspace::own_directory("regression")?);
    let (mut counts, mut name) = (Counts::new(), None);
    process::tee(&mut command, Stream::Out, |line| see(line, &mut name, &mut counts))?;
    if counts.is_empty() {
        bail!("the bench of {BENCH} printed no counts");
    }
    Ok(counts)
}

/// Takes what one line of the bench's output says: the name of a path, or its instructions.
fn see(line: &str, name: &mut Option<String>, counts: &mut Counts) {
    let line = process::strip_colours(line);
    if let Some(rest) = line.strip_prefix("instructions::") {
        *name = rest.split_whitespace().next().and_then(|path| path.rsplit("::").next()).map(str::to_owned);
    } else if let Some(rest) = line.trim_start().strip_prefix("Instructions:") {
        let count = rest.split('|').next().and_then(|count| count.trim().parse().ok());
        if let (Some(name), Some(count)) = (name.take(), count) {
            counts.insert(name, count);
        }
    }
}

fn ensure_runner() -> Result<PathBuf> {
    let root = workspace::own_directory("tools")?;
    let program = root.join("bin").join(RUNNER);
    let version = process::output(&mut command(process::text(&program)?, &["--version"]));
    if !version.is_ok_and(|version| version.contains(RUNNER_VERSION)) {
        println!("{RUNNER} {RUNNER_VERSION} is missing: building it once");
        let root = process::text(&root)?;
        let arguments =
            ["install", RUNNER, "--quiet", "--version", RUNNER_VERSION, "--force", "--root", root];
        process::run(&mut cargo(&arguments)).with_context(|| format!("cannot install {RUNNER}"))?;
    }
    Ok(program)
}

fn read(path: &Path) -> Result<Counts> {
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    let parse = |line: &str| {
        let (name, count) = line.split_once(' ')?;
        Some((name.to_owned(), count.trim().parse().ok()?))
    };
    let parsed = text.lines().map(|line| {
        parse(line)
            .with_context(|| format!("{}: expected a name and a count, found {line:?}", path.display()))
    });
    parsed.collect()
}

/// What got worse, or stands on one side only.
fn worse(baseline: &Counts, counted: &Counts) -> Vec<String> {
    let mut lines = Vec::new();
    for (name, before) in baseline {
        match counted.get(name) {
            None => lines.push(format!("{name}: in the baseline and not counted")),
            Some(now) if *now as f64 > *before as f64 * (1.0 + MARGIN) => {
                let share = (*now as f64 / *before as f64 - 1.0) * 100.0;
                lines.push(format!("{name}: {now} instructions, {share:.1} % more than {before}"));
            }
            Some(_) => {}
        }
    }
    let new = counted.keys().filter(|name| !baseline.contains_key(*name));
    lines.extend(new.map(|name| format!("{name}: counted and not in the baseline")));
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_found_in_the_output() {
        let output = "instructions::hot::pool_thousand warm:(warm(pool))\n  Instructions:       265419|N/A   (***)\n  L1 Hits: 3|N/A\n";
        let (mut name, mut counts) = (None, Counts::new());
        output.lines().for_each(|line| see(line, &mut name, &mut counts));
        assert_eq!(counts, Counts::from([("pool_thousand".to_owned(), 265_419)]));
    }

    #[test]
    fn more_than_the_margin_is_told_and_so_is_what_is_missing() {
        let counts =
            |pairs: &[(&str, u64)]| pairs.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect();
        let baseline = counts(&[("a", 1000), ("b", 1000), ("c", 1000)]);
        let worse = worse(&baseline, &counts(&[("a", 1030), ("b", 1031), ("d", 1)]));
        assert_eq!(worse.len(), 3, "{worse:?}");
        assert!(worse[0].contains("3.1 % more"), "{worse:?}");
    }
}

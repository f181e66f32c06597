//! The steps of `cargo xtask check`, one function each.

use anyhow::{Result, bail};

use crate::check::{Context, Outcome, StepFn};
use crate::process::{self, Stream, cargo, command};
use crate::skips::SkipLog;
use crate::{licences, test, tidy as rules, vm, workspace};

const BUF: &str = "rustfs-rio-buf";
const ENGINE: &str = "rustfs-rio-engine";
/// Crates with loom models.
const MODELLED: [&str; 3] = [BUF, ENGINE, WAL];
const MONITOR: &str = "rustfs-rio-monitor";
const WAL: &str = "rustfs-rio-wal";
/// Targets that must keep compiling: another C library, another kernel interface, no io_uring at all.
const TARGETS: [&str; 1] = ["x86_64-unknown-linux-musl"];
/// Crates that promise to compile on every platform.
const PORTABLE: [&str; 3] = ["rustfs-rio-buf", ENGINE, "rustfs-rio"];
const SANITIZED_TARGET: &str = "x86_64-unknown-linux-gnu";
/// Part of the names of all loom models.
const LOOM_MODELS: &str = "loom";
/// The soak test whose engines go while the device has not answered.
const LEAKING_SOAK: &str = "engines_that_die_with_operations_in_flight";
/// The engine's test of seeded fault schedules.
const SCHEDULES: &str = "fault_schedules";
/// Reads and writes of the soak test under AddressSanitizer, over all backends.
const SOAK_OPS: &str = "1000000";

/// Seeds of the log's power losses, and kills of its writer.
const POWER_SEEDS: &str = "10000";
const KILLS: &str = "1000";

/// Runs one step as a command of its own.
pub(crate) fn alone(step: StepFn) -> Result<()> {
    let context = Context { skips: SkipLog::open()? };
    let result = step(&context);
    if let Ok(Outcome::Skipped(why)) = &result {
        context.skips.add("this step", why)?;
    }
    let skipped = context.skips.report();
    result.map(drop).and(skipped)
}

/// Formatting is as rustfmt leaves it.
pub(crate) fn fmt(_: &Context) -> Result<Outcome> {
    process::run(&mut cargo(&["fmt", "--all", "--check"]))?;
    passed()
}

/// The house rules hold.
pub(crate) fn tidy(_: &Context) -> Result<Outcome> {
    rules::run()?;
    passed()
}

/// No lint fires, in any target, with all features.
pub(crate) fn clippy(_: &Context) -> Result<Outcome> {
    let arguments = ["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"];
    process::run(&mut cargo(&arguments))?;
    passed()
}

/// Each crate compiles with no features and with each feature alone; `clippy` covers all at once.
pub(crate) fn features(_: &Context) -> Result<Outcome> {
    let mut builds = 0;
    for member in workspace::members()? {
        let alone = member.features.iter().filter(|feature| *feature != "default").map(String::as_str);
        for feature in std::iter::once("").chain(alone) {
            let mut command =
                cargo(&["clippy", "--quiet", "--package", &member.name, "--no-default-features"]);
            process::run(command.args(["--features", feature, "--", "-D", "warnings"]))?;
            builds += 1;
        }
    }
    Ok(Outcome::Passed(format!("{builds} builds")))
}

/// The portable crates compile for other targets without a warning, where their standard library can be had.
pub(crate) fn platforms(context: &Context) -> Result<Outcome> {
    let mut built = Vec::new();
    for target in TARGETS {
        if !has_target(target)? && !process::succeeds(&mut command("rustup", &["target", "add", target])) {
            let why = "its standard library is not installed and rustup cannot bring it";
            context.skips.add(&format!("compiling for {target}"), why)?;
            continue;
        }
        let mut command = cargo(&["clippy", "--quiet", "--target", target]);
        for package in PORTABLE {
            command.args(["--package", package]);
        }
        // The formats of objects link libraries in C, which would need a C compiler for the target.
        command.args(["--no-default-features", "--features", "rustfs-rio/tune"]);
        process::run(command.args(["--", "-D", "warnings"]))?;
        built.push(target);
    }
    match built.is_empty() {
        true => Ok(Outcome::Skipped("no other target could be installed".to_owned())),
        false => Ok(Outcome::Passed(built.join(", "))),
    }
}

fn has_target(target: &str) -> Result<bool> {
    let arguments = ["--print", "target-libdir", "--target", target];
    let directory = process::output(&mut command("rustc", &arguments))?;
    // rustc names the directory whether or not it exists.
    Ok(std::path::Path::new(directory.trim()).is_dir())
}

/// The documentation builds without warnings.
pub(crate) fn doc(_: &Context) -> Result<Outcome> {
    let mut command = cargo(&["doc", "--workspace", "--no-deps", "--all-features"]);
    process::run(command.env("RUSTDOCFLAGS", "-D warnings"))?;
    passed()
}

/// Every dependency's licence is one we accept; known vulnerabilities where the tool for it is installed.
pub(crate) fn licences(context: &Context) -> Result<Outcome> {
    let count = licences::check()?;
    if process::succeeds(&mut cargo(&["deny", "--version"])) {
        process::run(&mut cargo(&["deny", "check", "advisories"]))?;
    } else {
        context.skips.add("security advisories", "cargo-deny is not installed")?;
    }
    Ok(Outcome::Passed(format!("{count} dependencies")))
}

/// All tests and doctests, on all file systems.
pub(crate) fn test(context: &Context) -> Result<Outcome> {
    test::run_all(&context.skips, &[]).map(Outcome::Passed)
}

/// The loom models, which are unit tests because they reach into their crates. Optimised and in a target directory of their own,
/// because the flag touches every crate.
pub(crate) fn loom(_: &Context) -> Result<Outcome> {
    let directory = workspace::own_directory("loom")?;
    let mut all = 0;
    for package in MODELLED {
        let mut command = cargo(&["test", "--profile", "stress", "--package", package, "--lib", LOOM_MODELS]);
        command.env("RUSTFLAGS", "--cfg rio_loom").env("CARGO_TARGET_DIR", &directory);
        let mut models = 0;
        process::tee(&mut command, Stream::Out, |line| models += test::passed_in(line))?;
        // A filter that matches nothing is a success to cargo.
        if models == 0 {
            bail!("no model ran: no unit test of {package} has '{LOOM_MODELS}' in its name");
        }
        all += models;
    }
    Ok(Outcome::Passed(format!("{all} models")))
}

/// The write-ahead log at full numbers: power losses from seeds, and killed writers.
pub(crate) fn wal(_: &Context) -> Result<Outcome> {
    for (name, variable, count) in [("power", "RIO_WAL_SEEDS", POWER_SEEDS), ("kill", "RIO_WAL_KILLS", KILLS)]
    {
        workspace::require_test(WAL, name)?;
        let mut command = cargo(&["test", "--profile", "stress", "--all-features", "--package", WAL]);
        command.args(["--test", name, "--", "--nocapture"]).env(variable, count);
        process::run(&mut command)?;
    }
    Ok(Outcome::Passed(format!("{POWER_SEEDS} histories, {KILLS} kills")))
}

/// The monitor's history with its writer killed two hundred times.
pub(crate) fn history(_: &Context) -> Result<Outcome> {
    workspace::require_test(MONITOR, "history")?;
    let mut command = cargo(&["test", "--profile", "stress", "--package", MONITOR, "--test", "history"]);
    command.args(["--", "--ignored", "--nocapture"]);
    let mut tests = 0;
    process::tee(&mut command, Stream::Out, |line| tests += test::passed_in(line))?;
    if tests == 0 {
        bail!("no test of the history of {MONITOR} is left for the slow steps");
    }
    Ok(Outcome::Passed(format!("{tests} test")))
}

/// The fault schedules at their full number, from a fixed seed.
pub(crate) fn schedules(_: &Context) -> Result<Outcome> {
    run_schedules("10000", None)?;
    Ok(Outcome::Passed("10000 schedules".to_owned()))
}

/// `cargo xtask fuzz-schedules`: as many schedules as asked for, from a seed that a failure printed.
pub(crate) fn fuzz_schedules(arguments: &[String]) -> Result<()> {
    let (mut count, mut seed) = ("10000", None);
    for pair in arguments.chunks(2) {
        match pair {
            [option, value] if option == "--count" => count = value,
            [option, value] if option == "--seed" => seed = Some(value.as_str()),
            _ => bail!("usage: cargo xtask fuzz-schedules [--count N] [--seed S]"),
        }
    }
    run_schedules(count, seed)
}

fn run_schedules(count: &str, seed: Option<&str>) -> Result<()> {
    workspace::require_test(ENGINE, SCHEDULES)?;
    let mut command = cargo(&["test", "--profile", "stress", "--all-features", "--package", ENGINE]);
    command.args(["--test", SCHEDULES, "--", "--nocapture"]).env("RIO_SCHEDULES", count);
    if let Some(seed) = seed {
        command.env("RIO_SCHEDULE_SEED", seed);
    }
    process::run(&mut command)
}

/// The soak test and the tests of the pool under AddressSanitizer, which needs a nightly compiler.
pub(crate) fn asan(_: &Context) -> Result<Outcome> {
    if !process::succeeds(&mut command("rustc", &["+nightly", "--version"])) {
        return Ok(Outcome::Skipped(
            "AddressSanitizer needs a nightly toolchain (rustup install nightly)".into(),
        ));
    }
    workspace::require_test(ENGINE, "soak")?;
    let directory = workspace::own_directory("asan")?;
    let soak = &["--package", ENGINE, "--test", "soak"][..];
    let pool = &["--package", BUF, "--lib"][..];
    // What the device never answers is leaked on purpose, and the books of a pool live as long as the process: only there the report
    // of leaks is switched off.
    for (tests, filter, leaks) in [
        (soak, &["--skip", LEAKING_SOAK][..], "1"),
        (soak, &[LEAKING_SOAK][..], "0"),
        (pool, &["pool::"][..], "0"),
    ] {
        let mut command = command("cargo", &["+nightly", "test", "--profile", "stress", "--all-features"]);
        // Naming the target keeps the flag away from build scripts, which have no sanitizer runtime.
        command.args(["--target", SANITIZED_TARGET]).args(tests).arg("--").args(filter);
        command.env("RUSTFLAGS", "-Zsanitizer=address").env("CARGO_TARGET_DIR", &directory);
        command.env("ASAN_OPTIONS", format!("detect_leaks={leaks}")).env("RIO_SOAK_OPS", SOAK_OPS);
        let mut tests = 0;
        process::tee(&mut command, Stream::Out, |line| tests += test::passed_in(line))?;
        if tests == 0 {
            bail!("no test of {tests:?} ran with the filter {filter:?}");
        }
    }
    Ok(Outcome::Passed(format!("{SOAK_OPS} operations")))
}

/// The emulated machine boots and its devices work.
pub(crate) fn vm_smoke(context: &Context) -> Result<Outcome> {
    run_scenarios(context, &["smoke"])
}

/// What needs another kernel: the contract suite, device faults, two memory nodes, power loss.
pub(crate) fn vm_scenarios(context: &Context) -> Result<Outcome> {
    run_scenarios(context, &["contract", "faults", "numa", "power"])
}

fn run_scenarios(context: &Context, names: &[&str]) -> Result<Outcome> {
    if let Some(why) = vm::obstacle() {
        return Ok(Outcome::Skipped(why));
    }
    // All of them, so that one report tells the whole story.
    let failures: Vec<String> = names
        .iter()
        .filter_map(|name| {
            vm::run_named(name, &context.skips).err().map(|error| format!("vm {name}: {error:#}"))
        })
        .collect();
    if !failures.is_empty() {
        bail!("{}", failures.join("\n"));
    }
    Ok(Outcome::Passed(names.join(", ")))
}

fn passed() -> Result<Outcome> {
    Ok(Outcome::Passed(String::new()))
}

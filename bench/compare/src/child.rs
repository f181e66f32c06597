//! One run in a process of its own, so that processor time and page-cache effects of one engine never stand in the
//! figures of another, and a rival that panics takes nothing with it.

use std::io::{Read, Write};
use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use anyhow::Context;
use rustfs_rio_load::{Job, LoadError, Outcome, Target, Workload};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::engine;

/// The hidden subcommand that carries out one job.
pub const LEG: &str = "leg";
/// The hidden subcommand that measures Rio at rest.
pub const IDLE: &str = "idle";
/// How often the parent looks whether the run was called off.
const POLL_SLICE: Duration = Duration::from_millis(10);

/// An engine that is run in a child process of this program.
pub struct InChild(pub Box<dyn Target>);

impl Target for InChild {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn unavailable(&self, workload: &Workload) -> Option<String> {
        self.0.unavailable(workload)
    }

    fn writes_foreign_content(&self) -> bool {
        self.0.writes_foreign_content()
    }

    fn run(&self, job: &Job) -> Result<Outcome, LoadError> {
        run_child(&[LEG, self.name()], job).map_err(|error| match job.cancel.is_set() {
            true => LoadError::Cancelled,
            false => job.engine_error(self.name(), format!("{error:#}")),
        })
    }
}

/// Measures Rio at rest in a child process; see [`rustfs_rio_load::idle_cpu`].
pub fn idle_cpu(job: &Job) -> anyhow::Result<f64> {
    run_child(&[IDLE], job)
}

fn run_child<T: DeserializeOwned>(arguments: &[&str], job: &Job) -> anyhow::Result<T> {
    let mut child = Command::new(std::env::current_exe()?)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .context("cannot start the child process")?;
    // A child that is gone already is told by its exit status.
    if let Some(mut stdin) = child.stdin.take() {
        _ = stdin.write_all(&serde_json::to_vec(job)?);
    }
    while child.try_wait()?.is_none() {
        if job.cancel.is_set() {
            child.kill()?;
            child.wait()?;
            anyhow::bail!("cancelled");
        }
        thread::sleep(POLL_SLICE);
    }
    let output = child.wait_with_output()?;
    if output.status.success() {
        return serde_json::from_slice(&output.stdout).context("the child's figures are no JSON");
    }
    let message = String::from_utf8_lossy(&output.stderr);
    let last = message.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("no message");
    anyhow::bail!("{}: {last}", output.status)
}

/// The child's side: the job comes on standard input, the outcome goes to `out`.
pub fn run_leg(name: &str, input: &mut impl Read, out: &mut impl Write) -> anyhow::Result<()> {
    let outcome = engine::by_name(name)?.run(&read_job(input)?)?;
    answer(&outcome, out)
}

/// The child's side of [`idle_cpu`].
pub fn run_idle(input: &mut impl Read, out: &mut impl Write) -> anyhow::Result<()> {
    let share = rustfs_rio_load::idle_cpu(&read_job(input)?)?;
    answer(&share, out)
}

fn read_job(input: &mut impl Read) -> anyhow::Result<Job> {
    let mut text = String::new();
    input.read_to_string(&mut text)?;
    serde_json::from_str(&text).context("the job is no JSON")
}

fn answer(value: &impl Serialize, out: &mut impl Write) -> anyhow::Result<()> {
    serde_json::to_writer(&mut *out, value)?;
    out.flush()?;
    Ok(())
}

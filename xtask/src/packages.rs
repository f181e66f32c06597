//! Installs what the tests and the emulated machine need, when it is missing and can be installed.

use anyhow::{Context, Result, bail};

use crate::process::{self, cargo, command};

/// The test runner, at the version this workspace is known to build it with.
const NEXTEST_VERSION: &str = "0.9.143";

/// A program and the Debian package that brings it.
#[derive(Clone, Copy)]
pub(crate) struct Tool {
    /// Name of the executable.
    pub(crate) program: &'static str,
    /// Name of the package.
    pub(crate) package: &'static str,
}

impl Tool {
    /// A program with its package.
    pub(crate) const fn new(program: &'static str, package: &'static str) -> Self {
        Self { program, package }
    }
}

/// Makes `cargo nextest` available; builds it from the registry where it is missing.
pub(crate) fn ensure_nextest() -> Result<()> {
    if process::succeeds(&mut cargo(&["nextest", "--version"])) {
        return Ok(());
    }
    println!("cargo-nextest is missing: building it once, which takes some minutes");
    let arguments = ["install", "cargo-nextest", "--locked", "--version", NEXTEST_VERSION];
    process::run(&mut cargo(&arguments)).context("cannot install cargo-nextest")
}

/// Makes the tools available; an error names those that stay missing and why.
pub(crate) fn ensure_tools(tools: &[Tool]) -> Result<()> {
    let missing: Vec<Tool> = missing(tools);
    if missing.is_empty() {
        return Ok(());
    }
    let packages: Vec<&str> = missing.iter().map(|tool| tool.package).collect();
    if process::find_tool("apt-get").is_none() {
        bail!("missing {}, and this system has no apt-get to install them", packages.join(", "));
    }
    if !process::is_root() {
        bail!("missing {0}; as root: apt-get install {0}", packages.join(" "));
    }
    install(&packages)?;
    match self::missing(tools).first() {
        None => Ok(()),
        Some(tool) => bail!("package {} is installed but brought no {}", tool.package, tool.program),
    }
}

/// Runs `apt-get update`, for a machine whose package lists are absent or old.
pub(crate) fn refresh_lists() -> Result<()> {
    process::run(&mut command("apt-get", &["update", "--quiet"]))
}

fn missing(tools: &[Tool]) -> Vec<Tool> {
    tools.iter().filter(|tool| process::find_tool(tool.program).is_none()).copied().collect()
}

fn install(packages: &[&str]) -> Result<()> {
    let mut arguments = vec!["install", "--yes", "--quiet", "--no-install-recommends"];
    arguments.extend(packages);
    let attempt = || {
        let mut command = command("apt-get", &arguments);
        process::run(command.env("DEBIAN_FRONTEND", "noninteractive"))
    };
    // Lists that are missing or out of date make the first attempt fail.
    attempt().or_else(|_| refresh_lists().and_then(|()| attempt()))
}

//! Child processes: echoed before they start, checked after they end.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// A cargo command that keeps the caller's toolchain.
pub(crate) fn cargo(arguments: &[&str]) -> Command {
    command("cargo", arguments)
}

/// A command with its arguments.
pub(crate) fn command(program: &str, arguments: &[&str]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments);
    command
}

/// Echoes and runs a command; an unsuccessful end is an error that names it.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let line = echo(command);
    let status = command.stdin(Stdio::null()).status().with_context(|| format!("cannot start `{line}`"))?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    Ok(())
}

/// Runs a command quietly and returns its standard output; its standard error is part of the error.
pub(crate) fn output(command: &mut Command) -> Result<String> {
    let line = describe(command);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("cannot start `{line}`"))?;
    if !output.status.success() {
        bail!("`{line}` ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).with_context(|| format!("output of `{line}`"))
}

/// True when the command can be started and ends successfully; it prints nothing.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let quiet = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    quiet.status().is_ok_and(|status| status.success())
}

/// Which of a child's two streams [`tee`] reads; the other one is inherited.
#[derive(Clone, Copy)]
pub(crate) enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
}

/// Echoes and runs a command, passes one of its streams on line by line and shows each line to `see`.
pub(crate) fn tee(command: &mut Command, stream: Stream, mut see: impl FnMut(&str)) -> Result<()> {
    let line = echo(command);
    match stream {
        Stream::Out => command.stdout(Stdio::piped()),
        Stream::Err => command.stderr(Stdio::piped()),
    };
    let mut child = command.stdin(Stdio::null()).spawn().with_context(|| format!("cannot start `{line}`"))?;
    let copied = match stream {
        Stream::Out => child.stdout.take().map(|pipe| copy_lines(pipe, std::io::stdout(), &mut see)),
        Stream::Err => child.stderr.take().map(|pipe| copy_lines(pipe, std::io::stderr(), &mut see)),
    };
    let status = child.wait().with_context(|| format!("waiting for `{line}`"))?;
    copied.transpose()?;
    if !status.success() {
        bail!("`{line}` ended with {status}");
    }
    Ok(())
}

fn copy_lines(from: impl std::io::Read, mut to: impl Write, see: &mut impl FnMut(&str)) -> Result<()> {
    let mut reader = BufReader::new(from);
    let mut bytes = Vec::new();
    // Not `lines()`: a test may print what is not UTF-8, and its output must still come through.
    while reader.read_until(b'\n', &mut bytes)? > 0 {
        to.write_all(&bytes)?;
        to.flush()?;
        see(String::from_utf8_lossy(&bytes).trim_end());
        bytes.clear();
    }
    Ok(())
}

/// The first executable of that name on the search path, or in the directories only root has on it.
pub(crate) fn find_tool(name: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain(["/usr/sbin", "/sbin"].map(PathBuf::from))
        .map(|directory| directory.join(name))
        .find(|candidate| candidate.is_file())
}

/// True when this process has the privileges of root.
pub(crate) fn is_root() -> bool {
    output(&mut command("id", &["-u"])).is_ok_and(|id| id.trim() == "0")
}

/// A path as text for an argument list.
pub(crate) fn text(path: &Path) -> Result<&str> {
    path.to_str().with_context(|| format!("{} is not UTF-8", path.display()))
}

fn echo(command: &Command) -> String {
    let line = describe(command);
    println!("$ {line}");
    line
}

fn describe(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Takes terminal colours out of a line, so that it can be compared and stored.
pub(crate) fn strip_colours(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut rest = line.chars();
    while let Some(character) = rest.next() {
        if character != '\u{1b}' {
            plain.push(character);
            continue;
        }
        // A colour is ESC [ digits ; digits m: skip to its final letter.
        rest.by_ref().find(char::is_ascii_alphabetic);
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failing_command_is_an_error_that_names_it() {
        let error = run(&mut command("false", &["argument"])).unwrap_err();
        assert!(error.to_string().contains("`false argument` ended with"), "{error}");
    }

    #[test]
    fn a_missing_program_is_an_error_that_names_it() {
        let error = output(&mut command("rio-no-such-program", &[])).unwrap_err();
        assert!(error.to_string().contains("cannot start `rio-no-such-program`"), "{error}");
    }

    #[test]
    fn tee_shows_every_line_even_without_a_final_newline() {
        let mut seen = Vec::new();
        tee(&mut command("printf", &["one\\ntwo"]), Stream::Out, |line| seen.push(line.to_owned())).unwrap();
        assert_eq!(seen, ["one", "two"]);
    }

    #[test]
    fn colours_are_stripped() {
        assert_eq!(strip_colours("\u{1b}[32;1m  Summary\u{1b}[0m [ 1.0s]"), "  Summary [ 1.0s]");
    }
}

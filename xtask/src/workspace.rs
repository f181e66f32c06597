//! What cargo knows about this workspace, and where things lie in it.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::Value;

use crate::process;

/// Makes the workspace root the working directory, so that every path in this program is relative to it.
pub(crate) fn enter_root() -> Result<()> {
    // Cargo sets the variable at run time; the compiled-in value serves a directly started binary.
    let manifest =
        std::env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let root = Path::new(&manifest).parent().context("xtask has no parent directory")?;
    std::env::set_current_dir(root).with_context(|| format!("cannot enter {}", root.display()))
}

/// `cargo metadata` without dependencies: members, their targets and direct dependencies. Needs no network.
pub(crate) fn members() -> Result<Vec<Member>> {
    let arguments = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
    let metadata = parse(&process::output(&mut process::cargo(&arguments))?)?;
    list(&metadata, "packages").iter().map(Member::read).collect()
}

/// Where cargo puts what it builds, and where this program keeps its own files.
pub(crate) fn target_directory() -> Result<PathBuf> {
    let arguments = ["metadata", "--no-deps", "--offline", "--format-version", "1"];
    let metadata = parse(&process::output(&mut process::cargo(&arguments))?)?;
    Ok(PathBuf::from(string(&metadata, "target_directory")))
}

/// A directory of this program's own below the target directory, created when missing.
pub(crate) fn own_directory(name: &str) -> Result<PathBuf> {
    let directory = target_directory()?.join(name);
    std::fs::create_dir_all(&directory).with_context(|| format!("cannot create {}", directory.display()))?;
    Ok(directory)
}

/// One crate of the workspace.
pub(crate) struct Member {
    /// Package name.
    pub(crate) name: String,
    /// Its manifest, relative to the workspace root where it lies below it.
    pub(crate) manifest: PathBuf,
    /// Names of its features.
    pub(crate) features: Vec<String>,
    /// Dependencies on other members.
    pub(crate) edges: Vec<Edge>,
    /// Names of its integration tests.
    pub(crate) tests: Vec<String>,
}

/// A dependency of one member on another.
pub(crate) struct Edge {
    /// The crate depended on.
    pub(crate) to: String,
    /// True for a dev-dependency.
    pub(crate) for_tests: bool,
}

impl Member {
    fn read(package: &Value) -> Result<Self> {
        let manifest = PathBuf::from(string(package, "manifest_path"));
        let root = std::env::current_dir()?;
        let edges = list(package, "dependencies").iter().filter(|dependency| dependency["path"].is_string());
        let tests = list(package, "targets").iter().filter(|target| target["kind"][0] == "test");
        Ok(Self {
            name: string(package, "name"),
            manifest: manifest.strip_prefix(&root).map(Path::to_path_buf).unwrap_or(manifest),
            features: package["features"]
                .as_object()
                .map(|all| all.keys().cloned().collect())
                .unwrap_or_default(),
            edges: edges
                .map(|edge| Edge { to: string(edge, "name"), for_tests: edge["kind"] == "dev" })
                .collect(),
            tests: tests.map(|target| string(target, "name")).collect(),
        })
    }
}

/// Builds one integration test and returns the path of its executable.
pub(crate) fn build_test(package: &str, test: &str, profile: &str) -> Result<PathBuf> {
    require_test(package, test)?;
    let mut arguments = vec!["test", "--no-run", "--package", package, "--test", test, "--all-features"];
    arguments.extend(["--profile", profile, "--message-format=json-render-diagnostics"]);
    println!("$ cargo {}", arguments.join(" "));
    let mut command = process::cargo(&arguments);
    command.stderr(std::process::Stdio::inherit());
    executable_in(&process::output(&mut command)?, test)
}

/// An error that says what to write when the test does not exist.
pub(crate) fn require_test(package: &str, test: &str) -> Result<()> {
    let members = members()?;
    let Some(member) = members.iter().find(|member| member.name == package) else {
        bail!("no package '{package}' in this workspace");
    };
    if !member.tests.iter().any(|name| name == test) {
        bail!("package '{package}' has no test '{test}'; it has: {}", member.tests.join(", "));
    }
    Ok(())
}

fn executable_in(messages: &str, test: &str) -> Result<PathBuf> {
    let found =
        messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok()).find(|message| {
            message["reason"] == "compiler-artifact"
                && message["target"]["name"] == test
                && message["target"]["kind"][0] == "test"
                && message["executable"].is_string()
        });
    let message = found.with_context(|| format!("cargo named no executable for test '{test}'"))?;
    Ok(PathBuf::from(string(&message, "executable")))
}

/// Parses JSON that a tool printed.
pub(crate) fn parse(text: &str) -> Result<Value> {
    serde_json::from_str(text).context("output is not JSON")
}

/// The array under `key`, empty when there is none.
pub(crate) fn list<'a>(value: &'a Value, key: &str) -> &'a [Value] {
    value[key].as_array().map(Vec::as_slice).unwrap_or_default()
}

/// The string under `key`, empty when there is none.
pub(crate) fn string(value: &Value, key: &str) -> String {
    value[key].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_test_executable_is_found_among_cargo_messages() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"contract","kind":["lib"]},"executable":null}"#,
            "\n   Compiling something\n",
            r#"{"reason":"compiler-artifact","target":{"name":"contract","kind":["test"]},"executable":"/t/c-1"}"#,
        );
        assert_eq!(executable_in(messages, "contract").unwrap(), PathBuf::from("/t/c-1"));
        assert!(executable_in(messages, "faults").is_err());
    }

    #[test]
    fn a_member_is_read_from_metadata() {
        let package = parse(
            r#"{"name":"a","manifest_path":"/elsewhere/Cargo.toml","features":{"testing":[]},
                "dependencies":[{"name":"b","path":"/b","kind":null},{"name":"c","path":"/c","kind":"dev"},
                                {"name":"libc","kind":null}],
                "targets":[{"name":"a","kind":["lib"]},{"name":"contract","kind":["test"]}]}"#,
        );
        let member = Member::read(&package.unwrap()).unwrap();
        assert_eq!(
            member.edges.iter().map(|edge| (edge.to.as_str(), edge.for_tests)).collect::<Vec<_>>(),
            [("b", false), ("c", true)]
        );
        assert_eq!(
            (member.tests, member.features),
            (vec!["contract".to_owned()], vec!["testing".to_owned()])
        );
    }
}

//! Rules about the workspace: who may depend on whom, and that every member takes the shared lints.

use anyhow::{Context, Result};

use super::Finding;
use crate::process;
use crate::workspace::{self, Member};

/// A crate, what it may depend on, and what its tests may use beyond that.
struct Allowed {
    name: &'static str,
    product: &'static [&'static str],
    tests: &'static [&'static str],
}

const BUF: &str = "rustfs-rio-buf";
const MONITOR: &str = "rustfs-rio-monitor";
const ENGINE: &str = "rustfs-rio-engine";
const WAL: &str = "rustfs-rio-wal";
const TUNE: &str = "rustfs-rio-tune";
const STREAM: &str = "rustfs-rio-stream";
const RIO: &str = "rustfs-rio";
const LOAD: &str = "rustfs-rio-load";
const CLAIMS: &str = "rustfs-rio-claims";
const CLI: &str = "rustfs-rio-cli";
const STRESS: &str = "rustfs-rio-stress";
const DASH: &str = "rustfs-rio-dash";

/// The edges of the house plan in ARCHITECTURE.md. They point one way; a new one is a decision, not a convenience.
const EDGES: [Allowed; 13] = [
    Allowed { name: BUF, product: &[], tests: &[] },
    Allowed { name: MONITOR, product: &[], tests: &[] },
    // A crate may use itself in tests, to turn on its `testing` feature.
    Allowed { name: ENGINE, product: &[BUF, MONITOR], tests: &[ENGINE] },
    Allowed { name: WAL, product: &[BUF, ENGINE, MONITOR], tests: &[WAL] },
    Allowed { name: STREAM, product: &[MONITOR], tests: &[] },
    Allowed { name: TUNE, product: &[], tests: &[] },
    Allowed { name: RIO, product: &[BUF, ENGINE, MONITOR, WAL, TUNE, STREAM], tests: &[RIO, LOAD] },
    Allowed { name: LOAD, product: &[RIO, ENGINE, BUF], tests: &[] },
    Allowed { name: DASH, product: &[RIO, MONITOR, TUNE], tests: &[LOAD] },
    Allowed { name: CLAIMS, product: &[RIO, LOAD, BUF, MONITOR, TUNE, STREAM], tests: &[] },
    Allowed { name: STRESS, product: &[RIO, ENGINE, LOAD, MONITOR], tests: &[] },
    Allowed { name: CLI, product: &[RIO, LOAD, CLAIMS, STRESS, MONITOR, TUNE, STREAM, DASH], tests: &[] },
    Allowed { name: "xtask", product: &[], tests: &[] },
];

/// Checks every member.
pub(super) fn check() -> Result<Vec<Finding>> {
    let mut findings = Vec::new();
    for member in workspace::members()? {
        findings.extend(edges(&member));
        let path = process::text(&member.manifest)?;
        let manifest = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
        if !takes_shared_lints(&manifest) {
            let text = "the member does not take the shared lints; add `[lints]` with `workspace = true`";
            findings.push(Finding::new(path, 1, "lints", text));
        }
    }
    Ok(findings)
}

fn edges(member: &Member) -> Vec<Finding> {
    let path = member.manifest.display().to_string();
    let Some(allowed) = EDGES.iter().find(|allowed| allowed.name == member.name) else {
        let text =
            format!("crate {} is not in the house plan; add it to xtask and ARCHITECTURE.md", member.name);
        return vec![Finding::new(&path, 1, "edge", text)];
    };
    let permits = |to: &str, for_tests: bool| {
        allowed.product.contains(&to) || (for_tests && allowed.tests.contains(&to))
    };
    let refused = member.edges.iter().filter(|edge| !permits(&edge.to, edge.for_tests));
    let describe = |to: &str| {
        format!(
            "{} may not depend on {to}; turn the edge round, or move what is needed to a lower crate",
            member.name
        )
    };
    refused.map(|edge| Finding::new(&path, 1, "edge", describe(&edge.to))).collect()
}

fn takes_shared_lints(manifest: &str) -> bool {
    let mut lines = manifest.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
    lines.any(|line| line == "[lints]")
        && lines
            .take_while(|line| !line.starts_with('['))
            .any(|line| line.replace(' ', "") == "workspace=true")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workspace::Edge;

    fn member(name: &str, to: &str, for_tests: bool) -> Member {
        Member {
            name: name.to_owned(),
            manifest: "crates/x/Cargo.toml".into(),
            features: Vec::new(),
            edges: vec![Edge { to: to.to_owned(), for_tests }],
            tests: Vec::new(),
        }
    }

    #[test]
    fn edges_point_one_way() {
        assert_eq!(edges(&member(ENGINE, BUF, false)), []);
        assert_eq!(edges(&member(BUF, ENGINE, false)).len(), 1);
        assert_eq!(edges(&member(CLI, ENGINE, false)).len(), 1);
        assert_eq!(edges(&member("rustfs-rio-common", BUF, false)).len(), 1);
    }

    #[test]
    fn tests_may_use_more() {
        assert_eq!(edges(&member(RIO, LOAD, true)), []);
        assert_eq!(edges(&member(RIO, LOAD, false)).len(), 1);
    }

    #[test]
    fn shared_lints_are_recognised() {
        assert!(takes_shared_lints("[package]\n\n[lints]\nworkspace = true\n"));
        assert!(!takes_shared_lints("[package]\nworkspace = true\n"));
        assert!(!takes_shared_lints("[lints]\n[dependencies]\nworkspace = true\n"));
    }
}

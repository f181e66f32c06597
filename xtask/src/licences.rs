//! Licences of everything that is linked, against a list; offline, from what the packages say of themselves.

use anyhow::{Result, bail};

use crate::process::{self, cargo};
use crate::workspace::{list, parse, string};

/// Licences that ask for no more than a notice.
const ACCEPTED: [&str; 15] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "BSL-1.0",
    "CC0-1.0",
    // Per file: it binds who changes inferno, which draws flame graphs and is used as it is.
    "CDDL-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MIT-0",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Checks every package in the dependency graph of this host; returns how many there are.
pub(crate) fn check() -> Result<usize> {
    let host = process::output(&mut process::command("rustc", &["--print", "host-tuple"]))?;
    let arguments =
        ["metadata", "--format-version", "1", "--locked", "--all-features", "--filter-platform", host.trim()];
    let metadata = parse(&process::output(&mut cargo(&arguments))?)?;
    let packages = list(&metadata, "packages");
    let refused: Vec<String> = packages
        .iter()
        .filter(|package| !accepted(&string(package, "license")))
        .map(|package| {
            let licence = string(package, "license");
            format!("{} {}: '{licence}'", string(package, "name"), string(package, "version"))
        })
        .collect();
    if !refused.is_empty() {
        bail!(
            "licences not on the accepted list: {}; drop the dependency, or add the licence with its reason",
            refused.join("; ")
        );
    }
    Ok(packages.len())
}

/// True when an SPDX expression can be satisfied with accepted licences only.
fn accepted(expression: &str) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ");
    // Older packages write a slash for OR.
    let spaced = spaced.replace('/', " OR ");
    let mut words = spaced.split_whitespace().peekable();
    let mut satisfied = either(&mut words);
    if words.next().is_some() {
        satisfied = false;
    }
    satisfied
}

type Words<'a> = std::iter::Peekable<std::str::SplitWhitespace<'a>>;

fn either(words: &mut Words<'_>) -> bool {
    let mut satisfied = both(words);
    while words.next_if_eq(&"OR").is_some() {
        satisfied |= both(words);
    }
    satisfied
}

fn both(words: &mut Words<'_>) -> bool {
    let mut satisfied = single(words);
    while words.next_if_eq(&"AND").is_some() {
        satisfied &= single(words);
    }
    satisfied
}

fn single(words: &mut Words<'_>) -> bool {
    let Some(first) = words.next() else { return false };
    if first == "(" {
        let satisfied = either(words);
        return words.next() == Some(")") && satisfied;
    }
    match words.next_if_eq(&"WITH") {
        Some(_) => {
            words.next().is_some_and(|exception| ACCEPTED.contains(&&*format!("{first} WITH {exception}")))
        }
        None => ACCEPTED.contains(&first),
    }
}

#[cfg(test)]
mod tests {
    use super::accepted;

    #[test]
    fn expressions_are_evaluated_not_searched() {
        for good in [
            "MIT",
            "MIT OR GPL-3.0",
            "GPL-3.0/MIT",
            "MIT AND ISC",
            "(MIT OR GPL-3.0) AND Unicode-3.0",
            "Apache-2.0 WITH LLVM-exception OR GPL-2.0",
        ] {
            assert!(accepted(good), "{good}");
        }
        for bad in ["", "GPL-3.0", "MIT AND GPL-3.0", "(MIT", "MIT ISC", "MIT WITH made-up-exception"] {
            assert!(!accepted(bad), "{bad}");
        }
    }
}

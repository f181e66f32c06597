//! `cargo xtask tidy`: the house rules, as code. Review is left for design.
//!
//! Each finding is `file:line: rule: what is wrong; what to do`. A line that must break a rule says so on itself or on
//! the line above, with a reason: `tidy:allow(rule): reason`.
//!
//! [`source`] reads Rust far enough to tell code from comments and strings; [`rust`] has the rules about code, [`words`]
//! those about text, [`links`] those about documents and [`crates`] those about the workspace.

mod crates;
mod links;
mod rust;
mod source;
mod words;

use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::process::{self, command};
use source::Source;

/// A broken rule.
#[derive(Debug, PartialEq, Eq)]
struct Finding {
    path: String,
    /// Counted from 1; 0 means the file as a whole.
    line: usize,
    rule: &'static str,
    text: String,
}

impl Finding {
    fn new(path: &str, line: usize, rule: &'static str, text: impl Into<String>) -> Self {
        Self { path: path.to_owned(), line, rule, text: text.into() }
    }
}

/// Checks the whole workspace and prints what it finds.
pub(crate) fn run() -> Result<()> {
    let paths = project_files()?;
    let mut findings = crates::check()?;
    let mut documents = Vec::new();
    for path in &paths {
        // A file that is not UTF-8 is data, about which there are no rules.
        let Ok(text) = std::fs::read_to_string(path) else { continue };
        let mut found = words::check(path, &text);
        if path.ends_with(".rs") {
            found.extend(rust::check(&Source::new(path, &text)));
        }
        findings.extend(found.into_iter().filter(|finding| !is_allowed(&text, finding)));
        if path.ends_with(".md") {
            documents.push((path.clone(), text));
        }
    }
    findings.extend(links::check(&documents, &|target| Path::new(target).exists()));
    findings.sort_by(|a, b| (&a.path, a.line).cmp(&(&b.path, b.line)));
    findings.dedup();
    for finding in &findings {
        println!("{}:{}: {}: {}", finding.path, finding.line, finding.rule, finding.text);
    }
    if !findings.is_empty() {
        bail!(
            "{} house rule(s) broken; a line that must break one says `tidy:allow(rule): reason`",
            findings.len()
        );
    }
    println!("tidy: {} files follow the house rules", paths.len());
    Ok(())
}

/// Files that are tracked, or would be after `git add`; a file that was deleted but not yet committed is left out.
fn project_files() -> Result<Vec<String>> {
    let arguments = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
    let listing =
        process::output(&mut command("git", &arguments)).context("tidy asks git which files there are")?;
    let mut paths: Vec<String> =
        listing.split('\0').filter(|path| Path::new(path).is_file()).map(str::to_owned).collect();
    paths.sort();
    paths.dedup();
    Ok(paths)
}

fn is_allowed(text: &str, finding: &Finding) -> bool {
    let Some(index) = finding.line.checked_sub(1) else { return false };
    let mark = format!("tidy:allow({}):", finding.rule);
    let gives_reason = |line: &str| line.split_once(&mark).is_some_and(|(_, reason)| reason.trim().len() > 3);
    text.lines().skip(index.saturating_sub(1)).take(if index == 0 { 1 } else { 2 }).any(gives_reason)
}

/// Positions at which `word` stands as a whole word in `line`.
fn whole_words<'a>(line: &'a str, word: &'a str) -> impl Iterator<Item = usize> + 'a {
    let joins = |character: Option<char>| character.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let opens = joins(word.chars().next());
    let closes = joins(word.chars().next_back());
    line.match_indices(word).map(|(start, _)| start).filter(move |&start| {
        let before = line[..start].chars().next_back();
        let after = line[start + word.len()..].chars().next();
        !(opens && joins(before) || closes && joins(after))
    })
}

/// True when `word` stands as a whole word in `line`.
fn has_word(line: &str, word: &str) -> bool {
    whole_words(line, word).next().is_some()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_whole_word_is_not_part_of_another() {
        assert!(has_word("a dbg!(x)", "dbg!"));
        assert!(!has_word("forbid(unsafe_code)", "unsafe"));
        assert!(has_word("unsafe { }", "unsafe"));
        assert!(has_word("an unsafe", "unsafe"));
    }

    #[test]
    fn an_exception_needs_its_rule_and_a_reason() {
        let finding = Finding::new("a.rs", 2, "print", "");
        assert!(is_allowed("// tidy:allow(print): the protocol\nprintln!();", &finding));
        assert!(is_allowed("\nprintln!(); // tidy:allow(print): the protocol", &finding));
        assert!(!is_allowed("// tidy:allow(print):\nprintln!();", &finding));
        assert!(!is_allowed("// tidy:allow(sleep): the protocol\nprintln!();", &finding));
        assert!(!is_allowed("\nprintln!();\n// tidy:allow(print): too late", &finding));
    }
}

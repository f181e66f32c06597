//! Rules about Rust code.

use super::source::Source;
use super::{Finding, has_word, whole_words};

/// Beyond this a file holds more than one idea.
const LINES_MAX: usize = 800;
/// The two crates that may hold unsafe code, each block with its written argument (a lint asks for it).
const UNSAFE_CRATES: [&str; 2] = ["crates/buf/", "crates/engine/"];
/// Crates whose concurrent parts are model-checked, so that their primitives come from one module.
const MODELLED: [&str; 2] = ["crates/buf/src/", "crates/engine/src/"];
/// Programs: their purpose includes printing.
const PROGRAMS: [&str; 6] =
    ["crates/cli/", "xtask/", "bench/compare/", "examples/", "fuzz/", "bench/stream/"];
/// Not part of the workspace: they link crates we do not control.
const SEPARATE: [&str; 4] = ["bench/compare/", "bench/pool/", "bench/stream/", "fuzz/"];
/// What `std::sync` offers that a model checker does not need to see.
const UNMODELLED: [&str; 7] = ["Arc", "Weak", "OnceLock", "LazyLock", "PoisonError", "LockResult", "self"];

/// Applies every rule to one file.
pub(super) fn check(source: &Source) -> Vec<Finding> {
    let mut findings = Vec::new();
    for rule in [length, prints, unsafe_code, forbids_unsafe, primitives, sleeps, ignored_tests] {
        rule(source, &mut findings);
    }
    findings
}

fn under(path: &str, folders: &[&str]) -> bool {
    folders.iter().any(|folder| path.starts_with(folder))
}

fn length(source: &Source, findings: &mut Vec<Finding>) {
    let lines = source.raw.len();
    if lines > LINES_MAX {
        let text = format!(
            "{lines} lines, the cap is {LINES_MAX}; split it where a reader would look for the parts"
        );
        findings.push(Finding::new(&source.path, LINES_MAX + 1, "length", text));
    }
}

fn prints(source: &Source, findings: &mut Vec<Finding>) {
    if under(&source.path, &PROGRAMS) || !source.path.contains("src/") {
        return;
    }
    for (index, line) in source.product_code() {
        for call in ["println!", "eprintln!", "print!", "eprint!", "dbg!"] {
            if has_word(line, call) {
                let text = format!("`{call}` in a library; return the value, or record it through `tracing`");
                findings.push(Finding::new(&source.path, index + 1, "print", text));
            }
        }
    }
}

fn unsafe_code(source: &Source, findings: &mut Vec<Finding>) {
    if under(&source.path, &UNSAFE_CRATES) || under(&source.path, &SEPARATE) {
        return;
    }
    for (index, line) in source.code.iter().enumerate() {
        if has_word(line, "unsafe") {
            let text =
                "unsafe code belongs to crates/buf and crates/engine; use what they offer, or move it there";
            findings.push(Finding::new(&source.path, index + 1, "unsafe", text));
        }
    }
}

fn forbids_unsafe(source: &Source, findings: &mut Vec<Finding>) {
    let is_root = ["src/lib.rs", "src/main.rs"].iter().any(|root| source.path.ends_with(root));
    if !is_root || under(&source.path, &UNSAFE_CRATES) || under(&source.path, &SEPARATE) {
        return;
    }
    if !source.code.iter().any(|line| line.contains("#![forbid(unsafe_code)]")) {
        let text = "a crate without unsafe code says so; add `#![forbid(unsafe_code)]`";
        findings.push(Finding::new(&source.path, 1, "unsafe", text));
    }
}

/// Locks, condition variables and atomics come from `crate::sync`, which swaps them for loom's in a model.
fn primitives(source: &Source, findings: &mut Vec<Finding>) {
    if !under(&source.path, &MODELLED) || source.path.ends_with("/src/sync.rs") {
        return;
    }
    let mut report = |index: usize, what: &str| {
        let text = format!("`{what}` directly; import it from `crate::sync`, so that loom models see it");
        findings.push(Finding::new(&source.path, index + 1, "sync", text));
    };
    for (index, line) in source.product_code() {
        for module in ["std::sync::", "core::sync::"] {
            for start in whole_words(line, module) {
                let imported = path_names(source, index, start + module.len());
                for name in imported.iter().filter(|name| !UNMODELLED.contains(&name.as_str())) {
                    report(index, &format!("{module}{name}"));
                }
            }
        }
        if has_word(line, "parking_lot") {
            report(index, "parking_lot");
        }
        if line.trim_start().starts_with("use std::{") && has_word(line, "sync") {
            report(index, "std::{.. sync ..}");
        }
    }
}

/// The names that a path continues with: one, or those of the braces it opens, over as many lines as they take.
fn path_names(source: &Source, index: usize, column: usize) -> Vec<String> {
    let mut rest = source.code[index][column..].to_owned();
    if !rest.starts_with('{') {
        return vec![rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect()];
    }
    for line in &source.code[index + 1..] {
        if rest.contains(';') {
            break;
        }
        rest.push_str(line);
    }
    let list = rest.split(';').next().unwrap_or_default();
    // Of `{Arc, atomic::{AtomicU64, Ordering}}` only the first level decides.
    let mut depth = 0;
    let mut names = vec![String::new()];
    for character in list.chars() {
        match character {
            '{' => depth += 1,
            '}' => depth -= 1,
            ',' if depth == 1 => names.push(String::new()),
            c if depth == 1 && !c.is_whitespace() => {
                names.last_mut().into_iter().for_each(|name| name.push(c))
            }
            _ => {}
        }
    }
    names
        .iter()
        .filter_map(|name| name.split("::").next())
        .filter(|n| !n.is_empty())
        .map(str::to_owned)
        .collect()
}

fn sleeps(source: &Source, findings: &mut Vec<Finding>) {
    for (index, line) in source.code.iter().enumerate() {
        let sleeps =
            ["sleep(", "sleep_until("].iter().any(|call| has_word(line, call)) && !line.contains("fn sleep");
        if sleeps && source.is_test(index) && !explains(source, index) {
            let text = "a sleep in a test; wait for the event itself, or say `// why: ...` above it";
            findings.push(Finding::new(&source.path, index + 1, "sleep", text));
        }
    }
}

/// True when the line, or the comment right above it, gives a `why:`.
fn explains(source: &Source, index: usize) -> bool {
    let above = source.raw[..index].iter().rev().take_while(|line| line.trim_start().starts_with("//"));
    std::iter::once(&source.raw[index]).chain(above).any(|line| line.contains("why:"))
}

fn ignored_tests(source: &Source, findings: &mut Vec<Finding>) {
    for (index, line) in source.code.iter().enumerate() {
        if line.trim_start().starts_with("#[ignore]") {
            let text = "a test that never runs; give the reason as `#[ignore = \"...\"]`, or remove the test";
            findings.push(Finding::new(&source.path, index + 1, "ignore", text));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules_broken(path: &str, text: &str) -> Vec<(usize, &'static str)> {
        check(&Source::new(path, text)).into_iter().map(|finding| (finding.line, finding.rule)).collect()
    }

    const LIBRARY: &str = "crates/rio/src/disk.rs";
    const ENGINE: &str = "crates/engine/src/ring.rs";

    #[test]
    fn files_have_a_cap() {
        assert_eq!(rules_broken(LIBRARY, &"\n".repeat(801)), [(801, "length")]);
        assert_eq!(rules_broken(LIBRARY, &"\n".repeat(800)), []);
    }

    #[test]
    fn libraries_do_not_print_but_programs_tests_and_comments_may() {
        let text = "fn f() {\n    println!(\"x\");\n}\n";
        assert_eq!(rules_broken(LIBRARY, text), [(2, "print")]);
        assert_eq!(rules_broken("crates/cli/src/table.rs", text), []);
        assert_eq!(rules_broken("crates/rio/tests/disk.rs", text), []);
        assert_eq!(
            rules_broken(LIBRARY, "/// `println!(x)`\nfn f() {}\n#[cfg(test)]\nmod tests {\ndbg!(1);\n}"),
            []
        );
    }

    #[test]
    fn unsafe_code_lives_in_two_crates() {
        let text = "fn f() {\n    unsafe { g() }\n}\n";
        assert_eq!(rules_broken(LIBRARY, text), [(2, "unsafe")]);
        assert_eq!(rules_broken(ENGINE, text), []);
        assert_eq!(rules_broken("bench/compare/src/main.rs", text), []);
        assert_eq!(rules_broken(LIBRARY, "// unsafe\nfn unsafe_free() {}\n"), []);
    }

    #[test]
    fn crate_roots_forbid_unsafe_code() {
        assert_eq!(rules_broken("crates/rio/src/lib.rs", "//! Doc.\n"), [(1, "unsafe")]);
        assert_eq!(rules_broken("crates/rio/src/lib.rs", "//! Doc.\n#![forbid(unsafe_code)]\n"), []);
        assert_eq!(rules_broken("crates/engine/src/lib.rs", "//! Doc.\n"), []);
    }

    #[test]
    fn modelled_crates_take_primitives_from_one_module() {
        for bad in [
            "use std::sync::Mutex;",
            "use std::sync::{Arc, Mutex};",
            "use std::sync::atomic::AtomicU64;",
            "use std::sync::{\n    Arc,\n    atomic::{AtomicU64, Ordering},\n};",
            "use parking_lot::Mutex;",
            "use std::{io, sync::Arc};",
            "let x = std::sync::RwLock::new(1);",
        ] {
            assert_eq!(rules_broken(ENGINE, bad), [(1, "sync")], "{bad}");
        }
        for good in ["use std::sync::{Arc, Weak};", "use std::sync::OnceLock;", "use crate::sync::Mutex;"] {
            assert_eq!(rules_broken(ENGINE, good), [], "{good}");
        }
        assert_eq!(rules_broken("crates/engine/src/sync.rs", "use std::sync::Mutex;"), []);
        assert_eq!(rules_broken("crates/engine/tests/contract.rs", "use std::sync::Mutex;"), []);
        assert_eq!(rules_broken(LIBRARY, "use std::sync::Mutex;"), []);
    }

    #[test]
    fn a_sleep_in_a_test_says_why() {
        let test = "crates/engine/tests/hang.rs";
        assert_eq!(rules_broken(test, "fn f() {\n    thread::sleep(x);\n}"), [(2, "sleep")]);
        assert_eq!(rules_broken(test, "fn f() {\n    tokio::time::sleep(x).await;\n}"), [(2, "sleep")]);
        assert_eq!(
            rules_broken(test, "// why: the idle clock is the subject,\n// not a wait\nsleep(x);"),
            []
        );
        assert_eq!(rules_broken(test, "sleep(x); // why: measured"), []);
        assert_eq!(rules_broken(LIBRARY, "thread::sleep(x);"), []);
    }

    #[test]
    fn an_ignored_test_gives_its_reason() {
        assert_eq!(rules_broken(LIBRARY, "#[ignore]\nfn f() {}"), [(1, "ignore")]);
        assert_eq!(rules_broken(LIBRARY, "#[ignore = \"an hour\"]\nfn f() {}"), []);
    }
}

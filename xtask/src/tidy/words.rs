//! Rules about text: banned words, emoji, paths of somebody's machine.

use super::{Finding, has_word};

/// `word | what to do`, one a line; a file of its own so that the list does not break its own rule.
const BANNED: &str = include_str!("../../banned.txt");
const BANNED_PATH: &str = "xtask/banned.txt";
/// Names the defects of another code base.
const COMPATIBILITY_PATH: &str = "docs/COMPATIBILITY.md";

/// Applies every rule to one text file.
pub(super) fn check(path: &str, text: &str) -> Vec<Finding> {
    if path == BANNED_PATH {
        return Vec::new();
    }
    let prose = path.ends_with(".rs") || path.ends_with(".md");
    let mut findings = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if prose && path != COMPATIBILITY_PATH {
            findings.extend(banned_words(line).map(|text| Finding::new(path, index + 1, "word", text)));
        }
        if let Some(emoji) = line.chars().find(|&character| is_emoji(character)) {
            let text = format!("emoji U+{:04X}; write a word", u32::from(emoji));
            findings.push(Finding::new(path, index + 1, "emoji", text));
        }
        if let Some(place) = machine_path(line) {
            let text =
                format!("`{place}` is a path of one machine; use a relative path or a temporary directory");
            findings.push(Finding::new(path, index + 1, "path", text));
        }
    }
    findings
}

fn banned_words(line: &str) -> impl Iterator<Item = String> {
    let lower = line.to_lowercase();
    BANNED.lines().filter_map(|entry| entry.split_once('|')).filter_map(move |(word, advice)| {
        let word = word.trim();
        let capitals = !word.chars().any(char::is_lowercase);
        let found = if capitals { has_word(line, word) } else { has_word(&lower, word) };
        (found && !word.starts_with('#')).then(|| format!("\"{word}\"; {}", advice.trim()))
    })
}

fn is_emoji(character: char) -> bool {
    matches!(u32::from(character),
        0x2600..=0x27BF | 0x2B50 | 0x2B55 | 0xFE0F | 0x1F000..=0x1FAFF)
}

/// A path below a home or work directory, as opposed to one that every system has.
fn machine_path(line: &str) -> Option<&'static str> {
    // Written in two halves, so that this list does not break its own rule.
    const PLACES: [&str; 4] =
        [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/"), concat!("/Us", "ers/")];
    let starts_path = |start: usize| {
        let before = line[..start].chars().next_back();
        // `a/work/b` and `./work/b` are relative.
        !before.is_some_and(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | '.' | '}' | '*'))
    };
    PLACES.into_iter().find(|place| line.match_indices(place).any(|(start, _)| starts_path(start)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rules_broken(path: &str, text: &str) -> Vec<(usize, &'static str)> {
        check(path, text).into_iter().map(|finding| (finding.line, finding.rule)).collect()
    }

    #[test]
    fn every_entry_of_the_list_is_found_and_gives_advice() {
        let entries: Vec<_> = BANNED.lines().filter(|line| !line.starts_with('#')).collect();
        assert!(entries.len() > 20);
        for entry in entries {
            let (word, advice) = entry.split_once('|').unwrap_or_else(|| panic!("no advice in {entry}"));
            assert!(!advice.trim().is_empty(), "{entry}");
            let line = format!("before {} after", word.trim());
            assert_eq!(rules_broken("README.md", &line).first(), Some(&(1, "word")), "{entry}");
        }
    }

    #[test]
    fn words_match_whole_and_in_the_right_case() {
        let upper = ["TO", "DO"].concat();
        assert_eq!(rules_broken("a.rs", &format!("// {upper}: x")), [(1, "word")]);
        assert_eq!(rules_broken("a.rs", "// todo list, mktemp XXXXXX, forever nowhere"), []);
        let phrase = ["For", " now"].concat();
        assert_eq!(rules_broken("a.md", &phrase), [(1, "word")]);
        assert_eq!(rules_broken("docs/COMPATIBILITY.md", &phrase), []);
        assert_eq!(rules_broken("Cargo.toml", &phrase), []);
    }

    #[test]
    fn emoji_are_found_everywhere_and_arrows_are_not_emoji() {
        assert_eq!(rules_broken("x.toml", "a \u{1F680}"), [(1, "emoji")]);
        assert_eq!(rules_broken("x.md", "\u{2705}"), [(1, "emoji")]);
        assert_eq!(rules_broken("x.md", "a \u{2192} b \u{00B5}s \u{2588} \u{2800}"), []);
    }

    #[test]
    fn machine_paths_are_found_and_relative_paths_are_not() {
        for place in ["wo|rk", "ro|ot", "ho|me"] {
            let place = place.replace('|', "");
            assert_eq!(rules_broken("a.sh", &format!("cd /{place}/me/x")), [(1, "path")]);
            assert_eq!(rules_broken("a.sh", &format!("cd ./{place}/me/x; ls x/{place}/y /tmp/x")), []);
        }
    }
}

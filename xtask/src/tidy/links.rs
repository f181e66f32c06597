//! Links in Markdown: relative targets exist, and so do the headings they point at.

use std::collections::{HashMap, HashSet};

use super::Finding;

const RULE: &str = "link";

/// Checks the links of all documents, given as path and text; `exists` answers for paths from the root.
pub(super) fn check(documents: &[(String, String)], exists: &dyn Fn(&str) -> bool) -> Vec<Finding> {
    let anchors: HashMap<&str, HashSet<String>> =
        documents.iter().map(|(path, text)| (path.as_str(), anchors(text))).collect();
    let mut findings = Vec::new();
    for (path, text) in documents {
        for (line, target) in links(text) {
            if let Some(problem) = problem(path, &target, &anchors, exists) {
                findings.push(Finding::new(path, line, RULE, format!("`{target}` {problem}")));
            }
        }
    }
    findings
}

fn problem(
    from: &str,
    target: &str,
    anchors: &HashMap<&str, HashSet<String>>,
    exists: &dyn Fn(&str) -> bool,
) -> Option<String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return None;
    }
    let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
    let path = match file {
        "" => from.to_owned(),
        _ => match resolve(from, file) {
            Some(path) => path,
            None => return Some("leaves the repository; link to something inside it".to_owned()),
        },
    };
    if !path.is_empty() && !exists(&path) && !anchors.contains_key(path.as_str()) {
        return Some(format!("is dead: there is no {path}"));
    }
    // Only documents have headings; a line anchor into source is the web view's business.
    let headings = anchors.get(path.as_str())?;
    (!anchor.is_empty() && !headings.contains(anchor))
        .then(|| format!("is dead: {path} has no heading with the anchor #{anchor}"))
}

/// A link target as a path from the root; `None` when it leads out of the repository.
fn resolve(from: &str, target: &str) -> Option<String> {
    if target.starts_with('/') {
        return None;
    }
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in target.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            name => parts.push(name),
        }
    }
    Some(parts.join("/"))
}

/// Every line that is not inside a fenced block, with inline code blanked.
fn prose(text: &str) -> impl Iterator<Item = (usize, String)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(index, line)| {
        if line.trim_start().starts_with("```") {
            fenced = !fenced;
            return None;
        }
        (!fenced).then(|| (index + 1, blank_code(line)))
    })
}

fn blank_code(line: &str) -> String {
    let pieces = line.split('`').enumerate();
    pieces
        .map(|(index, piece)| if index % 2 == 0 { piece.to_owned() } else { "_".repeat(piece.len()) })
        .collect()
}

/// Targets of `[text](target)` and of `[label]: target`, with their line.
fn links(text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    for (number, line) in prose(text) {
        for (start, _) in line.match_indices("](") {
            let rest = &line[start + 2..];
            let Some(end) = rest.find(')') else { continue };
            found.extend(first_word(&rest[..end]).map(|target| (number, target)));
        }
        if line.starts_with('[')
            && let Some((_, target)) = line.split_once("]: ")
        {
            found.extend(first_word(target).map(|target| (number, target)));
        }
    }
    found
}

/// A target may be followed by a title.
fn first_word(text: &str) -> Option<String> {
    text.split_whitespace().next().map(|word| word.trim_matches(['<', '>']).to_owned())
}

/// The anchors that a document's headings get, numbered where they repeat.
fn anchors(text: &str) -> HashSet<String> {
    let mut seen: HashMap<String, usize> = HashMap::new();
    let mut fenced = false;
    let mut all = HashSet::new();
    for line in text.lines() {
        fenced ^= line.trim_start().starts_with("```");
        let title = line.trim_start_matches('#');
        let level = line.len() - title.len();
        if fenced || !(1..=6).contains(&level) || !title.starts_with(' ') {
            continue;
        }
        let slug = slug(title.trim());
        let repeats = seen.entry(slug.clone()).or_default();
        all.insert(if *repeats == 0 { slug } else { format!("{slug}-{repeats}") });
        *repeats += 1;
    }
    all
}

fn slug(title: &str) -> String {
    let kept = title.to_lowercase();
    kept.chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'))
        .map(|c| if c == ' ' { '-' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dead(documents: &[(&str, &str)]) -> Vec<(String, usize)> {
        let documents: Vec<_> =
            documents.iter().map(|(path, text)| (path.to_string(), text.to_string())).collect();
        let exists = |path: &str| ["docs", "src/lib.rs", "docs/a.md", "README.md"].contains(&path);
        check(&documents, &exists).into_iter().map(|finding| (finding.path, finding.line)).collect()
    }

    #[test]
    fn relative_targets_must_exist() {
        let good =
            "[a](docs/a.md) [b](./docs/) [c](https://x.y/z) ![d](src/lib.rs \"title\")\n[e]: docs/a.md\n";
        assert_eq!(dead(&[("README.md", good)]), []);
        assert_eq!(dead(&[("README.md", "x\n[a](docs/b.md)")]), [("README.md".to_owned(), 2)]);
        assert_eq!(dead(&[("README.md", "[e]: docs/b.md")]), [("README.md".to_owned(), 1)]);
        assert_eq!(dead(&[("docs/a.md", "[up](../README.md)")]), []);
        assert_eq!(dead(&[("docs/a.md", "[out](../../shared/x.md)")]), [("docs/a.md".to_owned(), 1)]);
        assert_eq!(dead(&[("docs/a.md", "[absolute](/etc/passwd)")]), [("docs/a.md".to_owned(), 1)]);
    }

    #[test]
    fn anchors_must_exist() {
        let target = "# One `two`, three!\n## Same\n## Same\n```\n# not a heading\n```\n";
        let link = |anchor: &str| format!("[x](docs/a.md#{anchor})");
        for good in ["one-two-three", "same", "same-1"] {
            assert_eq!(dead(&[("docs/a.md", target), ("README.md", &link(good))]), [], "{good}");
        }
        for bad in ["same-2", "not-a-heading", "One"] {
            assert_eq!(dead(&[("docs/a.md", target), ("README.md", &link(bad))]).len(), 1, "{bad}");
        }
        assert_eq!(dead(&[("README.md", "# Here\n[x](#here) [y](#there)")]), [("README.md".to_owned(), 2)]);
        assert_eq!(dead(&[("README.md", "[source](src/lib.rs#L3)")]), []);
    }

    #[test]
    fn code_is_not_a_link() {
        assert_eq!(dead(&[("README.md", "`[a](b.md)`\n```\n[a](b.md)\n```\n")]), []);
    }
}

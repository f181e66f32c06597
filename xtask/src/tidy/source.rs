//! Rust text, read far enough to tell code from comments and strings.

/// One Rust file, as it stands and with everything but code blanked out.
pub(super) struct Source {
    /// Path from the workspace root.
    pub(super) path: String,
    /// The lines as they stand.
    pub(super) raw: Vec<String>,
    /// The same lines with comments and the contents of strings replaced by spaces.
    pub(super) code: Vec<String>,
    /// Index of the first line of the inline test module, or the number of lines.
    tests_from: usize,
}

impl Source {
    /// Reads one file.
    pub(super) fn new(path: &str, text: &str) -> Self {
        let code: Vec<String> = blank(text).lines().map(str::to_owned).collect();
        // House order puts tests last, so everything after the marker is test code.
        let opens_tests =
            |pair: &[String]| pair[0].trim() == "#[cfg(test)]" && pair[1].trim().starts_with("mod ");
        let tests_from = code.windows(2).position(opens_tests).unwrap_or(code.len());
        Self { path: path.to_owned(), raw: text.lines().map(str::to_owned).collect(), code, tests_from }
    }

    /// True for a line of test code: in an inline test module or in a file that holds only tests.
    pub(super) fn is_test(&self, index: usize) -> bool {
        let test_file = self.path.contains("/tests/") || self.path.ends_with("/tests.rs");
        test_file || index >= self.tests_from
    }

    /// The lines of code that are not tests, with their index.
    pub(super) fn product_code(&self) -> impl Iterator<Item = (usize, &str)> {
        self.code
            .iter()
            .enumerate()
            .filter(|(index, _)| !self.is_test(*index))
            .map(|(i, line)| (i, line.as_str()))
    }
}

/// Replaces comments and the contents of string and character literals by spaces; line breaks stay.
fn blank(text: &str) -> String {
    let characters: Vec<char> = text.chars().collect();
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    while at < characters.len() {
        let end = literal_end(&characters, at);
        match end {
            Some(end) => {
                // Delimiters stay where they are one character, so that an empty string still looks like one.
                out.extend(characters[at..end].iter().map(|&c| if c == '\n' { '\n' } else { ' ' }));
                at = end;
            }
            None => {
                out.push(characters[at]);
                at += 1;
            }
        }
    }
    out
}

/// Where the comment or literal that starts at `at` ends; `None` when none starts there.
fn literal_end(text: &[char], at: usize) -> Option<usize> {
    let next = text.get(at + 1).copied();
    match text[at] {
        '/' if next == Some('/') => Some(find(text, at, |c| c == '\n')),
        '/' if next == Some('*') => Some(block_comment_end(text, at)),
        '"' => Some(quoted_end(text, at + 1, '"')),
        '\'' => character_end(text, at),
        'r' | 'b' | 'c' if !follows_identifier(text, at) => prefixed_end(text, at),
        _ => None,
    }
}

fn follows_identifier(text: &[char], at: usize) -> bool {
    at > 0 && (text[at - 1].is_alphanumeric() || text[at - 1] == '_')
}

fn find(text: &[char], from: usize, matches: impl Fn(char) -> bool) -> usize {
    text[from..].iter().position(|&c| matches(c)).map_or(text.len(), |offset| from + offset)
}

fn block_comment_end(text: &[char], from: usize) -> usize {
    let (mut at, mut depth) = (from, 0);
    while at < text.len() {
        match (text[at], text.get(at + 1)) {
            ('/', Some('*')) => (depth, at) = (depth + 1, at + 2),
            ('*', Some('/')) => (depth, at) = (depth - 1, at + 2),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    text.len()
}

fn quoted_end(text: &[char], mut at: usize, quote: char) -> usize {
    while at < text.len() {
        match text[at] {
            '\\' => at += 2,
            c if c == quote => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

/// A quote opens a character literal when it closes again after one character or an escape; otherwise a lifetime.
fn character_end(text: &[char], at: usize) -> Option<usize> {
    let first = *text.get(at + 1)?;
    let closes_after_one = text.get(at + 2) == Some(&'\'');
    (first == '\\' || closes_after_one).then(|| quoted_end(text, at + 1, '\''))
}

/// Strings with a prefix: r"", r#""#, b"", b'', br#""#, c"", cr#""#.
fn prefixed_end(text: &[char], at: usize) -> Option<usize> {
    let mut cursor = at + 1;
    let raw = text[at] == 'r' || text.get(cursor) == Some(&'r');
    if text[at] != 'r' && raw {
        cursor += 1;
    }
    if !raw {
        return match text.get(cursor) {
            Some('"') => Some(quoted_end(text, cursor + 1, '"')),
            Some('\'') if text[at] == 'b' => Some(quoted_end(text, cursor + 1, '\'')),
            _ => None,
        };
    }
    let hashes = text[cursor..].iter().take_while(|&&c| c == '#').count();
    if text.get(cursor + hashes) != Some(&'"') {
        return None;
    }
    let closes = |at: usize| {
        text[at] == '"' && text[at + 1..].iter().take(hashes).filter(|c| **c == '#').count() == hashes
    };
    let close = (cursor + hashes + 1..text.len()).find(|&at| closes(at));
    Some(close.map_or(text.len(), |close| close + 1 + hashes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> String {
        blank(text).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn comments_and_strings_vanish_and_code_stays() {
        assert_eq!(code("a; // unsafe\nb"), "a; b");
        assert_eq!(code("a /* x /* y */ z */ b"), "a b");
        assert_eq!(code(r#"f("un\"safe", 'x', '\'', b'"') + g"#), "f( , , , ) + g");
        assert_eq!(code(r####"f(r#"a " b"#, br"\", c"z") + g"####), "f( , , ) + g");
    }

    #[test]
    fn lifetimes_and_identifiers_are_code() {
        assert_eq!(code("fn f<'a>(x: &'a str) {}"), "fn f<'a>(x: &'a str) {}");
        assert_eq!(code("for r in abr { c(b) }"), "for r in abr { c(b) }");
        assert_eq!(code("r#type + b"), "r#type + b");
    }

    #[test]
    fn line_numbers_do_not_move() {
        let text = "a\n/* x\n y */ b\n\"s\ns\" c\n";
        assert_eq!(blank(text).lines().count(), text.lines().count());
        assert!(blank(text).lines().nth(4).unwrap().contains('c'));
    }

    #[test]
    fn unterminated_text_ends_at_the_end() {
        for text in ["\"abc", "/* abc", "r#\"abc\"", "'\\", "b'", "\"a\\"] {
            assert_eq!(blank(text).chars().count(), text.chars().count(), "{text}");
        }
    }

    #[test]
    fn test_code_is_told_from_product_code() {
        let source = Source::new("crates/a/src/b.rs", "fn a() {}\n#[cfg(test)]\nmod tests {\n}\n");
        assert_eq!(source.product_code().map(|(index, _)| index).collect::<Vec<_>>(), [0]);
        assert!(Source::new("crates/a/tests/b.rs", "x").is_test(0));
        // A helper that only tests use is not the end of the product code.
        assert!(!Source::new("a/src/b.rs", "#[cfg(test)]\nuse x;\nfn f() {}\n").is_test(2));
    }
}

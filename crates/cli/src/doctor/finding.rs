//! One thing found out, with its rating and what to do about it.

use std::io;
use std::path::Path;

use serde_json::Value;

/// How good it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rating {
    /// As it should be.
    Ok,
    /// Rio works, and would work better with a change.
    Note,
    /// Something is wrong.
    Problem,
}

impl Rating {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Note => "note",
            Self::Problem => "problem",
        }
    }
}

/// What was found out about one thing.
#[derive(Debug, Clone)]
pub(super) struct Finding {
    pub(super) name: &'static str,
    /// For people.
    pub(super) value: String,
    /// For programs, where it is more than the text.
    pub(super) data: Option<Value>,
    pub(super) rating: Rating,
    pub(super) remedy: Option<String>,
    /// Whether Rio cannot work with it.
    pub(super) stops: bool,
}

impl Finding {
    pub(super) fn ok(name: &'static str, value: impl Into<String>) -> Self {
        Self { name, value: value.into(), data: None, rating: Rating::Ok, remedy: None, stops: false }
    }

    pub(super) fn note(name: &'static str, value: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { rating: Rating::Note, remedy: Some(remedy.into()), ..Self::ok(name, value) }
    }

    pub(super) fn problem(name: &'static str, value: impl Into<String>, remedy: impl Into<String>) -> Self {
        Self { rating: Rating::Problem, remedy: Some(remedy.into()), ..Self::ok(name, value) }
    }

    /// What nobody told; no fault of the machine.
    pub(super) fn unknown(name: &'static str, why: &str) -> Self {
        Self::ok(name, format!("unknown: {why}"))
    }

    pub(super) fn with(mut self, data: impl Into<Value>) -> Self {
        self.data = Some(data.into());
        self
    }

    pub(super) fn stopping(mut self) -> Self {
        self.stops = true;
        self
    }
}

/// Findings that belong together.
#[derive(Debug)]
pub(super) struct Section {
    pub(super) title: &'static str,
    pub(super) findings: Vec<Finding>,
}

impl Section {
    pub(super) fn new(title: &'static str, findings: Vec<Finding>) -> Self {
        Self { title, findings }
    }
}

/// The word in brackets, as in `always [madvise] never`: how the kernel marks the choice in force.
pub(super) fn chosen(text: &str) -> Option<&str> {
    let (_, rest) = text.split_once('[')?;
    rest.split_once(']').map(|(word, _)| word)
}

/// A small file of the kernel, without the line break at its end; `None` if there is none.
///
/// # Errors
///
/// Why an existing file cannot be read: then nothing is known, which differs from absence.
pub(super) fn ask(path: impl AsRef<Path>) -> Result<Option<String>, String> {
    let path = path.as_ref();
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text.trim().to_owned())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(format!("{}: {error}", path.display())),
    }
}

/// The same where absence and failure come to the same.
pub(super) fn read(path: impl AsRef<Path>) -> Option<String> {
    ask(path).ok().flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_choice_in_force_is_the_one_in_brackets() {
        assert_eq!(chosen("always [madvise] never"), Some("madvise"));
        assert_eq!(chosen("[none] mq-deadline"), Some("none"));
        assert_eq!(chosen("none"), None);
    }

    #[test]
    fn absence_is_told_from_failure() {
        let directory = tempfile::tempdir().unwrap();
        assert_eq!(ask(directory.path().join("missing")), Ok(None));
        assert!(ask(directory.path()).is_err());
    }

    #[test]
    fn problems_outrank_notes() {
        assert!(Rating::Problem > Rating::Note && Rating::Note > Rating::Ok);
        assert!(!Finding::problem("x", "y", "z").stops && Finding::problem("x", "y", "z").stopping().stops);
    }
}

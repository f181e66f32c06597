//! What came of a run.

use serde::Serialize;

use crate::growth::Growth;

/// One role of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RoleReport {
    /// Its name.
    pub role: &'static str,
    /// Operations that ended.
    pub operations: u64,
    /// Bytes read and compared.
    pub verified_bytes: u64,
    /// Futures dropped before their end.
    pub dropped: u64,
    /// Errors that were injected and came back as errors.
    pub injected_errors: u64,
    /// The first thing that was wrong, in words; the role has stopped there.
    pub problem: Option<String>,
}

/// A run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Seed of everything random.
    pub seed: u64,
    /// How long it ran, in seconds.
    pub seconds: f64,
    /// By role.
    pub roles: Vec<RoleReport>,
    /// What the process used, and whether it grew.
    pub growth: Growth,
    /// Operations handed to the engine, and what became of them: submitted, delivered, reclaimed.
    pub books: (u64, u64, u64),
    /// What the shutdown could not end or account for, in words.
    pub shutdown_problem: Option<String>,
}

impl Report {
    /// Everything that was wrong, in words.
    #[must_use]
    pub fn problems(&self) -> Vec<String> {
        let roles = self
            .roles
            .iter()
            .filter_map(|role| role.problem.as_ref().map(|problem| format!("{}: {problem}", role.role)));
        let mut problems: Vec<String> = roles.collect();
        problems.extend(self.growth.problems.iter().cloned());
        let (submitted, delivered, reclaimed) = self.books;
        if submitted != delivered + reclaimed {
            problems.push(format!(
                "the books do not balance: {submitted} operations submitted, {delivered} delivered, {reclaimed} reclaimed"
            ));
        }
        problems.extend(self.shutdown_problem.clone());
        problems
    }
}

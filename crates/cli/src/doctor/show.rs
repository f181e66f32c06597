//! What `rio doctor` prints.

use std::fmt::Write;

use rustfs_rio::ConfigValue;
use serde_json::{Value, json};

use super::Report;
use super::finding::{Finding, Rating};

/// The report for people.
pub(super) fn table(report: &Report) -> String {
    let mut text = String::new();
    let width = report.findings().map(|finding| finding.name.len()).max().unwrap_or(0);
    for section in &report.sections {
        line(&mut text, section.title);
        for finding in &section.findings {
            row(&mut text, finding, width);
        }
    }
    if !report.plan.is_empty() {
        line(&mut text, "Rio will use");
        let width = report.plan.iter().map(|entry| entry.name.len()).max().unwrap_or(0);
        for entry in &report.plan {
            line(&mut text, &format!("  {:width$}  {}", entry.name, entry.value));
        }
    }
    if let Some(values) = &report.config {
        settings(&mut text, values);
    }
    line(&mut text, &verdict(report));
    text
}

fn line(text: &mut String, content: &str) {
    text.push_str(content);
    text.push('\n');
}

fn row(text: &mut String, finding: &Finding, width: usize) {
    line(text, &format!("  {:7}  {:width$}  {}", finding.rating.name(), finding.name, finding.value));
    if let Some(remedy) = &finding.remedy {
        line(text, &format!("  {:7}  {:width$}  -> {remedy}", "", ""));
    }
}

fn settings(text: &mut String, values: &[ConfigValue]) {
    line(text, "settings in force");
    let longest = |column: fn(&ConfigValue) -> usize| values.iter().map(column).max().unwrap_or(0);
    let name = longest(|value| value.name.len());
    let width = longest(|value| value.value.len());
    for value in values {
        let origin = value.origin.to_string();
        let mut row =
            format!("  {:name$}  {:width$}  {origin}; allowed: {}", value.name, value.value, value.allowed);
        if !value.variables.is_empty() {
            // Writing to a string does not fail.
            _ = write!(row, "; set by {}", value.variables.join(" or "));
        }
        line(text, &row);
        for problem in &value.problems {
            line(text, &format!("  {:name$}  {:width$}  problem: {problem}", "", ""));
        }
    }
}

fn verdict(report: &Report) -> String {
    let count = |rating| report.findings().filter(|finding| finding.rating == rating).count();
    let counted = |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
    let counts =
        format!("{}, {}", counted(count(Rating::Problem), "problem"), counted(count(Rating::Note), "note"));
    if report.can_work() {
        format!("Rio can work here: {counts}.")
    } else {
        format!("Rio cannot work here: {counts}.")
    }
}

/// The report for programs.
pub(super) fn json(report: &Report) -> anyhow::Result<String> {
    let findings = report.sections.iter().flat_map(|section| {
        section.findings.iter().map(|finding| {
            json!({
                "section": section.title,
                "name": finding.name,
                "rating": finding.rating.name(),
                "value": finding.value,
                "data": finding.data,
                "remedy": finding.remedy,
                "stops": finding.stops,
            })
        })
    });
    let mut object = json!({
        "can_work": report.can_work(),
        "rating": report.rating().name(),
        "findings": findings.collect::<Vec<_>>(),
        "will_use": report.plan.iter().map(|entry| json!({ "name": entry.name, "value": entry.value })).collect::<Vec<_>>(),
    });
    if let Some(values) = &report.config {
        object["config"] = values.iter().map(config_value).collect();
    }
    Ok(format!("{}\n", serde_json::to_string_pretty(&object)?))
}

fn config_value(value: &ConfigValue) -> Value {
    json!({
        "name": value.name,
        "value": value.value,
        "origin": value.origin.to_string(),
        "variables": value.variables,
        "allowed": value.allowed,
        "problems": value.problems.iter().map(|problem| {
            json!({ "subject": problem.subject(), "problem": problem.to_string(), "allowed": problem.allowed() })
        }).collect::<Vec<_>>(),
    })
}

#[cfg(test)]
mod tests {
    use super::super::finding::Section;
    use super::*;

    fn report(findings: Vec<Finding>) -> Report {
        Report { sections: vec![Section::new("machine", findings)], plan: Vec::new(), config: None }
    }

    #[test]
    fn remedies_stand_below_what_they_cure() {
        let report = report(vec![Finding::ok("a", "fine"), Finding::note("longer", "slow", "hurry")]);
        assert_eq!(
            table(&report),
            "machine\n  ok       a       fine\n  note     longer  slow\n                   -> hurry\n\
             Rio can work here: 0 problems, 1 note.\n"
        );
    }

    #[test]
    fn what_stops_rio_shows_in_both_forms() {
        let report = report(vec![Finding::problem("path", "gone", "create it").stopping()]);
        assert!(table(&report).ends_with("Rio cannot work here: 1 problem, 0 notes.\n"));
        let object: Value = serde_json::from_str(&json(&report).unwrap()).unwrap();
        assert_eq!((&object["can_work"], &object["rating"]), (&json!(false), &json!("problem")));
        assert_eq!(object["findings"][0]["remedy"], "create it");
        assert!(object.get("config").is_none());
    }
}

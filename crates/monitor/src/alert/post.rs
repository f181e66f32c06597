//! Alerts as Alertmanager takes them: the body of `POST /api/v2/alerts`
//! (<https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml>, `postableAlerts`), and as lines of a log file.

use super::rfc3339::rfc3339;
use super::{Alert, AlertSeverity, Change};
use serde::Serialize;
use std::collections::BTreeMap;
use std::time::Duration;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Postable<'a> {
    labels: BTreeMap<&'a str, String>,
    annotations: BTreeMap<&'a str, String>,
    starts_at: String,
    ends_at: String,
}

/// One alert of a body.
#[derive(Debug, Clone, PartialEq)]
pub struct Posted {
    /// The alert.
    pub alert: Alert,
    /// The severity that it is told with. Labels are an alert's identity there: one that became worse is a new one, and the old one
    /// has to be told as ended.
    pub severity: AlertSeverity,
    /// When it ended, or when it shall count as ended unless it is told again, in time since 1970.
    pub ends: Duration,
}

/// The body. `labels` are added to each alert's own (`alertname`, `metric`, `category`, `severity`), which win.
#[must_use]
pub fn alertmanager_body(alerts: &[Posted], labels: &BTreeMap<String, String>) -> String {
    let body: Vec<Postable<'_>> = alerts.iter().map(|posted| postable(posted, labels)).collect();
    // Maps of strings always serialise.
    serde_json::to_string(&body).unwrap_or_default()
}

fn postable<'a>(posted: &Posted, own: &'a BTreeMap<String, String>) -> Postable<'a> {
    let alert = &posted.alert;
    let mut labels: BTreeMap<&str, String> =
        own.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
    labels.insert("alertname", format!("Rio{}", capitalised(alert.category.name())));
    labels.insert("metric", alert.metric.clone());
    labels.insert("category", alert.category.name().to_owned());
    labels.insert("severity", posted.severity.to_string());
    let annotations = BTreeMap::from([
        ("summary", format!("{} of {}", alert.category.name(), alert.metric)),
        ("description", alert.evidence.clone()),
        ("actions", alert.actions.join("\n")),
        ("value", alert.value.to_string()),
        ("threshold", alert.threshold.to_string()),
    ]);
    Postable { labels, annotations, starts_at: rfc3339(alert.opened), ends_at: rfc3339(posted.ends) }
}

fn capitalised(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_ascii_uppercase().to_string() + letters.as_str()).unwrap_or_default()
}

#[derive(Serialize)]
struct Line<'a> {
    at: String,
    #[serde(flatten)]
    change: &'a Change,
}

/// A change as one line of JSON with a line feed: `at` (RFC 3339), `event` (`opened`, `worsened`, `closed`), and `alert` with the
/// fields of [`Alert`].
#[must_use]
pub fn alert_line(change: &Change) -> String {
    let alert = change.alert();
    let at = match change {
        Change::Closed(_) => alert.closed.unwrap_or(alert.opened),
        _ => alert.updated,
    };
    let mut line = serde_json::to_string(&Line { at: rfc3339(at), change }).unwrap_or_default();
    line.push('\n');
    line
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::Category;

    fn alert() -> Alert {
        Alert {
            id: 7,
            category: Category::Exhaustion,
            severity: AlertSeverity::Critical,
            metric: "memory_share".to_owned(),
            value: 0.93,
            threshold: 1.0,
            evidence: "93 % used\nand \"growing\"".to_owned(),
            actions: vec!["first".to_owned(), "second".to_owned()],
            opened: Duration::from_secs(1_700_000_000),
            updated: Duration::from_secs(1_700_000_010),
            closed: None,
            reopened: 0,
            silenced: false,
        }
    }

    #[test]
    fn a_body_has_what_alertmanager_asks_for() {
        let posted = Posted {
            alert: alert(),
            severity: AlertSeverity::Critical,
            ends: Duration::from_secs(1_700_000_240),
        };
        let labels =
            BTreeMap::from([("node".to_owned(), "a".to_owned()), ("severity".to_owned(), "mine".to_owned())]);
        let body: serde_json::Value = serde_json::from_str(&alertmanager_body(&[posted], &labels)).unwrap();
        let one = &body[0];
        assert_eq!(one["labels"]["alertname"], "RioExhaustion");
        assert_eq!((&one["labels"]["node"], &one["labels"]["severity"]), (&"a".into(), &"critical".into()));
        assert_eq!(one["startsAt"], "2023-11-14T22:13:20.000Z");
        assert_eq!(one["endsAt"], "2023-11-14T22:17:20.000Z");
        assert_eq!(one["annotations"]["actions"], "first\nsecond");
        assert_eq!(alertmanager_body(&[], &labels), "[]");
    }

    #[test]
    fn a_line_is_one_line_and_reads_back() {
        let change = Change::Opened(alert());
        let line = alert_line(&change);
        assert_eq!(line.matches('\n').count(), 1);
        let value: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!((&value["event"], &value["at"]), (&"opened".into(), &"2023-11-14T22:13:30.000Z".into()));
        assert_eq!(value["alert"]["opened"], 1_700_000_000.0);
        assert_eq!(serde_json::from_str::<Change>(&line).unwrap(), change);
    }
}

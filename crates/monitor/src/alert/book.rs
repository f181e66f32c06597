//! Which alerts are open. Hysteresis, deduplication and silence, in the caller's time.

use super::{Alert, Category, Finding};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Intervals without the finding after which an alert closes.
const CLOSE_AFTER: u32 = 5;
/// Time after closing within which the same trouble opens the same alert again.
const REOPEN_WITHIN: Duration = Duration::from_secs(60);
/// Closed alerts that are kept.
const CLOSED_MAX: usize = 256;
/// Silences at a time. One per metric, and metrics are a closed set; this bounds other names.
const SILENCES_MAX: usize = 64;

/// Something to tell the sinks.
#[derive(Debug, Clone, PartialEq)]
pub enum Change {
    /// An alert opened, or opened again.
    Opened(Alert),
    /// An open alert became more severe.
    Worsened(Alert),
    /// An alert closed.
    Closed(Alert),
}

impl Change {
    /// The alert as it is now.
    #[must_use]
    pub fn alert(&self) -> &Alert {
        match self {
            Self::Opened(alert) | Self::Worsened(alert) | Self::Closed(alert) => alert,
        }
    }
}

struct Open {
    alert: Alert,
    /// Intervals since the finding was last there.
    absent: u32,
}

/// Open alerts, at most one per metric and category, and the latest closed ones.
#[derive(Default)]
pub struct AlertBook {
    open: BTreeMap<(&'static str, Category), Open>,
    closed: VecDeque<Alert>,
    silences: BTreeMap<String, Duration>,
    last_id: u64,
}

impl AlertBook {
    /// An empty book.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in what was found in the interval that ends `now`, and returns what changed. Changes of silenced alerts are not
    /// among it.
    pub fn update(&mut self, now: Duration, findings: Vec<Finding>) -> Vec<Change> {
        self.silences.retain(|_, until| *until > now);
        self.open.values_mut().for_each(|open| open.absent += 1);
        let mut changes = Vec::new();
        for finding in findings {
            changes.extend(self.note(now, finding));
        }
        let is_over = |open: &Open| open.absent >= CLOSE_AFTER;
        let over: Vec<_> = self.open.iter().filter(|(_, open)| is_over(open)).map(|(key, _)| *key).collect();
        for key in over {
            let Some(mut ended) = self.open.remove(&key) else { continue };
            ended.alert.closed = Some(now);
            changes.push(Change::Closed(ended.alert.clone()));
            if self.closed.len() >= CLOSED_MAX {
                self.closed.pop_front();
            }
            self.closed.push_back(ended.alert);
        }
        changes.retain(|change| !change.alert().silenced);
        changes
    }

    fn note(&mut self, now: Duration, finding: Finding) -> Option<Change> {
        let key = (finding.metric, finding.category);
        if let Some(open) = self.open.get_mut(&key) {
            open.absent = 0;
            let worse = finding.severity > open.alert.severity;
            renew(&mut open.alert, &finding);
            return worse.then(|| Change::Worsened(open.alert.clone()));
        }
        let alert = self.reopen(now, &finding).unwrap_or_else(|| self.make(now, &finding));
        self.open.insert(key, Open { alert: alert.clone(), absent: 0 });
        Some(Change::Opened(alert))
    }

    /// The same trouble shortly after it ended is the same alert.
    fn reopen(&mut self, now: Duration, finding: &Finding) -> Option<Alert> {
        let same = |alert: &Alert| {
            let age = alert.closed.map_or(Duration::ZERO, |closed| now.saturating_sub(closed));
            alert.metric == finding.metric && alert.category == finding.category && age <= REOPEN_WITHIN
        };
        let place = self.closed.iter().rposition(same)?;
        let mut alert = self.closed.remove(place)?;
        alert.closed = None;
        alert.reopened = alert.reopened.saturating_add(1);
        renew(&mut alert, finding);
        Some(alert)
    }

    fn make(&mut self, now: Duration, finding: &Finding) -> Alert {
        self.last_id += 1;
        Alert {
            id: self.last_id,
            category: finding.category,
            severity: finding.severity,
            metric: finding.metric.to_owned(),
            value: finding.value,
            threshold: finding.threshold,
            evidence: finding.evidence.clone(),
            actions: finding.actions.iter().map(|action| (*action).to_owned()).collect(),
            opened: now,
            closed: None,
            reopened: 0,
            silenced: self.silences.contains_key(finding.metric),
        }
    }

    /// Keeps quiet about a metric's alerts that open before `until`, in time since 1970. `false` if there are too many silences
    /// already.
    pub fn silence(&mut self, metric: &str, until: Duration) -> bool {
        let fits = self.silences.len() < SILENCES_MAX || self.silences.contains_key(metric);
        if fits {
            self.silences.insert(metric.to_owned(), until);
        }
        fits
    }

    /// Open alerts, silenced ones included.
    pub fn open(&self) -> impl Iterator<Item = &Alert> {
        self.open.values().map(|open| &open.alert)
    }

    /// The latest closed alerts, oldest first, at most 256.
    pub fn closed(&self) -> impl Iterator<Item = &Alert> {
        self.closed.iter()
    }
}

fn renew(alert: &mut Alert, finding: &Finding) {
    alert.severity = alert.severity.max(finding.severity);
    alert.value = finding.value;
    alert.threshold = finding.threshold;
    alert.evidence.clone_from(&finding.evidence);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::alert::AlertSeverity;

    fn finding(severity: AlertSeverity) -> Finding {
        Finding {
            category: Category::Degradation,
            metric: "p50_latency_us",
            severity,
            value: 150.0,
            threshold: 125.0,
            evidence: "usual 100".to_owned(),
            actions: &["look"],
        }
    }

    fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn one_trouble_is_one_alert_however_long_it_lasts() {
        let mut book = AlertBook::new();
        let opened: usize =
            (0..100).map(|second| book.update(at(second), vec![finding(AlertSeverity::Warning)]).len()).sum();
        assert_eq!((opened, book.open().count()), (1, 1));
        let worse = book.update(at(100), vec![finding(AlertSeverity::Critical)]);
        assert!(matches!(&worse[..], [Change::Worsened(alert)] if alert.severity == AlertSeverity::Critical));
    }

    #[test]
    fn an_alert_closes_late_and_opens_again_as_itself() {
        let mut book = AlertBook::new();
        book.update(at(0), vec![finding(AlertSeverity::Warning)]);
        for second in 1..5 {
            assert!(book.update(at(second), Vec::new()).is_empty(), "closed after {second} quiet intervals");
        }
        let closed = book.update(at(5), Vec::new());
        assert!(matches!(&closed[..], [Change::Closed(alert)] if alert.closed == Some(at(5))));
        let again = book.update(at(30), vec![finding(AlertSeverity::Warning)]);
        assert!(matches!(&again[..], [Change::Opened(alert)] if (alert.id, alert.reopened) == (1, 1)));
        (31..40).for_each(|second| drop(book.update(at(second), Vec::new())));
        let later = book.update(at(1000), vec![finding(AlertSeverity::Warning)]);
        assert!(matches!(&later[..], [Change::Opened(alert)] if (alert.id, alert.reopened) == (2, 0)));
    }

    #[test]
    fn a_silenced_metric_is_kept_and_not_told() {
        let mut book = AlertBook::new();
        assert!(book.silence("p50_latency_us", at(60)));
        assert!(book.update(at(0), vec![finding(AlertSeverity::Critical)]).is_empty());
        assert!(book.open().all(|alert| alert.silenced) && book.open().count() == 1);
        (1..20).for_each(|second| assert!(book.update(at(second), Vec::new()).is_empty()));
        assert_eq!(
            book.update(at(200), vec![finding(AlertSeverity::Critical)]).len(),
            1,
            "silence did not end"
        );
    }

    #[test]
    fn memory_is_bounded_whatever_happens() {
        let mut book = AlertBook::new();
        for round in 0..1000 {
            book.update(at(round * 1000), vec![finding(AlertSeverity::Info)]);
            (1..6).for_each(|second| drop(book.update(at(round * 1000 + second), Vec::new())));
            book.silence(&format!("name {round}"), at(u64::MAX / 2));
        }
        assert_eq!(book.closed().count(), CLOSED_MAX);
        assert!(!book.silence("one more", at(9)));
    }
}

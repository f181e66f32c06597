//! Which alerts are open. Hysteresis, deduplication and silence, in the caller's time.

use super::{Alert, Category, Finding};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

/// Intervals without the finding after which an alert closes.
const CLOSE_AFTER: u32 = 5;
/// Time after closing within which the same trouble opens the same alert again.
const REOPEN_WITHIN: Duration = Duration::from_secs(60);
/// Closed alerts that are kept.
const CLOSED_MAX: usize = 256;
/// Silences at a time. Metrics and categories are closed sets; this bounds other names.
const SILENCES_MAX: usize = 64;

/// Something to tell the sinks.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", content = "alert", rename_all = "lowercase")]
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

/// A time of quiet about some alerts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Silence {
    /// The metric.
    pub metric: String,
    /// One category, or `None` for all.
    pub category: Option<Category>,
    /// When it ends, in time since 1970. Serialises as seconds.
    #[serde(with = "super::seconds")]
    pub until: Duration,
}

impl Silence {
    fn covers(&self, metric: &str, category: Category) -> bool {
        self.metric == metric && self.category.is_none_or(|own| own == category)
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
    silences: Vec<Silence>,
    last_id: u64,
}

impl AlertBook {
    /// An empty book.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes in what was found in the interval that ends `now`, and returns what changed. Changes of silenced alerts are not
    /// among it; an alert that outlives its silence opens with the end of it.
    pub fn update(&mut self, now: Duration, findings: Vec<Finding>) -> Vec<Change> {
        self.silences.retain(|silence| silence.until > now);
        self.open.values_mut().for_each(|open| open.absent += 1);
        let mut changes = self.speak_again();
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

    /// Alerts whose silence ended while they were open.
    fn speak_again(&mut self) -> Vec<Change> {
        let silences = &self.silences;
        let is_silent =
            |alert: &Alert| silences.iter().any(|silence| silence.covers(&alert.metric, alert.category));
        let mut changes = Vec::new();
        for open in self.open.values_mut() {
            if open.alert.silenced && !is_silent(&open.alert) {
                open.alert.silenced = false;
                changes.push(Change::Opened(open.alert.clone()));
            }
        }
        changes
    }

    fn note(&mut self, now: Duration, finding: Finding) -> Option<Change> {
        let key = (finding.metric, finding.category);
        if let Some(open) = self.open.get_mut(&key) {
            open.absent = 0;
            let worse = finding.severity > open.alert.severity;
            renew(&mut open.alert, now, &finding);
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
        alert.silenced = self.is_silent(finding);
        renew(&mut alert, now, finding);
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
            updated: now,
            closed: None,
            reopened: 0,
            silenced: self.is_silent(finding),
        }
    }

    fn is_silent(&self, finding: &Finding) -> bool {
        self.silences.iter().any(|silence| silence.covers(finding.metric, finding.category))
    }

    /// Keeps quiet about a metric's alerts, open ones included, before `until`, in time since 1970. `false` if there are 64 silences
    /// already.
    pub fn silence(&mut self, metric: &str, until: Duration) -> bool {
        self.add(Silence { metric: metric.to_owned(), category: None, until })
    }

    /// Keeps quiet about one alert, and its like, before `until`. `false` if no open alert has that number, or if there are 64
    /// silences already.
    pub fn silence_alert(&mut self, id: u64, until: Duration) -> bool {
        let Some(alert) = self.open().find(|alert| alert.id == id) else { return false };
        let silence = Silence { metric: alert.metric.clone(), category: Some(alert.category), until };
        self.add(silence)
    }

    fn add(&mut self, silence: Silence) -> bool {
        let same = |other: &Silence| other.metric == silence.metric && other.category == silence.category;
        self.silences.retain(|other| !same(other));
        if self.silences.len() >= SILENCES_MAX {
            return false;
        }
        let covered =
            self.open.values_mut().filter(|open| silence.covers(&open.alert.metric, open.alert.category));
        covered.for_each(|open| open.alert.silenced = true);
        self.silences.push(silence);
        true
    }

    /// Ends all silences of a metric. Its open alerts are told again at the next update. `false` if there was none.
    pub fn unsilence(&mut self, metric: &str) -> bool {
        let before = self.silences.len();
        self.silences.retain(|silence| silence.metric != metric);
        self.silences.len() < before
    }

    /// Silences that have not ended at the latest update.
    pub fn silences(&self) -> impl Iterator<Item = &Silence> {
        self.silences.iter()
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

fn renew(alert: &mut Alert, now: Duration, finding: &Finding) {
    alert.updated = now;
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
    fn an_open_alert_can_be_silenced_and_is_told_again_if_it_outlives_that() {
        let mut book = AlertBook::new();
        book.update(at(0), vec![finding(AlertSeverity::Warning)]);
        assert!(!book.silence_alert(99, at(60)) && book.silence_alert(1, at(60)));
        assert!(book.open().all(|alert| alert.silenced));
        assert!(book.update(at(1), vec![finding(AlertSeverity::Critical)]).is_empty(), "told in spite of it");
        let other = Finding { category: Category::Anomaly, ..finding(AlertSeverity::Info) };
        let told = book.update(at(2), vec![other, finding(AlertSeverity::Critical)]);
        assert!(
            matches!(&told[..], [Change::Opened(alert)] if alert.category == Category::Anomaly),
            "{told:?}"
        );
        let again = book.update(at(60), vec![finding(AlertSeverity::Critical)]);
        assert!(
            matches!(&again[..], [Change::Opened(alert)] if alert.id == 1 && !alert.silenced),
            "{again:?}"
        );
        assert!(book.silence("p50_latency_us", at(90)) && book.silences().count() == 1);
        assert!(book.unsilence("p50_latency_us") && !book.unsilence("p50_latency_us"));
        assert!(!book.update(at(61), vec![finding(AlertSeverity::Critical)]).is_empty());
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

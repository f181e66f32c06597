//! Posts alerts to Alertmanager, or to anything that takes its format.
//!
//! Alertmanager forgets an alert that is not told again, so open ones are told at each `resend_interval`, and each time with an end four
//! of them ahead: if this process dies, its alerts end by themselves. What could not be delivered is kept, one state per alert, and tried
//! again after a growing pause.

use super::super::http::{Endpoint, PostError};
use super::super::task::Task;
use super::super::wall;
use super::{Queue, Sink};
use rustfs_rio_monitor::{Alert, AlertSeverity, Change, Posted, alertmanager_body};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// The path of Alertmanager's interface for alerts.
const PATH: &str = "/api/v2/alerts";
/// Resends that an alert outlives without one.
const RESENDS_MISSED: u32 = 4;
/// Alerts whose latest state waits for delivery at most; beyond it closed ones go first.
const PENDING_MAX: usize = 256;

/// Settings of a webhook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookConfig {
    /// `http://host[:port]`, of Alertmanager; a path replaces `/api/v2/alerts`. No https: send to an agent on this host.
    pub url: String,
    /// Labels that each alert gets besides its own, for example the node. Default none.
    pub labels: BTreeMap<String, String>,
    /// Time that one attempt may take. Default 10 s.
    pub timeout: Duration,
    /// Time between two tellings of an open alert. Default 1 min, a fifth of Alertmanager's `resolve_timeout`.
    pub resend_interval: Duration,
    /// Pause after the first failed attempt. It doubles with each further one. Default 1 s.
    pub retry_min: Duration,
    /// The longest pause. Default 1 min.
    pub retry_max: Duration,
}

impl WebhookConfig {
    /// Defaults for this receiver.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            labels: BTreeMap::new(),
            timeout: Duration::from_secs(10),
            resend_interval: Duration::from_secs(60),
            retry_min: Duration::from_secs(1),
            retry_max: Duration::from_secs(60),
        }
    }

    /// The receiver, or what is wrong with a setting.
    pub(in crate::monitor) fn endpoint(&self) -> Result<Endpoint, String> {
        if self.timeout.is_zero() || self.resend_interval.is_zero() || self.retry_min.is_zero() {
            return Err("timeout, resend_interval and retry_min have to be longer than nothing".to_owned());
        }
        if self.retry_max < self.retry_min {
            return Err(format!("retry_max {:?} is below retry_min {:?}", self.retry_max, self.retry_min));
        }
        Endpoint::parse(&self.url, PATH)
    }
}

pub(in crate::monitor) fn start(runtime: &Handle, config: WebhookConfig, endpoint: Endpoint) -> Sink {
    let queue = Arc::new(Queue::default());
    let target = endpoint.to_string();
    let worker = Worker {
        config,
        endpoint,
        queue: Arc::clone(&queue),
        open: BTreeMap::new(),
        pending: BTreeMap::new(),
        failures: 0,
    };
    let task = Task::start(runtime, |ended| worker.run(ended));
    Sink::new("webhook", target, queue, task)
}

/// An open alert and the severity it was last told with.
struct Told {
    alert: Alert,
    severity: Option<AlertSeverity>,
}

struct Worker {
    config: WebhookConfig,
    endpoint: Endpoint,
    queue: Arc<Queue>,
    /// Bounded by the book: one per metric and category.
    open: BTreeMap<u64, Told>,
    /// What has to be told, by alert.
    pending: BTreeMap<u64, Alert>,
    /// Attempts in a row that failed.
    failures: u32,
}

impl Worker {
    async fn run(mut self, mut ended: oneshot::Receiver<()>) {
        let mut next_resend = Instant::now() + self.config.resend_interval;
        let mut next_try = Instant::now();
        loop {
            let retry = (!self.pending.is_empty()).then_some(next_try);
            let is_last = tokio::select! {
                () = self.queue.arrival() => false,
                () = tokio::time::sleep_until(next_resend) => false,
                () = sleep_until(retry) => false,
                _ = &mut ended => true,
            };
            self.take();
            let now = Instant::now();
            if now >= next_resend {
                next_resend = now + self.config.resend_interval;
                let open = self.open.iter().map(|(id, told)| (*id, told.alert.clone()));
                self.pending.extend(open.collect::<Vec<_>>());
            }
            if !self.pending.is_empty() && (is_last || self.failures == 0 || now >= next_try) {
                // The end of the monitor does not wait for a receiver that stalls longer than one attempt may take.
                self.attempt().await;
                next_try = Instant::now() + self.pause();
            }
            self.note_waiting();
            if is_last {
                return;
            }
        }
    }

    fn take(&mut self) {
        for change in self.queue.take() {
            let alert = change.alert();
            if matches!(change, Change::Closed(_)) {
                // Its told severity is needed until the end is delivered.
                if let Some(told) = self.open.get_mut(&alert.id) {
                    told.alert = alert.clone();
                }
            } else {
                let told = self.open.entry(alert.id).or_insert(Told { alert: alert.clone(), severity: None });
                told.alert = alert.clone();
            }
            self.pending.insert(alert.id, alert.clone());
        }
        while self.pending.len() > PENDING_MAX {
            let closed = self.pending.iter().find(|(_, alert)| alert.closed.is_some()).map(|(id, _)| *id);
            let Some(id) = closed.or_else(|| self.pending.keys().next().copied()) else { return };
            self.pending.remove(&id);
            self.open.remove(&id);
            self.queue.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    fn body(&self) -> String {
        let ahead = wall().saturating_add(self.config.resend_interval * RESENDS_MISSED);
        let mut posted = Vec::new();
        for (id, alert) in &self.pending {
            let former = self.open.get(id).and_then(|told| told.severity);
            if let Some(former) = former.filter(|former| *former != alert.severity) {
                posted.push(Posted { alert: alert.clone(), severity: former, ends: alert.updated });
            }
            let ends = alert.closed.unwrap_or(ahead);
            posted.push(Posted { alert: alert.clone(), severity: alert.severity, ends });
        }
        alertmanager_body(&posted, &self.config.labels)
    }

    async fn attempt(&mut self) {
        let body = self.body();
        let result = self.endpoint.post("application/json", body.into(), self.config.timeout).await;
        match result {
            Ok(()) => {
                if self.failures > 0 {
                    tracing::info!(webhook = %self.endpoint, "alerts are delivered again");
                }
                self.queue.delivered.fetch_add(self.pending.len() as u64, Ordering::Relaxed);
                self.settle();
            }
            Err(error) => self.fail(&error),
        }
    }

    fn fail(&mut self, error: &PostError) {
        self.queue.failed_attempts.fetch_add(1, Ordering::Relaxed);
        if error.is_permanent() {
            tracing::error!(webhook = %self.endpoint, %error, "the receiver refuses alerts; check the URL and what answers there");
            self.queue.dropped.fetch_add(self.pending.len() as u64, Ordering::Relaxed);
            self.settle();
            return;
        }
        if self.failures == 0 {
            tracing::warn!(webhook = %self.endpoint, %error, "alerts are not delivered; they wait and are sent again");
        }
        self.failures = self.failures.saturating_add(1);
    }

    /// Nothing waits any more.
    fn settle(&mut self) {
        self.failures = 0;
        for (id, alert) in std::mem::take(&mut self.pending) {
            if alert.closed.is_some() {
                self.open.remove(&id);
            } else if let Some(told) = self.open.get_mut(&id) {
                told.severity = Some(alert.severity);
            }
        }
    }

    fn pause(&self) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(16);
        self.config.retry_min.saturating_mul(1 << doublings).min(self.config.retry_max)
    }

    fn note_waiting(&self) {
        self.queue.in_hand.store(self.pending.len() as u64, Ordering::Relaxed);
    }
}

async fn sleep_until(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

//! Sends metrics to an OpenTelemetry collector: OTLP over HTTP, protobuf, cumulative. What could not be sent is in the next message, so
//! there is no queue.

use super::http::Endpoint;
use super::task::{Shared, Task};
use super::wall;
use rustfs_rio_monitor::otlp_request;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::MissedTickBehavior;

/// The path of OTLP's receiver for metrics.
const PATH: &str = "/v1/metrics";

/// Settings of the export to OpenTelemetry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OtlpConfig {
    /// `http://host[:port]`, of a collector's HTTP receiver (port 4318); a path replaces `/v1/metrics`. No https: send to an agent on
    /// this host.
    pub url: String,
    /// Time between two messages. Default 10 s.
    pub interval: Duration,
    /// Time that one message may take. Default 10 s.
    pub timeout: Duration,
    /// Whose numbers these are. Default `service.name` = `rustfs-rio`.
    pub resource: BTreeMap<String, String>,
}

impl OtlpConfig {
    /// Defaults for this receiver.
    #[must_use]
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(10),
            resource: BTreeMap::from([("service.name".to_owned(), "rustfs-rio".to_owned())]),
        }
    }

    pub(super) fn endpoint(&self) -> Result<Endpoint, String> {
        if self.interval.is_zero() || self.timeout.is_zero() {
            return Err("interval and timeout have to be longer than nothing".to_owned());
        }
        Endpoint::parse(&self.url, PATH)
    }
}

pub(super) fn start(runtime: &Handle, config: OtlpConfig, endpoint: Endpoint, shared: &Arc<Shared>) -> Task {
    let shared = Arc::clone(shared);
    Task::start(runtime, |ended| run(config, endpoint, shared, ended))
}

async fn run(config: OtlpConfig, endpoint: Endpoint, shared: Arc<Shared>, mut ended: oneshot::Receiver<()>) {
    let started = wall();
    let first = tokio::time::Instant::now() + config.interval;
    let mut ticks = tokio::time::interval_at(first, config.interval);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut is_failing = false;
    loop {
        let is_last = tokio::select! {
            _ = ticks.tick() => false,
            _ = &mut ended => true,
        };
        let body = shared.with(|collector| otlp_request(collector, started, &config.resource));
        let result = endpoint.post("application/x-protobuf", body.into(), config.timeout).await;
        match (result, std::mem::take(&mut is_failing)) {
            (Err(error), was_failing) => {
                is_failing = true;
                if !was_failing {
                    tracing::warn!(otlp = %endpoint, %error, "metrics are not delivered; the next message holds them too");
                }
            }
            (Ok(()), true) => tracing::info!(otlp = %endpoint, "metrics are delivered again"),
            (Ok(()), false) => {}
        }
        if is_last {
            return;
        }
    }
}

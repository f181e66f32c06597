//! Alerts reach a webhook and a log file: also one that fails, stalls, refuses, is full, or is not there yet.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "tests stop at the first surprise"
)]

use rustfs_rio::monitor::{AlertLogConfig, MonitorConfigError, RealTimeStats, SinkStats, WebhookConfig};
use rustfs_rio::{AdvancedPerformanceMonitor, PerformanceMonitorConfig};
use serde_json::Value;
use std::path::Path;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc;

/// What the server does with a request.
#[derive(Clone, Copy)]
enum Mood {
    Answer(u16),
    /// Reads the request and says nothing.
    Stall,
    /// Closes the connection.
    HangUp,
}

/// Reads one request: its head and a body of the length that the head says.
async fn request(stream: &mut TcpStream) -> Option<(String, String)> {
    let mut bytes = Vec::new();
    loop {
        let mut part = [0; 4096];
        let count = stream.read(&mut part).await.ok().filter(|count| *count > 0)?;
        bytes.extend_from_slice(&part[..count]);
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length =
            |line: &str| line.to_ascii_lowercase().strip_prefix("content-length: ").map(str::to_owned);
        let length: usize = head.lines().find_map(length).unwrap().parse().unwrap();
        if body.len() >= length {
            return Some((head.to_owned(), body.to_owned()));
        }
    }
}

/// A receiver on the loopback that treats its requests as `moods` says, and from then on well. Ends with the test's runtime.
async fn receiver(moods: Vec<Mood>) -> (String, mpsc::UnboundedReceiver<(String, Value)>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let (told, requests) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        let mut moods = moods.into_iter();
        let mut stalled = Vec::new();
        while let Ok((mut stream, _)) = listener.accept().await {
            let Some((head, body)) = request(&mut stream).await else { continue };
            if told.send((head, serde_json::from_str(&body).unwrap())).is_err() {
                return;
            }
            match moods.next().unwrap_or(Mood::Answer(200)) {
                Mood::Answer(status) => {
                    let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\n\r\n");
                    let _ = stream.write_all(answer.as_bytes()).await;
                }
                Mood::Stall => stalled.push(stream),
                Mood::HangUp => drop(stream),
            }
        }
    });
    (url, requests)
}

fn webhook(url: String) -> WebhookConfig {
    WebhookConfig {
        timeout: Duration::from_millis(300),
        retry_min: Duration::from_millis(5),
        retry_max: Duration::from_millis(20),
        labels: [("node".to_owned(), "n1".to_owned())].into(),
        ..WebhookConfig::new(url)
    }
}

fn monitor(webhook: Option<WebhookConfig>, alert_log: Option<AlertLogConfig>) -> AdvancedPerformanceMonitor {
    let config = PerformanceMonitorConfig {
        enable_real_time_dashboard: false,
        webhook,
        alert_log,
        ..PerformanceMonitorConfig::default()
    };
    AdvancedPerformanceMonitor::try_new(config).unwrap()
}

/// A minute of usual latencies, then some that open one alert.
async fn slow_down(monitor: &AdvancedPerformanceMonitor) {
    let stats =
        RealTimeStats { iops: 500.0, p50_latency_us: 100.0, cache_hit_rate: 1.0, ..Default::default() };
    for second in 0..64 {
        let p50_latency_us = if second < 60 { 100.0 } else { 140.0 };
        monitor.update_stats(RealTimeStats { timestamp: second, p50_latency_us, ..stats }).await;
    }
}

async fn recover(monitor: &AdvancedPerformanceMonitor) {
    let stats =
        RealTimeStats { iops: 500.0, p50_latency_us: 100.0, cache_hit_rate: 1.0, ..Default::default() };
    for second in 64..80 {
        monitor.update_stats(RealTimeStats { timestamp: second, ..stats }).await;
    }
}

async fn until(monitor: &AdvancedPerformanceMonitor, is_so: impl Fn(&SinkStats) -> bool) -> SinkStats {
    loop {
        if let Some(stats) = monitor.sink_stats().into_iter().find(&is_so) {
            return stats;
        }
        tokio::task::yield_now().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_receiver_that_fails_stalls_and_recovers_gets_each_alert() {
    let moods = vec![Mood::Answer(503), Mood::Stall, Mood::HangUp, Mood::Answer(429)];
    let (url, mut requests) = receiver(moods).await;
    let monitor = monitor(Some(webhook(url)), None);
    slow_down(&monitor).await;
    for _ in 0..5 {
        let (head, body) = requests.recv().await.unwrap();
        assert!(head.starts_with("POST /api/v2/alerts HTTP/1.1"), "{head}");
        assert!(head.to_ascii_lowercase().contains("content-type: application/json"), "{head}");
        let labels = &body[0]["labels"];
        assert_eq!(
            (&labels["alertname"], &labels["node"]),
            (&"RioDegradation".into(), &"n1".into()),
            "{body}"
        );
        assert_eq!(labels["metric"], "p50_latency_us");
    }
    let stats = until(&monitor, |stats| stats.delivered == 1 && stats.waiting == 0).await;
    // A busy machine may be slower to answer than the timeout once more.
    assert!(stats.failed_attempts >= 4 && stats.dropped == 0, "{stats:?}");
    recover(&monitor).await;
    loop {
        let (_, body) = requests.recv().await.unwrap();
        if body[0]["endsAt"].as_str().unwrap() < "1971" {
            break;
        }
    }
    until(&monitor, |stats| stats.delivered == 2).await;
    monitor.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_alert_is_told_again_and_a_refused_one_is_not() {
    let (url, mut requests) = receiver(vec![Mood::Answer(400)]).await;
    let config = WebhookConfig { resend_interval: Duration::from_millis(50), ..webhook(url) };
    let monitor = monitor(Some(config), None);
    slow_down(&monitor).await;
    requests.recv().await.unwrap();
    until(&monitor, |stats| stats.dropped == 1 && stats.waiting == 0).await;
    // The next ones are due to the interval, not to a retry.
    for _ in 0..2 {
        let (_, body) = requests.recv().await.unwrap();
        assert!(body[0]["endsAt"].as_str().unwrap() > "2020", "{body}");
    }
    monitor.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_alert_that_becomes_worse_ends_as_what_it_was() {
    let (url, mut requests) = receiver(Vec::new()).await;
    let monitor = monitor(Some(webhook(url)), None);
    slow_down(&monitor).await;
    let (_, first) = requests.recv().await.unwrap();
    assert_eq!(first[0]["labels"]["severity"], "warning");
    until(&monitor, |stats| stats.delivered == 1).await;
    let worse =
        RealTimeStats { iops: 500.0, p50_latency_us: 9000.0, cache_hit_rate: 1.0, ..Default::default() };
    for second in 64..66 {
        monitor.update_stats(RealTimeStats { timestamp: second, ..worse }).await;
    }
    let (_, body) = requests.recv().await.unwrap();
    let severities: Vec<&str> =
        body.as_array().unwrap().iter().map(|alert| alert["labels"]["severity"].as_str().unwrap()).collect();
    assert_eq!(severities, ["warning", "critical"]);
    assert!(body[0]["endsAt"].as_str().unwrap() < "1971" && body[1]["endsAt"].as_str().unwrap() > "2020");
    monitor.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_the_monitor_does_not_wait_for_a_receiver_that_stalls() {
    let (url, mut requests) = receiver(vec![Mood::Stall; 50]).await;
    let monitor = monitor(Some(webhook(url)), None);
    slow_down(&monitor).await;
    requests.recv().await.unwrap();
    monitor.shutdown().await;
    let stats = &monitor.sink_stats()[0];
    assert_eq!((stats.delivered, stats.waiting), (0, 1), "{stats:?}");
    // Nobody reads any more, and nobody is stopped by that.
    slow_down(&monitor).await;
}

fn lines(path: &Path) -> Vec<Value> {
    let text = std::fs::read_to_string(path).unwrap_or_default();
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_log_holds_opening_and_closing_and_waits_for_its_directory() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("later").join("alerts.json");
    let monitor = monitor(None, Some(AlertLogConfig::new(&path)));
    slow_down(&monitor).await;
    let stats = until(&monitor, |stats| stats.failed_attempts > 0).await;
    assert_eq!((stats.delivered, stats.dropped), (0, 0));
    std::fs::create_dir(directory.path().join("later")).unwrap();
    recover(&monitor).await;
    until(&monitor, |stats| stats.delivered == 2).await;
    monitor.shutdown().await;
    let lines = lines(&path);
    let events: Vec<&Value> = lines.iter().map(|line| &line["event"]).collect();
    assert_eq!(events, ["opened", "closed"]);
    assert_eq!(lines[1]["alert"]["metric"], "p50_latency_us");
    assert!(lines[1]["alert"]["closed"].as_f64().unwrap() > lines[1]["alert"]["opened"].as_f64().unwrap());
}

#[tokio::test]
async fn wrong_settings_are_errors_that_say_what_to_do() {
    let with = |webhook, alert_log| {
        let config = PerformanceMonitorConfig {
            enable_real_time_dashboard: false,
            webhook,
            alert_log,
            ..PerformanceMonitorConfig::default()
        };
        AdvancedPerformanceMonitor::try_new(config).err().unwrap()
    };
    let https = with(Some(WebhookConfig::new("https://alerts")), None);
    assert!(
        matches!(&https, MonitorConfigError::Webhook { .. }) && https.to_string().contains("agent"),
        "{https}"
    );
    let backwards =
        WebhookConfig { retry_max: Duration::from_millis(1), ..WebhookConfig::new("http://alerts") };
    assert!(with(Some(backwards), None).to_string().contains("retry_max"));
    let small = AlertLogConfig { bytes_max: 1, ..AlertLogConfig::new("alerts.json") };
    assert!(with(None, Some(small)).to_string().contains("at least 4096"));
}

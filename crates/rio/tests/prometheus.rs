//! A running Rio is scraped by a real Prometheus, which evaluates the rules and the dashboard of `deploy/`; a real Alertmanager takes an
//! alert. Everything is on the loopback, and every process that is started here ends here.
#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    clippy::panic,
    reason = "tests stop at the first surprise"
)]
#![allow(clippy::print_stdout, reason = "a skipped test says why")]

use rustfs_rio::monitor::{CONTENT_TYPE, CacheCounters, Components, WebhookConfig};
use rustfs_rio::{
    AdvancedPerformanceMonitor, DiskFile, PerformanceMonitorConfig, RealTimeStats, RuntimeConfig,
    init_runtime_with_config,
};
use serde_json::Value;
use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// Longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

fn deploy() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy").canonicalize().unwrap()
}

fn skip(reason: &str) {
    assert!(std::env::var_os("RIO_REQUIRE_ALL").is_none_or(|value| value != "1"), "{reason}");
    let line = format!("RIO-SKIP: {reason}");
    println!("{line}");
    if let Some(log) = std::env::var_os("RIO_SKIP_LOG") {
        let mut log = std::fs::OpenOptions::new().append(true).create(true).open(log).unwrap();
        writeln!(log, "{line}").unwrap();
    }
}

/// Is killed with the test, whichever way that ends.
struct Server(Child);

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `None`, and a note, where the program is not installed.
fn start(program: &str, package: &str, arguments: &[String]) -> Option<Server> {
    let mut command = Command::new(program);
    let child = command.args(arguments).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    match child {
        Ok(child) => Some(Server(child)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            skip(&format!("{program} is not installed (Debian package {package})"));
            None
        }
        Err(error) => panic!("{program}: {error}"),
    }
}

/// A port that was free a moment ago.
fn port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

fn get(port: u16, path: &str) -> Option<String> {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).ok()?;
    write!(stream, "GET {path} HTTP/1.0\r\nHost: 127.0.0.1\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (head, body) = answer.split_once("\r\n\r\n")?;
    head.contains(" 200 ").then(|| body.to_owned())
}

fn json(port: u16, path: &str) -> Option<Value> {
    serde_json::from_str(&get(port, path)?).ok()
}

async fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(answer) = tokio::task::block_in_place(&mut ask) {
            return answer;
        }
        assert!(begun.elapsed() < PATIENCE, "{what} did not come");
        // why: the servers tell nobody when they are ready
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn encoded(query: &str) -> String {
    query.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

/// Every expression of the dashboard, with Grafana's variables as a user would have them.
fn dashboard_queries() -> Vec<String> {
    let text = std::fs::read_to_string(deploy().join("grafana/rustfs-rio.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels.iter().filter_map(|panel| panel["targets"].as_array()).flatten();
    let expressions = targets.map(|target| target["expr"].as_str().unwrap());
    expressions.map(|text| text.replace("$instance", ".*").replace("$__rate_interval", "10s")).collect()
}

/// The names that begin with `rio_` in some text.
fn names(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
    words.filter(|word| word.starts_with("rio_")).map(str::to_owned).collect()
}

/// Answers scrapes until the runtime ends.
fn serve(monitor: Arc<AdvancedPerformanceMonitor>) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let listener = tokio::net::TcpListener::from_std(listener).unwrap();
    tokio::spawn(async move {
        use tokio::io::{AsyncReadExt, AsyncWriteExt};
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4096];
            let _ = stream.read(&mut request).await;
            let page = monitor.openmetrics();
            let head = format!(
                "HTTP/1.1 200 OK\r\ncontent-type: {CONTENT_TYPE}\r\ncontent-length: {}\r\nconnection: close\r\n\r\n",
                page.len()
            );
            let _ = stream.write_all(format!("{head}{page}").as_bytes()).await;
        }
    });
    port
}

/// A monitor with something of everything in it, and an open alert.
async fn busy_monitor(directory: &Path) -> Arc<AdvancedPerformanceMonitor> {
    let config = PerformanceMonitorConfig {
        metrics_collection_interval: Duration::from_millis(100),
        alert_log: Some(rustfs_rio::monitor::AlertLogConfig::new(directory.join("alerts.json"))),
        ..PerformanceMonitorConfig::default()
    };
    let monitor = Arc::new(AdvancedPerformanceMonitor::try_new(config).unwrap());
    let config = RuntimeConfig { recorder: Some(monitor.recorder()), ..RuntimeConfig::default() };
    let runtime = init_runtime_with_config(config).unwrap();
    monitor.attach(&runtime);
    assert!(monitor.add_source(|components: &mut Components| {
        components.cache =
            Some(CacheCounters { hits: 9, misses: 1, prefetched: 4, ..CacheCounters::default() });
    }));
    monitor.record_metric("orders", 7.0).await;
    let file = Arc::new(tokio::sync::Mutex::new(
        DiskFile::create_with_runtime(directory.join("data"), &runtime).await.unwrap(),
    ));
    let missing = DiskFile::open(directory.join("absent"), runtime.clone()).await;
    assert!(missing.is_err(), "an error to count");
    tokio::spawn(async move {
        // Keeps the runtime, and ends with the test's.
        let _runtime = runtime;
        loop {
            file.lock().await.write_all(&[7; 4096]).await.unwrap();
            // why: paces the load
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    monitor
}

#[tokio::test(flavor = "multi_thread")]
async fn prometheus_scrapes_and_evaluates_rules_and_dashboard() {
    let directory = tempfile::tempdir().unwrap();
    let monitor = busy_monitor(directory.path()).await;
    let (target, own) = (serve(Arc::clone(&monitor)), port());
    let rules = deploy().join("prometheus-alerts.yml");
    let config = format!(
        "global: {{scrape_interval: 1s, evaluation_interval: 1s}}\nrule_files: ['{}']\nscrape_configs:\n  \
         - job_name: rio\n    static_configs: [{{targets: ['127.0.0.1:{target}']}}]\n",
        rules.display()
    );
    std::fs::write(directory.path().join("prometheus.yml"), config).unwrap();
    let arguments = [
        format!("--config.file={}", directory.path().join("prometheus.yml").display()),
        format!("--storage.tsdb.path={}", directory.path().join("tsdb").display()),
        format!("--web.listen-address=127.0.0.1:{own}"),
    ];
    let Some(_prometheus) = start("prometheus", "prometheus", &arguments) else { return };
    let query = |text: &str| json(own, &format!("/api/v1/query?query={}", encoded(text)));
    let is_there = |value: Value| !value["data"]["result"].as_array().unwrap().is_empty();
    // Two scrapes, so that rates have something to rest on.
    until("the second scrape", || {
        query("count_over_time(up{job=\"rio\"}[1m]) >= 3 and up{job=\"rio\"} == 1")
            .filter(|value| is_there(value.clone()))
    })
    .await;
    let known = json(own, "/api/v1/label/__name__/values").unwrap();
    let known: BTreeSet<String> =
        known["data"].as_array().unwrap().iter().map(|name| name.as_str().unwrap().to_owned()).collect();
    let rules_text = std::fs::read_to_string(&rules).unwrap();
    let used: BTreeSet<String> =
        dashboard_queries().iter().flat_map(|query| names(query)).chain(names(&rules_text)).collect();
    // No alert is open, so its metric is not there; the exporter's own test has it.
    let missing: Vec<&String> =
        used.iter().filter(|name| !known.contains(*name) && *name != "rio_alert").collect();
    assert!(missing.is_empty() && used.len() > 30, "not exported: {missing:?}");
    for text in dashboard_queries() {
        let answer = query(&text).unwrap_or_else(|| panic!("Prometheus refuses {text}"));
        assert_eq!(answer["status"], "success", "{text}");
    }
    let reads = query("sum(rate(rio_operations_total{operation=\"write\"}[10s]))").unwrap();
    assert!(is_there(reads), "no rate of writes");
    let groups = until("the evaluation of the rules", || {
        let groups = json(own, "/api/v1/rules")?;
        let rules = groups["data"]["groups"][0]["rules"].as_array()?.clone();
        rules.iter().all(|rule| rule["health"] == "ok").then_some(rules)
    })
    .await;
    assert!(groups.len() >= 5);
    monitor.shutdown().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn alertmanager_takes_an_alert_and_its_end() {
    let directory = tempfile::tempdir().unwrap();
    let own = port();
    let config = directory.path().join("alertmanager.yml");
    std::fs::write(&config, "route: {receiver: none}\nreceivers: [{name: none}]\n").unwrap();
    let arguments = [
        format!("--config.file={}", config.display()),
        format!("--storage.path={}", directory.path().join("data").display()),
        format!("--web.listen-address=127.0.0.1:{own}"),
        "--cluster.listen-address=".to_owned(),
    ];
    let Some(_server) = start("prometheus-alertmanager", "prometheus-alertmanager", &arguments) else {
        return;
    };
    let webhook = WebhookConfig {
        retry_min: Duration::from_millis(50),
        ..WebhookConfig::new(format!("http://127.0.0.1:{own}"))
    };
    let config = PerformanceMonitorConfig {
        enable_real_time_dashboard: false,
        webhook: Some(webhook),
        ..PerformanceMonitorConfig::default()
    };
    let monitor = AdvancedPerformanceMonitor::try_new(config).unwrap();
    let usual =
        RealTimeStats { iops: 500.0, p50_latency_us: 100.0, cache_hit_rate: 1.0, ..Default::default() };
    let begin = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs() - 200;
    for second in 0..64 {
        let p50_latency_us = if second < 60 { 100.0 } else { 140.0 };
        monitor.update_stats(RealTimeStats { timestamp: begin + second, p50_latency_us, ..usual }).await;
    }
    let alerts = until("the alert", || {
        json(own, "/api/v2/alerts").filter(|alerts| !alerts.as_array().unwrap().is_empty())
    })
    .await;
    assert_eq!(alerts[0]["labels"]["alertname"], "RioDegradation");
    assert_eq!(alerts[0]["labels"]["metric"], "p50_latency_us");
    assert!(alerts[0]["annotations"]["actions"].as_str().unwrap().contains("max_concurrent_ops"));
    for second in 64..80 {
        monitor.update_stats(RealTimeStats { timestamp: begin + second, ..usual }).await;
    }
    until("the end of the alert", || {
        json(own, "/api/v2/alerts").filter(|alerts| alerts.as_array().unwrap().is_empty())
    })
    .await;
    monitor.shutdown().await;
}

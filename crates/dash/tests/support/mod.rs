//! A live runtime with load, and a client that speaks HTTP by hand, so that it can also speak it badly.
#![allow(dead_code, unreachable_pub, missing_docs, reason = "shared by tests that each use a part")]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

pub mod chrome;

use rustfs_rio::{
    AdvancedPerformanceMonitor, DiskFile, OpenOptions, PerformanceMonitorConfig, RuntimeConfig,
    RuntimeHandle, init_runtime_with_config,
};
use rustfs_rio_dash::Watched;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

/// Within this everything here ends; it only runs out when something hangs.
pub const PATIENCE: Duration = Duration::from_secs(30);

pub struct Live {
    pub runtime: RuntimeHandle,
    pub monitor: Arc<AdvancedPerformanceMonitor>,
    pub fails: Arc<AtomicBool>,
    stop: Arc<AtomicBool>,
    load: Option<JoinHandle<()>>,
    _dir: tempfile::TempDir,
}

impl Live {
    /// A runtime that is read from and written to until [`Live::end`].
    pub async fn start() -> Self {
        let monitor = Arc::new(AdvancedPerformanceMonitor::new(PerformanceMonitorConfig {
            metrics_collection_interval: Duration::from_millis(200),
            ..PerformanceMonitorConfig::default()
        }));
        let runtime = init_runtime_with_config(RuntimeConfig {
            recorder: Some(monitor.recorder()),
            ..RuntimeConfig::default()
        })
        .unwrap();
        let dir = tempfile::tempdir().unwrap();
        let stop = Arc::new(AtomicBool::new(false));
        let fails = Arc::new(AtomicBool::new(false));
        let path = dir.path().join("objects.bin");
        let load = tokio::spawn(load(runtime.clone(), path, Arc::clone(&stop), Arc::clone(&fails)));
        Self { runtime, monitor, fails, stop, load: Some(load), _dir: dir }
    }

    pub fn watched(&self) -> Watched {
        Watched::new(&self.runtime, &self.monitor)
    }

    /// Waits until the monitor has seen enough of what is usual to notice what is not.
    pub async fn warmed_up(&self) {
        let enough = async {
            while self.monitor.get_historical_data(Duration::from_secs(3600)).await.len() < 40 {
                // why: the intervals of the monitor are what is waited for
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
        };
        tokio::time::timeout(PATIENCE, enough).await.expect("the monitor collects nothing");
    }

    pub async fn end(mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(load) = self.load.take() {
            load.await.unwrap();
        }
        assert!(self.runtime.shutdown(Duration::from_secs(10)).await.is_clean());
        self.monitor.shutdown().await;
    }
}

/// Sequential and scattered reads, some writes; with `fails` set, also opens of what does not exist.
async fn load(
    runtime: RuntimeHandle,
    path: std::path::PathBuf,
    stop: Arc<AtomicBool>,
    fails: Arc<AtomicBool>,
) {
    const SIZE: u64 = 8 << 20;
    let options = OpenOptions::new().read(true).write(true).create(true);
    let file = DiskFile::open_with(&path, &options, &runtime).await.unwrap();
    let (result, _) = file.write_from(vec![7u8; SIZE as usize], 0).await;
    result.unwrap();
    let missing = path.with_file_name("missing.bin");
    let mut at = 0u64;
    while !stop.load(Ordering::Relaxed) {
        for n in 0..20u64 {
            at = (at + 64 * 1024) % SIZE;
            drop(file.read_range(at, 64 * 1024).await.unwrap());
            drop(file.read_range((n * 7919 * 4096) % (SIZE - 4096), 4096).await.unwrap());
            if n % 5 == 0 {
                file.write_from(vec![9u8; 4096], (n * 104_729 * 512) % (SIZE - 4096)).await.0.unwrap();
            }
        }
        file.flush_and_sync().await.unwrap();
        if fails.load(Ordering::Relaxed) {
            for _ in 0..20 {
                assert!(DiskFile::open(&missing, runtime.clone()).await.is_err());
            }
        }
        // why: a load of some thousand operations per second rather than all there is
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// An answer.
#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub head: String,
    pub body: Vec<u8>,
}

impl Answer {
    pub fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1).filter_map(|line| line.split_once(':'));
        lines.find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value.trim())
    }

    pub fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

/// Sends these bytes on a connection of their own and reads until the server closes it.
pub async fn raw(address: SocketAddr, request: &[u8]) -> Option<Answer> {
    let exchange = async {
        let mut stream = TcpStream::connect(address).await.ok()?;
        stream.write_all(request).await.ok()?;
        let mut bytes = Vec::new();
        // A server that refuses may close before all was sent.
        _ = stream.read_to_end(&mut bytes).await;
        parse(&bytes)
    };
    tokio::time::timeout(PATIENCE, exchange)
        .await
        .expect("no answer and no end within the patience of the test")
}

fn parse(bytes: &[u8]) -> Option<Answer> {
    let end = bytes.windows(4).position(|window| window == b"\r\n\r\n")?;
    let head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let status = head.split(' ').nth(1)?.parse().ok()?;
    let body = &bytes[end + 4..];
    let chunked = head.to_ascii_lowercase().contains("transfer-encoding: chunked");
    Some(Answer { status, body: if chunked { join_chunks(body) } else { body.to_vec() }, head })
}

fn join_chunks(mut rest: &[u8]) -> Vec<u8> {
    let mut all = Vec::new();
    while let Some(end) = rest.windows(2).position(|window| window == b"\r\n") {
        let size = usize::from_str_radix(&String::from_utf8_lossy(&rest[..end]), 16).unwrap_or(0);
        if size == 0 || rest.len() < end + 2 + size {
            break;
        }
        all.extend_from_slice(&rest[end + 2..end + 2 + size]);
        rest = rest.get(end + 4 + size..).unwrap_or_default();
    }
    all
}

/// A request with these further headers, each ended by a line break.
pub async fn ask(address: SocketAddr, method: &str, path: &str, headers: &str, body: &str) -> Answer {
    let host = if headers.to_ascii_lowercase().contains("host:") {
        String::new()
    } else {
        format!("Host: {address}\r\n")
    };
    let length = if body.is_empty() && method == "GET" {
        String::new()
    } else {
        format!("Content-Length: {}\r\n", body.len())
    };
    let request =
        format!("{method} {path} HTTP/1.1\r\n{host}{headers}{length}Connection: close\r\n\r\n{body}");
    raw(address, request.as_bytes()).await.unwrap_or_else(|| panic!("no answer to {method} {path}"))
}

pub async fn get(address: SocketAddr, path: &str) -> Answer {
    ask(address, "GET", path, "", "").await
}

/// Asks until the answer is as wanted.
pub async fn until(
    address: SocketAddr,
    path: &str,
    wanted: impl Fn(&serde_json::Value) -> bool,
) -> serde_json::Value {
    let asking = async {
        loop {
            let json = get(address, path).await.json();
            if wanted(&json) {
                return json;
            }
            // why: the server has no way to tell a client without a stream; this is the client's pace
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    tokio::time::timeout(PATIENCE, asking).await.unwrap_or_else(|_| panic!("{path} never became as wanted"))
}

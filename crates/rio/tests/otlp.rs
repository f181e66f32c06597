//! An OpenTelemetry receiver on the loopback gets the messages. What is in one, the monitor crate's test of the same name decodes.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests stop at the first surprise")]
#![cfg(feature = "otlp")]

use rustfs_rio::monitor::OtlpConfig;
use rustfs_rio::{AdvancedPerformanceMonitor, PerformanceMonitorConfig};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// Reads one request and answers it.
async fn answer(stream: &mut TcpStream, status: &str) -> (String, Vec<u8>) {
    let mut bytes = Vec::new();
    loop {
        let mut part = [0; 4096];
        let count = stream.read(&mut part).await.unwrap();
        assert!(count > 0, "the request was cut short");
        bytes.extend_from_slice(&part[..count]);
        let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8(bytes[..end].to_vec()).unwrap().to_ascii_lowercase();
        let length: usize =
            head.lines().find_map(|line| line.strip_prefix("content-length: ")).unwrap().parse().unwrap();
        if bytes.len() >= end + 4 + length {
            let reply = format!("HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n");
            stream.write_all(reply.as_bytes()).await.unwrap();
            return (head, bytes.split_off(end + 4));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_arrive_also_after_a_failure_and_at_the_end() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let otlp = OtlpConfig { interval: Duration::from_millis(20), ..OtlpConfig::new(url) };
    let config = PerformanceMonitorConfig { otlp: Some(otlp), ..PerformanceMonitorConfig::default() };
    let monitor = AdvancedPerformanceMonitor::try_new(config).unwrap();
    for status in ["503 X", "200 OK"] {
        let (mut stream, _) = listener.accept().await.unwrap();
        let (head, body) = answer(&mut stream, status).await;
        assert!(head.starts_with("post /v1/metrics http/1.1"), "{head}");
        assert!(head.contains("content-type: application/x-protobuf"), "{head}");
        assert!(body.windows(8).any(|window| window == b"rio.live"));
    }
    let server = tokio::spawn(async move {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            answer(&mut stream, "200 OK").await;
        }
    });
    monitor.shutdown().await;
    server.abort();
    let wrong = PerformanceMonitorConfig {
        otlp: Some(OtlpConfig::new("grpc://collector:4317")),
        ..PerformanceMonitorConfig::default()
    };
    let error = AdvancedPerformanceMonitor::try_new(wrong).err().unwrap();
    assert!(error.to_string().contains("4318"), "{error}");
}

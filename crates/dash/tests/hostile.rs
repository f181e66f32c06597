//! Clients that mean harm: a thousand that are slow, and a fuzz of the API.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a test that cannot go on has failed, and one that is skipped says so"
)]

mod support;

use rustfs_rio_dash::Dashboard;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use support::{Live, ask, get, raw};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Memory that a thousand bad connections may cost, in bytes: 256 that are kept, with some tens of KiB each, and what their own ends in
/// this same process take.
const MEMORY_MAX: u64 = 48 << 20;

fn resident() -> u64 {
    let text = std::fs::read_to_string("/proc/self/statm").unwrap();
    text.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
}

/// What a bad client does, by its number.
async fn misbehave(address: SocketAddr, number: usize) -> Option<TcpStream> {
    let mut stream = TcpStream::connect(address).await.ok()?;
    let host = format!("Host: {address}\r\n");
    let text = match number % 5 {
        0 => String::new(),
        1 => "GET /api/v1/overview HTTP/1.1\r\nHost: ".to_owned(),
        2 => format!(
            "POST /login HTTP/1.1\r\n{host}Content-Type: application/x-www-form-urlencoded\r\nContent-Length: 4000\r\n\r\nto"
        ),
        // Asks for much and reads nothing.
        3 => format!("GET /assets/plotly.js HTTP/1.1\r\n{host}\r\n").repeat(8),
        _ => format!("GET / HTTP/1.1\r\n{host}X-Long: {}", "x".repeat(12_000)),
    };
    _ = stream.write_all(text.as_bytes()).await;
    Some(stream)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_bad_connections_keep_nobody_out() {
    let live = Live::start().await;
    let server = Dashboard::new(&live.watched()).serve("127.0.0.1:0").await.unwrap();
    let address = server.address();
    assert_eq!(get(address, "/assets/plotly.js").await.status, 200);
    let before = resident();
    let operations = live.runtime.stats().submitted + live.runtime.stats().inline_ops;
    let mut bad = Vec::new();
    let mut slowest = Duration::ZERO;
    for number in 0..1000 {
        bad.extend(misbehave(address, number).await);
        if number % 50 == 49 {
            let began = Instant::now();
            let answer = get(address, "/api/v1/overview").await;
            assert_eq!(answer.status, 200, "after {number} bad connections: {}", answer.text());
            slowest = slowest.max(began.elapsed());
        }
    }
    let grown = resident().saturating_sub(before);
    println!("{} bad connections: {} KiB more, slowest answer {slowest:?}", bad.len(), grown / 1024);
    assert!(grown < MEMORY_MAX, "{grown} bytes for {} connections", bad.len());
    assert!(
        live.runtime.stats().submitted + live.runtime.stats().inline_ops > operations,
        "the service itself stands still"
    );
    let ended = async {
        for stream in &mut bad {
            let mut rest = Vec::new();
            _ = stream.read_to_end(&mut rest).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(90), ended).await.expect("a bad connection is never ended");
    assert_eq!(get(address, "/healthz").await.status, 200);
    server.shutdown().await;
    live.end().await;
}

/// A small generator (xorshift), so that a failure can be repeated.
struct Random(u64);

impl Random {
    fn next(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % below as u64) as usize
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[self.next(from.len())]
    }
}

const METHODS: [&str; 8] = ["GET", "GET", "GET", "POST", "PUT", "DELETE", "HEAD", "BREW"];
const PATHS: [&str; 20] = [
    "/api/v1/overview",
    "/api/v1/io-map",
    "/api/v1/latency",
    "/api/v1/resources",
    "/api/v1/patterns",
    "/api/v1/decisions",
    "/api/v1/decisions/7",
    "/api/v1/alerts",
    "/api/v1/alerts/silence",
    "/api/v1/configuration",
    "/api/v1/recommendations",
    "/api/v1/openapi.json",
    "/metrics",
    "/login",
    "/logout",
    "/assets/app.js",
    "/debug/trace",
    "/debug/pprof/heap",
    "/",
    "/latency",
];
const PIECES: [&str; 24] = [
    "range=",
    "from=",
    "to=",
    "file=",
    "panel=overview",
    "seconds=0",
    "&",
    "=",
    "?",
    "%",
    "%00",
    "%ff",
    "-1",
    "0",
    "1",
    "18446744073709551615",
    "18446744073709551616",
    "1e9",
    "NaN",
    "..",
    "/",
    "\u{fc}",
    "{\"metric\":",
    "\"seconds\":1}",
];
const HEADERS: [&str; 10] = [
    "Accept: text/html",
    "Content-Type: application/json",
    "Content-Type: application/x-www-form-urlencoded",
    "Authorization: Bearer \u{7f}",
    "Cookie: rio_session=1.ff; =; ;;",
    "If-None-Match: \"x\"",
    "Range: bytes=0-",
    "Expect: 100-continue",
    "Accept-Encoding: br",
    "X: \t",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_request_is_answered_with_a_server_error() {
    let live = Live::start().await;
    let server = Dashboard::new(&live.watched()).allow_control().serve("127.0.0.1:0").await.unwrap();
    let address = server.address();
    let panics = Arc::new(AtomicUsize::new(0));
    let (counted, hook) = (Arc::clone(&panics), std::panic::take_hook());
    std::panic::set_hook(Box::new(move |info| {
        counted.fetch_add(1, Ordering::Relaxed);
        hook(info);
    }));
    let rounds = std::env::var("RIO_FUZZ_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1500);
    let mut random = Random(0x5249_4F00);
    for round in 0..rounds {
        let mut path = random.pick(&PATHS).to_owned();
        let mut body = String::new();
        if random.next(2) == 0 {
            path.push('?');
            (0..random.next(6)).for_each(|_| path.push_str(random.pick(&PIECES)));
        }
        (0..random.next(5)).for_each(|_| body.push_str(random.pick(&PIECES)));
        let headers: String = (0..random.next(4)).map(|_| format!("{}\r\n", random.pick(&HEADERS))).collect();
        let method = random.pick(&METHODS);
        let length = body.len();
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {address}\r\n{headers}Content-Length: {length}\r\nConnection: close\r\n\r\n{body}"
        );
        if let Some(answer) = raw(address, request.as_bytes()).await {
            assert!(answer.status < 500, "round {round}: {request:?}: {answer:?}");
        }
    }
    for bytes in 0..200 {
        let garbage: Vec<u8> = (0..bytes).map(|_| random.next(256) as u8).chain(*b"\r\n\r\n").collect();
        let answer = raw(address, &garbage).await;
        assert!(answer.is_none_or(|answer| answer.status < 500), "{garbage:?}");
    }
    assert_eq!(panics.load(Ordering::Relaxed), 0, "something panicked");
    assert_eq!(ask(address, "GET", "/healthz", "", "").await.status, 200);
    _ = std::panic::take_hook();
    server.shutdown().await;
    live.end().await;
}

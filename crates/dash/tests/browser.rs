//! The pages in a headless Chromium against a live load. Pictures of every page lie in `dash-pages` of the target's directory for temporary
//! files afterwards.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a test that cannot go on has failed, and one that is skipped says so"
)]

mod support;

use rustfs_rio::{AdvancedPerformanceMonitor, RuntimeHandle};
use rustfs_rio_dash::model::{Decision, DecisionEffect, DecisionOutcome, Part};
use rustfs_rio_dash::{Dashboard, Observed, Watched};
use std::io::Write;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use support::chrome::Chrome;
use support::{Live, PATIENCE};

const PAGES: [(&str, usize); 9] = [
    ("", 4),
    ("io-map", 2),
    ("latency", 2),
    ("resources", 8),
    ("patterns", 0),
    ("decisions", 1),
    ("alerts", 0),
    ("configuration", 0),
    ("recommendations", 0),
];

/// A watched pair of which somebody decided something at `at`.
#[derive(Clone)]
struct Decided {
    watched: Watched,
    at: u64,
}

impl Observed for Decided {
    fn runtime(&self) -> &RuntimeHandle {
        self.watched.runtime()
    }

    fn monitor(&self) -> Option<&AdvancedPerformanceMonitor> {
        self.watched.monitor()
    }

    fn decisions(&self) -> Part<Vec<Decision>> {
        let measured = DecisionOutcome {
            effect: DecisionEffect { gain: 0.06, error: 0.01 },
            throughput_bps_before: 9e7,
            throughput_bps_after: 1e8,
            p99_us_before: 120.0,
            p99_us_after: 100.0,
        };
        Part::Data(vec![Decision {
            id: 7,
            at: self.at,
            parameter: "queue_depth".to_owned(),
            from: "32".to_owned(),
            to: "64".to_owned(),
            reason: "measurements point this way".to_owned(),
            expected: DecisionEffect { gain: 0.05, error: 0.02 },
            measured: Some(measured),
            reverse_if: "one period is more than 5.0 % worse".to_owned(),
            state: "kept".to_owned(),
            ..Decision::default()
        }])
    }
}

fn pictures() -> PathBuf {
    let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("dash-pages");
    std::fs::create_dir_all(&path).unwrap();
    path
}

/// A browser, or a loud skip.
async fn browser() -> Option<Chrome> {
    let chrome = Chrome::start().await;
    if chrome.is_none() {
        let line = "RIO-SKIP: no /usr/bin/chromium; install the Debian package chromium";
        println!("{line}");
        if let Some(log) = std::env::var_os("RIO_SKIP_LOG") {
            let mut log = std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap();
            writeln!(log, "{line}").unwrap();
        }
    }
    chrome
}

fn now() -> u64 {
    std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs()
}

/// Every chart of the page has been drawn at least `times` times with points in it.
fn drawn(charts: usize, times: usize) -> String {
    format!(
        "(() => {{ const all = [...document.querySelectorAll('.chart')]; return all.length === {charts} && \
         all.every((chart) => Number(chart.dataset.drawn) >= {times} && Number(chart.dataset.points) > 0); }})()"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_page_draws_moving_data_without_an_error_or_a_foreign_request() {
    let Some(mut chrome) = browser().await else { return };
    let live = Live::start().await;
    let source = Decided { watched: live.watched(), at: now() + 4 };
    let server = Dashboard::new(&source).serve("127.0.0.1:0").await.unwrap();
    live.warmed_up().await;
    for (width, height) in [(1280, 800), (390, 844)] {
        for dark in [false, true] {
            chrome.look(width, height, dark).await;
            for (page, charts) in PAGES {
                chrome.open(&format!("{}{page}?range=60", server.url())).await;
                chrome.until("document.getElementById('state').textContent === 'live'").await;
                if charts > 0 {
                    chrome.until(&drawn(charts, 2)).await;
                } else {
                    chrome.until("document.getElementById('page').dataset.page !== undefined").await;
                }
                let wide = chrome
                    .evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
                    .await;
                assert_eq!(wide, serde_json::json!(false), "{page} is wider than {width} pixels");
                let name = if page.is_empty() { "overview" } else { page };
                let theme = if dark { "dark" } else { "light" };
                chrome.picture(&pictures().join(format!("{name}-{width}-{theme}.png")), "png").await;
            }
        }
    }
    assert!(chrome.errors.is_empty(), "{:#?}", chrome.errors);
    let foreign: Vec<_> = chrome
        .requests
        .iter()
        .filter(|url| {
            !url.starts_with(&server.url()) && !url.starts_with("data:") && !url.starts_with("about:")
        })
        .collect();
    assert!(chrome.requests.len() > 100 && foreign.is_empty(), "{foreign:?}");
    chrome.end().await;
    server.shutdown().await;
    live.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_and_a_restart_are_seen() {
    let Some(mut chrome) = browser().await else { return };
    let live = Live::start().await;
    let source = Decided { watched: live.watched(), at: now() };
    let server = Dashboard::new(&source).serve("127.0.0.1:0").await.unwrap();
    let address = server.address();
    live.warmed_up().await;
    chrome.look(1280, 800, false).await;
    chrome.open(&format!("{}alerts", server.url())).await;
    chrome.until("document.querySelector('[data-id=open]')?.innerText.includes('No alert')").await;
    live.fails.store(true, Ordering::Relaxed);
    chrome.until("document.querySelector('[data-id=open]').innerText.includes('error_rate')").await;
    chrome.picture(&pictures().join("alert-open.png"), "png").await;
    live.fails.store(false, Ordering::Relaxed);
    chrome.until("document.querySelector('[data-id=past]').innerText.includes('error_rate')").await;
    chrome.open(&format!("{}decisions?id=7", server.url())).await;
    chrome.until("document.querySelector('[data-id=before]')?.innerHTML.includes('queue_depth: 32')").await;
    server.shutdown().await;
    chrome.until("document.getElementById('state').textContent === 'disconnected'").await;
    chrome.until("document.getElementById('notice').innerText.includes('still running')").await;
    chrome.picture(&pictures().join("disconnected.png"), "png").await;
    let again = async {
        loop {
            if let Ok(server) = Dashboard::new(&source).serve(&address.to_string()).await {
                return server;
            }
        }
    };
    let server = tokio::time::timeout(PATIENCE, again).await.unwrap();
    chrome.until("document.getElementById('state').textContent === 'live' && document.getElementById('notice').hidden").await;
    chrome.end().await;
    server.shutdown().await;
    live.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_browser_logs_in_and_out_of_sight_of_scripts() {
    let Some(mut chrome) = browser().await else { return };
    let live = Live::start().await;
    let token = "a-token-for-the-browser";
    let server = Dashboard::new(&live.watched()).token(token).serve("127.0.0.1:0").await.unwrap();
    chrome.look(1280, 800, false).await;
    chrome.open(&format!("{}latency", server.url())).await;
    chrome.until("location.pathname === '/login' && document.readyState === 'complete'").await;
    chrome.picture(&pictures().join("login.png"), "png").await;
    let enter = |token: &str| {
        format!(
            "document.getElementById('token').value = '{token}'; document.querySelector('form').requestSubmit(); 1"
        )
    };
    chrome.evaluate(&enter("not-the-token-at-all")).await;
    chrome.until("location.search.includes('failed') && !document.getElementById('failed').hidden").await;
    chrome.open(&format!("{}latency", server.url())).await;
    chrome.until("location.pathname === '/login' && document.readyState === 'complete'").await;
    chrome.evaluate(&enter(token)).await;
    chrome
        .until("location.pathname === '/latency' && document.getElementById('state')?.textContent === 'live'")
        .await;
    assert_eq!(
        chrome.evaluate("document.cookie").await,
        serde_json::json!(""),
        "scripts can read the cookie"
    );
    chrome.end().await;
    server.shutdown().await;
    live.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_first_paint_and_the_weight_are_told() {
    let Some(mut chrome) = browser().await else { return };
    let live = Live::start().await;
    let server = Dashboard::new(&live.watched()).serve("127.0.0.1:0").await.unwrap();
    live.warmed_up().await;
    chrome.look(1280, 800, false).await;
    chrome.open(&server.url()).await;
    chrome.until(&drawn(4, 1)).await;
    let paint = "performance.getEntriesByName('first-contentful-paint')[0].startTime";
    let paint = chrome.evaluate(paint).await.as_f64().unwrap();
    let weight = "performance.getEntriesByType('resource').concat(performance.getEntriesByType('navigation'))\
                  .filter((entry) => !entry.name.includes('/api/')).reduce((sum, entry) => sum + entry.transferSize, 0)";
    let weight = chrome.evaluate(weight).await.as_f64().unwrap();
    println!("first contentful paint {paint:.0} ms, page weight {weight:.0} bytes");
    assert!(weight < 2e6, "the page weighs {weight} bytes");
    chrome.end().await;
    server.shutdown().await;
    live.end().await;
}

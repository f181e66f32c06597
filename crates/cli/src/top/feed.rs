//! What is shown, asked for once a second by a thread that ends with its owner.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;

use rustfs_rio_dash::Client;
use rustfs_rio_dash::model::{Alerts, Decisions, IoMap, Latency, Overview, Part};

/// Ranges that + and - choose among, in seconds.
const RANGES: [u64; 6] = [60, 300, 900, 3600, 86_400, 604_800];
const PACE: Duration = Duration::from_secs(1);

/// Everything that is known.
#[derive(Debug, Clone, Default)]
pub(super) struct Latest {
    pub(super) overview: Option<Overview>,
    pub(super) latency: Option<Latency>,
    pub(super) map: Option<Part<IoMap>>,
    pub(super) decisions: Option<Decisions>,
    pub(super) alerts: Option<Alerts>,
    /// Why nothing new came.
    pub(super) problem: Option<String>,
    pub(super) range: u64,
    pub(super) address: String,
}

#[derive(Debug, Default)]
struct Shared {
    latest: Mutex<Latest>,
    range: AtomicUsize,
    ends: AtomicBool,
}

/// The thread and what it found.
#[derive(Debug)]
pub(super) struct Feed {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Feed {
    /// Begins to ask. `starts` says that the dashboard may not be there yet.
    pub(super) fn start(client: Client, starts: bool) -> std::io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let shared = Arc::new(Shared::default());
        shared.range.store(1, Ordering::Relaxed);
        let theirs = Arc::clone(&shared);
        let thread = std::thread::Builder::new()
            .name("rio-top-feed".to_owned())
            .spawn(move || runtime.block_on(ask(&client, &theirs, starts)))?;
        Ok(Self { shared, thread: Some(thread) })
    }

    pub(super) fn latest(&self) -> Latest {
        self.shared.latest.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The next longer range, or the next shorter one.
    pub(super) fn widen(&self, longer: bool) {
        let at = self.shared.range.load(Ordering::Relaxed);
        let next = if longer { (at + 1).min(RANGES.len() - 1) } else { at.saturating_sub(1) };
        self.shared.range.store(next, Ordering::Relaxed);
        self.wake();
    }

    fn wake(&self) {
        if let Some(thread) = &self.thread {
            thread.thread().unpark();
        }
    }
}

impl Drop for Feed {
    fn drop(&mut self) {
        self.shared.ends.store(true, Ordering::Relaxed);
        self.wake();
        if let Some(thread) = self.thread.take() {
            // A panic there was printed; the terminal matters now.
            _ = thread.join();
        }
    }
}

async fn ask(client: &Client, shared: &Shared, starts: bool) {
    let mut has_answered = false;
    while !shared.ends.load(Ordering::Relaxed) {
        let at = shared.range.load(Ordering::Relaxed).min(RANGES.len() - 1);
        let range = RANGES[at];
        let found = everything(client, range).await;
        {
            let mut latest = shared.latest.lock().unwrap_or_else(PoisonError::into_inner);
            match found {
                Ok(found) => {
                    has_answered = true;
                    *latest = found;
                }
                // What was shown stays, with the word that it is old.
                Err(_) if starts && !has_answered => {
                    latest.problem = Some("waiting for the run to begin".to_owned())
                }
                Err(_) if starts => latest.problem = Some("the run has ended; q quits".to_owned()),
                Err(error) => latest.problem = Some(error.to_string()),
            }
            latest.range = range;
            client.address().clone_into(&mut latest.address);
        }
        if !shared.ends.load(Ordering::Relaxed) {
            std::thread::park_timeout(PACE);
        }
    }
}

async fn everything(client: &Client, range: u64) -> Result<Latest, rustfs_rio_dash::ClientError> {
    let path = |panel: &str| format!("/api/v1/{panel}?range={range}");
    Ok(Latest {
        overview: Some(client.get(&path("overview")).await?),
        latency: Some(client.get(&path("latency")).await?),
        map: Some(client.get(&path("io-map")).await?),
        decisions: Some(client.get(&path("decisions")).await?),
        alerts: Some(client.get(&path("alerts")).await?),
        ..Latest::default()
    })
}

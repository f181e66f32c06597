//! Writes finished samples to the history file, away from the monitor's task.

use super::task::Shared;
use rustfs_rio_monitor::{Entry, HistoryFile, HistoryFileError, Tier};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Samples that wait for a file that cannot be written just now; beyond that the oldest are given up. They stay in memory anyway.
const WAITING_MAX: usize = 600;

/// Whether this build can keep a history file.
pub(super) const IS_AVAILABLE: bool = true;

pub(super) struct Keeper {
    file: Option<Arc<HistoryFile>>,
    waiting: Vec<Entry>,
    failing: bool,
}

impl Keeper {
    pub(super) async fn open(path: Option<PathBuf>, shared: &Arc<Shared>) -> Self {
        let mut keeper = Self { file: None, waiting: Vec::new(), failing: false };
        let Some(path) = path else { return keeper };
        let opened = tokio::task::spawn_blocking(move || open(&path)).await;
        match opened {
            Ok(Ok((file, entries))) => {
                keeper.waiting = shared.with(|collector| collector.restore(&entries));
                keeper.file = Some(Arc::new(file));
            }
            Ok(Err(error)) => tracing::error!(%error, "the history is kept in memory only"),
            Err(error) => {
                tracing::error!(%error, "the history file was not opened; the history is kept in memory only")
            }
        }
        keeper
    }

    pub(super) async fn keep(&mut self, entries: Vec<Entry>) {
        let Some(file) = &self.file else { return };
        self.waiting.extend(entries);
        if self.waiting.is_empty() {
            return;
        }
        let (file, batch) = (Arc::clone(file), self.waiting.clone());
        let written = tokio::task::spawn_blocking(move || file.append(&batch)).await;
        match written {
            Ok(Ok(())) => {
                self.waiting.clear();
                if std::mem::take(&mut self.failing) {
                    tracing::info!("the history file takes samples again");
                }
            }
            Ok(Err(error)) => self.wait(&error),
            Err(error) => self.wait(&error),
        }
    }

    /// Keeps what could not be written for the next time, within the bound.
    fn wait(&mut self, error: &dyn std::fmt::Display) {
        if !std::mem::replace(&mut self.failing, true) {
            tracing::error!(%error, "the history file cannot be written; samples wait in memory");
        }
        let excess = self.waiting.len().saturating_sub(WAITING_MAX);
        self.waiting.drain(..excess);
    }
}

fn open(path: &Path) -> Result<(HistoryFile, Vec<Entry>), HistoryFileError> {
    let file = HistoryFile::open(path)?;
    if let Some(aside) = file.set_aside() {
        tracing::error!(path = %path.display(), aside = %aside.display(), "the history file was damaged; a new one is begun");
    }
    let mut entries = Vec::new();
    for tier in Tier::ALL {
        let samples = file.range(tier, 0, u64::MAX)?;
        entries.extend(samples.into_iter().map(|sample| Entry { tier, sample }));
    }
    Ok((file, entries))
}

//! In place of the history file where the feature `history` is off: samples stay in memory.

use super::task::Shared;
use rustfs_rio_monitor::Entry;
use std::path::PathBuf;
use std::sync::Arc;

/// Whether this build can keep a history file.
pub(super) const IS_AVAILABLE: bool = false;

pub(super) struct Keeper;

impl Keeper {
    pub(super) async fn open(path: Option<PathBuf>, _shared: &Arc<Shared>) -> Self {
        if path.is_some() {
            tracing::error!(
                "this build has no history file (feature history); the history is kept in memory only"
            );
        }
        Self
    }

    pub(super) async fn keep(&mut self, _entries: Vec<Entry>) {}
}

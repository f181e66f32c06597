//! Files by identity: whoever opens the same inode shares one state.

use super::state::{FileState, Stamp};
use super::store::Store;
use parking_lot::Mutex;
use rustfs_rio_engine::{File, Stat};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

/// Files remembered after they were closed, so that their blocks serve the next opening. Some 300 bytes each.
const REMEMBERED_MAX: usize = 16_384;

/// Kernels take the time of a change from a clock that ticks 100 to 1000 times a second: a second change within the same tick
/// leaves no trace. What changed less than this ago is not trusted.
const SETTLED: Duration = Duration::from_millis(20);

/// What makes an inode the same. The birth time tells a number that was given to another file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Identity {
    device: (u32, u32),
    inode: u64,
    born: Option<SystemTime>,
}

/// The files of a runtime.
pub(crate) struct Registry {
    files: Mutex<Files>,
    store: Arc<Store>,
}

#[derive(Default)]
struct Files {
    states: HashMap<Identity, Arc<FileState>>,
    spaces: u32,
}

/// One open file's place in the registry; dropping it says that the file is closed.
pub(crate) struct Opened(Arc<FileState>);

impl Opened {
    pub(crate) fn state(&self) -> &Arc<FileState> {
        &self.0
    }
}

impl Drop for Opened {
    fn drop(&mut self) {
        self.0.leave();
    }
}

impl Registry {
    pub(crate) fn new(store: Arc<Store>) -> Self {
        Self { files: Mutex::default(), store }
    }

    /// Takes in an open file and has its changes announced. `None` for what is no regular file.
    pub(crate) fn open(&self, file: &File) -> Option<Opened> {
        let stat = file.opened().filter(|stat| stat.is_file())?;
        let identity = Identity { device: stat.device, inode: stat.inode, born: stat.born };
        let mut files = self.files.lock();
        if files.states.len() >= REMEMBERED_MAX {
            // A state that an engine's file still reports to has another owner.
            files.states.retain(|_, state| !state.is_closed() || Arc::strong_count(state) > 1);
        }
        let state = match files.states.get(&identity) {
            Some(state) => Arc::clone(state),
            None => {
                files.spaces = files.spaces.wrapping_add(1);
                let state = Arc::new(FileState::new(Arc::clone(&self.store), files.spaces));
                files.states.insert(identity, Arc::clone(&state));
                state
            }
        };
        state.enter(stamp(stat));
        file.watch_content(Arc::clone(&state) as _);
        Some(Opened(state))
    }
}

fn stamp(stat: &Stat) -> Option<Stamp> {
    let age = SystemTime::now().duration_since(stat.changed).ok()?;
    let is_settled = age >= SETTLED;
    is_settled.then_some(Stamp { size: stat.size, modified: stat.modified, changed: stat.changed })
}

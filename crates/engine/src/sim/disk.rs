//! The device itself: names, files, open handles, and the power switch.

use super::driver::Driver;
use super::faults::{Fault, Faults};
use super::image::{Content, Image, PAGE};
use super::rng::Rng;
use crate::op::{OpKind, Step};
use crate::shared::SIMULATED_FD_BASE;
use crate::sync::{Mutex, MutexGuard};
use crate::table::Token;
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Weak};

/// A simulated device with a file system on it. Clones are handles to the same device, which outlives the engines that
/// use it: what an engine left on it is there for the next one.
///
/// Each file has a live image, which reads see, and a durable image, which a power loss leaves, with the unsynced changes
/// between them. The name space is durable at once: creating, removing and renaming survive a crash. (A name space that
/// needs its directory synced would keep a second `names` map here.)
#[derive(Clone)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

/// A step whose end the device withholds. It refers to memory like a request that a kernel has taken, so the engine must
/// keep that memory until the step is answered, and for ever if it gave up waiting.
pub(super) struct Hung {
    pub(super) driver: Weak<Driver>,
    pub(super) token: Token,
    pub(super) step: Step,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    Directory,
    File(u64),
}

#[derive(Default)]
pub(super) struct Inode {
    pub(super) content: Content,
    pub(super) mode: u32,
    pub(super) modified: u64,
    /// Failed syncs so far; each handle is told once of those after it was opened.
    pub(super) sync_errors: u64,
}

pub(super) struct OpenFile {
    pub(super) inode: Option<u64>,
    pub(super) flags: i32,
    pub(super) sync_errors_seen: u64,
}

impl OpenFile {
    pub(super) fn reads(&self) -> bool {
        self.flags & libc::O_ACCMODE != libc::O_WRONLY
    }
    pub(super) fn writes(&self) -> bool {
        self.flags & libc::O_ACCMODE != libc::O_RDONLY
    }
    pub(super) fn has(&self, flag: i32) -> bool {
        self.flags & flag != 0
    }
}

/// When the power goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum PowerCut {
    Never,
    AtStep(u64),
    AtSync(u64),
}

pub(super) struct State {
    pub(super) rng: Rng,
    /// Apart from `rng`, so that looking at what a crash would leave does not change what happens next.
    crash_rng: Rng,
    pub(super) faults: Faults,
    /// Steps of each kind since the plan was set.
    pub(super) counts: [u64; OpKind::ALL.len()],
    pub(super) names: BTreeMap<PathBuf, Node>,
    pub(super) inodes: BTreeMap<u64, Inode>,
    inodes_made: u64,
    pub(super) handles: Vec<Option<OpenFile>>,
    pub(super) steps: u64,
    pub(super) syncs: u64,
    power_cut: PowerCut,
    hanging: bool,
    hung: Vec<Hung>,
}

impl SimDisk {
    /// An empty device without faults. It has the directories `/` and the empty path, so `/name` and `name` can be created.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::with_faults(seed, Faults::default())
    }

    /// An empty device with a plan of faults.
    #[must_use]
    pub fn with_faults(seed: u64, faults: Faults) -> Self {
        let mut rng = Rng::new(seed);
        let crash_rng = rng.fork();
        let roots = ["/", ""].map(|root| (PathBuf::from(root), Node::Directory));
        let state = State {
            rng,
            crash_rng,
            faults,
            counts: [0; OpKind::ALL.len()],
            names: roots.into(),
            inodes: BTreeMap::new(),
            inodes_made: 0,
            handles: Vec::new(),
            steps: 0,
            syncs: 0,
            power_cut: PowerCut::Never,
            hanging: false,
            hung: Vec::new(),
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Replaces the plan from the next step on, and counts steps for its script from zero.
    pub fn set_faults(&self, faults: Faults) {
        let mut state = self.lock();
        state.faults = faults;
        state.counts = [0; OpKind::ALL.len()];
    }

    /// Puts a file with this content on the device, durable, in the place of one that may be there. Open handles keep
    /// the old one.
    pub fn install(&self, path: impl Into<PathBuf>, data: &[u8]) {
        let mut image = Image::default();
        image.write(0, data);
        let inode = Inode { content: Content::settled(image), mode: 0o644, ..Inode::default() };
        let mut state = self.lock();
        let number = state.add_inode(inode);
        state.names.insert(path.into(), Node::File(number));
        state.collect();
    }

    /// Makes a directory.
    ///
    /// # Errors
    ///
    /// `NotFound` without a parent directory, `AlreadyExists` if the name is taken.
    pub fn create_dir(&self, path: impl Into<PathBuf>) -> io::Result<()> {
        let path = path.into();
        let mut state = self.lock();
        state.check_parent(&path).map_err(io::Error::from_raw_os_error)?;
        if state.names.contains_key(&path) {
            return Err(io::Error::from_raw_os_error(libc::EEXIST));
        }
        state.names.insert(path, Node::Directory);
        Ok(())
    }

    /// Removes a file's name. Open handles keep the file.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is no such file, `IsADirectory` for a directory.
    pub fn remove(&self, path: impl AsRef<Path>) -> io::Result<()> {
        let mut state = self.lock();
        state.file_at(path.as_ref()).map_err(io::Error::from_raw_os_error)?;
        state.names.remove(path.as_ref());
        state.collect();
        Ok(())
    }

    /// Renames a file, over another one if there is one of that name.
    ///
    /// # Errors
    ///
    /// As [`remove`](Self::remove), and `NotFound` if the new parent directory does not exist.
    pub fn rename(&self, from: impl AsRef<Path>, to: impl Into<PathBuf>) -> io::Result<()> {
        let to = to.into();
        let mut state = self.lock();
        let number = state.file_at(from.as_ref()).map_err(io::Error::from_raw_os_error)?;
        state.check_parent(&to).map_err(io::Error::from_raw_os_error)?;
        if state.names.get(&to) == Some(&Node::Directory) {
            return Err(io::Error::from_raw_os_error(libc::EISDIR));
        }
        state.names.remove(from.as_ref());
        state.names.insert(to, Node::File(number));
        state.collect();
        Ok(())
    }

    /// The files on the device, in order of their paths.
    #[must_use]
    pub fn paths(&self) -> Vec<PathBuf> {
        let state = self.lock();
        state
            .names
            .iter()
            .filter(|(_, node)| matches!(node, Node::File(_)))
            .map(|(path, _)| path.clone())
            .collect()
    }

    /// What a read of the whole file would give.
    #[must_use]
    pub fn read_live(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        self.inspect(path.as_ref(), |content| content.live().to_vec())
    }

    /// What is durable for certain: the content after a power loss that loses every unsynced change.
    #[must_use]
    pub fn read_durable(&self, path: impl AsRef<Path>) -> Option<Vec<u8>> {
        self.inspect(path.as_ref(), |content| content.durable().to_vec())
    }

    fn inspect<T>(&self, path: &Path, look: impl FnOnce(&Content) -> T) -> Option<T> {
        let state = self.lock();
        let number = state.file_at(path).ok()?;
        state.inodes.get(&number).map(|inode| look(&inode.content))
    }

    /// What a power loss at this moment leaves: a new device without faults, handles or hung steps. Each call draws anew
    /// which unsynced changes survive, within the plan of faults; this device goes on as if nothing had happened.
    #[must_use]
    pub fn crash(&self) -> SimDisk {
        let mut state = self.lock();
        let state = &mut *state;
        let rng = &mut state.crash_rng;
        let after = SimDisk::new(rng.next_u64());
        {
            let mut new = after.lock();
            new.names.clone_from(&state.names);
            new.inodes_made = state.inodes_made;
            let named = state
                .inodes
                .iter()
                .filter(|(number, _)| state.names.values().any(|node| *node == Node::File(**number)));
            for (number, inode) in named {
                let content = Content::settled(inode.content.survivor(&state.faults, rng));
                let inode = Inode { content, mode: inode.mode, modified: inode.modified, sync_errors: 0 };
                new.inodes.insert(*number, inode);
            }
        }
        after
    }

    /// Cuts the power before the `count`th step from now takes effect, counted from 0: it and all later steps fail with
    /// `EIO` and change nothing. [`crash`](Self::crash) then tells what is left.
    pub fn cut_power_after_steps(&self, count: u64) {
        let mut state = self.lock();
        state.power_cut = PowerCut::AtStep(state.steps + count);
    }

    /// Cuts the power before the `count`th sync from now takes effect, counted from 0; otherwise as
    /// [`cut_power_after_steps`](Self::cut_power_after_steps).
    pub fn cut_power_after_syncs(&self, count: u64) {
        let mut state = self.lock();
        state.power_cut = PowerCut::AtSync(state.syncs + count);
    }

    /// Steps that the device has carried out or failed.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.lock().steps
    }

    /// Syncs among them.
    #[must_use]
    pub fn syncs(&self) -> u64 {
        self.lock().syncs
    }

    /// Handles that are open now, over all engines.
    #[must_use]
    pub fn open_handles(&self) -> usize {
        self.lock().handles.iter().flatten().count()
    }

    /// From now on no step ends, until [`release_hung`](Self::release_hung).
    pub fn hang(&self) {
        self.lock().hanging = true;
    }

    /// Steps that hang now.
    #[must_use]
    pub fn hung(&self) -> usize {
        self.lock().hung.len()
    }

    /// Ends the hang: all steps that hung are carried out, also those of engines that gave up waiting and are gone. As a
    /// late answer of a real device would, they then use memory that such an engine must have kept.
    pub fn release_hung(&self) {
        let hung = {
            let mut state = self.lock();
            state.hanging = false;
            std::mem::take(&mut state.hung)
        };
        for entry in hung {
            match entry.driver.upgrade() {
                Some(driver) => driver.released(entry.token, entry.step),
                None => {
                    // Nobody is left to hear the answer.
                    let _ = self.lock().execute(entry.step);
                }
            }
        }
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Carries out a step and returns its raw answer, or `None` if it hangs: the device keeps it then.
    pub(super) fn run(&self, driver: &Weak<Driver>, token: Token, step: Step) -> Option<i64> {
        let mut state = self.lock();
        let fault = state.draw(step);
        if state.hanging || fault == Some(Fault::Hang) {
            state.hung.push(Hung { driver: driver.clone(), token, step });
            return None;
        }
        Some(state.execute_with(step, fault))
    }

    /// Carries out a step that hung before and does not hang again.
    pub(super) fn run_released(&self, step: Step) -> i64 {
        self.lock().execute(step)
    }

    pub(super) fn has_latency(&self) -> bool {
        self.lock().faults.latency_max > 0
    }

    /// A number in `0..=latency_max`.
    pub(super) fn draw_latency(&self) -> u64 {
        let mut state = self.lock();
        let bound = state.faults.latency_max;
        if bound == 0 { 0 } else { state.rng.below(bound + 1) }
    }

    /// Closes a handle that no operation closes: its owner was dropped, or the open that made it was abandoned.
    pub(crate) fn close(&self, fd: i32) {
        let _ = self.lock().close(fd);
    }

    /// Attributes of an open file, as `statx(2)` gives them, without faults.
    pub(super) fn attributes(&self, fd: i32) -> io::Result<libc::statx> {
        // SAFETY: all-zero bytes are a valid `statx`, a struct of integers.
        let mut out: libc::statx = unsafe { std::mem::zeroed() };
        match self.lock().fill_statx(fd, &mut out) {
            0 => Ok(out),
            errno => Err(io::Error::from_raw_os_error(-errno as i32)),
        }
    }
}

impl std::fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = self.lock();
        f.debug_struct("SimDisk")
            .field("files", &state.inodes.len())
            .field("steps", &state.steps)
            .field("syncs", &state.syncs)
            .field("hung", &state.hung.len())
            .finish_non_exhaustive()
    }
}

impl State {
    /// Counts a step and draws what goes wrong with it.
    fn draw(&mut self, step: Step) -> Option<Fault> {
        let kind = kind_of(step);
        let nth = self.counts[kind as usize];
        self.counts[kind as usize] += 1;
        self.faults.draw(kind, nth, &mut self.rng)
    }

    fn execute(&mut self, step: Step) -> i64 {
        self.execute_with(step, None)
    }

    fn execute_with(&mut self, step: Step, fault: Option<Fault>) -> i64 {
        let syncs = matches!(step, Step::Sync { .. });
        let dark = match self.power_cut {
            PowerCut::Never => false,
            PowerCut::AtStep(step) => self.steps >= step,
            // From the sync on everything fails, not only syncs.
            PowerCut::AtSync(sync) => self.syncs > sync || (syncs && self.syncs == sync),
        };
        self.steps += 1;
        self.syncs += u64::from(syncs);
        match fault {
            // A handle is given back whatever the power does, as by a process that ends.
            _ if dark && !matches!(step, Step::Close { .. }) => -i64::from(libc::EIO),
            Some(Fault::Error(errno)) => {
                if let Step::Close { fd } = step {
                    let _ = self.close(fd);
                }
                -i64::from(errno)
            }
            fault => self.carry_out(step, fault),
        }
    }

    pub(super) fn add_inode(&mut self, inode: Inode) -> u64 {
        self.inodes_made += 1;
        self.inodes.insert(self.inodes_made, inode);
        self.inodes_made
    }

    /// Frees files without a name and without a handle.
    pub(super) fn collect(&mut self) {
        let (names, handles) = (&self.names, &self.handles);
        self.inodes.retain(|number, _| {
            names.values().any(|node| *node == Node::File(*number))
                || handles.iter().flatten().any(|handle| handle.inode == Some(*number))
        });
    }

    pub(super) fn file_at(&self, path: &Path) -> Result<u64, i32> {
        match self.names.get(path) {
            Some(Node::File(number)) => Ok(*number),
            Some(Node::Directory) => Err(libc::EISDIR),
            None => Err(libc::ENOENT),
        }
    }

    /// Whether a name can be made: its parent is a directory.
    pub(super) fn check_parent(&self, path: &Path) -> Result<(), i32> {
        let Some(parent) = path.parent() else { return Err(libc::ENOENT) };
        match self.names.get(parent) {
            Some(Node::Directory) => Ok(()),
            Some(Node::File(_)) => Err(libc::ENOTDIR),
            None if parent.ancestors().any(|up| matches!(self.names.get(up), Some(Node::File(_)))) => {
                Err(libc::ENOTDIR)
            }
            None => Err(libc::ENOENT),
        }
    }

    pub(super) fn handle(&self, fd: i32) -> Result<&OpenFile, i32> {
        let index = usize::try_from(fd - SIMULATED_FD_BASE).map_err(|_| libc::EBADF)?;
        self.handles.get(index).and_then(Option::as_ref).ok_or(libc::EBADF)
    }

    pub(super) fn close(&mut self, fd: i32) -> i64 {
        if self.handle(fd).is_err() {
            return -i64::from(libc::EBADF);
        }
        self.handles[(fd - SIMULATED_FD_BASE) as usize] = None;
        self.collect();
        0
    }

    /// Pages that may still be allocated.
    pub(super) fn room(&self) -> u64 {
        let Some(capacity) = self.faults.capacity else { return u64::MAX };
        let used: u64 = self.inodes.values().map(|inode| inode.content.live().pages()).sum();
        (capacity / PAGE).saturating_sub(used)
    }
}

/// The kind of operation that a step belongs to.
fn kind_of(step: Step) -> OpKind {
    match step {
        Step::Read { .. } => OpKind::Read,
        Step::Write { .. } => OpKind::Write,
        Step::ReadVectored { .. } => OpKind::ReadVectored,
        Step::WriteVectored { .. } => OpKind::WriteVectored,
        Step::Sync { data_only: true, .. } => OpKind::Fdatasync,
        Step::Sync { data_only: false, .. } => OpKind::Fsync,
        Step::Allocate { .. } => OpKind::Fallocate,
        Step::Truncate { .. } => OpKind::Ftruncate,
        Step::Statx { .. } => OpKind::Statx,
        Step::Open { .. } => OpKind::Open,
        Step::Close { .. } => OpKind::Close,
        Step::Advise { .. } => OpKind::Fadvise,
    }
}

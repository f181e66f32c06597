//! The device that can be made to fail, and files on it.

use crate::lab::{self, Kind, data};
use rustfs_rio_engine::buf::AlignedBuf;
use rustfs_rio_engine::sim::SimDisk;
use rustfs_rio_engine::{DirectMode, Engine, EngineConfig, FileError, OpenOptions};
use std::future::Future;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

/// Length of a block in these tests: a multiple of every sector size.
pub(crate) const BLOCK: usize = 4096;

/// More than anything here takes, even emulated on a busy machine: exceeding it means that something hangs.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// The mapped device and its file system.
pub(crate) struct Rig {
    control: String,
    device: String,
    directory: PathBuf,
}

impl Rig {
    pub(crate) fn new() -> Self {
        let rig = Self {
            control: variable("RIO_VM_DM_CONTROL"),
            device: variable("RIO_VM_DM_DEVICE"),
            directory: variable("RIO_VM_DM_DIR").into(),
        };
        rig.heal();
        rig
    }

    /// Makes the device behave in this way from now on.
    pub(crate) fn fault(&self, words: &[&str]) {
        let status = Command::new(&self.control).args(words).status().unwrap();
        assert!(status.success(), "{} {words:?}: {status}", self.control);
    }

    /// Makes the device work again.
    pub(crate) fn heal(&self) {
        self.fault(&["none"]);
    }

    /// Mounts the file system afresh: a failed write of its journal would leave it read-only for whoever comes next. That
    /// it can be unmounted also shows that no handle is left open.
    pub(crate) fn remount(&self) {
        self.heal();
        let deadline = Instant::now() + PATIENCE;
        while !succeeds(Command::new("umount").arg(&self.directory)) {
            assert!(Instant::now() < deadline, "a file on {} is still open", self.directory.display());
            // why: the kernel gives up a ring's file references some time after the last close, and tells nobody.
            std::thread::sleep(Duration::from_millis(50));
        }
        // The journal is written when asked for, not at a moment when the device happens to fail.
        let options = "commit=3600,noatime";
        let mut mount = Command::new("mount");
        mount.args(["-t", "ext4", "-o", options, &self.device]).arg(&self.directory);
        assert!(succeeds(&mut mount), "mount {} failed", self.device);
    }

    /// A file of so many blocks on the device, written and synced by other means than the engine.
    pub(crate) fn file(&self, name: &str, stream: u64, blocks: usize) -> PathBuf {
        install(&self.directory.join(name), stream, blocks)
    }

    /// Waits until the device has nothing in flight.
    pub(crate) fn settle(&self) {
        let number = std::fs::metadata(&self.device).unwrap().rdev();
        let path = format!("/sys/dev/block/{}:{}/inflight", libc::major(number), libc::minor(number));
        let deadline = Instant::now() + PATIENCE;
        while std::fs::read_to_string(&path).unwrap().split_whitespace().any(|count| count != "0") {
            assert!(Instant::now() < deadline, "the device does not come to rest");
            std::thread::yield_now();
        }
    }
}

/// Writes a file of a stream and makes it durable, journal included.
pub(crate) fn install(path: &Path, stream: u64, blocks: usize) -> PathBuf {
    let file = std::fs::File::create(path).unwrap();
    file.write_all_at(&data::bytes(stream, 0, blocks * BLOCK), 0).unwrap();
    file.sync_all().unwrap();
    std::fs::File::open(path.parent().unwrap()).unwrap().sync_all().unwrap();
    path.to_owned()
}

pub(crate) fn variable(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|_| panic!("{name} is not set: run this by `cargo xtask vm faults`"))
}

fn succeeds(command: &mut Command) -> bool {
    command.status().is_ok_and(|status| status.success())
}

/// Runs a case on two workers; one that hangs is an error rather than the end of the machine's patience.
pub(crate) fn run(case: impl Future<Output = ()>) {
    let runtime = lab::runtime(2);
    runtime.block_on(async { tokio::time::timeout(3 * PATIENCE, case).await.expect("the case hangs") });
    // A thread that a hang holds must not hold the runtime.
    runtime.shutdown_background();
}

/// An engine on a real backend. The emulated machine has io_uring, so a refusal is a failure, not a skip.
pub(crate) fn engine(kind: Kind) -> Engine {
    kind.engine(
        EngineConfig { ring: rustfs_rio_engine::RingUse::Required, ..EngineConfig::default() },
        &SimDisk::new(1),
    )
    .expect("the emulated machine has io_uring")
}

pub(crate) fn buffered() -> OpenOptions {
    OpenOptions::new().read(true).write(true)
}

pub(crate) fn direct() -> OpenOptions {
    buffered().direct(DirectMode::On)
}

pub(crate) fn empty() -> AlignedBuf {
    AlignedBuf::with_capacity(BLOCK).unwrap()
}

/// Block `index` of a stream.
pub(crate) fn block(stream: u64, index: usize) -> AlignedBuf {
    AlignedBuf::copy_from(&data::bytes(stream, offset(index), BLOCK)).unwrap()
}

pub(crate) fn offset(index: usize) -> u64 {
    (index * BLOCK) as u64
}

/// Checks that the error number is the kernel's, unchanged.
#[track_caller]
pub(crate) fn assert_errno(error: &std::io::Error, errno: i32) {
    assert_eq!(FileError::errno(error), Some(errno), "{error}");
}

#[track_caller]
pub(crate) fn assert_eio(error: &std::io::Error) {
    assert_errno(error, libc::EIO);
}

//! The file systems the contract tests run on, beside the directory that tests use anyway.
//!
//! ext4, xfs and btrfs live in sparse image files, mounted through loop devices; tmpfs is memory. The tests learn the
//! mount points from `RIO_TEST_DIRS=label=path:label=path`.
//!
//! Clean-up is left to the kernel on purpose. The mounts are made inside a private mount namespace that holds this
//! program and the tests, and each image file is unlinked as soon as it is mounted. Whichever way the run ends, a kill
//! included, the last process to leave takes mounts, loop devices and disk space with it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::packages::{self, Tool};
use crate::process::{self, command};
use crate::skips::SkipLog;
use crate::workspace;

/// Names the directories that tests run on, as `label=path` joined by colons.
pub(crate) const DIRS_VARIABLE: &str = "RIO_TEST_DIRS";

/// Set only inside the private mount namespace, so that nothing is ever mounted outside one.
const PRIVATE_VARIABLE: &str = "RIO_XTASK_PRIVATE_MOUNTS";

/// Above the 300 MiB that mkfs.xfs insists on; sparse, so only what tests write is used.
const IMAGE_BYTES: u64 = 600 << 20;

struct FileSystem {
    label: &'static str,
    make: &'static [&'static str],
    tool: Tool,
}

const FILE_SYSTEMS: [FileSystem; 3] = [
    FileSystem { label: "ext4", make: &["mkfs.ext4", "-q", "-F"], tool: Tool::new("mkfs.ext4", "e2fsprogs") },
    FileSystem { label: "xfs", make: &["mkfs.xfs", "-q", "-f"], tool: Tool::new("mkfs.xfs", "xfsprogs") },
    FileSystem {
        label: "btrfs",
        make: &["mkfs.btrfs", "-q", "-f"],
        tool: Tool::new("mkfs.btrfs", "btrfs-progs"),
    },
];

/// A command that re-runs this program as `xtask ARGUMENTS` inside a private mount namespace.
pub(crate) fn in_private_namespace(arguments: &[&str]) -> Result<Command> {
    let program = std::env::current_exe().context("cannot find this program's own path")?;
    let mut command = command("unshare", &["--mount", "--propagation", "private", "--"]);
    command.arg(program).args(arguments).env(PRIVATE_VARIABLE, "1");
    Ok(command)
}

/// Why this machine cannot make a private mount namespace; `None` when it can.
pub(crate) fn obstacle() -> Option<String> {
    if !cfg!(target_os = "linux") {
        return Some("loop mounts need Linux".to_owned());
    }
    if !process::is_root() {
        return Some("mounting needs root".to_owned());
    }
    let probe =
        process::output(&mut command("unshare", &["--mount", "--propagation", "private", "--", "true"]));
    probe.err().map(|error| format!("no private mount namespace: {error:#}"))
}

/// The mounted directories; dropping it removes what the kernel does not.
pub(crate) struct Matrix {
    directories: Vec<(&'static str, PathBuf)>,
    borrowed: Option<PathBuf>,
}

impl Matrix {
    /// Mounts all it can; what it cannot goes into the skip log with the reason.
    pub(crate) fn mount(log: &SkipLog) -> Result<Self> {
        let mut matrix = Self { directories: Vec::new(), borrowed: None };
        if std::env::var_os(PRIVATE_VARIABLE).is_none() {
            matrix.borrow_shared_memory(log)?;
            return Ok(matrix);
        }
        let base = workspace::own_directory("xtask/file-systems")?;
        let base_text = process::text(&base)?;
        if base_text.contains([':', '=']) {
            log.add("file systems", &format!("{base_text} holds a character that {DIRS_VARIABLE} uses"))?;
            return Ok(matrix);
        }
        for file_system in &FILE_SYSTEMS {
            match mount_image(file_system, &base) {
                Ok(directory) => matrix.directories.push((file_system.label, directory)),
                Err(error) => log.add(&format!("tests on {}", file_system.label), &format!("{error:#}"))?,
            }
        }
        match mount_tmpfs(&base) {
            Ok(directory) => matrix.directories.push(("tmpfs", directory)),
            Err(error) => log.add("tests on tmpfs", &format!("{error:#}"))?,
        }
        Ok(matrix)
    }

    /// The value of `RIO_TEST_DIRS`.
    pub(crate) fn variable(&self) -> String {
        let pairs = self.directories.iter().map(|(label, path)| format!("{label}={}", path.display()));
        pairs.collect::<Vec<_>>().join(":")
    }

    /// Without root there is still one tmpfs that everybody may write to.
    fn borrow_shared_memory(&mut self, log: &SkipLog) -> Result<()> {
        let directory = PathBuf::from(format!("/dev/shm/rio-test-{}", std::process::id()));
        match std::fs::create_dir(&directory) {
            Ok(()) => {
                self.directories.push(("tmpfs", directory.clone()));
                self.borrowed = Some(directory);
                Ok(())
            }
            Err(error) => log.add("tests on tmpfs", &format!("{}: {error}", directory.display())),
        }
    }
}

impl Drop for Matrix {
    fn drop(&mut self) {
        if let Some(directory) = &self.borrowed {
            // Nothing to be done about a leftover at this point, and it is only memory until the next boot.
            let _ = std::fs::remove_dir_all(directory);
        }
    }
}

fn mount_image(file_system: &FileSystem, base: &Path) -> Result<PathBuf> {
    packages::ensure_tools(&[file_system.tool, Tool::new("mount", "mount")])?;
    let image = base.join(format!("{}-{}.img", file_system.label, std::process::id()));
    let directory = base.join(file_system.label);
    std::fs::create_dir_all(&directory)?;
    let mounted = make_and_mount(file_system.make, &image, &directory);
    // Mounted or not, nobody needs the name again: the loop device keeps the file until it is unmounted.
    let removed = std::fs::remove_file(&image);
    mounted?;
    removed.with_context(|| format!("cannot unlink {}", image.display()))?;
    Ok(directory)
}

fn make_and_mount(make: &[&str], image: &Path, directory: &Path) -> Result<()> {
    create_sparse(image, IMAGE_BYTES)?;
    let Some((program, options)) = make.split_first() else { bail!("no program makes this file system") };
    process::output(command(program, options).arg(image))?;
    // Mounting by loop option detaches the loop device with the last unmount.
    process::output(command("mount", &["-o", "loop"]).arg(image).arg(directory))?;
    Ok(())
}

fn mount_tmpfs(base: &Path) -> Result<PathBuf> {
    let directory = base.join("tmpfs");
    std::fs::create_dir_all(&directory)?;
    let options = format!("size={IMAGE_BYTES}");
    process::output(command("mount", &["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&directory))?;
    Ok(directory)
}

/// Creates a file of that size without using space.
pub(crate) fn create_sparse(path: &Path, bytes: u64) -> Result<()> {
    let file = File::create(path).with_context(|| format!("cannot create {}", path.display()))?;
    file.set_len(bytes).with_context(|| format!("cannot size {}", path.display()))
}

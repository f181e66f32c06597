//! Files that appear under their name when they are whole.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use anyhow::Context;
use rustfs_rio::{DiskFile, OpenOptions, RuntimeHandle};
use rustix::fs::{CWD, RenameFlags, renameat_with};

use crate::UsageError;

/// Where bytes go.
pub(super) enum Output {
    Standard(io::Stdout),
    File { file: DiskFile, at: u64, temporary: Temporary, path: PathBuf, force: bool },
}

/// A file that is removed unless it was renamed.
pub(super) struct Temporary(Option<PathBuf>);

impl Drop for Temporary {
    fn drop(&mut self) {
        if let Some(path) = &self.0 {
            // Gone already, or nothing that could be done about it.
            _ = fs::remove_file(path);
        }
    }
}

impl Output {
    /// Standard output for `-`, else a temporary file beside `path`.
    pub(super) async fn create(handle: &RuntimeHandle, path: &Path, force: bool) -> anyhow::Result<Self> {
        if path == Path::new("-") {
            return Ok(Self::Standard(io::stdout()));
        }
        if !force && path.symlink_metadata().is_ok() {
            return Err(exists(path).into());
        }
        let name =
            path.file_name().ok_or_else(|| UsageError(format!("{} is no file name", path.display())))?;
        let hidden = format!(".{}.{}.rio-part", name.to_string_lossy(), std::process::id());
        let place = path.with_file_name(hidden);
        let options = OpenOptions::new().write(true).create_new(true);
        let file = DiskFile::open_with(&place, &options, handle).await;
        let file = file.with_context(|| format!("cannot make {}", place.display()))?;
        let temporary = Temporary(Some(place));
        Ok(Self::File { file, at: 0, temporary, path: path.to_owned(), force })
    }

    /// Writes `bytes` behind what was written before and gives the buffer back.
    pub(super) async fn write(&mut self, bytes: Vec<u8>) -> anyhow::Result<Vec<u8>> {
        match self {
            Self::Standard(out) => {
                out.write_all(&bytes).context("cannot write to standard output")?;
                Ok(bytes)
            }
            Self::File { file, at, .. } => {
                let (written, bytes) = file.write_from(bytes, *at).await;
                *at += written? as u64;
                Ok(bytes)
            }
        }
    }

    /// Makes the file durable and gives it its name.
    pub(super) async fn finish(self) -> anyhow::Result<()> {
        let (file, mut temporary, path, force) = match self {
            Self::Standard(mut out) => return out.flush().context("cannot write to standard output"),
            Self::File { file, temporary, path, force, .. } => (file, temporary, path, force),
        };
        file.flush_and_sync().await?;
        file.close().await?;
        let Some(place) = temporary.0.as_ref() else { return Ok(()) };
        let renamed = match force {
            true => fs::rename(place, &path),
            false => rename_new(place, &path),
        };
        match renamed {
            Ok(()) => {
                temporary.0 = None;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Err(exists(&path).into()),
            Err(error) => Err(error).with_context(|| format!("cannot rename to {}", path.display())),
        }
    }
}

/// Renames without replacing, also when somebody made the file meanwhile.
fn rename_new(from: &Path, to: &Path) -> io::Result<()> {
    match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
        // File systems without the flag have links, which do not replace either.
        Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {
            fs::hard_link(from, to)?;
            fs::remove_file(from)
        }
        result => Ok(result?),
    }
}

fn exists(path: &Path) -> UsageError {
    UsageError(format!("{} exists; --force replaces it, or name another file with --output", path.display()))
}

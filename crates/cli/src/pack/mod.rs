//! `rio pack`, `rio unpack`, `rio cat`, `rio inspect` and `rio key`: objects in Rio's format for new data.
//!
//! * [`args`]: the command lines.
//! * [`output`]: files that appear under their name when they are whole.
//! * [`write`](mod@write): packing. [`read`]: unpacking and ranges. [`inspect`](mod@inspect): what a file is, and the first wrong byte in it.
//!
//! Files are read and written through Rio's own engine.

mod args;
mod inspect;
mod output;
mod read;
mod write;

use std::io::{self, Write};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use rustfs_rio::RuntimeHandle;
use rustfs_rio_stream::keys::{FileKeys, KeyError, KeyProvider};
use rustfs_rio_stream::pack::PackError;

use crate::UsageError;
pub(crate) use args::{CatArgs, InspectArgs, KeyArgs, PackArgs, UnpackArgs};

/// Exit code for data that is damaged or cut off.
const EXIT_DATA: u8 = 3;
/// What the engine may take to end; it has nothing to do by then.
const SHUTDOWN: Duration = Duration::from_secs(5);
/// Bytes that are read at once where nothing else says how many.
const CHUNK_BYTES: usize = 1 << 20;
/// A bar is shown for what takes longer than this.
const PATIENCE: Duration = Duration::from_secs(2);

/// Runs `rio pack`.
pub(crate) fn pack(args: &PackArgs) -> anyhow::Result<ExitCode> {
    on_engine(async |handle| write::pack(handle, args).await)
}

/// Runs `rio unpack`.
pub(crate) fn unpack(args: &UnpackArgs) -> anyhow::Result<ExitCode> {
    on_engine(async |handle| read::unpack(handle, args).await)
}

/// Runs `rio cat`.
pub(crate) fn cat(args: &CatArgs) -> anyhow::Result<ExitCode> {
    on_engine(async |handle| read::cat(handle, args).await)
}

/// Runs `rio inspect`.
pub(crate) fn inspect(args: &InspectArgs) -> anyhow::Result<ExitCode> {
    on_engine(async |handle| inspect::inspect(handle, args).await)
}

/// Runs `rio key`.
pub(crate) fn key(args: &KeyArgs) -> anyhow::Result<ExitCode> {
    let id = FileKeys::create(&args.file)?;
    say(&format!(
        "made key {id} in {}; keep the file: without it, what is encrypted with it is lost\n",
        args.file.display()
    ))?;
    Ok(ExitCode::SUCCESS)
}

/// Runs `work` with an engine that is shut down behind it; says what is wrong with data by its exit code.
fn on_engine(work: impl AsyncFnOnce(&RuntimeHandle) -> anyhow::Result<ExitCode>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start a tokio runtime")?;
    let result = runtime.block_on(async {
        let handle = RuntimeHandle::new_tokio();
        let result = work(&handle).await;
        handle.shutdown(SHUTDOWN).await;
        result
    });
    match result {
        Err(error) if is_bad_data(&error) => {
            _ = writeln!(io::stderr(), "rio: {error:#}");
            Ok(ExitCode::from(EXIT_DATA))
        }
        Err(error)
            if error
                .downcast_ref::<KeyError>()
                .is_some_and(|key| key.kind() == io::ErrorKind::InvalidInput) =>
        {
            Err(UsageError(format!("{error:#}")).into())
        }
        result => result,
    }
}

/// Whether the content of a file is at fault: it is damaged, cut off, or of another key.
fn is_bad_data(error: &anyhow::Error) -> bool {
    error
        .chain()
        .filter_map(|cause| cause.downcast_ref::<PackError>())
        .any(|pack| matches!(pack.kind(), io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof))
}

/// The keys of a file, if one is named.
fn keys(file: Option<&std::path::Path>) -> anyhow::Result<Option<Arc<dyn KeyProvider>>> {
    Ok(match file {
        Some(path) => Some(Arc::new(FileKeys::load(path)?)),
        None => None,
    })
}

/// Writes to standard output.
fn say(text: &str) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(text.as_bytes()).and_then(|()| out.flush()).context("cannot write to standard output")
}

/// A bar on standard error that shows itself after two seconds.
struct Progress {
    bar: ProgressBar,
    since: std::time::Instant,
}

impl Progress {
    fn new(total: Option<u64>) -> Self {
        let bar = ProgressBar::with_draw_target(total, ProgressDrawTarget::hidden());
        let known = "{bytes} of {total_bytes}, {bytes_per_sec}, {eta} to go";
        let template = if total.is_some() { known } else { "{bytes}, {bytes_per_sec}" };
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        Self { bar, since: std::time::Instant::now() }
    }

    fn at(&self, bytes: u64) {
        if self.bar.is_hidden() && self.since.elapsed() > PATIENCE {
            self.bar.set_draw_target(ProgressDrawTarget::stderr());
        }
        self.bar.set_position(bytes);
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}

//! C5: peak memory of concurrent object reads. Each side runs in a process of its own, because a process's peak cannot be
//! split.

use std::io::Write;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use rustfs_rio::{DirectMode, DiskFile, OpenOptions, RuntimeConfig, init_runtime_with_config};
use rustfs_rio_load::{BLOCK, Content, DataFile, KIB, MIB};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::{Bar, Cell, ClaimError, Raw, Setting};

/// Objects read at once.
const OBJECTS: usize = 1000;
/// How long the engine may take to end.
const SHUTDOWN: Duration = Duration::from_secs(30);

/// Where the bytes of a read go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Side {
    /// A buffer of the runtime's pool.
    Pool,
    /// A vector made for the read.
    FreshVec,
}

/// Which sizes the objects have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum Sizes {
    /// All 1 MiB.
    Large,
    /// Ten of 64 KiB for each of 1 MiB.
    Mixed,
}

impl Sizes {
    fn of(self, object: usize) -> usize {
        match self {
            Self::Mixed if !object.is_multiple_of(11) => 64 * KIB,
            Self::Mixed | Self::Large => MIB,
        }
    }
}

/// What a measuring process has to do; travels as one JSON argument.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Child {
    side: Side,
    sizes: Sizes,
    direct: bool,
    workers: usize,
    file: DataFile,
}

/// What it found.
#[derive(Debug, Serialize, Deserialize)]
struct Found {
    /// Peak of the resident memory, in bytes.
    peak_bytes: u64,
    /// Whether every object held what the file holds.
    verified: bool,
}

/// C5.
pub(crate) fn measure(setting: &Setting, raw: &mut Raw) -> Result<Vec<Cell>, ClaimError> {
    let mut cells = Vec::new();
    for (sizes, name) in [(Sizes::Large, "1 MiB each"), (Sizes::Mixed, "ten of 64 KiB to one of 1 MiB")] {
        for direct in [false, true] {
            let mut saved = Vec::new();
            for repeat in 0..setting.repeats {
                let peak = |side| {
                    peak_of(
                        setting,
                        Child {
                            side,
                            sizes,
                            direct,
                            workers: setting.workers,
                            file: setting.dataset.file().clone(),
                        },
                    )
                };
                // The order alternates, so that a drift of the machine meets both sides.
                let (pool, vec) = if repeat % 2 == 0 {
                    let pool = peak(Side::Pool)?;
                    (pool, peak(Side::FreshVec)?)
                } else {
                    let vec = peak(Side::FreshVec)?;
                    (peak(Side::Pool)?, vec)
                };
                raw.add(json!({ "claim": "C5", "sizes": sizes, "direct": direct, "pool_peak_bytes": pool, "vec_peak_bytes": vec }));
                saved.push((1.0 - pool as f64 / vec as f64) * 100.0);
            }
            let cache = if direct { "direct" } else { "cached" };
            cells.push(Cell::new(
                format!("peak memory below a fresh Vec, {name}, {cache}"),
                "%",
                Bar::AtLeast(50.0),
                saved,
            ));
        }
    }
    Ok(cells)
}

/// Runs a measuring process.
fn peak_of(setting: &Setting, child: Child) -> Result<u64, ClaimError> {
    setting.check()?;
    let what = format!("{:?} {:?}", child.side, child.sizes);
    let failed = |reason: String| ClaimError::Child { what: what.clone(), reason };
    let argument = serde_json::to_string(&child).map_err(|error| failed(error.to_string()))?;
    let (program, arguments) = &setting.child;
    let mut command = Command::new(program);
    command.args(arguments).arg(argument).stdin(Stdio::null());
    let output = command.output().map_err(ClaimError::system("start a measuring process"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(failed(format!("{}; {}", output.status, said.trim())));
    }
    let found: Found = serde_json::from_slice(&output.stdout).map_err(|error| failed(error.to_string()))?;
    if found.verified { Ok(found.peak_bytes) } else { Err(failed("an object held wrong bytes".to_owned())) }
}

/// The measuring process: does what `description` says and writes what it found to `out`, as JSON.
///
/// # Errors
///
/// [`ClaimError`] for a description that is none, and whatever kept the reads from being carried out.
pub fn run_child(description: &str, out: &mut impl Write) -> Result<(), ClaimError> {
    let what = || "a description".to_owned();
    let child: Child = serde_json::from_str(description)
        .map_err(|error| ClaimError::Child { what: what(), reason: error.to_string() })?;
    let found = child.read_all()?;
    let found = serde_json::to_value(&found).unwrap_or(Value::Null);
    writeln!(out, "{found}").map_err(ClaimError::system("write the result"))
}

impl Child {
    fn read_all(&self) -> Result<Found, ClaimError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(self.workers)
            .enable_all()
            .build()
            .map_err(ClaimError::system("start a tokio runtime"))?;
        runtime.block_on(self.read_in_runtime())
    }

    async fn read_in_runtime(&self) -> Result<Found, ClaimError> {
        let config = RuntimeConfig::from_env().map_err(ClaimError::setup("the runtime"))?;
        let rio = init_runtime_with_config(config).map_err(ClaimError::setup("the runtime"))?;
        let direct = if self.direct { DirectMode::On } else { DirectMode::Off };
        let options = OpenOptions::new().read(true).direct(direct);
        let file = DiskFile::open_with(&self.file.path, &options, &rio).await;
        let file = Arc::new(file.map_err(ClaimError::setup("the test file"))?);
        let content = Arc::new(Content::new(self.file.seed));
        let mut offset = 0;
        let mut tasks = Vec::new();
        for object in 0..OBJECTS {
            let len = self.sizes.of(object);
            if offset + len as u64 > self.file.size {
                offset = 0;
            }
            let (file, content, side) = (Arc::clone(&file), Arc::clone(&content), self.side);
            tasks.push(tokio::spawn(async move { read(&file, &content, side, offset, len).await }));
            offset += len as u64;
        }
        let mut verified = true;
        for task in tasks {
            verified &= matches!(task.await, Ok(Ok(true)));
        }
        let peak_bytes = peak_resident()?;
        drop(file);
        rio.shutdown(SHUTDOWN).await;
        Ok(Found { peak_bytes, verified })
    }
}

async fn read(
    file: &DiskFile,
    content: &Content,
    side: Side,
    offset: u64,
    len: usize,
) -> std::io::Result<bool> {
    let holds = |bytes: &[u8]| {
        bytes.len() == len
            && bytes.len().is_multiple_of(BLOCK)
            && content.check(offset, bytes, None, offset).is_ok()
    };
    match side {
        Side::Pool => Ok(holds(&file.read_range(offset, len as u64).await?)),
        Side::FreshVec => {
            let (result, bytes) = file.read_into(vec![0; len], offset).await;
            Ok(result? == len && holds(&bytes))
        }
    }
}

/// `VmHWM` of `proc_pid_status(5)`, in bytes.
fn peak_resident() -> Result<u64, ClaimError> {
    let status =
        std::fs::read_to_string("/proc/self/status").map_err(ClaimError::system("read /proc/self/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib =
        line.and_then(|rest| rest.trim().strip_suffix("kB")).and_then(|kib| kib.trim().parse::<u64>().ok());
    kib.map(|kib| kib * 1024).ok_or_else(|| ClaimError::System {
        operation: "find VmHWM in /proc/self/status",
        source: std::io::ErrorKind::InvalidData.into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rustfs_rio_load::{Cancel, Dataset};

    #[test]
    fn a_child_reads_everything_and_tells_its_peak() {
        let directory = tempfile::tempdir().unwrap();
        let dataset = Dataset::create(directory.path(), 4 << 20, 7, &Cancel::new(), &mut |_| {}).unwrap();
        for side in [Side::Pool, Side::FreshVec] {
            let child =
                Child { side, sizes: Sizes::Mixed, direct: false, workers: 2, file: dataset.file().clone() };
            let mut out = Vec::new();
            run_child(&serde_json::to_string(&child).unwrap(), &mut out).unwrap();
            let found: Found = serde_json::from_slice(&out).unwrap();
            assert!(found.verified && found.peak_bytes > 1 << 20, "{found:?}");
        }
    }

    #[test]
    fn wrong_bytes_are_noticed_and_a_bad_description_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let dataset = Dataset::create(directory.path(), 4 << 20, 7, &Cancel::new(), &mut |_| {}).unwrap();
        let file = DataFile { seed: 8, ..dataset.file().clone() };
        let child = Child { side: Side::Pool, sizes: Sizes::Large, direct: false, workers: 1, file };
        assert!(!child.read_all().unwrap().verified);
        let error = run_child("{}", &mut Vec::new()).unwrap_err().to_string();
        assert!(error.contains("description") && error.contains("side"), "{error}");
    }

    #[test]
    fn ten_small_objects_stand_for_each_large_one() {
        let large = (0..11_000).filter(|object| Sizes::Mixed.of(*object) == MIB).count();
        assert_eq!(large, 1000);
    }
}

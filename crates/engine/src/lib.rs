//! File I/O from tokio tasks, on the best path for each operation.
//!
//! An [`Engine`] opens [`File`]s. Each operation is carried out where it is cheapest: copies of resident data on the
//! calling task, direct and cold transfers through io_uring, everything that would make a ring start kernel threads on a
//! bounded pool. Where io_uring is refused, the pool does it all, and [`Engine::capabilities`] says why.
//!
//! Modules, in reading order:
//!
//! * [`Engine`], [`EngineConfig`]: ownership, choice of path, shutdown.
//! * [`File`], [`OpenOptions`]: the operations.
//! * `op`: operations as state machines without I/O; `errno`: what error numbers mean; `table`: who owns what while the
//!   kernel works; `admission`: how many and who is next.
//! * `limits`: bounds that change while the engine works.
//! * `watch`: who hears of changes of a file's content.
//! * `recording`: where operations are counted for the monitor.
//! * `uring`, `blocking`, `sim`: the backends. `inline`: the path without one. `direct`: alignment.
//!
//! Invariants:
//!
//! * Buffer, file and permit of an operation belong to the table from submission to completion; a dropped future gives
//!   up the result only.
//! * A permit is released at completion. Every queue is bounded by the table's size.
//! * A failed sync poisons the file.
//! * Nothing is freed that the kernel may still use: what does not complete at shutdown is leaked and reported.
//!
//! Not here: buffer pools, caches, prefetching, metrics with names.
//!
//! ```
//! use rustfs_rio_engine::{Engine, EngineConfig, OpenOptions};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?; let path = dir.path().join("object");
//! let engine = Engine::new(EngineConfig::default())?;
//! let file = engine.open(&path, &OpenOptions::new().read(true).write(true).create(true)).await?;
//! let (written, _) = file.write_at(b"hello".to_vec(), 0).await;
//! assert_eq!(written?, 5);
//! let (read, buffer) = file.read_at(Vec::with_capacity(16), 0).await;
//! assert_eq!((read?, &buffer[..]), (5, &b"hello"[..]));
//! assert!(engine.shutdown(std::time::Duration::from_secs(1)).await.is_clean());
//! # Ok(()) }
//! ```

mod admission;
mod blocking;
mod borrowed;
mod config;
mod direct;
mod engine;
mod errno;
mod error;
mod file;
#[cfg(feature = "floor")]
pub mod floor;
mod health;
mod inflight;
mod inline;
mod limits;
#[cfg(all(test, rio_loom))]
mod loom_tests;
#[cfg(not(rio_loom))]
pub mod mapped;
mod op;
mod open;
mod payload;
mod recording;
mod shared;
#[cfg(any(test, feature = "testing"))]
pub mod sim;
mod stat;
mod sync;
mod syncs;
mod table;
mod uring;
mod vectored;
mod watch;

pub use config::{Backend, EngineConfig, RingUse};
pub use engine::{Capabilities, Engine, EngineStats, ShutdownReport};
pub use errno::RingRefusal;
pub use error::{EngineError, FileError, Refusal};
pub use file::{Advice, File};
pub use inline::{budget, charge};
pub use limits::Limits;
pub use op::OpKind;
pub use open::{DirectMode, OpenOptions, UnalignedWrites};
pub use recording::TRACE_TARGET;
pub use rustfs_rio_buf as buf;
pub use rustfs_rio_monitor as monitor;
pub use shared::Route;
pub use stat::{DirectAlignment, Stat};
pub use watch::{Change, ContentWatcher};

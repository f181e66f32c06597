//! A write-ahead log: what it acknowledged is there after a crash, in order and once.
//!
//! A [`Wal`] is a directory of segments of fixed size. Appends that arrive while a commit runs share the next one: one write
//! and one sync for all of them. A task of the log carries out the commits that several appends wait for; [`Durability::Relaxed`]
//! has another one that syncs. Both end with the log.
//!
//! Modules, in reading order:
//!
//! * [`mod@format`]: the bytes on disk, without I/O; `docs/formats/wal.md` specifies them.
//! * `group`: who commits what, without I/O; loom checks it.
//! * `log`: the writing side: segments, control file, and the order in which they become durable.
//! * `survey`, `examine`, `open`: what is in a directory, what is wrong with it, and how a log is recovered.
//! * `reader`: records in order, also while others append. `salvage`: what is whole in a damaged log, into another one.
//! * `directory`: names, and the lock against a second writer.
//!
//! What holds:
//!
//! * An acknowledged record is durable in the sense of the log's [`Durability`], and the records of a batch are there
//!   together or not at all.
//! * Damage to something durable is an error with the place; what was never durable is cut off at opening and reported.
//! * A failed write or sync ends the log: every waiter and every later append gets the first error.
//! * Memory is bounded by [`WalConfig::pending_bytes_max`], about twice with the room that buffers grow by.
//!
//! Not here: replication, compression, encryption, and finding records by anything but their sequence.
//!
//! ```
//! use rustfs_rio_engine::{Engine, EngineConfig};
//! use rustfs_rio_wal::{Wal, WalConfig};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?; let path = dir.path().join("log");
//! let engine = Engine::new(EngineConfig::default())?;
//! let config = WalConfig { segment_bytes: 1 << 20, ..WalConfig::default() };
//! let wal = Wal::create(&engine, &path, config.clone()).await?;
//! assert_eq!(wal.append(b"put a=1").await?, 1);
//! assert_eq!(wal.append_batch(&["put b=2", "del a"]).await?, [2, 3]);
//! drop(wal);
//!
//! let wal = Wal::open(&engine, &path, config).await?;
//! assert_eq!(wal.recovery().records, 3);
//! let mut reader = wal.read_from(2)?;
//! assert_eq!(reader.next().await?.map(|entry| entry.data), Some("put b=2".into()));
//! wal.close().await?;
//! # Ok(()) }
//! ```
#![forbid(unsafe_code)]

mod config;
mod directory;
mod entry;
mod error;
mod examine;
pub mod format;
mod group;
mod log;
#[cfg(all(test, rio_loom))]
mod loom_tests;
mod open;
mod reader;
mod recording;
mod salvage;
mod survey;
mod sync;
mod wal;

pub use config::{Durability, WalConfig};
pub use entry::WalEntry;
pub use error::{Damage, WalError};
pub use examine::{Report, SegmentInfo, SegmentState, Tail, inspect};
pub use reader::Reader;
pub use salvage::{Imported, Salvaged, import_draft, salvage};
pub use wal::Wal;

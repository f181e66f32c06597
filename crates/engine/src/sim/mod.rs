//! A deterministic device for tests: files in memory, faults from a plan, everything decided by a seed.
//!
//! [`engine`] makes an [`Engine`] whose operations all go to a [`SimDisk`] instead of the kernel. The disk outlives the
//! engine and can lose power: [`SimDisk::crash`] gives the disk as it would be found afterwards. [`Faults`] says what
//! goes wrong. On a current-thread runtime, equal seeds give equal runs.
//!
//! Modules, in reading order: `disk` (names, files, handles, power), `image` (what is durable), `exec` (one step of an
//! operation), `faults`, `driver` (order of events; the link to the engine), `rng`.
//!
//! ```
//! use rustfs_rio_engine::sim::{self, SimDisk};
//! use rustfs_rio_engine::{EngineConfig, OpenOptions};
//!
//! # #[tokio::main(flavor = "current_thread")] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let disk = SimDisk::new(42);
//! let engine = sim::engine(EngineConfig::default(), &disk)?;
//! let file = engine.open("/log", &OpenOptions::new().write(true).create(true)).await?;
//! file.write_at(b"kept".to_vec(), 0).await.0?;
//! file.sync_data().await?;
//! file.write_at(b"maybe".to_vec(), 0).await.0?;
//! assert_eq!(disk.read_durable("/log").as_deref(), Some(&b"kept"[..]));
//! let after_power_loss = disk.crash();
//! assert_eq!(after_power_loss.paths(), disk.paths());
//! # Ok(()) }
//! ```

mod disk;
mod driver;
mod exec;
mod faults;
mod image;
mod rng;

pub use disk::SimDisk;
pub(crate) use driver::{Driver, SimHandle, drive};
pub use faults::{Fault, Faults, Scripted};
pub use rng::Rng;

use crate::config::EngineConfig;
use crate::engine::Engine;
use crate::error::EngineError;

/// Starts an engine on the current tokio runtime whose files are those of `disk`. The backend in `config` has no effect.
///
/// # Errors
///
/// [`EngineError`] for settings out of range and outside a runtime.
pub fn engine(config: EngineConfig, disk: &SimDisk) -> Result<Engine, EngineError> {
    Engine::simulated(config, disk)
}

//! What Rio sees, for people: a web dashboard and HTTP endpoints that any program can carry.
//!
//! ```
//! use rustfs_rio::{AdvancedPerformanceMonitor, PerformanceMonitorConfig, RuntimeConfig, init_runtime_with_config};
//! use rustfs_rio_dash::{Dashboard, Watched};
//! use std::sync::Arc;
//!
//! # #[tokio::main] async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let monitor = Arc::new(AdvancedPerformanceMonitor::new(PerformanceMonitorConfig::default()));
//! let runtime =
//!     init_runtime_with_config(RuntimeConfig { recorder: Some(monitor.recorder()), ..RuntimeConfig::default() })?;
//! let server = Dashboard::new(&Watched::new(&runtime, &monitor)).serve("127.0.0.1:0").await?;
//! println!("http://{}/", server.address());
//! // The program's own work.
//! server.shutdown().await;
//! # Ok(()) }
//! ```
//!
//! Modules, in reading order:
//!
//! * [`Observed`]: what a dashboard looks at. [`model`]: what each panel shows, as types; `openapi` describes them.
//! * `sampler`: the numbers that only a dashboard keeps. `panel`: from all of that to the model.
//! * [`Dashboard`], [`Server`]: settings, listening, limits. `server`: who may ask (`guard`, `login`), what can be asked (`routes`).
//! * [`profile`]: CPU profiles and flame graphs. [`TraceRing`]: spans and events of the last seconds.
//! * [`Client`]: asks a dashboard.
//! * [`report`]: reports of one file, and pictures of access patterns.
//!
//! Invariants:
//!
//! * Nothing shown is made up: a panel without data says why, and what to switch on.
//! * Beyond this machine nobody gets an answer without the token. Names that a browser was tricked into using are refused, so are
//!   requests of other sites.
//! * Connections, requests, streams, sessions, samples and profiles are bounded; a client that does not read is dropped.
//! * The assets, chart library included, are part of the binary: no request leaves the machine.
#![forbid(unsafe_code)]

mod asset;
mod client;
mod error;
pub mod model;
mod openapi;
mod panel;
pub mod profile;
pub mod report;
mod sampler;
mod server;
mod source;
mod trace_ring;

pub use client::{Client, ClientError};
pub use error::DashError;
pub use sampler::Tuning;
pub use server::{Dashboard, Server};
pub use source::{Answer, Observed, Watched};
pub use trace_ring::TraceRing;

//! What the engine's tests stand on: backends, directories, skips, and the balance of the books.
//!
//! Each test program uses a part of this.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a failed step ends the test, and skips are printed"
)]
#![allow(dead_code, reason = "every test program includes this module and uses a part of it")]

pub(crate) mod data;

use rustfs_rio_engine::sim::{self, SimDisk};
use rustfs_rio_engine::{Backend, Engine, EngineConfig, EngineError, FileError, OpKind, Refusal};
use std::future::Future;
use std::io;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

/// More than any test needs: exceeding it means that something hangs, not that the machine is slow.
pub(crate) const GENEROUS: Duration = Duration::from_secs(60);

/// A way to carry out operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Auto,
    Uring,
    Blocking,
    Sim,
}

impl Kind {
    pub(crate) const ALL: [Kind; 4] = [Kind::Auto, Kind::Uring, Kind::Blocking, Kind::Sim];

    /// An engine of this kind, or `None` after a loud skip where the machine refuses it.
    pub(crate) fn engine(self, config: EngineConfig, disk: &SimDisk) -> Option<Engine> {
        let backend = match self {
            Self::Sim => return Some(sim::engine(config, disk).unwrap()),
            Self::Auto => Backend::Auto,
            Self::Uring => Backend::Uring,
            Self::Blocking => Backend::Blocking,
        };
        match Engine::new(EngineConfig { backend, ..config }) {
            Ok(engine) => Some(engine),
            Err(EngineError::RingRefused(refusal)) => {
                skip(&format!("the uring backend: {refusal}"));
                None
            }
            Err(error) => panic!("{self:?}: {error}"),
        }
    }
}

/// Records that something could not run on this machine; a failure where nothing may be skipped.
pub(crate) fn skip(reason: &str) {
    let line = format!("RIO-SKIP: {reason}");
    println!("{line}");
    if let Some(path) = std::env::var_os("RIO_SKIP_LOG") {
        let mut log = std::fs::OpenOptions::new().append(true).create(true).open(path).unwrap();
        writeln!(log, "{line}").unwrap();
    }
    let required = std::env::var("RIO_REQUIRE_ALL");
    let may_skip =
        required.is_err() || required.is_ok_and(|v| matches!(v.as_str(), "" | "0" | "false" | "off"));
    assert!(may_skip, "RIO_REQUIRE_ALL is set, and this was skipped: {reason}");
}

/// A number from the environment, or the default.
pub(crate) fn number(variable: &str, default: u64) -> u64 {
    match std::env::var(variable) {
        Ok(text) => text.parse().unwrap_or_else(|_| panic!("{variable} is '{text}', expected a number")),
        Err(_) => default,
    }
}

/// A directory to work in.
pub(crate) struct Place {
    /// What file system it stands for.
    pub(crate) label: String,
    directory: tempfile::TempDir,
}

impl Place {
    /// The temporary directory, and those of `RIO_TEST_DIRS`, each with a fresh directory in it.
    pub(crate) fn all() -> Vec<Place> {
        let named = std::env::var("RIO_TEST_DIRS").unwrap_or_default();
        let mut places = vec![Place { label: "tmp".to_owned(), directory: tempfile::tempdir().unwrap() }];
        for entry in named.split(':').filter(|entry| !entry.is_empty()) {
            let (label, path) =
                entry.split_once('=').expect("RIO_TEST_DIRS has the form label=path:label=path");
            places.push(Place { label: label.to_owned(), directory: tempfile::tempdir_in(path).unwrap() });
        }
        places
    }

    pub(crate) fn path(&self) -> &Path {
        self.directory.path()
    }
}

/// One backend in one directory.
pub(crate) struct Lab {
    pub(crate) kind: Kind,
    pub(crate) label: String,
    pub(crate) engine: Engine,
    pub(crate) disk: SimDisk,
    base: PathBuf,
}

impl Lab {
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.base.join(name)
    }

    pub(crate) fn is_sim(&self) -> bool {
        self.kind == Kind::Sim
    }

    /// Puts a file there without the engine.
    pub(crate) fn install(&self, name: &str, data: &[u8]) -> PathBuf {
        let path = self.path(name);
        if self.is_sim() {
            self.disk.install(&path, data);
        } else {
            std::fs::write(&path, data).unwrap();
        }
        path
    }

    pub(crate) fn make_directory(&self, name: &str) -> PathBuf {
        let path = self.path(name);
        if self.is_sim() {
            self.disk.create_dir(&path).unwrap();
        } else {
            std::fs::create_dir(&path).unwrap();
        }
        path
    }

    /// What the file holds, asked without the engine.
    pub(crate) fn content(&self, path: &Path) -> Vec<u8> {
        if self.is_sim() { self.disk.read_live(path).unwrap() } else { std::fs::read(path).unwrap() }
    }

    pub(crate) fn exists(&self, path: &Path) -> bool {
        if self.is_sim() { self.disk.read_live(path).is_some() } else { path.exists() }
    }
}

/// A test case of the contract.
pub(crate) type Case = for<'a> fn(&'a Lab) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

/// Runs a case on a backend in every directory and on both kinds of runtime, and balances the books each time.
pub(crate) fn run(kind: Kind, config: &EngineConfig, case: Case) {
    let places: Vec<(String, Option<Place>)> = match kind {
        Kind::Sim => vec![("sim".to_owned(), None)],
        _ => Place::all().into_iter().map(|place| (place.label.clone(), Some(place))).collect(),
    };
    for (label, place) in places {
        for workers in [0, 2] {
            let base =
                place.as_ref().map_or(PathBuf::from("/"), |place| place.path().join(workers.to_string()));
            if place.is_some() {
                std::fs::create_dir(&base).unwrap();
            }
            println!("{kind:?} on {label}, {workers} extra workers");
            let config = config.clone();
            let label = label.clone();
            runtime(workers).block_on(async move {
                let disk = SimDisk::new(1);
                let Some(engine) = kind.engine(config, &disk) else { return };
                let lab = Lab { kind, label, engine, disk, base };
                tokio::time::timeout(GENEROUS, case(&lab)).await.expect("the case hangs");
                balance(&lab.engine).await;
                assert_eq!(lab.disk.open_handles(), 0, "handles are left open");
            });
        }
    }
}

/// A runtime: current-thread with 0 workers.
pub(crate) fn runtime(workers: usize) -> tokio::runtime::Runtime {
    let mut builder = match workers {
        0 => tokio::runtime::Builder::new_current_thread(),
        _ => tokio::runtime::Builder::new_multi_thread(),
    };
    if workers > 0 {
        builder.worker_threads(workers);
    }
    builder.enable_all().build().unwrap()
}

/// Shuts the engine down, which must be clean, and checks that every operation ended one way or the other.
pub(crate) async fn balance(engine: &Engine) {
    let report = engine.shutdown(GENEROUS).await;
    assert!(report.is_clean() && !report.already_down, "{report:?}");
    let stats = engine.stats();
    assert_eq!(stats.in_flight, 0, "{stats:?}");
    assert_eq!(stats.submitted, stats.delivered + stats.reclaimed, "{stats:?}");
}

/// The context of a failed operation, after checking that it names operation and path and that the kinds agree.
#[track_caller]
pub(crate) fn failure<T: std::fmt::Debug>(
    result: io::Result<T>,
    operation: OpKind,
    path: &Path,
) -> io::Error {
    let error = result.expect_err("the operation should fail");
    let context = FileError::of(&error).unwrap_or_else(|| panic!("no context around: {error:?}"));
    assert_eq!((context.operation, context.path.as_path()), (operation, path), "{error}");
    assert_eq!(error.kind(), context.source.kind(), "{error}");
    let text = error.to_string();
    assert!(text.contains(operation.name()) && text.contains(&path.display().to_string()), "{text}");
    error
}

/// The refusal behind a failed operation, checked as by [`failure`].
#[track_caller]
pub(crate) fn refusal<T: std::fmt::Debug>(result: io::Result<T>, operation: OpKind, path: &Path) -> String {
    let error = failure(result, operation, path);
    let refusal = Refusal::of(&error).unwrap_or_else(|| panic!("not a refusal: {error:?}"));
    format!("{refusal:?}")
}

/// Polls a future to its end on this thread, without any runtime.
pub(crate) fn block_on<F: Future>(future: F) -> F::Output {
    struct Unpark(std::thread::Thread);
    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = std::pin::pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(output) => return output,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// Polls a future once and drops it; whether it was ready.
pub(crate) fn poll_and_drop<F: Future>(future: F) -> bool {
    std::pin::pin!(future).poll(&mut Context::from_waker(Waker::noop())).is_ready()
}

/// Lets the runtime run until nothing is in flight.
pub(crate) async fn settle(engine: &Engine) {
    let settled = async {
        while engine.stats().in_flight > 0 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(GENEROUS, settled).await.expect("abandoned operations end");
}

/// Lets the runtime run until the condition holds.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let held = async {
        while !condition() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(GENEROUS, held).await.unwrap_or_else(|_| panic!("never happened: {what}"));
}

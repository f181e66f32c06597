//! Settings of a dashboard, and the server that owns its tasks.
//!
//! * `listen`: connections, their bounds and their end; `timed`: a client that does not read is dropped. `tls`: certificates.
//! * `guard`: what every request must pass; `login`: tokens and cookies.
//! * `routes`: what can be asked; `events`: live panels; `debug`: profiles and traces.

mod debug;
mod events;
mod guard;
mod listen;
mod login;
mod routes;
mod timed;
mod tls;

pub(crate) use debug::Wish as ProfileWish;
pub(crate) use events::Wish as StreamWish;

use crate::error::DashError;
use crate::panel::Panels;
use crate::profile::Profiler;
use crate::sampler::Sampler;
use crate::source::Observed;
use crate::trace_ring::TraceRing;
use axum::Router;
use login::{Token, TokenError};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;

/// Live streams at one time: each costs a panel per second.
const STREAMS_MAX: usize = 32;
/// Panels that are made at one time.
const PANELS_AT_ONCE: usize = 2;
/// How long connections may take to end when the server does.
const GRACE: Duration = Duration::from_secs(2);

/// Makes a heap profile in the gzipped format of pprof, or says why not.
type HeapProfile = dyn Fn() -> Result<Vec<u8>, String> + Send + Sync;

/// A dashboard before it is served: what it shows, and who may ask.
pub struct Dashboard {
    source: Arc<dyn Observed>,
    token: Option<String>,
    tls: Option<(PathBuf, PathBuf)>,
    hosts: Vec<String>,
    control: bool,
    trace: Option<TraceRing>,
    heap: Option<Box<HeapProfile>>,
}

impl Dashboard {
    /// A dashboard of a runtime: an [`EnhancedRioRuntime`](rustfs_rio::EnhancedRioRuntime), a [`Watched`](crate::Watched) pair, or
    /// something else that is [`Observed`].
    #[must_use]
    pub fn new<S: Observed + Clone>(source: &S) -> Self {
        Self {
            source: Arc::new(source.clone()),
            token: None,
            tls: None,
            hosts: Vec::new(),
            control: false,
            trace: None,
            heap: None,
        }
    }

    /// Demands this token of everybody, as `Authorization: Bearer TOKEN` or by logging in. 16 to 256 characters. Without one only
    /// loopback addresses are served.
    #[must_use]
    pub fn token(mut self, token: impl Into<String>) -> Self {
        self.token = Some(token.into());
        self
    }

    /// Serves TLS with a certificate chain and a private key, both as PEM files.
    #[must_use]
    pub fn tls(mut self, certificate: impl AsRef<Path>, key: impl AsRef<Path>) -> Self {
        self.tls = Some((certificate.as_ref().to_owned(), key.as_ref().to_owned()));
        self
    }

    /// Answers requests for this host name too. Addresses and `localhost` are always answered; other names are refused, because a page
    /// of another site can make its own name mean this machine (DNS rebinding).
    #[must_use]
    pub fn allow_host(mut self, name: impl Into<String>) -> Self {
        self.hosts.push(name.into().to_ascii_lowercase());
        self
    }

    /// Lets those who may ask also set silences. Default: they may only look.
    #[must_use]
    pub fn allow_control(mut self) -> Self {
        self.control = true;
        self
    }

    /// Serves what this ring holds as `/debug/trace`.
    #[must_use]
    pub fn trace(mut self, ring: TraceRing) -> Self {
        self.trace = Some(ring);
        self
    }

    /// Serves heap profiles as `/debug/pprof/heap`. `profile` runs on a thread for blocking work.
    #[must_use]
    pub fn heap_profile(
        mut self,
        profile: impl Fn() -> Result<Vec<u8>, String> + Send + Sync + 'static,
    ) -> Self {
        self.heap = Some(Box::new(profile));
        self
    }

    /// The dashboard as a router, for a server of the program's own, which then is responsible for limits on connections and for TLS.
    /// Its sampling task ends when the router is dropped.
    ///
    /// # Errors
    ///
    /// [`DashError::Token`], [`DashError::NoRuntime`].
    pub fn router(self) -> Result<Router, DashError> {
        let (_, down) = watch::channel(false);
        Ok(routes::router(self.app(down)?))
    }

    /// Serves it on `address`, such as `127.0.0.1:9100`; port 0 takes a free one. Keep the server: dropping it ends it.
    ///
    /// # Errors
    ///
    /// [`DashError`]: the address is none or is in use, others could ask and no token is set, the certificate cannot be used.
    pub async fn serve(self, address: &str) -> Result<Server, DashError> {
        tokio::runtime::Handle::try_current().map_err(|_| DashError::NoRuntime)?;
        let resolved = resolve(address).await?;
        if !resolved.ip().is_loopback() && self.token.is_none() {
            return Err(DashError::TokenMissing { address: address.to_owned(), min: login::TOKEN_MIN });
        }
        let tls = match &self.tls {
            Some((certificate, key)) => Some(tls::acceptor(certificate, key)?),
            None => None,
        };
        let listener = TcpListener::bind(resolved).await.map_err(|error| cannot_listen(address, error))?;
        let address = listener.local_addr().map_err(|error| cannot_listen(address, error))?;
        let (stop, stopped) = watch::channel(false);
        let is_tls = tls.is_some();
        let router = routes::router(self.app(stopped.clone())?);
        let task = tokio::spawn(listen::run(listener, tls, router, stopped));
        tracing::info!(%address, tls = is_tls, "the dashboard is served");
        Ok(Server { address, is_tls, stop, task: Some(task) })
    }

    fn app(self, down: watch::Receiver<bool>) -> Result<Arc<App>, DashError> {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| DashError::NoRuntime)?;
        let token = self.token.map(|token| Token::new(&token)).transpose();
        let token = token.map_err(|TokenError { len }| DashError::Token {
            len,
            min: login::TOKEN_MIN,
            max: login::TOKEN_MAX,
        })?;
        let sampler = Sampler::start(Arc::clone(&self.source), &runtime);
        Ok(Arc::new(App {
            panels: Arc::new(Panels::new(self.source, sampler, self.control)),
            made: Mutex::default(),
            making: Semaphore::new(PANELS_AT_ONCE),
            streams: Arc::new(Semaphore::new(STREAMS_MAX)),
            token,
            is_tls: self.tls.is_some(),
            hosts: self.hosts,
            profiler: Profiler::new(),
            heap: self.heap.map(Arc::from),
            trace: self.trace,
            down,
        }))
    }
}

impl std::fmt::Debug for Dashboard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Never the token.
        f.debug_struct("Dashboard")
            .field("has_token", &self.token.is_some())
            .field("tls", &self.tls)
            .field("hosts", &self.hosts)
            .field("control", &self.control)
            .finish_non_exhaustive()
    }
}

async fn resolve(address: &str) -> Result<SocketAddr, DashError> {
    let failed = |source| DashError::Address { address: address.to_owned(), source };
    let mut found = tokio::net::lookup_host(address).await.map_err(failed)?;
    found.next().ok_or_else(|| failed(std::io::Error::other("the name has no address")))
}

fn cannot_listen(address: &str, source: std::io::Error) -> DashError {
    let remedy = match source.kind() {
        std::io::ErrorKind::AddrInUse => {
            "end the program that uses it (ss -ltnp), or take another port; port 0 takes a free one"
        }
        std::io::ErrorKind::PermissionDenied => "take a port from 1024 on",
        std::io::ErrorKind::AddrNotAvailable => "take an address of this machine (ip address)",
        _ => "take another address",
    };
    DashError::Listen { address: address.to_owned(), source, remedy }
}

/// A running dashboard. Dropping it ends it at once; [`shutdown`](Self::shutdown) lets answers be finished.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    is_tls: bool,
    stop: watch::Sender<bool>,
    task: Option<JoinHandle<()>>,
}

impl Server {
    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of its first page.
    #[must_use]
    pub fn url(&self) -> String {
        format!("{}://{}/", if self.is_tls { "https" } else { "http" }, self.address)
    }

    /// Takes no more connections, ends live streams, lets answers that are on their way be finished for up to two seconds, and ends
    /// every task.
    pub async fn shutdown(mut self) {
        _ = self.stop.send(true);
        if let Some(task) = self.task.take() {
            _ = task.await;
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if let Some(task) = &self.task {
            task.abort();
        }
    }
}

/// What requests share.
struct App {
    panels: Arc<Panels>,
    /// Panels of this second.
    made: Mutex<HashMap<(crate::panel::Panel, crate::panel::Range), (u64, bytes::Bytes)>>,
    making: Semaphore,
    streams: Arc<Semaphore>,
    token: Option<Token>,
    is_tls: bool,
    hosts: Vec<String>,
    profiler: Profiler,
    heap: Option<Arc<HeapProfile>>,
    trace: Option<TraceRing>,
    down: watch::Receiver<bool>,
}

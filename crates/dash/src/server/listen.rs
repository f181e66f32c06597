//! Connections: accepting, their bounds, and their end.
//!
//! At most [`CONNECTIONS_MAX`] are open. One more takes the place of the one that has been idle for longest, so that connections which
//! only wait cannot keep others out; if none is idle, the new one is closed. Headers, handshakes, bodies and writes have a bound in time,
//! and headers one in size, so a connection costs some tens of KiB at most.

use super::GRACE;
use super::timed::Timed;
use axum::Router;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{AbortHandle, JoinSet};
use tokio_rustls::TlsAcceptor;
use tower::ServiceExt;

/// Connections at one time: a browser has six, a scraper one.
const CONNECTIONS_MAX: usize = 256;
/// For the headers of a request, and so between two requests of a connection.
const HEADER_TIMEOUT: Duration = Duration::from_secs(10);
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(5);
/// For a write without any progress.
const WRITE_TIMEOUT: Duration = Duration::from_secs(15);
/// Bytes of a request's line and headers.
const HEADERS_MAX: usize = 16 << 10;
/// After an accept that failed because descriptors ran out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// What is known of a connection.
struct State {
    busy: usize,
    since: Instant,
}

/// Says that a connection is not idle, for as long as it lives.
#[derive(Clone)]
pub(super) struct Busy(#[allow(dead_code, reason = "what matters is when it is dropped")] Arc<BusyInner>);

struct BusyInner(Arc<Mutex<State>>);

impl Busy {
    fn new(state: &Arc<Mutex<State>>) -> Self {
        let mut locked = state.lock();
        locked.busy += 1;
        drop(locked);
        Self(Arc::new(BusyInner(Arc::clone(state))))
    }
}

impl Drop for BusyInner {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        state.busy -= 1;
        state.since = Instant::now();
    }
}

struct Connection {
    state: Arc<Mutex<State>>,
    abort: AbortHandle,
}

/// Accepts until `stopped` says so, then lets connections end.
pub(super) async fn run(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    router: Router,
    mut stopped: watch::Receiver<bool>,
) {
    let mut tasks: JoinSet<u64> = JoinSet::new();
    let mut open: HashMap<u64, Connection> = HashMap::new();
    let mut next = 0u64;
    loop {
        tokio::select! {
            () = told(&mut stopped) => break,
            Some(ended) = tasks.join_next_with_id(), if !tasks.is_empty() => forget(&mut open, ended.map(|(_, id)| id).ok()),
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    if open.len() >= CONNECTIONS_MAX && !make_room(&mut open) {
                        continue;
                    }
                    let state = Arc::new(Mutex::new(State { busy: 0, since: Instant::now() }));
                    let (id, tls, router) = (next, tls.clone(), router.clone());
                    next += 1;
                    let (shared, stop) = (Arc::clone(&state), stopped.clone());
                    let abort = tasks.spawn(async move {
                        // An error is the client's: it went away, or sent what is no HTTP.
                        _ = serve(stream, tls, router, shared, stop).await;
                        id
                    });
                    open.insert(id, Connection { state, abort });
                }
                Err(error) => {
                    tracing::warn!(%error, "a connection to the dashboard was not accepted");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    let all_ended = async { while tasks.join_next().await.is_some() {} };
    if tokio::time::timeout(GRACE, all_ended).await.is_err() {
        tasks.shutdown().await;
    }
}

/// Waits until the server is to end, or is gone.
async fn told(stopped: &mut watch::Receiver<bool>) {
    _ = stopped.wait_for(|stopped| *stopped).await;
}

fn forget(open: &mut HashMap<u64, Connection>, id: Option<u64>) {
    match id {
        Some(id) => drop(open.remove(&id)),
        // Aborted tasks do not say which they were.
        None => open.retain(|_, connection| !connection.abort.is_finished()),
    }
}

/// Ends the connection that has been idle for longest; `false` if none is idle.
fn make_room(open: &mut HashMap<u64, Connection>) -> bool {
    let idle = open.iter().filter_map(|(id, connection)| {
        let state = connection.state.lock();
        (state.busy == 0).then_some((state.since, *id))
    });
    let Some((_, id)) = idle.min() else { return false };
    if let Some(connection) = open.remove(&id) {
        connection.abort.abort();
    }
    true
}

async fn serve(
    stream: TcpStream,
    tls: Option<TlsAcceptor>,
    router: Router,
    state: Arc<Mutex<State>>,
    stopped: watch::Receiver<bool>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    // Answers are written whole; waiting for more would only delay them.
    _ = stream.set_nodelay(true);
    let stream = Timed::new(stream, WRITE_TIMEOUT);
    match tls {
        None => converse(TokioIo::new(stream), router, state, stopped).await,
        Some(tls) => {
            let stream = tokio::time::timeout(HANDSHAKE_TIMEOUT, tls.accept(stream)).await??;
            converse(TokioIo::new(stream), router, state, stopped).await
        }
    }
}

async fn converse<S>(
    io: TokioIo<S>,
    router: Router,
    state: Arc<Mutex<State>>,
    mut stopped: watch::Receiver<bool>,
) -> Result<(), Box<dyn std::error::Error + Send + Sync>>
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    let service = tower::service_fn(move |mut request: hyper::Request<Incoming>| {
        let busy = Busy::new(&state);
        request.extensions_mut().insert(busy.clone());
        let answer = router.clone().oneshot(request);
        async move {
            let _busy = busy;
            answer.await
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_TIMEOUT)
        .max_buf_size(HEADERS_MAX)
        .serve_connection(io, TowerToHyperService::new(service));
    let mut connection = std::pin::pin!(connection);
    tokio::select! {
        result = connection.as_mut() => result?,
        () = told(&mut stopped) => {
            connection.as_mut().graceful_shutdown();
            connection.await?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_one_idle_for_longest_makes_room() {
        let now = Instant::now();
        let mut open = HashMap::new();
        let mut busy = Vec::new();
        for (id, age) in [(1, 5), (2, 30), (3, 60)] {
            let since = now.checked_sub(Duration::from_secs(age)).unwrap_or(now);
            let state = Arc::new(Mutex::new(State { busy: 0, since }));
            if id == 3 {
                busy.push(Busy::new(&state));
            }
            open.insert(
                id,
                Connection { state, abort: tokio::spawn(std::future::pending::<()>()).abort_handle() },
            );
        }
        assert!(make_room(&mut open));
        assert!(!open.contains_key(&2) && open.len() == 2);
        assert!(make_room(&mut open));
        assert!(!make_room(&mut open), "a busy one was ended");
        drop(busy);
        assert!(make_room(&mut open) && open.is_empty());
    }
}

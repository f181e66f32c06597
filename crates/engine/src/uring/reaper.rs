//! The task that looks after a ring when nobody else does: one per ring, owned by the engine.

use super::{RingConfig, Shard, probe};
use std::os::fd::{AsRawFd, RawFd};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::{Duration, Instant};
use tokio::io::Interest;
use tokio::io::unix::AsyncFd;
use tokio::sync::Notify;

/// First pause before a failed ring is replaced; doubles up to [`RETRY_MAX`].
const RETRY_MIN: Duration = Duration::from_secs(1);
const RETRY_MAX: Duration = Duration::from_secs(60);

/// Turns in which the reaper waits for tasks that it woke before it switches notifications on again.
const QUIET_TURNS: usize = 8;

/// The shard as an owner of the descriptor that tokio watches.
struct Watched(Arc<Shard>);

impl AsRawFd for Watched {
    fn as_raw_fd(&self) -> RawFd {
        self.0.event().as_raw_fd()
    }
}

/// What happens when the task ends, by the engine or because its runtime is shut down: nobody will watch the ring, so
/// what is nearly done is collected and nothing more is sent to it.
struct LastRites(Arc<Shard>);

impl Drop for LastRites {
    fn drop(&mut self) {
        self.0.condemn();
        if self.0.drain(Instant::now() + LAST_DRAIN) == 0 {
            return;
        }
        // Futures elsewhere still wait for what the kernel has, however long the device takes. The thread ends with the last
        // of it; on a device that hangs it stays, like the memory.
        let shard = Arc::clone(&self.0);
        let drain = move || while shard.drain(Instant::now() + RETRY_MAX) > 0 {};
        let _ = std::thread::Builder::new().name("rio-last-drain".to_owned()).spawn(drain);
    }
}

/// Bound on the time that the end of the task may hold its thread.
const LAST_DRAIN: Duration = Duration::from_millis(50);

/// Runs until it is dropped or aborted by the engine.
pub(crate) fn reaper(
    shard: Arc<Shard>,
    config: RingConfig,
    failed: Arc<Notify>,
) -> impl Future<Output = ()> + Send + 'static {
    // Made here, because a task that is dropped before its first turn never reaches its body.
    let last_rites = LastRites(Arc::clone(&shard));
    async move {
        let _last_rites = last_rites;
        watch(shard, config, failed).await;
    }
}

async fn watch(shard: Arc<Shard>, config: RingConfig, failed: Arc<Notify>) {
    let mut pause = RETRY_MIN;
    // SAFETY: the descriptor belongs to the shard, which never replaces it, and the registration owns a reference to the
    // shard.
    let registered =
        unsafe { AsyncFd::register_with_interest(Watched(Arc::clone(&shard)), Interest::READABLE) };
    let Ok(event) = registered else {
        tracing::error!("cannot watch a ring; its work moves to blocking threads");
        return;
    };
    loop {
        serve(&shard, &event, &failed).await;
        // The ring is broken from here on, and operations avoid it.
        replace(&shard, &config, &mut pause).await;
    }
}

/// Reaps whenever completions are announced; returns when the ring has failed and the kernel has nothing of it any more.
async fn serve(shard: &Shard, event: &AsyncFd<Watched>, failed: &Notify) {
    while !shard.is_broken() || shard.in_kernel() > 0 {
        tokio::select! {
            biased;
            () = failed.notified() => {}
            ready = event.readable() => match ready {
                // Cleared before reaping: a completion that arrives during the reaping makes it readable again. The counter
                // behind it is never read, because tokio waits for edges and every completion is one.
                Ok(mut guard) => guard.clear_ready(),
                Err(_) => return shard.condemn(),
            },
        }
        // Tasks woken now will submit and reap by themselves; an announcement meanwhile would only wake another worker.
        shard.set_quiet(true);
        shard.kick();
        for _ in 0..QUIET_TURNS {
            // Those tasks run before this one does again; what they leave goes to the kernel then.
            Requeue(false).await;
            shard.sweep();
            if !shard.is_awaited() {
                break;
            }
        }
        shard.set_quiet(false);
        shard.kick();
    }
}

async fn replace(shard: &Shard, config: &RingConfig, pause: &mut Duration) {
    loop {
        tokio::time::sleep(*pause).await;
        *pause = (*pause * 2).min(RETRY_MAX);
        match probe(config) {
            Ok((ring, _)) => {
                if let Err(error) = shard.install(ring) {
                    tracing::warn!(%error, "a new ring cannot be watched");
                    continue;
                }
                tracing::info!("a new ring works; operations use it again");
                *pause = RETRY_MIN;
                return;
            }
            Err(refusal) => tracing::warn!(%refusal, "io_uring is still refused"),
        }
    }
}

/// Puts the task at the end of its worker's run queue, once. tokio's `yield_now` would also wait for a turn of the I/O
/// driver, which costs a system call.
struct Requeue(bool);

impl Future for Requeue {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<()> {
        if self.0 {
            return Poll::Ready(());
        }
        self.0 = true;
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

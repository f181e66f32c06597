//! A task with an owner that ends it: asked to end, waited for within a bound, and aborted if the owner is dropped.

use crate::error::RuntimeError;
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

/// A running task.
pub(crate) struct OwnedTask {
    name: &'static str,
    end: watch::Sender<bool>,
    handle: Mutex<Option<JoinHandle<()>>>,
}

/// Tells a task that it has to end.
pub(crate) struct Ended(watch::Receiver<bool>);

impl Ended {
    /// Returns when the task has to end, or its owner is gone.
    pub(crate) async fn wait(&mut self) {
        let _ = self.0.wait_for(|ended| *ended).await;
    }
}

impl OwnedTask {
    /// Starts a task on the current tokio runtime.
    pub(crate) fn start<F>(name: &'static str, make: impl FnOnce(Ended) -> F) -> Result<Self, RuntimeError>
    where
        F: Future<Output = ()> + Send + 'static,
    {
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| RuntimeError::RuntimeUnavailable)?;
        let (end, ended) = watch::channel(false);
        let handle = runtime.spawn(make(Ended(ended)));
        Ok(Self { name, end, handle: Mutex::new(Some(handle)) })
    }

    /// Asks the task to end and waits for it until `deadline`, after which it is aborted. Whether it ended by itself; safe to call
    /// again.
    pub(crate) async fn end(&self, deadline: Instant) -> bool {
        self.end.send_replace(true);
        let Some(mut handle) = self.handle.lock().take() else { return true };
        let result = tokio::time::timeout_at(deadline, &mut handle).await;
        match result {
            Ok(Ok(())) => true,
            Ok(Err(error)) => {
                tracing::error!(task = self.name, %error, "a task of the runtime ended badly");
                false
            }
            Err(_) => {
                tracing::error!(task = self.name, "a task of the runtime did not end in time and is aborted");
                handle.abort();
                let _ = handle.await;
                false
            }
        }
    }
}

impl Drop for OwnedTask {
    fn drop(&mut self) {
        if let Some(handle) = self.handle.lock().take() {
            handle.abort();
        }
    }
}

//! Where those wait who want what another is reading already.

use super::page::Page;
use std::io;
use std::sync::{Arc, OnceLock};
use tokio::sync::Notify;

/// What a read brought to those who waited for it.
#[derive(Clone)]
pub(crate) enum Arrival {
    /// Blocks in order from the first of the read on; missing ones are beyond the end of the file.
    Pages(Arc<[Arc<Page>]>),
    /// The read failed.
    Failed(Arc<io::Error>),
    /// The reader gave up: whoever waits reads.
    GivenUp,
}

/// Meeting point of one read and any number of waiters.
#[derive(Default)]
pub(crate) struct Landing {
    arrival: OnceLock<Arrival>,
    landed: Notify,
}

impl Landing {
    /// Tells everybody who waits, and who comes later. Only the first call counts.
    pub(crate) fn arrive(&self, arrival: Arrival) {
        if self.arrival.set(arrival).is_ok() {
            self.landed.notify_waiters();
        }
    }

    /// Waits for the end of the read.
    pub(crate) async fn wait(&self) -> Arrival {
        let mut landed = std::pin::pin!(self.landed.notified());
        loop {
            // Registered before the look, so that an arrival in between is not missed.
            landed.as_mut().enable();
            if let Some(arrival) = self.arrival.get() {
                return arrival.clone();
            }
            landed.as_mut().await;
            landed.set(self.landed.notified());
        }
    }
}

//! What stands between an engine and a simulated device: the queue of events and the task that works it off.
//!
//! An operation passes through two events, its execution on the device and the report of its completion. Both get a time
//! on a virtual clock, so that with latency in the plan executions and reports are reordered. One task takes events in the
//! order of that clock; on a current-thread runtime everything is therefore determined by the seed.
//!
//! Like a kernel, the driver keeps the request itself: its memory belongs to the in-flight table until the report.

use super::disk::SimDisk;
use crate::op::{Path, Step};
use crate::shared::Core;
use crate::sync::{Condvar, Mutex};
use crate::table::{Next, Token};
use std::collections::BTreeMap;
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::task::{Context, Poll};
use std::time::Instant;
use tokio::sync::Notify;

/// A simulated file's handle; closed on drop.
pub(crate) struct SimHandle {
    /// `None` once an operation has taken over the closing.
    disk: Option<SimDisk>,
    fd: i32,
}

impl SimHandle {
    pub(crate) fn raw(&self) -> i32 {
        self.fd
    }

    /// Attributes of the file.
    pub(crate) fn attributes(&self) -> std::io::Result<libc::statx> {
        let disk = self.disk.as_ref().ok_or(std::io::ErrorKind::NotFound)?;
        disk.attributes(self.fd)
    }

    /// The handle for an operation that closes it.
    pub(crate) fn into_raw(mut self) -> i32 {
        self.disk = None;
        self.fd
    }
}

impl Drop for SimHandle {
    fn drop(&mut self) {
        if let Some(disk) = &self.disk {
            disk.close(self.fd);
        }
    }
}

/// What happens next to an operation.
enum Event {
    Execute(Token, Step),
    /// As `Execute` for a step that hung before and must not again.
    ExecuteReleased(Token, Step),
    Report(Token, i64),
}

#[derive(Default)]
struct Queue {
    /// By time, then in the order in which they were made.
    events: BTreeMap<(u64, u64), Event>,
    now: u64,
    made: u64,
    /// Events that are being worked off.
    active: usize,
    /// Steps that the device withholds. Below zero for a moment when one is released before it was counted.
    hung: isize,
    /// No task works the queue off any more: whoever adds to it does.
    unattended: bool,
    closed: bool,
}

/// The backend that sends everything to a simulated device.
pub(crate) struct Driver {
    this: Weak<Driver>,
    core: Arc<Core>,
    disk: SimDisk,
    queue: Mutex<Queue>,
    work: Notify,
    quiet: Condvar,
}

impl Driver {
    pub(crate) fn new(disk: SimDisk, core: Arc<Core>) -> Arc<Self> {
        Arc::new_cyclic(|this| Self {
            this: Weak::clone(this),
            core,
            disk,
            queue: Mutex::new(Queue::default()),
            work: Notify::new(),
            quiet: Condvar::new(),
        })
    }

    /// Takes over an operation of the table. `false` if the driver is closed; the operation is then untouched.
    pub(crate) fn submit(&self, token: Token) -> bool {
        let Some(step) = self.core.table.step(token) else { return true };
        if self.queue.lock().closed {
            return false;
        }
        self.add(Event::Execute(token, step));
        self.attend();
        true
    }

    pub(crate) fn handle(&self, fd: i32) -> SimHandle {
        SimHandle { disk: Some(self.disk.clone()), fd }
    }

    /// The device goes on with a step that hung.
    pub(super) fn released(&self, token: Token, step: Step) {
        self.queue.lock().hung -= 1;
        self.add(Event::ExecuteReleased(token, step));
        self.attend();
    }

    fn add(&self, event: Event) {
        let latency = self.disk.draw_latency();
        let mut queue = self.queue.lock();
        let key = (queue.now + latency, queue.made);
        queue.made += 1;
        queue.events.insert(key, event);
    }

    /// Has somebody work the queue off.
    fn attend(&self) {
        if self.queue.lock().unattended {
            while self.turn() {}
        } else {
            self.work.notify_one();
        }
    }

    /// Works off the next event; `false` if there is none.
    fn turn(&self) -> bool {
        let event = {
            let mut queue = self.queue.lock();
            let Some(((time, _), event)) = queue.events.pop_first() else { return false };
            queue.now = queue.now.max(time);
            queue.active += 1;
            event
        };
        match event {
            Event::Execute(token, step) => match self.disk.run(&self.this, token, step) {
                Some(answer) => self.report_later(token, answer),
                None => self.queue.lock().hung += 1,
            },
            Event::ExecuteReleased(token, step) => self.report_later(token, self.disk.run_released(step)),
            Event::Report(token, answer) => self.report(token, answer),
        }
        self.queue.lock().active -= 1;
        self.quiet.notify_all();
        true
    }

    fn report_later(&self, token: Token, answer: i64) {
        if self.disk.has_latency() {
            self.add(Event::Report(token, answer));
        } else {
            self.report(token, answer);
        }
    }

    fn report(&self, token: Token, answer: i64) {
        match self.core.table.complete(token, answer, Path::Blocking) {
            Next::Step(step) => self.add(Event::Execute(token, step)),
            next => self.core.settle(next),
        }
    }

    /// Carries out what is queued and waits for hung steps, at the latest until `deadline`; then takes no more operations.
    pub(crate) fn drain(&self, deadline: Instant) {
        loop {
            while self.turn() {}
            let mut queue = self.queue.lock();
            if !queue.events.is_empty() {
                continue;
            }
            let busy = queue.active > 0 || queue.hung > 0;
            if !busy || self.quiet.wait_until(&mut queue, deadline).timed_out() {
                queue.closed = true;
                return;
            }
        }
    }
}

/// The task of a driver. Ends when it is aborted; then whoever adds work carries it out.
pub(crate) fn drive(driver: Arc<Driver>) -> impl Future<Output = ()> + Send + 'static {
    // Made here, because a task that is dropped before its first turn never reaches its body.
    let attendance = Attendance(driver);
    async move {
        loop {
            while attendance.0.turn() {
                Requeue(false).await;
            }
            attendance.0.work.notified().await;
        }
    }
}

struct Attendance(Arc<Driver>);

impl Drop for Attendance {
    fn drop(&mut self) {
        self.0.queue.lock().unattended = true;
        while self.0.turn() {}
    }
}

/// Lets every task that is ready run before this one goes on.
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

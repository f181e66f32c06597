//! One thread that owns the ring, tokio tasks that send it requests through a channel and await the replies: the shape
//! of many engines that give plain tokio an io_uring.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, FromRawFd};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crossbeam_channel::{Receiver, Sender, TryRecvError};
use rustfs_rio_buf::AlignedBuf;
use rustfs_rio_engine::floor::{Action, Completion, Ring, Transfer};
use rustfs_rio_load::{Job, LoadError, Notes, OpKind, Outcome, Run, Target, TaskLoop};
use tokio::sync::oneshot;

/// Operations of the driver at once; more wait in the channel.
const DEPTH: usize = 256;

/// A driver thread behind a channel.
#[derive(Debug, Default)]
pub struct DriverThread;

type Reply = (io::Result<usize>, AlignedBuf);

struct Request {
    transfer: Transfer<Arc<File>>,
    sync: bool,
    reply: oneshot::Sender<Reply>,
}

/// Wakes the driver when it waits for completions.
struct Bell {
    event: File,
    asleep: AtomicBool,
}

impl Bell {
    fn new() -> io::Result<Self> {
        // SAFETY: no pointers are passed; a negative result is checked below.
        let fd = unsafe { libc::eventfd(0, libc::EFD_CLOEXEC | libc::EFD_NONBLOCK) };
        if fd < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the descriptor is new and owned by nobody else.
        Ok(Self { event: unsafe { File::from_raw_fd(fd) }, asleep: AtomicBool::new(false) })
    }

    fn ring(&self) {
        if self.asleep.swap(false, Ordering::SeqCst) {
            // An eventfd fails only when its counter is full, and then the driver wakes anyway.
            _ = (&self.event).write(&1_u64.to_ne_bytes());
        }
    }
}

impl Target for DriverThread {
    fn name(&self) -> &str {
        "driver-thread"
    }

    fn run(&self, job: &Job) -> Result<Outcome, LoadError> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(job.workers)
            .build()
            .map_err(|error| job.engine_error(self.name(), error))?;
        let bell = Arc::new(Bell::new().map_err(|error| job.engine_error(self.name(), error))?);
        job.measure(self.name(), |run| {
            let (sender, receiver) = crossbeam_channel::bounded(DEPTH);
            let driver = {
                let bell = Arc::clone(&bell);
                thread::spawn(move || drive(&receiver, &bell))
            };
            let mut handles = Vec::new();
            for index in 0..job.workload.tasks {
                let parts = (Arc::new(job.open()?), job.buffer()?);
                let (sender, bell) = (sender.clone(), Arc::clone(&bell));
                handles.push(runtime.spawn(carry_out(Arc::clone(run), run.task(index), parts, sender, bell)));
            }
            drop(sender);
            for handle in handles {
                if let Err(error) = runtime.block_on(handle) {
                    run.fail(error.to_string());
                }
            }
            bell.ring();
            match driver.join() {
                Ok(Ok(ring_enters)) => {
                    Ok(Notes { backend: Some("io_uring".into()), ring_enters: Some(ring_enters), ..Notes::default() })
                }
                Ok(Err(error)) => Err(job.engine_error(self.name(), error)),
                Err(_) => Err(job.engine_error(self.name(), "the driver panicked")),
            }
        })
    }
}

async fn carry_out(
    run: Arc<Run>,
    mut task: TaskLoop,
    (file, mut buf): (Arc<File>, AlignedBuf),
    sender: Sender<Request>,
    bell: Arc<Bell>,
) {
    let sync = run.job().workload.sync_each;
    while let Some(op) = task.begin(&mut buf) {
        let (reply, answer) = oneshot::channel();
        let action = match op.kind {
            OpKind::Read => Action::Read,
            OpKind::Write => Action::Write,
        };
        let transfer = Transfer { action, offset: op.offset, buf, file: Arc::clone(&file) };
        let sent = sender.send(Request { transfer, sync, reply });
        bell.ring();
        let (Ok(()), Ok((result, back))) = (sent, answer.await) else {
            return run.fail("the driver is gone");
        };
        buf = back;
        task.finish(op, result, &buf);
    }
}

/// The requests under way, by slot.
struct Waiting {
    reply: oneshot::Sender<Reply>,
    sync: bool,
    /// Bytes moved by the write that is now being synced.
    moved: Option<usize>,
}

/// What the driver works on.
struct Driver {
    ring: Ring<Arc<File>>,
    waiting: Vec<Option<Waiting>>,
    free: Vec<usize>,
}

/// The driver: takes what the channel holds, submits it in one call, and waits for a completion or the bell.
fn drive(receiver: &Receiver<Request>, bell: &Bell) -> io::Result<u64> {
    let mut driver = Driver {
        ring: Ring::new(DEPTH)?,
        waiting: (0..DEPTH).map(|_| None).collect(),
        free: (0..DEPTH).collect(),
    };
    let mut done = Vec::new();
    driver.ring.poll_readable(bell.event.as_fd())?;
    loop {
        let open = driver.accept(receiver)?;
        if !open && driver.ring.under_way() == 0 {
            return Ok(driver.ring.enters());
        }
        // Whoever sends after this rings; what was sent before is seen by the second look.
        bell.asleep.store(true, Ordering::SeqCst);
        let wanted = usize::from(receiver.is_empty() && (open || driver.ring.under_way() > 0));
        driver.ring.submit_and_wait(wanted)?;
        bell.asleep.store(false, Ordering::SeqCst);
        driver.ring.reap(&mut done);
        for completion in done.drain(..) {
            match completion {
                Completion::Readable(result) => {
                    result?;
                    reset(&bell.event);
                    driver.ring.poll_readable(bell.event.as_fd())?;
                }
                Completion::Done { slot, transfer, result } => driver.complete(slot, transfer, result)?,
            }
        }
    }
}

impl Driver {
    /// Starts what the channel holds, as far as there are slots. Says whether senders are left.
    fn accept(&mut self, receiver: &Receiver<Request>) -> io::Result<bool> {
        while let Some(slot) = self.free.pop() {
            match receiver.try_recv() {
                Ok(Request { transfer, sync, reply }) => {
                    self.ring.start(slot, transfer)?;
                    self.waiting[slot] = Some(Waiting { reply, sync, moved: None });
                }
                Err(end) => {
                    self.free.push(slot);
                    return Ok(end == TryRecvError::Empty);
                }
            }
        }
        Ok(true)
    }

    fn complete(
        &mut self,
        slot: usize,
        transfer: Transfer<Arc<File>>,
        result: io::Result<usize>,
    ) -> io::Result<()> {
        let Some(mut request) = self.waiting[slot].take() else { return Ok(()) };
        if let (true, None, Ok(moved)) = (request.sync, request.moved, &result) {
            request.moved = Some(*moved);
            self.waiting[slot] = Some(request);
            return self.ring.start(slot, Transfer { action: Action::Sync, ..transfer });
        }
        self.free.push(slot);
        let result = result.map(|len| request.moved.unwrap_or(len));
        // A task that is gone has no use for the reply.
        _ = request.reply.send((result, transfer.buf));
        Ok(())
    }
}

fn reset(event: &File) {
    let mut count = [0; 8];
    // Empty already is as good.
    _ = (&*event).read(&mut count);
}

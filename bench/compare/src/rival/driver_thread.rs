//! One thread that owns the ring, tokio tasks that send it requests through a channel and await the replies: the shape
//! of many engines that give plain tokio an io_uring.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::FromRawFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use crossbeam_channel::{Receiver, Sender, TryRecvError};
use rustfs_rio_load::{Job, LoadError, Notes, OpKind, Outcome, PageBuffer, Target, TaskLoop};
use tokio::sync::oneshot;

use super::ring::{OUTSIDE, Ring, Transfer};

/// Operations of the driver at once; more wait in the channel.
const DEPTH: usize = 256;

/// A driver thread behind a channel.
#[derive(Debug, Default)]
pub struct DriverThread;

type Reply = (io::Result<usize>, PageBuffer);

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
                let file = Arc::new(job.open()?);
                let (sender, bell) = (sender.clone(), Arc::clone(&bell));
                let (block_size, sync) = (job.workload.block_size, job.workload.sync_each);
                handles.push(runtime.spawn(carry_out(run.task(index), file, sender, bell, block_size, sync)));
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
                    Ok(Notes { backend: Some("io_uring".into()), ring_enters: Some(ring_enters) })
                }
                Ok(Err(error)) => Err(job.engine_error(self.name(), error)),
                Err(_) => Err(job.engine_error(self.name(), "the driver panicked")),
            }
        })
    }
}

async fn carry_out(
    mut task: TaskLoop,
    file: Arc<File>,
    sender: Sender<Request>,
    bell: Arc<Bell>,
    block_size: usize,
    sync: bool,
) {
    let mut buf = PageBuffer::zeroed(block_size);
    while let Some(op) = task.begin(&mut buf) {
        let (reply, answer) = oneshot::channel();
        let transfer = Transfer { kind: op.kind, offset: op.offset, buf, file: Arc::clone(&file) };
        let sync = sync && op.kind == OpKind::Write;
        let sent = sender.send(Request { transfer, sync, reply });
        bell.ring();
        let result;
        (result, buf) = match (sent, answer.await) {
            (Ok(()), Ok(reply)) => reply,
            _ => (Err(io::Error::other("the driver is gone")), PageBuffer::zeroed(block_size)),
        };
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

/// The driver: takes what the channel holds, submits it in one call, and waits for a completion or the bell.
fn drive(receiver: &Receiver<Request>, bell: &Bell) -> io::Result<u64> {
    let mut ring: Ring<Arc<File>> = Ring::new(DEPTH)?;
    let mut waiting: Vec<Option<Waiting>> = (0..DEPTH).map(|_| None).collect();
    let mut free: Vec<usize> = (0..DEPTH).collect();
    let mut done = Vec::new();
    ring.poll_readable(&bell.event)?;
    loop {
        let open = accept(receiver, &mut ring, &mut waiting, &mut free)?;
        if !open && ring.under_way() == 0 {
            return Ok(ring.enters());
        }
        // Whoever sends after this rings; what was sent before is seen by the second look.
        bell.asleep.store(true, Ordering::SeqCst);
        let wanted = usize::from(receiver.is_empty() && (open || ring.under_way() > 0));
        ring.submit_and_wait(wanted)?;
        bell.asleep.store(false, Ordering::SeqCst);
        ring.reap(&mut done);
        for (index, transfer, result) in done.drain(..) {
            match (index, transfer) {
                (OUTSIDE, _) => {
                    reset(&bell.event);
                    ring.poll_readable(&bell.event)?;
                }
                (slot, Some(transfer)) => {
                    complete(slot as usize, transfer, result, &mut ring, &mut waiting, &mut free)?
                }
                (_, None) => {}
            }
        }
    }
}

/// Starts what the channel holds, as far as there are slots. Says whether senders are left.
fn accept(
    receiver: &Receiver<Request>,
    ring: &mut Ring<Arc<File>>,
    waiting: &mut [Option<Waiting>],
    free: &mut Vec<usize>,
) -> io::Result<bool> {
    while let Some(slot) = free.pop() {
        match receiver.try_recv() {
            Ok(Request { transfer, sync, reply }) => {
                ring.start(slot, transfer)?;
                waiting[slot] = Some(Waiting { reply, sync, moved: None });
            }
            Err(end) => {
                free.push(slot);
                return Ok(end == TryRecvError::Empty);
            }
        }
    }
    Ok(true)
}

fn complete(
    slot: usize,
    transfer: Transfer<Arc<File>>,
    result: io::Result<usize>,
    ring: &mut Ring<Arc<File>>,
    waiting: &mut [Option<Waiting>],
    free: &mut Vec<usize>,
) -> io::Result<()> {
    let Some(mut request) = waiting[slot].take() else { return Ok(()) };
    if let (true, None, Ok(moved)) = (request.sync, request.moved, &result) {
        request.moved = Some(*moved);
        waiting[slot] = Some(request);
        return ring.sync(slot, transfer);
    }
    free.push(slot);
    let result = result.map(|len| request.moved.unwrap_or(len));
    // A task that is gone has no use for the reply.
    _ = request.reply.send((result, transfer.buf));
    Ok(())
}

fn reset(event: &File) {
    let mut count = [0; 8];
    // Empty already is as good.
    _ = (&*event).read(&mut count);
}

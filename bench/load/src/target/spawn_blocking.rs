//! Tokio tasks that hand each system call to the blocking pool, the usual way around `tokio::fs`.

use std::io;
use std::sync::Arc;

use super::{Target, run_tasks, tokio_runtime};
use crate::{Job, LoadError, Notes, OpKind, Outcome, PageBuffer, TaskLoop, read_full_at, write_full_at};

/// `spawn_blocking` and `pread` or `pwrite`.
#[derive(Debug, Default)]
pub struct SpawnBlocking;

impl Target for SpawnBlocking {
    fn name(&self) -> &str {
        "spawn-blocking"
    }

    fn run(&self, job: &Job) -> Result<Outcome, LoadError> {
        let runtime = tokio_runtime(job, self.name())?;
        job.measure(self.name(), |run| {
            let files = (0..job.workload.tasks).map(|_| job.open()).collect::<Result<Vec<_>, _>>()?;
            let sync = job.workload.sync_each;
            let block_size = job.workload.block_size;
            let tasks = files
                .into_iter()
                .enumerate()
                .map(|(index, file)| run_task(run.task(index), file, block_size, sync));
            run_tasks(&runtime, run, tasks);
            Ok(Notes::default())
        })
    }
}

async fn run_task(mut task: TaskLoop, file: std::fs::File, block_size: usize, sync: bool) {
    let file = Arc::new(file);
    let mut buf = PageBuffer::zeroed(block_size);
    while let Some(op) = task.begin(&mut buf) {
        let (kind, offset, file) = (op.kind, op.offset, Arc::clone(&file));
        let joined = tokio::task::spawn_blocking(move || {
            let result = match kind {
                OpKind::Read => read_full_at(&file, &mut buf, offset),
                OpKind::Write => write_full_at(&file, &buf, offset, sync),
            };
            (result, buf)
        });
        let result;
        (result, buf) = match joined.await {
            Ok(done) => done,
            Err(error) => (Err(io::Error::other(error)), PageBuffer::zeroed(block_size)),
        };
        task.finish(op, result, &buf);
    }
}

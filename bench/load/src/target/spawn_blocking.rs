//! Tokio tasks that hand each system call to the blocking pool, the usual way around `tokio::fs`.

use std::fs::File;
use std::sync::Arc;

use rustfs_rio_buf::AlignedBuf;

use super::{Target, parts, run_tasks, tokio_runtime};
use crate::{Job, LoadError, Notes, OpKind, Outcome, Run, TaskLoop, read_full_at, write_full_at};

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
            let parts = parts(job)?.into_iter().enumerate();
            let tasks = parts
                .map(|(index, (file, buf))| run_task(Arc::clone(run), run.task(index), Arc::new(file), buf));
            run_tasks(&runtime, run, tasks);
            Ok(Notes::default())
        })
    }
}

async fn run_task(run: Arc<Run>, mut task: TaskLoop, file: Arc<File>, mut buf: AlignedBuf) {
    let sync = run.job().workload.sync_each;
    while let Some(op) = task.begin(&mut buf) {
        let (kind, offset, file) = (op.kind, op.offset, Arc::clone(&file));
        let joined = tokio::task::spawn_blocking(move || {
            let result = match kind {
                OpKind::Read => read_full_at(&file, &mut buf, offset),
                OpKind::Write => write_full_at(&file, &buf, offset, sync),
            };
            (result, buf)
        });
        match joined.await {
            Ok((result, back)) => {
                buf = back;
                task.finish(op, result, &buf);
            }
            Err(error) => return run.fail(error.to_string()),
        }
    }
}

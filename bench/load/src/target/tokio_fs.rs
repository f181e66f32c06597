//! `tokio::fs` as its documentation shows it: a file per task, seek, then read or write.

use std::io::{self, SeekFrom};

use rustfs_rio_buf::AlignedBuf;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

use super::{Target, parts, run_tasks, tokio_runtime};
use crate::{Job, LoadError, Notes, Op, OpKind, Outcome, TaskLoop, Workload};

/// `tokio::fs::File`.
#[derive(Debug, Default)]
pub struct TokioFs;

impl Target for TokioFs {
    fn name(&self) -> &str {
        "tokio-fs"
    }

    fn unavailable(&self, workload: &Workload) -> Option<String> {
        workload
            .direct
            .then(|| "tokio::fs copies through a buffer of its own that direct I/O would refuse".into())
    }

    fn run(&self, job: &Job) -> Result<Outcome, LoadError> {
        let runtime = tokio_runtime(job, self.name())?;
        job.measure(self.name(), |run| {
            let sync = job.workload.sync_each;
            let parts = parts(job)?.into_iter().enumerate();
            let tasks =
                parts.map(|(index, (file, buf))| run_task(run.task(index), File::from_std(file), buf, sync));
            run_tasks(&runtime, run, tasks);
            Ok(Notes::default())
        })
    }
}

async fn run_task(mut task: TaskLoop, mut file: File, mut buf: AlignedBuf, sync: bool) {
    while let Some(op) = task.begin(&mut buf) {
        let result = carry_out(&mut file, &op, &mut buf, sync).await;
        task.finish(op, result, &buf);
    }
}

async fn carry_out(file: &mut File, op: &Op, buf: &mut [u8], sync: bool) -> io::Result<usize> {
    file.seek(SeekFrom::Start(op.offset)).await?;
    match op.kind {
        OpKind::Read => file.read_exact(buf).await,
        OpKind::Write => {
            file.write_all(buf).await?;
            // Without it the write is only handed over, and its error would come with a later call or never.
            file.flush().await?;
            if sync {
                file.sync_data().await?;
            }
            Ok(buf.len())
        }
    }
}

//! glommio: one executor per thread, three rings each, buffers of its own.

use std::io;
use std::sync::Arc;

use glommio::io::{BufferedFile, DmaFile, OpenOptions};
use glommio::{LocalExecutorBuilder, Placement};
use rustfs_rio_load::{Job, LoadError, Op, OpKind, Outcome, Run, Target, TaskLoop};

use super::per_core;

/// Memory that an executor registers with its rings. Its default of 10 MiB is above the 8 MiB of locked memory that
/// an ordinary user has, and there are two executors.
const IO_MEMORY: usize = 2 << 20;
/// Entries of each of its three rings; its default.
const RING_DEPTH: usize = 128;

/// `glommio::io::BufferedFile`, or `DmaFile` for direct I/O.
#[derive(Debug, Default)]
pub struct Glommio;

/// The two kinds of file that glommio has.
enum File {
    Buffered(BufferedFile),
    Direct(DmaFile),
}

impl Target for Glommio {
    fn name(&self) -> &str {
        "glommio"
    }

    fn run(&self, job: &Job) -> Result<Outcome, LoadError> {
        per_core(job, self.name(), |run, tasks| {
            let executor = LocalExecutorBuilder::new(Placement::Unbound)
                .io_memory(IO_MEMORY)
                .ring_depth(RING_DEPTH)
                .make()
                .map_err(|error| anyhow::anyhow!("cannot start the executor: {error}"))?;
            executor.run(async {
                let handles: Vec<_> = tasks
                    .map(|index| glommio::spawn_local(run_task(Arc::clone(run), index)).detach())
                    .collect();
                for handle in handles {
                    if handle.await.is_none() {
                        run.fail("a task was cancelled");
                    }
                }
            });
            Ok(())
        })
    }
}

async fn run_task(run: Arc<Run>, index: usize) {
    match open(run.job()).await {
        Ok(file) => {
            match run.job().buffer() {
                Ok(mut buf) => carry_out(run.task(index), run.job(), &file, &mut buf).await,
                Err(error) => run.fail(error.to_string()),
            }
            let closed = match file {
                File::Buffered(file) => file.close().await,
                File::Direct(file) => file.close().await,
            };
            if let Err(error) = closed {
                run.fail(format!("cannot close the file: {error}"));
            }
        }
        Err(error) => run.fail(format!("cannot open the file: {error}")),
    }
}

async fn open(job: &Job) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(job.workload.has_writes());
    Ok(if job.workload.direct {
        File::Direct(options.dma_open(&job.file.path).await?)
    } else {
        File::Buffered(options.buffered_open(&job.file.path).await?)
    })
}

async fn carry_out(mut task: TaskLoop, job: &Job, file: &File, buf: &mut [u8]) {
    while let Some(op) = task.begin(buf) {
        match op.kind {
            OpKind::Read => read(&mut task, op, file, buf.len()).await,
            OpKind::Write => {
                let result = write(file, &op, buf, job.workload.sync_each).await;
                task.finish(op, result, buf);
            }
        }
    }
}

/// Reads come in a buffer of glommio's.
async fn read(task: &mut TaskLoop, op: Op, file: &File, len: usize) {
    let result = match file {
        File::Buffered(file) => file.read_at(op.offset, len).await,
        File::Direct(file) => file.read_at_aligned(op.offset, len).await,
    };
    match result {
        Ok(bytes) => task.finish(op, Ok(bytes.len()), &bytes),
        Err(error) => task.finish(op, Err(error.into()), &[]),
    }
}

/// Writes take a buffer of their own each, which is how its interface is.
async fn write(file: &File, op: &Op, bytes: &[u8], sync: bool) -> io::Result<usize> {
    let len = match file {
        File::Buffered(file) => file.write_at(bytes.to_vec(), op.offset).await?,
        File::Direct(file) => {
            let mut buf = file.alloc_dma_buffer(bytes.len());
            buf.as_bytes_mut().copy_from_slice(bytes);
            file.write_at(buf, op.offset).await?
        }
    };
    if sync {
        match file {
            File::Buffered(file) => file.fdatasync().await?,
            File::Direct(file) => file.fdatasync().await?,
        }
    }
    Ok(len)
}

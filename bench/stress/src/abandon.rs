//! Futures dropped at random moments. Every write of a byte writes the same value, so that reads know what to expect,
//! whatever was abandoned and whenever it still lands.

use std::path::Path;
use std::sync::Arc;

use rustfs_rio::{AlignedBuf, DirectMode, DiskFile, OpenOptions, RuntimeHandle};
use rustfs_rio_load::{BLOCK, Content};
use tokio::task::JoinSet;

use crate::random::Random;
use crate::scene::{Plan, Role, StressError};

/// Blocks of the file.
const BLOCKS: u64 = 2048;
const BLOCKS_MAX: u64 = 64;
const SEED: u64 = 0x5249_4F02;

pub(crate) async fn start(
    role: &Arc<Role>,
    plan: &Plan,
    directory: &Path,
    rio: &RuntimeHandle,
    tasks: &mut JoinSet<()>,
) -> Result<(), StressError> {
    let path = directory.join("abandoned");
    let content = Arc::new(Content::new(SEED));
    let mut bytes = vec![0; BLOCKS as usize * BLOCK];
    content.fill(0, 0, &mut bytes);
    std::fs::write(&path, &bytes).map_err(StressError::file("write", &path))?;
    for task in 0..plan.tasks as u64 {
        // Both kinds of access to one file: the kernel keeps them coherent at this granularity.
        let direct = if task % 2 == 0 { DirectMode::Off } else { DirectMode::Auto };
        let options = OpenOptions::new().read(true).write(true).direct(direct);
        let file = DiskFile::open_with(&path, &options, rio).await?;
        let (role, content) = (Arc::clone(role), Arc::clone(&content));
        let random = Random::new(role.seed, 2, task);
        tasks.spawn(async move { work(&role, &file, &content, random).await });
    }
    Ok(())
}

async fn work(role: &Role, file: &DiskFile, content: &Content, mut random: Random) {
    let mut round = 0;
    while role.goes_on(round) {
        round += 1;
        let count = 1 + random.below(BLOCKS_MAX);
        let offset = random.below(BLOCKS - count + 1) * BLOCK as u64;
        let Ok(mut bytes) = AlignedBuf::zeroed(count as usize * BLOCK) else {
            return role.fail("no memory for a buffer");
        };
        let polls = random.below(4);
        if random.once_in(2) {
            content.fill(offset, 0, &mut bytes);
            match within(polls, file.write_from(bytes, offset)).await {
                Some((Err(error), _)) => role.fail(format!("a write failed: {error}")),
                Some(_) => role.add(|report| report.operations += 1),
                None => role.add(|report| report.dropped += 1),
            }
            continue;
        }
        match within(polls, file.read_into(bytes, offset)).await {
            Some((Ok(read), bytes)) => match content.check_fully(offset, &bytes[..read], Some(0)) {
                Ok(()) => role.add(|report| {
                    report.operations += 1;
                    report.verified_bytes += read as u64;
                }),
                Err(mismatch) => role.fail(mismatch.to_string()),
            },
            Some((Err(error), _)) => role.fail(format!("a read failed: {error}")),
            None => role.add(|report| report.dropped += 1),
        }
    }
}

/// Polls a future until it is done or the task has yielded so often; then drops it.
pub(crate) async fn within<T>(yields: u64, future: impl Future<Output = T>) -> Option<T> {
    let patience = async {
        for _ in 0..yields {
            tokio::task::yield_now().await;
        }
    };
    tokio::select! {
        biased;
        result = future => Some(result),
        () = patience => None,
    }
}

//! Files that come and go: made, written, synced, read back in pieces, shortened, removed.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use rustfs_rio::{AsyncFile, DirectMode, DiskFile, OpenOptions, RuntimeHandle};
use rustfs_rio_load::{BLOCK, Content};
use tokio::task::JoinSet;

use crate::random::Random;
use crate::scene::{Plan, Role};

/// Largest object, in blocks of 4 KiB.
const BLOCKS_MAX: u64 = 512;

pub(crate) fn start(
    role: &Arc<Role>,
    plan: &Plan,
    directory: &Path,
    rio: &RuntimeHandle,
    tasks: &mut JoinSet<()>,
) {
    for task in 0..plan.tasks as u64 {
        let (role, rio) = (Arc::clone(role), rio.clone());
        let path = directory.join(format!("object-{task}"));
        let random = Random::new(role.seed, 3, task);
        tasks.spawn(async move {
            let mut random = random;
            // Each object is many operations, so the clock is looked at after every one.
            while role.goes_on(0) {
                if let Err(problem) = one(&role, &path, &rio, &mut random).await {
                    role.fail(problem);
                }
            }
        });
    }
}

async fn one(role: &Role, path: &PathBuf, rio: &RuntimeHandle, random: &mut Random) -> Result<(), String> {
    let say = |what: &'static str| move |error: &dyn std::fmt::Display| format!("{what} failed: {error}");
    let blocks = 1 + random.below(1 + random.clone().below(BLOCKS_MAX));
    // Also lengths that are no multiple of anything.
    let len = blocks as usize * BLOCK - random.below(BLOCK as u64) as usize;
    let content = Content::new(random.next());
    let mut bytes = vec![0; blocks as usize * BLOCK];
    content.fill(0, 0, &mut bytes);
    bytes.truncate(len);
    let file = DiskFile::create(path, rio.clone()).await.map_err(|error| say("creating")(&error))?;
    let (result, bytes) = file.write_from(bytes, 0).await;
    result.map_err(|error| say("writing")(&error))?;
    if random.once_in(8) {
        file.flush_and_sync().await.map_err(|error| say("syncing")(&error))?;
    }
    file.close().await.map_err(|error| say("closing")(&error))?;
    let direct = if random.once_in(2) { DirectMode::Auto } else { DirectMode::Off };
    let options = OpenOptions::new().read(true).write(true).direct(direct);
    let file = DiskFile::open_with(path, &options, rio).await.map_err(|error| say("opening")(&error))?;
    let mut end = len;
    for _ in 0..4 {
        let from = random.below(len as u64 + 1);
        let wanted = random.below(len as u64 + 4096);
        let read = file.read_range(from, wanted).await.map_err(|error| say("reading")(&error))?;
        let stop = end.min(from as usize + wanted as usize);
        let expected = bytes.get(from as usize..stop).unwrap_or_default();
        if read[..] != *expected {
            return Err(format!("{} bytes at {from} of an object of {end} bytes are wrong", read.len()));
        }
        role.add(|report| {
            report.operations += 1;
            report.verified_bytes += expected.len() as u64;
        });
        if random.once_in(8) {
            end = random.below(end as u64 + 1) as usize;
            file.set_len(end as u64).await.map_err(|error| say("shortening")(&error))?;
        }
    }
    drop(file);
    std::fs::remove_file(path).map_err(|error| say("removing")(&error))
}

//! The hot paths of Rio as functions without arguments, for counting and for timing.
//!
//! Each kernel is made once, with everything allocated, and then does the same work each time.

#![forbid(unsafe_code)]

use std::hint::black_box;
use std::time::Duration;

use rustfs_rio::{AlignedBuf, DiskFile, RuntimeConfig, RuntimeType, init_runtime_with_config};
use rustfs_rio_buf::{BufferPool, PoolConfig};
use rustfs_rio_monitor::{Ended, FileClass, Key, Operation, Path, Recorder};
use rustfs_rio_stream::dare::{Cipher, Sealer};
use rustfs_rio_stream::DataKey;
use rustfs_rio_stream::checksum::Algorithm;
use rustfs_rio_tune::{Access, AccessKind, Recogniser};

/// Rounds of one call of a kernel.
pub const ROUNDS: u64 = 1000;

/// A hot path, ready to run.
pub type Kernel = Box<dyn FnMut()>;

/// A thousand buffers of 64 KiB taken and given back.
///
/// # Panics
///
/// When a pool of 64 MiB is refused.
#[must_use]
pub fn pool() -> Kernel {
    let Ok(pool) = BufferPool::new(PoolConfig::new(64 << 20)) else { unreachable!("64 MiB were refused") };
    Box::new(move || (0..ROUNDS).for_each(|_| drop(black_box(pool.try_get(64 << 10)))))
}

/// A thousand operations recorded.
#[must_use]
pub fn record() -> Kernel {
    let recorder = Recorder::new();
    let key = Key::new(Operation::Read, Path::Ring, FileClass::Data);
    Box::new(move || {
        for round in 0..ROUNDS {
            recorder.record(key, Ended::well(4096), Duration::from_nanos(80_000 + black_box(round)));
        }
    })
}

/// A thousand accesses of sixteen interleaved streams recognised.
#[must_use]
pub fn recognise() -> Kernel {
    let mut recogniser = Recogniser::new(256, 16);
    let mut number = 0_u64;
    Box::new(move || {
        for _ in 0..ROUNDS {
            let (stream, place) = (number % 16, number / 16);
            let access = Access {
                at_ns: number * 10_000,
                space: 1,
                offset: (stream << 36) + (place << 16),
                len: 1 << 16,
                kind: AccessKind::Read,
            };
            black_box(recogniser.observe(&access));
            number += 1;
        }
    })
}

/// One package of 64 KiB sealed with AES-256-GCM.
///
/// # Panics
///
/// When the cipher refuses its key.
#[must_use]
pub fn seal() -> Kernel {
    let key = DataKey::take(&mut [7; 32]);
    let payload = vec![5; 64 << 10];
    let mut out = Vec::with_capacity(70_000);
    let Ok(mut sealer) = Sealer::new(Cipher::Aes256Gcm, &key) else { unreachable!("the cipher was refused") };
    Box::new(move || {
        out.clear();
        // A stream ends after 2^32 packages.
        black_box(sealer.seal(&payload, false, &mut out)).ok();
    })
}

/// CRC-64/NVME of 64 KiB.
#[must_use]
pub fn checksum() -> Kernel {
    let bytes = vec![5; 64 << 10];
    Box::new(move || {
        black_box(Algorithm::Crc64Nvme.digest(&bytes));
    })
}

/// A hundred cached reads of 4 KiB through a file, without a ring: the path on the calling task.
///
/// # Panics
///
/// Where the temporary directory cannot be written to.
#[must_use]
pub fn cached_read() -> Kernel {
    let setup = || -> Result<_, Box<dyn std::error::Error>> {
        let mut temporary = tempfile::NamedTempFile::new()?;
        std::io::Write::write_all(&mut temporary, &vec![3; 1 << 20])?;
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let file = runtime.block_on(async {
            let config = RuntimeConfig { runtime_type: RuntimeType::Tokio, ..RuntimeConfig::from_env()? };
            let rio = init_runtime_with_config(config)?;
            DiskFile::open(temporary.path(), rio).await
        })?;
        Ok((temporary, runtime, file, AlignedBuf::zeroed(4096)?))
    };
    let (temporary, runtime, file, buffer) = match setup() {
        Ok(made) => made,
        Err(error) => unreachable!("no file to read: {error}"),
    };
    let mut buffer = Some(buffer);
    Box::new(move || {
        let _kept = &temporary;
        runtime.block_on(async {
            for round in 0..100 {
                if let Some(given) = buffer.take() {
                    buffer = Some(black_box(file.read_into(given, (round % 256) * 4096).await.1));
                }
            }
        });
    })
}

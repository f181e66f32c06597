//! Random reads, writes, truncations, failures and abandoned operations at the same time: some order of events explains
//! every byte that is read.

use crate::history::{SECTOR, Sector, Span};
use crate::scene::{BLOCK, Scene};
use bytes::Bytes;
use rustfs_rio::{AsyncFile, CacheConfig, DiskFile, IoEngine};
use rustfs_rio_engine::sim::{Faults, Rng};
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::rc::Rc;
use std::task::{Context, Waker};

const SECTORS: u64 = 512;
const TASKS: usize = 8;
const OPERATIONS: usize = 60;

struct World {
    clock: Cell<u64>,
    values: Cell<u64>,
    sectors: RefCell<BTreeMap<u64, Sector>>,
    handles: Vec<DiskFile>,
    engine: IoEngine,
}

impl World {
    fn now(&self) -> u64 {
        self.clock.set(self.clock.get() + 1);
        self.clock.get()
    }

    fn wrote(&self, sectors: std::ops::Range<u64>, span: Span, value: u64, is_certain: bool) {
        let mut all = self.sectors.borrow_mut();
        sectors.for_each(|sector| all.entry(sector).or_default().wrote(span, value, is_certain));
    }

    /// Notes every sector that a read covers in full; what lies beyond the end of the file counts as cleared.
    fn read(&self, offset: u64, len: u64, span: Span, bytes: &[u8]) {
        let mut all = self.sectors.borrow_mut();
        let first = offset.div_ceil(SECTOR as u64);
        let last = (offset + len) / SECTOR as u64;
        for sector in first..last.min(SECTORS) {
            let at = (sector * SECTOR as u64 - offset) as usize;
            let value = bytes.get(at..at + SECTOR).map_or(0, |bytes| {
                let value = u64::from_le_bytes(bytes[..8].try_into().unwrap());
                let whole = bytes.chunks(8).all(|part| part == value.to_le_bytes());
                assert!(whole, "sector {sector} holds a mixture");
                value
            });
            all.entry(sector).or_default().read(span, value);
        }
    }
}

fn content(value: u64, sectors: u64) -> Vec<u8> {
    value.to_le_bytes().repeat(sectors as usize * SECTOR / 8)
}

async fn read(world: &World, rng: &mut Rng) {
    let file = &world.handles[rng.below(world.handles.len() as u64) as usize];
    let offset = rng.below(SECTORS * SECTOR as u64);
    let is_long = rng.chance(0.2);
    let len = 1 + rng.below(if is_long { 160 << 10 } else { 12 << 10 });
    let begin = world.now();
    let bytes = match rng.below(4) {
        0 => file.read_range(offset, len).await.map(|bytes| bytes.to_vec()),
        1 => {
            let (result, bytes) = file.read_into(Vec::with_capacity(len as usize), offset).await;
            result.map(|count| bytes[..count.min(len as usize)].to_vec())
        }
        2 => file.read_shared(offset, len).await.map(|bytes| bytes.to_vec()),
        _ => {
            let mut bytes = vec![0; len as usize];
            let result = file.read_object(&mut bytes, offset).await;
            result.map(|count| bytes[..count].to_vec())
        }
    };
    let span = Span { begin, end: world.now() };
    if let Ok(bytes) = bytes {
        world.read(offset, len, span, &bytes);
    }
}

async fn write(world: &World, rng: &mut Rng) {
    let file = &world.handles[rng.below(world.handles.len() as u64) as usize];
    let first = rng.below(SECTORS);
    let count = (1 + rng.below(40)).min(SECTORS - first);
    let value = world.values.get() + 1;
    world.values.set(value);
    let (data, offset) = (content(value, count), first * SECTOR as u64);
    let begin = world.now();
    let result = match rng.below(5) {
        0 => file.write_durable(data, offset).await.0,
        1 => {
            let half = data[..data.len() / 2 / SECTOR * SECTOR].to_vec();
            let rest = data[half.len()..].to_vec();
            file.write_vectored_from(vec![half, rest], offset).await.0
        }
        2 => file.write_object(&data, offset).await,
        3 => {
            let operation = file.batch_write(offset, Bytes::from(data));
            world.engine.submit_batch(vec![operation]).await.map(|_| 0).map_err(|error| error.source)
        }
        _ => file.write_from(data, offset).await.0,
    };
    let span = Span { begin, end: world.now() };
    world.wrote(first..first + count, span, value, result.is_ok());
}

async fn truncate(world: &World, rng: &mut Rng) {
    let file = &world.handles[rng.below(world.handles.len() as u64) as usize];
    let sectors = rng.below(SECTORS + 1);
    let begin = world.now();
    let result = file.set_len(sectors * SECTOR as u64).await;
    let span = Span { begin, end: world.now() };
    world.wrote(sectors..SECTORS, span, 0, result.is_ok());
}

/// Begins an operation and gives it up after some polls.
async fn abandon(world: &World, rng: &mut Rng) {
    let file = &world.handles[rng.below(world.handles.len() as u64) as usize];
    let first = rng.below(SECTORS - 8);
    let polls = 1 + rng.below(6);
    let begin = world.now();
    if rng.chance(0.5) {
        poll_times(file.read_range(first * SECTOR as u64, 8 * SECTOR as u64), polls).await;
        return;
    }
    let value = world.values.get() + 1;
    world.values.set(value);
    let done = poll_times(file.write_from(content(value, 8), first * SECTOR as u64), polls).await;
    let span = Span { begin, end: if done { world.now() } else { u64::MAX } };
    world.wrote(first..first + 8, span, value, false);
}

async fn poll_times<F: Future>(future: F, polls: u64) -> bool {
    let mut future = Box::pin(future);
    for _ in 0..polls {
        if future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
            return true;
        }
        tokio::task::yield_now().await;
    }
    false
}

async fn task(world: Rc<World>, mut rng: Rng) {
    for _ in 0..OPERATIONS {
        match rng.below(20) {
            0..=10 => read(&world, &mut rng).await,
            11..=16 => write(&world, &mut rng).await,
            17 => truncate(&world, &mut rng).await,
            _ => abandon(&world, &mut rng).await,
        }
        if rng.chance(0.3) {
            tokio::task::yield_now().await;
        }
    }
}

async fn run(seed: u64, prefetch: bool) {
    let mut rng = Rng::new(seed);
    let scene = Scene::new(seed, CacheConfig { prefetch, ..CacheConfig::new(64 * BLOCK as u64) });
    let mut handles = Vec::new();
    for _ in 0..2 {
        handles.push(scene.direct("/file").await);
    }
    // A short transfer of a buffered file may end inside a sector, which is then no register.
    let with_buffered = seed.is_multiple_of(3);
    if with_buffered {
        handles.push(scene.buffered("/file").await);
    }
    scene.disk.set_faults(Faults {
        latency_max: rng.below(30),
        short: if with_buffered { 0.0 } else { 0.1 },
        interrupted: 0.05,
        read_error: 0.03,
        write_error: 0.05,
        ..Faults::default()
    });
    let world = Rc::new(World {
        clock: Cell::new(0),
        values: Cell::new(0),
        sectors: RefCell::default(),
        handles,
        engine: IoEngine::new(scene.runtime.clone()).unwrap(),
    });
    let local = tokio::task::LocalSet::new();
    let tasks: Vec<_> = (0..TASKS).map(|_| local.spawn_local(task(Rc::clone(&world), rng.fork()))).collect();
    local
        .run_until(async {
            for task in tasks {
                task.await.unwrap();
            }
        })
        .await;
    for (number, sector) in world.sectors.borrow().iter() {
        if let Err(text) = sector.check() {
            panic!("seed {seed}, sector {number}: {text}");
        }
    }
    let stats = scene.stats();
    assert!(stats.hit_blocks > 0 && stats.invalidated_blocks > 0, "seed {seed}: {stats:?}");
    scene.disk.set_faults(Faults::default());
    scene.close((world, local)).await;
}

fn seeds() -> std::ops::Range<u64> {
    let number = |variable: &str, default| {
        std::env::var(variable).map_or(default, |text| text.parse().expect("a number of seeds"))
    };
    let first = number("RIO_CACHE_SEED", 1);
    first..first + number("RIO_CACHE_SEEDS", 60)
}

#[test]
fn every_byte_that_is_read_has_a_legal_explanation() {
    for seed in seeds() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(Box::pin(run(seed, seed.is_multiple_of(2))));
    }
}

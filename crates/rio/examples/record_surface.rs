//! Measures the engine over grids of parameters and prints the surfaces that methods of tuning are tried on:
//! `record_surface DIRECTORY > FILE`. Takes about two minutes; nothing else should run.
//!
//! Every point is a fresh engine, measured for 0.8 s after 0.15 s, in two passes over the whole grid. A figure is the geometric mean of the
//! two; the noise of a surface is how far they are apart. Memory is what the buffers in flight take, above 16 MiB for the rest.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example shows its results")]
#![allow(clippy::unwrap_used, reason = "a measurement that fails ends")]

use rustfs_rio::{AlignedBuf, DirectMode, OpenOptions};
use rustfs_rio_engine::{Engine, EngineConfig, File};
use rustix::time::{ClockId, clock_gettime};
use std::collections::VecDeque;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

const FILE_BYTES: u64 = 1 << 30;
const WARM: Duration = Duration::from_millis(150);
const WINDOW: Duration = Duration::from_millis(800);
const PASSES: usize = 2;
const BURST: usize = 192;
const BURST_EVERY: Duration = Duration::from_millis(20);

#[derive(Clone, Copy)]
enum Kind {
    Random { reads: f64 },
    Durable,
    Stream,
    Burst,
}

struct Workload {
    name: &'static str,
    kind: Kind,
    tasks: usize,
    block: usize,
    load: &'static str,
    axes: &'static [(&'static str, &'static [u64])],
}

const DEPTHS: (&str, &[u64]) = ("queue_depth", &[16, 32, 64, 128]);
const BATCHES: (&str, &[u64]) = ("batch_size", &[16, 64, 256]);

const WORKLOADS: [Workload; 5] = [
    Workload {
        name: "random-4k",
        kind: Kind::Random { reads: 1.0 },
        tasks: 128,
        block: 4 << 10,
        load: "tasks=128 block=4096 reads=1",
        axes: &[DEPTHS, BATCHES],
    },
    Workload {
        name: "mixed-64k",
        kind: Kind::Random { reads: 0.7 },
        tasks: 64,
        block: 64 << 10,
        load: "tasks=64 block=65536 reads=0.7",
        axes: &[DEPTHS, BATCHES],
    },
    Workload {
        name: "sequential-1m",
        kind: Kind::Stream,
        tasks: 2,
        block: 1 << 20,
        load: "tasks=2 block=1048576 reads=1 sequential=1",
        axes: &[
            ("prefetch_distance", &[4, 8, 16, 32, 64]),
            ("prefetch_size", &[64 << 10, 256 << 10, 1 << 20]),
        ],
    },
    Workload {
        name: "write-sync",
        kind: Kind::Durable,
        tasks: 32,
        block: 4 << 10,
        load: "tasks=32 block=4096 reads=0 syncs=0.5",
        axes: &[("queue_depth", &[16, 32, 128]), BATCHES],
    },
    Workload {
        name: "burst",
        kind: Kind::Burst,
        tasks: BURST,
        block: 16 << 10,
        load: "tasks=64 block=16384 reads=1 burstiness=4",
        axes: &[DEPTHS, BATCHES],
    },
];

/// Iops, p50, p99, CPU of an operation in microseconds, and bytes of memory.
type Figures = [f64; 5];

fn main() {
    let folder = std::env::args().nth(1).expect("usage: record_surface DIRECTORY");
    let file = tempfile::Builder::new().prefix("rio-surface-").tempfile_in(folder).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    runtime.block_on(fill(file.path()));
    for workload in &WORKLOADS {
        let points = grid(workload.axes);
        let passes: Vec<Vec<Figures>> = (0..PASSES)
            .map(|_| {
                points.iter().map(|point| runtime.block_on(measure(workload, point, file.path()))).collect()
            })
            .collect();
        print(workload, &points, &passes);
        eprintln!("{}: {} points", workload.name, points.len());
    }
}

fn print(workload: &Workload, points: &[Vec<u64>], passes: &[Vec<Figures>]) {
    let apart = passes[0].iter().zip(&passes[1]).map(|(a, b)| (a[0] / b[0]).ln().powi(2) / 2.0);
    let noise = (apart.sum::<f64>() / points.len() as f64).sqrt();
    println!("surface {}\nload {}\nnoise {noise:.4}", workload.name, workload.load);
    for (name, values) in workload.axes {
        let values: Vec<String> = values.iter().map(ToString::to_string).collect();
        println!("axis {name} {}", values.join(" "));
    }
    for (n, point) in points.iter().enumerate() {
        let mean = |index: usize| {
            let logs = passes.iter().map(|pass| pass[n][index].max(1e-3).ln());
            (logs.sum::<f64>() / passes.len() as f64).exp()
        };
        let place: Vec<String> = point.iter().map(ToString::to_string).collect();
        println!(
            "at {} = iops={:.1} p50={:.1} p99={:.1} cpu={:.3} memory={:.0}",
            place.join(" "),
            mean(0),
            mean(1),
            mean(2),
            mean(3),
            mean(4)
        );
    }
}

/// All places of a grid, the last axis fastest.
fn grid(axes: &[(&str, &[u64])]) -> Vec<Vec<u64>> {
    let mut points = vec![Vec::new()];
    for (_, values) in axes {
        let with = |point: &Vec<u64>| -> Vec<Vec<u64>> {
            values.iter().map(|value| [point.as_slice(), &[*value]].concat()).collect()
        };
        points = points.iter().flat_map(with).collect();
    }
    points
}

async fn fill(path: &Path) {
    let engine = Engine::new(EngineConfig::default()).unwrap();
    let options = OpenOptions::new().write(true).direct(DirectMode::On);
    let file = engine.open(path, &options).await.unwrap();
    let mut buffer = AlignedBuf::zeroed(1 << 20).unwrap();
    for offset in (0..FILE_BYTES).step_by(1 << 20) {
        let (written, back) = file.write_at(buffer, offset).await;
        written.unwrap();
        buffer = back;
    }
    file.sync_all().await.unwrap();
    drop(file);
    engine.shutdown(Duration::from_secs(10)).await;
}

fn cpu() -> f64 {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    time.tv_sec as f64 * 1e6 + time.tv_nsec as f64 / 1e3
}

async fn measure(workload: &Workload, point: &[u64], path: &Path) -> Figures {
    let value = |name: &str, otherwise: u64| {
        let at = workload.axes.iter().position(|(axis, _)| *axis == name);
        at.map_or(otherwise, |at| point[at])
    };
    let config = EngineConfig {
        queue_depth: value("queue_depth", 32) as u32,
        batch_size: value("batch_size", 16) as usize,
        ..EngineConfig::default()
    };
    let engine = Engine::new(config).unwrap();
    let options = OpenOptions::new().read(true).write(true).direct(DirectMode::On);
    let file = Arc::new(engine.open(path, &options).await.unwrap());
    let (distance, size) = (value("prefetch_distance", 4), value("prefetch_size", 64 << 10));
    let stop = Arc::new(AtomicBool::new(false));
    let counted = Arc::new(AtomicBool::new(false));
    let run = Run { file: file.clone(), stop: stop.clone(), counted: counted.clone(), block: workload.block };
    let spawn = |n: usize| match workload.kind {
        Kind::Random { reads } => tokio::spawn(random(run.clone(), n as u64, reads, false)),
        Kind::Durable => tokio::spawn(random(run.clone(), n as u64, 0.0, true)),
        Kind::Stream => tokio::spawn(stream(run.clone(), n as u64, distance, size)),
        Kind::Burst => tokio::spawn(bursts(run.clone())),
    };
    let tasks = if matches!(workload.kind, Kind::Burst) { 1 } else { workload.tasks };
    let tasks: Vec<_> = (0..tasks).map(spawn).collect();
    tokio::time::sleep(WARM).await;
    counted.store(true, Ordering::Relaxed);
    let (begun, cpu_before) = (Instant::now(), cpu());
    tokio::time::sleep(WINDOW).await;
    stop.store(true, Ordering::Relaxed);
    let (seconds, used) = (begun.elapsed().as_secs_f64(), cpu() - cpu_before);
    let mut latencies = Vec::new();
    for task in tasks {
        latencies.extend(task.await.unwrap());
    }
    drop((run, file));
    engine.shutdown(Duration::from_secs(10)).await;
    latencies.sort_unstable();
    let quantile = |share: f64| f64::from(latencies[((latencies.len() - 1) as f64 * share) as usize]) / 10.0;
    let ahead = if matches!(workload.kind, Kind::Stream) { 2 * distance * size } else { 0 };
    let memory = ((16 << 20) + workload.tasks * workload.block) as f64 + ahead as f64;
    let operations = latencies.len() as f64;
    [operations / seconds, quantile(0.5), quantile(0.99), used / operations, memory]
}

#[derive(Clone)]
struct Run {
    file: Arc<File>,
    stop: Arc<AtomicBool>,
    counted: Arc<AtomicBool>,
    block: usize,
}

impl Run {
    fn goes_on(&self) -> bool {
        !self.stop.load(Ordering::Relaxed)
    }

    /// Tenths of a microsecond.
    fn note(&self, begun: Instant, latencies: &mut Vec<u32>) {
        if self.counted.load(Ordering::Relaxed) {
            latencies.push((begun.elapsed().as_nanos() / 100) as u32);
        }
    }
}

fn next(seed: &mut u64) -> u64 {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    *seed >> 24
}

async fn random(run: Run, n: u64, reads: f64, durable: bool) -> Vec<u32> {
    let (mut seed, mut latencies) = (n + 1, Vec::new());
    let mut buffer = AlignedBuf::zeroed(run.block).unwrap();
    while run.goes_on() {
        let offset = next(&mut seed) % (FILE_BYTES / run.block as u64) * run.block as u64;
        let begun = Instant::now();
        let (done, back) = if durable {
            run.file.write_durable_at(buffer, offset).await
        } else if next(&mut seed) % 1000 < (reads * 1000.0) as u64 {
            run.file.read_at(buffer, offset).await
        } else {
            run.file.write_at(buffer, offset).await
        };
        done.unwrap();
        buffer = back;
        run.note(begun, &mut latencies);
    }
    latencies
}

async fn read(file: Arc<File>, offset: u64, len: u64) -> u64 {
    let buffer = AlignedBuf::with_capacity(len as usize).unwrap();
    let (done, buffer) = file.read_at(buffer, offset % FILE_BYTES).await;
    done.unwrap();
    // The reader uses what it reads.
    buffer.chunks_exact(8).fold(0, |sum, word| sum ^ u64::from_le_bytes(word.try_into().unwrap()))
}

/// Reads requests one after the other, with up to `distance` blocks of `size` bytes on their way ahead of it.
async fn stream(run: Run, n: u64, distance: u64, size: u64) -> Vec<u32> {
    let mut latencies = Vec::new();
    let request = run.block as u64;
    let mut at = n * FILE_BYTES / 2;
    let mut ahead = VecDeque::new();
    while run.goes_on() {
        let begun = Instant::now();
        let here = (ahead.len() as u64).min(request / size);
        let blocks: Vec<_> = ahead.drain(..here as usize).collect();
        let rest = request - here * size;
        let rest = (rest > 0).then(|| tokio::spawn(read(run.file.clone(), at + here * size, rest)));
        at += request;
        while (ahead.len() as u64) < distance {
            let from = at + ahead.len() as u64 * size;
            ahead.push_back(tokio::spawn(read(run.file.clone(), from, size)));
        }
        for block in blocks.into_iter().chain(rest) {
            std::hint::black_box(block.await.unwrap());
        }
        run.note(begun, &mut latencies);
    }
    for block in ahead {
        block.await.unwrap();
    }
    latencies
}

/// A group of reads at once, then silence.
async fn bursts(run: Run) -> Vec<u32> {
    let (mut seed, mut latencies) = (1, Vec::new());
    let mut clock = tokio::time::interval(BURST_EVERY);
    clock.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    while run.goes_on() {
        clock.tick().await;
        let begun = Instant::now();
        let group: Vec<_> = (0..BURST)
            .map(|_| {
                let offset = next(&mut seed) % (FILE_BYTES / run.block as u64) * run.block as u64;
                let run = run.clone();
                tokio::spawn(async move {
                    read(run.file.clone(), offset, run.block as u64).await;
                    let mut own = Vec::with_capacity(1);
                    run.note(begun, &mut own);
                    own
                })
            })
            .collect();
        for one in group {
            latencies.extend(one.await.unwrap());
        }
    }
    latencies
}

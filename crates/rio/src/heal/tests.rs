//! The whole arc of each ailment that the engine's simulated device can have: sign, reaction, alert, recovery.

use super::diagnosis::{Ailment, Change, Trouble};
use super::reaction::Reaction;
use super::{Healer, LOOK};
use crate::monitor::{AdvancedPerformanceMonitor, PerformanceMonitorConfig};
use crate::runtime::{RuntimeConfig, RuntimeHandle};
use crate::{DiskFile, OpenOptions, Refusal};
use parking_lot::Mutex;
use rustfs_rio_engine::sim::{self, Fault, Faults, Scripted, SimDisk};
use rustfs_rio_engine::{EngineConfig, OpKind};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

struct Scene {
    disk: SimDisk,
    base: RuntimeHandle,
    file: Arc<DiskFile>,
    healer: Healer,
    monitor: AdvancedPerformanceMonitor,
    heard: Arc<Mutex<Vec<String>>>,
}

impl Scene {
    async fn new(config: EngineConfig) -> Self {
        let disk = SimDisk::new(1);
        disk.install("/file", &[7; 65536]);
        let engine = sim::engine(config, &disk).unwrap();
        let base = RuntimeHandle::with_engine(engine, RuntimeConfig::built_in()).unwrap();
        let options = OpenOptions::new().read(true).write(true);
        let file = Arc::new(DiskFile::open_with("/file", &options, &base).await.unwrap());
        let monitor = AdvancedPerformanceMonitor::new(PerformanceMonitorConfig {
            enable_real_time_dashboard: false,
            ..Default::default()
        });
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let ears = Arc::clone(&heard);
        monitor.on_alert(move |change| {
            let (alert, kind) =
                (change.alert(), if change.alert().closed.is_some() { "over" } else { "open" });
            ears.lock().push(format!("{kind} {}", alert.metric));
        });
        let healer = Healer::start(&base, None, Some(monitor.alert_sender()), None).unwrap();
        Self { disk, base, file, healer, monitor, heard }
    }

    /// Lets virtual time pass until the healer says so.
    async fn until(&self, ailment: Ailment, is_there: bool) {
        for _ in 0..200 {
            let has = self.healer.troubles().iter().any(|trouble| trouble.ailment == ailment);
            if has == is_there {
                return;
            }
            // why: virtual time, which passes at once when nothing else is to be done
            tokio::time::sleep(LOOK).await;
        }
        panic!("{ailment:?} is never {is_there}: {:?}", self.healer.troubles());
    }

    async fn close(self, heard: &[&str]) {
        assert_eq!(*self.heard.lock(), heard);
        assert!(self.healer.end(Instant::now() + Duration::from_secs(30)).await);
        self.monitor.shutdown().await;
        drop(self.file);
        assert!(self.base.shutdown(Duration::from_secs(30)).await.is_clean());
    }
}

fn hang(kind: OpKind, steps: std::ops::Range<u64>) -> Faults {
    let script = steps.map(|nth| Scripted { kind, nth, fault: Fault::Hang }).collect();
    Faults { script, ..Faults::default() }
}

#[tokio::test(start_paused = true)]
async fn a_hung_device_gets_fewer_operations_until_it_answers() {
    let scene = Scene::new(EngineConfig::default()).await;
    scene.disk.set_faults(hang(OpKind::Read, 0..1));
    let file = Arc::clone(&scene.file);
    let stuck = tokio::spawn(async move { file.read_into(vec![0; 16], 0).await.0 });
    scene.until(Ailment::HungDevice, true).await;
    scene.until_limit(|limit| limit < 1024).await;
    scene.disk.release_hung();
    assert_eq!(stuck.await.unwrap().unwrap(), 16);
    scene.until(Ailment::HungDevice, false).await;
    scene.until_limit(|limit| limit == 1024).await;
    scene.close(&["open health.hung_device", "over health.hung_device"]).await;
}

impl Scene {
    async fn until_limit(&self, holds: impl Fn(usize) -> bool) {
        for _ in 0..200 {
            if holds(self.base.engine().limits().max_concurrent_ops) {
                return;
            }
            // why: virtual time, as above
            tokio::time::sleep(LOOK).await;
        }
        panic!("the bound stays at {:?}", self.base.engine().limits());
    }
}

#[tokio::test(start_paused = true)]
async fn overload_is_shed_with_a_typed_error_and_ends() {
    let config = EngineConfig { max_concurrent_ops: 1, max_waiting_ops: 1, ..EngineConfig::default() };
    let scene = Scene::new(config).await;
    // One look, so that what follows is new.
    tokio::time::sleep(LOOK * 2).await; // why: virtual time
    scene.disk.set_faults(hang(OpKind::Read, 0..1));
    let read = |file: Arc<DiskFile>| tokio::spawn(async move { file.read_into(vec![0; 16], 0).await.0 });
    let waiting: Vec<_> = (0..2).map(|_| read(Arc::clone(&scene.file))).collect();
    while scene.base.stats().waiting_ops < 1 {
        tokio::task::yield_now().await;
    }
    let refused = read(Arc::clone(&scene.file)).await.unwrap().unwrap_err();
    assert!(matches!(Refusal::of(&refused), Some(Refusal::Overloaded { max: 1 })), "{refused}");
    scene.until(Ailment::Overload, true).await;
    scene.disk.release_hung();
    for task in waiting {
        assert_eq!(task.await.unwrap().unwrap(), 16);
    }
    scene.until(Ailment::Overload, false).await;
    let heard: Vec<String> = scene.heard.lock().clone();
    assert!(heard.contains(&"over health.overload".to_owned()), "{heard:?}");
    let heard: Vec<&str> = heard.iter().map(String::as_str).collect();
    scene.close(&heard).await;
}

#[tokio::test(start_paused = true)]
async fn a_poisoned_file_is_refused_reported_and_works_again_when_reopened() {
    let scene = Scene::new(EngineConfig::default()).await;
    tokio::time::sleep(LOOK * 2).await; // why: virtual time
    scene.file.write_object(&[1; 512], 0).await.unwrap();
    scene.disk.set_faults(Faults::once(OpKind::Fsync, 0, Fault::SyncFails));
    scene.file.flush_and_sync().await.unwrap_err();
    let refused = scene.file.write_object(&[2; 512], 0).await.unwrap_err();
    assert!(matches!(Refusal::of(&refused), Some(Refusal::Poisoned { .. })), "{refused}");
    scene.until(Ailment::PoisonedFile, true).await;
    let options = OpenOptions::new().read(true).write(true);
    let again = DiskFile::open_with("/file", &options, &scene.base).await.unwrap();
    again.write_object(&[3; 512], 0).await.unwrap();
    again.flush_and_sync().await.unwrap();
    drop(again);
    scene.until(Ailment::PoisonedFile, false).await;
    scene.close(&["open health.poisoned_file", "over health.poisoned_file"]).await;
}

fn trouble(ailment: Ailment) -> Trouble {
    Trouble { ailment, evidence: "made up".to_owned(), since: Duration::ZERO }
}

#[tokio::test]
async fn under_pressure_idle_memory_goes_back() {
    let base = RuntimeHandle::new(RuntimeConfig::built_in()).unwrap();
    drop(base.get_optimized_buffer(1 << 20).await.unwrap());
    assert!(base.buffer_pool().mapped_bytes() > 0);
    Reaction::new(base.clone(), None).act(&[trouble(Ailment::MemoryPressure)], &[]);
    assert_eq!(base.buffer_pool().mapped_bytes(), 0);
    assert!(base.shutdown(Duration::from_secs(30)).await.is_clean());
}

#[tokio::test]
async fn when_descriptors_run_out_the_soft_limit_is_raised() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let before = getrlimit(Resource::Nofile);
    let hard = before.maximum;
    setrlimit(Resource::Nofile, Rlimit { current: Some(512), maximum: hard }).unwrap();
    let base = RuntimeHandle::new(RuntimeConfig::built_in()).unwrap();
    let began = Change::Began(trouble(Ailment::FewDescriptors));
    Reaction::new(base.clone(), None).act(&[trouble(Ailment::FewDescriptors)], &[began]);
    assert_eq!(getrlimit(Resource::Nofile).current, hard);
    setrlimit(Resource::Nofile, before).unwrap();
    assert!(base.shutdown(Duration::from_secs(30)).await.is_clean());
}

#[tokio::test]
async fn a_callback_that_panics_is_not_called_again_and_the_others_are() {
    let monitor = AdvancedPerformanceMonitor::new(PerformanceMonitorConfig {
        enable_real_time_dashboard: false,
        ..Default::default()
    });
    let counts: Arc<Mutex<(u32, u32)>> = Arc::default();
    let (bad, good) = (Arc::clone(&counts), Arc::clone(&counts));
    monitor.on_alert(move |_| {
        bad.lock().0 += 1;
        panic!("the callback's fault");
    });
    monitor.on_alert(move |_| good.lock().1 += 1);
    let sender = monitor.alert_sender();
    for _ in 0..3 {
        sender.send(&Change::Began(trouble(Ailment::Overload)).as_alert());
    }
    assert_eq!(*counts.lock(), (1, 3));
}

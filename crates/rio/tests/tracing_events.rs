//! Each operation of the engine ends with an event while somebody listens, and a chrome trace of them can be read. Alone in its program,
//! because the subscriber is the whole process's.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, reason = "tests stop at the first surprise")]

use rustfs_rio::monitor::ChromeTrace;
use rustfs_rio::{DiskFile, init_runtime};
use serde_json::Value;
use std::time::Duration;

#[tokio::test]
async fn a_chrome_trace_holds_each_operation_with_its_time() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("trace.json");
    let trace = ChromeTrace::create(&path, 6).unwrap();
    tracing::subscriber::set_global_default(trace.clone()).unwrap();
    // Without a monitor: events need none.
    let runtime = init_runtime().unwrap();
    let mut file = DiskFile::create_with_runtime(directory.path().join("data"), &runtime).await.unwrap();
    file.write_all(&[7; 8192]).await.unwrap();
    file.flush_and_sync().await.unwrap();
    drop(file);
    let file = DiskFile::open(directory.path().join("data"), runtime.clone()).await.unwrap();
    for _ in 0..10 {
        assert_eq!(file.read_range(0, 4096).await.unwrap().len(), 4096);
    }
    drop(file);
    assert!(runtime.shutdown(Duration::from_secs(10)).await.is_clean());
    assert!(trace.finish().unwrap() >= 7, "open, write, sync and ten reads are more than six");
    assert_eq!(trace.finish().unwrap(), 0);
    let events: Vec<Value> = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
    assert_eq!(events.len(), 2 * 6 + 1);
    let write = events.iter().find(|event| event["name"] == "write" && event["ph"] == "b").unwrap();
    assert_eq!(write["args"]["buffer_size"], 8192);
    let end = events.iter().find(|event| event["ph"] == "e" && event["id"] == write["id"]).unwrap();
    assert!(end["ts"].as_f64() > write["ts"].as_f64());
    assert!(
        events.iter().any(|event| event["name"] == "read")
            && events.iter().any(|event| event["name"] == "sync")
    );
}

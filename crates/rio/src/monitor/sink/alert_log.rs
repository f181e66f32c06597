//! Appends alerts to a file, one line of JSON each, and turns the file over before it grows beyond its bound.
//!
//! The newest lines are in `PATH`, older ones in `PATH.1`, `PATH.2` and so on.

use super::super::task::Task;
use super::{Queue, Sink};
use rustfs_rio_monitor::{Change, alert_line};
use std::collections::VecDeque;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// Lines that wait for a file that cannot be written; beyond it the oldest are dropped and counted.
const WAITING_MAX: usize = 256;
/// Pause before a file that could not be written is tried again without a new alert.
const RETRY: Duration = Duration::from_secs(10);

/// Settings of a log of alerts.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AlertLogConfig {
    /// The file. It is made if it does not exist, its directory is not.
    pub path: PathBuf,
    /// Size at which it is turned over, in bytes, at least 4096. Default 8 MiB, some ten thousand lines.
    pub bytes_max: u64,
    /// Files kept, the newest included, 1 to 100. Default 4.
    pub files_max: usize,
}

impl AlertLogConfig {
    /// Defaults for this file.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), bytes_max: 8 << 20, files_max: 4 }
    }

    pub(in crate::monitor) fn check(&self) -> Result<(), String> {
        if self.path.file_name().is_none() {
            return Err("the path names no file".to_owned());
        }
        if self.bytes_max < 4096 {
            return Err(format!("bytes_max is {}, expected at least 4096", self.bytes_max));
        }
        if !(1..=100).contains(&self.files_max) {
            return Err(format!("files_max is {}, expected 1 to 100", self.files_max));
        }
        Ok(())
    }
}

pub(in crate::monitor) fn start(runtime: &Handle, config: AlertLogConfig) -> Sink {
    let queue = Arc::new(Queue::default());
    let target = config.path.display().to_string();
    let task = Task::start(runtime, |ended| run(config, Arc::clone(&queue), ended));
    Sink::new("alert_log", target, queue, task)
}

async fn run(config: AlertLogConfig, queue: Arc<Queue>, mut ended: oneshot::Receiver<()>) {
    let mut waiting: VecDeque<Change> = VecDeque::new();
    let mut is_failing = false;
    let config = Arc::new(config);
    loop {
        let is_last = tokio::select! {
            () = queue.arrival() => false,
            () = tokio::time::sleep(RETRY), if !waiting.is_empty() => false,
            _ = &mut ended => true,
        };
        waiting.extend(queue.take());
        let excess = waiting.len().saturating_sub(WAITING_MAX);
        waiting.drain(..excess);
        queue.dropped.fetch_add(excess as u64, Ordering::Relaxed);
        if !waiting.is_empty() {
            let (lines, to) = (waiting.iter().map(alert_line).collect::<Vec<_>>(), Arc::clone(&config));
            let written = tokio::task::spawn_blocking(move || write(&to, &lines)).await;
            let (count, error) = match written {
                Ok((count, error)) => (count, error.map(|error| error.to_string())),
                Err(error) => (0, Some(error.to_string())),
            };
            waiting.drain(..count.min(waiting.len()));
            queue.delivered.fetch_add(count as u64, Ordering::Relaxed);
            let path = config.path.display();
            match (error, std::mem::take(&mut is_failing)) {
                (Some(error), was_failing) => {
                    queue.failed_attempts.fetch_add(1, Ordering::Relaxed);
                    is_failing = true;
                    if !was_failing {
                        tracing::error!(%path, %error, "the log of alerts cannot be written; alerts wait in memory");
                    }
                }
                (None, true) => tracing::info!(%path, "the log of alerts takes alerts again"),
                (None, false) => {}
            }
        }
        queue.in_hand.store(waiting.len() as u64, Ordering::Relaxed);
        if is_last {
            return;
        }
    }
}

/// Appends lines, and says how many are in the file as a whole.
fn write(config: &AlertLogConfig, lines: &[String]) -> (usize, Option<io::Error>) {
    let mut count = 0;
    for line in lines {
        if let Err(error) = append(config, line) {
            return (count, Some(error));
        }
        count += 1;
    }
    (count, None)
}

fn append(config: &AlertLogConfig, line: &str) -> io::Result<()> {
    let mut file = open(&config.path)?;
    let mut length = file.metadata()?.len();
    if length > 0 && length.saturating_add(line.len() as u64) > config.bytes_max {
        turn_over(config)?;
        file = open(&config.path)?;
        length = 0;
    }
    let written = file.write_all(line.as_bytes());
    if written.is_err() {
        // Half a line would spoil the next one.
        let _ = file.set_len(length);
    }
    written
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(path)
}

fn turn_over(config: &AlertLogConfig) -> io::Result<()> {
    let numbered = |number: usize| {
        let mut name = config.path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    if config.files_max == 1 {
        return std::fs::remove_file(&config.path);
    }
    for number in (1..config.files_max.saturating_sub(1)).rev() {
        match std::fs::rename(numbered(number), numbered(number + 1)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    std::fs::rename(&config.path, numbered(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_turn_over_within_their_bound() {
        let directory = tempfile::tempdir().unwrap();
        let config = AlertLogConfig {
            bytes_max: 4096,
            files_max: 3,
            ..AlertLogConfig::new(directory.path().join("alerts.json"))
        };
        let lines: Vec<String> = (0..100).map(|number| format!("{number:>999}\n")).collect();
        let (count, error) = write(&config, &lines);
        assert!(error.is_none() && count == 100, "{error:?}");
        let names = ["alerts.json.2", "alerts.json.1", "alerts.json"];
        let text: String =
            names.iter().map(|name| std::fs::read_to_string(directory.path().join(name)).unwrap()).collect();
        // Whole lines, in order, up to the last.
        let numbers: Vec<u32> = text.lines().map(|line| line.trim().parse().unwrap()).collect();
        assert_eq!(numbers, (88..100).collect::<Vec<u32>>());
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 3);
    }

    #[test]
    fn settings_are_checked() {
        let config = AlertLogConfig::new("a/alerts.json");
        assert!(config.check().is_ok());
        assert!(AlertLogConfig { bytes_max: 10, ..config.clone() }.check().unwrap_err().contains("4096"));
        assert!(AlertLogConfig { files_max: 0, ..config }.check().is_err());
        assert!(AlertLogConfig::new("/").check().is_err());
    }
}

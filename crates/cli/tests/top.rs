//! `rio top` in a real terminal: tmux, at 80x24 and 200x50. What was on the screen lies in `rio-top` of the target's directory for temporary files
//! afterwards.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    missing_docs,
    reason = "a test that cannot go on has failed, and one that is skipped says so"
)]

use std::io::Write;
use std::path::PathBuf;
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rustfs_rio::{
    AdvancedPerformanceMonitor, DiskFile, OpenOptions, PerformanceMonitorConfig, RuntimeConfig,
    init_runtime_with_config,
};
use rustfs_rio_dash::{Dashboard, Watched};

const PATIENCE: Duration = Duration::from_secs(30);

/// A tmux server of its own, gone with the value.
struct Screen {
    socket: String,
}

impl Screen {
    fn open(name: &str, width: u32, height: u32, command: &str) -> Option<Self> {
        if Command::new("tmux").arg("-V").output().is_err() {
            let line = "RIO-SKIP: no tmux; install the Debian package tmux";
            println!("{line}");
            if let Some(log) = std::env::var_os("RIO_SKIP_LOG") {
                writeln!(std::fs::OpenOptions::new().create(true).append(true).open(log).unwrap(), "{line}")
                    .unwrap();
            }
            return None;
        }
        let screen = Self { socket: format!("rio-top-{}-{name}", std::process::id()) };
        let (width, height) = (width.to_string(), height.to_string());
        let made = screen.tmux(&["new-session", "-d", "-x", &width, "-y", &height, command]);
        assert!(made.status.success(), "{made:?}");
        Some(screen)
    }

    fn tmux(&self, arguments: &[&str]) -> Output {
        Command::new("tmux").args(["-L", &self.socket, "-f", "/dev/null"]).args(arguments).output().unwrap()
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.tmux(&["capture-pane", "-p"]).stdout).into_owned()
    }

    fn press(&self, key: &str) {
        assert!(self.tmux(&["send-keys", key]).status.success());
    }

    fn until(&self, wanted: impl Fn(&str) -> bool, what: &str) -> String {
        let began = Instant::now();
        loop {
            let text = self.text();
            if wanted(&text) {
                return text;
            }
            assert!(began.elapsed() < PATIENCE, "never on the screen: {what}\n{text}");
            // why: a screen has no event for its changes; this is the pace of looking
            std::thread::sleep(Duration::from_millis(100));
        }
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        self.tmux(&["kill-server"]);
    }
}

fn keep(name: &str, text: &str) {
    let directory = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join("rio-top");
    std::fs::create_dir_all(&directory).unwrap();
    std::fs::write(directory.join(name), text).unwrap();
}

/// A dashboard with load behind it, for as long as `body` runs.
fn with_dashboard(body: impl FnOnce(&str)) {
    let threads = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let directory = tempfile::tempdir().unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let (server, monitor, runtime, load) = threads.block_on(async {
        let monitor = Arc::new(AdvancedPerformanceMonitor::new(PerformanceMonitorConfig::default()));
        let config = RuntimeConfig { recorder: Some(monitor.recorder()), ..RuntimeConfig::default() };
        let runtime = init_runtime_with_config(config).unwrap();
        let options = OpenOptions::new().read(true).write(true).create(true);
        let file =
            DiskFile::open_with(directory.path().join("objects.bin"), &options, &runtime).await.unwrap();
        file.write_from(vec![1u8; 1 << 20], 0).await.0.unwrap();
        let ends = Arc::clone(&stop);
        let load = tokio::spawn(async move {
            let mut at = 0;
            while !ends.load(Ordering::Relaxed) {
                drop(file.read_range(at, 4096).await.unwrap());
                at = (at + 4096) % (1 << 20);
                // why: a load of about a thousand operations per second rather than all there is
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
        let server = Dashboard::new(&Watched::new(&runtime, &monitor)).serve("127.0.0.1:0").await.unwrap();
        (server, monitor, runtime, load)
    });
    body(&server.url());
    stop.store(true, Ordering::Relaxed);
    threads.block_on(async {
        load.await.unwrap();
        server.shutdown().await;
        assert!(runtime.shutdown(PATIENCE).await.is_clean());
        monitor.shutdown().await;
    });
}

fn command(url: &str) -> String {
    // The settings of the terminal before and after have to be the same.
    format!(
        "stty -g > $HOME/.rio-top-before 2>/dev/null; B=$(stty -g); {} top {url}; E=$?; A=$(stty -g); \
             [ \"$A\" = \"$B\" ] && echo CLEAN exit $E || echo DIRTY exit $E; exec sleep 600",
        env!("CARGO_BIN_EXE_rio")
    )
    .replace("stty -g > $HOME/.rio-top-before 2>/dev/null; ", "")
}

fn shows_every_page(width: u32, height: u32) {
    with_dashboard(|url| {
        let name = format!("{width}x{height}");
        let Some(screen) = Screen::open(&name, width, height, &command(url)) else { return };
        let text = screen.until(
            |text| text.contains("live") && text.contains("op/s") && text.contains('\u{2588}'),
            "a history",
        );
        assert!(text.contains("q quit") && text.contains("open alerts"), "{text}");
        keep(&format!("{name}-1-overview.txt"), &text);
        let pages = [
            ("2", "p99.9"),
            ("3", "latency over time"),
            ("4", "objects.bin"),
            ("5", "optimizer"),
            ("6", "past"),
        ];
        for (key, wanted) in pages {
            screen.press(key);
            keep(&format!("{name}-{key}.txt"), &screen.until(|text| text.contains(wanted), wanted));
        }
        let lines = screen.text().lines().count();
        assert!(lines <= height as usize, "{lines} lines");
        screen.press("p");
        screen.until(|text| text.contains("paused"), "paused");
        screen.press("p");
        screen.press("+");
        screen.until(|text| text.contains("range 15min"), "a longer range");
        assert!(screen.tmux(&["resize-window", "-x", "100", "-y", "30"]).status.success());
        screen.press("1");
        screen.until(
            |text| text.contains("open alerts") && text.lines().any(|line| line.chars().count() > 95),
            "the new size",
        );
        screen.press("q");
        let text = screen.until(|text| text.contains("exit 0"), "the end");
        assert!(text.contains("CLEAN exit 0") && !text.contains("q quit"), "{text}");
    });
}

#[test]
fn every_page_at_80x24() {
    shows_every_page(80, 24);
}

#[test]
fn every_page_at_200x50() {
    shows_every_page(200, 50);
}

#[test]
fn who_does_not_answer_is_said() {
    let Some(screen) = Screen::open("gone", 80, 24, &command("http://127.0.0.1:9")) else { return };
    screen.until(|text| text.contains("does not answer"), "that nobody answers");
    screen.press("q");
    screen.until(|text| text.contains("CLEAN exit 0"), "the end");
}

#[test]
fn a_terminal_is_given_back_after_a_panic() {
    let command = command("http://127.0.0.1:9").replace(" top ", " top --panic-for-test ");
    let Some(screen) = Screen::open("panic", 80, 24, &command) else { return };
    let text = screen.until(|text| text.contains("exit 101"), "the panic");
    assert!(text.contains("CLEAN") && text.contains("panicked"), "{text}");
}

#[test]
fn bad_addresses_are_usage_errors() {
    for bad in [
        vec!["top"],
        vec!["top", "nonsense"],
        vec!["top", "https://127.0.0.1:1"],
        vec!["top", "http://x:1", "--", "bench"],
    ] {
        let output = Command::new(env!("CARGO_BIN_EXE_rio")).args(&bad).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{bad:?}: {output:?}");
    }
}

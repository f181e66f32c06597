//! `rio top`: the state of a running program in a terminal, from the API of its dashboard.
//!
//! * [`feed`]: a thread that asks once a second
//! * [`view`]: what is drawn
//!
//! Here: the command line, the keys, and the terminal, which is given back also after a panic.

mod feed;
mod view;

use std::net::TcpListener;
use std::process::{Child, Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::Context;
use clap::Args;
use ratatui::crossterm::event::{self, Event, KeyCode, KeyEventKind, KeyModifiers};
use rustfs_rio_dash::Client;

use crate::UsageError;
use feed::Feed;
use view::{Page, View};

/// How soon new data and a new size of the terminal are shown.
const FRAME: Duration = Duration::from_millis(200);

const EXAMPLES: &str = "\
Examples:
  rio top http://127.0.0.1:9100                      a program that runs with --dashboard
  RIO_TOKEN=... rio top http://10.0.0.7:9100         one that asks for a token
  rio top -- bench --only rand-read-4k-cached-32     starts rio bench and shows it

Keys: q quit, 1-6 or Tab pages, + and - range, p pause.";

/// Shows a running program in the terminal: history, latencies, maps, decisions, alerts.
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub(crate) struct TopArgs {
    /// Address of the dashboard
    #[arg(value_name = "URL", required_unless_present = "run", conflicts_with = "run")]
    url: Option<String>,
    /// Token of the dashboard; the environment variable RIO_TOKEN keeps it out of the list of processes
    #[arg(long, value_name = "TOKEN")]
    token: Option<String>,
    /// Panics after the first frame, to test that the terminal is given back
    #[arg(long, hide = true)]
    panic_for_test: bool,
    /// Subcommand of rio to start and to show, with its arguments
    #[arg(last = true, value_name = "COMMAND")]
    run: Vec<String>,
}

/// Runs the subcommand.
pub(crate) fn run(args: &TopArgs) -> anyhow::Result<ExitCode> {
    let token = args.token.clone().or_else(|| std::env::var("RIO_TOKEN").ok());
    let (url, child) = match &args.url {
        Some(url) => (url.clone(), None),
        None => start(&args.run).map(|(url, child)| (url, Some(child)))?,
    };
    let child = child.map(Started);
    let client = Client::new(&url, token).map_err(|error| UsageError(error.to_string()))?;
    let feed = Feed::start(client, child.is_some()).context("cannot start asking")?;
    // Sets a hook that gives the terminal back before a panic is printed.
    let mut terminal = ratatui::try_init().context("cannot use the terminal; rio top needs one")?;
    let shown = show(&mut terminal, &feed, args.panic_for_test);
    ratatui::restore();
    drop(feed);
    drop(child);
    shown.context("cannot draw")?;
    Ok(ExitCode::SUCCESS)
}

/// A run that ends with this one.
struct Started(Child);

impl Drop for Started {
    fn drop(&mut self) {
        // It may have ended by itself.
        _ = self.0.kill();
        _ = self.0.wait();
    }
}

/// Starts a subcommand of this program with a dashboard on a free port.
fn start(command: &[String]) -> anyhow::Result<(String, Child)> {
    let free = TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr());
    let address = free.context("cannot find a free port")?.to_string();
    let program = std::env::current_exe().context("cannot find this program")?;
    let child = Command::new(program)
        .args(command)
        .args(["--dashboard", &address])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .with_context(|| format!("cannot start rio {}", command.join(" ")))?;
    Ok((address, child))
}

fn show(terminal: &mut ratatui::DefaultTerminal, feed: &Feed, panics: bool) -> std::io::Result<()> {
    let mut view = View::default();
    loop {
        if !view.paused {
            view.latest = feed.latest();
        }
        terminal.draw(|frame| view.draw(frame))?;
        assert!(!panics, "asked for by --panic-for-test");
        if event::poll(FRAME)?
            && let Event::Key(key) = event::read()?
            && key.kind != KeyEventKind::Release
        {
            match key.code {
                KeyCode::Char('q') | KeyCode::Esc => return Ok(()),
                KeyCode::Char('c') if key.modifiers.contains(KeyModifiers::CONTROL) => return Ok(()),
                KeyCode::Tab | KeyCode::Right => view.page = view.page.next(),
                KeyCode::BackTab | KeyCode::Left => view.page = view.page.before(),
                KeyCode::Char('p') => view.paused = !view.paused,
                KeyCode::Char('+') => feed.widen(true),
                KeyCode::Char('-') => feed.widen(false),
                KeyCode::Char(digit) => view.page = Page::numbered(digit).unwrap_or(view.page),
                _ => {}
            }
        }
    }
}

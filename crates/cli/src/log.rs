//! What the library says while it works, on standard error: for people on a terminal, as JSON lines otherwise or on request.

use std::io::{self, IsTerminal};

use clap::{Args, ValueEnum};
use tracing_subscriber::filter::LevelFilter;

/// How much is told, and how.
#[derive(Debug, Args)]
pub(crate) struct LogArgs {
    /// What is told on standard error: off, error, warn, info, debug, trace
    #[arg(
        long,
        global = true,
        value_name = "LEVEL",
        default_value = "error",
        hide_default_value = true,
        help_heading = "Log"
    )]
    log: LevelFilter,
    /// In which form: for people, or a JSON object per line [default: people on a terminal, JSON otherwise]
    #[arg(long, global = true, value_name = "FORM", help_heading = "Log")]
    log_form: Option<Form>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Form {
    People,
    Json,
}

impl LogArgs {
    /// Begins to tell.
    pub(crate) fn begin(&self) {
        let form =
            self.log_form.unwrap_or(if io::stderr().is_terminal() { Form::People } else { Form::Json });
        let builder = tracing_subscriber::fmt().with_max_level(self.log).with_writer(io::stderr);
        // Somebody else's subscriber, which only tests have, stays.
        _ = match form {
            Form::People => builder.with_ansi(io::stderr().is_terminal()).try_init(),
            Form::Json => builder.json().flatten_event(true).try_init(),
        };
    }
}

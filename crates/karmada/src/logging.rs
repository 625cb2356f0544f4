//! Logs: to standard error, as text for people or as JSON for machines.

use std::io::IsTerminal as _;

use clap::{Args, ValueEnum};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::writer::BoxMakeWriter;

/// How logs are written.
#[derive(Debug, Clone, Args)]
pub(crate) struct Logging {
    /// Format of log lines.
    #[arg(long, global = true, value_enum, default_value_t = Format::Text)]
    logging_format: Format,
    /// How much is logged: 0 warnings, 1 what happens, 2 and up every step. `RUST_LOG` overrides it.
    #[arg(short = 'v', long = "v", global = true, default_value_t = 0, value_name = "LEVEL")]
    verbosity: u8,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Format {
    Text,
    Json,
}

impl Logging {
    /// Starts logging. Parts that run in the foreground of a terminal log less than daemons do.
    pub(crate) fn start(&self, daemon: bool) {
        let level = match (self.verbosity, daemon) {
            (0, false) => "warn",
            (0, true) | (1, _) => "info",
            (2..=4, _) => "debug",
            _ => "trace",
        };
        let own = [
            "agent",
            "apiserver",
            "client",
            "controllers",
            "karmada",
            "kube_controllers",
            "local_cluster",
            "runtime",
            "scheduler",
            "store",
            "webhook",
        ];
        let directives: Vec<String> = own.iter().map(|name| format!("{name}={level}")).collect();
        let filter = std::env::var("RUST_LOG").unwrap_or_else(|_| format!("warn,{}", directives.join(",")));
        let builder = tracing_subscriber::fmt()
            .with_env_filter(EnvFilter::new(filter))
            .with_writer(BoxMakeWriter::new(std::io::stderr));
        match self.logging_format {
            Format::Text => builder.with_ansi(std::io::stderr().is_terminal()).init(),
            Format::Json => builder.json().flatten_event(true).init(),
        }
    }
}

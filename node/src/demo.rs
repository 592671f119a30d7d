//! `restante demo`: the whole way of a message, with real sockets and real files, in one process.
//!
//! A server, eight keepers, Alice and Bob, each with a home of its own in a temporary folder and sockets on loopback.
//! Everything that is said is checked; the command fails if one thing is not as it should be.

mod fixtures;
mod script;

use std::fmt::Display;
use std::io::{self, Write};
use std::time::Instant;

use restante::cli::Failure;
use restante::cli::args::DemoArgs;
use restante::cli::host::{runtime, start_logging};
use restante::config::{Config, RawConfig};
use restante::home::HomeError;
use restante::node::person::PersonError;

/// Keepers beside the server.
const KEEPERS: usize = 8;

/// Why the demonstration ended early.
#[derive(Debug, thiserror::Error)]
pub(crate) enum DemoError {
    #[error(transparent)]
    Node(#[from] PersonError),
    #[error(transparent)]
    Home(#[from] HomeError),
    #[error("{0}")]
    Broken(String),
    #[error("{doing}: {source}")]
    Io {
        doing: &'static str,
        source: io::Error,
    },
}

/// Writes what happens, each line with the seconds since the start.
pub(crate) struct Timeline<'a> {
    out: &'a mut dyn Write,
    start: Instant,
}

impl<'a> Timeline<'a> {
    fn new(out: &'a mut dyn Write) -> Self {
        Self {
            out,
            start: Instant::now(),
        }
    }

    /// Writes one line with the time in front.
    fn tell(&mut self, who: &str, what: impl Display) -> Result<(), DemoError> {
        let seconds = self.start.elapsed().as_secs_f64();
        self.line(format!("{seconds:6.2} s  {who:<9}{what}"))
    }

    /// Writes one line under the last one.
    fn more(&mut self, what: impl Display) -> Result<(), DemoError> {
        self.line(format!("                   {what}"))
    }

    fn line(&mut self, text: impl Display) -> Result<(), DemoError> {
        writeln!(self.out, "{text}")
            .and_then(|()| self.out.flush())
            .map_err(|source| DemoError::Io {
                doing: "writing to the terminal",
                source,
            })
    }
}

/// Runs the command.
pub(crate) fn demo(args: &DemoArgs) -> Result<(), Failure> {
    let defaults = Config {
        log: "off".to_owned(),
        ..Config::local()
    };
    let mut flags = RawConfig::default();
    for (name, value) in [("log", &args.log), ("log_format", &args.log_format)] {
        flags.flag(name, value.as_slice());
    }
    start_logging(&flags.resolve(&defaults)?)?;
    runtime()?
        .block_on(play(&mut io::stdout()))
        .map_err(|error| Failure::failed(error.to_string(), "run it with `--log debug` to see why"))
}

/// Plays the demonstration and writes it to `out`, up to the first thing that is not as it should be.
async fn play(out: &mut dyn Write) -> Result<(), DemoError> {
    let folder = tempfile::Builder::new()
        .prefix("restante-demo-")
        .tempdir()
        .map_err(|source| DemoError::Io {
            doing: "making a temporary folder",
            source,
        })?;
    let mut timeline = Timeline::new(out);
    let mut nodes = fixtures::Nodes::new(folder.path());
    let played = script::play(&mut timeline, &mut nodes).await;
    nodes.leave().await;
    played
}

fn broken(what: impl Into<String>) -> DemoError {
    DemoError::Broken(what.into())
}

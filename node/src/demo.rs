//! `restante demo`: the whole way of a message, with real sockets and real files, in one process.
//!
//! A server, eight keepers, Alice and Bob, each with a home of its own in a temporary folder and sockets on loopback.
//! Everything that is said is checked; the command fails if one thing is not as it should be.

mod cast;
mod story;

use std::fmt::Display;
use std::io::{self, Write};
use std::time::Instant;

use crate::node::NodeFault;

/// Keepers beside the server.
const KEEPERS: usize = 8;

/// Why the demonstration ended early.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DemoFault {
    /// A node could not be made or run.
    #[error(transparent)]
    Node(#[from] NodeFault),
    /// Something was not as it should be.
    #[error("{0}")]
    Broken(String),
    /// A file or the terminal.
    #[error("{doing}: {source}")]
    Io {
        /// What was being done.
        doing: &'static str,
        /// What the operating system says.
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
    fn tell(&mut self, who: &str, what: impl Display) -> Result<(), DemoFault> {
        let seconds = self.start.elapsed().as_secs_f64();
        self.line(format!("{seconds:6.2} s  {who:<9}{what}"))
    }

    /// Writes one line under the last one.
    fn more(&mut self, what: impl Display) -> Result<(), DemoFault> {
        self.line(format!("                   {what}"))
    }

    fn line(&mut self, text: impl Display) -> Result<(), DemoFault> {
        writeln!(self.out, "{text}")
            .and_then(|()| self.out.flush())
            .map_err(|source| DemoFault::Io {
                doing: "writing to the terminal",
                source,
            })
    }
}

/// Plays the demonstration and writes it to `out`.
///
/// # Errors
///
/// [`DemoFault`] at the first thing that is not as it should be.
///
/// # Cancel safety
///
/// Dropping the future ends all nodes; the temporary folder goes with it.
pub async fn run(out: &mut dyn Write) -> Result<(), DemoFault> {
    let folder = tempfile::Builder::new()
        .prefix("restante-demo-")
        .tempdir()
        .map_err(|source| DemoFault::Io {
            doing: "making a temporary folder",
            source,
        })?;
    let mut timeline = Timeline::new(out);
    let mut cast = cast::Cast::new(folder.path());
    let played = story::play(&mut timeline, &mut cast).await;
    cast.leave().await;
    played
}

fn broken(what: impl Into<String>) -> DemoFault {
    DemoFault::Broken(what.into())
}

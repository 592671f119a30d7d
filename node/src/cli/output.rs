//! The one place that writes to standard output.

use std::fmt::Display;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};

use serde::Serialize;

use super::Failure;

/// Standard output; a reader that has gone away, as `head` does, ends the command quietly.
pub(crate) struct Output {
    stdout: Box<dyn Write>,
    terminal: bool,
}

impl Output {
    pub(crate) fn stdout() -> Self {
        Self {
            stdout: Box::new(BufWriter::new(io::stdout())),
            terminal: io::stdout().is_terminal(),
        }
    }

    /// Tells whether it is a terminal.
    pub(crate) const fn is_terminal(&self) -> bool {
        self.terminal
    }

    pub(crate) fn line(&mut self, text: impl Display) -> Result<(), Failure> {
        writeln!(self.stdout, "{text}").map_err(closed)
    }

    /// Writes a value as one line.
    pub(crate) fn json<T: Serialize>(&mut self, value: &T) -> Result<(), Failure> {
        let text = serde_json::to_string(value)
            .map_err(|error| Failure::failed(format!("cannot write JSON: {error}"), ""))?;
        self.line(text)
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.stdout.write_all(bytes).map_err(closed)
    }

    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.stdout.flush().map_err(closed)
    }
}

/// Shows progress on a terminal; a script's standard error stays empty.
pub(crate) fn progress(text: impl Display) {
    let mut stderr = io::stderr();
    if stderr.is_terminal() {
        let _closed = writeln!(stderr, "{text}");
    }
}

fn closed(error: io::Error) -> Failure {
    if error.kind() == ErrorKind::BrokenPipe {
        return Failure::quiet();
    }
    Failure::failed(
        format!("cannot write to standard output: {error}"),
        "check where it goes, and the disk",
    )
}

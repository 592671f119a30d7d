//! The trace: one line for each thing that happens, hashed as it is written.

use std::fmt;
use std::io::{self, Write};

use crate::clock::Instant;

mod filter;

pub(crate) use self::filter::{Filter, Filtered};

/// Hashes lines, and writes them out where somebody wants to read them.
pub(crate) struct Trace<'a> {
    hasher: blake3::Hasher,
    lines: u64,
    line: String,
    sink: Option<&'a mut dyn Write>,
    error: Option<io::Error>,
}

impl<'a> Trace<'a> {
    pub(crate) fn new(sink: Option<&'a mut dyn Write>) -> Self {
        Self {
            hasher: blake3::Hasher::new(),
            lines: 0,
            line: String::new(),
            sink,
            error: None,
        }
    }

    /// Adds a line.
    pub(crate) fn line(&mut self, now: Instant, what: fmt::Arguments<'_>) {
        use fmt::Write as _;
        self.line.clear();
        let (seconds, ms) = (now.0 / 1_000, now.0 % 1_000);
        // Writing to a string cannot fail.
        let _infallible = writeln!(self.line, "{seconds}.{ms:03} {what}");
        self.hasher.update(self.line.as_bytes());
        self.lines += 1;
        if let Some(sink) = &mut self.sink {
            let written = sink.write_all(self.line.as_bytes());
            self.error = self.error.take().or_else(|| written.err());
        }
    }

    /// Returns the hash over all lines, in hexadecimal, and their number.
    ///
    /// # Errors
    ///
    /// The first thing that went wrong with writing the lines out.
    pub(crate) fn finish(mut self) -> io::Result<(String, u64)> {
        if let Some(sink) = &mut self.sink {
            sink.flush()?;
        }
        match self.error {
            Some(error) => Err(error),
            None => Ok((self.hasher.finalize().to_hex().to_string(), self.lines)),
        }
    }
}

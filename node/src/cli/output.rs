//! The one place that writes to standard output.

use std::fmt::Display;
use std::io::{self, BufWriter, ErrorKind, IsTerminal, Write};
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::FileType;
use serde::Serialize;

use super::program::wants_json;
use super::terminal::escape_json;
use super::{Failure, Program};

/// How long a reader at the other end of a pipe has to take what was written.
const TAKEN_MAX: Duration = Duration::from_secs(2);
/// The first and the longest pause between two looks at a pipe.
const LOOKS: (Duration, Duration) = (Duration::from_millis(1), Duration::from_millis(50));

/// What `--json` prints of what has no other result.
#[derive(Debug, Serialize)]
pub(crate) struct Done {
    done: bool,
}

impl Default for Done {
    fn default() -> Self {
        Self { done: true }
    }
}

/// Standard output; a reader that has gone away, as `head` does, ends the command quietly.
pub(crate) struct Output {
    stdout: Box<dyn Write>,
    terminal: bool,
    pipe: bool,
    nowhere: bool,
}

/// Tells whether standard output is thrown away: it is `/dev/null`, or was closed, which Rust's runtime makes the same.
fn is_nowhere() -> bool {
    let device = |stat: rustix::fs::Stat| (stat.st_rdev, FileType::from_raw_mode(stat.st_mode));
    let null = rustix::fs::stat("/dev/null").map(device);
    null.is_ok() && rustix::fs::fstat(io::stdout()).map(device) == null
}

impl Output {
    pub(crate) fn stdout() -> Self {
        Self {
            stdout: Box::new(BufWriter::new(io::stdout())),
            terminal: io::stdout().is_terminal(),
            pipe: rustix::fs::fstat(io::stdout())
                .is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Fifo),
            nowhere: is_nowhere(),
        }
    }

    /// Tells whether it is a terminal.
    pub(crate) const fn is_terminal(&self) -> bool {
        self.terminal
    }

    pub(crate) fn line(&mut self, text: impl Display) -> Result<(), Failure> {
        writeln!(self.stdout, "{text}").map_err(closed)
    }

    /// Writes a value as one line, which a terminal may show: JSON has another way to write what terminals act upon.
    pub(crate) fn json<T: Serialize>(&mut self, value: &T) -> Result<(), Failure> {
        let text = serde_json::to_string(value)
            .map_err(|error| Failure::failed(format!("cannot write JSON: {error}"), ""))?;
        self.line(escape_json(&text))
    }

    pub(crate) fn bytes(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.stdout.write_all(bytes).map_err(closed)
    }

    pub(crate) fn flush(&mut self) -> Result<(), Failure> {
        self.stdout.flush().map_err(closed)
    }

    /// Passes on what was written, and tells whether it was taken: what lies in a pipe is not, and a reader that leaves
    /// never takes it.
    pub(crate) fn settle(&mut self) -> Result<bool, Failure> {
        self.flush()?;
        if !self.pipe {
            return Ok(!self.nowhere);
        }
        let stdout = io::stdout();
        let (began, mut pause) = (Instant::now(), LOOKS.0);
        loop {
            match rustix::io::ioctl_fionread(&stdout) {
                Ok(0) => return Ok(true),
                _ if began.elapsed() >= TAKEN_MAX => return Ok(false),
                _ => {}
            }
            // Without an event to wait for it waits for the reader to leave.
            let mut ends = [PollFd::new(&stdout, PollFlags::empty())];
            let timeout = Timespec::try_from(pause).ok();
            poll(&mut ends, timeout.as_ref()).map_err(|error| closed(error.into()))?;
            let is_left = !ends[0].revents().is_empty();
            if is_left && !matches!(rustix::io::ioctl_fionread(&stdout), Ok(0)) {
                return Err(Failure::quiet());
            }
            pause = (2 * pause).min(LOOKS.1);
        }
    }
}

/// Shows progress on a terminal; a script's standard error stays empty.
pub(crate) fn progress(text: impl Display) {
    let mut stderr = io::stderr();
    if stderr.is_terminal() {
        let _closed = writeln!(stderr, "{text}");
    }
}

/// Says on standard error what a person should think about; the command goes on.
pub(crate) fn warn(text: impl Display) {
    let program = Program::this().name();
    let _closed = writeln!(io::stderr(), "{program}: warning: {text}");
}

/// Says on standard error what happened beside, where nobody reads JSON.
pub(crate) fn note(text: impl Display) {
    if !wants_json() {
        let program = Program::this().name();
        let _closed = writeln!(io::stderr(), "{program}: note: {text}");
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

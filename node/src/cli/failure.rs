//! How a command fails: one line on standard error, and an exit code.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use restante_interface::Refusal;

use super::terminal::escape_line;
use super::{hints, words};
use crate::config::ConfigErrors;
use crate::control::client::CallError;
use crate::home::HomeError;
use crate::passphrase::PassphraseError;

/// The exit codes; scripts depend on them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: it was done.
    Done,
    /// 1: it failed.
    Failed,
    /// 2: wrong usage or configuration.
    Usage,
}

impl Exit {
    /// Returns the number the process ends with.
    pub const fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Failed => 1,
            Self::Usage => 2,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.code())
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// The exit code.
    pub exit: Exit,
    /// What happened, lower case, without a full stop; one line, except for several errors of a
    /// configuration.
    pub message: String,
    /// What to do next, in one line; empty if there is nothing to do.
    pub hint: String,
}

impl Failure {
    /// Returns a failure with exit code 1.
    pub fn failed(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Exit::Failed, message, hint)
    }

    /// Returns a failure with exit code 2.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new(Exit::Usage, message, hint)
    }

    /// Returns an end without a message and with exit code 0, for a reader that has gone away.
    pub(crate) fn quiet() -> Self {
        Self::new(Exit::Done, "", "")
    }

    /// Writes the failure to standard error behind the program's name and returns the exit code.
    pub fn report(&self, program: &str) -> ExitCode {
        let mut stderr = io::stderr().lock();
        for line in self.lines() {
            let _closed = writeln!(stderr, "{program}: {line}");
        }
        self.exit.into()
    }

    /// Returns the lines a person reads, made safe for a terminal.
    fn lines(&self) -> Vec<String> {
        let mut lines: Vec<_> = self.message.lines().map(escape_line).collect();
        if let (Some(last), false) = (lines.last_mut(), self.hint.is_empty()) {
            last.push_str("; ");
            last.push_str(&escape_line(&self.hint));
        }
        lines
    }

    fn new(exit: Exit, message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self {
            exit,
            message: message.into(),
            hint: hint.into(),
        }
    }
}

/// Returns an error and its causes in one line.
pub(crate) fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(": ");
        text.push_str(&error.to_string());
        cause = error.source();
    }
    text
}

impl From<HomeError> for Failure {
    fn from(error: HomeError) -> Self {
        let exit = match error {
            HomeError::InUse { .. } | HomeError::Io { .. } => Exit::Failed,
            _ => Exit::Usage,
        };
        Self::new(exit, chain(&error), hints::home(&error))
    }
}

impl From<PassphraseError> for Failure {
    fn from(error: PassphraseError) -> Self {
        Self::usage(chain(&error), hints::passphrase(&error))
    }
}

impl From<ConfigErrors> for Failure {
    fn from(errors: ConfigErrors) -> Self {
        Self::usage(errors.to_string(), "")
    }
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        let exit = if refusal.is_usage() {
            Exit::Usage
        } else {
            Exit::Failed
        };
        let (message, hint) = words::refusal(&refusal);
        Self::new(exit, message, hint)
    }
}

impl From<CallError> for Failure {
    /// The hint for [`CallError::NotRunning`] names no home; callers that know it replace it.
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused(refusal) => refusal.into(),
            CallError::Home(error) => error.into(),
            CallError::Ended | CallError::TimedOut(_) => {
                Self::failed(error.to_string(), "look at its log, and try again")
            }
            CallError::Garbled => Self::failed(
                error.to_string(),
                "use the same version of restante for the command and the node",
            ),
            CallError::NotRunning => {
                Self::failed(error.to_string(), "start it with `restante run`")
            }
        }
    }
}

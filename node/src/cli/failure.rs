//! How a command fails: one line on standard error, and an exit code.

use std::error::Error;
use std::io::{self, Write};
use std::process::ExitCode;

use restante_interface::Refusal;
use serde::Serialize;

use super::program::wants_json;
use super::terminal::{escape_json, escape_line};
use super::{Program, hints, words};
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

const LOOK_AT_LOG: &str = "look at its log, and try again";

/// A failure as it is written where JSON was asked for.
#[derive(Serialize)]
struct Reported<'a> {
    error: &'a Failure,
}

/// Why a command did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// The exit code.
    #[serde(skip)]
    pub exit: Exit,
    /// What happened, for programs.
    pub code: &'static str,
    /// What happened, lower case, without a full stop; one line, except for several errors of a
    /// configuration.
    pub message: String,
    /// What to do next, in one line; empty if there is nothing to do.
    pub hint: String,
}

impl Failure {
    /// Returns a failure with exit code 1.
    pub fn failed(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new((Exit::Failed, "failed"), message, hint)
    }

    /// Returns a failure with exit code 2.
    pub fn usage(message: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::new((Exit::Usage, "usage"), message, hint)
    }

    /// Returns an end without a message and with exit code 0, for a reader that has gone away.
    pub(crate) fn quiet() -> Self {
        Self::new((Exit::Done, "done"), "", "")
    }

    /// Returns the same failure with a code of its own.
    #[must_use]
    pub const fn coded(mut self, code: &'static str) -> Self {
        self.code = code;
        self
    }

    /// Returns what happened and what to do, as one sentence.
    pub(crate) fn sentence(&self) -> String {
        match self.hint.is_empty() {
            true => self.message.clone(),
            false => format!("{}: {}", self.message, self.hint),
        }
    }

    /// Writes the failure to standard error, as JSON where that was asked for, and returns the exit code.
    pub fn report(&self) -> ExitCode {
        let mut stderr = io::stderr().lock();
        if wants_json() && self.exit != Exit::Done {
            if let Ok(json) = serde_json::to_string(&Reported { error: self }) {
                let _closed = writeln!(stderr, "{}", escape_json(&json));
            }
            return self.exit.into();
        }
        let program = Program::this().name();
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

    fn new(
        (exit, code): (Exit, &'static str),
        message: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            exit,
            code,
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
        let code = match &error {
            HomeError::Missing(_) => "home_missing",
            HomeError::Incomplete { .. } => "home_incomplete",
            HomeError::Exists(_) => "home_exists",
            HomeError::Occupied(_) => "home_occupied",
            HomeError::InUse { .. } => "home_in_use",
            HomeError::OtherKind { .. } => "home_other_kind",
            HomeError::Open { .. } => "home_open_to_others",
            HomeError::SocketPath(_) => "home_path_too_long",
            HomeError::Nowhere => "home_nowhere",
            HomeError::Io { .. } => "home_io",
        };
        Self::new((exit, code), chain(&error), hints::home(&error))
    }
}

impl From<PassphraseError> for Failure {
    fn from(error: PassphraseError) -> Self {
        Self::usage(chain(&error), hints::passphrase(&error)).coded("passphrase_unusable")
    }
}

impl From<ConfigErrors> for Failure {
    fn from(errors: ConfigErrors) -> Self {
        let hint = "`run --help` and `node/example.toml` in the source explain every setting";
        Self::usage(errors.to_string(), hint).coded("configuration_wrong")
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
        Self::new((exit, refusal.code()), message, hint)
    }
}

impl From<CallError> for Failure {
    /// The hint for [`CallError::NotRunning`] names no home; callers that know it replace it.
    fn from(error: CallError) -> Self {
        match error {
            CallError::Refused(refusal) => refusal.into(),
            CallError::Home(error) => error.into(),
            CallError::Ended => Self::failed(error.to_string(), LOOK_AT_LOG).coded("node_ended"),
            CallError::TimedOut(_) => {
                Self::failed(error.to_string(), LOOK_AT_LOG).coded("node_silent")
            }
            CallError::Garbled => Self::failed(
                error.to_string(),
                "use the same version of restante for the command and the node",
            )
            .coded("node_garbled"),
            CallError::NotRunning => {
                let hint = format!("start it with `{} run`", Program::this().name());
                Self::failed(error.to_string(), hint).coded("node_not_running")
            }
        }
    }
}

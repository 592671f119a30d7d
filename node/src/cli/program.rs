//! Which program this process is, and how it answers: what errors say to type next depends on it.

use std::env;
use std::sync::OnceLock;

use crate::home::{COMMUNITY_FOLDER, HomeKind, PERSON_FOLDER};

static PROGRAM: OnceLock<Program> = OnceLock::new();

/// One of the programs that have these commands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Program {
    /// A person's node.
    Restante,
    /// A community server.
    Bootstrap,
}

impl Program {
    /// Says which program this process is; a process that says nothing is [`Program::Restante`].
    pub fn begin(self) {
        // The first word counts.
        let _said_before = PROGRAM.set(self);
    }

    /// Returns which program this process is.
    pub fn this() -> Self {
        PROGRAM.get().copied().unwrap_or(Self::Restante)
    }

    /// Returns its name.
    pub const fn name(self) -> &'static str {
        self.kind().program()
    }

    /// Returns whose homes it makes.
    pub const fn kind(self) -> HomeKind {
        match self {
            Self::Restante => HomeKind::Person,
            Self::Bootstrap => HomeKind::Community,
        }
    }

    /// Returns the folder of its home unless told otherwise.
    pub const fn folder(self) -> &'static str {
        match self {
            Self::Restante => PERSON_FOLDER,
            Self::Bootstrap => COMMUNITY_FOLDER,
        }
    }
}

/// Tells whether the command line asks for JSON: then errors are JSON too, those of the command line included.
pub(super) fn wants_json() -> bool {
    let arguments = env::args_os().skip(1);
    let mut options = arguments.take_while(|argument| argument != "--");
    options.any(|argument| argument == "--json")
}

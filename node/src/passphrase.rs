//! The pass phrase that unlocks a home: from a file, the environment or a prompt, in this order.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

#[cfg(test)]
mod tests;

/// Environment variable with the pass phrase; every process of the same user can read it, so a file
/// is better.
pub const VARIABLE: &str = "RESTANTE_PASSPHRASE";
pub const PASSPHRASE_BYTES_MAX: usize = 1_024;

/// A pass phrase, wiped from memory with its last copy.
#[derive(Clone)]
pub struct Passphrase(Zeroizing<Vec<u8>>);

/// There is no usable pass phrase.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum PassphraseError {
    #[error("cannot read the pass phrase file {}", .path.display())]
    File { path: PathBuf, source: io::Error },
    #[error("others can read the pass phrase file {} (mode {mode:03o})", .path.display())]
    Open { path: PathBuf, mode: u32 },
    #[error("the pass phrase is empty")]
    Empty,
    #[error("the pass phrase is longer than {PASSPHRASE_BYTES_MAX} bytes")]
    TooLong,
    #[error("the two pass phrases differ")]
    Differ,
    #[error("no pass phrase was given and there is no terminal to ask at")]
    NoTerminal,
    #[error("cannot read the pass phrase from the terminal")]
    Terminal(#[source] io::Error),
}

impl PassphraseError {
    /// Returns what to do next, in one line.
    pub fn hint(&self) -> String {
        match self {
            Self::Open { path, .. } => format!("run `chmod 600 {}`", path.display()),
            Self::Differ => "try again".into(),
            Self::File { .. } | Self::Empty | Self::TooLong => {
                "give one line of text, at most 1024 bytes".into()
            }
            Self::NoTerminal | Self::Terminal(_) => {
                "use --passphrase-file FILE or set RESTANTE_PASSPHRASE".into()
            }
        }
    }
}

/// Whether a pass phrase is chosen or only asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// It unlocks what exists: asked for once.
    Unlock,
    /// It is chosen now: asked for twice.
    Choose,
}

impl Passphrase {
    /// Wraps a pass phrase.
    ///
    /// # Errors
    ///
    /// [`PassphraseError::Empty`] or [`PassphraseError::TooLong`].
    pub fn new(bytes: Vec<u8>) -> Result<Self, PassphraseError> {
        let bytes = Zeroizing::new(bytes);
        match bytes.len() {
            0 => Err(PassphraseError::Empty),
            length if length > PASSPHRASE_BYTES_MAX => Err(PassphraseError::TooLong),
            _ => Ok(Self(bytes)),
        }
    }

    /// Gets the pass phrase from `file` if there is one, else from the environment, else from the
    /// terminal.
    ///
    /// # Errors
    ///
    /// [`PassphraseError`] says which of them was used and what is wrong with it.
    pub fn obtain(file: Option<&Path>, purpose: Purpose) -> Result<Self, PassphraseError> {
        if let Some(path) = file {
            return Self::from_file(path);
        }
        match std::env::var_os(VARIABLE) {
            Some(value) => Self::new(value.into_vec()),
            None => Self::from_terminal(purpose),
        }
    }

    /// Reads the pass phrase from a file that its owner alone can read; one line break at the end
    /// does not count.
    ///
    /// # Errors
    ///
    /// [`PassphraseError`] says what is wrong with the file.
    pub fn from_file(path: &Path) -> Result<Self, PassphraseError> {
        let failed = |source| PassphraseError::File {
            path: path.to_owned(),
            source,
        };
        let file = File::open(path).map_err(failed)?;
        let metadata = file.metadata().map_err(failed)?;
        let mode = metadata.mode() & 0o777;
        // A pipe, as a shell makes for `<(command)`, has no mode that says anything.
        if metadata.is_file() && mode & 0o077 != 0 {
            let path = path.to_owned();
            return Err(PassphraseError::Open { path, mode });
        }
        // Room for all that may come, so that growing leaves no copies behind; two for the line
        // break, one to notice.
        let limit = PASSPHRASE_BYTES_MAX + 3;
        let mut bytes = Zeroizing::new(Vec::with_capacity(limit + 32));
        file.take(limit as u64)
            .read_to_end(&mut bytes)
            .map_err(failed)?;
        if bytes.ends_with(b"\n") {
            bytes.pop();
            if bytes.ends_with(b"\r") {
                bytes.pop();
            }
        }
        Self::new(std::mem::take(&mut *bytes))
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn from_terminal(purpose: Purpose) -> Result<Self, PassphraseError> {
        if !io::stdin().is_terminal() {
            return Err(PassphraseError::NoTerminal);
        }
        let ask = |prompt: &str| {
            rpassword::prompt_password(prompt)
                .map(Zeroizing::new)
                .map_err(PassphraseError::Terminal)
        };
        let first = ask("Pass phrase: ")?;
        if purpose == Purpose::Choose && first != ask("The same again: ")? {
            return Err(PassphraseError::Differ);
        }
        Self::new(first.as_bytes().to_vec())
    }
}

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passphrase(redacted)")
    }
}

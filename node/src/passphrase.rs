//! The pass phrase that unlocks a home: from a file, the environment or a prompt, in this order.

use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use unicode_normalization::UnicodeNormalization;
use zeroize::Zeroizing;

#[cfg(test)]
mod tests;

/// Environment variable with the pass phrase; every process of the same user can read it, so a file
/// is better.
pub const VARIABLE: &str = "RESTANTE_PASSPHRASE";
pub const PASSPHRASE_BYTES_MAX: usize = 1_024;
/// Characters below which there is a warning about a pass phrase.
const CHARS_FEW: usize = 10;

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
    #[error("the pass phrase has a control character in it")]
    Control,
    #[error("the two pass phrases differ")]
    Differ,
    #[error("no pass phrase was given and there is no terminal to ask at")]
    NoTerminal,
    #[error("no pass phrase was given, and a program in the background cannot ask for it")]
    Background,
    #[error("no new pass phrase was given and there is no terminal to ask at")]
    NoNew,
    #[error("cannot read the pass phrase from the terminal")]
    Terminal(#[source] io::Error),
}

/// Whether a pass phrase is chosen or only asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// It unlocks what exists: asked for once.
    Unlock,
    /// It is chosen now: asked for twice.
    Choose,
    /// It is chosen to take the place of another one: asked for twice.
    Replace,
}

impl Passphrase {
    /// Prepares a pass phrase, so that it is the same whatever keyboard and system it was typed at: as the OpaqueString
    /// profile of RFC 8265 if it is UTF-8 (every space is U+0020, NFC, no control characters), else as it is.
    ///
    /// # Errors
    ///
    /// [`PassphraseError::Empty`], [`PassphraseError::TooLong`] or [`PassphraseError::Control`].
    pub fn new(bytes: Vec<u8>) -> Result<Self, PassphraseError> {
        let bytes = Zeroizing::new(bytes);
        if bytes.len() > PASSPHRASE_BYTES_MAX {
            return Err(PassphraseError::TooLong);
        }
        let prepared = match str::from_utf8(&bytes) {
            Ok(text) => prepare(text)?,
            Err(_) => bytes,
        };
        match prepared.len() {
            0 => Err(PassphraseError::Empty),
            length if length > PASSPHRASE_BYTES_MAX => Err(PassphraseError::TooLong),
            _ => Ok(Self(prepared)),
        }
    }

    /// Tells whether [`Self::obtain`] asks at the terminal.
    pub fn is_asked_for(file: Option<&Path>) -> bool {
        file.is_none() && std::env::var_os(VARIABLE).is_none()
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

    /// Gets the pass phrase that takes the place of another one: from `file` if there is one, else from the terminal.
    ///
    /// # Errors
    ///
    /// [`PassphraseError`] says what is wrong with it.
    pub fn obtain_new(file: Option<&Path>) -> Result<Self, PassphraseError> {
        if let Some(path) = file {
            return Self::from_file(path);
        }
        Self::from_terminal(Purpose::Replace).map_err(|error| match error {
            PassphraseError::NoTerminal | PassphraseError::Background => PassphraseError::NoNew,
            other => other,
        })
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

    /// Tells whether whoever gets hold of the disk guesses it soon, for a warning.
    pub fn is_short(&self) -> bool {
        let chars = match str::from_utf8(&self.0) {
            Ok(text) => text.chars().count(),
            Err(_) => self.0.len(),
        };
        chars < CHARS_FEW
    }

    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    fn from_terminal(purpose: Purpose) -> Result<Self, PassphraseError> {
        if !io::stdin().is_terminal() {
            return Err(PassphraseError::NoTerminal);
        }
        // Else what is typed goes to the shell, and into its history.
        if !is_in_foreground() {
            return Err(PassphraseError::Background);
        }
        let ask = |prompt: &str| {
            rpassword::prompt_password(prompt)
                .map(Zeroizing::new)
                .map_err(PassphraseError::Terminal)
        };
        let first = match purpose {
            Purpose::Choose => {
                ask("Pass phrase (several words that nobody else would put together): ")?
            }
            Purpose::Replace => {
                ask("New pass phrase (several words that nobody else would put together): ")?
            }
            Purpose::Unlock => ask("Pass phrase: ")?,
        };
        if purpose != Purpose::Unlock && first != ask("The same again: ")? {
            return Err(PassphraseError::Differ);
        }
        Self::new(first.as_bytes().to_vec())
    }
}

/// Tells whether what is typed at the terminal comes to this process.
fn is_in_foreground() -> bool {
    let foreground = rustix::termios::tcgetpgrp(io::stdin());
    // A terminal that belongs to no session, or to another, knows no foreground.
    foreground.is_ok_and(|group| group == rustix::process::getpgrp())
}

fn prepare(text: &str) -> Result<Zeroizing<Vec<u8>>, PassphraseError> {
    if text.chars().any(char::is_control) {
        return Err(PassphraseError::Control);
    }
    let spaced = text
        .chars()
        .map(|c| if c.is_whitespace() { ' ' } else { c });
    // Room for the longest that NFC makes of it (UAX 15, 9), so that growing leaves no copies behind.
    let mut prepared = Zeroizing::new(Vec::with_capacity(3 * text.len()));
    for c in spaced.nfc() {
        let mut bytes = [0; 4];
        prepared.extend_from_slice(c.encode_utf8(&mut bytes).as_bytes());
    }
    Ok(prepared)
}

impl std::fmt::Debug for Passphrase {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Passphrase(redacted)")
    }
}

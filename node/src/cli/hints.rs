//! What to do about a home or a pass phrase that cannot be used, in commands that can be pasted.

use std::io::ErrorKind;
use std::path::Path;

use super::Program;
use crate::home::HomeError;
use crate::passphrase::PassphraseError;

/// Returns what to do about a home, in one line.
pub(super) fn home(error: &HomeError) -> String {
    match error {
        HomeError::Missing(path) => match Program::this() {
            Program::Restante => format!(
                "make one with `restante --home {} init --handle NAME`",
                shell_word(path)
            ),
            Program::Bootstrap => format!("make one with `{}`", on_home(path, "run")),
        },
        HomeError::Incomplete { path, .. } if Program::this() == Program::Bootstrap => format!(
            "if this is what a backup of a server has, `{}` makes the rest anew",
            on_home(path, "run")
        ),
        HomeError::Incomplete { .. } => {
            "put the whole folder back from a copy made while the node was stopped".into()
        }
        HomeError::Exists(path) => format!(
            "start it with `{}`, or choose another folder",
            on_home(path, "run")
        ),
        HomeError::Occupied(_) | HomeError::SocketPath(_) => {
            "choose another folder with --home".into()
        }
        HomeError::InUse { path, .. } => format!(
            "use it as it is, or stop it first with `{}`",
            on_home(path, "stop")
        ),
        HomeError::OtherKind { path, found } => format!(
            "start it with `{} --home {} run`, or choose another folder",
            found.program(),
            shell_word(path)
        ),
        HomeError::Open { path, .. } => format!("run `chmod 700 {}`", shell_word(path)),
        HomeError::Nowhere => "name it with --home or RESTANTE_HOME".into(),
        HomeError::Io { source, .. } => match source.kind() {
            ErrorKind::StorageFull | ErrorKind::QuotaExceeded => {
                "make room on the disk and try again".into()
            }
            ErrorKind::PermissionDenied => {
                "check who owns it and choose a folder of your own".into()
            }
            _ => "check the path and the disk".into(),
        },
    }
}

/// Returns what to do about a pass phrase, in one line.
pub(super) fn passphrase(error: &PassphraseError) -> String {
    match error {
        PassphraseError::Open { path, .. } => format!("run `chmod 600 {}`", shell_word(path)),
        PassphraseError::Differ => "try again".into(),
        PassphraseError::File { .. }
        | PassphraseError::Empty
        | PassphraseError::TooLong
        | PassphraseError::Control => "give one line of text, at most 1024 bytes".into(),
        PassphraseError::Background => {
            "use `run --detach`, --passphrase-file FILE or RESTANTE_PASSPHRASE".into()
        }
        PassphraseError::NoNew => "use --new-passphrase-file FILE".into(),
        PassphraseError::NoTerminal | PassphraseError::Terminal(_) => {
            "use --passphrase-file FILE or set RESTANTE_PASSPHRASE".into()
        }
    }
}

/// Returns a command of this program on a home.
pub(super) fn on_home(path: &Path, command: &str) -> String {
    let program = Program::this().name();
    format!("{program} --home {} {command}", shell_word(path))
}

/// Returns a path as one word of a POSIX shell.
pub(super) fn shell_word(path: &Path) -> String {
    let text = path.to_string_lossy();
    let is_plain = |c: char| c.is_alphanumeric() || "/._-+,:@%".contains(c);
    if !text.is_empty() && text.chars().all(is_plain) && !text.starts_with('-') {
        return text.into_owned();
    }
    format!("'{}'", text.replace('\'', "'\\''"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::HomeKind;

    #[test]
    fn commands_can_be_pasted() {
        for (path, word) in [
            ("/home/al/.restante", "/home/al/.restante"),
            ("/home/John Doe/it's", r"'/home/John Doe/it'\''s'"),
            ("-x", "'-x'"),
            ("a;b", "'a;b'"),
            ("~/x", "'~/x'"),
            ("", "''"),
        ] {
            assert_eq!(shell_word(Path::new(path)), word);
        }
    }

    #[test]
    fn a_home_of_another_kind_names_its_own_program() {
        let found = |found| HomeError::OtherKind {
            path: "/h".into(),
            found,
        };
        let said = home(&found(HomeKind::Person));
        assert!(said.starts_with("start it with `restante --home /h run`"));
        let said = home(&found(HomeKind::Community));
        assert!(said.starts_with("start it with `restante-bootstrap --home /h run`"));
    }
}

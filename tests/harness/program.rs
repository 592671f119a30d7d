//! The binaries under test, and what they say.

use std::env;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

/// Returns the path of a built binary: it lies in the folder above this test's own.
pub fn program(name: &str) -> PathBuf {
    let test = env::current_exe().expect("a running test has a path");
    let folder = test.parent().and_then(Path::parent);
    let path = folder.expect("tests are built two folders deep").join(name);
    assert!(
        path.exists(),
        "{} is not built; use tests/run, or first: cargo build --workspace --bins",
        path.display()
    );
    path
}

/// What a command printed, and how it ended.
#[derive(Debug, Clone)]
pub struct Said {
    /// The command, for messages.
    pub command: String,
    /// How it ended.
    pub status: ExitStatus,
    /// What it printed to standard output.
    pub stdout: String,
    /// What it printed to standard error.
    pub stderr: String,
}

impl Said {
    /// Runs a command to its end with these bytes as its standard input.
    #[track_caller]
    pub fn by(command: &mut Command, input: &[u8]) -> Self {
        let shown = format!("{command:?}");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{shown} does not start: {error}"));
        // 64 KiB fit a pipe; a command that refuses its input without reading it has closed it.
        let _closed = child.stdin.take().unwrap().write_all(input);
        let output = child.wait_with_output().unwrap();
        Self {
            command: shown,
            status: output.status,
            stdout: String::from_utf8(output.stdout).expect("commands print UTF-8"),
            stderr: String::from_utf8(output.stderr).expect("commands print UTF-8"),
        }
    }

    /// Returns what it printed, if it was done.
    #[track_caller]
    pub fn done(self) -> String {
        assert_eq!(self.status.code(), Some(0), "{}: {}", self.command, self.stderr);
        self.stdout
    }

    /// Checks that it was refused with this exit code, in one line on standard error that has all of
    /// these texts in it, and returns the line.
    #[track_caller]
    pub fn refused(self, exit: i32, expected: &[&str]) -> String {
        let Self { command, status, stdout, stderr } = self;
        assert_eq!(status.code(), Some(exit), "{command}: {stdout}{stderr}");
        assert!(!stderr.contains("panicked"), "{command}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{command}: {stderr}");
        assert!(stderr.starts_with("restante"), "{command}: {stderr}");
        for text in expected {
            assert!(stderr.contains(text), "{command}: {text:?} is not in {stderr:?}");
        }
        stderr
    }
}

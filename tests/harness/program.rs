//! The binaries under test, and what they say.

use std::env;
use std::io::{Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::wait::PATIENCE;

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
    /// Runs a command to its end with these bytes as its standard input; one that does not end is
    /// killed.
    #[track_caller]
    pub fn by(command: &mut Command, input: &[u8]) -> Self {
        let shown = format!("{command:?}");
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{shown} does not start: {error}"));
        let (mut stdin, stdout, stderr) = (
            child.stdin.take().unwrap(),
            child.stdout.take().unwrap(),
            child.stderr.take().unwrap(),
        );
        let (status, stdout, stderr) = thread::scope(|scope| {
            let stdout = scope.spawn(|| read(stdout));
            let stderr = scope.spawn(|| read(stderr));
            scope.spawn(move || {
                // A command that refuses its input without reading it has closed it.
                let _closed = stdin.write_all(input);
            });
            let status = wait(&mut child);
            (status, stdout.join().unwrap(), stderr.join().unwrap())
        });
        let Some(status) = status else {
            panic!("{shown} does not end: {stdout}{stderr}");
        };
        Self {
            command: shown,
            status,
            stdout,
            stderr,
        }
    }

    /// Returns what it printed, if it was done.
    #[track_caller]
    pub fn done(self) -> String {
        assert_eq!(
            self.status.code(),
            Some(0),
            "{}: {}",
            self.command,
            self.stderr
        );
        self.stdout
    }

    /// Checks that it was refused with this exit code, in one line on standard error that has all of
    /// these texts in it, and returns the line.
    #[track_caller]
    pub fn refused(self, exit: i32, expected: &[&str]) -> String {
        let Self {
            command,
            status,
            stdout,
            stderr,
        } = self;
        assert_eq!(status.code(), Some(exit), "{command}: {stdout}{stderr}");
        assert!(!stderr.contains("panicked"), "{command}: {stderr}");
        let is_note = |line: &&str| line.starts_with("restante") && line.contains(": note: ");
        let told = stderr.lines().filter(|line| !is_note(line)).count();
        assert_eq!(told, 1, "{command}: {stderr}");
        // Where JSON was asked for, errors are JSON too.
        let is_told = stderr.starts_with("restante") || stderr.starts_with("{\"error\":{");
        assert!(is_told, "{command}: {stderr}");
        for text in expected {
            assert!(
                stderr.contains(text),
                "{command}: {text:?} is not in {stderr:?}"
            );
        }
        stderr
    }
}

/// Waits for the end of a process, or kills it.
fn wait(child: &mut Child) -> Option<ExitStatus> {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return Some(status);
        }
        if Instant::now() > end {
            child.kill().unwrap();
            child.wait().unwrap();
            return None;
        }
        thread::sleep(Duration::from_millis(2));
    }
}

fn read(mut from: impl Read) -> String {
    let mut text = String::new();
    from.read_to_string(&mut text)
        .expect("commands print UTF-8");
    text
}

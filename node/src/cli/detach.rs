//! `run --detach`: the same command once more, in the background.

use std::env;
use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use restante_interface::Request;
use serde::Deserialize;
use tokio::runtime::Builder;

use super::hints::shell_word;
use super::{Exit, Failure};
use crate::control::client::call;
use crate::home::Home;
use crate::passphrase::Passphrase;

/// How long a node may take until it answers commands.
const START_MAX: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);
/// How much of the end of a log is looked at for what went wrong, in bytes.
const LOG_END_BYTES: usize = 4_096;

/// What a node says that was asked for JSON and fails.
#[derive(Deserialize)]
struct Said {
    error: SaidError,
}

#[derive(Deserialize)]
struct SaidError {
    code: String,
    message: String,
    hint: String,
}

/// Starts this command again in the background, with the pass phrase that was typed, waits until it answers, and
/// returns its process id.
///
/// # Errors
///
/// A failure with the last line of its log when it ends, or does not answer in time.
pub fn detach(home: &Home, typed: Option<&Passphrase>) -> Result<u32, Failure> {
    let log = home.path().join("node.log");
    let began = log_end(&log);
    let mut child = start(&log, typed).map_err(|error| {
        Failure::failed(
            format!("cannot start in the background: {error}"),
            "run it in the foreground",
        )
    })?;
    let deadline = Instant::now() + START_MAX;
    loop {
        if let Some(status) = child.try_wait().ok().flatten() {
            return Err(ended(status, &log, began));
        }
        if answers(home) {
            return Ok(child.id());
        }
        if Instant::now() >= deadline {
            return Err(Failure::failed(
                "the node has been started and does not answer yet",
                format!("see {}", shell_word(&log)),
            ));
        }
        thread::sleep(LOOK);
    }
}

/// Returns why a node that was started has ended, as it said itself.
fn ended(status: ExitStatus, log: &Path, began: u64) -> Failure {
    let said = last_line(log, began);
    let mut failure = match serde_json::from_str(&said) {
        Ok(Said { error }) => Failure::failed(error.message, error.hint)
            // Said once more, and then the process ends.
            .coded(error.code.leak()),
        Err(_) => Failure::failed(
            format!("the node has ended: {said}"),
            format!("see {}", shell_word(log)),
        ),
    };
    if status.code() == Some(Exit::Usage.code().into()) {
        failure.exit = Exit::Usage;
    }
    failure
}

fn start(log: &Path, typed: Option<&Passphrase>) -> io::Result<Child> {
    let log = OpenOptions::new()
        .create(true)
        .append(true)
        .mode(0o600)
        .open(log)?;
    let arguments = env::args_os()
        .skip(1)
        .filter(|argument| argument != "--detach");
    let mut command = Command::new(env::current_exe()?);
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log)
        // What ends programs at the terminal does not reach it.
        .process_group(0);
    if typed.is_some() {
        command
            .args(["--passphrase-file", "/dev/stdin"])
            .stdin(Stdio::piped());
    }
    let mut child = command.spawn()?;
    if let (Some(typed), Some(mut stdin)) = (typed, child.stdin.take()) {
        stdin.write_all(typed.as_bytes())?;
    }
    Ok(child)
}

fn answers(home: &Home) -> bool {
    let runtime = Builder::new_current_thread().enable_all().build();
    runtime.is_ok_and(|runtime| {
        runtime
            .block_on(call(home, Request::Status, |_| {}))
            .is_ok()
    })
}

fn log_end(log: &Path) -> u64 {
    std::fs::metadata(log).map_or(0, |metadata| metadata.len())
}

/// Returns the last line that was written since the log was `began` bytes long.
fn last_line(log: &Path, began: u64) -> String {
    use std::os::unix::fs::FileExt;
    let end = log_end(log);
    let from = began.max(end.saturating_sub(LOG_END_BYTES as u64));
    let mut bytes = vec![0; usize::try_from(end.saturating_sub(from)).unwrap_or(0)];
    let read = File::open(log).and_then(|file| file.read_exact_at(&mut bytes, from));
    let text = String::from_utf8_lossy(&bytes);
    let line = text.lines().rfind(|line| !line.trim().is_empty());
    match (read, line) {
        (Ok(()), Some(line)) => line.trim_start_matches("restante: ").to_owned(),
        _ => "it said nothing".to_owned(),
    }
}

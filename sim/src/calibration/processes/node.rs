//! One process of a shipped program, and the folder it lives in.

use std::env;
use std::fs::{self, File};
use std::io::{self, Error};
use std::path::{Path, PathBuf};
use std::process::{self, Child, Command, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use restante::control::client;
use restante::home::Home;
use restante_interface::{IdInfo, Reply, Request, StatusInfo};
use tokio::time::{Instant, sleep};
use restante_interface::{IdInfo, Reply, Request, StatusInfo};

/// The network's name: nodes of others never meet it.
const NETWORK: &str = "calibrate";
/// Where servers listen: at ports that the system picks.
const LISTEN: &str = "/ip4/127.0.0.1/udp/0/quic-v1";
/// Longer than anything takes that is going to happen at all, even on a busy machine.
const PATIENCE: Duration = Duration::from_secs(120);
/// The pause between two looks.
const STEP: Duration = Duration::from_millis(50);
/// How long a process may take to end in good order.
const END_MAX: Duration = Duration::from_secs(20);

/// A folder for the homes of one run, gone when it is dropped.
pub(super) struct Folder(PathBuf);

impl Folder {
    pub(super) fn new() -> io::Result<Self> {
        static MADE: AtomicU64 = AtomicU64::new(0);
        let number = MADE.fetch_add(1, Ordering::Relaxed);
        let name = format!("restante-calibrate-{}-{number}", process::id());
        let path = env::temp_dir().join(name);
        fs::create_dir(&path)?;
        Ok(Self(path))
    }

    pub(super) fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        // What cannot be removed stays, and nobody can be told.
        let _left = fs::remove_dir_all(&self.0);
    }
}

/// A node, whose process is killed when this is dropped.
pub(super) struct Node {
    name: String,
    program: PathBuf,
    path: PathBuf,
    is_server: bool,
    child: Option<Child>,
}

impl Node {
    pub(super) fn server(programs: &Path, folder: &Path, number: usize) -> Self {
        Self::new(
            programs.join("restante-bootstrap"),
            folder,
            format!("k{number}"),
            true,
        )
    }

    pub(super) fn person(programs: &Path, folder: &Path, number: usize) -> Self {
        Self::new(
            programs.join("restante"),
            folder,
            format!("p{number}"),
            false,
        )
    }

    fn new(program: PathBuf, folder: &Path, name: String, is_server: bool) -> Self {
        Self {
            path: folder.join(&name),
            name,
            program,
            is_server,
            child: None,
        }
    }

    pub(super) fn home(&self) -> PathBuf {
        self.path.clone()
    }

    fn command(&self, what: &str, entries: &[String]) -> Command {
        let mut command = Command::new(&self.program);
        command
            .env_clear()
            .env("HOME", &self.path)
            .env(
                "RESTANTE_PASSPHRASE",
                format!("the pass phrase of {}", self.name),
            )
            .arg("--home")
            .arg(&self.path)
            .arg(what)
            .stdin(Stdio::null());
        if self.is_server || what == "init" {
            command.args(["--profile", "local", "--network", NETWORK]);
        }
        if self.is_server {
            command.args(["--listen", LISTEN]);
        }
        for entry in entries {
            command.args(["--bootstrap", entry]);
        }
        command
    }

    /// Makes a person's account and returns its ID.
    pub(super) fn create(&self, entries: &[String]) -> io::Result<String> {
        let mut command = self.command("init", entries);
        command.args(["--json", "--serve", "never", "--handle", &self.name]);
        let output = command.output().map_err(|error| self.failed(&error))?;
        let info: IdInfo = serde_json::from_slice(&output.stdout)
            .map_err(|_| self.failed(&String::from_utf8_lossy(&output.stderr).trim()))?;
        Ok(info.id)
    }

    /// Starts the process.
    pub(super) fn start(&mut self, entries: &[String]) -> io::Result<()> {
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.path.with_extension("log"))?;
        let mut command = self.command("run", entries);
        let child = command.stdout(Stdio::null()).stderr(log).spawn();
        self.child = Some(child.map_err(|error| self.failed(&error))?);
        Ok(())
    }

    /// Ends the process in good order; one that does not end is killed.
    pub(super) async fn stop(&mut self) -> io::Result<()> {
        let Some(mut child) = self.child.take() else {
            return Ok(());
        };
        // One that does not hear it is killed below.
        let _asked = ask(&self.path, Request::Stop).await;
        let end = Instant::now() + END_MAX;
        while Instant::now() < end {
            if child.try_wait()?.is_some() {
                return Ok(());
            }
            sleep(STEP).await;
        }
        end_now(&mut child);
        Err(self.failed(&format!("it did not end within {END_MAX:?}")))
    }

    /// Waits until its state is as `wanted` says.
    pub(super) async fn until(
        &mut self,
        what: &str,
        wanted: impl Fn(&StatusInfo) -> bool,
    ) -> io::Result<StatusInfo> {
        let (path, child) = (&self.path, &mut self.child);
        let found = eventually(what, async || {
            if let Some(Ok(Some(status))) = child.as_mut().map(Child::try_wait) {
                return Some(Err(Error::other(format!("it has ended: {status}"))));
            }
            match ask(path, Request::Status).await {
                Ok(Reply::Status(status)) if wanted(&status) => Some(Ok(*status)),
                _ => None,
            }
        });
        found.await.flatten().map_err(|error| self.failed(&error))
    }

    /// Returns the address that others join through, over QUIC.
    pub(super) async fn address(&mut self) -> io::Result<String> {
        let is_quic = |address: &&String| address.contains("/ip4/127.0.0.1/udp/");
        let status = self
            .until("it listens", |status| {
                status.listen.iter().any(|one| is_quic(&one))
            })
            .await?;
        let found = status.listen.iter().find(is_quic).cloned();
        found.ok_or_else(|| self.failed(&"it does not listen on loopback"))
    }

    /// Counts the envelopes it keeps.
    pub(super) async fn envelopes(&self) -> io::Result<u64> {
        let (mut sum, mut after) = (0, None);
        loop {
            let reply = ask(&self.path, Request::Holdings { after }).await?;
            let Reply::Holdings(page) = reply else {
                return Err(self.failed(&"it does not say what it keeps"));
            };
            let envelopes = page.items.iter().filter(|item| item.kind == "envelope");
            sum += envelopes.count() as u64;
            after = page.next;
            if after.is_none() {
                return Ok(sum);
            }
        }
    }

    fn failed(&self, why: &dyn std::fmt::Display) -> Error {
        let log = fs::read_to_string(self.path.with_extension("log")).unwrap_or_default();
        let last = log.lines().next_back().unwrap_or("nothing");
        Error::other(format!(
            "{} ({}): {why}; the last it logged is: {last}",
            self.name,
            self.program.display()
        ))
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            end_now(&mut child);
        }
    }
}

fn end_now(child: &mut Child) {
    // It may have ended already, which is as well.
    let _ended = child.kill();
    let _status = child.wait();
}

/// Asks the node that runs on a home something.
pub(super) async fn ask(path: &Path, request: Request) -> io::Result<Reply> {
    let home = Home::open(path).map_err(Error::other)?;
    let reply = client::call(&home, request, |_progress| ()).await;
    reply.map_err(Error::other)
}

/// Waits until `look` finds what it looks for.
pub(super) async fn eventually<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> Option<T>,
) -> io::Result<T> {
    let end = Instant::now() + PATIENCE;
    loop {
        if let Some(found) = look().await {
            return Ok(found);
        }
        if Instant::now() >= end {
            return Err(Error::other(format!("in {PATIENCE:?} not: {what}")));
        }
        sleep(STEP).await;
    }
}

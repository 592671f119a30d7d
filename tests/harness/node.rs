//! One node: a home, and the process that runs on it.

use std::fs::{self, File, OpenOptions};
use std::net::{TcpListener, UdpSocket};
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread;
use std::time::Duration;

use restante::net::Multiaddr;
use restante_interface::{ContactInfo, HoldingItem, IdInfo, InboxMessage, SendResult, StatusInfo};

use crate::program::{Said, program};
use crate::wait::{PATIENCE, eventually};

/// How long a node may take to end in good order.
const END_MAX: Duration = Duration::from_secs(20);
/// Ports below those that systems give away by themselves.
const PORTS: Range<u16> = 15_000..32_000;
/// Lines of a log that are shown when a test fails.
const LOG_LINES_SHOWN: usize = 30;

/// Who runs a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Person,
    Community,
}

/// A node under test; its process is killed when this is dropped.
#[derive(Debug)]
pub struct Node {
    name: String,
    kind: Kind,
    home: PathBuf,
    log: PathBuf,
    passphrase: String,
    listen: Vec<String>,
    /// It is on the Internet: its operator vouches for this address, and connections of loopback are counted too.
    external: Option<String>,
    child: Option<Child>,
    may_complain: bool,
}

impl Node {
    /// Returns a person's node in a folder, not made yet.
    pub fn person(folder: &Path, handle: &str) -> Self {
        Self::new(folder, handle, Kind::Person)
    }

    /// Returns a community server in a folder, not made yet.
    pub fn community(folder: &Path, name: &str) -> Self {
        let mut node = Self::new(folder, name, Kind::Community);
        // The same port after every restart: others know it by that.
        let port = free_port();
        node.listen = vec![
            format!("/ip4/127.0.0.1/udp/{port}/quic-v1"),
            format!("/ip4/127.0.0.1/tcp/{port}"),
        ];
        node
    }

    /// Returns a community server that treats loopback like any other network, not made yet.
    pub fn public_community(folder: &Path, name: &str) -> Self {
        let mut node = Self::community(folder, name);
        // With an address that its operator vouches for it serves from the start.
        node.external = Some("/ip4/1.2.3.4/udp/4717/quic-v1".to_owned());
        node
    }

    /// Puts a node that is not made yet on the Internet, at an address that this machine has.
    pub fn on_internet(mut self, ip: &str, port: u16) -> Self {
        let address = format!("/ip4/{ip}/udp/{port}/quic-v1");
        self.listen = vec![address.clone()];
        self.external = Some(address);
        self
    }

    fn new(folder: &Path, name: &str, kind: Kind) -> Self {
        Self {
            name: name.to_owned(),
            kind,
            home: folder.join(name),
            log: folder.join(format!("{name}.log")),
            passphrase: format!("the pass phrase of {name}"),
            listen: Vec::new(),
            external: None,
            child: None,
            may_complain: false,
        }
    }

    /// Returns its name: the handle, for a person.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Tells whether a person runs it.
    pub fn is_person(&self) -> bool {
        self.kind == Kind::Person
    }

    /// Tells whether it is the entry point.
    pub fn is_entry(&self) -> bool {
        self.name == "bootstrap"
    }

    pub fn home(&self) -> &Path {
        &self.home
    }

    /// Returns its pass phrase.
    pub fn passphrase(&self) -> &str {
        &self.passphrase
    }

    /// Sets its pass phrase.
    pub fn set_passphrase(&mut self, passphrase: &str) {
        passphrase.clone_into(&mut self.passphrase);
    }

    /// Puts its home somewhere else, before it is made; the log stays where it is.
    pub fn move_home(&mut self, path: PathBuf) {
        self.home = path;
    }

    /// Says that errors in its log are what the test is about.
    pub fn may_complain(&mut self) {
        self.may_complain = true;
    }

    /// Returns everything it has logged.
    pub fn logged(&self) -> String {
        fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Returns a command of `restante` on its home, with an environment that has nothing else of ours
    /// in it.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let mut command = self.bare(&program("restante"));
        command.args(arguments);
        command
    }

    /// Runs a command to its end.
    #[track_caller]
    pub fn say(&self, arguments: &[&str]) -> Said {
        Said::by(&mut self.command(arguments), &[])
    }

    /// Runs a command of the program that runs the node to its end.
    #[track_caller]
    pub fn own_say(&self, arguments: &[&str]) -> Said {
        let mut command = self.bare(&program(match self.kind {
            Kind::Person => "restante",
            Kind::Community => "restante-bootstrap",
        }));
        Said::by(command.args(arguments), &[])
    }

    /// Returns the command that makes the account; these settings go to its `config.toml`.
    pub fn init_command(&self, settings: &[&str]) -> Command {
        self.making_command(&["init", "--handle", &self.name, "--json"], settings)
    }

    /// Returns the command that brings an account back by its recovery phrase, which is its standard input.
    pub fn recover_command(&self, handle: &str, settings: &[&str]) -> Command {
        let arguments = ["init", "--handle", handle, "--recover", "--json"];
        self.making_command(&arguments, settings)
    }

    fn making_command(&self, arguments: &[&str], settings: &[&str]) -> Command {
        let mut command = self.command(arguments);
        command.args(["--profile", self.profile(), "--network", crate::NETWORK]);
        for address in &self.listen {
            command.args(["--listen", address]);
        }
        command.args(settings);
        command
    }

    const fn profile(&self) -> &'static str {
        match self.external {
            Some(_) => "internet",
            None => "local",
        }
    }

    /// Makes the account.
    #[track_caller]
    pub fn init(&self, settings: &[&str]) -> IdInfo {
        let said = Said::by(&mut self.init_command(settings), &[]).done();
        serde_json::from_str(&said).expect("`init --json` prints what is documented")
    }

    /// Returns the command that runs the node.
    pub fn run_command(&self, settings: &[&str]) -> Command {
        let mut command = match self.kind {
            Kind::Person => self.bare(&program("restante")),
            Kind::Community => self.bare(&program("restante-bootstrap")),
        };
        command.arg("run");
        if self.kind == Kind::Community {
            command.args(["--profile", self.profile(), "--network", crate::NETWORK]);
            let external = self.external.iter();
            command.args(external.flat_map(|address| ["--external", address]));
            for address in &self.listen {
                command.args(["--listen", address]);
            }
        }
        command.args(settings);
        command
    }

    /// Starts the process and waits until it answers commands.
    #[track_caller]
    pub fn run(&mut self, settings: &[&str]) -> StatusInfo {
        self.run_by(self.run_command(settings))
    }

    /// Starts the process by a command of the caller's, and waits until it answers commands.
    #[track_caller]
    pub fn run_by(&mut self, command: Command) -> StatusInfo {
        self.spawn_by(command);
        eventually("the node answers", || {
            self.assert_alive();
            let said = self.say(&["status", "--json"]);
            said.status.success().then(|| parse_status(&said.stdout))
        })
    }

    /// Starts the process.
    #[track_caller]
    pub fn spawn(&mut self, settings: &[&str]) {
        self.spawn_by(self.run_command(settings));
    }

    /// Starts the process by a command of the caller's.
    #[track_caller]
    pub fn spawn_by(&mut self, command: Command) {
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.log)
            .unwrap();
        self.start(command, log);
    }

    /// Starts the process with its log somewhere else.
    #[track_caller]
    pub fn spawn_logging_to(&mut self, log: File, settings: &[&str]) {
        self.start(self.run_command(settings), log);
    }

    #[track_caller]
    fn start(&mut self, mut command: Command, log: File) {
        assert!(self.child.is_none(), "{} runs already", self.name);
        let child = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.child = Some(child.unwrap());
    }

    /// Returns the identity of its process.
    #[track_caller]
    pub fn pid(&self) -> u32 {
        self.child.as_ref().expect("the node runs").id()
    }

    /// Checks that the process has not ended.
    #[track_caller]
    pub fn assert_alive(&mut self) {
        let child = self.child.as_mut().expect("the node was started");
        if let Some(status) = child.try_wait().unwrap() {
            self.child = None;
            panic!("{} has ended by itself: {status}", self.name);
        }
    }

    /// Ends the process in good order and checks that it does.
    #[track_caller]
    pub fn stop(&mut self) {
        assert!(self.runs(), "the node runs");
        let said = self.say(&["stop"]);
        self.await_end();
        said.done();
    }

    /// Waits until the process has ended in good order, which somebody has told it to.
    #[track_caller]
    pub fn await_end(&mut self) {
        let mut child = self.child.take().expect("the node runs");
        let end = std::time::Instant::now() + END_MAX;
        let status = loop {
            if let Some(status) = child.try_wait().unwrap() {
                break Some(status);
            }
            if std::time::Instant::now() > end {
                break None;
            }
            thread::sleep(Duration::from_millis(10));
        };
        let Some(status) = status else {
            end_now(&mut child);
            panic!("{} did not stop in {END_MAX:?}", self.name);
        };
        assert_eq!(status.code(), Some(0), "{} ended with {status}", self.name);
    }

    /// Kills the process with SIGKILL.
    #[track_caller]
    pub fn kill9(&mut self) {
        end_now(&mut self.child.take().expect("the node runs"));
    }

    /// Kills the process and starts it again.
    #[track_caller]
    pub fn restart(&mut self, settings: &[&str]) -> StatusInfo {
        self.kill9();
        self.run(settings)
    }

    /// Tells whether a process was started and not ended by the test.
    pub const fn runs(&self) -> bool {
        self.child.is_some()
    }

    /// Returns how it is doing.
    #[track_caller]
    pub fn status(&self) -> StatusInfo {
        parse_status(&self.say(&["status", "--json"]).done())
    }

    /// Waits until its state is as `wanted` says.
    #[track_caller]
    pub fn until(&self, what: &str, wanted: impl Fn(&StatusInfo) -> bool) -> StatusInfo {
        eventually(what, || {
            let status = self.status();
            wanted(&status).then_some(status)
        })
    }

    /// Returns the address others join through, over QUIC.
    #[track_caller]
    pub fn address(&self) -> Multiaddr {
        let listen = self.status().listen;
        let own = self
            .listen
            .first()
            .map_or("/ip4/127.0.0.1/udp/", String::as_str);
        let quic = listen.iter().find(|address| address.starts_with(own));
        quic.expect("it listens where it was told to")
            .parse()
            .expect("it prints addresses")
    }

    /// Returns the account's ID.
    #[track_caller]
    pub fn id(&self) -> String {
        let said = self.say(&["id", "--json"]).done();
        let info: IdInfo = serde_json::from_str(&said).expect("`id --json` prints an ID");
        info.id
    }

    /// Sends bytes through standard input, waits until they are stored, and returns what became of
    /// them.
    #[track_caller]
    pub fn send(&self, to: &str, body: &[u8], flags: &[&str]) -> SendResult {
        let mut command = self.command(&["send", to, "-", "--wait", "--json"]);
        let said = Said::by(command.args(flags), body).done();
        serde_json::from_str(&said).expect("`send --json` prints a result")
    }

    /// Prints and takes what has come, waiting up to so many seconds for the first message.
    #[track_caller]
    pub fn inbox(&self, wait_secs: u32) -> Vec<InboxMessage> {
        let said = self
            .say(&["inbox", "--json", "--wait", &wait_secs.to_string()])
            .done();
        lines(&said)
    }

    /// Takes messages until there are as many as wanted.
    #[track_caller]
    pub fn inbox_until(&self, count: usize) -> Vec<InboxMessage> {
        let mut messages = Vec::new();
        let end = std::time::Instant::now() + PATIENCE;
        while messages.len() < count {
            let got = messages.len();
            assert!(
                std::time::Instant::now() < end,
                "{got} of {count} messages have come"
            );
            messages.extend(self.inbox(10));
        }
        messages
    }

    /// Returns what it keeps for others.
    #[track_caller]
    pub fn holdings(&self) -> Vec<HoldingItem> {
        lines(&self.say(&["holdings", "--json"]).done())
    }

    /// Returns the addresses at which it keeps envelopes, one for each.
    #[track_caller]
    pub fn envelopes(&self) -> Vec<String> {
        let held = self.holdings().into_iter();
        held.filter(|item| item.kind == "envelope")
            .map(|item| item.address)
            .collect()
    }

    #[track_caller]
    pub fn contacts(&self) -> Vec<ContactInfo> {
        lines(&self.say(&["contact", "list", "--json"]).done())
    }

    /// Returns the resident memory of its process, in KiB.
    #[track_caller]
    pub fn memory_kib(&self) -> u64 {
        self.memory("VmRSS:")
    }

    /// Returns the most resident memory its process has had, in KiB.
    #[track_caller]
    pub fn memory_peak_kib(&self) -> u64 {
        self.memory("VmHWM:")
    }

    #[track_caller]
    fn memory(&self, name: &str) -> u64 {
        let path = format!("/proc/{}/status", self.pid());
        let text = fs::read_to_string(path).expect("the process exists");
        let line = text.lines().find_map(|line| line.strip_prefix(name));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.expect("the kernel says so").parse().unwrap()
    }

    fn bare(&self, program: &Path) -> Command {
        let mut command = Command::new(program);
        command
            .env_clear()
            .env("HOME", &self.home)
            .env("RESTANTE_PASSPHRASE", &self.passphrase)
            .arg("--home")
            .arg(&self.home)
            .stdin(Stdio::null());
        command
    }

    fn show_log(&self) {
        let log = self.logged();
        let lines: Vec<&str> = log.lines().collect();
        let from = lines.len().saturating_sub(LOG_LINES_SHOWN);
        #[expect(clippy::print_stderr, reason = "shown when the test fails")]
        {
            eprintln!(
                "---- log of {} ----\n{}",
                self.name,
                lines[from..].join("\n")
            );
        }
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.take() {
            end_now(&mut child);
        }
        if thread::panicking() {
            self.show_log();
            return;
        }
        let log = self.logged();
        assert!(
            !log.contains("panicked at"),
            "{} has panicked:\n{log}",
            self.name
        );
        let complaint = log.lines().find(|line| line.contains(" ERROR "));
        assert!(
            self.may_complain || complaint.is_none(),
            "{}: {complaint:?}",
            self.name
        );
    }
}

fn end_now(child: &mut Child) {
    // It may have ended already, which is as well.
    let _ended = child.kill();
    let _status = child.wait();
}

#[track_caller]
fn parse_status(text: &str) -> StatusInfo {
    serde_json::from_str(text).expect("`status --json` prints what is documented")
}

#[track_caller]
fn lines<T: for<'a> serde::Deserialize<'a>>(text: &str) -> Vec<T> {
    let parse = |line| serde_json::from_str(line).expect("each line is one JSON object");
    text.lines().map(parse).collect()
}

/// Returns a port that is free, and that the system gives to nobody who asks for any: another process
/// could have it by the time of a restart otherwise.
fn free_port() -> u16 {
    eventually("a port is free", || {
        let port = rand::random_range(PORTS);
        let address = ("127.0.0.1", port);
        let free = UdpSocket::bind(address).is_ok() && TcpListener::bind(address).is_ok();
        free.then_some(port)
    })
}

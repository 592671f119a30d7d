//! What hostile sources at full rate do to others at one node, and what a crowd of idle clients takes, in figures.
//!
//! ```sh
//! cargo build --release --workspace --bins
//! cargo run --release -p restante-tests --example flood -- [SECONDS]
//! cargo run --release -p restante-tests --example flood -- crowd [CLIENTS]
//! cargo run --release -p restante-tests --example flood -- strange [SECONDS]
//! ```
//!
//! Without a word the hostile source asks as much as it can. With `strange` it asks nothing: one after the other, for
//! so many seconds each, it holds a thousand silent connections from everywhere, sends single bytes, and opens streams
//! for frames that never end. The silent connections need 2,500 open files (`ulimit -n`).
//!
//! A community server with a cap of 256 MiB runs as a process of its own, and so does the hostile
//! source, at the lowest priority: it has a machine of its own elsewhere.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it prints what it measures"
)]

use std::collections::BTreeMap;
use std::env;
use std::fs;
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use libp2p::multiaddr::Protocol;
use restante::net::Multiaddr;
use restante_tests::{Crowd, Depositor, Honest, Hostile, Node, Seen, Site, Strange, Stranger};

const CAP_BYTES: u64 = 256 << 20;
const MEMORY_KIB_MAX: u64 = 256 << 10;
const PEOPLE: u8 = 20;
const CONNECTIONS: u8 = 32;
/// Deposits whose rate is measured, and how many are under way at once.
const DEPOSITS: usize = 10_000;
const DEPOSITS_IN_FLIGHT: usize = 64;
const PAUSE: Duration = Duration::from_millis(250);

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["attack", address] => attack(&address.parse().unwrap()),
        ["attack", address, kind] => act_strange(&address.parse().unwrap(), kind),
        ["crowd"] => crowd(2_000),
        ["crowd", count] => crowd(count.parse().unwrap()),
        ["strange"] => strange(Duration::from_secs(30)),
        ["strange", seconds] => strange(Duration::from_secs(seconds.parse().unwrap())),
        [] => measure(Duration::from_secs(60)),
        [seconds, ..] => measure(Duration::from_secs(seconds.parse().unwrap())),
    }
}

/// Floods until its standard input ends, and prints what came back.
fn attack(address: &Multiaddr) {
    let hostile = Hostile::new(address, CONNECTIONS);
    let stop = Arc::new(AtomicBool::new(false));
    let told = Arc::clone(&stop);
    thread::spawn(move || {
        let mut line = String::new();
        let _end = std::io::stdin().read_line(&mut line);
        told.store(true, Ordering::Relaxed);
    });
    let start = Instant::now();
    let answers = hostile.flood(&stop);
    for (kind, count) in answers {
        println!("{kind} {count} ({:.0}/s)", rate(count, start.elapsed()));
    }
}

/// Does what is strange until its standard input has a line or ends; says when it is under way, and what came of it.
fn act_strange(address: &Multiaddr, kind: &str) {
    let start = Instant::now();
    let stranger = Stranger::begin(Strange::named(kind).unwrap(), address);
    println!("every connection was tried in {:.1?}", start.elapsed());
    let mut line = String::new();
    let _end = std::io::stdin().read_line(&mut line);
    let taken = start.elapsed();
    for (what, count) in stranger.end() {
        println!("{what}: {count} ({:.0}/s)", rate(count, taken));
    }
}

/// A hostile source: this program with other words, as a process of its own.
struct Elsewhere {
    child: Child,
    said: Lines<BufReader<ChildStdout>>,
}

impl Elsewhere {
    fn begin(words: &[&str]) -> Self {
        let mut command = Command::new("nice");
        command.args(["-n", "19"]).arg(env::current_exe().unwrap());
        command.arg("attack").args(words);
        let command = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, said }
    }

    /// Waits for a line and shows it.
    fn line(&mut self) {
        println!("  hostile: {}", self.said.next().unwrap().unwrap());
    }

    /// Ends it and shows what it says.
    fn end(mut self) {
        let mut stdin = self.child.stdin.take().unwrap();
        stdin.write_all(b"stop\n").unwrap();
        for line in self.said {
            println!("  hostile: {}", line.unwrap());
        }
        assert!(self.child.wait().unwrap().success());
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn rate(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

/// Lets people connect and subscribe, and shows what each of them costs the node.
fn crowd(count: u16) {
    let site = Site::new();
    let mut server = site.community("server");
    server.run(&["--disk-cap", "8GiB"]);
    let address = server.address();
    let mut honest = Honest::new(&address, PEOPLE);
    let depositor = Depositor::new(&address);
    show("idle", &mut honest.work(Duration::from_secs(10), PAUSE));
    // The first ones open the connection and grow the file.
    depositor.rate(DEPOSITS, DEPOSITS_IN_FLIGHT);
    let alone = depositor.rate(DEPOSITS, DEPOSITS_IN_FLIGHT);
    let before = server.memory_kib();
    let start = Instant::now();
    let people = Crowd::new(&address, count);
    println!("{count} people have subscribed in {:.1?}", start.elapsed());
    // Whatever the handshakes took is given back, or counts.
    show("crowd", &mut honest.work(Duration::from_secs(20), PAUSE));
    let after = server.memory_kib();
    let status = server.status();
    println!(
        "{} peers, {} subscriptions; memory {before} KiB before, {after} KiB after: {:.1} KiB each",
        status.peers,
        status.keeper.load.subscriptions,
        f64::from(u32::try_from(after.saturating_sub(before)).unwrap()) / f64::from(count),
    );
    println!("errors {:?}", status.errors);
    let beside = depositor.rate(DEPOSITS, DEPOSITS_IN_FLIGHT);
    println!(
        "{DEPOSITS_IN_FLIGHT} deposits under way at once: {alone:.0} receipts/s without them, {beside:.0} with them"
    );
    drop(people);
    server.stop();
}

/// Starts a server as it is shipped, and shows what honest people see while nobody else is there.
fn begin(site: &Site, time: Duration) -> (Node, Honest, Seen) {
    let mut server = site.public_community("server");
    server.run(&["--disk-cap", "256MiB"]);
    let mut honest = Honest::new(&server.address(), PEOPLE);
    honest.work(Duration::from_secs(2), PAUSE);
    let mut idle = honest.work(time, PAUSE);
    show("idle", &mut idle);
    println!("memory {} KiB", server.memory_kib());
    (server, honest, idle)
}

/// Shows what honest people see while one source asks as much as it can.
fn measure(time: Duration) {
    let site = Site::new();
    let (server, mut honest, _) = begin(&site, time.min(Duration::from_secs(30)));
    let address = server.address();
    let hostile = Elsewhere::begin(&[&address.to_string()]);
    // It has reached its rate by then.
    honest.work(Duration::from_secs(2), PAUSE);
    let mut flood = honest.work(time, PAUSE);
    show("flood", &mut flood);
    let status = server.status();
    println!("{}", serde_json::to_string(&status.keeper).unwrap());
    hostile.end();
    finish(server, &honest);
}

/// Shows what honest people see while others do what is strange.
fn strange(time: Duration) {
    let site = Site::new();
    let (server, mut honest, mut idle) = begin(&site, time);
    let address = server.address();
    for kind in Strange::ALL {
        let (before, dropped) = (server.status(), dropped_at(&address));
        let mut hostile = Elsewhere::begin(&[&address.to_string(), kind.name()]);
        hostile.line();
        // It has reached its rate by then.
        honest.work(Duration::from_secs(2), PAUSE);
        let mut seen = honest.work(time, PAUSE);
        show(kind.name(), &mut seen);
        let times = |Seen { deposits, fetches }: &mut Seen| {
            [deposits, fetches].map(|times| times.percentile(99).as_secs_f64())
        };
        let ([deposits, fetches], [deposits_idle, fetches_idle]) =
            (times(&mut seen), times(&mut idle));
        println!(
            "p99 to idle: deposits {:.2}, fetches {:.2}",
            deposits / deposits_idle,
            fetches / fetches_idle,
        );
        let status = server.status();
        println!(
            "memory {} KiB, at most {} KiB; {} peers",
            server.memory_kib(),
            server.memory_peak_kib(),
            status.peers,
        );
        let errors = status.errors.into_iter().filter_map(|(reason, count)| {
            let new = count - before.errors.get(&reason).copied().unwrap_or(0);
            (new > 0).then_some((reason, new))
        });
        println!("new errors {:?}", errors.collect::<BTreeMap<_, _>>());
        println!(
            "{} datagrams for the server found no room in the kernel",
            dropped_at(&address) - dropped,
        );
        hostile.end();
        server.until("the hostile connections are given up", |status| {
            status.peers <= before.peers
        });
    }
    assert!(server.memory_peak_kib() < MEMORY_KIB_MAX);
    finish(server, &honest);
}

/// Returns how many datagrams the kernel has dropped because the socket at an address had no room for them.
fn dropped_at(address: &Multiaddr) -> u64 {
    let port = address.iter().find_map(|part| match part {
        Protocol::Udp(port) => Some(port),
        _ => None,
    });
    let local = format!("0100007F:{:04X}", port.unwrap());
    let sockets = fs::read_to_string("/proc/net/udp").unwrap();
    let mut lines = sockets.lines().map(str::split_whitespace);
    let socket = lines.find(|columns| columns.clone().nth(1) == Some(local.as_str()));
    socket.unwrap().last().unwrap().parse().unwrap()
}

/// Looks whether everything accepted is there and no more than may be, and ends the server.
fn finish(mut server: Node, honest: &Honest) {
    let (kept, lost) = honest.lost();
    println!("{kept} accepted envelopes of honest people, {lost} lost");
    let status = server.status();
    println!(
        "{} items, {} bytes of {CAP_BYTES}",
        status.keeper.items, status.keeper.bytes
    );
    println!(
        "memory {} KiB, at most {} KiB",
        server.memory_kib(),
        server.memory_peak_kib()
    );
    assert!(status.keeper.bytes <= CAP_BYTES && lost == 0);
    server.stop();
}

fn show(what: &str, Seen { deposits, fetches }: &mut Seen) {
    for (name, times) in [("deposits", deposits), ("fetches", fetches)] {
        println!(
            "{what:<8}{name:<10}{:>6} with {:>5.1} % done, p50 {:>8.2?}, p99 {:>8.2?}",
            times.count(),
            f64::from(u32::try_from(times.success_permille()).unwrap()) / 10.0,
            times.percentile(50),
            times.percentile(99),
        );
    }
}

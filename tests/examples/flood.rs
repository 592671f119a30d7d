//! What a hostile source at full rate does to others at one node, and what a crowd of idle clients takes, in figures.
//!
//! ```sh
//! cargo build --release --workspace --bins
//! cargo run --release -p restante-tests --example flood -- [SECONDS]
//! cargo run --release -p restante-tests --example flood -- crowd [CLIENTS]
//! ```
//!
//! A community server with a cap of 256 MiB runs as a process of its own, and so does the hostile
//! source, at the lowest priority: it has a machine of its own elsewhere.

#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "it prints what it measures"
)]

use std::env;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use restante::net::Multiaddr;
use restante_tests::{Crowd, Depositor, Honest, Hostile, Seen, Site};

const CAP_BYTES: u64 = 256 << 20;
const PEOPLE: u8 = 20;
const CONNECTIONS: u8 = 32;
/// Deposits whose rate is measured, and how many are under way at once.
const DEPOSITS: usize = 10_000;
const DEPOSITS_IN_FLIGHT: usize = 64;
const PAUSE: Duration = Duration::from_millis(250);

fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    if let [word, address] = arguments.as_slice()
        && word == "attack"
    {
        return attack(&address.parse().unwrap());
    }
    if arguments.first().is_some_and(|word| word == "crowd") {
        let count = arguments.get(1).map_or(2_000, |text| text.parse().unwrap());
        return crowd(count);
    }
    let seconds = arguments.first().map_or(60, |text| text.parse().unwrap());
    measure(Duration::from_secs(seconds));
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

#[expect(clippy::cast_precision_loss, reason = "counts are small")]
fn rate(count: u64, time: Duration) -> f64 {
    count as f64 / time.as_secs_f64()
}

/// Lets people connect and subscribe, and shows what each of them costs the node.
fn crowd(count: u16) {
    let site = Site::alone();
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
    let beside = depositor.rate(DEPOSITS, DEPOSITS_IN_FLIGHT);
    println!(
        "{DEPOSITS_IN_FLIGHT} deposits under way at once: {alone:.0} receipts/s without them, {beside:.0} with them"
    );
    drop(people);
    server.stop();
}

fn measure(time: Duration) {
    let site = Site::alone();
    let mut server = site.public_community("server");
    server.run(&["--disk-cap", "256MiB"]);
    let address = server.address();
    let mut honest = Honest::new(&address, PEOPLE);
    honest.work(Duration::from_secs(2), PAUSE);
    let mut idle = honest.work(time.min(Duration::from_secs(30)), PAUSE);
    show("idle", &mut idle);
    println!("memory {} KiB", server.memory_kib());
    let mut hostile = Command::new("nice");
    hostile.args(["-n", "19"]).arg(env::current_exe().unwrap());
    hostile.args(["attack", &address.to_string()]);
    let hostile = hostile.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut hostile = hostile.spawn().unwrap();
    // It has reached its rate by then.
    honest.work(Duration::from_secs(2), PAUSE);
    let mut flood = honest.work(time, PAUSE);
    show("flood", &mut flood);
    let status = server.status();
    println!("{}", serde_json::to_string(&status.keeper).unwrap());
    let mut stdin = hostile.stdin.take().unwrap();
    stdin.write_all(b"stop\n").unwrap();
    for line in BufReader::new(hostile.stdout.take().unwrap()).lines() {
        println!("  hostile: {}", line.unwrap());
    }
    hostile.wait().unwrap();
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
            "{what:<6}{name:<10}{:>6} with {:>5.1} % done, p50 {:>8.2?}, p99 {:>8.2?}",
            times.count(),
            f64::from(u32::try_from(times.success_permille()).unwrap()) / 10.0,
            times.percentile(50),
            times.percentile(99),
        );
    }
}

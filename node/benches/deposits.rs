//! Deposits per second into one keeper over loopback, beside what redb does with the same bytes.
//!
//! Run it with `cargo bench -p restante --bench deposits`. The keeper is a whole community server with its sockets and
//! its disk; receipts count once they have arrived and were verified, each after the keeper's fsync. The ceiling is a
//! plain table that gets the same bytes as the store writes for one envelope, under ascending keys, one envelope a
//! value, committed in two phases with an fsync each, in batches as large as what is in flight, on the same disk.
//! The two take turns, so that a disk that changes its mood does so for both. Client and keeper share the cores.
//!
//! At half the load deposits begin at set times, whether or not those before are answered, and each counts from the
//! time it was to begin.

use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt as _;
use rand::Rng as _;
use redb::{Database, Durability, TableDefinition};
use restante::clock;
use restante::config::Config;
use restante::control::{ControlCall, call};
use restante::home::Home;
use restante::net::{
    Keypair, NetConfig, NetHandle, NetLimits, Network, Profile, RequestError, Serve, transport,
};
use restante::node::{NodeError, server};
use restante_interface::Reply;
use restante_proto::NodeId;
use restante_proto::envelope::id_of;
use restante_proto::keys::SecretKey;
use restante_proto::limits::{CAPABILITY_MAILBOX_COUNT_MAX, DAY_MS};
use restante_proto::mailbox::{Capability, Mailbox, Rule};
use restante_proto::receipt::{Claim, Receipt};
use restante_proto::request::{Admission, Request, Response};
use tokio::runtime::Runtime;
use tokio::sync::{mpsc, watch};

const ENVELOPE_BYTES: usize = 2_048;
const ROUNDS: usize = 6;
const ROUND: Duration = Duration::from_secs(1);
/// What the store writes beside an envelope: the header of its row, a mailbox and a capability's proof.
const ROW_BYTES: usize = ENVELOPE_BYTES + 145 + 240;
/// More than any round takes.
const READY: usize = 16_000;
const PLAIN: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("plain");

/// A deposit, ready to be sent, and what its receipt must be about.
struct Deposit {
    payload: Bytes,
    claim: Claim,
}

#[expect(clippy::print_stdout, reason = "a benchmark prints its results")]
fn main() {
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder can be made");
    let server = Server::start(&folder.path().join("server"));
    let client = Client::start(&server);
    println!(
        "a keeper that does nothing takes {:.1} MiB of memory, with its client in the same process",
        resident_bytes() as f64 / 1_048_576.0
    );
    println!(
        "an fsync of 4 KiB takes {:.2} ms",
        millis(fsync(folder.path()))
    );
    let signatures = signatures();
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    println!(
        "the signatures of a deposit take {:.0} us of a core: with nothing else, {:.0} receipts/s on {cores} cores",
        signatures.as_secs_f64() * 1e6,
        cores as f64 / signatures.as_secs_f64()
    );
    println!(
        "deposits of {ENVELOPE_BYTES}-byte envelopes over QUIC on loopback, {ROUNDS} rounds of {ROUND:?} each"
    );
    println!(
        "{:<11}{:>12}{:>10}{:>10}{:>14}{:>12}{:>14}{:>10}{:>10}",
        "in flight",
        "receipts/s",
        "p50",
        "p99",
        "ceiling/s",
        "of ceiling",
        "half load/s",
        "p50",
        "p99"
    );
    for in_flight in [1, 64, 128] {
        let plain = folder.path().join(format!("plain{in_flight}.redb"));
        let database = Database::create(plain).expect("a database can be made");
        let (mut rates, mut ceilings, mut times) = (Vec::new(), Vec::new(), Vec::new());
        let mut next = 0;
        for round in 0..=ROUNDS {
            let deposits = prepare();
            let (rate, took) = client.deposit(&server, &deposits, in_flight);
            let ceiling = insert(&database, in_flight, &mut next);
            if round > 0 {
                // The first round opens the connection and grows the files.
                rates.push(rate);
                ceilings.push(ceiling);
                times.extend(took);
            }
        }
        let (rate, ceiling) = (median(&mut rates), median(&mut ceilings));
        let share = 100.0 * rate / ceiling;
        let mut paced = Vec::new();
        for _ in 0..ROUNDS {
            paced.extend(client.deposit_paced(&server, &prepare(), rate / 2.0));
        }
        let (p50, p99) = (percentile(&mut times, 50), percentile(&mut times, 99));
        let (half50, half99) = (percentile(&mut paced, 50), percentile(&mut paced, 99));
        println!(
            "{in_flight:<11}{rate:>12.0}{p50:>7.2} ms{p99:>7.2} ms{ceiling:>14.0}{share:>11.0}%\
             {:>14.0}{half50:>7.2} ms{half99:>7.2} ms",
            rate / 2.0
        );
    }
    server.stop();
}

fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}

/// Returns a percentile in milliseconds.
fn percentile(times: &mut [Duration], part: usize) -> f64 {
    times.sort_unstable();
    times
        .get(times.len() * part / 100)
        .copied()
        .map_or(0.0, millis)
}

/// Returns how much memory this process takes.
fn resident_bytes() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.split_whitespace().next()?.parse::<u64>().ok());
    kib.unwrap_or_default() * 1_024
}

/// Returns the median time of an fsync that has a page to write.
fn fsync(folder: &Path) -> Duration {
    use std::io::Write as _;
    let mut file = std::fs::File::create(folder.join("fsync")).expect("a file can be made");
    let mut times: Vec<Duration> = (0..101)
        .map(|_| {
            file.write_all(&[7; 4_096]).expect("the disk works");
            let start = Instant::now();
            file.sync_data().expect("the disk works");
            start.elapsed()
        })
        .collect();
    times.sort_unstable();
    times[50]
}

/// Returns how long the signatures of one deposit take on one core: a holder's proof to check, a receipt to make, and
/// the receipt to check. What made the holder one was checked before.
fn signatures() -> Duration {
    const COUNT: u32 = 2_000;
    let mut rng = rand::rng();
    let keeper = SecretKey::generate(&mut rng);
    let node = NodeId::new(*keeper.public().as_bytes());
    let mut claim = Claim {
        address: restante_proto::Address::new([1; 32]),
        id: id_of(b"envelope"),
        nonce: [0; 16],
    };
    let start = Instant::now();
    for _ in 0..COUNT {
        rng.fill_bytes(&mut claim.nonce);
        let receipt = Receipt::sign(&keeper, &claim, clock::now());
        // Once for the receipt, and once in place of the proof, which is a signature like it.
        for _ in 0..2 {
            receipt.verify(&node, &claim).expect("the receipt is right");
        }
    }
    start.elapsed() / COUNT
}

fn median(values: &mut [f64]) -> f64 {
    values.sort_unstable_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Makes deposits into mailboxes of their own, paid with capabilities.
fn prepare() -> Vec<Deposit> {
    let mut rng = rand::rng();
    let expires = clock::now().plus(DAY_MS);
    let epoch = clock::now().epoch();
    let mut deposits = Vec::with_capacity(READY);
    while deposits.len() < READY {
        let owner = SecretKey::generate(&mut rng);
        let mailbox = Mailbox {
            owner: owner.public(),
            rule: Rule::Capability,
            epoch,
        };
        let address = mailbox.address();
        let capability = Capability::issue(&owner, &mailbox, SecretKey::generate(&mut rng));
        for _ in 0..CAPABILITY_MAILBOX_COUNT_MAX / 2 {
            let mut bytes = vec![0; ENVELOPE_BYTES];
            rng.fill_bytes(&mut bytes);
            // An envelope names its own expiry (SPEC 6.1); the rest is random bytes to a keeper.
            bytes[2..10].copy_from_slice(&expires.get().to_be_bytes());
            let mut nonce = [0; 16];
            rng.fill_bytes(&mut nonce);
            let id = id_of(&bytes);
            let request = Request::DepositEnvelope {
                mailbox,
                expires,
                envelope: bytes.into(),
                nonce,
                admission: Admission::Capability(capability.prove(&address, &id, expires)),
            };
            deposits.push(Deposit {
                payload: request.encode(),
                claim: Claim { address, id, nonce },
            });
        }
    }
    deposits
}

/// Writes envelopes into a plain table for one round and returns how many a second.
fn insert(database: &Database, batch: usize, next: &mut u64) -> f64 {
    let mut bytes = vec![0; ROW_BYTES * batch];
    let (start, mut count) = (Instant::now(), 0_u32);
    while start.elapsed() < ROUND {
        rand::rng().fill_bytes(&mut bytes);
        let mut transaction = database.begin_write().expect("a transaction can be begun");
        transaction
            .set_durability(Durability::Immediate)
            .expect("nothing was written yet");
        transaction.set_two_phase_commit(true);
        {
            let mut table = transaction
                .open_table(PLAIN)
                .expect("the table can be opened");
            for envelope in bytes.chunks_exact(ROW_BYTES) {
                table
                    .insert(*next, envelope)
                    .expect("an envelope can be inserted");
                (*next, count) = (*next + 1, count + 1);
            }
        }
        transaction
            .commit()
            .expect("a transaction can be committed");
    }
    f64::from(count) / start.elapsed().as_secs_f64()
}

/// A community server in a runtime of its own.
struct Server {
    runtime: Runtime,
    calls: mpsc::Sender<ControlCall>,
    stop: watch::Sender<bool>,
    running: tokio::task::JoinHandle<Result<(), NodeError>>,
    address: libp2p::Multiaddr,
    node: NodeId,
}

impl Server {
    fn start(path: &Path) -> Self {
        std::fs::create_dir(path).expect("a folder can be made");
        let (home, ()) =
            Home::create::<(), Box<dyn std::error::Error>>(&path.join("home"), |staging| {
                std::fs::write(staging.community_file(), b"")?;
                Ok(server::create_key(&staging.node_key_file())?)
            })
            .expect("a home can be made");
        let runtime = Runtime::new().expect("a runtime can be started");
        let (calls, waiting) = mpsc::channel(4);
        let (stop, stopped) = watch::channel(false);
        let config = Config {
            disk_cap_bytes: 1 << 40,
            ..Config::local()
        };
        let running =
            runtime.spawn(async move { server::run(&home, config, waiting, stopped).await });
        let status = runtime.block_on(async {
            loop {
                let reply = call(&calls, restante_interface::Request::Status)
                    .await
                    .expect("the server answers");
                let Reply::Status(status) = reply else {
                    continue;
                };
                if status
                    .listen
                    .iter()
                    .any(|at| at.contains("127.0.0.1") && at.contains("quic"))
                {
                    return status;
                }
                tokio::task::yield_now().await;
            }
        });
        let address = status
            .listen
            .iter()
            .find(|at| at.contains("127.0.0.1") && at.contains("quic"));
        let address: libp2p::Multiaddr = address
            .expect("the server listens")
            .parse()
            .expect("it is an address");
        let peer = address.iter().find_map(|part| match part {
            libp2p::multiaddr::Protocol::P2p(peer) => restante::net::node_of(&peer),
            _ => None,
        });
        Self {
            runtime,
            calls,
            stop,
            running,
            address,
            node: peer.expect("it names the server"),
        }
    }

    fn stop(self) {
        self.stop.send_replace(true);
        drop(self.calls);
        let _ended = self.runtime.block_on(self.running);
    }
}

/// A client of the network in a runtime of its own.
struct Client {
    runtime: Runtime,
    net: NetHandle,
}

impl Client {
    fn start(server: &Server) -> Self {
        let runtime = Runtime::new().expect("a runtime can be started");
        let keypair = Keypair::generate_ed25519();
        let limits = NetLimits::personal();
        let config = NetConfig {
            network: "main".to_owned(),
            listen: Vec::new(),
            external: Vec::new(),
            bootstrap: vec![server.address.clone()],
            known: Vec::new(),
            serve: Serve::Never,
            profile: Profile::Local,
            limits,
        };
        let guard = runtime.enter();
        let transport = transport::real(&keypair, &limits).expect("a transport can be made");
        let (net, mut events) =
            Network::spawn(&config, &keypair, transport).expect("a network can be started");
        runtime.spawn(async move { while events.recv().await.is_some() {} });
        drop(guard);
        Self { runtime, net }
    }

    /// Deposits for one round; returns receipts a second, and how long each took.
    fn deposit(
        &self,
        server: &Server,
        deposits: &[Deposit],
        in_flight: usize,
    ) -> (f64, Vec<Duration>) {
        let start = Instant::now();
        let times = self.runtime.block_on(async {
            let requests = deposits
                .iter()
                .map(|deposit| self.one(server.node, deposit));
            let timely = futures::stream::iter(requests)
                .take_while(|_| std::future::ready(start.elapsed() < ROUND));
            timely
                .buffer_unordered(in_flight)
                .collect::<Vec<Duration>>()
                .await
        });
        #[expect(clippy::cast_precision_loss, reason = "a few thousand receipts")]
        let rate = times.len() as f64 / start.elapsed().as_secs_f64();
        assert!(times.len() < deposits.len(), "a round ran out of deposits");
        (rate, times)
    }

    /// Deposits for one round, so many a second; returns how long each took.
    fn deposit_paced(&self, server: &Server, deposits: &[Deposit], rate: f64) -> Vec<Duration> {
        let start = Instant::now();
        self.runtime.block_on(async {
            let count = ((ROUND.as_secs_f64() * rate) as usize).min(deposits.len());
            let one = |(number, deposit)| async move {
                let begin = start + Duration::from_secs_f64(number as f64 / rate);
                tokio::time::sleep_until(begin.into()).await;
                self.one(server.node, deposit).await;
                begin.elapsed()
            };
            let all = deposits[..count].iter().enumerate().map(one);
            futures::future::join_all(all).await
        })
    }

    async fn one(&self, keeper: NodeId, deposit: &Deposit) -> Duration {
        let start = Instant::now();
        let deadline = Duration::from_secs(10);
        let answer = loop {
            let payload = deposit.payload.clone();
            match self.net.request(keeper, payload, deadline).await {
                // A keeper that stalls lets what is due in the meantime pile up: it counts, and waits.
                Err(RequestError::QueueFull) => tokio::time::sleep(Duration::from_millis(1)).await,
                answer => break answer,
            }
        };
        let answer = Response::decode(&answer.expect("the keeper answers")).expect("it decodes");
        let Response::Receipt(receipt) = answer else {
            panic!("no receipt: {answer:?}")
        };
        receipt
            .verify(&keeper, &deposit.claim)
            .expect("the receipt is right");
        start.elapsed()
    }
}

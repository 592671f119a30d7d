//! How long somebody who comes back waits for five hundred messages, beside the bare cryptography of opening them.
//!
//! Run it with `cargo bench -p restante --bench returning`; `-- 100` does it with another number. A community
//! server keeps them; sender and recipient are whole nodes, with their sockets and disks, and all share the
//! machine. The time runs from the moment the server has a connection with the recipient until all are there to be
//! read: each was listed, fetched, opened and committed; and until it holds no envelope any more: each was acked, which
//! waits until the recipient's own card was looked up. The cryptography is one thread that opens as many envelopes of
//! the same size, one after the other.

use std::future::Future;
use std::path::Path;
use std::time::{Duration, Instant};

use bytes::Bytes;
use restante::clock;
use restante::config::{Config, Serve};
use restante::control::{CALL_QUEUE_COUNT_MAX, ControlCall, EventLog, call};
use restante::home::Home;
use restante::node::person::{self, Costs, PersonError};
use restante::node::server;
use restante::passphrase::Passphrase;
use restante_interface::{Body, DeliveryState, IdInfo, Reply, Request, SendRequest, StatusInfo};
use restante_proto::account::Identity;
use restante_proto::envelope::{Lifetime, OpenerIdentity, Recipient, open, seal};
use restante_proto::keys::SecretKey;
use restante_proto::limits::DAY_MS;
use restante_proto::message::{Content, Message, MessageId, Text};
use restante_proto::phrase::RecoveryPhrase;
use restante_proto::prekey::PrekeySecret;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;

const MESSAGES: usize = 500;
const ROUNDS: usize = 5;
const TEXT: &[u8] = b"The umbrella stands behind the door, and the key is where it always is.";
/// Cards that may be published meanwhile, at most: those of two people, under two salt epochs.
const CARDS: u64 = 16;
/// The pause between two looks at something that is awaited.
const LOOK: Duration = Duration::from_millis(1);
/// The pause between two looks at the node that is measured: each costs it something.
const SELDOM: Duration = Duration::from_millis(10);
/// How long anything may take before the benchmark has failed.
const LATE: Duration = Duration::from_secs(120);

#[expect(clippy::print_stdout, reason = "a benchmark prints its results")]
fn main() {
    let words = std::env::args().skip(1);
    let messages = words.filter_map(|word| word.parse().ok()).next();
    let messages = messages.unwrap_or(MESSAGES);
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("a folder can be made");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime can be started");
    let bare = bare(messages);
    println!("{messages} messages, the bare cryptography of opening them: {bare:.0?}");
    let (here, acked) = runtime.block_on(returns(folder.path(), messages));
    for (what, mut times) in [("to read", here), ("acked", acked)] {
        times.sort_unstable();
        let half = times[times.len() / 2];
        println!(
            "from the recipient's connection until all are {what}: {half:.0?} ({:.0?} to {:.0?}), {:.2} times as long",
            times[0],
            times[times.len() - 1],
            half.as_secs_f64() / bare.as_secs_f64()
        );
    }
}

/// Returns how long it takes to open so many envelopes, and nothing else.
fn bare(messages: usize) -> Duration {
    let rng = &mut rand::rng();
    let (alice, bob) = (identity("alice"), identity("bob"));
    let now = clock::now();
    let prekey = PrekeySecret::generate(now, rng);
    let recipient = Recipient {
        account: bob.account,
        device: bob.device.public(),
        prekey: prekey.public(),
    };
    let mailbox = bob.device_mailbox(now.epoch(), 0);
    let lifetime = Lifetime {
        now,
        expires: now.plus(6 * DAY_MS),
    };
    let envelopes: Vec<_> = (0..messages)
        .map(|number| {
            let content = Content::Text(Text {
                body: Bytes::from_static(TEXT),
                ..Text::default()
            });
            let mut id = [0; 16];
            id[..8].copy_from_slice(&(number as u64).to_be_bytes());
            let message = Message::new(&alice, MessageId::new(id), now, content);
            seal(&message, &alice, &recipient, mailbox, lifetime, rng).expect("it can be sealed")
        })
        .collect();
    let opener = OpenerIdentity::from(&bob);
    let begun = Instant::now();
    for envelope in &envelopes {
        let opened = open(&envelope.bytes, &mailbox, lifetime, &opener, [&prekey]);
        opened.expect("it opens");
    }
    begun.elapsed()
}

fn identity(handle: &str) -> Identity {
    let rng = &mut rand::rng();
    Identity::new(
        &SecretKey::generate(rng),
        1,
        SecretKey::generate(rng),
        handle.parse().expect("a handle"),
    )
}

/// Returns how long it took each time until the recipient could read all, and until all was acked.
#[expect(clippy::print_stdout, reason = "a benchmark prints its results")]
async fn returns(folder: &Path, messages: usize) -> (Vec<Duration>, Vec<Duration>) {
    let server = start_server(folder);
    let status = server
        .wait("it listens", |status| !status.listen.is_empty())
        .await;
    let mut addresses = status.listen.iter();
    let entry = addresses.find(|at| at.contains("127.0.0.1") && at.contains("quic"));
    let entry = entry
        .expect("the server listens")
        .parse()
        .expect("an address");
    let (alice_id, bob_id) = (create(folder, "alice"), create(folder, "bob"));
    let alice = start(folder, "alice", &entry);
    let mut bob = start(folder, "bob", &entry);
    for person in [&alice, &bob] {
        person
            .wait("the card is published", |status| {
                status.card_published_ms.is_some()
            })
            .await;
    }
    befriend(&alice, &bob, &alice_id, &bob_id).await;
    let mut times = (Vec::new(), Vec::new());
    for round in 1..=ROUNDS {
        bob.leave().await;
        server
            .wait("the recipient is gone", |status| status.peers <= 1)
            .await;
        let before = server.wait("it answers", |_| true).await;
        for _ in 0..messages {
            alice.write(&bob_id).await;
        }
        let full = before.keeper.items + messages as u64;
        server
            .wait("all messages are here", |status| {
                status.keeper.items >= full
            })
            .await;
        bob = start(folder, "bob", &entry);
        server
            .wait("the recipient is back", |status| {
                status.peers > before.peers
            })
            .await;
        // One was there before the first round.
        let (here, acked) = all_taken(&server, &bob, before.keeper.items, round * messages).await;
        println!("  {here:.0?}, {acked:.0?}");
        times.0.push(here);
        times.1.push(acked);
        let is_delivered = |status: &StatusInfo| status.outbox_count == 0;
        alice.wait("all is delivered", is_delivered).await;
    }
    bob.leave().await;
    alice.leave().await;
    server.leave().await;
    times
}

/// Returns how long it takes until more than `unread` messages can be read, and until the server has nothing but the
/// `kept` items of before.
async fn all_taken(
    server: &Player,
    bob: &Player,
    kept: u64,
    unread: usize,
) -> (Duration, Duration) {
    let begun = Instant::now();
    let here = async {
        bob.wait_looking(SELDOM, "all are there to be read", |status| {
            usize::try_from(status.unread).is_ok_and(|count| count > unread)
        })
        .await;
        begun.elapsed()
    };
    let acked = async {
        server
            .wait("all was acked", |status| {
                status.keeper.items <= kept + CARDS
            })
            .await;
        begun.elapsed()
    };
    tokio::join!(here, acked)
}

/// Lets two people become each other's contacts, so that what they send needs no stamps.
async fn befriend(alice: &Player, bob: &Player, alice_id: &IdInfo, bob_id: &IdInfo) {
    alice.write(bob_id).await;
    bob.wait("a message arrives", |status| status.unread > 0)
        .await;
    bob.ask(Request::ContactAccept {
        who: alice_id.id.clone(),
    })
    .await;
    alice
        .wait("she hears that it arrived", |status| {
            status.outbox_count == 0
        })
        .await;
    // So that the words about what she writes need no stamps either.
    bob.write(alice_id).await;
    bob.wait("he hears that it arrived", |status| {
        status.outbox_count == 0
    })
    .await;
}

/// A node that runs, and the way to ask it things.
struct Player {
    calls: mpsc::Sender<ControlCall>,
    stop: watch::Sender<bool>,
    running: JoinHandle<Result<(), PersonError>>,
}

impl Player {
    fn start<F>(run: impl FnOnce(mpsc::Receiver<ControlCall>, watch::Receiver<bool>) -> F) -> Self
    where
        F: Future<Output = Result<(), PersonError>> + Send + 'static,
    {
        let (calls, waiting) = mpsc::channel(CALL_QUEUE_COUNT_MAX);
        let (stop, stopped) = watch::channel(false);
        let running = tokio::spawn(run(waiting, stopped));
        Self {
            calls,
            stop,
            running,
        }
    }

    async fn ask(&self, request: Request) -> Reply {
        call(&self.calls, request).await.expect("the node answers")
    }

    /// Writes to somebody and waits until it is stored.
    async fn write(&self, to: &IdInfo) {
        let request = SendRequest {
            to: to.link.clone(),
            body: Body::new(TEXT.to_vec()),
            ttl_ms: Some(6 * DAY_MS),
            burn_ms: None,
            file_name: None,
            effort_max: None,
            reply_to: None,
            replaces: None,
            wait: true,
        };
        match self.ask(Request::Send(request)).await {
            Reply::Sent(sent) => assert_ne!(sent.state, DeliveryState::Waiting),
            other => panic!("a message was answered with {other:?}"),
        }
    }

    /// Waits until the status is as wanted, and returns it.
    async fn wait(&self, what: &str, is_wanted: impl Fn(&StatusInfo) -> bool) -> StatusInfo {
        self.wait_looking(LOOK, what, is_wanted).await
    }

    async fn wait_looking(
        &self,
        every: Duration,
        what: &str,
        is_wanted: impl Fn(&StatusInfo) -> bool,
    ) -> StatusInfo {
        let late = Instant::now() + LATE;
        loop {
            if let Reply::Status(status) = self.ask(Request::Status).await {
                if is_wanted(&status) {
                    return *status;
                }
                assert!(
                    Instant::now() < late,
                    "waited too long: {what}; {:?}, {} under way",
                    status.keeper,
                    status.outbox_count
                );
            }
            tokio::time::sleep(every).await;
        }
    }

    async fn leave(self) {
        self.stop.send_replace(true);
        let ended = self.running.await.expect("the node has not panicked");
        ended.expect("the node ends in good order");
    }
}

fn start_server(folder: &Path) -> Player {
    let made = Home::create::<(), Box<dyn std::error::Error>>(&folder.join("server"), |staging| {
        std::fs::write(staging.community_file(), b"")?;
        Ok(server::create_key(&staging.node_key_file())?)
    });
    let (home, ()) = made.expect("a home can be made");
    Player::start(|calls, stop| async move {
        let config = Config::local();
        Ok(server::run(&home, config, calls, stop).await?)
    })
}

fn create(folder: &Path, name: &str) -> IdInfo {
    let handle = name.parse().expect("a handle");
    let made = Home::create::<IdInfo, Box<dyn std::error::Error>>(&folder.join(name), |staging| {
        let costs = Costs::production();
        let phrase = RecoveryPhrase::generate(&mut rand::rng());
        Ok(person::create(
            staging,
            &phrase,
            &handle,
            &passphrase(),
            &costs,
        )?)
    });
    made.expect("an account can be made").1
}

/// Starts a person's node, which keeps nothing for others, as a phone would.
fn start(folder: &Path, name: &str, entry: &libp2p::Multiaddr) -> Player {
    let home = Home::open(&folder.join(name)).expect("the home can be opened");
    let config = Config {
        bootstrap: vec![entry.clone()],
        serve: Serve::Never,
        ..Config::local()
    };
    Player::start(|calls, stop| async move {
        person::run(
            &home,
            config,
            passphrase(),
            Costs::production(),
            calls,
            EventLog::new(0),
            stop,
        )
        .await
    })
}

fn passphrase() -> Passphrase {
    Passphrase::new(b"correct horse battery staple".to_vec()).expect("a pass phrase")
}

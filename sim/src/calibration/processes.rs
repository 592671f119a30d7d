//! The scenario on processes of the shipped programs, which find each other over loopback.
//!
//! People do what they do in the simulated tiers, one thing after the other and without the pauses in between: people
//! get to know each other, then messages to readers who are there, then messages to readers who are away, then the
//! readers' return. What is asked of a node goes over its control socket, as commands do it.

use std::io::{self, Error};
use std::path::Path;
use std::time::Duration;

use restante_interface::{
    Body, DeliveryState, InboxMessage, InboxRequest, Reply, Request, SendRequest,
};
use restante_proto::limits::DAY_MS;
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep, timeout};

use self::node::{Folder, Node, ask, eventually};
use super::account::{Account, Gap, Letter};
use super::{Run, per};
use crate::statistics::whole;

mod node;

/// Entry points that all others are told of.
const ENTRIES: usize = 2;
/// Community servers, entry points included.
const SERVERS: usize = 8;
/// People; the first half writes to the second.
const PEOPLE: usize = 4;
/// Messages to readers who are there.
const ONLINE: usize = 16;
/// Messages to readers who are away.
const AWAY: usize = 16;
/// The pause between two messages.
const PAUSE: Duration = Duration::from_millis(200);
/// How long a message may take until it counts as not shown.
const SHOWN_MAX: Duration = Duration::from_secs(30);
/// How long a count of copies must stay the same to be believed.
const STILL: Duration = Duration::from_secs(1);
/// News of readers that wait, at most.
const NEWS_MAX: usize = 64;

/// Runs it once.
///
/// # Errors
///
/// Which program does not start, or does not do what it should.
pub(super) fn run(programs: &Path) -> io::Result<Run> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let mut stage = Stage::set(programs).await?;
        stage.play().await
    })
}

/// A message that somebody was shown.
struct Shown {
    person: usize,
    at: Instant,
    body: Vec<u8>,
}

/// All nodes, and what has been seen of their messages.
struct Stage {
    servers: Vec<Node>,
    people: Vec<Node>,
    ids: Vec<String>,
    start: Instant,
    account: Account,
    news: (mpsc::Sender<Shown>, mpsc::Receiver<Shown>),
    // Last, so that it is there until the processes have ended.
    _folder: Folder,
}

impl Stage {
    /// Starts everybody and lets people get to know each other.
    async fn set(programs: &Path) -> io::Result<Self> {
        let folder = Folder::new()?;
        let mut servers = Vec::new();
        let mut entries: Vec<String> = Vec::new();
        for number in 0..SERVERS {
            let mut server = Node::server(programs, folder.path(), number);
            server.start(&entries)?;
            if number < ENTRIES {
                entries.push(server.address().await?);
            }
            servers.push(server);
        }
        for server in &mut servers {
            server
                .until("the servers know each other", |status| {
                    status.routing_table as usize + 1 >= SERVERS
                })
                .await?;
        }
        let (mut people, mut ids) = (Vec::new(), Vec::new());
        for number in 0..PEOPLE {
            let mut person = Node::person(programs, folder.path(), number);
            ids.push(person.create(&entries)?);
            person.start(&[])?;
            people.push(person);
        }
        for person in &mut people {
            person
                .until("a card is published", |status| {
                    status.card_published_ms.is_some()
                })
                .await?;
        }
        let stage = Self {
            servers,
            people,
            ids,
            start: Instant::now(),
            account: Account::default(),
            news: mpsc::channel(NEWS_MAX),
            _folder: folder,
        };
        stage.befriend().await?;
        Ok(stage)
    }

    async fn befriend(&self) -> io::Result<()> {
        for (from, to) in pairs() {
            for (one, other) in [(from, to), (to, from)] {
                let who = self.id(other);
                let request = Request::ContactAdd { who, petname: None };
                self.ask(one, request).await?;
            }
        }
        Ok(())
    }

    async fn play(&mut self) -> io::Result<Run> {
        let readers = PEOPLE / 2..PEOPLE;
        for person in readers.clone() {
            self.read(person);
        }
        for (number, (from, to)) in pairs().into_iter().enumerate() {
            self.send(ONLINE + AWAY + number, from, to, true).await?;
        }
        for person in 0..PEOPLE / 2 {
            self.people[person]
                .until("the first messages are delivered", |status| {
                    let mut outbox = status.outbox.iter();
                    outbox.all(|entry| entry.state == DeliveryState::Delivered)
                })
                .await?;
        }
        self.hear_all();
        let pairs = pairs();
        for (number, (from, to)) in (0..ONLINE).zip(pairs.iter().cycle()) {
            self.write(number, *from, *to, false).await?;
            self.await_shown(&[number]).await;
            sleep(PAUSE).await;
        }
        let before = self.envelopes().await?;
        for person in readers.clone() {
            let leaves_ms = self.now_ms();
            self.people[person].stop().await?;
            let returns_ms = u64::MAX;
            let gap = Gap {
                leaves_ms,
                returns_ms,
            };
            self.account.gaps.insert(person, gap);
        }
        let away: Vec<usize> = (ONLINE..ONLINE + AWAY).collect();
        for (number, (from, to)) in away.iter().zip(pairs.iter().cycle()) {
            self.write(*number, *from, *to, true).await?;
        }
        let after = self.envelopes().await?;
        for person in readers {
            self.people[person].start(&[])?;
            self.people[person]
                .until("the node answers", |_| true)
                .await?;
            let returns_ms = self.now_ms();
            if let Some(gap) = self.account.gaps.get_mut(&person) {
                gap.returns_ms = returns_ms;
            }
            self.read(person);
        }
        self.await_shown(&away).await;
        self.hear_all();
        for node in self.people.iter_mut().chain(&mut self.servers) {
            node.stop().await?;
        }
        let copies = per(whole(after) - whole(before), AWAY as u64);
        Ok(Run {
            copies,
            ..self.account.judge()
        })
    }

    fn now_ms(&self) -> u64 {
        let elapsed = self.start.elapsed().as_millis();
        u64::try_from(elapsed).unwrap_or(u64::MAX)
    }

    fn id(&self, person: usize) -> String {
        self.ids.get(person).cloned().unwrap_or_default()
    }

    async fn ask(&self, person: usize, request: Request) -> io::Result<Reply> {
        let node = self.people.get(person);
        let node = node.ok_or_else(|| Error::other("there is no such person"))?;
        ask(&node.home(), request).await
    }

    /// Lets somebody read whatever comes, for as long as the node runs.
    fn read(&self, person: usize) {
        let Some(home) = self.people.get(person).map(Node::home) else {
            return;
        };
        let news = self.news.0.clone();
        tokio::spawn(async move {
            let request = InboxRequest {
                wait_ms: 60_000,
                ..InboxRequest::default()
            };
            while let Ok(reply) = ask(&home, Request::Inbox(request.clone())).await {
                let Reply::Inbox(page) = reply else {
                    return;
                };
                let at = Instant::now();
                let ids: Vec<String> = page.messages.iter().map(|one| one.id.clone()).collect();
                for body in page.messages.into_iter().map(body_of) {
                    if news.send(Shown { person, at, body }).await.is_err() {
                        return;
                    }
                }
                if !ids.is_empty() && ask(&home, Request::MarkRead { ids }).await.is_err() {
                    return;
                }
            }
        });
    }

    /// Sends a message that counts.
    async fn write(&mut self, number: usize, from: usize, to: usize, wait: bool) -> io::Result<()> {
        let letter = Letter {
            from,
            to: Some(to),
            written_ms: self.now_ms(),
            ..Letter::default()
        };
        self.account.letters.insert(number, letter);
        self.send(number, from, to, wait).await
    }

    async fn send(&self, number: usize, from: usize, to: usize, wait: bool) -> io::Result<()> {
        let request = Request::Send(SendRequest {
            to: self.id(to),
            body: Body::new(body(number)),
            ttl_ms: DAY_MS,
            burn_ms: None,
            file_name: None,
            wait,
        });
        if wait {
            return self.ask(from, request).await.map(|_| ());
        }
        // Nobody waits for the node's word that it is stored: the reader may be faster.
        if let Some(home) = self.people.get(from).map(Node::home) {
            tokio::spawn(async move { ask(&home, request).await });
        }
        Ok(())
    }

    /// Waits until these messages were shown, or it has taken too long.
    async fn await_shown(&mut self, numbers: &[usize]) {
        let end = Instant::now() + SHOWN_MAX;
        let letters = |account: &Account| {
            numbers.iter().all(|number| {
                let letter: Option<&Letter> = account.letters.get(number);
                letter.is_some_and(|letter| letter.shown_ms.is_some())
            })
        };
        while !letters(&self.account) {
            let left = end.saturating_duration_since(Instant::now());
            match timeout(left, self.news.1.recv()).await {
                Ok(Some(shown)) => self.hear(&shown),
                Ok(None) | Err(_) => return,
            }
        }
    }

    fn hear_all(&mut self) {
        while let Ok(shown) = self.news.1.try_recv() {
            self.hear(&shown);
        }
    }

    fn hear(&mut self, shown: &Shown) {
        let at_ms = shown.at.saturating_duration_since(self.start).as_millis();
        let at_ms = u64::try_from(at_ms).unwrap_or(u64::MAX);
        let letter =
            number_of(&shown.body).and_then(|number| self.account.letters.get_mut(&number));
        if let Some(letter) = letter.filter(|letter| letter.to == Some(shown.person)) {
            letter.again += u64::from(letter.shown_ms.is_some());
            letter.shown_ms.get_or_insert(at_ms);
        }
    }

    /// Counts the envelopes at all servers, once their number stays the same.
    async fn envelopes(&self) -> io::Result<u64> {
        let mut before = None;
        eventually("the number of copies stays the same", async || {
            let mut sum = 0;
            for server in &self.servers {
                sum += server.envelopes().await.ok()?;
            }
            let same = (before == Some(sum)).then_some(sum);
            before = Some(sum);
            if same.is_none() {
                sleep(STILL).await;
            }
            same
        })
        .await
    }
}

/// Returns who writes to whom.
fn pairs() -> Vec<(usize, usize)> {
    let readers = PEOPLE / 2..PEOPLE;
    let with_all = |from| readers.clone().map(move |to| (from, to));
    (0..PEOPLE / 2).flat_map(with_all).collect()
}

/// Makes a body that names its message and is as long as those of the scenario are on average.
fn body(number: usize) -> Vec<u8> {
    let mut body = format!("m{number}.").into_bytes();
    body.resize(160, b'.');
    body
}

fn number_of(body: &[u8]) -> Option<usize> {
    let text = String::from_utf8_lossy(body);
    let (name, _) = text.split_once('.')?;
    name.strip_prefix('m')?.parse().ok()
}

fn body_of(message: InboxMessage) -> Vec<u8> {
    let text = message.text.map(|text| text.0.into_bytes());
    text.or_else(|| message.base64.map(Body::into_bytes))
        .unwrap_or_default()
}

const _: () = assert!(ONLINE.is_multiple_of(PEOPLE) && AWAY.is_multiple_of(PEOPLE));

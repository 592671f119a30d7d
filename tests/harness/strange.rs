//! A hostile source that does not ask: connections that say nothing, bytes that come singly, frames that never end.

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::{AsyncReadExt as _, AsyncWriteExt as _, StreamExt as _};
use libp2p::core::muxing::SubstreamBox;
use restante::net::{Multiaddr, NetLimits};
use restante_proto::limits::PAYLOAD_BYTES_MAX;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::Mutex;
use tokio::task::JoinSet;
use tokio::time::{Interval, MissedTickBehavior, interval};

use crate::flood::Answers;
use crate::stream::{Connection, frame};

/// Connections that say nothing.
const SILENT: u16 = 1_000;
/// Connections from one group of addresses: as many as a community server takes.
const TOGETHER: u16 = 32;
/// Connections that are made at the same time in the beginning.
const DIALS_AT_ONCE: usize = 32;
/// The pause between two dials after the beginning, over all connections.
const DIAL_PAUSE: Duration = Duration::from_millis(20);
/// Payloads of the frames whose bytes come singly, by turns: the shortest, and one that keeps a frame incomplete.
const PAYLOADS: [usize; 2] = [1, 1_000];
/// Bytes that a frame has before its payload.
const HEAD_BYTES: usize = 4 + 9;

/// What a hostile source does that does not ask.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strange {
    /// It connects from everywhere, and says nothing.
    Silent,
    /// It sends one byte at a time.
    Bytes,
    /// It opens streams, and sends the largest frame on each but for its last byte.
    Streams,
}

impl Strange {
    /// All there are, in the order in which they are tried.
    pub const ALL: [Self; 3] = [Self::Silent, Self::Bytes, Self::Streams];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Silent => "silent",
            Self::Bytes => "bytes",
            Self::Streams => "streams",
        }
    }

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.name() == name)
    }

    const fn connections(self) -> u16 {
        match self {
            Self::Silent => SILENT,
            Self::Bytes | Self::Streams => TOGETHER,
        }
    }

    /// Returns where a connection comes from: the silent ones each from a group of addresses of its own.
    fn address(self, number: u16) -> Ipv4Addr {
        match self {
            Self::Silent => {
                let [_, high] = (20 + number / 250).to_be_bytes();
                let [_, low] = (number % 250).to_be_bytes();
                Ipv4Addr::new(127, high, low, 1)
            }
            // A group each: whoever broke the protocol is not let in again at once.
            Self::Bytes | Self::Streams => {
                let [_, low] = (number + 1).to_be_bytes();
                Ipv4Addr::new(127, 9, 9 + u8::from(self == Self::Streams), low)
            }
        }
    }

    /// Returns how many streams of a connection are in use at the same time.
    const fn lanes(self, number: u16) -> u32 {
        let most = NetLimits::community().transport.quic_streams_max;
        match self {
            Self::Silent => 0,
            // A node gives up a stream for the next of the same connection, so that many hardly get to send bytes:
            // half of the connections have but one.
            Self::Bytes if number.is_multiple_of(2) => 1,
            Self::Bytes | Self::Streams => most,
        }
    }
}

/// A strange source at work.
#[derive(Debug)]
pub struct Stranger {
    kind: Strange,
    work: JoinSet<()>,
    counts: Arc<Counts>,
    // Last, so that the tasks can be ended.
    _runtime: Runtime,
}

impl Stranger {
    /// Begins, and returns when every connection was tried once.
    #[track_caller]
    pub fn begin(kind: Strange, node: &Multiaddr) -> Self {
        let mut builder = Builder::new_multi_thread();
        let runtime = builder.worker_threads(2).enable_all().build().unwrap();
        let counts = Arc::new(Counts::default());
        let work = runtime.block_on(async {
            let mut pace = interval(DIAL_PAUSE);
            pace.set_missed_tick_behavior(MissedTickBehavior::Delay);
            let source = Arc::new(Source {
                kind,
                node: node.clone(),
                pace: Mutex::new(pace),
                counts: Arc::clone(&counts),
            });
            let dials = futures::stream::iter(0..kind.connections()).map(|number| {
                let source = Arc::clone(&source);
                async move {
                    let first = source.dial(number).await;
                    (source, number, first)
                }
            });
            let mut dials = dials.buffer_unordered(DIALS_AT_ONCE);
            let mut work = JoinSet::new();
            while let Some((source, number, first)) = dials.next().await {
                work.spawn(source.go_on(number, first));
            }
            work
        });
        Self {
            kind,
            work,
            counts,
            _runtime: runtime,
        }
    }

    /// Ends, and returns what was done and what came of it.
    pub fn end(mut self) -> Answers {
        let counts = self.counts.read(self.kind);
        self.work.abort_all();
        counts
    }
}

/// What all connections of a strange source share.
#[derive(Debug)]
struct Source {
    kind: Strange,
    node: Multiaddr,
    /// Whoever has it may dial at its next tick.
    pace: Mutex<Interval>,
    counts: Arc<Counts>,
}

impl Source {
    async fn dial(&self, number: u16) -> Option<Connection> {
        let from = self.kind.address(number);
        let dialled = Connection::dial(&self.node, Some(from)).await;
        let count = match &dialled {
            Ok(_) => &self.counts.through,
            Err(_) => &self.counts.refused,
        };
        add(count, 1);
        dialled.ok()
    }

    /// Does what it does on one connection, and dials again whenever that is over.
    async fn go_on(self: Arc<Self>, number: u16, first: Option<Connection>) {
        let mut next = first;
        loop {
            if let Some(connection) = next.take() {
                self.use_up(number, connection).await;
                add(&self.counts.closed, 1);
            }
            self.pace.lock().await.tick().await;
            next = self.dial(number).await;
        }
    }

    /// Does what it does until a connection is closed.
    async fn use_up(&self, number: u16, connection: Connection) {
        let connection = Arc::new(connection);
        let mut lanes = JoinSet::new();
        for _ in 0..self.kind.lanes(number) {
            let (kind, counts) = (self.kind, Arc::clone(&self.counts));
            lanes.spawn(one_lane(kind, Arc::clone(&connection), counts));
        }
        connection.closed().await;
    }
}

/// Uses one stream after the other until the connection is closed.
async fn one_lane(kind: Strange, connection: Arc<Connection>, counts: Arc<Counts>) {
    loop {
        let stream = match connection.open().await {
            Ok(stream) => stream,
            Err(error) if error.kind() == io::ErrorKind::NotConnected => return,
            Err(_) => {
                // The node did not take it, or gave it up before the protocol was agreed on.
                add(&counts.unopened, 1);
                continue;
            }
        };
        add(&counts.opened, 1);
        let (mut reader, mut writer) = stream.split();
        let mut answers = [0; 4_096];
        let read = async {
            // Answers that are not read would keep the node from reading on.
            while let Ok(count @ 1..) = reader.read(&mut answers).await {
                add(&counts.answered, count);
            }
        };
        let write = async {
            let _given_up = match kind {
                Strange::Bytes => send_singly(&mut writer, &counts).await,
                Strange::Silent | Strange::Streams => send_most(&mut writer, &counts).await,
            };
            // It knows of the end by what it reads.
            std::future::pending::<()>().await;
        };
        tokio::select! {
            () = read => {}
            () = write => {}
        }
        add(&counts.given_up, 1);
    }
}

type Writer = futures::io::WriteHalf<SubstreamBox>;

/// Sends frames whose payload comes one byte at a time, until the stream is over.
async fn send_singly(writer: &mut Writer, counts: &Counts) -> io::Result<()> {
    let payloads = PAYLOADS.map(|length| vec![0xff; length]);
    for (id, payload) in (1..).zip(payloads.iter().cycle()) {
        let frame = frame(0, id, payload);
        let (head, payload) = frame.split_at(HEAD_BYTES);
        writer.write_all(head).await?;
        writer.flush().await?;
        add(&counts.sent, head.len());
        for byte in payload {
            writer.write_all(&[*byte]).await?;
            writer.flush().await?;
            add(&counts.sent, 1);
            // What is flushed goes out when the connection's own task has its turn.
            tokio::task::yield_now().await;
        }
        add(&counts.frames, 1);
    }
    Ok(())
}

/// Sends the largest frame but for its last byte.
async fn send_most(writer: &mut Writer, counts: &Counts) -> io::Result<()> {
    let whole = frame(0, 1, &vec![0; PAYLOAD_BYTES_MAX]);
    let (_, most) = whole.split_last().expect("a frame is never empty");
    writer.write_all(most).await?;
    writer.flush().await?;
    add(&counts.sent, most.len());
    add(&counts.frames, 1);
    Ok(())
}

/// What was done, and what came of it.
#[derive(Debug, Default)]
struct Counts {
    through: AtomicU64,
    refused: AtomicU64,
    closed: AtomicU64,
    opened: AtomicU64,
    unopened: AtomicU64,
    given_up: AtomicU64,
    frames: AtomicU64,
    sent: AtomicU64,
    answered: AtomicU64,
}

impl Counts {
    fn read(&self, kind: Strange) -> Answers {
        let connections = [
            ("connections that got through", &self.through),
            ("connections the server refused", &self.refused),
            ("connections the server closed", &self.closed),
        ];
        let streams = [
            ("streams opened", &self.opened),
            ("streams not opened", &self.unopened),
            ("streams the server closed", &self.given_up),
            ("frames sent, last byte or not", &self.frames),
            ("bytes sent", &self.sent),
            ("bytes of answers", &self.answered),
        ];
        let streams = streams.into_iter().filter(|_| kind != Strange::Silent);
        let all = connections.into_iter().chain(streams);
        all.map(|(name, count)| (name.to_owned(), count.load(Ordering::Relaxed)))
            .collect()
    }
}

fn add(count: &AtomicU64, more: usize) {
    count.fetch_add(more as u64, Ordering::Relaxed);
}

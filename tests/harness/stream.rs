//! A libp2p connection without the item protocol's manners: whatever bytes a test likes.

use std::future::poll_fn;
use std::io;
use std::net::Ipv4Addr;
use std::task::Poll;
use std::time::Duration;

use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use libp2p::Transport as _;
use libp2p::core::Endpoint;
use libp2p::core::muxing::{StreamMuxerBox, StreamMuxerExt as _, SubstreamBox};
use libp2p::core::transport::{DialOpts, ListenerId, PortUse};
use libp2p::multiaddr::Protocol;
use restante::net::{Keypair, Multiaddr, NetLimits, transport};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::NETWORK;

/// How long a node may take for one step of a conversation.
const DEADLINE: Duration = Duration::from_secs(20);

type Order = oneshot::Sender<io::Result<SubstreamBox>>;

/// An authenticated connection to a node, for those who have a runtime.
#[derive(Debug)]
pub(crate) struct Connection {
    orders: mpsc::Sender<Order>,
}

impl Connection {
    /// Dials a node under a new identity, from the address given or from any.
    pub(crate) async fn dial(address: &Multiaddr, from: Option<Ipv4Addr>) -> io::Result<Self> {
        let keypair = Keypair::generate_ed25519();
        let limits = NetLimits::community();
        let mut transport = transport::real(&keypair, &limits).map_err(io::Error::other)?;
        let mut port_use = PortUse::New;
        if let Some(ip) = from {
            let listen = Multiaddr::empty().with(Protocol::Ip4(ip));
            let listen = listen.with(Protocol::Udp(0)).with(Protocol::QuicV1);
            let listening = transport.listen_on(ListenerId::next(), listen);
            listening.map_err(io::Error::other)?;
            // The listener's address is the one that dials come from.
            port_use = PortUse::Reuse;
        }
        let options = DialOpts {
            role: Endpoint::Dialer,
            port_use,
        };
        let dial = transport.dial(address.clone(), options);
        let (_, muxer) = in_time(dial.map_err(io::Error::other)?).await?;
        let (orders, waiting) = mpsc::channel(8);
        tokio::spawn(async move {
            drive(muxer, waiting).await;
            drop(transport);
        });
        Ok(Self { orders })
    }

    /// Opens a stream and agrees on the item protocol.
    pub(crate) async fn open(&self) -> io::Result<SubstreamBox> {
        let protocol = format!("/restante/{NETWORK}/item/1");
        let (reply, opened) = oneshot::channel();
        let gone = || io::Error::from(io::ErrorKind::NotConnected);
        self.orders.send(reply).await.map_err(|_| gone())?;
        in_time(async {
            let mut stream = opened.await.map_err(|_| gone())??;
            negotiate(&mut stream, &protocol).await?;
            Ok(stream)
        })
        .await
    }

    /// Waits until the connection is over.
    pub(crate) async fn closed(&self) {
        self.orders.closed().await;
    }
}

/// A [`Connection`] with a runtime of its own, for tests that do one thing after the other.
#[derive(Debug)]
pub struct RawConnection {
    connection: Connection,
    // Last, so that the connection's task is still there when streams are dropped.
    runtime: Runtime,
}

impl RawConnection {
    /// Dials a node under a new identity.
    #[track_caller]
    pub fn dial(address: &Multiaddr) -> Self {
        let runtime = Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let dialled = runtime.block_on(Connection::dial(address, None));
        Self {
            connection: dialled.expect("the node takes connections"),
            runtime,
        }
    }

    /// Opens a stream and agrees on the item protocol.
    ///
    /// # Errors
    ///
    /// What the connection or the node says instead.
    pub fn open(&self) -> io::Result<RawStream<'_>> {
        Ok(RawStream {
            stream: self.runtime.block_on(self.connection.open())?,
            runtime: &self.runtime,
        })
    }
}

/// A stream on which the item protocol was agreed on, and nothing sent yet.
pub struct RawStream<'a> {
    stream: SubstreamBox,
    runtime: &'a Runtime,
}

impl std::fmt::Debug for RawStream<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RawStream(..)")
    }
}

impl RawStream<'_> {
    /// Sends bytes.
    ///
    /// # Errors
    ///
    /// What the connection says, when the node has closed it.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        let stream = &mut self.stream;
        self.runtime.block_on(async {
            in_time(async {
                stream.write_all(bytes).await?;
                stream.flush().await
            })
            .await
        })
    }

    /// Reads one frame's payload, or nothing if the node closes the stream instead.
    #[track_caller]
    pub fn receive(&mut self) -> Option<Vec<u8>> {
        let stream = &mut self.stream;
        self.runtime.block_on(async {
            let read = async {
                let mut length = [0; 4];
                stream.read_exact(&mut length).await.ok()?;
                let mut frame = vec![0; u32::from_be_bytes(length) as usize];
                stream.read_exact(&mut frame).await.ok()?;
                Some(frame.split_off(9))
            };
            timeout(DEADLINE, read)
                .await
                .expect("the node answers, or closes the stream")
        })
    }
}

/// Returns a frame of the item protocol: kind 0 request, 1 response, 2 push.
pub fn frame(kind: u8, id: u64, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(9 + payload.len()).expect("tests send short payloads");
    let mut frame = length.to_be_bytes().to_vec();
    frame.push(kind);
    frame.extend_from_slice(&id.to_be_bytes());
    frame.extend_from_slice(payload);
    frame
}

/// Gives one step of a conversation its time.
async fn in_time<T>(step: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(DEADLINE, step)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Runs a connection until nobody wants streams of it any more; streams the node opens are closed.
async fn drive(mut muxer: StreamMuxerBox, mut orders: mpsc::Receiver<Order>) {
    let mut waiting: Option<Order> = None;
    poll_fn(|cx| {
        loop {
            match muxer.poll_unpin(cx) {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        loop {
            match muxer.poll_inbound_unpin(cx) {
                Poll::Ready(Ok(unwanted)) => drop(unwanted),
                Poll::Ready(Err(_)) => return Poll::Ready(()),
                Poll::Pending => break,
            }
        }
        loop {
            if waiting.is_none() {
                match orders.poll_recv(cx) {
                    Poll::Ready(Some(order)) => waiting = Some(order),
                    Poll::Ready(None) => return Poll::Ready(()),
                    Poll::Pending => return Poll::Pending,
                }
            }
            let Poll::Ready(opened) = muxer.poll_outbound_unpin(cx) else {
                return Poll::Pending;
            };
            // Nothing may be asked of a connection that has failed.
            let failed = opened.is_err();
            if let Some(order) = waiting.take() {
                let _gone = order.send(opened);
            }
            if failed {
                return Poll::Ready(());
            }
        }
    })
    .await;
}

/// Agrees on a protocol: multistream-select 1.0.0, both messages at once.
async fn negotiate(stream: &mut SubstreamBox, protocol: &str) -> io::Result<()> {
    let hello = message("/multistream/1.0.0");
    let wanted = message(protocol);
    stream
        .write_all(&[hello.as_slice(), wanted.as_slice()].concat())
        .await?;
    stream.flush().await?;
    for expected in [hello, wanted] {
        let mut answer = vec![0; expected.len()];
        stream.read_exact(&mut answer).await?;
        if answer != expected {
            return Err(io::Error::other("the node does not offer the protocol"));
        }
    }
    Ok(())
}

/// Returns a message of multistream-select: its length in one byte, its text, a line feed.
fn message(text: &str) -> Vec<u8> {
    let length = u8::try_from(text.len() + 1).expect("protocol names are short");
    assert!(length < 0x80, "protocol names are short");
    let mut message = vec![length];
    message.extend_from_slice(text.as_bytes());
    message.push(b'\n');
    message
}

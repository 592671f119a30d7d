//! A libp2p connection without the item protocol's manners: whatever bytes a test likes.

use std::future::poll_fn;
use std::io;
use std::task::Poll;
use std::time::Duration;

use futures::{AsyncReadExt as _, AsyncWriteExt as _};
use libp2p::Transport as _;
use libp2p::core::Endpoint;
use libp2p::core::muxing::{StreamMuxerBox, StreamMuxerExt as _, SubstreamBox};
use libp2p::core::transport::{DialOpts, PortUse};
use restante::net::{Keypair, Multiaddr, NetLimits, transport};
use tokio::runtime::{Builder, Runtime};
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;

use crate::NETWORK;

/// How long a node may take for one step of a conversation.
const DEADLINE: Duration = Duration::from_secs(20);

type Order = oneshot::Sender<io::Result<SubstreamBox>>;

/// An authenticated connection to a node, on which streams can be opened.
#[derive(Debug)]
pub struct RawConnection {
    orders: mpsc::Sender<Order>,
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
        let keypair = Keypair::generate_ed25519();
        let options = DialOpts {
            role: Endpoint::Dialer,
            port_use: PortUse::New,
        };
        let (orders, waiting) = mpsc::channel(8);
        runtime.block_on(async {
            let mut transport = transport::real(&keypair, &NetLimits::community()).unwrap();
            let dial = transport
                .dial(address.clone(), options)
                .expect("an address of a node");
            let dialled = timeout(DEADLINE, dial).await.expect("the node answers");
            let (_, muxer) = dialled.expect("the node takes connections");
            tokio::spawn(async move {
                drive(muxer, waiting).await;
                drop(transport);
            });
        });
        Self { orders, runtime }
    }

    /// Opens a stream and agrees on the item protocol.
    ///
    /// # Errors
    ///
    /// What the connection or the node says instead.
    pub fn open(&self) -> io::Result<RawStream<'_>> {
        let protocol = format!("/restante/{NETWORK}/item/1");
        let negotiated: io::Result<SubstreamBox> = self.runtime.block_on(async {
            let (reply, opened) = oneshot::channel();
            let gone = || io::Error::from(io::ErrorKind::NotConnected);
            self.orders.send(reply).await.map_err(|_| gone())?;
            let open = async {
                let mut stream = opened.await.map_err(|_| gone())??;
                negotiate(&mut stream, &protocol).await?;
                Ok(stream)
            };
            timeout(DEADLINE, open)
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        });
        Ok(RawStream {
            stream: negotiated?,
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
            let write = async {
                stream.write_all(bytes).await?;
                stream.flush().await
            };
            timeout(DEADLINE, write)
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
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
            if let Some(order) = waiting.take() {
                let _gone = order.send(opened);
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

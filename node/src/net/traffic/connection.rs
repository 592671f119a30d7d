//! Connections whose streams are counted.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};

use futures::{AsyncRead, AsyncWrite};
use libp2p::core::muxing::{StreamMuxer, StreamMuxerBox, StreamMuxerEvent};
use libp2p::core::transport::Transport as _;

use super::super::address::is_tcp;
use super::super::limits::QUIC_KEEP_ALIVE;
use super::super::transport::Transport;
use super::{Cause, PROTOCOLS, Traffic, Way};

/// Bytes at the beginning of a stream in which its protocol is named, at most.
const NAMED_WITHIN_BYTES: usize = 192;

/// Counts what goes over the connections of a transport.
pub(crate) fn counted(transport: Transport, traffic: &Arc<Traffic>) -> Transport {
    let traffic = Arc::clone(traffic);
    transport
        .map(move |(peer, muxer), point| {
            let is_quic = !is_tcp(point.get_remote_address());
            let connection = traffic.connected(point.is_dialer(), is_quic);
            (peer, StreamMuxerBox::new(Counted { muxer, connection }))
        })
        .boxed()
}

/// What is known of a connection's traffic.
#[derive(Debug)]
pub(super) struct Connection {
    traffic: Arc<Traffic>,
    number: u64,
    /// Whether it is kept by packets that no stream sees.
    is_quic: bool,
    /// When something last went over it, or was last counted as silence, in milliseconds.
    active_ms: AtomicU64,
}

impl Connection {
    pub(super) const fn new(
        traffic: Arc<Traffic>,
        number: u64,
        is_quic: bool,
        now_ms: u64,
    ) -> Self {
        Self {
            traffic,
            number,
            is_quic,
            active_ms: AtomicU64::new(now_ms),
        }
    }

    /// Something goes over it.
    fn active(&self) {
        let now_ms = self.traffic.now_ms();
        let last_ms = self.active_ms.swap(now_ms, Ordering::Relaxed);
        if self.is_quic {
            self.traffic.silent(last_ms, now_ms);
        }
    }

    /// Counts the silence until now.
    pub(super) fn settle(&self) {
        let interval_ms = u64::try_from(QUIC_KEEP_ALIVE.as_millis()).unwrap_or(u64::MAX);
        let last_ms = self.active_ms.load(Ordering::Relaxed);
        let silent_ms = self.traffic.now_ms().saturating_sub(last_ms);
        let whole_ms = silent_ms - silent_ms % interval_ms;
        if self.is_quic && whole_ms > 0 {
            self.active_ms.fetch_add(whole_ms, Ordering::Relaxed);
            self.traffic.silent(0, whole_ms);
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.settle();
        self.traffic.forget(self.number);
    }
}

struct Counted {
    muxer: StreamMuxerBox,
    connection: Arc<Connection>,
}

impl Counted {
    fn stream<S>(&self, stream: S) -> CountedStream<S> {
        CountedStream {
            stream,
            connection: Arc::clone(&self.connection),
            protocol: Protocol::Unknown(Vec::new()),
        }
    }
}

impl StreamMuxer for Counted {
    type Substream = CountedStream<<StreamMuxerBox as StreamMuxer>::Substream>;
    type Error = <StreamMuxerBox as StreamMuxer>::Error;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        let stream = ready!(Pin::new(&mut self.muxer).poll_inbound(cx))?;
        Poll::Ready(Ok(self.stream(stream)))
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        let stream = ready!(Pin::new(&mut self.muxer).poll_outbound(cx))?;
        Poll::Ready(Ok(self.stream(stream)))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Pin::new(&mut self.muxer).poll_close(cx)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<StreamMuxerEvent, Self::Error>> {
        Pin::new(&mut self.muxer).poll(cx)
    }
}

/// What a stream is for, as far as it has been named.
enum Protocol {
    /// Nothing of what was written and read so far names it.
    Unknown(Vec<u8>),
    /// The frames of the item protocol say themselves what they are for.
    Items,
    /// All of it is for this.
    For(Cause),
}

/// A stream that counts what is written and read.
pub(crate) struct CountedStream<S> {
    stream: S,
    connection: Arc<Connection>,
    protocol: Protocol,
}

impl<S> CountedStream<S> {
    fn count(&mut self, way: Way, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        self.connection.active();
        if let Protocol::Unknown(seen) = &mut self.protocol {
            let room = NAMED_WITHIN_BYTES.saturating_sub(seen.len());
            seen.extend_from_slice(&bytes[..bytes.len().min(room)]);
            if let Some(cause) = named(seen) {
                // The name itself is small beside what follows.
                self.protocol = match cause {
                    Cause::Other => Protocol::Items,
                    cause => Protocol::For(cause),
                };
            } else if seen.len() >= NAMED_WITHIN_BYTES {
                self.protocol = Protocol::For(Cause::Other);
            }
        }
        if let Protocol::For(cause) = self.protocol {
            self.connection.traffic.carried(cause, way, bytes.len());
        }
    }
}

/// Returns what the protocol is for that some bytes name.
fn named(seen: &[u8]) -> Option<Cause> {
    let names = |name: &str| seen.windows(name.len()).any(|part| part == name.as_bytes());
    let found = PROTOCOLS.iter().find(|(name, _)| names(name));
    found.map(|(_, cause)| *cause)
}

impl<S: AsyncRead + Unpin> AsyncRead for CountedStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.stream).poll_read(cx, bytes))?;
        self.count(Way::In, &bytes[..count]);
        Poll::Ready(Ok(count))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for CountedStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let count = ready!(Pin::new(&mut self.stream).poll_write(cx, bytes))?;
        self.count(Way::Out, &bytes[..count]);
        Poll::Ready(Ok(count))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

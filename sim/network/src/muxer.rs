//! libp2p's view of a connection and its streams.

use std::io;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures::{AsyncRead, AsyncWrite};
use libp2p::core::StreamMuxer;
use libp2p::core::muxing::StreamMuxerEvent;

use crate::connection::Phase;
use crate::error::NetworkError;
use crate::event::Side;
use crate::internet::Internet;
use crate::slab::Key;

/// One end of a connection.
pub(crate) struct Muxer {
    internet: Internet,
    conn: Key,
    side: Side,
}

impl Muxer {
    /// Takes over the handle that the handshake held.
    pub(crate) const fn new(internet: Internet, conn: Key, side: Side) -> Self {
        Self {
            internet,
            conn,
            side,
        }
    }

    fn substream(&self, key: Key) -> Substream {
        Substream {
            internet: self.internet.clone(),
            key,
            side: self.side,
        }
    }
}

impl StreamMuxer for Muxer {
    type Substream = Substream;
    type Error = NetworkError;

    fn poll_inbound(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Substream, NetworkError>> {
        let (conn, side) = (self.conn, self.side);
        self.internet
            .with(|state| state.poll_accept(conn, side, context))
            .map_ok(|key| self.substream(key))
    }

    fn poll_outbound(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Result<Substream, NetworkError>> {
        let (conn, side) = (self.conn, self.side);
        self.internet
            .with(|state| state.poll_open(conn, side, context))
            .map_ok(|key| self.substream(key))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<(), NetworkError>> {
        let (conn, side) = (self.conn, self.side);
        self.internet.with(|state| {
            state.close(conn, side);
            let conn = state.conns.get(conn);
            Poll::Ready(match conn.map(|conn| conn.ends[side.at()].phase) {
                Some(Phase::Closed(error)) if error != NetworkError::ClosedHere => Err(error),
                _ => Ok(()),
            })
        })
    }

    fn poll(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Result<StreamMuxerEvent, NetworkError>> {
        Poll::Pending
    }
}

impl Drop for Muxer {
    fn drop(&mut self) {
        let (conn, side) = (self.conn, self.side);
        self.internet.with(|state| state.release_end(conn, side));
    }
}

/// One end of a stream.
pub(crate) struct Substream {
    internet: Internet,
    key: Key,
    side: Side,
}

impl AsyncRead for Substream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        out: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let (key, side) = (self.key, self.side);
        self.internet
            .with(|state| state.poll_read(key, side, out, context))
    }
}

impl AsyncWrite for Substream {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let (key, side) = (self.key, self.side);
        self.internet
            .with(|state| state.poll_write(key, side, bytes, context))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let (key, side) = (self.key, self.side);
        Poll::Ready(self.internet.with(|state| state.finish(key, side)))
    }
}

impl Drop for Substream {
    fn drop(&mut self) {
        let (key, side) = (self.key, self.side);
        self.internet.with(|state| state.drop_stream(key, side));
    }
}

//! Frames of the item protocol: bytes in, frames out, nothing else.

use bytes::{BufMut as _, Bytes, BytesMut};

use super::super::limits::{FRAME_BYTES_MAX, FRAME_HEAD_BYTES, FRAME_LENGTH_BYTES};
use super::super::status::Count;

/// What a frame is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Asks for a response; the opener alone sends it.
    Request = 0,
    /// Answers the request or question of the same id; the acceptor alone sends it.
    Response = 1,
    /// Answers nothing; the acceptor alone sends it.
    Push = 2,
    /// Asks for nodes, and for a response; the opener alone sends it.
    Question = 3,
    /// Asks a keeper to compare or hand over what it keeps, and for a response; the opener alone sends it.
    Repair = 4,
}

impl Kind {
    /// Returns whether the opener sends it and wants a response.
    pub(crate) const fn is_asked(self) -> bool {
        matches!(self, Self::Request | Self::Question | Self::Repair)
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    /// The request it belongs to; 0 for a push alone.
    pub(crate) id: u64,
    pub(crate) payload: Bytes,
}

/// A frame that no honest peer sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum FrameError {
    #[error("frame length is {0}, minimum is {FRAME_HEAD_BYTES}")]
    TooShort(u32),
    #[error("frame length is {0}, limit is {FRAME_BYTES_MAX}")]
    TooLong(u32),
    #[error("frame kind is {0}, expected 0 to 4")]
    Kind(u8),
    #[error("request id is {id} in a frame of kind {kind}")]
    Id { kind: u8, id: u64 },
}

impl From<FrameError> for Count {
    fn from(error: FrameError) -> Self {
        match error {
            FrameError::TooShort(_) => Self::FrameShort,
            FrameError::TooLong(_) => Self::FrameLong,
            FrameError::Kind(_) => Self::FrameKind,
            FrameError::Id { .. } => Self::FrameId,
        }
    }
}

/// Writes one frame; the payload must fit, which the handle has checked.
pub(crate) fn encode(kind: Kind, id: u64, payload: &[u8]) -> Bytes {
    let length = FRAME_HEAD_BYTES + payload.len();
    debug_assert!(
        length <= FRAME_BYTES_MAX,
        "payloads are checked where they enter"
    );
    let length = u32::try_from(length).unwrap_or(u32::MAX);
    let mut frame = BytesMut::with_capacity(FRAME_LENGTH_BYTES + FRAME_HEAD_BYTES + payload.len());
    frame.put_u32(length);
    frame.put_u8(kind as u8);
    frame.put_u64(id);
    frame.put_slice(payload);
    frame.freeze()
}

/// Cuts a stream of bytes into frames; holds what arrived of the next frame and no more.
#[derive(Debug, Default)]
pub(crate) struct Decoder {
    buffer: BytesMut,
}

impl Decoder {
    pub(crate) fn extend(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// Returns whether a frame has begun and is not complete.
    pub(crate) fn is_partial(&self) -> bool {
        !self.buffer.is_empty()
    }

    /// Returns the next complete frame, if there is one.
    pub(crate) fn next(&mut self) -> Result<Option<Frame>, FrameError> {
        let Some((length, rest)) = self.buffer.split_first_chunk::<FRAME_LENGTH_BYTES>() else {
            return Ok(None);
        };
        let length = u32::from_be_bytes(*length);
        let body = usize::try_from(length).unwrap_or(usize::MAX);
        if body < FRAME_HEAD_BYTES {
            return Err(FrameError::TooShort(length));
        }
        if body > FRAME_BYTES_MAX {
            return Err(FrameError::TooLong(length));
        }
        let Some((&kind, rest)) = rest.split_first() else {
            return Ok(None);
        };
        let known = match kind {
            0 => Kind::Request,
            1 => Kind::Response,
            2 => Kind::Push,
            3 => Kind::Question,
            4 => Kind::Repair,
            _ => return Err(FrameError::Kind(kind)),
        };
        let Some((id, payload)) = rest.split_first_chunk::<8>() else {
            return Ok(None);
        };
        let id = u64::from_be_bytes(*id);
        if (id == 0) != (known == Kind::Push) {
            return Err(FrameError::Id { kind, id });
        }
        if payload.len() < body - FRAME_HEAD_BYTES {
            return Ok(None);
        }
        let mut frame = self.buffer.split_to(FRAME_LENGTH_BYTES + body).freeze();
        let payload = frame.split_off(FRAME_LENGTH_BYTES + FRAME_HEAD_BYTES);
        if self.buffer.is_empty() {
            // An idle stream holds no memory.
            self.buffer = BytesMut::new();
        }
        Ok(Some(Frame {
            kind: known,
            id,
            payload,
        }))
    }
}

#[cfg(test)]
mod tests;

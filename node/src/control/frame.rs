//! One frame: a 32-bit big-endian length and that many bytes of JSON, and what is in it.

use std::io;

use restante_interface::{MARK_READ_COUNT_MAX, Refusal, Reply, Request, SendResult};
use restante_proto::limits::BODY_BYTES_MAX;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use zeroize::Zeroizing;

/// Largest request frame, in bytes: a body of 60 KiB as base64, with room for the rest.
pub(crate) const REQUEST_BYTES_MAX: usize = 128 * 1024;
/// Largest answer frame, in bytes: a body of 60 KiB of control characters, which JSON writes six
/// times as long.
pub(crate) const ANSWER_BYTES_MAX: usize = 512 * 1024;

const _: () = assert!(6 * BODY_BYTES_MAX + 8_192 < ANSWER_BYTES_MAX);
const _: () = assert!(4 * BODY_BYTES_MAX / 3 + 8_192 < REQUEST_BYTES_MAX);
const _: () = assert!(MARK_READ_COUNT_MAX * 68 + 8_192 < REQUEST_BYTES_MAX);

/// The outermost layer of a request frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct RequestFrame {
    /// The command's [`restante_interface::VERSION`].
    pub(crate) version: u32,
    pub(crate) request: Request,
}

/// The part of a request frame that is the same in every version.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct RequestVersion {
    pub(crate) version: u32,
}

/// The outermost layer of an answer frame.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum AnswerFrame {
    /// How far a `send` has come; more frames follow.
    Progress(SendResult),
    Reply(Reply),
    Refusal(Refusal),
}

/// A frame could not be read or written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FrameError {
    /// The length prefix is over the bound; nothing was allocated.
    #[error("frame is {got} bytes, limit is {limit}")]
    TooLong {
        /// What the prefix says, or what was to be written.
        got: usize,
        limit: usize,
    },
    #[error("frame is not understood")]
    Malformed(#[from] serde_json::Error),
    /// The socket failed, or ended inside a frame.
    #[error("socket failed")]
    Io(#[from] io::Error),
}

/// The bytes of one frame, which may hold a message in the clear and are wiped after use.
pub(crate) type FrameBytes = Zeroizing<Vec<u8>>;

/// Reads one frame; `None` when the other side ended the connection before it began one.
///
/// # Cancel safety
///
/// Not cancel safe: bytes read so far are lost, and the connection with them.
pub(crate) async fn read<R: AsyncRead + Unpin>(
    reader: &mut R,
    limit: usize,
) -> Result<Option<FrameBytes>, FrameError> {
    let mut prefix = [0; 4];
    if reader.read(&mut prefix[..1]).await? == 0 {
        return Ok(None);
    }
    reader.read_exact(&mut prefix[1..]).await?;
    let got = usize::try_from(u32::from_be_bytes(prefix)).unwrap_or(usize::MAX);
    if got > limit {
        return Err(FrameError::TooLong { got, limit });
    }
    let mut bytes = Zeroizing::new(vec![0; got]);
    reader.read_exact(&mut bytes).await?;
    Ok(Some(bytes))
}

/// Writes one frame.
///
/// # Cancel safety
///
/// Not cancel safe: a frame may be cut, and the connection is useless then.
pub(crate) async fn write<W: AsyncWrite + Unpin>(
    writer: &mut W,
    bytes: &[u8],
) -> Result<(), FrameError> {
    let length = u32::try_from(bytes.len()).map_err(|_| FrameError::TooLong {
        got: bytes.len(),
        limit: u32::MAX as usize,
    })?;
    writer.write_all(&length.to_be_bytes()).await?;
    writer.write_all(bytes).await?;
    writer.flush().await?;
    Ok(())
}

/// Returns `value` as JSON, if that is not over `limit` bytes.
pub(crate) fn encode<T: Serialize>(value: &T, limit: usize) -> Result<FrameBytes, FrameError> {
    let bytes = Zeroizing::new(serde_json::to_vec(value)?);
    if bytes.len() > limit {
        return Err(FrameError::TooLong {
            got: bytes.len(),
            limit,
        });
    }
    Ok(bytes)
}

/// Reads a value out of the bytes of one frame.
pub(crate) fn decode<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, FrameError> {
    Ok(serde_json::from_slice(bytes)?)
}

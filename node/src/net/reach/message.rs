//! The messages of AutoNAT v2, and how they are framed: each behind its length as a varint.

use std::io;

use futures::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use prost::{Enumeration, Message, Oneof};

/// Longest message that is read, in bytes.
const MESSAGE_BYTES_MAX: usize = 4_200;
/// Bytes of a length field, at most.
const LENGTH_BYTES_MAX: usize = 3;

/// One message on a dial-request stream.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct Dialogue {
    #[prost(oneof = "Body", tags = "1, 2, 3, 4")]
    pub(super) body: Option<Body>,
}

#[derive(Clone, PartialEq, Eq, Oneof)]
pub(super) enum Body {
    #[prost(message, tag = "1")]
    DialRequest(DialRequest),
    #[prost(message, tag = "2")]
    DialResponse(DialResponse),
    #[prost(message, tag = "3")]
    DataRequest(DataRequest),
    #[prost(message, tag = "4")]
    DataResponse(DataResponse),
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct DialRequest {
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub(super) addresses: Vec<Vec<u8>>,
    #[prost(fixed64, tag = "2")]
    pub(super) nonce: u64,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct DialResponse {
    #[prost(enumeration = "ResponseStatus", tag = "1")]
    pub(super) status: i32,
    #[prost(uint32, tag = "2")]
    pub(super) address_index: u32,
    #[prost(enumeration = "DialStatus", tag = "3")]
    pub(super) dial_status: i32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Enumeration)]
#[repr(i32)]
pub(super) enum ResponseStatus {
    InternalError = 0,
    RequestRejected = 100,
    DialRefused = 101,
    Ok = 200,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Enumeration)]
#[repr(i32)]
pub(super) enum DialStatus {
    Unused = 0,
    DialError = 100,
    DialBackError = 101,
    Ok = 200,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct DataRequest {
    #[prost(uint32, tag = "1")]
    pub(super) address_index: u32,
    #[prost(uint64, tag = "2")]
    pub(super) bytes: u64,
}

#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct DataResponse {
    #[prost(bytes = "vec", tag = "1")]
    pub(super) data: Vec<u8>,
}

/// The only message that comes on a dial-back stream.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct DialBack {
    #[prost(fixed64, tag = "1")]
    pub(super) nonce: u64,
}

/// Its answer, whose only status is 0.
#[derive(Clone, PartialEq, Eq, Message)]
pub(super) struct DialBackResponse {
    #[prost(int32, tag = "1")]
    pub(super) status: i32,
}

/// Reads one message.
///
/// # Errors
///
/// What the stream says; [`io::ErrorKind::InvalidData`] for one that is too long or does not decode.
pub(super) async fn read<M: Message + Default>(
    stream: &mut (impl AsyncRead + Unpin),
) -> io::Result<M> {
    let wrong = |why: &'static str| io::Error::new(io::ErrorKind::InvalidData, why);
    let mut length = 0_usize;
    for place in 0..LENGTH_BYTES_MAX {
        let mut byte = [0_u8; 1];
        stream.read_exact(&mut byte).await?;
        length |= usize::from(byte[0] & 0x7f) << (7 * place);
        if byte[0] & 0x80 == 0 {
            if length > MESSAGE_BYTES_MAX {
                return Err(wrong("the message is too long"));
            }
            let mut bytes = vec![0; length];
            stream.read_exact(&mut bytes).await?;
            return M::decode(bytes.as_slice()).map_err(|_| wrong("the message does not decode"));
        }
    }
    Err(wrong("the message is too long"))
}

/// Writes one message, and waits until it has left.
///
/// # Errors
///
/// What the stream says.
pub(super) async fn write<M: Message>(
    stream: &mut (impl AsyncWrite + Unpin),
    message: &M,
) -> io::Result<()> {
    stream
        .write_all(&message.encode_length_delimited_to_vec())
        .await?;
    stream.flush().await
}

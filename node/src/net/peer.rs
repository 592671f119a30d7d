//! A node's names: the Ed25519 key of the protocol, the peer ID of libp2p, the place in the DHT.

use libp2p::PeerId;
use libp2p::kad::KBucketKey;
use restante_proto::{Address, NodeId};

/// What precedes the 32 key bytes in the peer ID of an Ed25519 key: an identity multihash of 36
/// bytes that holds a protobuf public key of type 1.
const PEER_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// How far a node is from an address: a 256-bit number, the smaller the nearer.
///
/// # Layout
///
/// 32 bytes, most significant first; the derived order is the numeric order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Distance([u8; 32]);

impl Distance {
    /// Returns the 32 bytes, most significant first.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Computes how far `node` is from `address`, as every node of the DHT computes it.
///
/// It is `SHA-256(peer ID) XOR SHA-256(address)`, read as a big-endian number. The peer ID is the
/// 38 bytes `00 24 08 01 12 20` followed by the node's 32 key bytes; the address is its 32 bytes.
pub fn distance(node: &NodeId, address: &Address) -> Distance {
    let mut peer = Vec::with_capacity(PEER_PREFIX.len() + 32);
    peer.extend_from_slice(&PEER_PREFIX);
    peer.extend_from_slice(node.as_bytes());
    let node = KBucketKey::from(peer);
    let address = KBucketKey::from(address.as_bytes().to_vec());
    let mut bytes = [0; 32];
    let pairs = node.hashed_bytes().iter().zip(address.hashed_bytes());
    for (byte, (left, right)) in bytes.iter_mut().zip(pairs) {
        *byte = left ^ right;
    }
    Distance(bytes)
}

/// Returns the node's libp2p name; nothing when its bytes are no point of the curve.
pub fn peer_of(node: &NodeId) -> Option<PeerId> {
    let key = libp2p::identity::ed25519::PublicKey::try_from_bytes(node.as_bytes()).ok()?;
    Some(libp2p::identity::PublicKey::from(key).to_peer_id())
}

/// Returns the node behind a libp2p name; nothing when its key is of another kind.
pub fn node_of(peer: &PeerId) -> Option<NodeId> {
    let bytes = peer.to_bytes();
    NodeId::try_from(bytes.strip_prefix(&PEER_PREFIX)?).ok()
}

#[cfg(test)]
mod tests;

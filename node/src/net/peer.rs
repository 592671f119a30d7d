//! A node's names: the Ed25519 key of the protocol and the peer ID of libp2p.

use libp2p::PeerId;
use restante_proto::NodeId;

/// What precedes the 32 key bytes in the peer ID of an Ed25519 key: an identity multihash of 36
/// bytes that holds a protobuf public key of type 1.
const PEER_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

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

//! A node's names: the Ed25519 key of the protocol and the peer ID of libp2p.

use libp2p::PeerId;
use restante_proto::NodeId;

/// What precedes the 32 key bytes in the peer ID of an Ed25519 key: an identity multihash of 36
/// bytes that holds a protobuf public key of type 1.
const PEER_PREFIX: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// Returns the node's libp2p name.
///
/// That its bytes are a key is not checked here: no peer can prove to have the name of one that is none, and the check
/// takes as long as half a signature. Nothing is returned only if libp2p's names change.
pub fn peer_of(node: &NodeId) -> Option<PeerId> {
    let mut name = [0; PEER_PREFIX.len() + 32];
    let (prefix, key) = name.split_at_mut(PEER_PREFIX.len());
    prefix.copy_from_slice(&PEER_PREFIX);
    key.copy_from_slice(node.as_bytes());
    PeerId::from_bytes(&name).ok()
}

/// Returns the node behind a libp2p name; nothing when its key is of another kind.
pub fn node_of(peer: &PeerId) -> Option<NodeId> {
    let bytes = peer.to_bytes();
    NodeId::try_from(bytes.strip_prefix(&PEER_PREFIX)?).ok()
}

#[cfg(test)]
mod tests;

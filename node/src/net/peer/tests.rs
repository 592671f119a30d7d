use libp2p::identity::Keypair;

use super::*;

#[test]
fn a_node_and_its_peer_id_name_each_other() {
    let keypair = Keypair::generate_ed25519();
    let peer = keypair.public().to_peer_id();
    let node = node_of(&peer).unwrap();
    assert_eq!(
        node.as_bytes(),
        &keypair.public().try_into_ed25519().unwrap().to_bytes()
    );
    assert_eq!(peer_of(&node), Some(peer));
}

#[test]
fn a_hashed_peer_id_is_no_node() {
    // A peer ID made by SHA-256, as large keys have it.
    assert_eq!(node_of(&PeerId::random()), None);
}

#[test]
fn bytes_that_are_no_key_name_a_peer_that_nobody_is() {
    for byte in 0..=255 {
        let node = NodeId::new([byte; 32]);
        let peer = peer_of(&node).unwrap();
        assert_eq!(node_of(&peer), Some(node));
        if let Ok(key) = libp2p::identity::ed25519::PublicKey::try_from_bytes(node.as_bytes()) {
            assert_eq!(libp2p::identity::PublicKey::from(key).to_peer_id(), peer);
        }
    }
}

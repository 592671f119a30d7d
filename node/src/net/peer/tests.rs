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
    let no_point = (0..=255)
        .map(|byte| NodeId::new([byte; 32]))
        .filter(|id| peer_of(id).is_none());
    assert!(no_point.count() > 0, "some byte strings are no points");
}

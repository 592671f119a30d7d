use libp2p::identity::Keypair;
use proptest::prelude::*;

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

/// Computed with another implementation of SHA-256 (Python's hashlib).
#[test]
fn the_distance_is_the_published_one() {
    let found = distance(&NodeId::new([1; 32]), &Address::new([2; 32]));
    assert_eq!(data_encoding::HEXLOWER.encode(found.as_bytes()), DISTANCE);
}

const DISTANCE: &str = "de30938791fd71d07c6dcb979d192a673a381c5868259398b330721289a1dfee";

proptest! {
    #[test]
    fn the_distance_is_that_of_libp2p(address: [u8; 32]) {
        let peer = Keypair::generate_ed25519().public().to_peer_id();
        let ours = distance(&node_of(&peer).unwrap(), &Address::new(address));
        let theirs = KBucketKey::from(peer).distance(&KBucketKey::from(address.to_vec()));
        prop_assert_eq!(ours.as_bytes(), &theirs.0.to_big_endian());
    }
}

//! What a hostile peer can send: each thing is refused for its own reason and counted, and the node
//! goes on.

mod flood;
mod frames;
mod items;
mod receipts;

use restante::net::Multiaddr;
use restante_proto::request::Response;
use restante_proto::{NodeId, limits};
use restante_tests::{Letterbox, Node, Peer, envelope, nonce};

/// By how much a node may grow under attack, in KiB.
const GROWTH_KIB_MAX: u64 = 64 * 1024;

/// Deposits and collects an envelope as an honest peer does.
#[track_caller]
fn assert_serves(address: &Multiaddr) {
    let (peer, letterbox) = (Peer::asking(), Letterbox::new());
    let node = peer.meet(address);
    let expires = restante::clock::now().plus(limits::DAY_MS);
    let envelope = envelope(limits::ENVELOPE_BYTES[0], expires);
    let nonce = nonce();
    match peer.ask(node, &letterbox.deposit(&envelope, expires, nonce)) {
        Response::Receipt(receipt) => {
            receipt
                .verify(&node, &letterbox.claim(&envelope, nonce))
                .unwrap();
        }
        other => panic!("an honest deposit was answered with {other:?}"),
    }
    let id = restante_proto::envelope::id_of(&envelope);
    match peer.ask(node, &letterbox.get(&node, vec![id])) {
        Response::Envelopes(items) => assert_eq!(items[0].envelope, envelope),
        other => panic!("a fetch was answered with {other:?}"),
    }
    assert_eq!(
        peer.ask(node, &letterbox.ack([id])),
        Response::Done { until: None }
    );
}

/// Returns how often a node has refused a request for a reason.
fn refusals(node: &Node, reason: &str) -> u64 {
    node.status()
        .keeper
        .refusals
        .get(reason)
        .copied()
        .unwrap_or(0)
}

/// Returns how often a node's network layer has seen an error.
fn errors(node: &Node, reason: &str) -> u64 {
    node.status().errors.get(reason).copied().unwrap_or(0)
}

/// A hostile peer and the server it attacks.
struct Attack<'a> {
    server: &'a Node,
    peer: Peer,
    node: NodeId,
}

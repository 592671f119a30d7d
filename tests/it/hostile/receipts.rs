//! Receipts that are worth nothing, and a keeper that gives such.

use restante::clock;
use restante_interface::DeliveryState;
use restante_proto::keys::SecretKey;
use restante_proto::limits::{DAY_MS, ENVELOPE_BYTES};
use restante_proto::receipt::{Claim, Receipt};
use restante_proto::request::{Reason, Refusal, Request, Response};
use restante_tests::{Cluster, Letterbox, Peer, Said, Site, envelope, eventually, nonce};

#[test]
fn a_receipt_is_good_for_its_own_keeper_item_and_deposit_alone() {
    let site = Site::new();
    let (mut one, mut two) = (site.community("one"), site.community("two"));
    one.run(&[]);
    two.run(&[]);
    let (peer, letterbox) = (Peer::asking(), Letterbox::new());
    let (first, second) = (peer.meet(&one.address()), peer.meet(&two.address()));
    let expires = clock::now().plus(DAY_MS);
    let item = envelope(ENVELOPE_BYTES[0], expires);
    let (before, now) = (nonce(), nonce());
    let receipt = |node, nonce| match peer.ask(node, &letterbox.deposit(&item, expires, nonce)) {
        Response::Receipt(receipt) => receipt,
        other => panic!("an honest deposit was answered with {other:?}"),
    };
    let (old, new) = (receipt(first, before), receipt(first, now));
    let claim = letterbox.claim(&item, now);
    new.verify(&first, &claim).unwrap();
    old.verify(&first, &claim)
        .expect_err("an old receipt, replayed");
    new.verify(&second, &claim)
        .expect_err("another keeper's receipt");
    let other = Claim {
        id: restante_proto::ItemId::new([1; 32]),
        ..claim
    };
    new.verify(&first, &other)
        .expect_err("another item's receipt");
    let longer = Receipt {
        until: new.until.plus(1),
        ..new
    };
    longer
        .verify(&first, &claim)
        .expect_err("a receipt with another date");
    assert!(receipt(second, now).verify(&second, &claim).is_ok());
}

#[test]
fn a_keeper_that_replays_receipts_makes_nobody_believe_that_a_message_is_stored() {
    let cluster = Cluster::of_servers(0);
    let entry = cluster.bootstrap.address();
    let liar = Peer::serving(std::slice::from_ref(&entry), |payload| {
        let answer = match Request::decode(payload) {
            Ok(Request::DepositEnvelope { expires, .. }) => {
                let stale = Claim {
                    address: restante_proto::Address::new([1; 32]),
                    id: restante_proto::ItemId::new([2; 32]),
                    nonce: [3; 16],
                };
                let key = SecretKey::generate(&mut rand::rng());
                Response::Receipt(Receipt::sign(&key, &stale, expires))
            }
            Ok(Request::GetCards { .. }) => Response::Cards(Vec::new()),
            _ => Response::Refusal(Refusal::of(Reason::Unavailable)),
        };
        answer.encode()
    });
    liar.runtime().block_on(liar.net().dial(entry)).unwrap();
    cluster
        .bootstrap
        .until("the liar is in the network", |status| {
            status.routing_table == 1
        });

    let bob = cluster.person("bob");
    let alice = cluster.person("alice");
    let bob_id = bob.id();
    // His card lies at one of two keepers, which is not enough to call it published.
    let sent = eventually("bob can be found", || {
        let said = Said::by(
            &mut alice.command(&["send", &bob_id, "hello", "--json"]),
            &[],
        );
        let sent: Option<restante_interface::SendResult> = serde_json::from_str(&said.stdout).ok();
        sent
    });
    assert_eq!((sent.stored_with, sent.stored_of), (1, 2), "{sent:?}");
    assert_eq!(sent.state, DeliveryState::Waiting, "{sent:?}");
    assert_eq!(bob.status().card_published_ms, None);
    // The honest keeper is enough for the message to arrive.
    assert_eq!(bob.inbox_until(1).len(), 1);
}

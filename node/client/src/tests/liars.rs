//! Keepers that lie.

use restante_interface::DeliveryState;
use restante_proto::envelope::{self, Lifetime, OpenerIdentity, id_of};
use restante_proto::keys::SecretKey;
use restante_proto::limits::{HOUR_MS, MINUTE_MS, SECOND_MS};
use restante_proto::receipt::{Claim, Receipt};
use restante_proto::request::{Request, Response, Waiting};

use super::super::model::Contact;
use super::world::World;

/// Gives receipts that end a second before the item, and signs them.
fn short_receipt(key: &SecretKey, request: &Request, response: Response) -> Response {
    match (request, response) {
        (
            Request::DepositEnvelope {
                mailbox,
                envelope,
                nonce,
                ..
            },
            Response::Receipt(receipt),
        ) => {
            let claim = Claim {
                address: mailbox.address(),
                id: id_of(envelope),
                nonce: *nonce,
            };
            let until = receipt.until.minus(SECOND_MS);
            Response::Receipt(Receipt::sign(key, &claim, until))
        }
        (_, response) => response,
    }
}

/// Hands envelopes over with another end.
fn other_expiry(_: &SecretKey, _: &Request, response: Response) -> Response {
    match response {
        Response::Envelopes(items) => Response::Envelopes(
            items
                .into_iter()
                .map(|item| Waiting {
                    expires: item.expires.plus(1),
                    ..item
                })
                .collect(),
        ),
        response => response,
    }
}

#[test]
fn receipts_that_end_before_the_item_make_nothing_stored() {
    let mut world = World::new(10, 2, 6);
    world.warm_up();
    for keeper in &mut world.keepers {
        keeper.lie = Some(short_receipt);
    }
    // The recipient does not collect meanwhile.
    let gone = world.people.remove(1);
    let call = world.send_to(0, &gone.core.account().id.to_string(), "who has it");
    world.run(5 * MINUTE_MS);
    let sent = world.sent(0, call).unwrap();
    assert_eq!((sent.state, sent.stored_with), (DeliveryState::Waiting, 0));
}

#[test]
fn one_keeper_that_serves_another_expiry_destroys_nothing() {
    let mut world = World::new(11, 2, 6);
    world.warm_up();
    // Nobody pushes; the liar is asked first, and the truth is with the others.
    for keeper in &mut world.keepers {
        keeper.lie = Some(other_expiry);
    }
    world.lose_pushes = true;
    world.send(0, 1, "still here");
    world.run(12 * MINUTE_MS);
    assert!(world.texts(1).is_empty());
    for keeper in world.keepers.iter_mut().skip(1) {
        keeper.lie = None;
    }
    world.run(HOUR_MS);
    assert!(world.texts(1).contains("still here"));
}

#[test]
fn an_older_card_than_the_one_seen_is_not_believed() {
    let mut world = World::new(12, 2, 6);
    world.warm_up();
    world.send(0, 1, "first");
    world.run(MINUTE_MS);
    // Keepers go back to the card of today, while the sender has seen tomorrow's.
    let old = world.stores();
    world.run(26 * HOUR_MS);
    world.send(0, 1, "second");
    world.run(MINUTE_MS);
    let contact = |world: &World| {
        let mut contacts = world.people[0].disk.rows().contacts.values();
        contacts.next().unwrap().clone()
    };
    let highest = |contact: &Contact| contact.ids.sequence(contact.id());
    let seen = highest(&contact(&world));
    let card = world.people[1].disk.rows().card.as_ref().unwrap();
    assert_eq!(Some(card.sequence), seen);
    world.set_stores(old);
    let gone = world.people.remove(1);
    world.run(27 * HOUR_MS);
    let third = world.send_to(0, &gone.core.account().id.to_string(), "third");
    world.run(MINUTE_MS);
    let after = contact(&world);
    assert!(highest(&after) >= seen, "the sequence goes back");
    let card = after
        .card(world.now(0).date)
        .map(|card| card.card().sequence);
    assert!(
        card.is_none_or(|sequence| Some(sequence) >= seen),
        "an older card is kept"
    );
    // What is sent meanwhile is sealed to the newest prekey that was seen.
    let newest = gone.disk.rows().prekeys.last().unwrap();
    let third = world.sent(0, third).unwrap().message_id.clone();
    let mut outgoing = world.people[0].disk.rows().outgoing.values();
    let third = outgoing.find(|it| it.message.to_string() == third);
    let third = &third.unwrap().envelope;
    let lifetime = Lifetime {
        now: world.now(0).date,
        expires: third.expires,
    };
    let reader = OpenerIdentity::from(&gone.disk.rows().account.identity);
    let opened = envelope::open(&third.bytes, &third.mailbox, lifetime, &reader, [newest]);
    assert!(opened.is_ok(), "{:?}", opened.err());
}

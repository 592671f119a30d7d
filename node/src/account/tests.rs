use std::collections::BTreeMap;

use proptest::prelude::*;
use restante_interface::{ContactState, DeliveryState};
use restante_proto::account::{Identity, PersonId};
use restante_proto::envelope::Envelope;
use restante_proto::keys::{PublicKey, SecretKey, Signature};
use restante_proto::mailbox::{CapabilityProof, Mailbox, Rule};
use restante_proto::message::{Grant, MessageId};
use restante_proto::person::IdCost;
use restante_proto::prekey::PrekeySecret;
use restante_proto::request::Admission;
use restante_proto::stamp::Stamp;
use restante_proto::time::{Epoch, UnixMillis};
use restante_proto::{Address, ItemId, NodeId};

use super::collecting::contact_in;
use super::contacts::{link_of, parse_who};
use super::rows::{self, Account, Contact, Header, OutgoingEnvelope, Postage, Sent};
use super::sending::Letters;
use super::store::{Effect, HeaderDraft, MailStore, Received, StoreFault, create_account};
use crate::vault::{PassCost, Vault};

const NOW: UnixMillis = UnixMillis::new(1_800_000_000_000);

fn person(seed: u8) -> (Identity, PersonId) {
    let identity = Identity {
        account: SecretKey::from_seed(&[seed; 32]),
        device: SecretKey::from_seed(&[seed ^ 0x55; 32]),
        handle: "alice".parse().unwrap(),
    };
    let id = identity.person_id(IdCost::CheapForTests);
    (identity, id)
}

fn outgoing(postage: Postage) -> OutgoingEnvelope {
    let mailbox = Mailbox {
        owner: PublicKey::new([3; 32]),
        rule: Rule::Stamp,
        epoch: Epoch::new(20_000),
    };
    OutgoingEnvelope {
        message: MessageId::new([1; 16]),
        to: PublicKey::new([2; 32]),
        envelope: Envelope {
            mailbox,
            expires: NOW.plus(1_000),
            bytes: vec![7; 2_048].into(),
        },
        postage,
        receipts: BTreeMap::from([(NodeId::new([9; 32]), NOW)]),
        awaits_word: true,
    }
}

#[test]
fn an_account_survives_its_row() {
    let (identity, id) = person(1);
    let node = SecretKey::from_seed(&[8; 32]);
    let account = Account {
        identity,
        node,
        id,
        created: NOW,
    };
    let read = Account::from_row(&account.to_row()).unwrap();
    assert_eq!(read.id, account.id);
    assert_eq!(read.node.public(), account.node.public());
    assert_eq!(
        read.identity.account.public(),
        account.identity.account.public()
    );
    assert_eq!(
        read.identity.device.public(),
        account.identity.device.public()
    );
    assert_eq!(read.created, NOW);
}

#[test]
fn outgoing_envelopes_survive_their_rows_with_any_postage() {
    let stamp = Stamp {
        nonce: [4; 32],
        solution: vec![5; 1_344].into(),
    };
    let proof = CapabilityProof {
        holder: PublicKey::new([1; 32]),
        certificate: Signature::new([2; 64]),
        signature: Signature::new([3; 64]),
    };
    let paid = |admission| Postage::Paid(Box::new(admission));
    let all = [
        Postage::Due,
        paid(Admission::Stamp(stamp)),
        paid(Admission::Capability(proof)),
    ];
    for postage in all {
        let before = outgoing(postage);
        let after = OutgoingEnvelope::from_row(&before.to_row()).unwrap();
        assert_eq!(format!("{before:?}"), format!("{after:?}"));
    }
}

#[test]
fn a_sent_message_survives_its_row_in_every_state() {
    for state in [
        DeliveryState::Waiting,
        DeliveryState::Stored,
        DeliveryState::Delivered,
        DeliveryState::Expired,
    ] {
        let sent = Sent {
            to: PublicKey::new([1; 32]),
            state,
            sent: NOW,
            expires: NOW.plus(5),
        };
        let read = Sent::from_row(&sent.to_row()).unwrap();
        assert_eq!(
            (read.to, read.state, read.sent, read.expires),
            (sent.to, state, NOW, NOW.plus(5))
        );
    }
}

#[test]
fn a_contact_survives_its_row() {
    for grant in [None, Some(grant(2, 20_000))] {
        let contact = Contact {
            grant,
            ..contact(2)
        };
        let read = Contact::from_row(&contact.to_row()).unwrap();
        assert_eq!(format!("{read:?}"), format!("{contact:?}"));
    }
}

#[test]
fn a_grant_is_taken_when_it_is_new_and_good() {
    let known = contact(2).granting(grant(2, 20_000)).unwrap();
    assert_eq!(known.grant, Some(grant(2, 20_000)));
    assert!(known.granting(grant(2, 20_000)).is_none(), "known already");
    assert!(known.granting(grant(2, 19_999)).is_none(), "an older one");
    assert!(known.granting(grant(2, 20_001)).is_some());
    // A device that was set up anew grants other mailboxes, from the same day on.
    assert!(known.granting(grant(3, 20_000)).is_some());
    let encoded = grant(2, 20_001).encode();
    let mut damaged = encoded.clone();
    *damaged.last_mut().unwrap() ^= 1;
    assert!(known.granting(Grant::decode(&encoded).unwrap()).is_some());
    assert!(known.granting(Grant::decode(&damaged).unwrap()).is_none());
}

#[test]
fn what_follows_in_a_batch_builds_on_the_contact_as_the_batch_changes_it() {
    let known = contact(9);
    let contacts = BTreeMap::from([(known.account, known.clone())]);
    let granting = known.granting(grant(9, 20_000)).unwrap();
    let batch = [
        Received {
            contact: Some(granting),
            ..received(1, NOW, 0)
        },
        Received {
            contact: Some(contact(8)),
            ..received(2, NOW, 0)
        },
    ];
    let granted = |batch: &[Received]| {
        let contact = contact_in(&contacts, &known.account, batch).unwrap();
        contact.grant.clone()
    };
    assert_eq!(granted(&batch), Some(grant(9, 20_000)));
    assert_eq!(granted(&batch[1..]), None);
    assert!(contact_in(&contacts, &contact(7).account, &batch).is_none());
}

#[test]
fn what_a_contact_grants_beside_a_text_is_committed_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let granting = contact(9).granting(grant(9, 20_000)).unwrap();
    let received = Received {
        contact: Some(granting),
        ..received(1, NOW.plus(60_000), 0)
    };
    store.commit_received(&[received]).unwrap();
    let loaded = restarted(store, folder.path()).load(NOW).unwrap();
    assert_eq!(loaded.inbox.len(), 1);
    let [contact] = loaded.contacts.as_slice() else {
        panic!("one contact is stored");
    };
    assert_eq!(contact.grant, Some(grant(9, 20_000)));
}

#[test]
fn a_link_leads_to_its_own_account_only() {
    let (identity, id) = person(3);
    let account = identity.account.public();
    let who = parse_who(&link_of(&id, &account)).unwrap();
    assert_eq!(who.id, id);
    assert!(who.matches(&account));
    assert!(!who.matches(&PublicKey::new([1; 32])));
    let bare = parse_who(&id.to_string()).unwrap();
    assert!(bare.matches(&PublicKey::new([1; 32])));
}

#[test]
fn what_a_link_says_beside_the_key_is_passed_over() {
    let (identity, id) = person(3);
    let account = identity.account.public();
    let link = link_of(&id, &account);
    let more = parse_who(&format!("{}&x=1", link.replace("?k=", "?y=2&k="))).unwrap();
    assert!(more.matches(&account) && !more.matches(&PublicKey::new([1; 32])));
    let bare = parse_who(&format!("restante:{id}?y=2")).unwrap();
    assert!(bare.matches(&PublicKey::new([1; 32])));
}

#[test]
fn damaged_links_are_refused() {
    let (identity, id) = person(3);
    let link = link_of(&id, &identity.account.public());
    for bad in [
        link.replace("?k=", "?k=0"),
        format!("{link}a"),
        "restante:".to_owned(),
        "restante:alice?k=".to_owned(),
        String::new(),
    ] {
        assert!(parse_who(&bad).is_err(), "{bad}");
    }
}

proptest! {
    #[test]
    fn rows_of_any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _read = Account::from_row(&bytes);
        let _read = Contact::from_row(&bytes);
        let _read = OutgoingEnvelope::from_row(&bytes);
        let _read = Sent::from_row(&bytes);
        let _read = Header::from_row(&bytes);
        let _read = rows::prekey_from_row(&bytes);
    }

    #[test]
    fn what_a_person_types_never_panics(text in ".{0,80}") {
        let _read = parse_who(&text);
        let _read = parse_who(&format!("restante:{text}"));
    }
}

/// A vault on a real disk with an account in it.
fn store(folder: &std::path::Path) -> MailStore {
    let vault = Vault::create(folder, b"pass", PassCost::CheapForTests, &mut rand::rng()).unwrap();
    create_account(&vault, "alice".parse().unwrap(), NOW, IdCost::CheapForTests).unwrap();
    MailStore::new(vault)
}

/// Ends the store and opens it again, as a restart does.
fn restarted(store: MailStore, folder: &std::path::Path) -> MailStore {
    drop(store);
    MailStore::new(Vault::open(folder, b"pass", &mut rand::rng()).unwrap())
}

fn received(number: u8, expires: UnixMillis, burn_ms: u64) -> Received {
    let (identity, from) = person(9);
    let header = HeaderDraft {
        sender: identity.account.public(),
        message: MessageId::new([number; 16]),
        from,
        received: NOW,
        sent: NOW,
        expires,
        burn_ms,
        file_name: String::new(),
    };
    Received {
        mailbox: Address::new([9; 32]),
        envelope: ItemId::new([number; 32]),
        expires,
        effect: Effect::Message {
            arrival: u64::from(number),
            header: Box::new(header),
            body: vec![number; 100].into(),
            word: number.is_multiple_of(2),
        },
        contact: None,
    }
}

/// Returns a contact that has granted nothing yet.
fn contact(number: u8) -> Contact {
    let (identity, id) = person(number);
    Contact {
        account: identity.account.public(),
        id,
        petname: Some("Al".to_owned()),
        state: ContactState::Blocked,
        verified: true,
        added: NOW,
        last_seen: None,
        sequence: Some(7),
        record: None,
        grant: None,
        granted: Some(Epoch::new(3)),
    }
}

/// Returns what a contact grants from an epoch on.
fn grant(number: u8, first: u32) -> Grant {
    let ours = person(1).0;
    let (account, device) = (ours.account.public(), ours.device.public());
    let granting = person(number).0;
    Grant::issue(&granting, &account, &device, 0, Epoch::new(first), 16)
}

#[test]
fn a_committed_batch_is_there_after_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let end = NOW.plus(60_000);
    store
        .commit_received(&[received(1, end, 0), received(2, end, 0)])
        .unwrap();
    let store = restarted(store, folder.path());
    let loaded = store.load(NOW.plus(1)).unwrap();
    assert_eq!(loaded.inbox.len(), 2);
    assert_eq!(loaded.taken.len(), 2);
    assert_eq!(loaded.seen.len(), 2);
    assert_eq!(loaded.words.len(), 1);
    let header = &loaded.inbox[&2];
    assert_eq!(store.body(2, header.slot).unwrap(), Some(vec![2; 100]));
}

#[test]
fn what_has_expired_is_destroyed_at_the_next_start() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let batch = [
        received(1, NOW.plus(10), 0),
        received(2, NOW.plus(60_000), 0),
    ];
    let headers = store.commit_received(&batch).unwrap();
    let store = restarted(store, folder.path());
    let loaded = store.load(NOW.plus(11)).unwrap();
    assert_eq!(loaded.inbox.keys().copied().collect::<Vec<_>>(), vec![2]);
    assert_eq!(loaded.taken.len(), 1);
    let gone = headers.iter().find(|(place, _)| *place == 1).unwrap();
    assert_eq!(store.body(1, gone.1.slot).unwrap(), None);
}

#[test]
fn a_message_read_with_a_burn_time_ends_early_and_never_late() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let batch = [received(1, NOW.plus(60_000), 1_000)];
    let (_, mut header) = store.commit_received(&batch).unwrap().remove(0);
    assert_eq!(header.destroy_at(), NOW.plus(60_000));
    header.read = Some(NOW.plus(500));
    assert_eq!(header.destroy_at(), NOW.plus(1_500));
    header.read = Some(NOW.plus(59_900));
    assert_eq!(header.destroy_at(), NOW.plus(60_000));
    header.burn_ms = u64::MAX;
    assert_eq!(header.destroy_at(), NOW.plus(60_000));
}

#[test]
fn a_destroyed_message_cannot_be_read_even_with_its_row_at_hand() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let batch = [received(1, NOW.plus(60_000), 0)];
    let (place, header) = store.commit_received(&batch).unwrap().remove(0);
    store.destroy(&[place], &[header.slot]).unwrap();
    assert_eq!(store.body(place, header.slot).unwrap(), None);
    let store = restarted(store, folder.path());
    assert!(store.load(NOW).unwrap().inbox.is_empty());
}

#[test]
fn an_outbox_row_that_has_ended_does_not_come_back_with_its_receipts() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let mut out = outgoing(Postage::Due);
    let id = out.envelope.id();
    store
        .put_outgoing(&Letters {
            sealed: vec![out.clone()],
            ..Letters::default()
        })
        .unwrap();
    store.end_outgoing(&id, &out.message, None).unwrap();
    out.receipts.insert(NodeId::new([1; 32]), NOW);
    store.put_receipts(&out).unwrap();
    assert!(store.load(NOW).unwrap().outbox.is_empty());
}

#[test]
fn prekeys_are_destroyed_once_nothing_sealed_to_them_can_be_alive() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let prekey = PrekeySecret::generate(NOW, &mut rand::rng());
    let card = rows::OwnCard {
        sequence: 1,
        issued: NOW,
        records: Vec::new(),
    };
    store.put_card(&card, &prekey).unwrap();
    let locator = Address::new([1; 32]);
    let stamp = Stamp {
        nonce: [1; 32],
        solution: vec![2; 8].into(),
    };
    store.put_stamp(&locator, &stamp).unwrap();
    let end = prekey.destroy_at();
    store.drop_over(end.minus(1)).unwrap();
    let loaded = store.load(end.minus(1)).unwrap();
    assert_eq!(loaded.prekeys.len(), 1);
    assert_eq!(loaded.stamps, vec![(locator, stamp)]);
    store.drop_over(end).unwrap();
    assert!(store.load(end).unwrap().prekeys.is_empty());
}

#[test]
fn a_vault_without_an_account_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let rng = &mut rand::rng();
    let vault = Vault::create(folder.path(), b"pass", PassCost::CheapForTests, rng).unwrap();
    let fault = MailStore::new(vault).load(NOW).unwrap_err();
    assert_eq!(fault, StoreFault::NoAccount);
}

//! Rows that are read as they were written, and the store beside the disk in memory.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use restante_client::memory::MemoryDisk;
use restante_client::model::{
    Account, Contact, FormerDevice, Header, HeaderDraft, Membership, OutgoingEnvelope, OwnCard,
    OwnPackage, Payment, Reaction, SLOT_BYTES, Sent, Slot, Words,
};
use restante_client::records::{Change, Loaded};
use restante_conversation::key_package::OwnKeyPackage;
use restante_conversation::rows::{Change as RowChange, Row};
use restante_conversation::{ConversationId, EpochName};
use restante_interface::{ContactState, DeliveryState};
use restante_proto::account::{Identity, PersonId};
use restante_proto::envelope::Envelope;
use restante_proto::keys::{PublicKey, SecretKey, Signature};
use restante_proto::limits::DAY_MS;
use restante_proto::mailbox::{CapabilityProof, Mailbox, Rule};
use restante_proto::message::{Grant, MessageId, Reference};
use restante_proto::person::IdCost;
use restante_proto::phrase::RecoveryPhrase;
use restante_proto::prekey::PrekeySecret;
use restante_proto::request::Admission;
use restante_proto::stamp::Stamp;
use restante_proto::time::{Epoch, UnixMillis};
use restante_proto::{Address, ItemId, NodeId};

use super::rows;
use super::store::{AccountStoreError, VaultDisk, create_account};
use crate::vault::{DATABASE_FILE, PassCost, Vault};

mod backups;
mod reopening;

const NOW: UnixMillis = UnixMillis::new(1_800_000_000_000);

fn phrase() -> RecoveryPhrase {
    RecoveryPhrase::from_entropy([5; 16])
}

fn person(seed: u8) -> (Identity, PersonId) {
    let identity = Identity::new(
        &SecretKey::from_seed(&[seed; 32]),
        1,
        SecretKey::from_seed(&[seed ^ 0x55; 32]),
        "alice".parse().unwrap(),
    );
    let id = identity.person_id(IdCost::CheapForTests);
    (identity, id)
}

fn outgoing(number: u8, payment: Payment) -> OutgoingEnvelope {
    let mailbox = Mailbox {
        owner: PublicKey::new([3; 32]),
        rule: Rule::Stamp,
        epoch: Epoch::new(20_000),
    };
    OutgoingEnvelope {
        message: MessageId::new([number; 16]),
        to: PublicKey::new([2; 32]),
        device: PublicKey::new([4; 32]),
        envelope: Envelope {
            mailbox,
            expires: NOW.plus(1_000),
            bytes: vec![number; 2_048].into(),
        },
        payment,
        receipts: BTreeMap::from([(NodeId::new([9; 32]), NOW)]),
        awaits_receipt: true,
        made: NOW.plus(9),
    }
}

fn sent(state: DeliveryState) -> Sent {
    Sent {
        to: PublicKey::new([1; 32]),
        id: person(2).1,
        effort_max: Some(256),
        state,
        sent: NOW,
        expires: NOW.plus(5),
        is_outdated: false,
        burn_ms: 7,
        file_name: "b.txt".to_owned(),
        place: 3,
        words: Words::Gone,
        reply_to: Some(named(1)),
        replaces: Some(MessageId::new([4; 16])),
        replaced_by: Some(MessageId::new([5; 16])),
        read: Some(NOW),
        recalled: Some(NOW.plus(1)),
        is_hidden: true,
    }
}

fn named(number: u8) -> Reference {
    Reference {
        author: PublicKey::new([8; 32]),
        id: MessageId::new([number; 16]),
    }
}

fn reaction(number: u8) -> Reaction {
    Reaction {
        emoji: number.to_string(),
        at: NOW,
        until: NOW.plus(u64::from(number)),
    }
}

/// A message of one's own in a place of its own.
fn own(number: u8, words: Words) -> Sent {
    Sent {
        place: 1_000 + u64::from(number),
        words,
        ..sent(DeliveryState::Stored)
    }
}

fn contact(number: u8) -> Contact {
    let (identity, id) = person(number);
    let other = PersonId {
        handle: "alfred".parse().unwrap(),
        tag: id.tag,
    };
    let account = identity.account;
    let mut contact = Contact::new(account, id.clone(), ContactState::Blocked, NOW);
    contact.petname = Some("Al".to_owned());
    contact.ids.see(&id, 7);
    contact.hear_under(&other);
    let package = vec![number; 9].into();
    contact.packages = BTreeMap::from([(PublicKey::new([6; 32]), package)]);
    contact.offered = Some(NOW);
    contact
}

/// Returns what a contact's device grants from an epoch on.
fn grant(number: u8, first: u32) -> Grant {
    let ours = person(1).0;
    let (account, device) = (ours.account, ours.device.public());
    Grant::issue(
        &person(number).0,
        &account,
        &device,
        0,
        Epoch::new(first),
        16,
    )
}

fn header(number: u8, expires: UnixMillis) -> Header {
    let (identity, from) = person(9);
    Header {
        sender: identity.account,
        message: MessageId::new([number; 16]),
        from,
        received: NOW,
        sent: NOW,
        expires,
        burn_ms: 0,
        read: None,
        file_name: String::new(),
        slot: Some(Slot([0; SLOT_BYTES])),
        reply_to: Some(named(2)),
        edited: Some(NOW.plus(2)),
        recalled: None,
        unknown_kind: 9,
    }
}

fn message(number: u8, expires: UnixMillis) -> Change {
    Change::PutMessage {
        arrival: u64::from(number),
        header: Box::new(HeaderDraft::new(header(number, expires))),
        body: vec![number; 100].into(),
    }
}

#[test]
fn an_account_survives_its_row() {
    let (identity, id) = person(1);
    let account = Account {
        identity,
        node: SecretKey::from_seed(&[8; 32]),
        id,
        created: NOW,
        former: vec![FormerDevice {
            device: SecretKey::from_seed(&[9; 32]),
            left: NOW.plus(5),
        }],
        shut_out: true,
    };
    let read = rows::account_from_row(&rows::account_to_row(&account)).unwrap();
    assert_eq!(read.id, account.id);
    assert_eq!(read.node.public(), account.node.public());
    assert!(read.shut_out);
    assert_eq!(read.identity.delegation, account.identity.delegation);
    let delegate = |it: &Account| it.identity.delegate.public();
    assert_eq!(delegate(&read), delegate(&account));
    let keys = |it: &Account| (it.identity.account, it.identity.device.public());
    assert_eq!(keys(&read), keys(&account));
    assert_eq!(read.created, NOW);
    assert_eq!(*read.former[0].device.seed(), [9; 32]);
    assert_eq!(read.former[0].left, NOW.plus(5));
}

#[test]
fn outgoing_envelopes_survive_their_rows_with_any_payment() {
    let stamp = Stamp {
        nonce: [4; 32],
        solution: vec![5; 1_344].into(),
    };
    let proof = CapabilityProof {
        holder: PublicKey::new([1; 32]),
        certificate: Signature::new([2; 64]),
        signature: Signature::new([3; 64]),
    };
    let ready = |admission| Payment::Ready(Box::new(admission));
    let all = [
        Payment::Due,
        ready(Admission::Stamp(stamp)),
        ready(Admission::Capability(proof)),
    ];
    for payment in all {
        let before = outgoing(1, payment);
        let after = rows::outgoing_from_row(&rows::outgoing_to_row(&before)).unwrap();
        assert_eq!(before, after);
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
        let before = sent(state);
        assert_eq!(
            rows::sent_from_row(&rows::sent_to_row(&before)).unwrap(),
            before
        );
    }
}

#[test]
fn a_contact_survives_its_row_with_what_each_device_granted() {
    let mut contact = contact(2);
    for number in [3, 4] {
        let device = person(number).0.device.public();
        contact.grants.insert(device, grant(number, 20_000));
        contact
            .granted
            .insert(device, Epoch::new(u32::from(number)));
        let read = rows::contact_from_row(&rows::contact_to_row(&contact)).unwrap();
        assert_eq!(format!("{read:?}"), format!("{contact:?}"));
        assert_eq!(read.grants, contact.grants);
    }
}

proptest! {
    #[test]
    fn rows_of_any_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let _read = rows::account_from_row(&bytes);
        let _read = rows::contact_from_row(&bytes);
        let _read = rows::outgoing_from_row(&bytes);
        let _read = rows::sent_from_row(&bytes);
        let _read = rows::header_from_row(&bytes);
        let _read = rows::prekey_from_row(&bytes);
        let _read = rows::card_from_row(&bytes);
    }
}

/// A vault on a real disk with an account in it.
fn store(folder: &std::path::Path) -> VaultDisk {
    let vault = Vault::create(folder, b"pass", PassCost::CheapForTests, &mut rand::rng()).unwrap();
    create_account(
        &vault,
        &phrase(),
        "alice".parse().unwrap(),
        NOW,
        IdCost::CheapForTests,
    )
    .unwrap();
    VaultDisk::in_home(vault, folder)
}

/// Ends the store and opens it again, as a restart does.
fn restarted(store: VaultDisk, folder: &std::path::Path) -> VaultDisk {
    drop(store);
    reopened(folder)
}

fn reopened(folder: &std::path::Path) -> VaultDisk {
    VaultDisk::in_home(
        Vault::open(folder, b"pass", &mut rand::rng()).unwrap(),
        folder,
    )
}

/// Returns everything that was read, but for slots, which each store names as it likes.
fn comparable(loaded: &Loaded) -> String {
    let mut loaded = loaded.clone();
    for header in loaded.inbox.values_mut() {
        header.slot = header.slot.map(|_| Slot([0; SLOT_BYTES]));
    }
    for sent in loaded.sent.values_mut() {
        if sent.words.slot().is_some() {
            sent.words = Words::At(Slot([0; SLOT_BYTES]));
        }
    }
    let prekeys: Vec<UnixMillis> = loaded.prekeys.iter().map(|it| it.public().issued).collect();
    loaded.packages.sort_by_key(|own| own.made);
    let packages = loaded.packages.iter();
    let packages: Vec<_> = packages
        .map(|own| (own.made, own.package.secret.to_vec()))
        .collect();
    let Loaded {
        card,
        stamps,
        contacts,
        outgoing,
        sent,
        inbox,
        taken,
        seen,
        due,
        read_due,
        reactions,
        memberships,
        conversations,
        ..
    } = loaded;
    format!(
        "{prekeys:?} {card:?} {stamps:?} {contacts:?} {outgoing:?} {sent:?} {inbox:?} {taken:?} {seen:?} {due:?} \
         {read_due:?} {reactions:?} {memberships:?} {conversations:?} {packages:?}"
    )
}

/// A change by its kind and the number of the row that it is about.
fn change(kind: u8, number: u8, inbox: &BTreeMap<u64, Header>) -> Option<Change> {
    let by = PublicKey::new([number; 32]);
    let sender = (PublicKey::new([9; 32]), MessageId::new([number; 16]));
    let (at, id) = (Address::new([number % 2; 32]), ItemId::new([number; 32]));
    let until = NOW.plus(u64::from(number) * DAY_MS);
    let prekey = PrekeySecret::generate(until, &mut rand::rng());
    let place = u64::from(number);
    Some(match kind {
        0 => Change::PutContact(Box::new(contact(number))),
        1 => Change::DropContact(person(number).0.account),
        2 => Change::PutOutgoing(Box::new(outgoing(number, Payment::Due))),
        3 => Change::DropOutgoing(outgoing(number, Payment::Due).envelope.id()),
        4 => Change::PutSent(sender.1, own(number, Words::Gone)),
        5 => Change::DropSent(sender.1),
        // It takes the place of one that is there.
        6 => message(number, NOW.plus(60 * DAY_MS)),
        7 => Change::PutHeader(
            place,
            Box::new(Header {
                read: Some(NOW),
                ..inbox.get(&place)?.clone()
            }),
        ),
        8 => Change::Destroy(place, inbox.get(&place)?.slot?),
        9 => Change::PutTaken(at, id, until),
        10 => Change::PutSeen(sender, until),
        11 => Change::Forget(until),
        12 => Change::PutDue(sender),
        13 => Change::DropDue(sender),
        14 => Change::PutCard(Box::new(OwnCard {
            sequence: place,
            issued: NOW,
            records: Vec::new(),
            locators: vec![
                person(number)
                    .1
                    .locators(NOW.salt_epoch(), IdCost::CheapForTests),
            ],
        })),
        15 => Change::PutPrekey(prekey),
        16 => Change::DropPrekey(until),
        17 => Change::PutStamp(
            at,
            Stamp {
                nonce: [number; 32],
                solution: vec![1; 8].into(),
            },
        ),
        18 => Change::DropStamp(at),
        19 => Change::Discard(place),
        20 => Change::DropTaken(at, id),
        21 => Change::DropSeen(sender),
        22 => Change::DropCard,
        23 => Change::PutWords(
            sender.1,
            Box::new(own(number, Words::Staged)),
            vec![number; 200].into(),
        ),
        24 => Change::PutSent(sender.1, own(number, Words::Staged)),
        25 => Change::PutHeader(place, Box::new(recalled(inbox.get(&place)?))),
        26 => Change::PutReadDue(sender),
        27 => Change::DropReadDue(sender),
        28 => Change::PutReaction(named(number % 2), by, Box::new(reaction(number))),
        29 => Change::DropReaction(named(number % 2), by),
        other => return conversation_change(other.checked_sub(30)?, number),
    })
}

fn recalled(header: &Header) -> Header {
    Header {
        recalled: Some(NOW),
        slot: None,
        ..header.clone()
    }
}

/// A change of what a conversation keeps.
fn conversation_change(kind: u8, number: u8) -> Option<Change> {
    let id = ConversationId::new([number % 2; 16]);
    let epoch = EpochName::new([number; 32]);
    let row = |kind: u8| match kind {
        0 => Row::Conversation,
        1 => Row::Epoch(epoch),
        2 => Row::State(epoch),
        3 => Row::Past(epoch),
        _ => Row::Tree(epoch),
    };
    let made = NOW.plus(u64::from(number));
    Some(match kind {
        0..5 => {
            let bytes = vec![number; 300].into();
            Change::Conversation(id, RowChange::Put(row(kind), bytes))
        }
        5..10 => Change::Conversation(id, RowChange::Drop(row(kind - 5))),
        10 => Change::PutMembership(id, Box::new(membership(number))),
        11 => Change::DropMembership(id),
        12 => Change::PutPackage(Box::new(own_package(number))),
        13 => Change::DropPackage(made),
        _ => return None,
    })
}

fn membership(number: u8) -> Membership {
    Membership {
        with: PublicKey::new([number; 32]),
        device: PublicKey::new([8; 32]),
        since: NOW,
        heard: BTreeMap::from([(PublicKey::new([9; 32]), NOW.plus(1))]),
        lost: (number == 1).then_some(NOW),
    }
}

fn own_package(number: u8) -> OwnPackage {
    OwnPackage {
        made: NOW.plus(u64::from(number)),
        package: OwnKeyPackage {
            public: vec![number; 20],
            id: vec![number; 32],
            secret: vec![number; 40].into(),
        },
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Any changes in any batches: the vault holds what the disk in memory holds, after restarts too.
    #[test]
    fn the_store_holds_what_the_disk_in_memory_holds(
        batches in prop::collection::vec(prop::collection::vec((0_u8..44, 0_u8..4), 1..6), 1..8),
    ) {
        let folder = tempfile::tempdir().unwrap();
        let mut store = store(folder.path());
        let mut loaded = store.load().unwrap();
        let mut model = MemoryDisk::new(loaded.account.clone());
        for batch in batches {
            let modelled = model.load();
            let mut kinds = BTreeSet::new();
            // One change of a row in a batch, as the core makes them.
            let batch: Vec<(u8, u8)> = batch.into_iter().filter(|(_, n)| kinds.insert(*n)).collect();
            let changes = |inbox| batch.iter().filter_map(|(k, n)| change(*k, *n, inbox)).collect();
            let (real, ideal): (Vec<Change>, Vec<Change>) =
                (changes(&loaded.inbox), changes(&modelled.inbox));
            let slots = store.commit(&real).unwrap();
            prop_assert_eq!(slots.len(), model.commit(&ideal).len());
            store = restarted(store, folder.path());
            loaded = store.load().unwrap();
            let modelled = model.load();
            prop_assert_eq!(comparable(&loaded), comparable(&modelled));
            let places = |loaded: &Loaded| -> Vec<(u64, Slot)> {
                let own = loaded.sent.values();
                let own = own.filter_map(|sent| Some((sent.place, sent.words.slot()?)));
                let inbox = loaded.inbox.iter();
                let inbox = inbox.filter_map(|(place, it)| Some((*place, it.slot?)));
                inbox.chain(own).collect()
            };
            let bodies = store.bodies(&places(&loaded)).unwrap();
            prop_assert_eq!(bodies, model.bodies(&places(&modelled)));
        }
    }
}

#[test]
fn a_destroyed_message_cannot_be_read_even_with_its_row_at_hand() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let slots = store.commit(&[message(1, NOW.plus(60_000))]).unwrap();
    store.commit(&[Change::Destroy(1, slots[0])]).unwrap();
    assert_eq!(store.body(1, slots[0]).unwrap(), None);
    let store = restarted(store, folder.path());
    assert!(store.load().unwrap().inbox.is_empty());
}

/// What one has written oneself goes as what was received does.
#[test]
fn words_of_ones_own_that_were_destroyed_cannot_be_read_even_with_their_row_at_hand() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let put = |number: u8| {
        let sent = Box::new(own(number, Words::Staged));
        Change::PutWords(MessageId::new([number; 16]), sent, vec![number; 9].into())
    };
    let slots = store.commit(&[put(1), put(2), put(3)]).unwrap();
    let read = |store: &VaultDisk| {
        let read = (1..).zip(&slots);
        let read = read.map(|(number, slot)| store.body(1_000 + number, *slot).unwrap());
        read.map(|body| body.is_some()).collect::<Vec<bool>>()
    };
    assert_eq!(read(&store), [true, true, true]);
    let gone = |number: u8| Change::PutSent(MessageId::new([number; 16]), own(number, Words::Gone));
    // A change that was made before the slot was known leaves the words where they are.
    let staged = Change::PutSent(MessageId::new([2; 16]), own(2, Words::Staged));
    store.commit(&[gone(1), staged]).unwrap();
    assert_eq!(read(&store), [false, true, true]);
    store
        .commit(&[Change::DropSent(MessageId::new([3; 16]))])
        .unwrap();
    assert_eq!(read(&store), [false, true, false]);
    let store = restarted(store, folder.path());
    assert_eq!(read(&store), [false, true, false]);
    let loaded = store.load().unwrap();
    assert_eq!(loaded.sent.len(), 2);
    // A key that is gone by damage is said to be gone.
    drop(store);
    let vault = Vault::open(folder.path(), b"pass", &mut rand::rng()).unwrap();
    vault.keys().reconcile(&BTreeSet::new()).unwrap();
    let loaded = VaultDisk::in_home(vault, folder.path()).load().unwrap();
    assert!(loaded.sent.values().all(|sent| sent.words == Words::Gone));
}

/// What was being destroyed when the node ended is no loss.
#[test]
fn messages_whose_keys_are_gone_before_their_time_are_counted() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let later = crate::clock::now().plus(DAY_MS);
    for (number, expires) in [(1, later), (2, UnixMillis::new(1))] {
        store.commit(&[message(number, expires)]).unwrap();
    }
    drop(store);
    let vault = Vault::open(folder.path(), b"pass", &mut rand::rng()).unwrap();
    vault.keys().reconcile(&BTreeSet::new()).unwrap();
    let loaded = VaultDisk::in_home(vault, folder.path()).load().unwrap();
    assert_eq!((loaded.lost, loaded.inbox.len()), (1, 0));
}

#[test]
fn bodies_are_read_until_there_are_enough() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let changes: Vec<Change> = (0..4)
        .map(|number| Change::PutMessage {
            arrival: number,
            header: Box::new(HeaderDraft::new(header(1, NOW.plus(60_000)))),
            body: vec![1; 30_000].into(),
        })
        .collect();
    let slots = store.commit(&changes).unwrap();
    let places: Vec<(u64, Slot)> = (0..).zip(slots).collect();
    assert_eq!(store.bodies(&places).unwrap().len(), 2);
}

#[test]
fn a_vault_without_an_account_says_so() {
    let folder = tempfile::tempdir().unwrap();
    let rng = &mut rand::rng();
    let vault = Vault::create(folder.path(), b"pass", PassCost::CheapForTests, rng).unwrap();
    let error = VaultDisk::in_home(vault, folder.path()).load().unwrap_err();
    assert_eq!(error, AccountStoreError::NoAccount);
}

/// Rows that open what was received have keys of their own: whoever has the pass phrase and the database as it is later
/// finds nothing of what was replaced or dropped, though its bytes are there still.
#[test]
fn what_was_replaced_or_dropped_cannot_be_opened_again() {
    let folder = tempfile::tempdir().unwrap();
    let store = store(folder.path());
    let (id, epoch) = (ConversationId::new([1; 16]), EpochName::new([2; 32]));
    let put = |bytes: &[u8]| {
        let bytes = bytes.to_vec().into();
        Change::Conversation(id, RowChange::Put(Row::State(epoch), bytes))
    };
    let prekey = PrekeySecret::generate(NOW, &mut rand::rng());
    let package = Change::PutPackage(Box::new(own_package(1)));
    let all = [put(b"a state"), Change::PutPrekey(prekey), package];
    store.commit(&all).unwrap();
    let keys = |folder: &std::path::Path| {
        let vault = Vault::open(folder, b"pass", &mut rand::rng()).unwrap();
        vault.keys().count().unwrap()
    };
    drop(store);
    let old = tempfile::tempdir().unwrap();
    let file = folder.path().join(DATABASE_FILE);
    std::fs::copy(&file, old.path().join("before")).unwrap();
    assert_eq!(keys(folder.path()), 3);
    let store = reopened(folder.path());
    // Twice in one commit: the last counts, and no key is left over.
    let dropped = Change::DropPackage(own_package(1).made);
    store
        .commit(&[put(b"another"), put(b"the last"), dropped])
        .unwrap();
    store.commit(&[Change::DropPrekey(NOW)]).unwrap();
    let store = restarted(store, folder.path());
    let loaded = store.load().unwrap();
    assert_eq!(
        loaded.conversations[&id][&Row::State(epoch)].as_slice(),
        b"the last"
    );
    assert!(loaded.prekeys.is_empty() && loaded.packages.is_empty());
    drop(store);
    assert_eq!(keys(folder.path()), 1);
    // The database of before, with the keys that are left.
    std::fs::copy(old.path().join("before"), &file).unwrap();
    let loaded = reopened(folder.path()).load().unwrap();
    assert!(loaded.prekeys.is_empty() && loaded.packages.is_empty());
    assert!(!loaded.conversations.contains_key(&id));
}

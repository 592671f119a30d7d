//! Homes that are made of backups.

use restante_interface::ContactState;
use restante_proto::limits::{DAY_MS, HOUR_MS, MINUTE_MS};
use restante_proto::message::MessageId;

use super::super::memory::MemoryDisk;
use super::super::model::{Sent, Words};
use super::super::records::Change;
use super::super::restoring::restored;
use super::world::World;

/// Brings a message of one's own back, with its words if they are.
fn put_words(backup: &MemoryDisk, id: MessageId, sent: Sent) -> Change {
    let Some(slot) = sent.words.slot() else {
        return Change::PutSent(id, sent);
    };
    let words = backup.bodies(&[(sent.place, slot)]).remove(0).unwrap();
    let sent = Sent {
        words: Words::Staged,
        ..sent
    };
    Change::PutWords(id, Box::new(sent), words.into())
}

/// Puts a backup of a person's disk back: it was made then.
fn put_back(world: &mut World, person: usize, backup: &MemoryDisk, made: u64) {
    let date = world.now(person).date;
    let rows = backup.load();
    let bodies = rows.inbox.iter();
    let bodies: Vec<_> = bodies.map(|(at, it)| (*at, it.slot.unwrap())).collect();
    let texts = backup.bodies(&bodies);
    let restored = restored(rows, super::world::START.plus(made), date, &mut world.rng).rows;
    let mut disk = MemoryDisk::new(restored.account.clone());
    let mut changes = Vec::new();
    changes.extend(restored.prekeys.into_iter().map(Change::PutPrekey));
    let contacts = restored.contacts.into_values();
    changes.extend(contacts.map(|it| Change::PutContact(Box::new(it))));
    let outgoing = restored.outgoing.into_values();
    changes.extend(outgoing.map(|it| Change::PutOutgoing(Box::new(it))));
    changes.extend(
        restored
            .sent
            .into_iter()
            .map(|(id, it)| put_words(backup, id, it)),
    );
    let taken = restored.taken.into_iter();
    changes.extend(taken.map(|((at, id), until)| Change::PutTaken(at, id, until)));
    let seen = restored.seen.into_iter();
    changes.extend(seen.map(|(named, until)| Change::PutSeen(named, until)));
    changes.extend(restored.due.into_iter().map(Change::PutDue));
    for ((arrival, slot), body) in bodies.into_iter().zip(texts) {
        if let Some(header) = restored.inbox.get(&arrival) {
            assert_eq!(header.slot, Some(slot));
            changes.push(Change::PutMessage {
                arrival,
                header: Box::new(super::super::model::HeaderDraft::new(header.clone())),
                body: body.unwrap_or_default().into(),
            });
        }
    }
    disk.commit(&changes);
    world.people[person].disk = disk;
    world.restart(person);
}

/// A backup that is put back is another device before it says its first word, and both ways work at once, although its
/// contact sealed to the lost device an hour ago.
#[test]
fn a_home_of_a_backup_speaks_as_a_new_device_alone_and_is_written_to() {
    for seed in 0..4 {
        let mut world = World::friends(seed, 2);
        let made = world.now(1).date.since(super::world::START);
        let backup = world.people[1].disk.clone();
        let before = world.people[1].core.account().clone();
        let sequence = |world: &World| {
            world.people[1]
                .disk
                .rows()
                .card
                .as_ref()
                .map(|it| it.sequence)
        };
        world.run(3 * DAY_MS + seed * HOUR_MS);
        world.send(0, 1, "known to the lost one alone");
        world.run(MINUTE_MS);
        let last = sequence(&world);

        put_back(&mut world, 1, &backup, made);
        let device = world.people[1].core.account().identity.device.public();
        assert_ne!(device, before.identity.device.public());
        assert_eq!(
            sequence(&world),
            None,
            "no card of another device is its own"
        );
        world.run(5 * MINUTE_MS);
        let after = world.people[1].core.account().clone();
        assert_eq!(
            after.identity.device.public(),
            device,
            "it does not change again"
        );
        assert_eq!(after.former.len(), 1);
        assert!(
            sequence(&world) > last,
            "its card is above that of the lost one"
        );
        assert_eq!(world.people[1].core.overview(world.now(1)).copy.others, 1);
        world.send(0, 1, "from then on");
        world.send(1, 0, "and back");
        world.run(15 * MINUTE_MS);
        assert!(world.texts(1).contains("from then on"), "seed {seed}");
        assert!(world.texts(0).contains("and back"), "seed {seed}");
        assert_eq!(world.spins, 0);
    }
}

#[test]
fn contacts_are_told_of_the_new_device_and_strangers_are_not() {
    let mut world = World::friends(3, 3);
    let mut rows = world.people[0].disk.load();
    let date = world.now(0).date;
    let stranger = rows.contacts.values().last().unwrap().account;
    if let Some(contact) = rows.contacts.get_mut(&stranger) {
        contact.state = ContactState::Request;
    }
    rows.due.clear();
    let restored = restored(rows, date, date, &mut world.rng).rows;
    let told: Vec<_> = restored.due.iter().map(|(account, _)| *account).collect();
    assert_eq!(told.len(), restored.contacts.len() - 1);
    assert!(!told.contains(&stranger));
}

//! What of a backup comes back (SPEC 10.8).
//!
//! The home that it was made of may be alive, or another home may have been made of the same backup: none of the keys
//! that a device speaks with is used again. A home is restored as a new device of its account before it is on a disk at
//! all; the one it was made of is a device that it was. Nothing that was destroyed since comes back alive, as far as
//! the backup can tell: not what has expired or is due to burn, and of what burns after it was read and was not read by
//! then only what cannot have burned yet, whenever it was read.

use rand_core::CryptoRng;
use restante_interface::ContactState;
use restante_proto::message::MessageId;
use restante_proto::time::UnixMillis;

use crate::model::{Header, Sent, Words};
use crate::records::Loaded;

/// What of a backup comes back.
#[derive(Debug)]
pub struct Restored {
    /// What the new disk is to hold.
    pub rows: Loaded,
    /// Messages that are not in it any more: their time was over, or they burned meanwhile.
    pub ended: u32,
    /// Messages that are not in it any more because they may have burned meanwhile.
    pub doubtful: u32,
}

/// Why a message of a backup does not come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gone {
    Ended,
    Doubtful,
}

/// Decides what of a backup that was made at one time comes back at another.
pub fn restored(
    backup: Loaded,
    made: UnixMillis,
    date: UnixMillis,
    rng: &mut impl CryptoRng,
) -> Restored {
    let account = backup.account.renew(date, rng);
    let mut rows = Loaded {
        account,
        // It is of another device, which may go on making cards; those of the new one are above what is found.
        card: None,
        // The same keys of a conversation used twice would show what is said in it.
        memberships: Default::default(),
        conversations: Default::default(),
        packages: Vec::new(),
        ..backup
    };
    let (mut ended, mut doubtful) = (0, 0);
    rows.inbox.retain(|_, header| {
        match gone(header, made, date) {
            None => return true,
            Some(Gone::Ended) => ended += 1,
            Some(Gone::Doubtful) => doubtful += 1,
        }
        false
    });
    for sent in rows.sent.values_mut() {
        let read_since = Sent {
            read: sent.read.or(Some(made)),
            ..sent.clone()
        };
        // Its recipient may have read it since, so that it has burned.
        if read_since.destroy_at() <= date {
            sent.words = Words::Gone;
        }
    }
    rows.prekeys.retain(|prekey| prekey.destroy_at() > date);
    for contact in rows.contacts.values_mut() {
        // The new device has key packages of its own to offer.
        contact.offered = None;
    }
    // Contacts hear of the new device, as from any that was an older copy.
    let contacts = rows.contacts.values();
    let accepted = contacts.filter(|contact| contact.state == ContactState::Accepted);
    let news = accepted.map(|contact| (contact.account, MessageId::random(rng)));
    rows.due.extend(news);
    Restored {
        rows,
        ended,
        doubtful,
    }
}

fn gone(header: &Header, made: UnixMillis, date: UnixMillis) -> Option<Gone> {
    if header.destroy_at() <= date {
        return Some(Gone::Ended);
    }
    let is_unread = header.read.is_none();
    let read_at_once = Header {
        read: Some(made),
        ..header.clone()
    };
    (is_unread && read_at_once.destroy_at() <= date).then_some(Gone::Doubtful)
}

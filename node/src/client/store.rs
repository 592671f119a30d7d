//! The client's tables in the vault. Everything here blocks; it runs in a lane.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use restante_proto::account::{Identity, PersonId};
use restante_proto::keys::{PublicKey, SecretKey};
use restante_proto::message::MessageId;
use restante_proto::person::{Handle, IdCost};
use restante_proto::prekey::PrekeySecret;
use restante_proto::stamp::Stamp;
use restante_proto::time::UnixMillis;
use restante_proto::{Address, ItemId};

use super::SENT_SHOWN_MS;
use super::rows::{
    self, Account, BadRow, Contact, Header, OutgoingEnvelope, OwnCard, SELF, Sent, moment_of,
};
use super::sending::Letters;
use crate::vault::{
    BodyError, DbError, KeyError, MessageKey, SlotId, Table, Vault, VaultError, WriteTx,
};

const ACCOUNT: Table = Table::new("account");
const PREKEYS: Table = Table::new("prekeys");
const CARD: Table = Table::new("card");
const STAMPS: Table = Table::new("stamps");
const CONTACTS: Table = Table::new("contacts");
const OUTBOX: Table = Table::new("outbox");
const SENT: Table = Table::new("sent");
const INBOX: Table = Table::new("inbox");
const BODIES: Table = Table::new("bodies");
const TAKEN: Table = Table::new("taken");
const SEEN: Table = Table::new("seen");
const WORDS: Table = Table::new("words");

/// Why something could not be stored or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum StoreFault {
    /// The vault could not be opened.
    #[error(transparent)]
    Vault(#[from] VaultError),
    /// The database refused.
    #[error(transparent)]
    Db(#[from] DbError),
    /// The key file refused.
    #[error(transparent)]
    Keys(#[from] KeyError),
    /// A row does not decode.
    #[error(transparent)]
    Row(#[from] BadRow),
    /// The home has no account in it.
    #[error("the home holds no account")]
    NoAccount,
    /// A body could not be sealed or opened.
    #[error(transparent)]
    Body(#[from] BodyError),
}

impl StoreFault {
    /// Tells whether nothing can be written any more before the node is started again.
    pub(super) const fn is_final(&self) -> bool {
        let keys = matches!(self, Self::Keys(KeyError::Disk(_) | KeyError::NeedsReopen));
        keys || self.is_in_doubt()
    }

    /// Tells whether what was to be committed may be on the disk all the same, which shows at the next start.
    const fn is_in_doubt(&self) -> bool {
        matches!(
            self,
            Self::Db(DbError::Disk(_) | DbError::Damaged { .. } | DbError::NeedsReopen)
        )
    }
}

/// A stamp and the locator it was made for.
pub(super) type LocatorStamp = (Address, Stamp);

/// Everything the client keeps in memory, as it was stored.
#[derive(Debug)]
pub(super) struct Loaded {
    pub(super) account: Account,
    pub(super) prekeys: Vec<PrekeySecret>,
    pub(super) card: Option<OwnCard>,
    pub(super) stamps: Vec<LocatorStamp>,
    pub(super) contacts: Vec<Contact>,
    pub(super) outbox: Vec<OutgoingEnvelope>,
    pub(super) sent: BTreeMap<MessageId, Sent>,
    pub(super) inbox: BTreeMap<u64, Header>,
    pub(super) taken: BTreeMap<(Address, ItemId), UnixMillis>,
    pub(super) seen: BTreeMap<(PublicKey, MessageId), UnixMillis>,
    pub(super) words: Vec<(PublicKey, MessageId)>,
}

/// One envelope that was opened, to be committed.
#[derive(Debug)]
pub(super) struct Received {
    pub(super) mailbox: Address,
    pub(super) envelope: ItemId,
    pub(super) expires: UnixMillis,
    pub(super) effect: Effect,
    /// The sender, with what it grants or when it was heard of, if that changes.
    pub(super) contact: Option<Contact>,
}

/// What an envelope changes.
#[derive(Debug)]
pub(super) enum Effect {
    /// Nothing: it was worthless, or a duplicate.
    Nothing,
    /// A contact's word that messages have arrived.
    Word {
        /// The envelopes that need not be offered any more.
        ended: Vec<ItemId>,
        /// The messages, as they stand now.
        sent: Vec<(MessageId, Sent)>,
    },
    /// A new message.
    Message {
        arrival: u64,
        header: Box<HeaderDraft>,
        body: Bytes,
        /// The sender is a contact and is to hear that it arrived.
        word: bool,
    },
}

/// A header whose key slot is not yet known.
#[derive(Debug)]
pub(super) struct HeaderDraft {
    pub(super) sender: PublicKey,
    pub(super) message: MessageId,
    pub(super) from: PersonId,
    pub(super) received: UnixMillis,
    pub(super) sent: UnixMillis,
    pub(super) expires: UnixMillis,
    pub(super) burn_ms: u64,
    pub(super) file_name: String,
}

impl HeaderDraft {
    fn finish(&self, slot: SlotId) -> Header {
        Header {
            sender: self.sender,
            message: self.message,
            from: self.from.clone(),
            received: self.received,
            sent: self.sent,
            expires: self.expires,
            burn_ms: self.burn_ms,
            read: None,
            file_name: self.file_name.clone(),
            slot,
        }
    }
}

/// The tables, behind one handle that lanes share.
#[derive(Clone, Debug)]
pub(super) struct MailStore(Arc<Vault>);

impl MailStore {
    pub(super) fn new(vault: Vault) -> Self {
        Self(Arc::new(vault))
    }

    /// Reads everything, drops what has expired, and burns message keys that nothing names.
    pub(super) fn load(&self, now: UnixMillis) -> Result<Loaded, StoreFault> {
        let mut loaded = self.0.db().read(|tx| {
            let account = tx.get(ACCOUNT, SELF)?.ok_or(StoreFault::NoAccount)?;
            let card = tx.get(CARD, SELF)?;
            let rows = |table| tx.iter(table).map_err(StoreFault::from);
            Ok::<_, StoreFault>(Loaded {
                account: Account::from_row(&account)?,
                prekeys: collect(rows(PREKEYS)?, |_, row| rows::prekey_from_row(row))?,
                card: card.map(|row| OwnCard::from_row(&row)).transpose()?,
                stamps: collect(rows(STAMPS)?, stamp_of)?,
                contacts: collect(rows(CONTACTS)?, |_, row| Contact::from_row(row))?,
                outbox: collect(rows(OUTBOX)?, |_, row| OutgoingEnvelope::from_row(row))?,
                sent: collect(rows(SENT)?, |key, row| {
                    Ok((message_of(key)?, Sent::from_row(row)?))
                })?,
                inbox: collect(rows(INBOX)?, |key, row| {
                    Ok((arrival_of(key)?, Header::from_row(row)?))
                })?,
                taken: collect(rows(TAKEN)?, |key, row| {
                    Ok((taken_of(key)?, moment_of(row, "taken")?))
                })?,
                seen: collect(rows(SEEN)?, |key, row| {
                    Ok((named_of(key)?, moment_of(row, "seen")?))
                })?,
                words: collect(rows(WORDS)?, |key, _| named_of(key))?,
            })
        })?;
        self.tidy(now, &mut loaded)?;
        Ok(loaded)
    }

    /// Brings key file and rows together after a crash, and drops what is over.
    fn tidy(&self, now: UnixMillis, loaded: &mut Loaded) -> Result<(), StoreFault> {
        let live: BTreeSet<SlotId> = loaded.inbox.values().map(|header| header.slot).collect();
        let reconciled = self.0.keys().reconcile(&live)?;
        let absent: BTreeSet<SlotId> = reconciled.absent.into_iter().collect();
        let over = |header: &Header| absent.contains(&header.slot) || header.destroy_at() <= now;
        let gone: Vec<u64> = loaded
            .inbox
            .iter()
            .filter(|(_, header)| over(header))
            .map(|(arrival, _)| *arrival)
            .collect();
        let slots: Vec<SlotId> = gone
            .iter()
            .filter_map(|arrival| loaded.inbox.remove(arrival))
            .map(|header| header.slot)
            .collect();
        self.destroy(&gone, &slots)?;
        loaded.taken.retain(|_, until| *until > now);
        loaded.seen.retain(|_, until| *until > now);
        self.drop_over(now)
    }

    /// Destroys messages: their keys first, then their rows.
    pub(super) fn destroy(&self, arrivals: &[u64], slots: &[SlotId]) -> Result<(), StoreFault> {
        if arrivals.is_empty() {
            return Ok(());
        }
        self.0.keys().burn(slots)?;
        self.0.db().write(|tx| {
            for arrival in arrivals {
                tx.remove(INBOX, &arrival.to_be_bytes())?;
                tx.remove(BODIES, &arrival.to_be_bytes())?;
            }
            Ok(())
        })
    }

    /// Drops rows that only remember things until a time that is over.
    pub(super) fn drop_over(&self, now: UnixMillis) -> Result<(), StoreFault> {
        let over = |value: &[u8], table| moment_of(value, table).is_ok_and(|until| until <= now);
        let due = self.0.db().read(|tx| {
            let mut due = Vec::new();
            for (table, name) in [(TAKEN, "taken"), (SEEN, "seen")] {
                let rows = tx.iter(table)?;
                let rows = rows.into_iter().filter(|row| over(&row.value, name));
                due.extend(rows.map(|row| (table, row.key)));
            }
            for row in tx.iter(SENT)? {
                let shown = |sent: Sent| sent.expires.plus(SENT_SHOWN_MS) > now;
                if !Sent::from_row(&row.value).is_ok_and(shown) {
                    due.push((SENT, row.key));
                }
            }
            for row in tx.iter(PREKEYS)? {
                let prekey = rows::prekey_from_row(&row.value);
                if prekey.is_ok_and(|prekey| prekey.destroy_at() <= now) {
                    due.push((PREKEYS, row.key));
                }
            }
            Ok::<_, DbError>(due)
        })?;
        if due.is_empty() {
            return Ok(());
        }
        self.0.db().write(|tx| {
            for (table, key) in &due {
                tx.remove(*table, key)?;
            }
            Ok(())
        })
    }

    /// Stores a new card with the prekey it shows.
    pub(super) fn put_card(&self, card: &OwnCard, prekey: &PrekeySecret) -> Result<(), StoreFault> {
        let issued = prekey.public().issued.get().to_be_bytes();
        self.0.db().write(|tx| {
            tx.put(PREKEYS, &issued, &rows::prekey_to_row(prekey))?;
            tx.put(CARD, SELF, &card.to_row())?;
            Ok(())
        })
    }

    /// Stores the stamp that this account's writer shows at a locator.
    pub(super) fn put_stamp(&self, locator: &Address, stamp: &Stamp) -> Result<(), StoreFault> {
        let mut row = stamp.nonce.to_vec();
        row.extend_from_slice(&stamp.solution);
        self.0.db().write(|tx| {
            tx.put(STAMPS, locator.as_bytes(), &row)?;
            Ok(())
        })
    }

    /// Stores a contact.
    pub(super) fn put_contact(&self, contact: &Contact) -> Result<(), StoreFault> {
        let row = contact.to_row();
        let key = contact.account;
        self.0.db().write(|tx| {
            tx.put(CONTACTS, key.as_bytes(), &row)?;
            Ok(())
        })
    }

    /// Drops contacts.
    pub(super) fn drop_contacts(&self, accounts: &[PublicKey]) -> Result<(), StoreFault> {
        self.0.db().write(|tx| {
            for account in accounts {
                tx.remove(CONTACTS, account.as_bytes())?;
            }
            Ok(())
        })
    }

    /// Stores what leaves together, before anything of it is sent.
    pub(super) fn put_outgoing(&self, letters: &Letters) -> Result<(), StoreFault> {
        self.0.db().write(|tx| {
            for outgoing in &letters.sealed {
                tx.put(
                    OUTBOX,
                    outgoing.envelope.id().as_bytes(),
                    &outgoing.to_row(),
                )?;
            }
            if let Some((message, sent)) = &letters.sent {
                tx.put(SENT, message.as_bytes(), &sent.to_row())?;
            }
            if let Some(contact) = &letters.contact {
                tx.put(CONTACTS, contact.account.as_bytes(), &contact.to_row())?;
            }
            for word in &letters.words {
                tx.remove(WORDS, &named_key(word))?;
            }
            Ok(())
        })
    }

    /// Stores the receipts of an envelope, if it is still under way.
    pub(super) fn put_receipts(&self, outgoing: &OutgoingEnvelope) -> Result<(), StoreFault> {
        let id = outgoing.envelope.id();
        self.0.db().write(|tx| {
            if tx.get(OUTBOX, id.as_bytes())?.is_some() {
                tx.put(OUTBOX, id.as_bytes(), &outgoing.to_row())?;
            }
            Ok(())
        })
    }

    /// Drops an envelope from the outbox and notes what became of its message.
    pub(super) fn end_outgoing(
        &self,
        envelope: &ItemId,
        message: &MessageId,
        sent: Option<&Sent>,
    ) -> Result<(), StoreFault> {
        self.0.db().write(|tx| {
            tx.remove(OUTBOX, envelope.as_bytes())?;
            if let Some(sent) = sent {
                tx.put(SENT, message.as_bytes(), &sent.to_row())?;
            }
            Ok(())
        })
    }

    /// Commits a batch of received envelopes as a whole: messages, what is remembered of them, and the words due.
    pub(super) fn commit_received(
        &self,
        batch: &[Received],
    ) -> Result<Vec<(u64, Header)>, StoreFault> {
        let messages = batch
            .iter()
            .filter(|r| matches!(r.effect, Effect::Message { .. }));
        let count = messages.count();
        let mut headers = Vec::new();
        self.0
            .write_with_keys(count, &mut rand::rng(), |tx, keys| {
                let mut keys = keys.iter();
                for received in batch {
                    let until = received.expires.get().to_be_bytes();
                    let mut place = received.mailbox.as_bytes().to_vec();
                    place.extend_from_slice(received.envelope.as_bytes());
                    tx.put(TAKEN, &place, &until)?;
                    if let Some(contact) = &received.contact {
                        tx.put(CONTACTS, contact.account.as_bytes(), &contact.to_row())?;
                    }
                    if let Effect::Word { ended, sent } = &received.effect {
                        put_word(tx, ended, sent)?;
                    }
                    let Effect::Message {
                        arrival,
                        header,
                        body,
                        word,
                    } = &received.effect
                    else {
                        continue;
                    };
                    let Some(key) = keys.next() else { continue };
                    let named = named_key(&(header.sender, header.message));
                    tx.put(SEEN, &named, &until)?;
                    if *word {
                        tx.put(WORDS, &named, &[])?;
                    }
                    let header = header.finish(key.slot());
                    self.put_message(tx, *arrival, &header, key, body)?;
                    headers.push((*arrival, header));
                }
                Ok::<_, StoreFault>(())
            })?;
        Ok(headers)
    }

    fn put_message(
        &self,
        tx: &mut WriteTx<'_>,
        arrival: u64,
        header: &Header,
        key: &MessageKey,
        body: &[u8],
    ) -> Result<(), StoreFault> {
        let place = arrival.to_be_bytes();
        let sealed = self
            .0
            .keys()
            .seal_body(key, &place, body, &mut rand::rng())?;
        tx.put(INBOX, &place, &header.to_row())?;
        tx.put(BODIES, &place, &sealed)?;
        Ok(())
    }

    /// Returns the body of a message, or nothing if it was burnt.
    pub(super) fn body(&self, arrival: u64, slot: SlotId) -> Result<Option<Vec<u8>>, StoreFault> {
        let place = arrival.to_be_bytes();
        let sealed = self.0.db().read(|tx| tx.get(BODIES, &place))?;
        let Some(sealed) = sealed else {
            return Ok(None);
        };
        match self.0.keys().open_body(slot, &place, &sealed) {
            Ok(body) => Ok(Some(body.to_vec())),
            Err(BodyError::Burnt) => Ok(None),
            Err(fault) => Err(fault.into()),
        }
    }

    /// Stores headers that have changed.
    pub(super) fn put_headers(&self, headers: &[(u64, Header)]) -> Result<(), StoreFault> {
        self.0.db().write(|tx| {
            for (arrival, header) in headers {
                tx.put(INBOX, &arrival.to_be_bytes(), &header.to_row())?;
            }
            Ok(())
        })
    }

    /// Notes words that are due to somebody who has just become a contact.
    pub(super) fn put_words(&self, words: &[(PublicKey, MessageId)]) -> Result<(), StoreFault> {
        self.0.db().write(|tx| {
            for word in words {
                tx.put(WORDS, &named_key(word), &[])?;
            }
            Ok(())
        })
    }
}

/// Makes an account in an empty vault; slow on purpose.
pub(crate) fn create_account(
    vault: &Vault,
    handle: Handle,
    now: UnixMillis,
    cost: IdCost,
) -> Result<Account, StoreFault> {
    let mut rng = rand::rng();
    let identity = Identity {
        account: SecretKey::generate(&mut rng),
        device: SecretKey::generate(&mut rng),
        handle,
    };
    let id = identity.person_id(cost);
    let node = SecretKey::generate(&mut rng);
    let account = Account {
        identity,
        node,
        id,
        created: now,
    };
    vault
        .db()
        .write(|tx| tx.put(ACCOUNT, SELF, &account.to_row()))?;
    Ok(account)
}

/// Reads the account of a vault.
pub(crate) fn read_account(vault: &Vault) -> Result<Account, StoreFault> {
    let row = vault.db().read(|tx| tx.get(ACCOUNT, SELF))?;
    Ok(Account::from_row(&row.ok_or(StoreFault::NoAccount)?)?)
}

fn put_word(
    tx: &mut WriteTx<'_>,
    ended: &[ItemId],
    sent: &[(MessageId, Sent)],
) -> Result<(), DbError> {
    for id in ended {
        tx.remove(OUTBOX, id.as_bytes())?;
    }
    for (message, sent) in sent {
        tx.put(SENT, message.as_bytes(), &sent.to_row())?;
    }
    Ok(())
}

fn collect<T, C: FromIterator<T>>(
    rows: Vec<crate::vault::Row>,
    read: impl Fn(&[u8], &[u8]) -> Result<T, BadRow>,
) -> Result<C, StoreFault> {
    let read = rows.iter().map(|row| read(&row.key, &row.value));
    Ok(read.collect::<Result<C, BadRow>>()?)
}

fn stamp_of(key: &[u8], row: &[u8]) -> Result<LocatorStamp, BadRow> {
    let bad = BadRow("stamps");
    let (nonce, solution) = row.split_first_chunk::<32>().ok_or(bad)?;
    let locator = Address::try_from(key).map_err(|_| bad)?;
    let solution = Bytes::copy_from_slice(solution);
    Ok((
        locator,
        Stamp {
            nonce: *nonce,
            solution,
        },
    ))
}

fn message_of(key: &[u8]) -> Result<MessageId, BadRow> {
    <[u8; 16]>::try_from(key)
        .map(MessageId::new)
        .map_err(|_| BadRow("sent"))
}

fn taken_of(key: &[u8]) -> Result<(Address, ItemId), BadRow> {
    let bad = BadRow("taken");
    let (mailbox, envelope) = key.split_first_chunk::<32>().ok_or(bad)?;
    let envelope = ItemId::try_from(envelope).map_err(|_| bad)?;
    Ok((Address::new(*mailbox), envelope))
}

fn arrival_of(key: &[u8]) -> Result<u64, BadRow> {
    <[u8; 8]>::try_from(key)
        .map(u64::from_be_bytes)
        .map_err(|_| BadRow("inbox"))
}

/// Returns the key of a row about one sender's message.
fn named_key((sender, message): &(PublicKey, MessageId)) -> Vec<u8> {
    let mut key = sender.as_bytes().to_vec();
    key.extend_from_slice(message.as_bytes());
    key
}

fn named_of(key: &[u8]) -> Result<(PublicKey, MessageId), BadRow> {
    let bad = BadRow("seen");
    let (sender, message) = key.split_first_chunk::<32>().ok_or(bad)?;
    let message = <[u8; 16]>::try_from(message).map_err(|_| bad)?;
    Ok((PublicKey::new(*sender), MessageId::new(message)))
}

//! The account's tables in the vault. Everything here blocks; it runs in a worker.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use restante_client::CommitError;
use restante_client::READ_BYTES_MAX;
use restante_client::model::{Account, Header, Slot};
use restante_client::records::{Change, Loaded};
use restante_conversation::rows::Change as RowChange;
use restante_interface::{BackupInfo, StoreTrouble};
use restante_proto::person::{Handle, IdCost};
use restante_proto::phrase::RecoveryPhrase;
use restante_proto::time::UnixMillis;
use tracing::error;

use super::backup::{self, BackupError, Target};
use super::disk::AccountDisk;
use super::reopening::Reopening;
use super::rows::{self, RowError, SELF, moment_of};
use crate::clock;
use crate::disk_space;
use crate::vault::{
    BodyError, DbError, DiskError, KeyError, MessageKey, SlotId, Table, Vault, VaultError, WriteTx,
};

mod keyed;
mod names;
mod snapshot;

pub(super) use self::names::{
    arrival_of, message_of, named_key, named_of, stamp_of, stamp_row, taken_key, taken_of,
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
const DUE: Table = Table::new("due");
const MEMBERSHIPS: Table = Table::new("memberships");
const CONVERSATIONS: Table = Table::new("conversations");
const EPOCHS: Table = Table::new("epochs");
const PACKAGES: Table = Table::new("packages");

/// What must be free on the disk beside what a commit adds, in bytes: it rewrites what leads to its rows. A commit that
/// runs into a full disk closes the vault, and it is unknown what has become of it; one that is not begun does neither.
const ROOM_BYTES_MIN: u64 = 512 * 1024;
/// A row takes up to so many times its bytes, because pages are given out in powers of two.
const ROW_FACTOR: u64 = 2;
/// Approximate overhead of a row, in bytes.
const ROW_BYTES: u64 = 1024;

/// Why something could not be stored or read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum AccountStoreError {
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
    Row(#[from] RowError),
    /// The home has no account in it.
    #[error("the home holds no account")]
    NoAccount,
    /// A body could not be sealed or opened.
    #[error(transparent)]
    Body(#[from] BodyError),
}

/// The tables in a vault, which is opened again after a failure.
#[derive(Debug)]
pub struct VaultDisk {
    vault: Reopening,
    /// The folder that the vault is in, if it is in one.
    home: Option<PathBuf>,
}

impl VaultDisk {
    /// Makes the disk of the account in the vault of a home.
    pub fn in_home(vault: Vault, home: &Path) -> Self {
        let (key, folder) = (vault.store_key(), home.to_owned());
        let open = move || Vault::open_unlocked(&folder, &key, &mut rand::rng());
        Self {
            home: Some(home.to_owned()),
            ..Self::opened_by(vault, open)
        }
    }

    /// Makes the disk of the account in a vault that is somewhere else, and the way to open it again.
    pub fn opened_by(
        vault: Vault,
        open: impl Fn() -> Result<Vault, VaultError> + Send + Sync + 'static,
    ) -> Self {
        Self {
            vault: Reopening::new(vault, Box::new(open)),
            home: None,
        }
    }

    /// Reads everything, and burns message keys that no row names. What has expired is destroyed once the date is
    /// confirmed, by the core.
    pub(super) fn load(&self) -> Result<Loaded, AccountStoreError> {
        let mut loaded = self.vault.with(read_all)?;
        self.tidy(&mut loaded)?;
        Ok(loaded)
    }

    /// Brings key file and rows together after a crash.
    fn tidy(&self, loaded: &mut Loaded) -> Result<(), AccountStoreError> {
        let slots = loaded.inbox.values().map(|header| slot_id(header.slot));
        let mut live: BTreeSet<SlotId> = slots.collect();
        live.extend(self.vault.with(|vault| Ok(keyed::slots(vault)?))?);
        let reconciled = self
            .vault
            .with(|vault| Ok(vault.keys().reconcile(&live)?))?;
        let absent: BTreeSet<SlotId> = reconciled.absent.into_iter().collect();
        let is_gone = |header: &Header| absent.contains(&slot_id(header.slot));
        let gone = loaded.inbox.iter().filter(|(_, header)| is_gone(header));
        let gone: Vec<(u64, Slot)> = gone.map(|(place, header)| (*place, header.slot)).collect();
        if gone.is_empty() {
            return Ok(());
        }
        let mut changes = Vec::new();
        let now = clock::now();
        for (arrival, slot) in gone {
            // What was due was perhaps being destroyed when the node ended; other keys are gone by damage.
            let header = loaded.inbox.remove(&arrival);
            let is_lost = header.is_some_and(|header| header.destroy_at() > now);
            loaded.lost += u32::from(is_lost);
            changes.push(Change::Destroy(arrival, slot));
        }
        if loaded.lost > 0 {
            let count = loaded.lost;
            error!(
                count,
                "the keys of messages are gone, by damage of `message-keys` or an older copy of it"
            );
        }
        let tidied = self.vault.with(|vault| {
            burn(vault, &changes)?;
            self.check_room(&changes)?;
            write(vault, &changes).map(drop)
        });
        match tidied {
            // Rows stay whose keys are gone, until the next start: what is here can be read all the same.
            Err(error) if error.trouble() == Some(StoreTrouble::DiskFull) => Ok(()),
            done => done,
        }
    }

    /// Makes changes durable, all or nothing, and returns the slots of new messages, in order.
    pub(super) fn commit(&self, changes: &[Change]) -> Result<Vec<Slot>, CommitError> {
        let mut in_doubt = false;
        let done = self.vault.with(|vault| {
            burn(vault, changes)?;
            self.check_room(changes)?;
            let done = write(vault, changes);
            in_doubt = done.is_err() && vault.db().needs_reopen();
            done
        });
        done.map_err(|error| CommitError {
            why: error.to_string(),
            trouble: error.trouble(),
            in_doubt,
        })
    }

    /// Refuses what would fill the disk before it does.
    fn check_room(&self, changes: &[Change]) -> Result<(), DbError> {
        let free = self.home.as_deref().and_then(disk_space::free_in);
        let added: u64 = changes.iter().map(added_bytes).sum();
        if free.is_some_and(|free| free < ROOM_BYTES_MIN + added) {
            return Err(DiskError::Full.into());
        }
        Ok(())
    }

    /// Reads bodies, in order, until [`READ_BYTES_MAX`] are read; those that were burned as none.
    pub(super) fn bodies(
        &self,
        places: &[(u64, Slot)],
    ) -> Result<Vec<Option<Vec<u8>>>, AccountStoreError> {
        let (mut bodies, mut bytes) = (Vec::new(), 0);
        for (place, slot) in places {
            let body = self.body(*place, *slot)?;
            bytes += body.as_ref().map_or(0, Vec::len);
            if bytes > READ_BYTES_MAX && !bodies.is_empty() {
                break;
            }
            bodies.push(body);
        }
        Ok(bodies)
    }

    /// Returns the body of a message; none if it was burned.
    pub(super) fn body(
        &self,
        arrival: u64,
        slot: Slot,
    ) -> Result<Option<Vec<u8>>, AccountStoreError> {
        let place = arrival.to_be_bytes();
        self.vault.with(|vault| {
            let sealed = vault.db().read(|tx| tx.get(BODIES, &place))?;
            let Some(sealed) = sealed else {
                return Ok(None);
            };
            match vault.keys().open_body(slot_id(slot), &place, &sealed) {
                Ok(body) => Ok(Some(body.to_vec())),
                Err(BodyError::Burnt) => Ok(None),
                Err(error) => Err(error.into()),
            }
        })
    }
}

impl AccountDisk for VaultDisk {
    fn load(&self) -> Result<Loaded, AccountStoreError> {
        Self::load(self)
    }

    fn commit(&self, changes: &[Change]) -> Result<Vec<Slot>, CommitError> {
        Self::commit(self, changes)
    }

    fn bodies(&self, places: &[(u64, Slot)]) -> Result<Vec<Option<Vec<u8>>>, AccountStoreError> {
        Self::bodies(self, places)
    }

    fn back_up(&self, target: &Target, date: UnixMillis) -> Result<BackupInfo, BackupError> {
        backup::write(self, target, date)
    }

    fn newest_backup(&self, folder: &Path) -> Result<Option<UnixMillis>, BackupError> {
        self.newest_backup_in(folder)
    }
}

/// Reads all rows but bodies.
fn read_all(vault: &Vault) -> Result<Loaded, AccountStoreError> {
    let mut loaded = read_plain(vault)?;
    let read = keyed::read(vault, PREKEYS, "prekeys")?;
    let prekeys = read.iter().map(|(_, row)| rows::prekey_from_row(row));
    loaded.prekeys = prekeys.collect::<Result<_, _>>()?;
    let read = keyed::read(vault, PACKAGES, "packages")?;
    let packages = read.iter();
    let packages = packages.map(|(key, row)| rows::package_from_row(key, row));
    loaded.packages = packages.collect::<Result<_, _>>()?;
    for (key, row) in keyed::read(vault, EPOCHS, "epochs")? {
        let (id, name) = rows::row_of(&key)?;
        let of = loaded.conversations.entry(id).or_default();
        of.insert(name, row);
    }
    Ok(loaded)
}

/// Reads the rows that have no keys of their own.
fn read_plain(vault: &Vault) -> Result<Loaded, AccountStoreError> {
    vault.db().read(|tx| {
        let account = tx.get(ACCOUNT, SELF)?.ok_or(AccountStoreError::NoAccount)?;
        let card = tx.get(CARD, SELF)?;
        let rows = |table| tx.iter(table).map_err(AccountStoreError::from);
        Ok::<_, AccountStoreError>(Loaded {
            account: rows::account_from_row(&account)?,
            prekeys: Vec::new(),
            card: card.map(|row| rows::card_from_row(&row)).transpose()?,
            stamps: collect(rows(STAMPS)?, stamp_of)?,
            contacts: collect(rows(CONTACTS)?, |_, row| {
                let contact = rows::contact_from_row(row)?;
                Ok((contact.account, contact))
            })?,
            outgoing: collect(rows(OUTBOX)?, |_, row| {
                let outgoing = rows::outgoing_from_row(row)?;
                Ok((outgoing.envelope.id(), outgoing))
            })?,
            sent: collect(rows(SENT)?, |key, row| {
                Ok((message_of(key)?, rows::sent_from_row(row)?))
            })?,
            inbox: collect(rows(INBOX)?, |key, row| {
                Ok((arrival_of(key)?, rows::header_from_row(row)?))
            })?,
            taken: collect(rows(TAKEN)?, |key, row| {
                Ok((taken_of(key)?, moment_of(row, "taken")?))
            })?,
            seen: collect(rows(SEEN)?, |key, row| {
                Ok((named_of(key)?, moment_of(row, "seen")?))
            })?,
            due: collect(rows(DUE)?, |key, _| named_of(key))?,
            memberships: collect(rows(MEMBERSHIPS)?, |key, row| {
                Ok((rows::conversation_of(key)?, rows::membership_from_row(row)?))
            })?,
            conversations: rows::conversations_of(rows(CONVERSATIONS)?)?,
            packages: Vec::new(),
            lost: 0,
        })
    })
}

/// Returns the slots that rows name.
pub(super) fn slots_of_rows(vault: &Vault) -> Result<BTreeSet<SlotId>, AccountStoreError> {
    let rows = vault.db().read(|tx| tx.iter(INBOX))?;
    let slots = rows.iter().map(|row| rows::header_from_row(&row.value));
    let slots = slots.map(|header| Ok(slot_id(header?.slot)));
    let mut slots = slots.collect::<Result<BTreeSet<SlotId>, AccountStoreError>>()?;
    slots.extend(keyed::slots(vault)?);
    Ok(slots)
}

/// Writes changes, all or nothing, and returns the slots of new messages, in order.
///
/// Keys of destroyed messages are burned first: were a row to go without its key, the key could be read for ever.
fn write(vault: &Vault, changes: &[Change]) -> Result<Vec<Slot>, AccountStoreError> {
    let is_message = |change: &&Change| matches!(change, Change::PutMessage { .. });
    let messages = changes.iter().filter(is_message).count();
    let forgotten = forgotten(vault, changes)?;
    let keyed = keyed::of_changes(changes);
    let wanted = messages + keyed::keys_wanted(&keyed);
    let (slots, before) = vault.write_with_keys(wanted, &mut rand::rng(), |tx, keys| {
        for (table, key) in &forgotten {
            tx.remove(*table, key)?;
        }
        let (keys, of_rows) = keys.split_at(messages);
        apply_all(vault, tx, changes, keys)?;
        let before = keyed::write(vault, tx, &keyed, of_rows)?;
        let slots = keys.iter().map(slot_of).collect();
        Ok::<_, AccountStoreError>((slots, before))
    })?;
    keyed::burn(vault, &before);
    Ok(slots)
}

/// Destroys the keys of messages that are to be destroyed; works on a full disk too.
fn burn(vault: &Vault, changes: &[Change]) -> Result<(), AccountStoreError> {
    let mut burned = Vec::new();
    for change in changes {
        match change {
            Change::Destroy(_, slot) => burned.push(slot_id(*slot)),
            Change::Discard(arrival) => burned.extend(slot_at(vault, *arrival)?),
            _ => {}
        }
    }
    if !burned.is_empty() {
        vault.keys().burn(&burned)?;
    }
    Ok(())
}

/// Returns the slot of the message at a place, if there is one whose header can be read.
fn slot_at(vault: &Vault, arrival: u64) -> Result<Option<SlotId>, DbError> {
    match vault.db().read(|tx| tx.get(INBOX, &arrival.to_be_bytes())) {
        Ok(row) => {
            let header = row.and_then(|row| rows::header_from_row(&row).ok());
            Ok(header.map(|header| slot_id(header.slot)))
        }
        // Without a row that names it, its key is burned when the vault is opened next.
        Err(DbError::DamagedRow { .. }) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Returns what a change adds to the disk, about, in bytes.
fn added_bytes(change: &Change) -> u64 {
    let about = match change {
        Change::PutMessage { body, .. } => body.len(),
        Change::PutOutgoing(outgoing) => outgoing.envelope.bytes.len(),
        Change::Conversation(_, RowChange::Put(_, bytes)) => bytes.len(),
        _ => 0,
    };
    ROW_FACTOR * (about as u64 + ROW_BYTES)
}

/// Applies the changes, giving each new message one of the keys.
fn apply_all(
    vault: &Vault,
    tx: &mut WriteTx<'_>,
    changes: &[Change],
    keys: &[MessageKey],
) -> Result<(), AccountStoreError> {
    let mut keys = keys.iter();
    for change in changes {
        match change {
            Change::PutMessage {
                arrival,
                header,
                body,
            } => {
                let Some(key) = keys.next() else { continue };
                let header = (**header).clone().finish(slot_of(key));
                put_message(vault, tx, *arrival, &header, key, body)?;
            }
            change => apply(tx, change)?,
        }
    }
    Ok(())
}

/// Returns the rows that are to be forgotten.
fn forgotten(
    vault: &Vault,
    changes: &[Change],
) -> Result<Vec<(Table, Vec<u8>)>, AccountStoreError> {
    let dates = changes.iter().filter_map(|change| match change {
        Change::Forget(date) => Some(*date),
        _ => None,
    });
    let Some(date) = dates.max() else {
        return Ok(Vec::new());
    };
    let is_over = |value: &[u8], table| moment_of(value, table).is_ok_and(|until| until <= date);
    let rows = vault.db().read(|tx| {
        let mut over = Vec::new();
        for (table, name) in [(TAKEN, "taken"), (SEEN, "seen")] {
            let rows = tx.iter(table)?.into_iter();
            let rows = rows.filter(|row| is_over(&row.value, name));
            over.extend(rows.map(|row| (table, row.key)));
        }
        Ok::<_, DbError>(over)
    })?;
    Ok(rows)
}

fn put_message(
    vault: &Vault,
    tx: &mut WriteTx<'_>,
    arrival: u64,
    header: &Header,
    key: &MessageKey,
    body: &[u8],
) -> Result<(), AccountStoreError> {
    let place = arrival.to_be_bytes();
    let sealed = vault
        .keys()
        .seal_body(key, &place, body, &mut rand::rng())?;
    tx.put(INBOX, &place, &rows::header_to_row(header))?;
    tx.put(BODIES, &place, &sealed)?;
    Ok(())
}

/// Writes one change that needs no key.
fn apply(tx: &mut WriteTx<'_>, change: &Change) -> Result<(), DbError> {
    match change {
        Change::PutContact(contact) => {
            let row = rows::contact_to_row(contact);
            tx.put(CONTACTS, contact.account.as_bytes(), &row)?;
        }
        Change::DropContact(account) => drop(tx.remove(CONTACTS, account.as_bytes())?),
        Change::PutOutgoing(outgoing) => {
            let id = outgoing.envelope.id();
            tx.put(OUTBOX, id.as_bytes(), &rows::outgoing_to_row(outgoing))?;
        }
        Change::DropOutgoing(id) => drop(tx.remove(OUTBOX, id.as_bytes())?),
        Change::PutSent(message, sent) => {
            tx.put(SENT, message.as_bytes(), &rows::sent_to_row(sent))?;
        }
        Change::DropSent(message) => drop(tx.remove(SENT, message.as_bytes())?),
        Change::PutHeader(arrival, header) => {
            tx.put(INBOX, &arrival.to_be_bytes(), &rows::header_to_row(header))?;
        }
        Change::Destroy(arrival, _) | Change::Discard(arrival) => {
            tx.remove(INBOX, &arrival.to_be_bytes())?;
            tx.remove(BODIES, &arrival.to_be_bytes())?;
        }
        Change::PutTaken(mailbox, envelope, until) => {
            let place = taken_key(mailbox, envelope);
            tx.put(TAKEN, &place, &until.get().to_be_bytes())?;
        }
        Change::DropTaken(mailbox, envelope) => {
            tx.remove(TAKEN, &taken_key(mailbox, envelope))?;
        }
        Change::PutSeen(named, until) => {
            tx.put(SEEN, &named_key(named), &until.get().to_be_bytes())?;
        }
        Change::DropSeen(named) => drop(tx.remove(SEEN, &named_key(named))?),
        Change::PutDue(named) => tx.put(DUE, &named_key(named), &[])?,
        Change::DropDue(named) => drop(tx.remove(DUE, &named_key(named))?),
        Change::PutAccount(account) => tx.put(ACCOUNT, SELF, &rows::account_to_row(account))?,
        Change::PutCard(card) => tx.put(CARD, SELF, &rows::card_to_row(card))?,
        Change::DropCard => drop(tx.remove(CARD, SELF)?),
        Change::PutMembership(id, membership) => {
            let row = rows::membership_to_row(membership);
            tx.put(MEMBERSHIPS, id.as_bytes(), &row)?;
        }
        Change::DropMembership(id) => drop(tx.remove(MEMBERSHIPS, id.as_bytes())?),
        Change::Conversation(id, RowChange::Put(row, bytes)) if !keyed::is_keyed(row) => {
            tx.put(CONVERSATIONS, &rows::row_key(id, row), bytes)?;
        }
        Change::Conversation(id, RowChange::Drop(row)) if !keyed::is_keyed(row) => {
            tx.remove(CONVERSATIONS, &rows::row_key(id, row))?;
        }
        Change::PutStamp(locator, stamp) => {
            tx.put(STAMPS, locator.as_bytes(), &stamp_row(stamp))?;
        }
        Change::DropStamp(locator) => drop(tx.remove(STAMPS, locator.as_bytes())?),
        // Their keys and rows are found by the caller.
        Change::PutMessage { .. }
        | Change::Forget(_)
        | Change::Conversation(..)
        | Change::PutPackage(_)
        | Change::DropPackage(_)
        | Change::PutPrekey(_)
        | Change::DropPrekey(_) => {}
    }
    Ok(())
}

fn slot_of(key: &MessageKey) -> Slot {
    Slot(key.slot().to_bytes())
}

fn slot_id(slot: Slot) -> SlotId {
    SlotId::from_bytes(slot.0)
}

/// Makes an account in an empty vault; slow on purpose.
pub(crate) fn create_account(
    vault: &Vault,
    phrase: &RecoveryPhrase,
    handle: Handle,
    date: UnixMillis,
    cost: IdCost,
) -> Result<Account, AccountStoreError> {
    let account = Account::generate(phrase, handle, date, cost, &mut rand::rng());
    vault
        .db()
        .write(|tx| tx.put(ACCOUNT, SELF, &rows::account_to_row(&account)))?;
    Ok(account)
}

fn collect<T, C: FromIterator<T>>(
    rows: Vec<crate::vault::Row>,
    read: impl Fn(&[u8], &[u8]) -> Result<T, RowError>,
) -> Result<C, AccountStoreError> {
    let read = rows.iter().map(|row| read(&row.key, &row.value));
    Ok(read.collect::<Result<C, RowError>>()?)
}

//! The account's tables in the vault. Everything here blocks; it runs in a worker.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use restante_client::CommitError;
use restante_client::READ_BYTES_MAX;
use restante_client::model::{Account, Slot, Words};
use restante_client::records::{Change, Loaded};
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
    BodyError, DbError, DiskError, KeyError, MessageKey, SlotId, Table, Vault, VaultError,
};

mod keyed;
mod writing;

use self::writing::{added_bytes, burn, write};
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
const READ_DUE: Table = Table::new("read-due");
const REACTIONS: Table = Table::new("reactions");
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
        let slots = loaded.inbox.values().filter_map(|header| header.slot);
        let mut live: BTreeSet<SlotId> = slots.map(slot_id).collect();
        let words = loaded.sent.values().filter_map(|sent| sent.words.slot());
        live.extend(words.map(slot_id));
        live.extend(self.vault.with(|vault| Ok(keyed::slots(vault)?))?);
        let reconciled = self
            .vault
            .with(|vault| Ok(vault.keys().reconcile(&live)?))?;
        let absent: BTreeSet<SlotId> = reconciled.absent.into_iter().collect();
        let slots = loaded.inbox.iter();
        let slots = slots.filter_map(|(place, header)| Some((*place, header.slot?)));
        let gone = slots.filter(|(_, slot)| absent.contains(&slot_id(*slot)));
        let gone: Vec<(u64, Slot)> = gone.collect();
        let mut changes = Vec::new();
        for (message, sent) in &mut loaded.sent {
            let slot = sent.words.slot();
            if slot.is_some_and(|slot| absent.contains(&slot_id(slot))) {
                sent.words = Words::Gone;
                changes.push(Change::PutSent(*message, sent.clone()));
            }
        }
        if gone.is_empty() && changes.is_empty() {
            return Ok(());
        }
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
            read_due: collect(rows(READ_DUE)?, |key, _| named_of(key))?,
            reactions: collect(rows(REACTIONS)?, |key, row| {
                Ok((rows::reaction_of(key)?, rows::reaction_from_row(row)?))
            })?,
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
    let mut slots = BTreeSet::new();
    for row in rows {
        let slot = rows::header_from_row(&row.value)?.slot;
        slots.extend(slot.map(slot_id));
    }
    for row in vault.db().read(|tx| tx.iter(SENT))? {
        let words = rows::sent_from_row(&row.value)?.words.slot();
        slots.extend(words.map(slot_id));
    }
    slots.extend(keyed::slots(vault)?);
    Ok(slots)
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

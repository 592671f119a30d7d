//! Bugs planted around the shipped code: each is what a store, a disk or a node with that bug would say and do.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use redb::StorageBackend;
use restante::account::{AccountDisk, AccountStoreError};
use restante::keeper::store::{KeeperStore, StoreCounters};
use restante_client::CommitError;
use restante_client::model::Slot;
use restante_client::records::{Change as Record, Loaded};
use restante_interface::SendResult;
use restante_proto::envelope::id_of;
use restante_proto::keeper::{Expired, StoreError, StoreLayer, StoreOp, StoreOutcome, Usage};
use restante_proto::limits::HOUR_MS;
use restante_proto::request::{Listed, Waiting};
use restante_proto::time::UnixMillis;
use restante_proto::{Address, ItemId};

use crate::planted::Planted;

/// Syncs of which one is made.
const SLACK: u32 = 16;

/// A store that says of an envelope that it is durable, and then takes it: `receipt-before-commit`.
pub(super) struct HastyStore<S> {
    store: S,
    late: Vec<StoreOp>,
}

/// A store that forgets acks, serves for too long, or has a repair that brings back what was acked: `ack-forgotten`,
/// `late-expiry`, `resurrection`.
pub(super) struct FaultyStore<S> {
    store: S,
    acked: BTreeMap<(Address, ItemId), Option<Waiting>>,
    /// What the repair has brought back.
    risen: BTreeMap<(Address, ItemId), Waiting>,
}

/// An account's disk that forgets what was taken: `no-dedup`.
pub(super) struct ForgetfulDisk(pub(super) Arc<dyn AccountDisk>);

/// A file that says of most syncs that they are done, and does them later: `receipt-before-fsync`.
#[derive(Debug)]
pub(super) struct SlackFile<B> {
    file: B,
    slack: Mutex<Slack>,
}

#[derive(Debug, Default)]
struct Slack {
    /// What the file should have; nothing without the bug.
    image: Vec<u8>,
    late: Vec<Change>,
    syncs: u32,
}

#[derive(Debug)]
enum Change {
    Length(u64),
    Write(u64, Vec<u8>),
}

/// Says how a message stands as a sender would that counts each receipt for two: `receipts-twice`.
pub(super) fn recount(result: &mut SendResult) {
    result.stored_with <<= u32::from(Planted::ReceiptsTwice.is_here());
}

impl AccountDisk for ForgetfulDisk {
    fn load(&self) -> Result<Loaded, AccountStoreError> {
        self.0.load()
    }

    fn commit(&self, changes: &[Record]) -> Result<Vec<Slot>, CommitError> {
        let is_kept = |change: &&Record| {
            let is_memory = matches!(change, Record::PutTaken(..) | Record::PutSeen(..));
            !(is_memory && Planted::NoDedup.is_here())
        };
        let kept: Vec<Record> = changes.iter().filter(is_kept).cloned().collect();
        self.0.commit(&kept)
    }

    fn bodies(&self, places: &[(u64, Slot)]) -> Result<Vec<Option<Vec<u8>>>, AccountStoreError> {
        self.0.bodies(places)
    }
}

impl<S> HastyStore<S> {
    pub(super) const fn new(store: S) -> Self {
        let late = Vec::new();
        Self { store, late }
    }
}

impl<S: KeeperStore> StoreLayer for HastyStore<S> {
    type Inner = S;

    fn inner(&self) -> &S {
        &self.store
    }

    fn inner_mut(&mut self) -> &mut S {
        &mut self.store
    }

    fn apply(
        &mut self,
        now: UnixMillis,
        ops: Vec<StoreOp>,
    ) -> Result<Vec<StoreOutcome>, StoreError> {
        if !Planted::ReceiptBeforeCommit.is_here() {
            return self.store.apply(now, ops);
        }
        let late = std::mem::take(&mut self.late);
        if !late.is_empty() {
            self.store.apply(now, late)?;
        }
        let early = ops
            .iter()
            .all(|op| matches!(op, StoreOp::PutEnvelope { .. }));
        if !early {
            return self.store.apply(now, ops);
        }
        let outcomes = ops.iter().filter_map(|op| match op {
            StoreOp::PutEnvelope { expires, .. } => Some(StoreOutcome::Held {
                until: *expires,
                new: true,
            }),
            _ => None,
        });
        let outcomes = outcomes.collect();
        self.late = ops;
        Ok(outcomes)
    }
}

impl<S: KeeperStore> KeeperStore for HastyStore<S> {
    fn reopen(&mut self) -> Result<(), StoreError> {
        self.store.reopen()
    }

    fn counters(&self) -> StoreCounters {
        self.store.counters()
    }
}

impl<S: KeeperStore> FaultyStore<S> {
    pub(super) const fn new(store: S) -> Self {
        Self {
            store,
            acked: BTreeMap::new(),
            risen: BTreeMap::new(),
        }
    }

    /// Notes what is acked, with its bytes where they may rise.
    fn note_ack(&mut self, date: UnixMillis, op: &StoreOp) -> Result<(), StoreError> {
        let StoreOp::Ack {
            address, entries, ..
        } = op
        else {
            return Ok(());
        };
        let ids: Vec<ItemId> = entries.iter().map(|entry| entry.id).collect();
        let keys = ids.iter().map(|id| ((*address, *id), None));
        self.acked.extend(keys);
        if !Planted::Resurrection.is_here() {
            return Ok(());
        }
        let address = *address;
        let get = StoreOp::Get { address, ids };
        for outcome in self.store.apply(date, vec![get])? {
            let StoreOutcome::Envelopes(items) = outcome else {
                continue;
            };
            let items = items.into_iter();
            let items = items.map(|item| ((address, id_of(&item.envelope)), Some(item)));
            self.acked.extend(items);
        }
        Ok(())
    }

    /// Says what a store says that has forgotten all acks.
    fn forget(&self, op: &StoreOp, outcome: StoreOutcome) -> StoreOutcome {
        match (op, outcome) {
            (StoreOp::PutEnvelope { address, id, .. }, StoreOutcome::Held { until, .. })
                if self.acked.contains_key(&(*address, *id)) =>
            {
                StoreOutcome::Held { until, new: true }
            }
            (StoreOp::Offer { address, id }, StoreOutcome::Held { .. })
                if self.acked.contains_key(&(*address, *id)) =>
            {
                StoreOutcome::Unknown
            }
            (_, outcome) => outcome,
        }
    }

    /// Adds what has risen to what is listed and handed over.
    fn raise(&self, now: UnixMillis, op: &StoreOp, outcome: StoreOutcome) -> StoreOutcome {
        let risen = |at: Address| {
            let risen = self
                .risen
                .iter()
                .filter(move |((address, _), _)| *address == at);
            risen.filter(move |(_, item)| item.expires > now)
        };
        match (op, outcome) {
            (StoreOp::List { address, .. }, StoreOutcome::Listing { mut items, more }) => {
                items.extend(risen(*address).map(|((_, id), item)| Listed {
                    id: *id,
                    size_bytes: u32::try_from(item.envelope.len()).unwrap_or(u32::MAX),
                    expires: item.expires,
                }));
                items.sort_by_key(|item| item.id);
                StoreOutcome::Listing { items, more }
            }
            (StoreOp::Get { address, ids }, StoreOutcome::Envelopes(mut items)) => {
                let wanted = risen(*address).filter(|((_, id), _)| ids.contains(id));
                items.extend(wanted.map(|(_, item)| item.clone()));
                StoreOutcome::Envelopes(items)
            }
            (_, outcome) => outcome,
        }
    }
}

impl<S: KeeperStore> StoreLayer for FaultyStore<S> {
    type Inner = S;

    fn inner(&self) -> &S {
        &self.store
    }

    fn inner_mut(&mut self) -> &mut S {
        &mut self.store
    }

    fn apply(
        &mut self,
        now: UnixMillis,
        ops: Vec<StoreOp>,
    ) -> Result<Vec<StoreOutcome>, StoreError> {
        let (forgets, raises) = (
            Planted::AckForgotten.is_here(),
            Planted::Resurrection.is_here(),
        );
        let date = self.date(now);
        if !forgets && !raises {
            return self.store.apply(date, ops);
        }
        for op in &ops {
            self.note_ack(date, op)?;
        }
        let outcomes = self.store.apply(date, ops.clone())?;
        let both = ops.iter().zip(outcomes);
        let told = both.map(|(op, outcome)| match forgets {
            true => self.forget(op, outcome),
            false => self.raise(now, op, outcome),
        });
        Ok(told.collect())
    }

    fn sweep(&mut self, now: UnixMillis, limit: usize) -> Result<Expired, StoreError> {
        if Planted::Resurrection.is_here() {
            let acked = std::mem::take(&mut self.acked).into_iter();
            let found = acked.filter_map(|(key, item)| Some((key, item?)));
            self.risen.extend(found);
        }
        self.store.sweep(self.date(now), limit)
    }

    fn usage(&self) -> Usage {
        let usage = self.store.usage();
        if Planted::AckForgotten.is_here() {
            return Usage {
                tombstones: 0,
                ..usage
            };
        }
        usage
    }

    fn date(&self, now: UnixMillis) -> UnixMillis {
        if Planted::LateExpiry.is_here() {
            now.minus(HOUR_MS)
        } else {
            now
        }
    }
}

impl<S: KeeperStore> KeeperStore for FaultyStore<S> {
    fn reopen(&mut self) -> Result<(), StoreError> {
        self.store.reopen()
    }

    fn counters(&self) -> StoreCounters {
        self.store.counters()
    }
}

impl<B: StorageBackend> SlackFile<B> {
    pub(super) fn new(file: B) -> Self {
        let slack = Mutex::default();
        let slack = Self { file, slack };
        if is_slack() {
            // A file that cannot be read is found out when it is opened.
            let _unread = slack.read_whole();
        }
        slack
    }

    fn read_whole(&self) -> io::Result<()> {
        let length = usize::try_from(self.file.len()?).map_err(io::Error::other)?;
        let mut image = vec![0; length];
        self.file.read(0, &mut image)?;
        self.lock().image = image;
        Ok(())
    }

    fn lock(&self) -> MutexGuard<'_, Slack> {
        // A panic elsewhere ends the run anyway.
        self.slack.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn catch_up(&self) -> io::Result<()> {
        for change in std::mem::take(&mut self.lock().late) {
            match change {
                Change::Length(length) => self.file.set_len(length)?,
                Change::Write(offset, data) => self.file.write(offset, &data)?,
            }
        }
        self.file.sync_data()
    }
}

impl<B: StorageBackend> StorageBackend for SlackFile<B> {
    fn len(&self) -> io::Result<u64> {
        if is_slack() {
            return Ok(self.lock().image.len() as u64);
        }
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if !is_slack() {
            return self.file.read(offset, out);
        }
        let slack = self.lock();
        let at = usize::try_from(offset).map_err(io::Error::other)?;
        let found = slack.image.get(at..at + out.len());
        out.copy_from_slice(found.ok_or(io::ErrorKind::UnexpectedEof)?);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        if !is_slack() {
            return self.file.set_len(len);
        }
        let mut slack = self.lock();
        let length = usize::try_from(len).map_err(io::Error::other)?;
        slack.image.resize(length, 0);
        slack.late.push(Change::Length(len));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        if !is_slack() {
            return self.file.sync_data();
        }
        let is_done = {
            let mut slack = self.lock();
            slack.syncs += 1;
            slack.syncs.is_multiple_of(SLACK)
        };
        if is_done { self.catch_up() } else { Ok(()) }
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        if !is_slack() {
            return self.file.write(offset, data);
        }
        let mut slack = self.lock();
        let at = usize::try_from(offset).map_err(io::Error::other)?;
        if slack.image.len() < at + data.len() {
            slack.image.resize(at + data.len(), 0);
        }
        slack.image[at..at + data.len()].copy_from_slice(data);
        slack.late.push(Change::Write(offset, data.to_vec()));
        Ok(())
    }

    fn close(&self) -> io::Result<()> {
        if is_slack() {
            self.catch_up()?;
        }
        self.file.close()
    }
}

fn is_slack() -> bool {
    Planted::ReceiptBeforeFsync.is_here()
}

//! The worker that owns the store, and group commit: operations that wait together go to the disk together.
//!
//! A commit costs two fsyncs, whatever it holds. So while one runs, whatever arrives waits for the
//! next, and nothing ever waits for company: a lone deposit is committed at once, and under load
//! the batches fill by themselves. Waiting a little for more would add to every answer and gain
//! nothing, since the disk is busy exactly when there is more.

use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};

use restante_proto::keeper::{
    Expired, HoldingKey, HoldingsPage, StoreError, StoreOp, StoreOutcome, Ticket, Usage,
};
use restante_proto::repair::Scan;
use restante_proto::time::UnixMillis;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::store::{KeeperStore, StoreCounters};
use crate::clock::Clock;
use crate::parts::part;
use crate::worker::Worker;

/// Operations in one commit, at most: beyond this an fsync is a small part of it, and every answer
/// waits for the last.
pub(super) const BATCH_OPS_MAX: usize = 64;
/// Items dropped between two commits, about, so that live requests are not held up for long: they go pack by pack,
/// which takes some 20 ms for so many small ones (`cargo bench -p restante --bench expiry`).
const SWEEP_ITEMS_MAX: usize = 10_000;
/// Chores that wait, at most.
const CHORES_MAX: usize = 16;
/// Reports that wait, at most.
const REPORTS_MAX: usize = 4;

/// What is done between commits.
#[derive(Debug)]
pub(super) enum Chore {
    /// Drop a slice of what is due by this date.
    Sweep(UnixMillis),
    /// Open the store again, which has failed.
    Reopen,
    /// Add up what is in some ranges.
    Scan(Ticket, Box<Scan>),
    /// List what is held.
    Holdings {
        after: Option<HoldingKey>,
        limit: usize,
        reply: oneshot::Sender<Result<HoldingsPage, StoreError>>,
    },
}

/// What the disk has done.
#[derive(Debug)]
pub(super) enum DiskReport {
    /// These operations are done, and durable if they changed something.
    Stored(Vec<(Ticket, Result<StoreOutcome, StoreError>)>, DiskState),
    /// A slice of what was due is gone.
    Swept(Result<Expired, StoreError>, DiskState),
    /// Some ranges are added up.
    Scanned(Ticket, Result<Box<Scan>, StoreError>),
    /// The store takes everything in again, or does not.
    Reopened(Result<(), StoreError>, DiskState),
}

/// How the store stands after a report.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct DiskState {
    pub(super) usage: Usage,
    pub(super) counters: StoreCounters,
}

/// The ways to the disk; it finishes what waits and closes the store when this is dropped.
#[derive(Debug)]
pub(super) struct DiskQueue {
    /// Takes one commit's operations; the next after its report, so that whatever has come until
    /// then can go with them.
    pub(super) batches: mpsc::Sender<Vec<(Ticket, StoreOp)>>,
    pub(super) chores: mpsc::Sender<Chore>,
}

/// Starts the worker that owns `store`: in the thread of `worker`, or as a task in virtual time.
pub(super) fn spawn<S: KeeperStore>(
    store: S,
    worker: Worker,
    clock: Clock,
) -> (DiskQueue, mpsc::Receiver<DiskReport>, JoinHandle<()>) {
    let (batches, batches_waiting) = mpsc::channel(1);
    let (chores, chores_waiting) = mpsc::channel(CHORES_MAX);
    let (reports, reports_waiting) = mpsc::channel(REPORTS_MAX);
    let disk = Disk {
        state: DiskState {
            usage: store.usage(),
            counters: store.counters(),
        },
        store: Some(store),
        worker: worker.clone(),
        clock,
        batches: batches_waiting,
        chores: chores_waiting,
        reports,
        scans: VecDeque::new(),
    };
    (
        DiskQueue { batches, chores },
        reports_waiting,
        worker.host(part(disk.run())),
    )
}

struct Disk<S> {
    /// `None` once work on it has panicked.
    store: Option<S>,
    state: DiskState,
    worker: Worker,
    clock: Clock,
    batches: mpsc::Receiver<Vec<(Ticket, StoreOp)>>,
    chores: mpsc::Receiver<Chore>,
    reports: mpsc::Sender<DiskReport>,
    /// Scans under way, the next in front; each gets a slice in turn.
    scans: VecDeque<(Ticket, Box<Scan>)>,
}

enum Next {
    Batch(Option<Vec<(Ticket, StoreOp)>>),
    Chore(Chore),
    Slice,
}

impl<S: KeeperStore> Disk<S> {
    async fn run(mut self) {
        loop {
            let next = tokio::select! {
                biased;
                batch = self.batches.recv() => Next::Batch(batch),
                Some(chore) = self.chores.recv() => Next::Chore(chore),
                () = std::future::ready(()), if !self.scans.is_empty() => Next::Slice,
            };
            match next {
                Next::Batch(None) => break,
                Next::Batch(Some(batch)) => {
                    self.commit(batch).await;
                    // However many operations wait, chores get their turn.
                    if let Ok(chore) = self.chores.try_recv() {
                        self.run_chore(chore).await;
                    }
                    self.run_slice().await;
                }
                Next::Slice => self.run_slice().await,
                Next::Chore(chore) => self.run_chore(chore).await,
            }
        }
        // Closing writes and syncs.
        drop(self.store.take());
        self.worker.charge().await;
    }

    async fn commit(&mut self, batch: Vec<(Ticket, StoreOp)>) {
        let (tickets, batch): (Vec<Ticket>, Vec<StoreOp>) = batch.into_iter().unzip();
        let date = self.clock.now();
        let done = self.with_store(|store| store.apply(date, batch)).await;
        let results = match done {
            Ok(outcomes) => tickets
                .into_iter()
                .zip(outcomes.into_iter().map(Ok))
                .collect(),
            Err(error) => tickets
                .into_iter()
                .map(|ticket| (ticket, Err(error.clone())))
                .collect(),
        };
        // The keeper may be gone; what was committed is committed.
        let _unwanted = self
            .reports
            .send(DiskReport::Stored(results, self.state))
            .await;
    }

    async fn run_chore(&mut self, chore: Chore) {
        let date = self.clock.now();
        match chore {
            Chore::Sweep(date) => {
                let sweep = |store: &mut S| store.sweep(date, SWEEP_ITEMS_MAX);
                let done = self.with_store(sweep).await;
                // As above.
                let _unwanted = self.reports.send(DiskReport::Swept(done, self.state)).await;
            }
            Chore::Reopen => {
                let done = self.with_store(S::reopen).await;
                // As above.
                let _unwanted = self
                    .reports
                    .send(DiskReport::Reopened(done, self.state))
                    .await;
            }
            Chore::Scan(ticket, scan) => self.scans.push_back((ticket, scan)),
            Chore::Holdings {
                after,
                limit,
                reply,
            } => {
                let list = |store: &mut S| store.holdings(date, after, limit);
                // The asker may have gone away.
                let _unwanted = reply.send(self.with_store(list).await);
            }
        }
    }

    /// Runs a slice of the next scan.
    async fn run_slice(&mut self) {
        let Some((ticket, mut scan)) = self.scans.pop_front() else {
            return;
        };
        let date = self.clock.now();
        let done = self.with_store(|store| scan.slice(store, date)).await;
        let result = match done {
            Ok(false) => return self.scans.push_back((ticket, scan)),
            Ok(true) => Ok(scan),
            Err(error) => Err(error),
        };
        // As above.
        let _unwanted = self.reports.send(DiskReport::Scanned(ticket, result)).await;
    }

    /// Works on the store; when that panics, nothing of the store is trusted any more.
    async fn with_store<T>(
        &mut self,
        work: impl FnOnce(&mut S) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let store = self.store.as_mut().ok_or(StoreError::Ended)?;
        let done = catch_unwind(AssertUnwindSafe(|| work(store)));
        if done.is_ok() {
            self.state = DiskState {
                usage: store.usage(),
                counters: store.counters(),
            };
        } else {
            self.store = None;
        }
        self.worker.charge().await;
        done.unwrap_or(Err(StoreError::Ended))
    }
}

//! Group commit: operations that wait together go to the disk together.
//!
//! A commit costs two fsyncs, whatever it holds. So while one runs, whatever arrives waits for the
//! next, and nothing ever waits for company: a lone deposit is committed at once, and under load
//! the batches fill by themselves. Waiting a little for more would add to every answer and gain
//! nothing, since the disk is busy exactly when there is more.

use std::collections::VecDeque;

use restante_proto::keeper::{
    Expired, HoldingKey, HoldingsPage, StoreFault, StoreOp, StoreOutcome, Ticket, Usage,
};
use restante_proto::repair::Scan;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;

use super::store::{KeeperStore, StoreCounters};
use crate::clock::Clock;
use crate::lane::Lane;
use crate::parts::part;

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
    /// Drop a slice of what is due.
    Sweep,
    /// Add up what is in some ranges.
    Scan(Ticket, Box<Scan>),
    /// List what is held.
    Holdings {
        after: Option<HoldingKey>,
        limit: usize,
        reply: oneshot::Sender<Result<HoldingsPage, StoreFault>>,
    },
}

/// What the disk has done.
#[derive(Debug)]
pub(super) enum DiskReport {
    /// These operations are done, and durable if they changed something.
    Stored(Vec<(Ticket, Result<StoreOutcome, StoreFault>)>, DiskState),
    /// A slice of what was due is gone.
    Swept(Result<Expired, StoreFault>, DiskState),
    /// Some ranges are added up.
    Scanned(Ticket, Result<Box<Scan>, StoreFault>),
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

/// Starts the task that owns `store` and works in `lane`.
pub(super) fn spawn<S: KeeperStore>(
    store: S,
    lane: Lane,
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
        lane,
        clock,
        batches: batches_waiting,
        chores: chores_waiting,
        reports,
        scans: VecDeque::new(),
    };
    (
        DiskQueue { batches, chores },
        reports_waiting,
        tokio::spawn(part(disk.run())),
    )
}

struct Disk<S> {
    /// `None` while the lane has it, and for good when it did not come back.
    store: Option<S>,
    state: DiskState,
    lane: Lane,
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
        if let Some(store) = self.store.take() {
            // Closing writes and syncs; without the lane there is nothing left to close.
            let _closed = self.lane.run(move || drop(store)).await;
        }
    }

    async fn commit(&mut self, batch: Vec<(Ticket, StoreOp)>) {
        let (tickets, batch): (Vec<Ticket>, Vec<StoreOp>) = batch.into_iter().unzip();
        let clock = self.clock;
        let done = self
            .with_store(move |store| store.apply(clock.now(), batch))
            .await;
        let results = match done {
            Ok(outcomes) => tickets
                .into_iter()
                .zip(outcomes.into_iter().map(Ok))
                .collect(),
            Err(fault) => tickets
                .into_iter()
                .map(|ticket| (ticket, Err(fault.clone())))
                .collect(),
        };
        // Nobody waits for it once the keeper is gone; what was committed is committed.
        let _unwanted = self
            .reports
            .send(DiskReport::Stored(results, self.state))
            .await;
    }

    async fn run_chore(&mut self, chore: Chore) {
        let clock = self.clock;
        match chore {
            Chore::Sweep => {
                let sweep = move |store: &mut S| store.sweep(clock.now(), SWEEP_ITEMS_MAX);
                let done = self.with_store(sweep).await;
                // As above.
                let _unwanted = self.reports.send(DiskReport::Swept(done, self.state)).await;
            }
            Chore::Scan(ticket, scan) => self.scans.push_back((ticket, scan)),
            Chore::Holdings {
                after,
                limit,
                reply,
            } => {
                let list = move |store: &mut S| store.holdings(clock.now(), after, limit);
                // Whoever asked may have gone away.
                let _unwanted = reply.send(self.with_store(list).await);
            }
        }
    }

    /// Runs a slice of the next scan.
    async fn run_slice(&mut self) {
        let Some((ticket, mut scan)) = self.scans.pop_front() else {
            return;
        };
        let clock = self.clock;
        let done = self
            .with_store(move |store| {
                let is_over = scan.slice(store, clock.now())?;
                Ok((scan, is_over))
            })
            .await;
        let result = match done {
            Ok((scan, false)) => return self.scans.push_back((ticket, scan)),
            Ok((scan, true)) => Ok(scan),
            Err(fault) => Err(fault),
        };
        // As above.
        let _unwanted = self.reports.send(DiskReport::Scanned(ticket, result)).await;
    }

    /// Lends the store to the lane for `work`; when that panics or the lane has ended, the store is
    /// lost.
    async fn with_store<T: Send + 'static>(
        &mut self,
        work: impl FnOnce(&mut S) -> Result<T, StoreFault> + Send + 'static,
    ) -> Result<T, StoreFault> {
        let worker_fault = || StoreFault::Io("the work on it was given up".into());
        let mut store = self.store.take().ok_or_else(worker_fault)?;
        let lent = self.lane.run(move || {
            let done = work(&mut store);
            let state = DiskState {
                usage: store.usage(),
                counters: store.counters(),
            };
            (store, state, done)
        });
        let (store, state, done) = lent.await.map_err(|_| worker_fault())?;
        self.store = Some(store);
        self.state = state;
        done
    }
}

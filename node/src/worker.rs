//! Where blocking work runs: a thread of its own in production, inline in virtual time.
//!
//! The node's logic never starts a thread and never blocks the runtime. Whatever must wait for a disk or burn
//! processor time (an fsync, an Argon2id, a stamp) is handed to a [`Worker`] as a closure and awaited. A worker runs
//! its closures one after the other, in the order they came.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use tokio::sync::{Mutex, mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::sleep;

#[cfg(test)]
mod tests;

/// How many closures may wait in one worker; the next caller waits for a place.
const QUEUE_COUNT_MAX: usize = 256;

/// A queue of blocking closures, run strictly one after the other.
#[derive(Clone, Debug)]
pub struct Worker(Kind);

#[derive(Clone)]
enum Kind {
    Inline(Arc<Inline>),
    Thread(mpsc::Sender<Job>),
}

struct Inline {
    /// Waiting callers get it in the order they came.
    turn: Mutex<()>,
    cost: Cost,
}

type Cost = Box<dyn Fn() -> Duration + Send + Sync>;

type Job = Box<dyn FnOnce() + Send>;

/// The closure panicked, or the worker's thread has ended with the node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the work was given up")]
pub struct WorkerEnded;

impl Worker {
    /// Returns a worker that runs each closure at once, on the caller's own task: for virtual time, in which it takes
    /// none.
    pub fn inline() -> Self {
        Self::inline_costing(|| Duration::ZERO)
    }

    /// Returns a worker that runs each closure at once, on the caller's own task, and then waits for as long as `cost`
    /// says that it took: for virtual time.
    pub fn inline_costing(cost: impl Fn() -> Duration + Send + Sync + 'static) -> Self {
        Self(Kind::Inline(Arc::new(Inline {
            turn: Mutex::new(()),
            cost: Box::new(cost),
        })))
    }

    /// Starts a thread named `name` and returns the worker in front of it; the thread ends with the last handle.
    ///
    /// # Errors
    ///
    /// What the operating system says when it refuses another thread.
    pub fn thread(name: &str) -> std::io::Result<Self> {
        let (sender, mut jobs) = mpsc::channel::<Job>(QUEUE_COUNT_MAX);
        thread::Builder::new().name(name.into()).spawn(move || {
            while let Some(job) = jobs.blocking_recv() {
                job();
            }
        })?;
        Ok(Self(Kind::Thread(sender)))
    }

    /// Runs `work` in this worker and returns what it returned.
    ///
    /// # Errors
    ///
    /// [`WorkerEnded`] when `work` panicked or the worker's thread is gone.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future before the work was queued drops the work; afterwards the work still runs and its result
    /// is lost.
    pub async fn run<T, F>(&self, work: F) -> Result<T, WorkerEnded>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        match &self.0 {
            Kind::Inline(inline) => {
                let _turn = inline.turn.lock().await;
                let value = work();
                let cost = (inline.cost)();
                if !cost.is_zero() {
                    sleep(cost).await;
                }
                Ok(value)
            }
            Kind::Thread(jobs) => {
                let (done, result) = oneshot::channel();
                let job: Job = Box::new(move || {
                    // A panic is the caller's to hear of, and must not end the worker for everybody else: whoever gets
                    // `WorkerEnded` gives up what the closure was about.
                    if let Ok(value) = catch_unwind(AssertUnwindSafe(work)) {
                        // The caller may have stopped waiting; the work was done all the same.
                        let _unwanted = done.send(value);
                    }
                });
                jobs.send(job).await.map_err(|_| WorkerEnded)?;
                result.await.map_err(|_| WorkerEnded)
            }
        }
    }
}

impl Worker {
    /// Runs a task until it ends: on the worker's thread, which does nothing else meanwhile, or, where the worker is
    /// inline, beside the others. What it waits for must not need the runtime it was started from.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn host(&self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        match &self.0 {
            Kind::Inline(_) => tokio::spawn(task),
            Kind::Thread(_) => {
                let worker = self.clone();
                tokio::spawn(async move {
                    // A panic of the task ends it, and the one who waits for it sees that.
                    let _ended = worker.run(move || futures::executor::block_on(task)).await;
                })
            }
        }
    }

    /// Waits for as long as the work of a hosted worker since the last call takes, in virtual time.
    ///
    /// # Cancel safety
    ///
    /// Dropping the future loses the wait.
    pub async fn charge(&self) {
        if let Kind::Inline(inline) = &self.0 {
            let cost = (inline.cost)();
            if !cost.is_zero() {
                sleep(cost).await;
            }
        }
    }
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Inline(_) => "Inline",
            Self::Thread(_) => "Thread",
        })
    }
}

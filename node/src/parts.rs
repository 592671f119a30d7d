//! The parts of a node that run side by side, so that all of them can be held at once: a simulator that suspends a
//! process holds them, as the kernel does with a process that is stopped.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};

tokio::task_local! {
    /// What holds the task that runs, if something does.
    static HOLD: Hold;
}

/// Holds the parts of one node, or lets them go on; clones are one.
#[derive(Debug, Clone, Default)]
pub struct Hold(Arc<Mutex<Held>>);

#[derive(Debug, Default)]
struct Held {
    is_held: bool,
    /// Parts that wanted to go on meanwhile.
    waiting: Vec<Waker>,
}

impl Hold {
    /// Lets no part go on.
    pub fn hold(&self) {
        self.lock().is_held = true;
    }

    /// Lets all parts go on, in the order in which they wanted to.
    pub fn release(&self) {
        let mut held = self.lock();
        held.is_held = false;
        let waiting = std::mem::take(&mut held.waiting);
        drop(held);
        waiting.into_iter().for_each(Waker::wake);
    }

    /// Runs a node whose parts this holds.
    pub async fn over<F: Future>(self, node: F) -> F::Output {
        HOLD.scope(self, async move { part(node).await }).await
    }

    fn is_held(&self, waker: &Waker) -> bool {
        let mut held = self.lock();
        if held.is_held && !held.waiting.iter().any(|known| known.will_wake(waker)) {
            held.waiting.push(waker.clone());
        }
        held.is_held
    }

    fn lock(&self) -> MutexGuard<'_, Held> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Returns a part of the node that runs, to be spawned.
pub fn part<F: Future>(future: F) -> Part<F> {
    Part {
        hold: HOLD.try_with(Clone::clone).ok(),
        future: Box::pin(future),
    }
}

/// A part of a node.
#[derive(Debug)]
pub struct Part<F> {
    hold: Option<Hold>,
    future: Pin<Box<F>>,
}

impl<F: Future> Future for Part<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        let part = self.get_mut();
        match &part.hold {
            None => part.future.as_mut().poll(cx),
            Some(hold) if hold.is_held(cx.waker()) => Poll::Pending,
            Some(hold) => HOLD.sync_scope(hold.clone(), || part.future.as_mut().poll(cx)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_held_goes_on_where_it_was() {
        let hold = Hold::default();
        let (told, mut heard) = tokio::sync::mpsc::channel(8);
        let node = async move {
            let inner = tokio::spawn(part(async move {
                for count in 0..3 {
                    tokio::time::sleep(Duration::from_secs(1)).await;
                    let _full = told.send(count).await;
                }
            }));
            let _ended = inner.await;
        };
        let running = tokio::spawn(hold.clone().over(node));
        assert_eq!(heard.recv().await, Some(0));
        hold.hold();
        let silence = tokio::time::timeout(Duration::from_secs(60), heard.recv());
        assert!(silence.await.is_err());
        hold.release();
        assert_eq!(heard.recv().await, Some(1));
        assert_eq!(heard.recv().await, Some(2));
        running.await.unwrap();
    }
}

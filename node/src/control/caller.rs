//! One client at the socket: its place among others, and its way to the node.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use axum::response::Response;
use restante_interface::{Refusal, Request};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, watch};

use super::answer::{self, Refused};
use super::checks::check;
use super::events::EventLog;
use super::{ControlCall, Pending};

/// Requests of one kind served at the same time, at most; a further one is told to come back. Kinds have places of
/// their own, so that any number of readers who wait keep nobody from sending, and nothing keeps out who looks or
/// stops.
pub(super) const PLACES_EACH: usize = 32;

/// The places of each kind of request.
#[derive(Clone, Debug)]
pub(super) struct Places {
    /// Of those that wait for messages.
    waiting: Arc<Semaphore>,
    /// Of those that listen to events.
    listening: Arc<Semaphore>,
    /// Of those that change or show what people have.
    ordinary: Arc<Semaphore>,
    /// Of those that look at the node itself.
    looking: Arc<Semaphore>,
}

impl Places {
    /// How many kinds there are.
    pub(super) const KINDS: usize = 4;

    pub(super) fn new() -> Self {
        let places = || Arc::new(Semaphore::new(PLACES_EACH));
        Self {
            waiting: places(),
            listening: places(),
            ordinary: places(),
            looking: places(),
        }
    }

    const fn of(&self, request: &Request) -> &Arc<Semaphore> {
        match request {
            Request::Inbox(inbox) if inbox.wait_ms > 0 => &self.waiting,
            Request::Status | Request::Doctor | Request::Id | Request::Stop => &self.looking,
            _ => &self.ordinary,
        }
    }
}

/// Who makes the one request of a connection.
#[derive(Debug)]
pub(super) struct Caller {
    calls: mpsc::Sender<ControlCall>,
    places: Places,
    stop: watch::Receiver<bool>,
    events: EventLog,
    /// Held until the connection has ended.
    place: OnceLock<OwnedSemaphorePermit>,
    wants_stop: AtomicBool,
}

impl Caller {
    pub(super) const fn new(
        calls: mpsc::Sender<ControlCall>,
        places: Places,
        stop: watch::Receiver<bool>,
        events: EventLog,
    ) -> Self {
        Self {
            calls,
            places,
            stop,
            events,
            place: OnceLock::new(),
            wants_stop: AtomicBool::new(false),
        }
    }

    /// Makes a request and puts the answer.
    pub(super) async fn ask(&self, request: Request) -> Result<Response, Refused> {
        let pending = self.begin(request).await?;
        self.end(pending).await
    }

    /// Makes a request.
    pub(super) async fn begin(&self, request: Request) -> Result<Pending, Refused> {
        check(&request)?;
        self.take_place(self.places.of(&request))?;
        let (call, pending) = ControlCall::new(request);
        match self.calls.send(call).await {
            Ok(()) => Ok(pending),
            Err(_) => Err(Refused(Refusal::Stopping)),
        }
    }

    /// Waits for the answer to a request and puts it.
    pub(super) async fn end(&self, pending: Pending) -> Result<Response, Refused> {
        let outcome = pending.outcome.await;
        let outcome = outcome.unwrap_or_else(|_| Err(self.unanswered()));
        Ok(answer::reply(&outcome?))
    }

    /// Returns why a request got no answer.
    pub(super) fn unanswered(&self) -> Refusal {
        if *self.stop.borrow() {
            return Refusal::Stopping;
        }
        let why = "the node gave no answer".to_owned();
        Refusal::Internal { why }
    }

    /// Takes a place among those who listen to events, and returns what these are read from.
    pub(super) fn listen(&self) -> Result<(EventLog, watch::Receiver<bool>), Refused> {
        self.take_place(&self.places.listening)?;
        Ok((self.events.clone(), self.stop.clone()))
    }

    /// Notes that the node is to stop once this caller has its answer.
    pub(super) fn stop(&self) -> Result<(), Refused> {
        self.take_place(self.places.of(&Request::Stop))?;
        self.wants_stop.store(true, Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn wants_stop(&self) -> bool {
        self.wants_stop.load(Ordering::Relaxed)
    }

    /// Takes a place of a kind; refused when all are taken.
    fn take_place(&self, kind: &Arc<Semaphore>) -> Result<(), Refused> {
        let max = PLACES_EACH as u32;
        let place = Arc::clone(kind)
            .try_acquire_owned()
            .map_err(|_| Refused(Refusal::Busy { max }))?;
        // A connection carries one request.
        let _taken = self.place.set(place);
        Ok(())
    }
}

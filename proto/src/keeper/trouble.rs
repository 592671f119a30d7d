//! A store that takes nothing in for a while, and when it is opened again.

use super::store::StoreError;
use crate::pauses::Pauses;
use crate::time::{MonoMillis, Now, UnixMillis};

/// What is known of the store.
#[derive(Debug, Default)]
pub(super) struct Trouble {
    /// The error that keeps the store from taking anything in.
    error: Option<StoreError>,
    /// When it is opened again; none while that is under way, and where it would not help.
    retry: Option<MonoMillis>,
    pauses: Pauses,
    /// When it last went on.
    recovered: Option<UnixMillis>,
}

impl Trouble {
    pub(super) const fn error(&self) -> Option<&StoreError> {
        self.error.as_ref()
    }

    pub(super) const fn recovered(&self) -> Option<UnixMillis> {
        self.recovered
    }

    /// Returns when it is to be opened again.
    pub(super) const fn next_timeout(&self) -> Option<MonoMillis> {
        self.retry
    }

    /// Notes that an operation has failed. What fails while the next try is awaited puts it off no further.
    pub(super) fn on_failed(&mut self, now: MonoMillis, error: StoreError) {
        let is_news = match &self.error {
            Some(known) => known.may_pass() && !error.may_pass(),
            None => true,
        };
        if is_news {
            self.retry = error.may_pass().then(|| self.pauses.after_failure(now));
            self.error = Some(error);
        }
    }

    /// Tells whether it is to be opened again now; asked again, it is not, until the answer has come.
    pub(super) fn begin_retry(&mut self, now: MonoMillis) -> bool {
        self.retry.take_if(|retry| *retry <= now).is_some()
    }

    /// Notes what came of opening it again.
    pub(super) fn on_reopened(&mut self, now: Now, result: Result<(), StoreError>) {
        if !self.error.as_ref().is_some_and(StoreError::may_pass) {
            return;
        }
        self.error = None;
        match result {
            Ok(()) => {
                self.retry = None;
                self.recovered = Some(now.date);
            }
            Err(error) => self.on_failed(now.mono, error),
        }
    }
}

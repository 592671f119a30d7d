//! A command's access to the home and to the node that runs on it.

use std::path::Path;

use tokio::runtime::Builder;

use super::Failure;
use crate::control::client::{CallError, call};
use crate::control::protocol::{ControlReply, ControlRequest};
use crate::control::report::SendResult;
use crate::home::{Home, PERSON_FOLDER};

/// An existing home, and the way to its node.
#[derive(Debug)]
pub(super) struct Session {
    home: Home,
}

impl Session {
    /// Finds the home; the node is looked for only when it is called.
    pub(super) fn open(given: Option<&Path>) -> Result<Self, Failure> {
        let home = Home::open(&Home::locate(given, PERSON_FOLDER)?)?;
        Ok(Self { home })
    }

    /// Returns the home.
    pub(super) const fn home(&self) -> &Home {
        &self.home
    }

    /// Calls the node.
    pub(super) fn call(&self, request: ControlRequest) -> Result<ControlReply, Failure> {
        self.call_with(request, |_| {})
    }

    /// Calls the node and hears on the way how far it has come.
    pub(super) fn call_with(
        &self,
        request: ControlRequest,
        on_progress: impl FnMut(SendResult),
    ) -> Result<ControlReply, Failure> {
        self.try_call(request, on_progress)?
            .map_err(|error| match error {
                CallError::NotRunning => Failure::failed(
                    error.to_string(),
                    format!(
                        "start it with `restante --home {} run`",
                        self.home.path().display()
                    ),
                ),
                error => error.into(),
            })
    }

    /// Calls the node; the inner result tells a node that is not there from one that refuses.
    pub(super) fn try_call(
        &self,
        request: ControlRequest,
        on_progress: impl FnMut(SendResult),
    ) -> Result<Result<ControlReply, CallError>, Failure> {
        let runtime = Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| Failure::failed(format!("cannot start: {error}"), "try again"))?;
        Ok(runtime.block_on(call(&self.home, request, on_progress)))
    }
}

/// Returns the failure for an answer that does not belong to the question.
pub(super) fn unexpected(_reply: &ControlReply) -> Failure {
    CallError::Garbled.into()
}

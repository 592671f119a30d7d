//! A command's access to the home and to the node that runs on it.

use std::path::Path;

use restante_interface::{Event, Reply, Request, SendResult};
use tokio::runtime::{Builder, Runtime};

use super::hints::shell_word;
use super::{Failure, Program};
use crate::control::client::{CallError, call, listen};
use crate::home::Home;

/// An existing home, and the way to its node.
#[derive(Clone, Debug)]
pub(super) struct Session {
    home: Home,
}

impl Session {
    /// Opens the home, without a connection to its node.
    pub(super) fn open(given: Option<&Path>) -> Result<Self, Failure> {
        let home = Home::open(&Home::locate(given, Program::this().folder())?)?;
        Ok(Self { home })
    }

    pub(super) const fn home(&self) -> &Home {
        &self.home
    }

    pub(super) fn call(&self, request: Request) -> Result<Reply, Failure> {
        self.call_with(request, |_| {})
    }

    /// Calls the node, and passes its progress reports on.
    pub(super) fn call_with(
        &self,
        request: Request,
        on_progress: impl FnMut(SendResult),
    ) -> Result<Reply, Failure> {
        self.try_call(request, on_progress)?
            .map_err(|error| self.failure(error))
    }

    /// Listens to what happens at the node, until that ends or cannot be reached.
    pub(super) fn listen(&self, on_event: impl FnMut(Event)) -> Result<(), Failure> {
        let runtime = runtime()?;
        let ended = runtime.block_on(listen(&self.home, on_event));
        ended.map_err(|error| self.failure(error))
    }

    /// Returns what a person is told of a call that failed.
    pub(super) fn failure(&self, error: CallError) -> Failure {
        match error {
            CallError::NotRunning => {
                let hint = format!("start it with `{}`", self.start());
                Failure::failed(error.to_string(), hint).coded("node_not_running")
            }
            error => error.into(),
        }
    }

    /// Returns the command that starts the node of this home.
    pub(super) fn start(&self) -> String {
        let kind = self.home.kind();
        let program = kind.unwrap_or_else(|_| Program::this().kind()).program();
        format!("{program} --home {} run", shell_word(self.home.path()))
    }

    /// Calls the node as `call_with` does; the inner error tells a node that does not run from one that refuses.
    pub(super) fn try_call(
        &self,
        request: Request,
        on_progress: impl FnMut(SendResult),
    ) -> Result<Result<Reply, CallError>, Failure> {
        let runtime = runtime()?;
        Ok(runtime.block_on(call(&self.home, request, on_progress)))
    }
}

fn runtime() -> Result<Runtime, Failure> {
    let mut builder = Builder::new_current_thread();
    let runtime = builder.enable_all().build();
    runtime.map_err(|error| Failure::failed(format!("cannot start: {error}"), "try again"))
}

/// Returns the failure for an answer that does not belong to the question.
pub(super) fn unexpected(_reply: &Reply) -> Failure {
    CallError::Garbled.into()
}

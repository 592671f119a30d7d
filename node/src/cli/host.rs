//! What owns a node: its control socket, the signals that stop it, its logging.

#[cfg(test)]
mod tests;

use std::future::Future;
use std::process;

use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::{mpsc, watch};
use tracing::{info, warn};

use super::{Exit, Failure};
use crate::config::{Config, Loaded};
use crate::control::server::ControlServer;
use crate::control::{CALL_QUEUE_COUNT_MAX, ControlCall, EventLog};
use crate::home::HomeLock;
use crate::telemetry;

/// Logs as the configuration says, and first of all what it passes over.
///
/// # Errors
///
/// A usage failure when the filter is not understood.
pub fn start_logging(loaded: &Loaded) -> Result<(), Failure> {
    let Config {
        log, log_format, ..
    } = &loaded.config;
    telemetry::init(log, *log_format).map_err(|error| Failure::usage(error.to_string(), ""))?;
    for warning in &loaded.warnings {
        warn!(%warning, "a setting is passed over");
    }
    Ok(())
}

/// Returns the runtime a node runs on.
///
/// # Errors
///
/// A failure when the operating system refuses threads or descriptors.
pub fn runtime() -> Result<Runtime, Failure> {
    Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::failed(format!("cannot start: {error}"), "try again"))
}

/// Runs a node and its control socket side by side, until a signal, a command or a failure ends
/// them.
///
/// `node` gets the calls of commands, a log for what happens, and a watch that turns to `true` when it is to end.
///
/// # Errors
///
/// What binding the control socket or the node itself says.
///
/// # Cancel safety
///
/// Dropping the future drops the node; commands under way lose their connection.
pub async fn host<N, F>(lock: &HomeLock, node: N) -> Result<(), Failure>
where
    N: FnOnce(mpsc::Receiver<ControlCall>, EventLog, watch::Receiver<bool>) -> F,
    F: Future<Output = Result<(), Failure>>,
{
    let server = ControlServer::bind(lock)?;
    let (calls, waiting) = mpsc::channel(CALL_QUEUE_COUNT_MAX);
    let (stop, stopped) = watch::channel(false);
    let watching = tokio::spawn(watch_signals(stop.clone()));
    let events = EventLog::new(rand::random());
    let serving = tokio::spawn(server.serve(calls, events.clone(), stop.clone()));
    let outcome = node(waiting, events, stopped).await;
    stop.send_replace(true);
    // The lock is held until the socket is gone, which might be the next node's otherwise.
    let _panicked = serving.await;
    watching.abort();
    outcome
}

/// Stops the node at the first signal, and the process at the second.
async fn watch_signals(stop: watch::Sender<bool>) {
    let kinds = [
        SignalKind::interrupt(),
        SignalKind::terminate(),
        SignalKind::hangup(),
    ];
    let [Ok(mut interrupt), Ok(mut terminate), Ok(mut hangup)] = kinds.map(signal) else {
        warn!("signals cannot be caught; the node will end without saying goodbye");
        return;
    };
    any(&mut interrupt, &mut terminate, &mut hangup).await;
    info!("the node is stopping");
    stop.send_replace(true);
    any(&mut interrupt, &mut terminate, &mut hangup).await;
    warn!("the node is stopped at once");
    process::exit(Exit::Failed.code().into());
}

async fn any(interrupt: &mut Signal, terminate: &mut Signal, hangup: &mut Signal) {
    tokio::select! {
        biased;
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = hangup.recv() => {}
    }
}

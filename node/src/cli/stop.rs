//! `restante stop`.

use std::thread;
use std::time::{Duration, Instant};

use restante_interface::{Reply, Request};
use serde::Serialize;

use super::args::StopArgs;
use super::output::progress;
use super::session::unexpected;
use super::{Failure, Output, Session};
use crate::control::client::CallError;
use crate::home::HomeError;

/// How long a node may take to end: it hands over what it keeps, and finishes what it has begun.
const END_MAX: Duration = Duration::from_secs(60);
const LOOK: Duration = Duration::from_millis(50);

/// The output of `stop --json`.
#[derive(Debug, Serialize)]
struct Stopped {
    stopped: bool,
}

/// Tells the node to stop, and waits until its home is free.
pub(super) fn stop(session: &Session, args: &StopArgs, out: &mut Output) -> Result<(), Failure> {
    match session.try_call(Request::Stop, |_| {})? {
        Ok(Reply::Done) => {}
        Ok(other) => return Err(unexpected(&other)),
        // One that was told before is on its way.
        Err(CallError::NotRunning) if is_in_use(session) => {}
        Err(error) => return Err(session.failure(error)),
    }
    let began = Instant::now();
    let mut is_told = false;
    while is_in_use(session) {
        let waited = began.elapsed();
        if waited > END_MAX {
            let seconds = END_MAX.as_secs();
            return Err(Failure::failed(
                format!("the node has not ended within {seconds} s"),
                "wait, or end its process",
            )
            .coded("node_lingers"));
        }
        if waited > Duration::from_secs(1) && !is_told {
            progress("the node hands over what it keeps for others");
            is_told = true;
        }
        thread::sleep(LOOK);
    }
    if args.json {
        return out.json(&Stopped { stopped: true });
    }
    out.line("the node has stopped")
}

fn is_in_use(session: &Session) -> bool {
    matches!(session.home().lock(), Err(HomeError::InUse { .. }))
}

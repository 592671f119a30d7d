//! Answers commands on a node that has no person.

use restante_interface::{DoctorReport, Refusal, Reply, Request, StatusInfo};
use tokio::sync::{mpsc, watch};

use super::status::{
    Role, clock_state, holdings_page, keeper_clock, keeper_state, keeper_status, network_status,
};
use super::stopped;
use crate::clock::Clock;
use crate::control::ControlCall;
use crate::keeper::KeeperHandle;
use crate::net::NetHandle;

/// Answers commands until `stop` holds `true`.
///
/// # Cancel safety
///
/// Dropping the future leaves the commands under way unanswered.
pub(super) async fn serve(
    network: String,
    net: NetHandle,
    keeper: KeeperHandle,
    clock: Clock,
    mut calls: mpsc::Receiver<ControlCall>,
    mut stop: watch::Receiver<bool>,
) {
    let started = clock.mono();
    loop {
        let call = tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            call = calls.recv() => call,
        };
        let Some(ControlCall { request, answer }) = call else {
            break;
        };
        let status = || status(&network, &net, &keeper, clock.mono().since(started));
        answer.finish(match request {
            Request::Status => Ok(Reply::Status(Box::new(status().await))),
            Request::Holdings { after } => holdings_page(Some(&keeper), after)
                .await
                .map(Reply::Holdings),
            Request::Doctor => Ok(Reply::Doctor(DoctorReport {
                findings: status().await.states,
            })),
            Request::Stop => Ok(Reply::Done),
            Request::Id
            | Request::Send(_)
            | Request::Inbox(_)
            | Request::MarkRead { .. }
            | Request::ContactAdd { .. }
            | Request::ContactList { .. }
            | Request::ContactAccept { .. }
            | Request::ContactBlock { .. }
            | Request::ContactSet { .. }
            | Request::ContactRemove { .. }
            | Request::Conversations { .. }
            | Request::History(_)
            | Request::React { .. }
            | Request::Recall { .. }
            | Request::Delete { .. }
            | Request::ContactVerify { .. }
            | Request::ContactVerified { .. }
            | Request::Backup(_) => Err(Refusal::NoAccount),
        });
    }
}

async fn status(
    network: &str,
    net: &NetHandle,
    keeper: &KeeperHandle,
    uptime_ms: u64,
) -> StatusInfo {
    let mut info = StatusInfo {
        keeper: keeper_status(Some(keeper)).await,
        uptime_ms,
        ..network_status(net, network, Role::Server).await
    };
    let clock = keeper_clock(keeper).await;
    info.clock = Some(clock);
    info.states
        .extend([keeper_state(&info.keeper), clock_state(clock)]);
    info
}

//! Answers commands on a node that has no person.

use tokio::sync::{mpsc, watch};

use crate::client::report::{holdings_page, keeper_status, network_status};
use crate::client::stopped;
use crate::clock::Clock;
use crate::control::ControlCall;
use crate::control::protocol::{ControlReply, ControlRequest, FaultCode};
use crate::control::report::{DoctorCheck, DoctorReport, StatusInfo};
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
    let started = clock.now();
    loop {
        let call = tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            call = calls.recv() => call,
        };
        let Some(ControlCall { request, answer }) = call else {
            break;
        };
        match request {
            ControlRequest::Status => {
                let status = status(&network, &net, &keeper, clock.now().since(started)).await;
                answer.finish(Ok(ControlReply::Status(Box::new(status))));
            }
            ControlRequest::Holdings { after } => match holdings_page(Some(&keeper), after).await {
                Some(page) => answer.finish(Ok(ControlReply::Holdings(page))),
                None => {
                    let hint = "bring the disk in order and restart the server";
                    answer.refuse(FaultCode::Disk, "what is kept cannot be read", hint);
                }
            },
            ControlRequest::Doctor => {
                let status = status(&network, &net, &keeper, clock.now().since(started)).await;
                answer.finish(Ok(ControlReply::Doctor(examine(&status))));
            }
            ControlRequest::Stop => answer.finish(Ok(ControlReply::Done)),
            _ => {
                let hint = "run `restante init` in another home for an account of your own";
                answer.refuse(FaultCode::BadRequest, "this node has no account", hint);
            }
        }
    }
}

async fn status(
    network: &str,
    net: &NetHandle,
    keeper: &KeeperHandle,
    uptime_ms: u64,
) -> StatusInfo {
    let mut status = network_status(net, network).await;
    status.keeper = keeper_status(Some(keeper)).await;
    status.uptime_ms = uptime_ms;
    status
}

fn examine(status: &StatusInfo) -> DoctorReport {
    let network = if status.routing_table == 0 {
        let fix = "others join through the address that `status` shows under `listen`";
        DoctorCheck::warn("network", "no other node is known yet", fix)
    } else {
        let detail = format!(
            "{} peers, {} known keepers",
            status.peers, status.routing_table
        );
        DoctorCheck::ok("network", detail)
    };
    let keeper = match &status.keeper.read_only {
        Some(why) => {
            let fix = "bring the disk in order and restart the server";
            DoctorCheck::fail("keeper", format!("it stores nothing: {why}"), fix)
        }
        None => DoctorCheck::ok("keeper", format!("{} items", status.keeper.items)),
    };
    DoctorReport {
        checks: vec![network, keeper],
    }
}

//! What a node tells of its network and its keeper; the same for a person's node and a server.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use restante_interface::{
    EntryPoint, EntryPointState, Examined, Finding, HOLDINGS_PAGE_COUNT_MAX, HoldingItem,
    HoldingsPage, KeeperLoad, KeeperStatus, MailboxStatus, NetworkLoad, NodeMode, Refusal,
    RepairStatus, StatusInfo, Stored, Traffic, Verdict,
};
use restante_proto::keeper::{Counters, Holding, HoldingKey};
use restante_proto::request::Reason;

use crate::keeper::{KeeperHandle, KeeperReport, cursor_of, parse_cursor};
use crate::net::{EntryFailure, EntryState, Mode, Multiaddr, NetHandle, TrafficBytes, peer_of};

/// Returns a status that holds what the network knows, and defaults for everything else.
pub(crate) async fn network_status(net: &NetHandle, network: &str) -> StatusInfo {
    let status = net.status().await.ok();
    let now = status.as_ref();
    StatusInfo {
        id: String::new(),
        network: network.to_owned(),
        mode: match now.map(|net| net.mode) {
            Some(Mode::Server) => NodeMode::Server,
            _ => NodeMode::Client,
        },
        peers: now.map_or(0, |net| count(net.connected.len())),
        routing_table: now.map_or(0, |net| count(net.table_count)),
        listen: now.map_or_else(Vec::new, |net| {
            let peer = peer_of(&net.node);
            let full = |at: &Multiaddr| match peer {
                Some(peer) => at
                    .clone()
                    .with_p2p(peer)
                    .unwrap_or_else(|at| at)
                    .to_string(),
                None => at.to_string(),
            };
            net.listen.iter().map(full).collect()
        }),
        errors: now.map_or_else(BTreeMap::new, |net| errors_of(&net.counters)),
        keeper: KeeperStatus::default(),
        outbox: Vec::new(),
        outbox_count: 0,
        mailboxes: MailboxStatus::default(),
        unread: 0,
        card_published_ms: None,
        account_read_only: None,
        network_load: now.map_or_else(NetworkLoad::default, |net| NetworkLoad {
            connections: net.connection_count as u64,
            queued_bytes: net.queued_bytes as u64,
            queued_bytes_max: net.queued_bytes_max as u64,
        }),
        entry_points: now.map_or_else(Vec::new, |net| {
            net.entry_points.iter().map(entry_point).collect()
        }),
        traffic: now.map_or_else(BTreeMap::new, |net| traffic_of(&net.traffic)),
        uptime_ms: 0,
    }
}

fn entry_point((address, state): &(Multiaddr, EntryState)) -> EntryPoint {
    EntryPoint {
        address: address.to_string(),
        state: match state {
            EntryState::NotTried => EntryPointState::NotTried,
            EntryState::Reached => EntryPointState::Reached,
            EntryState::Failed(why) => match why {
                EntryFailure::NameUnresolved => EntryPointState::NameUnresolved,
                EntryFailure::OtherIdentity => EntryPointState::OtherIdentity,
                EntryFailure::Refused => EntryPointState::Refused,
                EntryFailure::NoAnswer => EntryPointState::NoAnswer,
                EntryFailure::Unreachable => EntryPointState::Unreachable,
                EntryFailure::NoHandshake => EntryPointState::NoHandshake,
                EntryFailure::Unsupported => EntryPointState::Unsupported,
            },
        },
    }
}

/// Returns the keeper's own status; an empty one without a keeper.
pub(crate) async fn keeper_status(keeper: Option<&KeeperHandle>) -> KeeperStatus {
    let Some(keeper) = keeper else {
        return KeeperStatus::default();
    };
    match keeper.status().await {
        Some(report) => KeeperStatus {
            items: report.usage.items,
            bytes: report.usage.bytes,
            cap_bytes: report.usage.cap_bytes,
            read_only: report.read_only.clone(),
            refusals: refusals_of(&report.counters),
            load: load_of(&report),
            repair: RepairStatus {
                partners: report.partners as u64,
                compared: report.repair.compared,
                failed: report.repair.failed,
                copied: report.repair.copied,
                copied_bytes: report.repair.copied_bytes,
                handed_over: report.repair.handed_over,
            },
        },
        None => KeeperStatus {
            read_only: Some("the keeper has stopped".to_owned()),
            ..KeeperStatus::default()
        },
    }
}

fn load_of(report: &KeeperReport) -> KeeperLoad {
    let count = |count: usize| count as u64;
    let load = &report.load;
    KeeperLoad {
        waiting: count(report.waiting.count),
        waiting_bytes: report.waiting.cost,
        waiting_sources: count(report.waiting.sources),
        ready: count(report.ready.count),
        store_ops: count(load.store_ops),
        subscriptions: count(load.subscriptions),
        rates: count(load.rates),
        depositors: count(load.depositors),
        strangers: count(load.strangers),
    }
}

fn refusals_of(counters: &Counters) -> BTreeMap<String, u64> {
    let named = |(reason, count): (&Reason, &u64)| (reason.name().to_owned(), *count);
    counters.refusals.iter().map(named).collect()
}

fn errors_of(counters: &BTreeMap<&'static str, u64>) -> BTreeMap<String, u64> {
    let seen = counters.iter().filter(|(_, count)| **count > 0);
    seen.map(|(name, count)| ((*name).to_owned(), *count))
        .collect()
}

fn traffic_of(counted: &BTreeMap<&'static str, TrafficBytes>) -> BTreeMap<String, Traffic> {
    let traffic = |bytes: &TrafficBytes| Traffic {
        sent_bytes: bytes.sent,
        received_bytes: bytes.received,
    };
    let named = counted.iter();
    named
        .map(|(cause, bytes)| ((*cause).to_owned(), traffic(bytes)))
        .collect()
}

/// Examines the network around a person's node: alone, it can do nothing.
pub(crate) fn network_finding(status: &StatusInfo) -> Finding {
    let (peers, keepers) = (status.peers, status.routing_table);
    Finding {
        verdict: if keepers == 0 {
            Verdict::Fail
        } else {
            Verdict::Ok
        },
        what: Examined::Network { peers, keepers },
    }
}

/// Examines the network around a server: the first one of a network is alone until others join.
pub(crate) fn server_network_finding(status: &StatusInfo) -> Finding {
    let (peers, keepers) = (status.peers, status.routing_table);
    Finding {
        verdict: if keepers == 0 {
            Verdict::Warn
        } else {
            Verdict::Ok
        },
        what: Examined::ServerNetwork { peers, keepers },
    }
}

/// Examines the entry points; nothing to tell when all that were tried were reached.
pub(crate) fn entry_points_finding(status: &StatusInfo) -> Option<Finding> {
    let failed = status.entry_points.iter();
    let failed = failed.filter(|entry| entry.state.is_failed());
    let failed: Vec<EntryPoint> = failed.cloned().collect();
    (!failed.is_empty()).then(|| Finding {
        verdict: if status.routing_table == 0 {
            Verdict::Fail
        } else {
            Verdict::Warn
        },
        what: Examined::EntryPoints {
            failed,
            of: count(status.entry_points.len()),
        },
    })
}

/// Examines the keeper.
pub(crate) fn keeper_finding(status: &StatusInfo) -> Finding {
    let stopped = status.keeper.read_only.clone();
    Finding {
        verdict: if stopped.is_some() {
            Verdict::Fail
        } else {
            Verdict::Ok
        },
        what: Examined::Keeper {
            items: status.keeper.items,
            stopped,
        },
    }
}

/// Reads one page of what a keeper holds.
///
/// # Errors
///
/// [`Refusal::InvalidParameter`] for a cursor that is none, [`Refusal::NotRead`] when the disk fails.
pub(crate) async fn holdings_page(
    keeper: Option<&KeeperHandle>,
    after: Option<String>,
) -> Result<HoldingsPage, Refusal> {
    let Some(keeper) = keeper else {
        return Ok(HoldingsPage::default());
    };
    let cursor = |text: String| {
        parse_cursor(&text).ok_or_else(|| Refusal::InvalidParameter {
            name: "after".to_owned(),
        })
    };
    let after = after.map(cursor).transpose()?;
    read_holdings(keeper, after).await.ok_or(Refusal::NotRead {
        what: Stored::Holdings,
    })
}

async fn read_holdings(keeper: &KeeperHandle, after: Option<HoldingKey>) -> Option<HoldingsPage> {
    let report = keeper.status().await?;
    let page = keeper
        .holdings(after, HOLDINGS_PAGE_COUNT_MAX)
        .await?
        .ok()?;
    let item = |held: &Holding| HoldingItem {
        address: HEXLOWER.encode(held.address.as_bytes()),
        kind: held.kind.name().to_owned(),
        size_class: u64::from(held.size_bytes),
        expires_ms: held.expires.get(),
    };
    Some(HoldingsPage {
        items: page.items.iter().map(item).collect(),
        total_items: report.usage.items,
        total_bytes: report.usage.bytes,
        next: page.next.map(|key| cursor_of(&key)),
    })
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

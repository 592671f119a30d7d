//! What a node tells of its network and its keeper; the same for a person's node and a server.

mod states;

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use restante_interface::{
    ClockInfo, EntryPoint, EntryPointState, HOLDINGS_PAGE_COUNT_MAX, HoldingItem, HoldingsPage,
    KeeperLoad, KeeperStatus, MailboxStatus, NetworkLoad, NodeMode, Refusal, RepairStatus, State,
    StatusInfo, StoreTrouble, Stored, Traffic,
};
use restante_proto::dates::DateStanding;
use restante_proto::keeper::{Counters, Holding, HoldingKey, StoreError};
use restante_proto::request::Reason;
use restante_proto::time::UnixMillis;

use crate::keeper::{KeeperHandle, KeeperReport, cursor_of, parse_cursor};
use crate::net::{
    EntryFailure, EntryState, Mode, Multiaddr, NetHandle, NetStatus, TrafficBytes, ip_of, is_tcp,
    outward_ips, peer_of,
};

pub(crate) use restante_client::clock_state;
use states::network_states;

/// Whose node it is: a server that is not reached is a fault, a person's node that is not is like most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    Person,
    Server,
}

/// Returns a status that holds what the network knows, and defaults for everything else.
pub(crate) async fn network_status(net: &NetHandle, network: &str, role: Role) -> StatusInfo {
    let status = net.status().await.ok();
    let now = status.as_ref();
    let listed = |net: &NetStatus, addresses: &[Multiaddr]| -> Vec<String> {
        addresses.iter().map(|at| full(net, at)).collect()
    };
    let mut info = StatusInfo {
        id: String::new(),
        network: network.to_owned(),
        mode: match now.map(|net| net.mode) {
            Some(Mode::Server) => NodeMode::Server,
            _ => NodeMode::Client,
        },
        peers: now.map_or(0, |net| count(net.connected.len())),
        routing_table: now.map_or(0, |net| count(net.table_count)),
        listen: now.map_or_else(Vec::new, |net| listed(net, &net.listen)),
        errors: now.map_or_else(BTreeMap::new, |net| errors_of(&net.counters)),
        keeper: KeeperStatus::default(),
        outbox: Vec::new(),
        outbox_count: 0,
        mailboxes: MailboxStatus::default(),
        unread: 0,
        card_published_ms: None,
        card_effort_asked: None,
        stamp_effort_max: 0,
        account_read_only: None,
        account_recovered_ms: None,
        account_lost: 0,
        clock: None,
        copy: None,
        backup: None,
        network_load: now.map_or_else(NetworkLoad::default, |net| NetworkLoad {
            connections: net.connection_count as u64,
            queued_bytes: net.queued_bytes as u64,
            queued_bytes_max: net.queued_bytes_max as u64,
        }),
        entry_points: now.map_or_else(Vec::new, |net| {
            net.entry_points.iter().map(entry_point).collect()
        }),
        invite: now.map_or_else(Vec::new, |net| match net.mode {
            Mode::Server => {
                let outward = outward_ips();
                let mut external = net.external.clone();
                // What others are most likely to reach comes first, and of that what costs a server least.
                external.sort_by_key(|at| {
                    let is_inward = !ip_of(at).is_some_and(|ip| outward.contains(&ip));
                    (is_inward, is_tcp(at), at.to_string())
                });
                listed(net, &external)
            }
            Mode::Client => Vec::new(),
        }),
        states: Vec::new(),
        traffic: now.map_or_else(BTreeMap::new, |net| traffic_of(&net.traffic)),
        uptime_ms: 0,
    };
    if let Some(net) = now {
        info.states = network_states(net, &info, role);
    }
    info
}

/// Returns an address with this node's identity behind it.
fn full(net: &NetStatus, at: &Multiaddr) -> String {
    match peer_of(&net.node) {
        Some(peer) => at
            .clone()
            .with_p2p(peer)
            .unwrap_or_else(|at| at)
            .to_string(),
        None => at.to_string(),
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
                EntryFailure::OtherNetwork => EntryPointState::OtherNetwork,
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
            read_only: report.read_only.as_ref().map(trouble_of),
            recovered_ms: report.recovered.map(UnixMillis::get),
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
            read_only: Some(StoreTrouble::Ended),
            ..KeeperStatus::default()
        },
    }
}

/// Returns how far a keeper's date can be relied on.
pub(crate) async fn keeper_clock(keeper: &KeeperHandle) -> ClockInfo {
    let report = keeper.status().await;
    let standing = report.map_or(DateStanding::Unconfirmed, |report| report.date);
    restante_client::clock_info(standing)
}

/// Returns a failure of the keeper's store as people are told of it.
pub(crate) fn trouble_of(error: &StoreError) -> StoreTrouble {
    match error {
        StoreError::DiskFull => StoreTrouble::DiskFull,
        StoreError::Io(why) => StoreTrouble::DiskFailed { why: why.clone() },
        StoreError::Damaged(why) => StoreTrouble::Damaged { why: why.clone() },
        _ => StoreTrouble::Ended,
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

/// Returns the state of the store of what is kept for others.
pub(crate) fn keeper_state(keeper: &KeeperStatus) -> State {
    match &keeper.read_only {
        Some(trouble) => State::KeeperStopped {
            items: keeper.items,
            trouble: trouble.clone(),
        },
        None if keeper.cap_bytes == 0 => State::KeeperOff,
        None => State::KeeperOpen {
            items: keeper.items,
            bytes: keeper.bytes,
            cap_bytes: keeper.cap_bytes,
            recovered_ms: keeper.recovered_ms,
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

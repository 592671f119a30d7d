//! What a person gets to know about the node.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use restante_proto::ItemId;
use restante_proto::account::account_hash;
use restante_proto::keeper::{Counters, Holding};
use restante_proto::message::MessageId;
use restante_proto::request::Reason;
use restante_proto::time::UnixMillis;

use super::Client;
use super::contacts::link_of;
use super::rows::{Account, Sent};
use super::store::StoreFault;
use crate::control::Answer;
use crate::control::protocol::{ControlReply, FaultCode};
use crate::control::report::{
    DeliveryState, DoctorCheck, DoctorReport, HOLDINGS_PAGE_COUNT_MAX, HoldingItem, HoldingsPage,
    IdInfo, KeeperStatus, MailboxStatus, NodeMode, OUTBOX_COUNT_MAX, OutboxEntry, RepairStatus,
    StatusInfo,
};
use crate::keeper::{KeeperHandle, cursor_of, parse_cursor};
use crate::net::{Mode, Multiaddr, NetHandle, peer_of};

/// Returns how an account is found.
pub(crate) fn id_info(account: &Account) -> IdInfo {
    let key = account.identity.account.public();
    IdInfo {
        id: account.id.to_string(),
        link: link_of(&account.id, &key),
        fingerprint: HEXLOWER.encode(&account_hash(&key)),
    }
}

impl Client {
    pub(super) fn id_info(&self) -> IdInfo {
        id_info(&self.account)
    }

    pub(super) async fn status(&self, now: UnixMillis) -> StatusInfo {
        let (watched, subscribed) = self.collector.watched(now);
        let mut outbox: Vec<(MessageId, &Sent)> =
            self.sent.iter().map(|(id, sent)| (*id, sent)).collect();
        let is_under_way =
            |sent: &Sent| matches!(sent.state, DeliveryState::Waiting | DeliveryState::Stored);
        let under_way = outbox.iter().filter(|(_, sent)| is_under_way(sent)).count();
        outbox.sort_by_key(|(_, sent)| match is_under_way(sent) {
            true => (0, sent.sent.get()),
            false => (1, u64::MAX - sent.sent.get()),
        });
        let envelopes = self.outgoing.iter().map(|(at, out)| (out.message, *at));
        let envelopes: BTreeMap<MessageId, ItemId> = envelopes.collect();
        let unread = self.inbox.values().filter(|header| header.read.is_none());
        StatusInfo {
            id: self.account.id.to_string(),
            keeper: keeper_status(self.services.keeper.as_ref()).await,
            outbox_count: count(under_way),
            outbox: outbox
                .into_iter()
                .take(OUTBOX_COUNT_MAX)
                .map(|(id, sent)| self.outbox_entry(now, (id, envelopes.get(&id)), sent))
                .collect(),
            mailboxes: MailboxStatus {
                watched: count(watched),
                subscribed: count(subscribed),
            },
            unread: count(unread.count()),
            card_published_ms: self.card_published.map(UnixMillis::get),
            account_read_only: self.store_fault.get().map(StoreFault::to_string),
            uptime_ms: now.since(self.started),
            ..network_status(&self.services.net, &self.settings.network).await
        }
    }

    fn outbox_entry(
        &self,
        now: UnixMillis,
        (id, envelope): (MessageId, Option<&ItemId>),
        sent: &Sent,
    ) -> OutboxEntry {
        let standing = self.standing_of(now, id);
        let attempts = envelope
            .and_then(|at| self.outbox.standing(now, at))
            .map_or(0, |s| s.1);
        let next = envelope.and_then(|at| self.outbox.next_try(at));
        let to = self.contacts.get(&sent.to);
        OutboxEntry {
            message_id: id.to_string(),
            to: to.map_or_else(String::new, |contact| contact.id.to_string()),
            state: sent.state,
            stored_with: count(standing.with),
            stored_of: count(standing.of),
            until_ms: sent.expires.get(),
            attempts,
            next_try_ms: next
                .filter(|_| !matches!(sent.state, DeliveryState::Delivered))
                .map(UnixMillis::get),
        }
    }

    pub(super) async fn on_holdings(&self, after: Option<String>, answer: Answer) {
        let page = holdings_page(self.services.keeper.as_ref(), after).await;
        match page {
            Some(page) => answer.finish(Ok(ControlReply::Holdings(page))),
            None => {
                let hint = "run `restante doctor`, then restart the node";
                answer.refuse(
                    FaultCode::Disk,
                    "what is kept for others cannot be read",
                    hint,
                );
            }
        }
    }

    /// Examines what only the running node knows.
    pub(super) async fn examine(&self, now: UnixMillis) -> DoctorReport {
        let status = self.status(now).await;
        let mut checks = vec![
            network_check(&status),
            card_check(&status),
            mailbox_check(&status),
        ];
        if let Some(why) = &status.keeper.read_only {
            let fix = "bring the disk in order and restart the node";
            checks.push(DoctorCheck::fail(
                "keeper",
                format!("it stores nothing: {why}"),
                fix,
            ));
        } else {
            let detail = format!("{} items of others", status.keeper.items);
            checks.push(DoctorCheck::ok("keeper", detail));
        }
        checks.extend(account_check(&status));
        DoctorReport { checks }
    }
}

/// Returns a status with what the network knows, and nothing else filled in.
pub(crate) async fn network_status(net: &NetHandle, network: &str) -> StatusInfo {
    let now = net.status().await.ok();
    let now = now.as_ref();
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
        faults: now.map_or_else(BTreeMap::new, |net| faults_of(&net.counters)),
        keeper: KeeperStatus::default(),
        outbox: Vec::new(),
        outbox_count: 0,
        mailboxes: MailboxStatus::default(),
        unread: 0,
        card_published_ms: None,
        account_read_only: None,
        uptime_ms: 0,
    }
}

/// Returns what a keeper says of itself; nothing kept where there is none.
pub(crate) async fn keeper_status(keeper: Option<&KeeperHandle>) -> KeeperStatus {
    let Some(keeper) = keeper else {
        return KeeperStatus::default();
    };
    match keeper.status().await {
        Some(report) => KeeperStatus {
            items: report.usage.items,
            bytes: report.usage.bytes,
            cap_bytes: report.usage.cap_bytes,
            read_only: report.read_only,
            refusals: refusals_of(&report.counters),
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

fn refusals_of(counters: &Counters) -> BTreeMap<String, u64> {
    let named = |(reason, count): (&Reason, &u64)| (reason.name().to_owned(), *count);
    counters.refusals.iter().map(named).collect()
}

fn faults_of(counters: &BTreeMap<&'static str, u64>) -> BTreeMap<String, u64> {
    let seen = counters.iter().filter(|(_, count)| **count > 0);
    seen.map(|(name, count)| ((*name).to_owned(), *count))
        .collect()
}

fn network_check(status: &StatusInfo) -> DoctorCheck {
    if status.routing_table == 0 {
        let fix =
            "set `bootstrap` to the address of a node that is running, and check the firewall";
        return DoctorCheck::fail("network", "no other node is in reach", fix);
    }
    let detail = format!(
        "{} peers, {} known keepers",
        status.peers, status.routing_table
    );
    DoctorCheck::ok("network", detail)
}

fn card_check(status: &StatusInfo) -> DoctorCheck {
    match status.card_published_ms {
        Some(_) => DoctorCheck::ok("card", "published: this account can be found"),
        None => {
            let fix = "wait a minute with the node running; see the network check if it stays";
            DoctorCheck::warn("card", "not published yet in this run", fix)
        }
    }
}

/// Says that the account's store has stopped, if it has.
fn account_check(status: &StatusInfo) -> Option<DoctorCheck> {
    let why = status.account_read_only.as_ref()?;
    let detail = format!("nothing can be sent or received: {why}");
    let fix = "bring the disk in order and restart the node";
    Some(DoctorCheck::fail("account", detail, fix))
}

fn mailbox_check(status: &StatusInfo) -> DoctorCheck {
    let MailboxStatus {
        watched,
        subscribed,
    } = status.mailboxes;
    let detail = format!("{watched} watched, {subscribed} with a keeper that pushes");
    if subscribed == 0 {
        let fix = "messages are found later than they could be; see the network check";
        return DoctorCheck::warn("mailboxes", detail, fix);
    }
    DoctorCheck::ok("mailboxes", detail)
}

/// Reads one page of what a keeper holds.
pub(crate) async fn holdings_page(
    keeper: Option<&KeeperHandle>,
    after: Option<String>,
) -> Option<HoldingsPage> {
    let Some(keeper) = keeper else {
        return Some(HoldingsPage::default());
    };
    let after = match after {
        Some(cursor) => Some(parse_cursor(&cursor)?),
        None => None,
    };
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

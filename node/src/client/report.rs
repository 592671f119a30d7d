//! What a person gets to know about the node.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use restante_interface::{
    DeliveryState, DoctorReport, Examined, Finding, IdInfo, MailboxStatus, OUTBOX_COUNT_MAX,
    OutboxEntry, Reply, StatusInfo, Verdict,
};
use restante_proto::ItemId;
use restante_proto::account::account_hash;
use restante_proto::message::MessageId;
use restante_proto::time::UnixMillis;

use super::Client;
use super::contacts::link_of;
use super::rows::{Account, Sent};
use super::store::StoreFault;
use crate::control::Answer;
use crate::node::status::{
    holdings_page, keeper_finding, keeper_status, network_finding, network_status,
};

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
        answer.finish(page.map(Reply::Holdings));
    }

    /// Examines what only the running node knows.
    pub(super) async fn examine(&self, now: UnixMillis) -> DoctorReport {
        let status = self.status(now).await;
        let mut findings = vec![
            network_finding(&status),
            card_check(&status),
            mailbox_check(&status),
            keeper_finding(&status),
        ];
        findings.extend(account_check(&status));
        DoctorReport { findings }
    }
}

fn card_check(status: &StatusInfo) -> Finding {
    let published_ms = status.card_published_ms;
    Finding {
        verdict: match published_ms {
            Some(_) => Verdict::Ok,
            None => Verdict::Warn,
        },
        what: Examined::Card { published_ms },
    }
}

/// Says that the account's store has stopped, if it has.
fn account_check(status: &StatusInfo) -> Option<Finding> {
    let stopped = status.account_read_only.clone()?;
    Some(Finding {
        verdict: Verdict::Fail,
        what: Examined::Account { stopped },
    })
}

fn mailbox_check(status: &StatusInfo) -> Finding {
    let MailboxStatus {
        watched,
        subscribed,
    } = status.mailboxes;
    Finding {
        verdict: if subscribed == 0 {
            Verdict::Warn
        } else {
            Verdict::Ok
        },
        what: Examined::Mailboxes {
            watched,
            subscribed,
        },
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

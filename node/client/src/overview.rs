//! How the account is doing, for `status` and `doctor`.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use restante_interface::{DeliveryState, IdInfo, MailboxStatus, OUTBOX_COUNT_MAX, OutboxEntry};
use restante_proto::ItemId;
use restante_proto::account::account_hash;
use restante_proto::message::MessageId;
use restante_proto::time::{MonoMillis, Now, UnixMillis};

use crate::collecting::Collecting;
use crate::model::{Account, Sent, link_of};
use crate::placing::Placing;
use crate::publishing::Publishing;
use crate::records::Records;
use crate::settings::Settings;

/// The account's part of a status.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overview {
    /// Messages that were sent, at most [`OUTBOX_COUNT_MAX`]: those under way, oldest first, then those that ended,
    /// newest first.
    pub outbox: Vec<OutboxEntry>,
    /// How many messages are under way in all.
    pub outbox_count: u32,
    /// Its mailboxes.
    pub mailboxes: MailboxStatus,
    /// How many messages were not read.
    pub unread: u32,
    /// When its card was last stored at all its locators in this run.
    pub card_published: Option<UnixMillis>,
    /// The effort that keepers ask for before they take its card, where that is more than may be paid.
    pub card_effort_asked: Option<u32>,
    /// The highest effort of a stamp that is paid without asking.
    pub effort_max: u32,
    /// Why its store takes nothing in any more.
    pub stopped: Option<String>,
}

/// Returns how an account is found.
pub fn id_info(account: &Account) -> IdInfo {
    let key = account.identity.account.public();
    IdInfo {
        id: account.id.to_string(),
        link: link_of(&account.id, &key),
        fingerprint: HEXLOWER.encode(&account_hash(&key)),
    }
}

pub(crate) fn of(
    settings: &Settings,
    records: &Records,
    placing: &Placing,
    collecting: &Collecting,
    publishing: &Publishing,
    now: Now,
) -> Overview {
    let (watched, subscribed) = collecting.watched(now);
    let mut sent: Vec<(&MessageId, &Sent)> = records.sent().iter().collect();
    let under_way = sent.iter().filter(|(_, sent)| is_under_way(sent)).count();
    sent.sort_by_key(|(_, sent)| match is_under_way(sent) {
        true => (0, sent.sent.get()),
        false => (1, u64::MAX - sent.sent.get()),
    });
    let envelopes = records.outgoing().iter();
    let envelopes = envelopes.map(|(id, outgoing)| (outgoing.message, *id));
    let envelopes: BTreeMap<MessageId, ItemId> = envelopes.collect();
    let entry = |(id, sent): (&MessageId, &Sent)| {
        outbox_entry(records, placing, now, (id, envelopes.get(id)), sent)
    };
    let unread = records
        .inbox()
        .values()
        .filter(|header| header.read.is_none());
    Overview {
        outbox_count: count(under_way),
        outbox: sent.into_iter().take(OUTBOX_COUNT_MAX).map(entry).collect(),
        mailboxes: MailboxStatus {
            watched: count(watched),
            subscribed: count(subscribed),
        },
        unread: count(unread.count()),
        card_published: publishing.published(),
        card_effort_asked: publishing.effort_asked(now),
        effort_max: settings.effort_max,
        stopped: records.stopped().map(str::to_owned),
    }
}

/// Returns how a message stands by the date: a clock that was set forward ends it before the next timer says so.
pub(crate) fn state_at(sent: &Sent, date: UnixMillis) -> DeliveryState {
    match sent.expires <= date && is_under_way(sent) {
        true => DeliveryState::Expired,
        false => sent.state,
    }
}

const fn is_under_way(sent: &Sent) -> bool {
    matches!(sent.state, DeliveryState::Waiting | DeliveryState::Stored)
}

fn outbox_entry(
    records: &Records,
    placing: &Placing,
    now: Now,
    (id, envelope): (&MessageId, Option<&ItemId>),
    sent: &Sent,
) -> OutboxEntry {
    let (with, of) = placing.standing_of(records, now, *id).counts();
    let (attempts, next) = envelope.map_or((0, None), |at| placing.tries(now, at));
    let date = |at: MonoMillis| now.date.plus(at.since(now.mono)).get();
    OutboxEntry {
        message_id: id.to_string(),
        to: sent.id.to_string(),
        state: state_at(sent, now.date),
        stored_with: count(with),
        stored_of: count(of),
        until_ms: sent.expires.get(),
        effort_asked: placing
            .effort_asked(records, now, *id)
            .filter(|_| sent.state == DeliveryState::Waiting),
        attempts,
        next_try_ms: next
            .filter(|_| sent.state != DeliveryState::Delivered)
            .map(date),
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

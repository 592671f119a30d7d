//! How the account is doing, for `status` and `doctor`.

use std::collections::BTreeMap;

use data_encoding::HEXLOWER;
use restante_interface::{
    ClockInfo, CopyInfo, DeliveryState, IdInfo, MailboxStatus, MessageCode, OUTBOX_COUNT_MAX,
    Obstacle, ObstacleReason, OutboxEntry, State, StoreTrouble,
};
use restante_proto::ItemId;
use restante_proto::account::account_hash;
use restante_proto::message::MessageId;
use restante_proto::time::{MonoMillis, Now, UnixMillis};

use crate::collecting::Collecting;
use crate::copies::Copies;
use crate::dates::{DateStanding, Dates};
use crate::model::{Account, Sent, link_of};
use crate::obstacles::summed;
use crate::placing::{Placing, Shown};
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
    /// How many of these messages keepers refuse.
    pub refused_count: u32,
    /// Why, the most frequent first.
    pub obstacles: Vec<Obstacle>,
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
    /// Why its store takes nothing in at present.
    pub trouble: Option<StoreTrouble>,
    /// When its store last went on after it had taken nothing in.
    pub recovered: Option<UnixMillis>,
    /// How many messages were lost with their keys by the last start.
    pub lost: u32,
    /// How far the date is relied on.
    pub clock: ClockInfo,
    /// This home beside other copies of it.
    pub copy: CopyInfo,
}

/// Returns how an account is found.
pub fn id_info(account: &Account) -> IdInfo {
    let key = account.identity.account;
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
    (copies, dates): (&Copies, &Dates),
    now: Now,
) -> Overview {
    let (watched, subscribed) = collecting.watched(now);
    let settled = Now::new(now.mono, dates.settled(now));
    let mut sent: Vec<(&MessageId, &Sent)> = records.sent().iter().collect();
    let under_way = sent.iter().filter(|(_, sent)| sent.is_under_way()).count();
    sent.sort_by_key(|(_, sent)| match sent.is_under_way() {
        true => (0, sent.sent.get()),
        false => (1, u64::MAX - sent.sent.get()),
    });
    let envelopes = records.outgoing().iter();
    let envelopes = envelopes.map(|(id, outgoing)| (outgoing.message, *id));
    let envelopes: BTreeMap<MessageId, ItemId> = envelopes.collect();
    let entry = |(id, sent): (&MessageId, &Sent)| {
        outbox_entry(
            records,
            placing,
            (now, settled),
            (id, envelopes.get(id)),
            sent,
        )
    };
    let outbox: Vec<OutboxEntry> = sent.into_iter().take(OUTBOX_COUNT_MAX).map(entry).collect();
    let refused = || {
        outbox
            .iter()
            .filter(|entry| entry.code == MessageCode::Refused)
    };
    let obstacles = refused().flat_map(|entry| &entry.obstacles);
    let obstacles = obstacles.filter(|it| it.reason != ObstacleReason::NoAnswer);
    let unread = records
        .inbox()
        .values()
        .filter(|header| header.read.is_none() && header.recalled.is_none());
    Overview {
        outbox_count: count(under_way),
        refused_count: count(refused().count()),
        obstacles: summed(obstacles.map(|it| (it.reason, it.keepers))),
        outbox,
        mailboxes: MailboxStatus {
            watched: count(watched),
            subscribed: count(subscribed),
        },
        unread: count(unread.count()),
        card_published: publishing.published(),
        card_effort_asked: publishing.effort_asked(now),
        effort_max: settings.effort_max,
        trouble: records.trouble().cloned(),
        recovered: records.recovered(),
        lost: records.lost(),
        clock: clock_info(dates.standing(now)),
        copy: CopyInfo {
            newest: copies.is_newest(),
            others: count(copies.others()),
            renewed_ms: records.account().former.first().map(|it| it.left.get()),
            left: count(collecting.left()),
            shut_out: copies.is_shut_out(),
        },
    }
}

/// Returns how far the date can be relied on, as people are told of it.
pub fn clock_info(standing: DateStanding) -> ClockInfo {
    match standing {
        DateStanding::Sure => ClockInfo::Sure,
        DateStanding::Unconfirmed => ClockInfo::Unconfirmed,
        DateStanding::Contradicted { ahead_ms, keepers } => ClockInfo::Contradicted {
            ahead_ms,
            keepers: count(keepers),
        },
    }
}

/// Returns the state of the clock.
pub const fn clock_state(clock: ClockInfo) -> State {
    match clock {
        ClockInfo::Sure => State::ClockSure,
        ClockInfo::Unconfirmed => State::ClockUnconfirmed,
        ClockInfo::Contradicted {
            ahead_ms,
            keepers: 0,
        } => State::ClockBeforeDisk {
            behind_ms: ahead_ms.unsigned_abs(),
        },
        ClockInfo::Contradicted { ahead_ms, keepers } => {
            State::ClockContradicted { ahead_ms, keepers }
        }
    }
}

/// Returns how a message stands by a date: its end may have come before the next timer says so.
pub(crate) fn state_at(sent: &Sent, date: UnixMillis) -> DeliveryState {
    match sent.expires <= date && sent.is_under_way() {
        true => DeliveryState::Expired,
        false => sent.state,
    }
}

fn outbox_entry(
    records: &Records,
    placing: &Placing,
    (now, settled): (Now, Now),
    (id, envelope): (&MessageId, Option<&ItemId>),
    sent: &Sent,
) -> OutboxEntry {
    let standing = placing.standing_of(records, settled, *id);
    let (with, of) = standing.counts();
    let shown = Sent {
        state: state_at(sent, settled.date),
        ..sent.clone()
    };
    let Shown {
        code,
        obstacles,
        effort_asked,
    } = placing.shown(records, settled, *id, &shown, &standing);
    let (attempts, next) = envelope.map_or((0, None), |at| placing.tries(now, at));
    let date = |at: MonoMillis| now.date.plus(at.since(now.mono)).get();
    OutboxEntry {
        message_id: id.to_string(),
        to: sent.id.to_string(),
        state: shown.state,
        stored_with: count(with),
        stored_of: count(of),
        until_ms: sent.expires.get(),
        effort_asked,
        code,
        obstacles,
        attempts,
        next_try_ms: next.filter(|_| shown.is_under_way()).map(date),
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

//! Seeing whether a recipient has a device that a message was not sealed for (SPEC 10.7).
//!
//! A message is sealed for the devices of a card that may be a day old, so that it leaves at once. When no delivery
//! receipt has come after a while, the recipient is looked up: whoever has restored a backup, or has got another
//! device, gets the message there too. Until then its words are kept in memory, and nowhere else.

use std::collections::{BTreeMap, BTreeSet};

use restante_conversation::envelope::SUITE;
use restante_interface::DeliveryState;
use restante_proto::card::{Card, CardDevice, VerifiedCard};
use restante_proto::envelope::suite_of;
use restante_proto::keys::PublicKey;
use restante_proto::limits::{HOUR_MS, MINUTE_MS};
use restante_proto::message::MessageId;
use restante_proto::time::MonoMillis;
use tracing::debug;

use crate::conversing;
use crate::cx::Cx;
use crate::job::Resolution;
use crate::kept::Kept;
use crate::sealing::{self, Granting};
use crate::signal::{Intent, ResolveError, Signal};
use crate::then::{Sealed, SealedFor, Then};

/// The shortest time between two lookups of one recipient because of that, in milliseconds.
const PAUSE_MS: u64 = 10 * MINUTE_MS;
/// How often recipients of messages that were not delivered are looked up if nothing else asks for it, in milliseconds.
const SWEEP_MS: u64 = 6 * HOUR_MS;
/// How long after a text a device must have made a prekey to be taken for one that cannot read it, in milliseconds:
/// clocks may differ, and its receipt takes its time.
const ALIVE_MS: u64 = HOUR_MS;
/// Messages whose words are kept for it, at most.
const KEPT_MAX: usize = 256;
/// Recipients that are looked up in one sweep, at most.
const SWEPT_MAX: usize = 32;

/// Messages whose recipients are looked up again.
#[derive(Debug, Default)]
pub(crate) struct Rechecking {
    kept: BTreeMap<MessageId, Kept>,
    /// When recipients were last looked up.
    looked_up: BTreeMap<PublicKey, MonoMillis>,
    sweep_at: Option<MonoMillis>,
}

impl Rechecking {
    /// Keeps a message that was sealed by a card that was not looked up for it.
    pub(crate) fn keep(&mut self, mut kept: Kept) {
        if self.kept.len() >= KEPT_MAX {
            let first = self.kept.values().min_by_key(|kept| kept.due);
            let first = first.map(|kept| kept.message.id);
            first.and_then(|id| self.kept.remove(&id));
        }
        if let Some(last) = self.looked_up.get(&kept.to) {
            kept.due = kept.due.max(last.plus(PAUSE_MS));
        }
        self.kept.insert(kept.message.id, kept);
    }

    /// Looks up the recipients of messages that were not delivered in time.
    pub(crate) fn on_timer(&mut self, cx: &mut Cx<'_>) {
        self.sweep(cx);
        let now = cx.mono();
        if self.next_kept().is_none_or(|due| due > now) {
            return;
        }
        self.kept.retain(|id, _| is_under_way(cx, id));
        let mut due = BTreeSet::new();
        for kept in self
            .kept
            .values_mut()
            .filter(|kept| kept.due <= now && !kept.is_looking)
        {
            kept.is_looking = true;
            due.insert(kept.to);
        }
        for account in due {
            self.look_up(cx, account);
        }
    }

    /// Seals what is kept for devices that it was not sealed for.
    pub(crate) fn on_resolved(
        &mut self,
        cx: &mut Cx<'_>,
        account: PublicKey,
        result: Result<Box<Resolution>, ResolveError>,
    ) {
        let looked_up = self
            .kept
            .extract_if(.., |_, kept| kept.is_looking && kept.to == account);
        let kept: Vec<Kept> = looked_up.map(|(_, kept)| kept).collect();
        match result {
            Ok(found) if !found.card.card().terminated => {
                for kept in kept {
                    let left = seal_for_others(cx, &found.card, kept);
                    self.keep_inside(cx, left);
                }
                for device in behind(cx, found.card.card()) {
                    conversing::unhear(cx, &account, &device);
                    self.resend(cx, &account, &device);
                }
            }
            Ok(_) | Err(ResolveError::NotFound) => {}
            Err(_) => kept.into_iter().for_each(|kept| self.again(cx, kept)),
        }
    }

    /// Keeps on what was said inside of a conversation, until the next sweep.
    fn keep_inside(&mut self, cx: &Cx<'_>, left: Option<Kept>) {
        if let Some(left) = left.filter(|left| left.is_inside) {
            let kept = Kept {
                due: cx.mono().plus(SWEEP_MS),
                is_looking: false,
                ..left
            };
            self.kept.insert(kept.message.id, kept);
        }
    }

    /// Seals again for a device what it was sent inside of a conversation that it has lost; what is not kept any more
    /// is told to be lost.
    pub(crate) fn resend(&mut self, cx: &mut Cx<'_>, account: &PublicKey, device: &PublicKey) {
        let contact = cx.records.contacts().get(account);
        let card = contact.and_then(|contact| contact.card(cx.now.date));
        let under_way: Vec<MessageId> = cx
            .records
            .sent()
            .iter()
            .filter(|(id, sent)| sent.to == *account && is_under_way(cx, id))
            .map(|(id, _)| *id)
            .collect();
        for id in under_way {
            match (self.kept.remove(&id), &card) {
                (Some(mut kept), Some(card)) => {
                    kept.sealed_for.remove(device);
                    let left = seal_for_others(cx, card, kept);
                    self.keep_inside(cx, left);
                }
                (Some(kept), None) => self.again(cx, kept),
                (None, _) => outdate(cx, id),
            }
        }
        sealing::invite_now(cx, account);
    }

    /// Looks its recipient up once more, as when what was sealed could not be committed.
    pub(crate) fn again(&mut self, cx: &Cx<'_>, kept: Kept) {
        let again = Kept {
            due: cx.mono().plus(PAUSE_MS),
            is_looking: false,
            ..kept
        };
        self.kept.insert(again.message.id, again);
    }

    pub(crate) fn next_timeout(&self) -> Option<MonoMillis> {
        self.next_kept().into_iter().chain(self.sweep_at).min()
    }

    fn next_kept(&self) -> Option<MonoMillis> {
        let idle = self.kept.values().filter(|kept| !kept.is_looking);
        idle.map(|kept| kept.due).min()
    }

    /// Looks up who has waited for messages since before the last sweep: a card that was replaced meanwhile says that
    /// they may never be read.
    fn sweep(&mut self, cx: &mut Cx<'_>) {
        let now = cx.mono();
        let due = *self.sweep_at.get_or_insert_with(|| now.plus(SWEEP_MS));
        if due > now {
            return;
        }
        self.sweep_at = Some(now.plus(SWEEP_MS));
        self.looked_up.retain(|_, at| now.since(*at) < SWEEP_MS);
        let before = cx.date().minus(HOUR_MS);
        let sent = cx.records.sent().iter();
        let waiting = sent.filter(|(id, sent)| sent.sent < before && is_under_way(cx, id));
        let waiting: BTreeSet<PublicKey> = waiting.map(|(_, sent)| sent.to).collect();
        let mut waiting: Vec<PublicKey> = waiting.into_iter().collect();
        waiting.retain(|account| !self.looked_up.contains_key(account));
        for account in waiting.into_iter().take(SWEPT_MAX) {
            self.look_up(cx, account);
        }
    }

    fn look_up(&mut self, cx: &mut Cx<'_>, account: PublicKey) {
        self.looked_up.insert(account, cx.mono());
        cx.signal(Signal::Resolve(Intent::Recheck(account)));
    }
}

fn is_under_way(cx: &Cx<'_>, message: &MessageId) -> bool {
    let sent = cx.records.sent().get(message);
    sent.is_some_and(|sent| matches!(sent.state, DeliveryState::Waiting | DeliveryState::Stored))
}

/// Returns the devices of a card that cannot follow what they were told inside of a conversation: they have been alive
/// since, by their prekeys, and have not said that it arrived.
fn behind(cx: &Cx<'_>, card: &Card) -> BTreeSet<PublicKey> {
    let outgoing = cx.records.outgoing().values();
    let inside = outgoing.filter(|outgoing| {
        let is_inside = suite_of(&outgoing.envelope.bytes) == Some(SUITE);
        outgoing.to == card.account && outgoing.awaits_receipt && is_inside
    });
    let sent = inside.filter_map(|outgoing| cx.records.sent().get(&outgoing.message));
    let Some(first) = sent.map(|sent| sent.sent).min() else {
        return BTreeSet::new();
    };
    let is_behind = |device: &&CardDevice| {
        let key = device.certificate.device;
        device.prekey.issued > first.plus(ALIVE_MS) && conversing::is_heard(cx, card, &key)
    };
    let behind = card.devices.iter().filter(is_behind);
    behind.map(|device| device.certificate.device).collect()
}

/// Notes that a message may never be read.
fn outdate(cx: &mut Cx<'_>, id: MessageId) {
    if let Some(mut sent) = cx.records.sent().get(&id).cloned() {
        sent.is_outdated = true;
        cx.records.put_sent(id, sent);
    }
}

fn seal_for_others(cx: &mut Cx<'_>, card: &VerifiedCard, kept: Kept) -> Option<Kept> {
    if !is_under_way(cx, &kept.message.id) {
        return None;
    }
    let devices = card.card().devices.iter();
    let mut devices = devices.map(|device| device.certificate.device);
    if devices.all(|device| kept.sealed_for.contains(&device)) {
        return Some(kept);
    }
    let granting = Granting::WithFirst;
    let sealed = sealing::seal(
        cx,
        card,
        &kept.message,
        kept.expires,
        granting,
        &kept.sealed_for,
    );
    match sealed {
        Ok(sealed) => {
            debug!("a message is sealed for a device that its recipient has now");
            let envelopes = sealed
                .iter()
                .map(|outgoing| outgoing.envelope.id())
                .collect();
            if let Some(mut sent) = cx.records.sent().get(&kept.message.id).cloned() {
                sent.is_outdated = false;
                // For that device it is not stored yet.
                if sent.state == DeliveryState::Stored {
                    sent.state = DeliveryState::Waiting;
                }
                cx.records.put_sent(kept.message.id, sent);
            }
            cx.records.then(Then::Send(Sealed {
                envelopes,
                what: SealedFor::OtherDevice(Box::new(kept)),
            }));
        }
        Err(error) => debug!(%error, "a message cannot be sealed for another device"),
    }
    None
}

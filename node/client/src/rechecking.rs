//! Seeing whether a recipient has a device that a message was not sealed for (SPEC 10.7).
//!
//! A message is sealed for the devices of a card that may be a day old, so that it leaves at once. When no delivery
//! receipt has come after a while, the recipient is looked up: whoever has restored a backup, or has got another
//! device, gets the message there too. So does a device that has lost the conversation that it was said in. The words
//! are read from the disk, where they lie until the message ends.

use std::collections::{BTreeMap, BTreeSet};

use restante_conversation::envelope::SUITE;
use restante_interface::DeliveryState;
use restante_proto::card::{Card, CardDevice, VerifiedCard};
use restante_proto::envelope::suite_of;
use restante_proto::keys::PublicKey;
use restante_proto::limits::{HOUR_MS, MINUTE_MS, SECOND_MS};
use restante_proto::message::{Content, Message, MessageId, Text};
use restante_proto::time::MonoMillis;
use tracing::debug;

use crate::conversing;
use crate::cx::Cx;
use crate::job::Resolution;
use crate::model::{OutgoingEnvelope, Words};
use crate::pending::{Question, WordsOf};
use crate::sealing::{self, Granting};
use crate::signal::{Intent, ResolveError, Signal};
use crate::then::{Sealed, SealedFor, Then};

/// How long a delivery receipt is waited for before the recipient is looked up, in milliseconds.
const WAIT_MS: u64 = 20 * SECOND_MS;
/// The shortest time between two lookups of one recipient because of that, in milliseconds.
const PAUSE_MS: u64 = 10 * MINUTE_MS;
/// How often recipients of messages that were not delivered are looked up if nothing else asks for it, in milliseconds.
const SWEEP_MS: u64 = 6 * HOUR_MS;
/// How long after a text a device must have made a prekey to be taken for one that cannot read it, in milliseconds:
/// clocks may differ, and its receipt takes its time.
const ALIVE_MS: u64 = HOUR_MS;
/// Recipients that are waited for, at most.
const WATCHED_MAX: usize = 256;
/// Recipients that are looked up in one sweep, at most.
const SWEPT_MAX: usize = 32;

/// Recipients that are looked up again.
#[derive(Debug, Default)]
pub(crate) struct Rechecking {
    /// When those are who were sent something by a card that was not looked up for it.
    watched: BTreeMap<PublicKey, MonoMillis>,
    /// When recipients were last looked up.
    looked_up: BTreeMap<PublicKey, MonoMillis>,
    sweep_at: Option<MonoMillis>,
}

impl Rechecking {
    /// Has the recipient of a message looked up if no delivery receipt comes.
    pub(crate) fn watch(&mut self, cx: &Cx<'_>, message: MessageId) {
        let Some(sent) = cx.records.sent().get(&message) else {
            return;
        };
        let last = self.looked_up.get(&sent.to);
        let after = last.map(|last| last.plus(PAUSE_MS));
        let due = cx.mono().plus(WAIT_MS);
        self.look_up_at(sent.to, after.map_or(due, |after| after.max(due)));
    }

    /// Looks up the recipients of messages that were not delivered in time.
    pub(crate) fn on_timer(&mut self, cx: &mut Cx<'_>) {
        self.sweep(cx);
        let now = cx.mono();
        let due = self.watched.extract_if(.., |_, due| *due <= now);
        let due: Vec<PublicKey> = due.map(|(account, _)| account).collect();
        for account in due {
            let mut sent = cx.records.sent().values();
            if sent.any(|sent| sent.to == account && sent.is_under_way()) {
                self.look_up(cx, account);
            }
        }
    }

    /// Seals what is under way for devices that it was not sealed for.
    pub(crate) fn on_resolved(
        &mut self,
        cx: &mut Cx<'_>,
        account: PublicKey,
        result: Result<Box<Resolution>, ResolveError>,
    ) {
        match result {
            Ok(found) if !found.card.card().terminated => {
                let lost = behind(cx, found.card.card());
                for device in &lost {
                    conversing::unhear(cx, &account, device);
                }
                let is_any = !lost.is_empty();
                read_words(cx, &found.card, lost);
                if is_any {
                    sealing::invite_now(cx, &account);
                }
            }
            Ok(_) | Err(ResolveError::NotFound) => {}
            Err(_) => self.again(cx, account),
        }
    }

    /// Seals again for a device what it was sent inside of a conversation that it has lost.
    pub(crate) fn resend(&mut self, cx: &mut Cx<'_>, account: &PublicKey, device: &PublicKey) {
        let contact = cx.records.contacts().get(account);
        match contact.and_then(|contact| contact.card(cx.now.date)) {
            Some(card) => read_words(cx, &card, BTreeSet::from([*device])),
            None => self.again(cx, *account),
        }
        sealing::invite_now(cx, account);
    }

    /// Seals words again that were read.
    pub(crate) fn on_words(
        &mut self,
        cx: &mut Cx<'_>,
        of: WordsOf,
        bodies: Option<Vec<Option<Vec<u8>>>>,
    ) {
        let contact = cx.records.contacts().get(&of.account);
        let card = contact.and_then(|contact| contact.card(cx.now.date));
        let (Some(bodies), Some(card)) = (bodies, card) else {
            return self.again(cx, of.account);
        };
        let (read, left) = of.messages.split_at(bodies.len().min(of.messages.len()));
        for (id, words) in read.iter().zip(bodies) {
            match words {
                Some(words) => seal_again(cx, &card, *id, words, &of.lost),
                None => outdate(cx, *id),
            }
        }
        if !(left.is_empty() || read.is_empty()) {
            let messages = left.to_vec();
            ask_words(cx, WordsOf { messages, ..of });
        }
    }

    /// Looks a recipient up once more, as when what was sealed could not be committed.
    pub(crate) fn again(&mut self, cx: &Cx<'_>, account: PublicKey) {
        self.look_up_at(account, cx.mono().plus(PAUSE_MS));
    }

    pub(crate) fn next_timeout(&self) -> Option<MonoMillis> {
        let watched = self.watched.values().copied();
        watched.chain(self.sweep_at).min()
    }

    fn look_up_at(&mut self, account: PublicKey, due: MonoMillis) {
        if let Some(known) = self.watched.get_mut(&account) {
            *known = due.min(*known);
        } else if self.watched.len() < WATCHED_MAX {
            self.watched.insert(account, due);
        }
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
        let sent = cx.records.sent().values();
        let waiting = sent.filter(|sent| sent.sent < before && sent.is_under_way());
        let waiting: BTreeSet<PublicKey> = waiting.map(|sent| sent.to).collect();
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

fn is_inside(outgoing: &OutgoingEnvelope) -> bool {
    suite_of(&outgoing.envelope.bytes) == Some(SUITE)
}

/// Tells whether a device was alive after an envelope was sealed for it, by its prekey: in a conversation it would have
/// said that it arrived.
fn is_alive_since(device: &CardDevice, outgoing: &OutgoingEnvelope) -> bool {
    device.prekey.issued > outgoing.made.plus(ALIVE_MS)
}

/// Returns the devices of a card that cannot follow what they were told, or whose word that it arrived was lost: they
/// are in a conversation, have been alive since, and have not said so.
fn behind(cx: &Cx<'_>, card: &Card) -> BTreeSet<PublicKey> {
    let outgoing = cx.records.outgoing().values();
    let waiting: Vec<&OutgoingEnvelope> = outgoing
        .filter(|outgoing| outgoing.to == card.account && outgoing.awaits_receipt)
        .collect();
    let is_behind = |device: &&CardDevice| {
        let key = device.certificate.device;
        let mut sent = waiting.iter().filter(|outgoing| outgoing.device == key);
        sent.any(|outgoing| is_alive_since(device, outgoing))
            && conversing::is_heard(cx, card, &key)
    };
    let behind = card.devices.iter().filter(is_behind);
    behind.map(|device| device.certificate.device).collect()
}

/// Has the words read of what is under way to an account and not sealed for all of its devices; `lost` are those that
/// cannot follow a conversation.
fn read_words(cx: &mut Cx<'_>, card: &VerifiedCard, lost: BTreeSet<PublicKey>) {
    let account = card.card().account;
    let sent = cx.records.sent().iter();
    // What was replaced goes with what has replaced it.
    let under_way = sent.filter(|(_, sent)| {
        sent.to == account && sent.is_under_way() && sent.replaced_by.is_none()
    });
    let under_way: BTreeMap<MessageId, Words> =
        under_way.map(|(id, sent)| (*id, sent.words)).collect();
    if under_way.is_empty() {
        return;
    }
    let mut messages = Vec::new();
    let sealed_for = sealed_for(cx, card.card(), &lost);
    for (id, words) in under_way {
        let done = sealed_for.get(&id);
        let mut devices = card.card().devices.iter();
        let is_missing = |device: &CardDevice| {
            let is_done = done.is_some_and(|done| done.contains(&device.certificate.device));
            device.prekey.expires > cx.now.date && !is_done
        };
        if !devices.any(is_missing) {
            continue;
        }
        match words {
            Words::At(_) => messages.push(id),
            Words::Gone => outdate(cx, id),
            Words::Staged => {}
        }
    }
    ask_words(
        cx,
        WordsOf {
            account,
            lost,
            messages,
        },
    );
}

fn ask_words(cx: &mut Cx<'_>, mut of: WordsOf) {
    let place = |id: &MessageId| {
        let sent = cx.records.sent().get(id)?;
        Some((*id, (sent.place, sent.words.slot()?)))
    };
    let (messages, places): (Vec<_>, Vec<_>) = of.messages.iter().filter_map(place).unzip();
    if !messages.is_empty() {
        of.messages = messages;
        cx.read(Question::Words(of), places);
    }
}

/// Returns for which devices of an account messages under way are sealed so that they can be read there.
fn sealed_for(
    cx: &Cx<'_>,
    card: &Card,
    lost: &BTreeSet<PublicKey>,
) -> BTreeMap<MessageId, BTreeSet<PublicKey>> {
    let outgoing = cx.records.outgoing().values();
    let follows =
        |device: &PublicKey| !lost.contains(device) && conversing::is_heard(cx, card, device);
    let is_behind = |outgoing: &OutgoingEnvelope| {
        let mut devices = card.devices.iter();
        let device = devices.find(|device| device.certificate.device == outgoing.device);
        let is_late = device.is_some_and(|device| is_alive_since(device, outgoing));
        is_late && lost.contains(&outgoing.device)
    };
    let is_of_use = |outgoing: &&OutgoingEnvelope| {
        let is_read = !is_inside(outgoing) || follows(&outgoing.device);
        outgoing.to == card.account && is_read && !is_behind(outgoing)
    };
    let mut devices: BTreeMap<MessageId, BTreeSet<PublicKey>> = BTreeMap::new();
    for outgoing in outgoing.filter(is_of_use) {
        let of = devices.entry(outgoing.message).or_default();
        of.insert(outgoing.device);
    }
    devices
}

/// Notes that a message may never be read.
fn outdate(cx: &mut Cx<'_>, id: MessageId) {
    let sent = cx.records.sent().get(&id);
    if let Some(mut sent) = sent.filter(|sent| !sent.is_outdated).cloned() {
        sent.is_outdated = true;
        cx.records.put_sent(id, sent);
    }
}

/// Seals a message for those devices of a card that it is not sealed for.
fn seal_again(
    cx: &mut Cx<'_>,
    card: &VerifiedCard,
    id: MessageId,
    words: Vec<u8>,
    lost: &BTreeSet<PublicKey>,
) {
    let account = card.card().account;
    let Some(sent) = cx.records.sent().get(&id).filter(|it| it.is_under_way()) else {
        return;
    };
    let mut sent = sent.clone();
    let content = Content::Text(Text {
        body: words.into(),
        burn_ms: sent.burn_ms,
        file_name: sent.file_name.clone(),
        reply_to: sent.reply_to,
        replaces: sent.replaces,
    });
    let identity = &cx.records.account().identity;
    let message = Message::new(identity, id, sent.sent, content);
    let done = sealed_for(cx, card.card(), lost).remove(&id);
    let done = done.unwrap_or_default();
    let granting = Granting::WithFirst;
    match sealing::seal(cx, card, &message, sent.expires, granting, &done) {
        Ok(sealed) => {
            debug!("a message is sealed for a device that its recipient has now");
            let envelopes = sealed.iter().map(|it| it.envelope.id()).collect();
            sent.is_outdated = false;
            // For that device it is not stored yet.
            if sent.state == DeliveryState::Stored {
                sent.state = DeliveryState::Waiting;
            }
            cx.records.put_sent(id, sent);
            let what = SealedFor::OtherDevice(account);
            cx.records.then(Then::Send(Sealed { envelopes, what }));
        }
        Err(error) => debug!(%error, "a message cannot be sealed for another device"),
    }
}

//! Sealing a message for the devices that are in a conversation with this one (SPEC 15.7).

use std::collections::{BTreeMap, BTreeSet};

use restante_conversation::{ConversationId, envelope};
use restante_proto::card::{Card, CardDevice};
use restante_proto::envelope::{Lifetime, SealError};
use restante_proto::keys::PublicKey;
use restante_proto::limits::{GRANT_EPOCHS_MAX, MESSAGE_TTL_MAX_MS};
use restante_proto::message::{Content, Grant, Message, MessageId, Said, What};
use restante_proto::time::UnixMillis;

use super::{DEVICE_MAILBOX, is_due, mailbox_of, note_granted, payment_of, right_of};
use crate::conversing::{self, Spoken};
use crate::cx::Cx;
use crate::model::OutgoingEnvelope;

/// Bytes of what is said, at most: what the largest envelope holds beside the seal of the group.
const SAID_BYTES_MAX: usize = 65_000;

/// Seals a message for those of `wanted` that are in a conversation, with what keeps it going; returns these devices,
/// and the envelopes.
///
/// # Errors
///
/// [`SealError`] when the message does not fit or lives too long.
pub(super) fn seal(
    cx: &mut Cx<'_>,
    card: &Card,
    (id, members): (ConversationId, BTreeSet<PublicKey>),
    wanted: &[&CardDevice],
    message: &Message,
    expires: UnixMillis,
) -> Result<(BTreeSet<PublicKey>, Vec<OutgoingEnvelope>), SealError> {
    let mut sealed = Vec::new();
    let is_member = |device: &&&CardDevice| members.contains(&device.certificate.device);
    let inside: Vec<&CardDevice> = wanted.iter().filter(is_member).copied().collect();
    if inside.is_empty() {
        return Ok((BTreeSet::new(), sealed));
    }
    let said = Said {
        id: message.id,
        sent: message.sent,
        expires,
        what: What::Content(message.content.clone()),
    };
    // From here on nothing fails any more: a commit that is staged and never leaves would part the members.
    let body = check(cx, &said)?;
    let all: Vec<&CardDevice> = card.devices.iter().filter(|it| is_member(&it)).collect();
    sealed.extend(renew(cx, card, &id, &all)?);
    let Some(spoken) = conversing::speak(cx, &id, &body) else {
        return Ok((BTreeSet::new(), sealed));
    };
    let waits = matches!(message.content, Content::Text(_));
    let what = (message.id, expires, waits);
    sealed.extend(for_each(cx, card, &inside, what, &spoken)?);
    sealed.extend(grant(cx, card, &id, &all)?);
    let inside = inside.iter().map(|it| it.certificate.device).collect();
    Ok((inside, sealed))
}

/// Renews this device's keys in a conversation if it has joined, or not done so for long.
pub(crate) fn renew(
    cx: &mut Cx<'_>,
    card: &Card,
    id: &ConversationId,
    all: &[&CardDevice],
) -> Result<Vec<OutgoingEnvelope>, SealError> {
    let Some(commit) = conversing::renew(cx, id) else {
        return Ok(Vec::new());
    };
    let name = MessageId::random(&mut cx.rng);
    let expires = cx.date().plus(MESSAGE_TTL_MAX_MS);
    for_each(cx, card, all, (name, expires, false), &commit)
}

/// Grants an account anew what ends soon, to all its devices at once.
fn grant(
    cx: &mut Cx<'_>,
    card: &Card,
    id: &ConversationId,
    all: &[&CardDevice],
) -> Result<Vec<OutgoingEnvelope>, SealError> {
    let today = cx.date().epoch();
    let own = cx.records.account().identity.device.public();
    let contact = cx.records.contacts().get(&card.account);
    let is_due = |device: &&CardDevice| is_due(contact, &own, &device.certificate.device, today);
    if !all.iter().any(is_due) {
        return Ok(Vec::new());
    }
    let identity = &cx.records.account().identity;
    let (account, mailbox) = (&card.account, DEVICE_MAILBOX);
    let grant = Grant::issue(identity, account, account, mailbox, today, GRANT_EPOCHS_MAX);
    let last = grant.last_epoch();
    let said = Said {
        id: MessageId::random(&mut cx.rng),
        sent: cx.date(),
        expires: cx.date().plus(MESSAGE_TTL_MAX_MS),
        what: What::Grant(grant),
    };
    let Some(spoken) = speak(cx, id, &said) else {
        return Ok(Vec::new());
    };
    let granted: BTreeMap<_, _> = all.iter().map(|it| (it.certificate.device, last)).collect();
    note_granted(cx, account, granted);
    for_each(cx, card, all, (said.id, said.expires, false), &spoken)
}

/// Encodes what is said, if it fits an envelope and lives no longer than it may.
fn check(cx: &Cx<'_>, said: &Said) -> Result<Vec<u8>, SealError> {
    let now = cx.date();
    if said.expires <= now || said.expires > now.plus(MESSAGE_TTL_MAX_MS) {
        return Err(SealError::Lifetime);
    }
    let limit = SAID_BYTES_MAX;
    let body = said.encode().ok();
    let body = body.ok_or(SealError::TooLong { got: 0, limit })?;
    if body.len() > limit {
        let got = body.len();
        return Err(SealError::TooLong { got, limit });
    }
    Ok(body)
}

fn speak(cx: &mut Cx<'_>, id: &ConversationId, said: &Said) -> Option<Spoken> {
    let body = said.encode().ok()?;
    conversing::speak(cx, id, &body)
}

/// Makes an envelope for each device; `what` is the message, its end, and whether a delivery receipt is awaited.
fn for_each(
    cx: &mut Cx<'_>,
    card: &Card,
    devices: &[&CardDevice],
    (message, expires, awaits_receipt): (MessageId, UnixMillis, bool),
    spoken: &Spoken,
) -> Result<Vec<OutgoingEnvelope>, SealError> {
    let (now, today) = (cx.date(), cx.date().epoch());
    let contact = cx.records.contacts().get(&card.account).cloned();
    let mut sealed = Vec::new();
    for device in devices {
        let right = right_of(contact.as_ref(), &device.certificate.device, today);
        let mailbox = mailbox_of(device, right.as_ref(), today);
        let times = Lifetime { now, expires };
        let (keys, bytes) = (&spoken.keys, &spoken.bytes);
        let envelope = envelope::seal(keys, bytes, mailbox, times, &mut cx.rng)?;
        sealed.push(OutgoingEnvelope {
            message,
            to: card.account,
            device: device.certificate.device,
            payment: payment_of(right, &envelope),
            envelope,
            receipts: BTreeMap::new(),
            made: now,
            awaits_receipt,
        });
    }
    Ok(sealed)
}

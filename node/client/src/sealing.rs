//! Sealing a message for every device of its recipient (SPEC 6.2, 10.7).

mod inside;

use std::collections::{BTreeMap, BTreeSet};

use restante_conversation::ConversationId;
use restante_interface::Refusal;
use restante_proto::card::{Card, CardDevice, VerifiedCard};
use restante_proto::envelope::{self, Envelope, Lifetime, Recipient, SealError};
use restante_proto::keys::PublicKey;
use restante_proto::limits::{BODY_BYTES_MAX, GRANT_EPOCHS_MAX, MESSAGE_TTL_MAX_MS};
use restante_proto::mailbox::{Capability, Mailbox, Rule};
use restante_proto::message::{Content, Grant, Message, MessageId};
use restante_proto::request::Admission;
use restante_proto::time::{Epoch, UnixMillis};
use tracing::debug;

use crate::conversing::{self, Invited};
use crate::cx::Cx;
use crate::model::{Contact, OutgoingEnvelope, Payment};
use crate::then::{Sealed, SealedFor, Then};

/// The number of the mailbox that contacts deposit into: each further one would be watched for as much again.
pub(crate) const DEVICE_MAILBOX: u8 = 0;
/// Epochs left of a grant at which it is renewed.
const RENEW_EPOCHS: u32 = 6;

/// When a grant goes with a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Granting {
    /// To a device that granted nothing, so that its answer need not pay, if it costs no larger envelope than that.
    WithFirst,
    /// To a device that has none, or one that ends soon.
    WhenDue,
}

/// Seals `message` for each device of `card` that can be sealed to and is not in `but`, and stages the envelopes, with
/// the contact as it is after what was granted in them: with the grant on the disk its mailboxes are watched, and only
/// then does it leave.
///
/// Devices that are in a conversation with this one get it there. With the message goes whatever keeps conversations
/// going: an invitation, a commit, a grant.
///
/// # Errors
///
/// [`SealError`] when no device's prekey or the message's length does not allow it; then no envelope is staged.
pub(crate) fn seal(
    cx: &mut Cx<'_>,
    card: &VerifiedCard,
    message: &Message,
    expires: UnixMillis,
    granting: Granting,
    but: &BTreeSet<PublicKey>,
) -> Result<Vec<OutgoingEnvelope>, SealError> {
    // Nobody takes anything from a home that is shut out.
    if cx.shut_out {
        return Err(SealError::PrekeyExpired);
    }
    let card = card.card();
    let date = cx.date();
    // A device that was away for a month is no reason not to write to the others.
    let is_alive = |device: &&CardDevice| device.prekey.expires > date;
    if !card.devices.iter().any(|device| is_alive(&device)) {
        return Err(SealError::PrekeyExpired);
    }
    let wanted = card.devices.iter().filter(is_alive);
    let wanted: Vec<&CardDevice> = wanted
        .filter(|device| !but.contains(&device.certificate.device))
        .collect();
    let conversation = conversing::with(cx, card);
    let members = conversation.as_ref().map(|(_, members)| members.clone());
    let members = members.unwrap_or_default();
    let is_outside = |device: &&&CardDevice| !members.contains(&device.certificate.device);
    let outside: Vec<&CardDevice> = wanted.iter().filter(is_outside).copied().collect();
    let mut sealed = Vec::new();
    // First, since it may fail: what changes a conversation must leave once it is staged.
    if !outside.is_empty() {
        let message = conversing::offering(cx, card, message.clone());
        sealed = seal_outside(cx, card, &outside, &message, expires, granting)?;
    }
    let mut inside = BTreeSet::new();
    if let Some(conversation) = conversation {
        let (spoken_to, said) = inside::seal(cx, card, conversation, &wanted, message, expires)?;
        inside = spoken_to;
        sealed.extend(said);
    }
    let is_left_out = |device: &&&CardDevice| {
        let key = &device.certificate.device;
        members.contains(key) && !inside.contains(key)
    };
    let left_out: Vec<&CardDevice> = wanted.iter().filter(is_left_out).copied().collect();
    if !left_out.is_empty() {
        match seal_outside(cx, card, &left_out, message, expires, granting) {
            Ok(others) => sealed.extend(others),
            Err(error) => debug!(%error, "devices are left out that take nothing inside"),
        }
    }
    if !(outside.is_empty() && left_out.is_empty()) {
        sealed.extend(invite(cx, card));
    }
    for outgoing in &sealed {
        cx.records.put_outgoing(outgoing.clone());
    }
    Ok(sealed)
}

/// Renews this device's keys in a conversation that it has joined, if the account's card is known; otherwise it is done
/// before this device speaks.
pub(crate) fn renew(cx: &mut Cx<'_>, id: &ConversationId, account: &PublicKey) {
    let contact = cx.records.contacts().get(account);
    let Some(card) = contact.and_then(|contact| contact.card(cx.now.date)) else {
        return;
    };
    let card = card.card();
    let Some((_, members)) = conversing::with(cx, card).filter(|(with, _)| with == id) else {
        return;
    };
    let all = card.devices.iter();
    let all: Vec<&CardDevice> = all
        .filter(|device| members.contains(&device.certificate.device))
        .collect();
    let Ok(sealed) = inside::renew(cx, card, id, &all) else {
        return;
    };
    stage(cx, sealed);
}

/// Tells the other account that this device cannot follow a conversation any more.
pub(crate) fn tell_lost(cx: &mut Cx<'_>, id: &ConversationId) {
    let contact = cx.records.memberships().get(id);
    let contact = contact.and_then(|membership| cx.records.contacts().get(&membership.with));
    let Some(card) = contact.and_then(|contact| contact.card(cx.now.date)) else {
        return;
    };
    let Some(account) = conversing::lose(cx, id) else {
        return;
    };
    let card = card.card();
    let packages = conversing::offer_now(cx, &account);
    let conversation = *id.as_bytes();
    let name = MessageId::random(&mut cx.rng);
    let identity = &cx.records.account().identity;
    let message = Message::new(identity, name, cx.now.date, Content::Lost { conversation });
    let message = message.offering(packages);
    let all: Vec<&CardDevice> = card.devices.iter().collect();
    let expires = cx.date().plus(MESSAGE_TTL_MAX_MS);
    let sealed = seal_outside(cx, card, &all, &message, expires, Granting::WhenDue);
    stage(cx, sealed.unwrap_or_default());
}

/// Has envelopes leave that keep a conversation going, once they are committed.
fn stage(cx: &mut Cx<'_>, sealed: Vec<OutgoingEnvelope>) {
    let mut envelopes = Vec::new();
    for outgoing in sealed {
        envelopes.push(outgoing.envelope.id());
        cx.records.put_outgoing(outgoing);
    }
    let what = SealedFor::Renewal;
    cx.records.then(Then::Send(Sealed { envelopes, what }));
}

/// Invites a contact that has offered key packages, if there is one to be invited.
pub(crate) fn invite_now(cx: &mut Cx<'_>, account: &PublicKey) {
    let contact = cx.records.contacts().get(account);
    if let Some(card) = contact.and_then(|contact| contact.card(cx.now.date)) {
        let sealed = invite(cx, card.card());
        stage(cx, sealed);
    }
}

/// Seals a message to the prekeys of devices.
fn seal_outside(
    cx: &mut Cx<'_>,
    card: &Card,
    devices: &[&CardDevice],
    message: &Message,
    expires: UnixMillis,
    granting: Granting,
) -> Result<Vec<OutgoingEnvelope>, SealError> {
    let today = cx.date().epoch();
    let own = cx.records.account().identity.device.public();
    let contact = cx.records.contacts().get(&card.account).cloned();
    let mut granted = BTreeMap::new();
    let mut sealed = Vec::new();
    for device in devices {
        let holder = device.certificate.device;
        let right = right_of(contact.as_ref(), &holder, today);
        let message = match granting {
            Granting::WithFirst if right.is_none() => {
                envelope::with_grant(message.clone(), issue(cx, &card.account, &holder))
            }
            Granting::WhenDue if is_due(contact.as_ref(), &own, &holder, today) => {
                let grant = issue(cx, &card.account, &holder);
                message.clone().granting(Some(grant))
            }
            _ => message.clone(),
        };
        if let Some(grant) = &message.grant {
            granted.insert(holder, grant.last_epoch());
        }
        sealed.push(seal_one(
            cx,
            card.account,
            device,
            right,
            &message,
            expires,
        )?);
    }
    note_granted(cx, &card.account, granted);
    Ok(sealed)
}

/// Makes a conversation with a contact that has offered key packages, and returns what invites it.
fn invite(cx: &mut Cx<'_>, card: &Card) -> Vec<OutgoingEnvelope> {
    let Some(Invited { welcome, devices }) = conversing::invite(cx, card) else {
        return Vec::new();
    };
    let welcome = welcome.into();
    let id = MessageId::random(&mut cx.rng);
    let identity = &cx.records.account().identity;
    let message = Message::new(identity, id, cx.now.date, Content::Invitation { welcome });
    let invited = card.devices.iter();
    let invited: Vec<&CardDevice> = invited
        .filter(|device| devices.contains(&device.certificate.device))
        .collect();
    let expires = cx.date().plus(MESSAGE_TTL_MAX_MS);
    seal_outside(cx, card, &invited, &message, expires, Granting::WhenDue).unwrap_or_default()
}

/// Returns the right to deposit into a device's mailbox of today, if it has granted one.
fn right_of(
    contact: Option<&Contact>,
    device: &PublicKey,
    today: Epoch,
) -> Option<(Mailbox, Capability)> {
    let theirs = contact.and_then(|contact| contact.grants.get(device));
    theirs.and_then(|grant| grant.mailbox(today))
}

/// Stages what was granted to devices of a contact.
fn note_granted(cx: &mut Cx<'_>, account: &PublicKey, granted: BTreeMap<PublicKey, Epoch>) {
    let own = cx.records.account().identity.device.public();
    let contact = cx.records.contacts().get(account).cloned();
    if let Some(mut contact) = contact.filter(|_| !granted.is_empty()) {
        contact.note_granted(own, granted);
        cx.records.put_contact(contact);
    }
}

fn seal_one(
    cx: &mut Cx<'_>,
    account: PublicKey,
    device: &CardDevice,
    right: Option<(Mailbox, Capability)>,
    message: &Message,
    expires: UnixMillis,
) -> Result<OutgoingEnvelope, SealError> {
    let mailbox = mailbox_of(device, right.as_ref(), cx.date().epoch());
    let recipient = Recipient {
        account,
        device: device.certificate.device,
        prekey: &device.prekey,
    };
    let times = Lifetime {
        now: cx.date(),
        expires,
    };
    let identity = &cx.records.account().identity;
    let envelope = envelope::seal(message, identity, &recipient, mailbox, times, &mut cx.rng)?;
    Ok(OutgoingEnvelope {
        message: message.id,
        to: account,
        device: device.certificate.device,
        payment: payment_of(right, &envelope),
        envelope,
        receipts: BTreeMap::new(),
        made: cx.date(),
        awaits_receipt: matches!(message.content, Content::Text(_)),
    })
}

/// Returns the mailbox that a device's envelopes go to: the one that it has granted, or that of first contact.
fn mailbox_of(device: &CardDevice, right: Option<&(Mailbox, Capability)>, today: Epoch) -> Mailbox {
    right.map_or(
        Mailbox {
            owner: device.first_contact,
            rule: Rule::Stamp,
            epoch: today,
        },
        |(mailbox, _)| *mailbox,
    )
}

fn payment_of(right: Option<(Mailbox, Capability)>, envelope: &Envelope) -> Payment {
    right.map_or(Payment::Due, |(mailbox, capability)| {
        let proof = capability.prove(&mailbox.address(), &envelope.id(), envelope.expires);
        Payment::Ready(Box::new(Admission::Capability(proof)))
    })
}

fn is_due(contact: Option<&Contact>, own: &PublicKey, device: &PublicKey, today: Epoch) -> bool {
    let granted = contact.and_then(|contact| contact.granted(own, device));
    granted.is_none_or(|last| last <= today.plus(RENEW_EPOCHS))
}

/// Grants a device of a contact deposits from today on.
fn issue(cx: &Cx<'_>, account: &PublicKey, device: &PublicKey) -> Grant {
    let identity = &cx.records.account().identity;
    let today = cx.date().epoch();
    let mailbox = DEVICE_MAILBOX;
    Grant::issue(identity, account, device, mailbox, today, GRANT_EPOCHS_MAX)
}

/// Returns what a person is told when a message cannot be sealed.
pub(crate) fn refusal_of(error: SealError, id: String) -> Refusal {
    match error {
        SealError::TooLong { .. } => Refusal::TooLong {
            max_bytes: BODY_BYTES_MAX as u64,
        },
        SealError::Lifetime => Refusal::InvalidLifetime {
            max_ms: MESSAGE_TTL_MAX_MS,
        },
        _ => Refusal::StaleKeys { id },
    }
}

//! Sealing a message for every device of its recipient (SPEC 6.2, 10.7).

use std::collections::{BTreeMap, BTreeSet};

use restante_interface::Refusal;
use restante_proto::card::{CardDevice, VerifiedCard};
use restante_proto::envelope::{self, Lifetime, Recipient, SealError};
use restante_proto::keys::PublicKey;
use restante_proto::limits::{BODY_BYTES_MAX, GRANT_EPOCHS_MAX, MESSAGE_TTL_MAX_MS};
use restante_proto::mailbox::{Capability, Mailbox, Rule};
use restante_proto::message::{Content, Grant, Message};
use restante_proto::request::Admission;
use restante_proto::time::{Epoch, UnixMillis};

use crate::cx::Cx;
use crate::model::{Contact, OutgoingEnvelope, Payment};

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
/// # Errors
///
/// [`SealError`] when no device's prekey or the message's length does not allow it; then nothing is staged.
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
    let (date, today) = (cx.date(), cx.date().epoch());
    let own = cx.records.account().identity.device.public();
    // A device that was away for a month is no reason not to write to the others.
    let is_alive = |device: &&CardDevice| device.prekey.expires > date;
    if !card.devices.iter().any(|device| is_alive(&device)) {
        return Err(SealError::PrekeyExpired);
    }
    let wanted = card.devices.iter().filter(is_alive);
    let wanted = wanted.filter(|device| !but.contains(&device.certificate.device));
    let contact = cx.records.contacts().get(&card.account).cloned();
    let mut granted = BTreeMap::new();
    let mut sealed = Vec::new();
    for device in wanted {
        let holder = device.certificate.device;
        let theirs = contact
            .as_ref()
            .and_then(|contact| contact.grants.get(&holder));
        let right = theirs.and_then(|grant| grant.mailbox(today));
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
    if let Some(mut contact) = contact.filter(|_| !granted.is_empty()) {
        contact.note_granted(own, granted);
        cx.records.put_contact(contact);
    }
    for outgoing in &sealed {
        cx.records.put_outgoing(outgoing.clone());
    }
    Ok(sealed)
}

fn seal_one(
    cx: &mut Cx<'_>,
    account: PublicKey,
    device: &CardDevice,
    right: Option<(Mailbox, Capability)>,
    message: &Message,
    expires: UnixMillis,
) -> Result<OutgoingEnvelope, SealError> {
    let mailbox = match &right {
        Some((mailbox, _)) => *mailbox,
        None => Mailbox {
            owner: device.first_contact,
            rule: Rule::Stamp,
            epoch: cx.date().epoch(),
        },
    };
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
    let payment = right.map_or(Payment::Due, |(_, capability)| {
        let proof = capability.prove(&mailbox.address(), &envelope.id(), expires);
        Payment::Ready(Box::new(Admission::Capability(proof)))
    });
    Ok(OutgoingEnvelope {
        message: message.id,
        to: account,
        envelope,
        payment,
        receipts: BTreeMap::new(),
        awaits_receipt: matches!(message.content, Content::Text { .. }),
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

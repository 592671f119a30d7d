//! A message that is kept in memory until a device is known to hold it (SPEC 10.7).

use std::collections::BTreeSet;

use restante_proto::card::VerifiedCard;
use restante_proto::keys::PublicKey;
use restante_proto::limits::SECOND_MS;
use restante_proto::message::Message;
use restante_proto::time::{MonoMillis, Now, UnixMillis};

/// How long a delivery receipt is waited for before the recipient is looked up, in milliseconds.
const WAIT_MS: u64 = 20 * SECOND_MS;

/// A message that no device is known to hold yet.
#[derive(Debug)]
pub struct Kept {
    pub(crate) to: PublicKey,
    pub(crate) message: Message,
    pub(crate) expires: UnixMillis,
    pub(crate) sealed_for: BTreeSet<PublicKey>,
    pub(crate) due: MonoMillis,
    pub(crate) is_looking: bool,
    /// It was said inside of a conversation, which its reader may have lost: it is kept until it is delivered.
    pub(crate) is_inside: bool,
}

impl Kept {
    /// Takes a message that was just sealed for the devices of `card`.
    pub(crate) fn of(
        (message, expires): (Message, UnixMillis),
        card: &VerifiedCard,
        is_inside: bool,
        now: Now,
    ) -> Self {
        // One whose prekey is over was passed over.
        let devices = card.card().devices.iter();
        let devices = devices.filter(|device| device.prekey.expires > now.date);
        Self {
            to: card.card().account,
            message,
            expires,
            sealed_for: devices.map(|device| device.certificate.device).collect(),
            due: now.mono.plus(WAIT_MS),
            is_looking: false,
            is_inside,
        }
    }
}

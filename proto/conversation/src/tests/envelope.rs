//! Envelopes of a conversation, sealed and opened.

use proptest::prelude::*;
use rand::SeedableRng as _;
use restante_proto::envelope::{Envelope, Lifetime, OpenError, SealError};
use restante_proto::keys::PublicKey;
use restante_proto::limits::{DAY_MS, ENVELOPE_BYTES, MESSAGE_TTL_MAX_MS};
use restante_proto::mailbox::{Mailbox, Rule};
use restante_proto::time::{Epoch, UnixMillis};
use zeroize::Zeroizing;

use super::ChaCha20Rng;
use crate::envelope::{of, open, seal};
use crate::outer::OuterKeys;

const NOW: UnixMillis = UnixMillis::new(1_800_000_000_000);
const EXPIRES: UnixMillis = NOW.plus(DAY_MS);
const LIFETIME: Lifetime = Lifetime {
    now: NOW,
    expires: EXPIRES,
};

/// Bytes of an envelope that are not the message.
const AROUND: usize = 62;

fn keys(conversation: u8, epoch: u8) -> OuterKeys {
    OuterKeys::new(
        Zeroizing::new([epoch; 32]),
        Zeroizing::new([conversation; 32]),
    )
}

fn mailbox(number: u8) -> Mailbox {
    Mailbox {
        owner: PublicKey::new([number; 32]),
        rule: Rule::Capability,
        epoch: Epoch::new(20_000),
    }
}

fn sealed(message: &[u8]) -> Envelope {
    let rng = &mut ChaCha20Rng::seed_from_u64(5);
    seal(&keys(1, 2), message, mailbox(1), LIFETIME, rng).unwrap()
}

#[test]
fn a_message_takes_the_smallest_envelope_that_it_fits() {
    let mut last = 0;
    for size in ENVELOPE_BYTES {
        let room = size - AROUND;
        for length in [last + 1, room] {
            let message = vec![7; length];
            let envelope = sealed(&message);
            assert_eq!(envelope.bytes.len(), size, "{length}");
            let address = mailbox(1).address();
            let all = [keys(3, 3), keys(1, 1), keys(1, 2)];
            let named = all.iter().enumerate();
            let (name, opened) = open(&envelope.bytes, &address, LIFETIME, named).unwrap();
            assert_eq!((name, opened.as_slice()), (2, message.as_slice()));
        }
        last = room;
    }
    let rng = &mut ChaCha20Rng::seed_from_u64(5);
    let too_long = seal(&keys(1, 2), &vec![7; last + 1], mailbox(1), LIFETIME, rng);
    assert!(matches!(too_long, Err(SealError::TooLong { .. })));
    let expires = NOW.plus(MESSAGE_TTL_MAX_MS + 1);
    let lifetime = Lifetime { now: NOW, expires };
    let too_old = seal(&keys(1, 2), b"text", mailbox(1), lifetime, rng);
    assert!(matches!(too_old, Err(SealError::Lifetime)));
}

#[test]
fn an_envelope_opens_in_its_epoch_and_its_mailbox_alone() {
    let envelope = sealed(b"text");
    let opens = |bytes: &[u8], number: u8, lifetime, of: &OuterKeys| {
        open(bytes, &mailbox(number).address(), lifetime, [((), of)]).map(drop)
    };
    let (bytes, right) = (&envelope.bytes, keys(1, 2));
    assert_eq!(opens(bytes, 1, LIFETIME, &right), Ok(()));
    assert_eq!(opens(bytes, 2, LIFETIME, &right), Err(OpenError::NoEpoch));
    assert_eq!(
        opens(bytes, 1, LIFETIME, &keys(1, 3)),
        Err(OpenError::NoEpoch)
    );
    assert_eq!(
        opens(bytes, 1, LIFETIME, &keys(2, 2)),
        Err(OpenError::NoEpoch)
    );
    let other = Lifetime {
        expires: EXPIRES.plus(1),
        ..LIFETIME
    };
    assert_eq!(opens(bytes, 1, other, &right), Err(OpenError::OtherExpiry));
    let late = Lifetime {
        now: EXPIRES,
        ..LIFETIME
    };
    assert_eq!(opens(bytes, 1, late, &right), Err(OpenError::Expired));
    // Its conversation shows all the same to whoever is in it.
    let known = [keys(2, 2), keys(1, 3)];
    assert_eq!(of(bytes, known.iter().enumerate()), Some(1));
    assert_eq!(of(bytes, known[..1].iter().enumerate()), None);
}

proptest! {
    #[test]
    fn nothing_of_an_envelope_can_be_changed(place in 0_usize..2_048, by in 1_u8..) {
        let mut bytes = sealed(b"text").bytes.to_vec();
        bytes[place] ^= by;
        let address = mailbox(1).address();
        let opened = open(&bytes, &address, LIFETIME, [((), &keys(1, 2))]);
        prop_assert!(opened.is_err());
    }

    #[test]
    fn noise_never_opens(bytes in prop::collection::vec(any::<u8>(), 0..4_096)) {
        let address = mailbox(1).address();
        prop_assert!(open(&bytes, &address, LIFETIME, [((), &keys(1, 2))]).is_err());
        prop_assert_eq!(of(&bytes, [((), &keys(1, 2))]), None);
    }
}

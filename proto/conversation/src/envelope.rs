//! Envelopes of a conversation (SPEC 15.7).

use rand_core::CryptoRng;
use restante_proto::Address;
use restante_proto::envelope::{
    Envelope, Lifetime, OpenError, SealError, VERSION, check_expiry, pad, suite_of, unpad,
};
use restante_proto::limits::MESSAGE_TTL_MAX_MS;
use restante_proto::mailbox::Mailbox;
use zeroize::Zeroizing;

use crate::outer::{HINT_BYTES, NONCE_BYTES, Outer, OuterKeys};

/// Second byte: the outer seal of a conversation.
pub const SUITE: u8 = 2;

const EXPIRES_BYTES: usize = 8;
const DATED_BYTES: usize = 2 + EXPIRES_BYTES;
const HEADER_BYTES: usize = DATED_BYTES + HINT_BYTES + NONCE_BYTES;
const TAG_BYTES: usize = 16;

/// Seals a message of the group, waiting at `mailbox` until the lifetime ends.
///
/// # Layout
///
/// | bytes | field                                                 |
/// |-------|-------------------------------------------------------|
/// | 1     | version, 1                                            |
/// | 1     | suite, 2                                              |
/// | 8     | expiry in milliseconds, big-endian                    |
/// | 8     | hint                                                  |
/// | 24    | nonce                                                 |
/// | n     | ciphertext of: length (4, big-endian), message, zeros |
/// | 16    | Poly1305 tag                                          |
///
/// # Errors
///
/// [`SealError::TooLong`] and [`SealError::Lifetime`].
pub fn seal(
    keys: &OuterKeys,
    message: &[u8],
    mailbox: Mailbox,
    times: Lifetime,
    rng: &mut impl CryptoRng,
) -> Result<Envelope, SealError> {
    let Lifetime { now, expires } = times;
    if expires <= now || expires > now.plus(MESSAGE_TTL_MAX_MS) {
        return Err(SealError::Lifetime);
    }
    let plain = pad(message, HEADER_BYTES + TAG_BYTES)?;
    let mut bytes = vec![VERSION, SUITE];
    bytes.extend_from_slice(&expires.get().to_be_bytes());
    let sealed = keys.seal(&mailbox.address(), &bytes, &plain, rng);
    let Outer {
        nonce,
        hint,
        ciphertext,
    } = sealed.map_err(|_| SealError::Lifetime)?;
    bytes.extend_from_slice(&hint);
    bytes.extend_from_slice(&nonce);
    bytes.extend_from_slice(&ciphertext);
    Ok(Envelope {
        mailbox,
        expires,
        bytes: bytes.into(),
    })
}

/// Opens an envelope under whichever of these keys it was sealed with; returns what names the keys, and the message.
///
/// # Errors
///
/// [`OpenError`]; [`OpenError::NoEpoch`] when none of the keys fits: a commit that makes others may be under way.
pub fn open<'a, T>(
    bytes: &[u8],
    address: &Address,
    lifetime: Lifetime,
    keys: impl IntoIterator<Item = (T, &'a OuterKeys)>,
) -> Result<(T, Zeroizing<Vec<u8>>), OpenError> {
    if suite_of(bytes) != Some(SUITE) {
        let byte = |place: usize| bytes.get(place).copied().unwrap_or(0);
        return Err(OpenError::Version(byte(0), byte(1)));
    }
    check_expiry(bytes, lifetime)?;
    let (bound, outer) = parts(bytes).ok_or(OpenError::Size(bytes.len()))?;
    let is_fitting = |(_, keys): &(T, &OuterKeys)| keys.hints(&outer.nonce, &outer.hint);
    let fitting = keys.into_iter().filter(is_fitting);
    // One conversation has one hint, whatever the epoch.
    let mut opened = fitting.filter_map(|(name, keys)| {
        let plain = keys.open(address, bound, &outer).ok()?;
        Some((name, plain))
    });
    let (name, plain) = opened.next().ok_or(OpenError::NoEpoch)?;
    let message = Zeroizing::new(unpad(&plain)?.to_vec());
    Ok((name, message))
}

/// Returns what names the keys of the conversation that an envelope is of, if it is one of these.
pub fn of<'a, T>(bytes: &[u8], keys: impl IntoIterator<Item = (T, &'a OuterKeys)>) -> Option<T> {
    let (_, outer) = parts(bytes).filter(|_| suite_of(bytes) == Some(SUITE))?;
    let is_fitting = |(_, keys): &(T, &OuterKeys)| keys.hints(&outer.nonce, &outer.hint);
    let fitting = keys.into_iter().find(is_fitting);
    fitting.map(|(name, _)| name)
}

/// Takes an envelope apart: what the seal covers beside the ciphertext, and the rest.
fn parts(bytes: &[u8]) -> Option<(&[u8], Outer)> {
    let (bound, rest) = bytes.split_at_checked(DATED_BYTES)?;
    let (hint, rest) = rest.split_first_chunk::<HINT_BYTES>()?;
    let (nonce, ciphertext) = rest.split_first_chunk::<NONCE_BYTES>()?;
    let outer = Outer {
        nonce: *nonce,
        hint: *hint,
        ciphertext: ciphertext.to_vec(),
    };
    Some((bound, outer))
}

//! IDs of people: `handle.tag`, and the locators an ID leads to (SPEC 3).

use std::{fmt, str::FromStr};

use argon2::{Algorithm, Argon2, Params, Version};
use zeroize::Zeroizing;

use crate::{
    Address, context,
    keys::PublicKey,
    limits::{HANDLE_CHARS_MAX, LOCATORS, PHONE_DIGITS_MIN, TAG_BITS, TAG_CHARS},
    time::SaltEpoch,
};

#[cfg(test)]
mod tests;

/// Crockford's base32: no i, l, o or u.
const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";

/// Why a text is no handle or no ID.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum IdError {
    /// The handle is empty or too long.
    #[error("a handle has 1 to {HANDLE_CHARS_MAX} characters, this one has {0}")]
    HandleLength(usize),
    /// The handle has a character outside `a-z`, `0-9` and `_`.
    #[error("a handle is made of a-z, 0-9 and _, not {0:?}")]
    HandleCharacter(char),
    /// The handle looks like a phone number.
    #[error("a handle of digits alone looks like a phone number; put a letter in it")]
    HandlePhone,
    /// There is no point between handle and tag.
    #[error("an ID looks like alice.7kq2-m9xw-3fhd: a handle, a point, a tag")]
    NoTag,
    /// The tag does not have twelve characters in groups of four.
    #[error("a tag has twelve characters in three groups of four, like 7kq2-m9xw-3fhd")]
    TagLength,
    /// The tag has a character outside Crockford's base32.
    #[error("a tag has no character {0:?}")]
    TagCharacter(char),
}

/// A name somebody chose: `[a-z0-9_]{1,32}`, never a phone number or a mail address.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Handle(String);

impl Handle {
    /// Returns the handle's text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Handle {
    type Err = IdError;

    /// Reads a handle.
    ///
    /// # References
    ///
    /// SPEC 3.1.
    fn from_str(text: &str) -> Result<Self, IdError> {
        if let Some(other) = text
            .chars()
            .find(|c| !matches!(c, 'a'..='z' | '0'..='9' | '_'))
        {
            return Err(IdError::HandleCharacter(other));
        }
        if text.is_empty() || text.len() > HANDLE_CHARS_MAX {
            return Err(IdError::HandleLength(text.len()));
        }
        let digits = text.chars().filter(char::is_ascii_digit).count();
        let letters = text.chars().any(|c| c.is_ascii_lowercase());
        if !letters && digits >= PHONE_DIGITS_MIN {
            return Err(IdError::HandlePhone);
        }
        Ok(Self(text.to_owned()))
    }
}

impl fmt::Display for Handle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Sixty bits that tie a handle to an account key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(u64);

impl Tag {
    /// Computes the tag of an account under a handle; slow on purpose.
    ///
    /// # Layout
    ///
    /// Argon2id over account key (32 bytes) then handle, salt [`context::TAG`], eight bytes out, read as a big-endian
    /// number of which the upper 60 bits are the tag.
    ///
    /// # References
    ///
    /// SPEC 3.2.
    pub fn compute(account: &PublicKey, handle: &Handle, cost: IdCost) -> Self {
        let mut password = account.as_bytes().to_vec();
        password.extend_from_slice(handle.as_str().as_bytes());
        let out: [u8; 8] = cost.hash(&password, context::TAG.as_bytes());
        Self(u64::from_be_bytes(out) >> (u64::BITS - TAG_BITS))
    }

    /// Returns the sixty bits as a number.
    pub const fn get(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for place in 0..TAG_CHARS {
            if place > 0 && place % 4 == 0 {
                f.write_str("-")?;
            }
            let shift = 5 * (TAG_CHARS - 1 - place);
            let digit = usize::try_from((self.0 >> shift) & 31).unwrap_or(0);
            let letter = ALPHABET.get(digit).copied().unwrap_or(b'0');
            write!(f, "{}", char::from(letter))?;
        }
        Ok(())
    }
}

impl FromStr for Tag {
    type Err = IdError;

    /// Reads a tag with its groups; upper case and the letters people confuse (o, i, l) are understood.
    fn from_str(text: &str) -> Result<Self, IdError> {
        let groups: Vec<&str> = text.split('-').collect();
        if groups.len() != 3 || groups.iter().any(|group| group.chars().count() != 4) {
            return Err(IdError::TagLength);
        }
        let mut bits = 0_u64;
        for letter in groups.concat().chars() {
            let plain = match letter.to_ascii_lowercase() {
                'o' => '0',
                'i' | 'l' => '1',
                other => other,
            };
            let digit = ALPHABET
                .iter()
                .position(|&known| char::from(known) == plain)
                .ok_or(IdError::TagCharacter(letter))?;
            bits = (bits << 5) | digit as u64;
        }
        Ok(Self(bits))
    }
}

/// An ID: what one person gives another to be found, `handle.tag`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonId {
    /// The name the person chose.
    pub handle: Handle,
    /// What ties the name to the account.
    pub tag: Tag,
}

impl PersonId {
    /// Returns the ID of `account` under `handle`; slow on purpose.
    pub fn of(account: &PublicKey, handle: Handle, cost: IdCost) -> Self {
        let tag = Tag::compute(account, &handle, cost);
        Self { handle, tag }
    }

    /// Tells whether `account` is the one this ID names; slow on purpose.
    pub fn names(&self, account: &PublicKey, cost: IdCost) -> bool {
        Tag::compute(account, &self.handle, cost) == self.tag
    }

    /// Computes where the card of this ID is kept in one salt epoch, and the key it is sealed under; slow on purpose.
    ///
    /// # References
    ///
    /// SPEC 3.3.
    pub fn locators(&self, epoch: SaltEpoch, cost: IdCost) -> Locators {
        let mut salt = context::LOCATOR_ROOT.as_bytes().to_vec();
        salt.extend_from_slice(&epoch.get().to_be_bytes());
        let root: Zeroizing<[u8; 32]> =
            Zeroizing::new(cost.hash(self.to_string().as_bytes(), &salt));
        let locator =
            |index: u8| Address::new(context::derive(context::LOCATOR, &[&*root, &[index]]));
        Locators {
            epoch,
            addresses: [0, 1, 2, 3].map(locator),
            record_key: RecordKey(Zeroizing::new(context::derive(
                context::RECORD_KEY,
                &[&*root],
            ))),
        }
    }
}

impl fmt::Display for PersonId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.handle, self.tag)
    }
}

impl FromStr for PersonId {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let (handle, tag) = text.split_once('.').ok_or(IdError::NoTag)?;
        Ok(Self {
            handle: handle.parse()?,
            tag: tag.parse()?,
        })
    }
}

/// The key a card is sealed under: who knows the ID knows it, keepers do not.
#[derive(Clone)]
pub struct RecordKey(pub(crate) Zeroizing<[u8; 32]>);

impl RecordKey {
    /// Wraps 32 bytes, for test vectors.
    pub fn new(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    /// Returns the 32 bytes, for test vectors.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for RecordKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecordKey(..)")
    }
}

/// Where a card is kept in one salt epoch, and how it is sealed.
#[derive(Clone, Debug)]
pub struct Locators {
    /// The salt epoch these belong to.
    pub epoch: SaltEpoch,
    /// The addresses of the card's copies.
    pub addresses: [Address; LOCATORS],
    /// The key the card is sealed under.
    pub record_key: RecordKey,
}

/// How much an Argon2id of an ID costs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdCost {
    /// 64 MiB, three passes, one lane: what every person's node uses (SPEC 3.2).
    Production,
    /// 64 KiB, one pass: IDs made with it are worthless outside tests and the simulator.
    CheapForTests,
}

impl IdCost {
    /// Runs Argon2id version 1.3 over `password` and `salt`.
    pub(crate) fn hash<const N: usize>(self, password: &[u8], salt: &[u8]) -> [u8; N] {
        let (memory_kib, passes) = match self {
            Self::Production => (64 * 1024, 3),
            Self::CheapForTests => (64, 1),
        };
        let mut out = [0; N];
        let params = Params::new(memory_kib, passes, 1, Some(N));
        params
            .and_then(|params| {
                Argon2::new(Algorithm::Argon2id, Version::V0x13, params)
                    .hash_password_into(password, salt, &mut out)
            })
            .expect("both costs, the salts of this file and outputs of 8 or 32 bytes are within RFC 9106");
        out
    }
}

const _: () = assert!(LOCATORS == 4);

//! Recovery phrases: twelve words that an account's key follows from (SPEC 4.6).

use std::fmt;
use std::str::FromStr;

use bip39::{Language, Mnemonic};
use rand_core::CryptoRng;
use zeroize::Zeroizing;

use crate::{context, keys::SecretKey};

/// Words of a phrase.
pub const PHRASE_WORDS: usize = 12;
/// Bytes that they stand for, without the checksum.
const ENTROPY_BYTES: usize = 16;

/// What an account's key follows from. Whoever has it has the account; no device keeps it.
#[derive(Clone, PartialEq, Eq)]
pub struct RecoveryPhrase(Zeroizing<[u8; ENTROPY_BYTES]>);

/// A text that is no recovery phrase.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PhraseError {
    /// It has another number of words.
    #[error("a recovery phrase has {PHRASE_WORDS} words, not {0}")]
    Count(usize),
    /// A word, counted from 1, is none of the list.
    #[error("word {0} is none of those that recovery phrases are made of")]
    Word(usize),
    /// All are words of the list, and do not go together: one is wrong, or two are exchanged.
    #[error("these words do not go together: one is wrong, or two are exchanged")]
    Checksum,
}

impl RecoveryPhrase {
    /// Makes a new one.
    pub fn generate(rng: &mut impl CryptoRng) -> Self {
        let mut entropy = Zeroizing::new([0; ENTROPY_BYTES]);
        rng.fill_bytes(&mut *entropy);
        Self(entropy)
    }

    /// Wraps the 128 bits that the words stand for.
    pub fn from_entropy(entropy: [u8; ENTROPY_BYTES]) -> Self {
        Self(Zeroizing::new(entropy))
    }

    /// Returns the words, in lower case and separated by spaces.
    pub fn words(&self) -> Zeroizing<String> {
        // 16 bytes always have a mnemonic.
        let words = Mnemonic::from_entropy_in(Language::English, &*self.0);
        Zeroizing::new(words.map_or_else(|_| String::new(), |words| words.to_string()))
    }

    /// Returns the key of the account.
    pub fn account(&self) -> SecretKey {
        let seed = Zeroizing::new(context::derive(context::ACCOUNT, &[&*self.0]));
        SecretKey::from_seed(&seed)
    }
}

impl FromStr for RecoveryPhrase {
    type Err = PhraseError;

    /// Reads the words, in either case and however they are spaced.
    fn from_str(text: &str) -> Result<Self, PhraseError> {
        let words: Vec<&str> = text.split_whitespace().collect();
        if words.len() != PHRASE_WORDS {
            return Err(PhraseError::Count(words.len()));
        }
        let mut text = Zeroizing::new(words.join(" "));
        text.make_ascii_lowercase();
        let mnemonic = Mnemonic::parse_in_normalized(Language::English, &text);
        let mnemonic = mnemonic.map_err(|error| match error {
            bip39::Error::UnknownWord(place) => PhraseError::Word(place + 1),
            _ => PhraseError::Checksum,
        })?;
        let entropy = Zeroizing::new(mnemonic.to_entropy());
        let entropy = <[u8; ENTROPY_BYTES]>::try_from(entropy.as_slice());
        entropy
            .map(Self::from_entropy)
            .map_err(|_| PhraseError::Checksum)
    }
}

impl fmt::Debug for RecoveryPhrase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RecoveryPhrase(..)")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{PhraseError, RecoveryPhrase};

    #[test]
    fn what_is_wrong_with_a_phrase_is_told() {
        let phrase = RecoveryPhrase::from_entropy([0; 16]);
        let words = phrase.words().to_string();
        let read = |text: &str| text.parse::<RecoveryPhrase>().map(|_| ());
        assert_eq!(
            words,
            "abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon abandon about"
        );
        assert_eq!(read(&words), Ok(()));
        assert_eq!(read("abandon about"), Err(PhraseError::Count(2)));
        let wrong = words.replace("about", "above");
        assert_eq!(read(&wrong), Err(PhraseError::Checksum));
        let unknown = words.replacen("abandon", "abandoned", 1);
        assert_eq!(read(&unknown), Err(PhraseError::Word(1)));
        assert_eq!(format!("{phrase:?}"), "RecoveryPhrase(..)");
    }

    proptest! {
        #[test]
        fn the_words_lead_back_however_they_are_written(entropy: [u8; 16], shouts: bool) {
            let phrase = RecoveryPhrase::from_entropy(entropy);
            let mut words = phrase.words().to_string();
            prop_assert_eq!(words.split(' ').count(), 12);
            if shouts {
                words = format!("  {}\n", words.to_uppercase().replace(' ', " \t "));
            }
            let read: RecoveryPhrase = words.parse().unwrap();
            prop_assert!(read == phrase);
            prop_assert_eq!(read.account().public(), phrase.account().public());
        }
    }
}

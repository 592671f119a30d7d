//! The suite, by itself.

use mls_rs_core::crypto::{CipherSuiteProvider as _, CryptoProvider as _};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::suite::{SUITE, Suite, SuiteError};

fn suite(seed: u64) -> Suite {
    Suite::new(&mut StdRng::seed_from_u64(seed))
}

#[test]
fn all_randomness_follows_from_the_seed() {
    let drawn = |seed| {
        let suite = suite(seed);
        let (secret, public) = suite.kem_generate().unwrap();
        let sealed = suite.hpke_seal(&public, b"info", None, b"inside").unwrap();
        (
            secret.to_vec(),
            sealed.kem_output,
            suite.random_bytes_vec(16).unwrap(),
        )
    };
    assert_eq!(drawn(1), drawn(1));
    assert_ne!(drawn(1), drawn(2));
    assert!(suite(1).cipher_suite_provider(SUITE).is_some());
    assert!(suite(1).cipher_suite_provider(1.into()).is_none());
}

#[test]
fn what_is_sealed_to_a_key_opens_with_it_and_as_it_was_meant() {
    let suite = suite(3);
    let (secret, public) = suite.kem_generate().unwrap();
    let aad = Some(b"aad".as_slice());
    let sealed = suite.hpke_seal(&public, b"info", aad, b"inside").unwrap();
    let opened = suite.hpke_open(&sealed, &secret, &public, b"info", aad);
    assert_eq!(*opened.unwrap(), b"inside");
    for (info, aad) in [(b"infa".as_slice(), aad), (b"info", None)] {
        let opened = suite.hpke_open(&sealed, &secret, &public, info, aad);
        assert_eq!(opened.unwrap_err(), SuiteError::Forged);
    }
    let short = public.as_ref()[1..].to_vec().into();
    assert_eq!(suite.kem_public_key_validate(&short), Err(SuiteError::Key));
    assert!(suite.kem_public_key_validate(&public).is_ok());
}

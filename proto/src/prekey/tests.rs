use zeroize::Zeroizing;

use super::{PREKEY_BYTES, Prekey, PrekeySecret};
use crate::{
    Address,
    fixture::{NOW, bytes, prekey, rng},
    limits::{CARD_TTL_MS, DAY_MS, MINUTE_MS},
    wire::{WireError, generated as g},
};

#[test]
fn a_prekey_comes_back_from_its_seed() {
    let secret = PrekeySecret::generate(NOW, &mut rng("prekey"));
    let seed = Zeroizing::new(*secret.seed());
    let again = PrekeySecret::from_seed(seed, NOW, NOW.plus(CARD_TTL_MS)).unwrap();
    assert_eq!(again.public(), secret.public());
    let other = PrekeySecret::generate(NOW, &mut rng("other"));
    assert_ne!(other.public().public, secret.public().public);
}

#[test]
fn a_private_prekey_lives_as_long_as_anything_sealed_to_it_may() {
    let secret = prekey("alice", NOW);
    assert_eq!(secret.destroy_at(), NOW.plus(60 * DAY_MS + 20 * MINUTE_MS));
}

#[test]
fn a_hint_is_another_for_every_key_and_address() {
    let (one, two) = (prekey("one", NOW), prekey("two", NOW));
    let (here, there) = (Address::new([1; 32]), Address::new([2; 32]));
    let hints = [
        one.public().hint(&here),
        one.public().hint(&there),
        two.public().hint(&here),
        two.public().hint(&there),
    ];
    for (place, hint) in hints.iter().enumerate() {
        assert!(!hints[..place].contains(hint));
    }
}

#[test]
fn what_is_no_key_is_refused() {
    let good = || prekey("alice", NOW).public().to_wire();
    assert!(Prekey::from_wire(&good()).is_ok());
    let short = g::Prekey {
        public: good().public.slice(1..),
        ..good()
    };
    assert_eq!(Prekey::from_wire(&short), Err(WireError::Length("public")));
    // ML-KEM coefficients of 4,095 are not below q.
    let high = g::Prekey {
        public: vec![255; PREKEY_BYTES].into(),
        ..good()
    };
    assert_eq!(Prekey::from_wire(&high), Err(WireError::Length("public")));
    let undated = g::Prekey {
        issued_ms: 0,
        ..good()
    };
    assert_eq!(
        Prekey::from_wire(&undated),
        Err(WireError::Missing("issued_ms"))
    );
}

#[test]
fn a_private_prekey_does_not_print() {
    let secret = prekey("alice", NOW);
    assert_eq!(format!("{secret:?}"), format!("PrekeySecret(issued {NOW})"));
    assert_eq!(
        format!("{:?}", secret.public()),
        format!("Prekey(issued {NOW})")
    );
    assert_eq!(*secret.seed(), bytes("alice prekey"));
}

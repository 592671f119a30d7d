//! Signatures that only some verifiers take: what strict means (SPEC 2.2).

use curve25519_dalek::{
    constants::{ED25519_BASEPOINT_POINT, EIGHT_TORSION},
    edwards::{CompressedEdwardsY, EdwardsPoint},
    scalar::Scalar,
    traits::{Identity as _, IsIdentity as _},
};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha512};

use super::hex;
use crate::{
    context,
    fixture::bytes,
    keys::{PublicKey, Signature},
};

const CONTEXT: &str = context::SIGN_DEVICE;

/// What all of these are about.
fn message() -> [u8; 32] {
    context::derive(CONTEXT, &[&bytes::<32>("what is signed")])
}

fn scalar(label: &str) -> Scalar {
    Scalar::from_bytes_mod_order_wide(&bytes(label))
}

fn base(scalar: &Scalar) -> EdwardsPoint {
    ED25519_BASEPOINT_POINT * scalar
}

/// Returns k, reduced, of a signature.
fn challenge(r: &[u8; 32], a: &[u8; 32]) -> Scalar {
    let hash = Sha512::new()
        .chain_update(r)
        .chain_update(a)
        .chain_update(message())
        .finalize();
    Scalar::from_bytes_mod_order_wide(&hash.into())
}

/// A public key and a signature, as their bytes.
#[derive(Clone, Copy)]
struct Signed {
    a: [u8; 32],
    r: [u8; 32],
    s: [u8; 32],
}

impl Signed {
    /// Signs with the scalars behind A and R, whatever points of small order are added to both.
    fn new(a: [u8; 32], of_a: &Scalar, r: [u8; 32], of_r: &Scalar) -> Self {
        let s = (of_r + challenge(&r, &a) * of_a).to_bytes();
        Self { a, r, s }
    }

    /// Tells whether 8 S B = 8 R + 8 k A, whatever the encodings look like; none when a point does not decode.
    fn holds_with_cofactor(&self) -> Option<bool> {
        let point = |bytes: [u8; 32]| CompressedEdwardsY(bytes).decompress();
        let s = Scalar::from_bytes_mod_order(self.s);
        let right = point(self.r)? + point(self.a)? * challenge(&self.r, &self.a);
        Some((base(&s) - right).mul_by_cofactor().is_identity())
    }

    fn to_json(self, name: &str, is_valid: bool) -> Value {
        let signature = [self.r, self.s].concat();
        let verified = PublicKey::new(self.a).verify(
            CONTEXT,
            &[&bytes::<32>("what is signed")],
            &Signature::new(signature.as_slice().try_into().unwrap()),
        );
        assert_eq!(verified.is_ok(), is_valid, "{name}");
        json!({
            "name": name,
            "public": hex(self.a),
            "context": CONTEXT,
            "parts": [hex(bytes::<32>("what is signed"))],
            "digest": hex(message()),
            "signature": hex(signature),
            "holds_with_cofactor": self.holds_with_cofactor(),
            "valid": is_valid,
        })
    }
}

/// The neutral element as it must not be encoded: y is p + 1, or x is 0 and has a sign.
fn other_neutrals() -> [[u8; 32]; 2] {
    let mut unreduced = [0xff; 32];
    (unreduced[0], unreduced[31]) = (0xee, 0x7f);
    let mut signed = [0; 32];
    (signed[0], signed[31]) = (1, 0x80);
    [unreduced, signed]
}

/// Returns a signature by A = a B + T for which k, reduced, is a multiple of 8, or is none.
fn by_a_mixed_key(a: &Scalar, torsion: EdwardsPoint, is_multiple: bool) -> Signed {
    let key = (base(a) + torsion).compress().to_bytes();
    let tries = (0..1_000).map(|number| scalar(&format!("r {number}")));
    let mut signed = tries.map(|r| Signed::new(key, a, base(&r).compress().to_bytes(), &r));
    let is_wanted = |signed: &Signed| {
        let k = challenge(&signed.r, &signed.a);
        k.as_bytes()[0].is_multiple_of(8) == is_multiple
    };
    signed.find(is_wanted).unwrap()
}

/// Returns bytes that are no point.
fn no_point() -> [u8; 32] {
    let candidates = (2..=255).map(|first| {
        let mut bytes = [0; 32];
        bytes[0] = first;
        bytes
    });
    let mut none = candidates.filter(|bytes| CompressedEdwardsY(*bytes).decompress().is_none());
    none.next().unwrap()
}

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn strict() -> Vec<Value> {
    let (a, r) = (scalar("a"), scalar("r"));
    let [of_a, of_r] = [a, r].map(|scalar| base(&scalar).compress().to_bytes());
    let torsion = EIGHT_TORSION[1];
    let neutral = EdwardsPoint::identity().compress().to_bytes();
    let good = Signed::new(of_a, &a, of_r, &r);
    let mut unreduced = good;
    // S + L: the order of the base point is one more than the largest scalar.
    let order = (Scalar::ZERO - Scalar::ONE).to_bytes();
    let mut carry = 1;
    for (byte, more) in unreduced.s.iter_mut().zip(order) {
        let sum = u16::from(*byte) + u16::from(more) + carry;
        *byte = u8::try_from(sum & 0xff).unwrap();
        carry = sum >> 8;
    }
    let mixed_r = (base(&r) + torsion).compress().to_bytes();
    let [unreduced_neutral, signed_neutral] = other_neutrals();
    let zero = Scalar::ZERO;
    let cases = [
        ("an honest one", good, true),
        ("S not below L", unreduced, false),
        (
            "R the neutral element",
            Signed::new(of_a, &a, neutral, &zero),
            false,
        ),
        (
            "R the neutral element with y = p + 1",
            Signed::new(of_a, &a, unreduced_neutral, &zero),
            false,
        ),
        (
            "R the neutral element with a sign",
            Signed::new(of_a, &a, signed_neutral, &zero),
            false,
        ),
        (
            "A the neutral element",
            Signed::new(neutral, &zero, of_r, &r),
            false,
        ),
        (
            "A the neutral element with y = p + 1",
            Signed::new(unreduced_neutral, &zero, of_r, &r),
            false,
        ),
        (
            "A of order 8, k a multiple of 8",
            by_a_mixed_key(&zero, torsion, true),
            false,
        ),
        (
            "A with a part of order 8, k a multiple of 8",
            by_a_mixed_key(&a, torsion, true),
            true,
        ),
        (
            "A with a part of order 8, k no multiple of 8",
            by_a_mixed_key(&a, torsion, false),
            false,
        ),
        (
            "R with a part of order 8",
            Signed::new(of_a, &a, mixed_r, &r),
            false,
        ),
        (
            "A no point",
            Signed {
                a: no_point(),
                ..good
            },
            false,
        ),
        (
            "R no point",
            Signed {
                r: no_point(),
                ..good
            },
            false,
        ),
    ];
    cases
        .iter()
        .map(|(name, signed, is_valid)| {
            // All that decode are near misses: a verifier that is not strict takes them.
            assert_ne!(signed.holds_with_cofactor(), Some(false), "{name}");
            signed.to_json(name, *is_valid)
        })
        .collect()
}

#[test]
fn points_beyond_the_field_are_no_keys() {
    // y = p + 3 and so on are points of large order which the library takes; nobody can sign for them.
    let mut taken = 0;
    for low in 0xed..=0xff_u8 {
        let mut bytes = [0xff; 32];
        (bytes[0], bytes[31]) = (low, 0x7f);
        taken += usize::from(CompressedEdwardsY(bytes).decompress().is_some());
        assert!(!crate::keys::is_reduced(&bytes));
        bytes[31] = 0xff;
        assert!(!crate::keys::is_reduced(&bytes));
    }
    assert!(taken > 2, "{taken}");
    let mut last = [0xff; 32];
    (last[0], last[31]) = (0xec, 0x7f);
    assert!(crate::keys::is_reduced(&last));
    last[1] = 0xfe;
    last[0] = 0xff;
    assert!(crate::keys::is_reduced(&last));
}

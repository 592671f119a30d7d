//! Rows as they lie on the disk.

use proptest::prelude::*;
use restante_proto::{
    Address,
    keeper::{ElementKey, ElementKind},
    keys::PublicKey,
    time::UnixMillis,
};

use super::super::tables::{ROW_HEADER_BYTES, Row};

fn row(payload: &[u8]) -> Row<'_> {
    Row {
        key: ElementKey {
            kind: ElementKind::Chunk,
            address: Address::new([1; 32]),
            name: [2; 32],
        },
        expires: UnixMillis::new(0x0102_0304_0506_0708),
        version: 9,
        deletion_key: PublicKey::new([3; 32]),
        proof: b"proof",
        payload,
    }
}

fn encoded(payload: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    row(payload).encode_into(&mut bytes);
    bytes
}

#[test]
fn a_row_lies_on_the_disk_as_documented() {
    let bytes = encoded(b"payload");
    assert_eq!(ROW_HEADER_BYTES, 145);
    assert_eq!(bytes[..8], *b"\xf1rstrow3");
    assert_eq!(bytes[8..24], blake3::hash(&bytes[24..]).as_bytes()[..16]);
    assert_eq!(bytes[24..28], [0, 0, 0, 5]);
    assert_eq!(bytes[28..32], [0, 0, 0, 7]);
    assert_eq!(bytes[32], 3);
    assert_eq!(bytes[33..65], [1; 32]);
    assert_eq!(bytes[65..97], [2; 32]);
    assert_eq!(bytes[97..105], [1, 2, 3, 4, 5, 6, 7, 8]);
    assert_eq!(bytes[105..113], [0, 0, 0, 0, 0, 0, 0, 9]);
    assert_eq!(bytes[113..145], [3; 32]);
    assert_eq!(bytes[145..], *b"proofpayload");
    assert_eq!(bytes.len(), row(b"payload").len());
}

#[test]
fn a_row_with_any_flipped_bit_is_none() {
    let bytes = encoded(b"payload");
    assert_eq!(Row::decode_first(&bytes), Some(row(b"payload")));
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(Row::decode_first(&flipped), None, "bit {bit}");
    }
    for length in 0..bytes.len() {
        assert_eq!(Row::decode_first(&bytes[..length]), None);
    }
}

proptest! {
    #[test]
    fn any_bytes_decode_to_a_row_or_to_none(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        let mut marked = b"\xf1rstrow3".to_vec();
        marked.extend_from_slice(&bytes);
        for bytes in [bytes, marked] {
            prop_assert_eq!(Row::decode_first(&bytes), None);
        }
    }
}

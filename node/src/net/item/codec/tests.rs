use proptest::prelude::*;

use super::super::super::limits::PAYLOAD_BYTES_MAX;
use super::*;

/// Feeds `bytes` and returns the frames, or the error that ended them.
fn decode(bytes: &[u8], step: usize) -> Result<Vec<Frame>, FrameError> {
    let mut decoder = Decoder::default();
    let mut frames = Vec::new();
    for chunk in bytes.chunks(step.max(1)) {
        decoder.extend(chunk);
        while let Some(frame) = decoder.next()? {
            frames.push(frame);
        }
    }
    Ok(frames)
}

#[track_caller]
fn check(bytes: &[u8], expected: FrameError) {
    for step in [1, 3, bytes.len()] {
        assert_eq!(decode(bytes, step), Err(expected));
    }
}

fn raw(length: u32, kind: u8, id: u64) -> Vec<u8> {
    let mut bytes = length.to_be_bytes().to_vec();
    bytes.push(kind);
    bytes.extend_from_slice(&id.to_be_bytes());
    bytes
}

#[test]
fn the_layout_is_the_documented_one() {
    let frame = encode(Kind::Response, 0x0102_0304_0506_0708, b"ab");
    assert_eq!(
        &frame[..],
        b"\x00\x00\x00\x0b\x01\x01\x02\x03\x04\x05\x06\x07\x08ab"
    );
    assert_eq!(
        &encode(Kind::Push, 0, b"")[..],
        b"\x00\x00\x00\x09\x02\0\0\0\0\0\0\0\0"
    );
}

#[test]
fn a_length_outside_its_range_is_refused_before_anything_else_arrives() {
    for length in 0..9 {
        check(&u32::to_be_bytes(length), FrameError::TooShort(length));
    }
    for length in [73_729, 1 << 20, u32::MAX] {
        check(&u32::to_be_bytes(length), FrameError::TooLong(length));
    }
}

#[test]
fn an_unknown_kind_and_a_misplaced_id_are_refused() {
    check(&raw(9, 5, 1)[..5], FrameError::Kind(5));
    check(&raw(9, 255, 1)[..5], FrameError::Kind(255));
    check(&raw(100, 0, 0), FrameError::Id { kind: 0, id: 0 });
    check(&raw(100, 1, 0), FrameError::Id { kind: 1, id: 0 });
    check(&raw(100, 2, 5), FrameError::Id { kind: 2, id: 5 });
    check(&raw(100, 3, 0), FrameError::Id { kind: 3, id: 0 });
}

#[test]
fn an_announced_length_allocates_nothing() {
    let mut decoder = Decoder::default();
    decoder.extend(&raw(FRAME_BYTES_MAX as u32, 0, 1));
    assert_eq!(decoder.next(), Ok(None));
    assert!(
        decoder.buffer.capacity() < 256,
        "{} bytes",
        decoder.buffer.capacity()
    );
    assert!(decoder.is_partial());
}

#[test]
fn an_idle_decoder_holds_no_memory() {
    let mut decoder = Decoder::default();
    decoder.extend(&encode(Kind::Request, 1, &[1; PAYLOAD_BYTES_MAX]));
    assert!(decoder.next().unwrap().is_some());
    assert_eq!(decoder.buffer.capacity(), 0);
    assert!(!decoder.is_partial());
}

fn frame() -> impl Strategy<Value = Frame> {
    let payload = prop_oneof![
        prop::collection::vec(any::<u8>(), 0..64),
        prop::collection::vec(any::<u8>(), PAYLOAD_BYTES_MAX..=PAYLOAD_BYTES_MAX),
    ];
    (0..3, 1..=u64::MAX, payload).prop_map(|(kind, id, payload)| {
        let (kind, id) = match kind {
            0 => (Kind::Request, id),
            1 => (Kind::Response, id),
            _ => (Kind::Push, 0),
        };
        Frame {
            kind,
            id,
            payload: payload.into(),
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn frames_survive_in_any_pieces(
        frames in prop::collection::vec(frame(), 0..4),
        step in 1..20_000usize,
    ) {
        let bytes: Vec<u8> =
            frames.iter().flat_map(|frame| encode(frame.kind, frame.id, &frame.payload)).collect();
        prop_assert_eq!(decode(&bytes, step), Ok(frames));
    }

    #[test]
    fn any_bytes_decode_the_same_in_any_pieces(
        bytes in prop::collection::vec(any::<u8>(), 0..200),
        step in 1..20usize,
    ) {
        let whole = decode(&bytes, bytes.len());
        prop_assert_eq!(decode(&bytes, step), whole);
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(
        length in 9..40u32,
        kind in 0..4u8,
        id in 0..3u64,
        rest in prop::collection::vec(any::<u8>(), 31),
    ) {
        let mut bytes = raw(length, kind, id);
        bytes.extend_from_slice(&rest[..length as usize - 9]);
        match decode(&bytes, bytes.len()) {
            Ok(frames) => {
                prop_assert_eq!(frames.len(), 1);
                prop_assert_eq!(&encode(frames[0].kind, id, &frames[0].payload)[..], &bytes[..]);
            }
            Err(FrameError::Kind(found)) => prop_assert_eq!(found, 3),
            Err(error) => prop_assert_eq!(error, FrameError::Id { kind, id }),
        }
    }
}

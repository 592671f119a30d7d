use std::path::Path;

use data_encoding::HEXLOWER;
use proptest::prelude::*;
use serde_json::{Value, json};

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

/// Returns what frames look like, and what is refused as soon as so much of it is there.
fn vectors() -> Value {
    let frame = |name: &str, kind: Kind, id: u64, payload: &[u8]| {
        json!({
            "name": name,
            "kind": kind as u8,
            "id": id.to_string(),
            "payload": HEXLOWER.encode(payload),
            "frame": HEXLOWER.encode(&encode(kind, id, payload)),
        })
    };
    let frames = [
        frame("an empty request", Kind::Request, 1, b""),
        frame("a response", Kind::Response, 0x0102_0304_0506_0708, b"ab"),
        frame("a push", Kind::Push, 0, b"abc"),
        frame("a question", Kind::Question, 2, b"abcd"),
        frame("a repair with the last id", Kind::Repair, u64::MAX, b"a"),
    ];
    let refused = |name: &str, bytes: &[u8]| {
        let error = decode(bytes, 1).unwrap_err();
        let bytes = HEXLOWER.encode(bytes);
        json!({ "name": name, "bytes": bytes, "error": error.to_string() })
    };
    let refused = [
        refused("a length of 0", &raw(0, 0, 1)[..4]),
        refused("a length of 8", &raw(8, 0, 1)[..4]),
        refused("a length of 73,729", &raw(73_729, 0, 1)[..4]),
        refused("a length of 2^32 - 1", &raw(u32::MAX, 0, 1)[..4]),
        refused("an unknown kind", &raw(9, 5, 1)[..5]),
        refused("a request without an id", &raw(9, 0, 0)),
        refused("a response without an id", &raw(9, 1, 0)),
        refused("a push with an id", &raw(9, 2, 1)),
        refused("a question without an id", &raw(9, 3, 0)),
        refused("a repair without an id", &raw(9, 4, 0)),
    ];
    let waits = [
        ("half a length", raw(9, 0, 1)[..2].to_vec()),
        ("all but the last byte", raw(10, 0, 1)),
        ("the head of the longest", raw(73_728, 0, 1)),
    ];
    let waits = waits.map(|(name, bytes)| {
        assert_eq!(decode(&bytes, 1), Ok(Vec::new()), "{name}");
        json!({ "name": name, "bytes": HEXLOWER.encode(&bytes) })
    });
    json!({
        "about": "SPEC 9.5: frames; refused as soon as these bytes are there; not refused yet; ids are decimal texts",
        "frames": frames,
        "refused": refused,
        "incomplete": waits,
    })
}

#[test]
fn the_vectors_are_what_this_code_makes_and_reads() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../proto/vectors/frames.json");
    let fresh = serde_json::to_string_pretty(&vectors()).unwrap() + "\n";
    if std::env::var_os("RESTANTE_BLESS").is_some() {
        std::fs::write(&path, fresh).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        committed == fresh,
        "run RESTANTE_BLESS=1 cargo test -p restante"
    );
    let file: Value = serde_json::from_str(&committed).unwrap();
    let bytes = |case: &Value, field: &str| {
        let text = case[field].as_str().unwrap();
        HEXLOWER.decode(text.as_bytes()).unwrap()
    };
    for case in file["frames"].as_array().unwrap() {
        let frames = decode(&bytes(case, "frame"), 3).unwrap();
        let [frame] = &frames[..] else { panic!() };
        assert_eq!(Some(u64::from(frame.kind as u8)), case["kind"].as_u64());
        assert_eq!(Some(&*frame.id.to_string()), case["id"].as_str());
        assert_eq!(frame.payload, bytes(case, "payload"));
    }
    for case in file["refused"].as_array().unwrap() {
        let error = decode(&bytes(case, "bytes"), 100).unwrap_err();
        assert_eq!(Some(&*error.to_string()), case["error"].as_str());
    }
}

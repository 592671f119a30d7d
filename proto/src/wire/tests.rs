use std::path::Path;

use proptest::prelude::*;
use prost::Message as _;

use super::{WireError, decode, generated as g};

/// Messages that hold what nobody else may read; `wire.rs` prints them without it.
const SECRET: [&str; 6] = [
    ".restante.v1.Text",
    ".restante.v1.Grant",
    ".restante.v1.Message",
    ".restante.v1.Said",
    ".restante.v1.Reaction",
    ".restante.v1.Card",
];

/// Compiles the schema and returns the Rust code it stands for.
fn compile_schema() -> String {
    let schema = Path::new(env!("CARGO_MANIFEST_DIR")).join("schema");
    let files = protox::compile([schema.join("restante.proto")], [&schema]).unwrap();
    let mut config = prost_build::Config::new();
    config.bytes(["."]);
    config.skip_debug(SECRET);
    let module = prost_build::Module::from_protobuf_package_name("restante.v1");
    let requests = files
        .file
        .into_iter()
        .map(|file| (module.clone(), file))
        .collect();
    config.generate(requests).unwrap().remove(&module).unwrap()
}

#[test]
fn generated_code_is_what_the_schema_says() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/wire/generated.rs");
    let fresh = compile_schema();
    let committed = std::fs::read_to_string(&path).unwrap_or_default();
    if std::env::var_os("RESTANTE_BLESS").is_some() {
        std::fs::write(&path, &fresh).unwrap();
    } else {
        assert!(
            committed == fresh,
            "run RESTANTE_BLESS=1 cargo test -p restante-proto generated"
        );
    }
}

fn listed() -> g::Listed {
    g::Listed {
        id: vec![7; 32].into(),
        size_bytes: 2_048,
        expires_ms: 9,
    }
}

#[test]
fn bytes_beyond_the_limit_are_refused_before_decoding() {
    let bytes = listed().encode_to_vec();
    let error = decode::<g::Listed>(&bytes, bytes.len() - 1).unwrap_err();
    assert_eq!(
        error,
        WireError::TooLong {
            got: bytes.len(),
            limit: bytes.len() - 1
        }
    );
}

#[test]
fn other_encodings_of_the_same_message_are_refused() {
    let bytes = listed().encode_to_vec();
    let mut unknown_field = bytes.clone();
    unknown_field.extend_from_slice(&[0x78, 1]);
    let mut written_default = bytes.clone();
    written_default.extend_from_slice(&[0x20, 0]);
    let mut repeated_field = bytes.clone();
    repeated_field.extend_from_slice(&[0x18, 9]);
    let mut long_varint = bytes.clone();
    long_varint.pop();
    long_varint.extend_from_slice(&[0x89, 0]);
    for other in [unknown_field, written_default, repeated_field, long_varint] {
        assert_eq!(
            decode::<g::Listed>(&other, 100).unwrap_err(),
            WireError::NotCanonical
        );
    }
    let mut trailing = bytes;
    trailing.push(0);
    assert_eq!(
        decode::<g::Listed>(&trailing, 100).unwrap_err(),
        WireError::Undecodable
    );
}

proptest! {
    #[test]
    fn arbitrary_bytes_never_panic_and_what_decodes_encodes_back(bytes in prop::collection::vec(any::<u8>(), 0..300)) {
        if let Ok(request) = decode::<g::Request>(&bytes, 300) {
            prop_assert_eq!(request.encode_to_vec(), bytes.clone());
        }
        if let Ok(response) = decode::<g::Response>(&bytes, 300) {
            prop_assert_eq!(response.encode_to_vec(), bytes.clone());
        }
        if let Ok(message) = decode::<g::Message>(&bytes, 300) {
            prop_assert_eq!(message.encode_to_vec(), bytes);
        }
    }
}

#[test]
fn what_nobody_else_may_read_does_not_print() {
    let planted = bytes::Bytes::from_static(b"planted");
    let text = g::Text {
        body: planted.clone(),
        burn_ms: 0,
        file_name: "planted".to_owned(),
        ..g::Text::default()
    };
    let reaction = g::Reaction {
        emoji: "planted".to_owned(),
        to: None,
    };
    let grant = g::Grant {
        secret: planted.clone(),
        first_epoch: 1,
        mailboxes: Vec::new(),
    };
    let message = g::Message {
        sender: planted.clone(),
        handle: "planted".to_owned(),
        kind: 1,
        content: planted.clone(),
        grant: Some(grant.clone()),
        ..g::Message::default()
    };
    let card = g::Card {
        account: planted,
        handle: "planted".to_owned(),
        ..g::Card::default()
    };
    let printed = format!("{text:?} {reaction:?} {grant:?} {message:?} {card:?}");
    assert_eq!(
        printed,
        "Text(..) Reaction(..) Grant(..) Message(..) Card(..)"
    );
}

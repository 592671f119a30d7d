//! The known-answer vectors under `proto/vectors/`: made here, compared, and read back.
//!
//! Every file is made again from labels in each run and must equal what is committed; [`read_back`]
//! then takes the files alone and opens, verifies and decodes what they say.

use std::path::PathBuf;

use serde_json::Value;

mod choosing;
mod identity;
mod keepers;
mod padding;
mod post;
mod read_back;
mod refused;
mod repair;
mod routing;
mod sealed;
mod signatures;
mod specification;
mod stamps;
mod wire;

/// Returns every file by its name.
fn files() -> [(&'static str, Value); 15] {
    [
        ("ids", identity::ids()),
        ("keys", identity::keys()),
        ("mailboxes", post::mailboxes()),
        ("stamps", stamps::stamps()),
        ("chunks", post::chunks()),
        ("receipts", post::receipts()),
        ("prekeys", sealed::prekeys()),
        ("cards", sealed::cards()),
        ("choices", choosing::choices()),
        ("keepers", keepers::keepers()),
        ("envelopes", sealed::envelopes()),
        ("routing", routing::routing()),
        ("repair", repair::repair()),
        ("messages", wire::messages()),
        ("refused", refused::refused()),
    ]
}

fn path(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("vectors/{name}.json"))
}

fn hex(bytes: impl AsRef<[u8]>) -> String {
    data_encoding::HEXLOWER.encode(bytes.as_ref())
}

#[test]
fn vectors_are_what_this_code_makes() {
    for (name, fresh) in files() {
        let fresh = serde_json::to_string_pretty(&fresh).unwrap() + "\n";
        if std::env::var_os("RESTANTE_BLESS").is_some() {
            std::fs::write(path(name), fresh).unwrap();
            continue;
        }
        let committed = std::fs::read_to_string(path(name)).unwrap_or_default();
        assert!(
            committed == fresh,
            "{name}: run RESTANTE_BLESS=1 cargo test -p restante-proto"
        );
    }
}

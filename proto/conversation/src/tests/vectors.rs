//! The known-answer vectors in `proto/vectors/conversations.json`: made here and compared, and read back by a device
//! that has nothing but the file.

use std::path::PathBuf;

use data_encoding::HEXLOWER;
use mls_rs_core::crypto::CipherSuiteProvider as _;
use rand::SeedableRng as _;
use restante_proto::Address;
use restante_proto::envelope::Lifetime;
use restante_proto::keys::PublicKey;
use restante_proto::limits::DAY_MS;
use restante_proto::mailbox::{Mailbox, Rule};
use restante_proto::time::{Epoch, UnixMillis};
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{ChaCha20Rng, Device, three};
use crate::conversation::{Committed, Opened, Wanted};
use crate::envelope::{open, seal};
use crate::epoch::{Class, Rank};
use crate::outer::{Outer, OuterKeys};
use crate::suite::Suite;
use crate::{EpochName, Secret};

/// The device that the file has all keys of.
const READER: (u8, u8) = (1, 3);

fn hex(bytes: impl AsRef<[u8]>) -> String {
    HEXLOWER.encode(bytes.as_ref())
}

fn bytes(value: &Value) -> Vec<u8> {
    HEXLOWER.decode(value.as_str().unwrap().as_bytes()).unwrap()
}

fn path() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../vectors/conversations.json")
}

fn device(device: &Device) -> Value {
    json!({
        "account": hex(device.account().as_bytes()),
        "delegation": hex(device.identity.delegation.encode()),
        "device_seed": hex(*device.identity.device.seed()),
        "certificate": hex(device.identity.certificate().signature.as_bytes()),
    })
}

/// An epoch as its members know it.
fn epoch(of: &Device, name: &EpochName) -> Value {
    let conversation = of.conversation.as_ref().unwrap();
    let mut keys = conversation.outer_keys();
    let (_, keys) = keys.find(|(of, _)| of == name).unwrap();
    json!({
        "name": hex(name.as_bytes()),
        "outer_key": hex(keys.key()),
        "outer_hint": hex(keys.hint()),
    })
}

fn commit(of: &Device, made: &Committed, class: Class) -> Value {
    let key = of.key();
    let rank = Rank::new(class, &made.parent, &key, made.epoch);
    json!({
        "parent": hex(made.parent.as_bytes()),
        "committer": hex(key.as_bytes()),
        "class": class.number(),
        "order": hex(rank.order),
        "message": hex(&made.message),
        "welcome": made.welcome.as_ref().map(hex),
        "makes": epoch(of, &made.epoch),
    })
}

/// X-Wing key pairs as the suite derives them, and what is sealed to one.
fn suite() -> Value {
    let suite = Suite::new(&mut ChaCha20Rng::seed_from_u64(1));
    let derived = |ikm: [u8; 32]| {
        let (secret, public) = suite.kem_derive(&ikm).unwrap();
        json!({"ikm": hex(ikm), "secret": hex(&secret), "public": hex(&public)})
    };
    let (secret, public) = suite.kem_derive(&[7; 32]).unwrap();
    let aad = Some(b"associated data".as_slice());
    let sealed = suite.hpke_seal(&public, b"info", aad, b"inside").unwrap();
    json!({
        "derived": [derived([7; 32]), derived([8; 32])],
        "sealed": {
            "secret": hex(&secret),
            "info": hex("info"),
            "associated_data": hex("associated data"),
            "kem_output": hex(sealed.kem_output),
            "ciphertext": hex(sealed.ciphertext),
            "opens_to": hex("inside"),
        },
    })
}

fn outer(of: &Device) -> Value {
    let conversation = of.conversation.as_ref().unwrap();
    let (name, keys) = conversation.outer_keys().next().unwrap();
    let waits_at = Mailbox {
        owner: PublicKey::new([9; 32]),
        rule: Rule::Capability,
        epoch: Epoch::new(20_000),
    };
    let times = Lifetime {
        now: UnixMillis::new(1),
        expires: UnixMillis::new(DAY_MS),
    };
    let rng = &mut ChaCha20Rng::seed_from_u64(3);
    let envelope = seal(keys, b"a message of MLS", waits_at, times, rng).unwrap();
    let mailbox = Address::new([9; 32]);
    let mut rng = ChaCha20Rng::seed_from_u64(2);
    let sealed = keys.seal(&mailbox, b"bound", b"inside", &mut rng).unwrap();
    json!({
        "epoch": epoch(of, &name),
        "mailbox": hex(mailbox.as_bytes()),
        "bound": hex("bound"),
        "inside": hex("inside"),
        "nonce": hex(sealed.nonce),
        "hint": hex(sealed.hint),
        "ciphertext": hex(sealed.ciphertext),
        "envelope": {
            "owner": hex(waits_at.owner.as_bytes()),
            "epoch_of_the_mailbox": waits_at.epoch.get(),
            "expires_ms": envelope.expires.get(),
            "holds": hex("a message of MLS"),
            "bytes": hex(&envelope.bytes),
        },
    })
}

/// A conversation of four devices, of which two commit at once, one adds and removes another, and one reads alone.
fn conversation() -> Value {
    let numbers = [(1, 1), (1, 2), (2, 1), READER];
    let devices = numbers.map(|(account, number)| Device::new(account, number));
    let devices = super::conversation(devices.into());
    let [mut a, mut b, mut c, reader] = devices.try_into().ok().unwrap();
    let mut new = Device::new(2, 2);
    let first = json!({
        "devices": [device(&a), device(&b), device(&c), device(&reader)],
        "key_package": hex(reader.package()),
        "key_package_id": hex(&reader.packages[0].id),
        "key_package_secret": hex(&reader.packages[0].secret),
        "welcome": hex(a.invitation.clone().unwrap()),
        "makes": epoch(&reader, &reader.head()),
    });
    let text = a.seal("hello");
    let added = c.commit(&new.wanted());
    let raced = b.update();
    for device in [&mut a, &mut b, &mut c] {
        device.follow(&added).unwrap();
        device.follow(&raced).unwrap();
    }
    new.try_join(added.welcome.as_ref().unwrap()).unwrap();
    let wanted = Wanted {
        remove: [new.key()].into(),
        ..Wanted::default()
    };
    let removed = c.commit(&wanted);
    a.follow(&removed).unwrap();
    assert_eq!(a.head(), removed.epoch);
    let late = b.seal("said in between");
    json!({
        "joined_by_the_fourth": first,
        "text": {
            "epoch": hex(text.epoch.as_bytes()),
            "message": hex(&text.message),
            "opens_to": hex("hello"),
        },
        "commits": [
            commit(&c, &added, Class::Addition),
            commit(&b, &raced, Class::Update),
            commit(&c, &removed, Class::Removal),
        ],
        "late_text": {
            "epoch": hex(late.epoch.as_bytes()),
            "message": hex(&late.message),
            "opens_to": hex("said in between"),
        },
        "head": hex(a.head().as_bytes()),
    })
}

fn fresh() -> Value {
    let [_, _, c] = three();
    json!({"suite": suite(), "outer": outer(&c), "conversation": conversation()})
}

#[test]
fn vectors_are_what_this_code_makes() {
    let fresh = serde_json::to_string_pretty(&fresh()).unwrap() + "\n";
    if std::env::var_os("RESTANTE_BLESS").is_some() {
        std::fs::write(path(), fresh).unwrap();
        return;
    }
    let committed = std::fs::read_to_string(path()).unwrap_or_default();
    let hint = "run RESTANTE_BLESS=1 cargo test -p restante-conversation";
    assert!(committed == fresh, "{hint}");
}

#[test]
fn a_device_that_has_the_file_alone_follows_the_conversation() {
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path()).unwrap()).unwrap();
    let said = &file["conversation"];
    let joined = &said["joined_by_the_fourth"];
    let mut reader = Device::new(READER.0, READER.1);
    reader.packages[0].public = bytes(&joined["key_package"]);
    reader.packages[0].id = bytes(&joined["key_package_id"]);
    reader.packages[0].secret = Secret::new(bytes(&joined["key_package_secret"]));
    reader.try_join(&bytes(&joined["welcome"])).unwrap();
    assert_eq!(epoch(&reader, &reader.head()), joined["makes"]);
    let name = |value: &Value| EpochName::new(bytes(value).try_into().unwrap());
    for commit in said["commits"].as_array().unwrap() {
        let parent = name(&commit["parent"]);
        let followed = reader.open(&parent, &bytes(&commit["message"]));
        let Ok(Opened::Commit { epoch: made, .. }) = followed else {
            panic!("{followed:?}");
        };
        assert_eq!(epoch(&reader, &made), commit["makes"]);
    }
    assert_eq!(reader.head(), name(&said["head"]));
    for text in ["text", "late_text"] {
        let text = &said[text];
        let opened = reader.open(&name(&text["epoch"]), &bytes(&text["message"]));
        let Ok(Opened::Text { body, .. }) = opened else {
            panic!("{opened:?}");
        };
        assert_eq!(body.to_vec(), bytes(&text["opens_to"]));
    }
}

#[test]
fn an_envelope_opens_by_the_file_alone() {
    let file: Value = serde_json::from_str(&std::fs::read_to_string(path()).unwrap()).unwrap();
    let outer = &file["outer"];
    let sealed = Outer {
        nonce: bytes(&outer["nonce"]).try_into().unwrap(),
        hint: bytes(&outer["hint"]).try_into().unwrap(),
        ciphertext: bytes(&outer["ciphertext"]),
    };
    let key = |name: &str| Zeroizing::new(bytes(&outer["epoch"][name]).try_into().unwrap());
    let keys = OuterKeys::new(key("outer_key"), key("outer_hint"));
    assert!(keys.hints(&sealed.nonce, &sealed.hint));
    let mailbox = Address::new(bytes(&outer["mailbox"]).try_into().unwrap());
    let inside = keys.open(&mailbox, &bytes(&outer["bound"]), &sealed);
    assert_eq!(inside.unwrap().to_vec(), bytes(&outer["inside"]));
    let file = &outer["envelope"];
    let number = |name: &str| file[name].as_u64().unwrap();
    let waits_at = Mailbox {
        owner: PublicKey::try_from(bytes(&file["owner"]).as_slice()).unwrap(),
        rule: Rule::Capability,
        epoch: Epoch::new(number("epoch_of_the_mailbox").try_into().unwrap()),
    };
    let times = Lifetime {
        now: UnixMillis::new(1),
        expires: UnixMillis::new(number("expires_ms")),
    };
    let sealed = bytes(&file["bytes"]);
    let (_, inside) = open(&sealed, &waits_at.address(), times, [((), &keys)]).unwrap();
    assert_eq!(inside.to_vec(), bytes(&file["holds"]));
}

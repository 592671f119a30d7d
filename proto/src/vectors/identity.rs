//! IDs and keys.

use serde_json::{Value, json};

use super::{hex, signatures::strict};
use crate::{
    Address,
    account::{account_hash, verification_code},
    context,
    fixture::{NOW, account_key, bytes, key, person},
    keys::{SecretKey, Signature},
    limits::{CARD_TTL_MS, SALT_EPOCH_MS},
    person::{IdCost, PersonId, Tag},
    phrase::RecoveryPhrase,
    publisher::salt_epochs,
    time::{SaltEpoch, UnixMillis},
};

pub(super) fn ids() -> Value {
    let mut cases = Vec::new();
    for (cost, memory_kib, passes) in [
        (IdCost::Production, 65_536, 3),
        (IdCost::CheapForTests, 64, 1),
    ] {
        let epoch = NOW.salt_epoch();
        // The last one is the first under the next salt epoch.
        for (handle, epoch) in [("alice", epoch), ("z_9", epoch), ("alice", next_epoch())] {
            let account = key(&format!("{handle} account")).public();
            let id = PersonId::of(&account, handle.parse().unwrap(), cost);
            let locators = id.locators(epoch, cost);
            let mut salt = context::LOCATOR_ROOT.as_bytes().to_vec();
            salt.extend_from_slice(&epoch.get().to_be_bytes());
            let root: [u8; 32] = cost.hash(id.to_string().as_bytes(), &salt);
            let hash = account_hash(&account);
            let k = data_encoding::BASE32_NOPAD
                .encode(&hash)
                .to_ascii_lowercase();
            cases.push(json!({
                "argon2id": { "memory_kib": memory_kib, "passes": passes, "lanes": 1 },
                "account": hex(account.as_bytes()),
                "handle": handle,
                "tag_number": id.tag.get().to_string(),
                "id": id.to_string(),
                "salt_epoch": epoch.get(),
                "root": hex(root),
                "locators": locators.addresses.map(|address| hex(address.as_bytes())),
                "record_key": hex(locators.record_key.as_bytes()),
                "account_hash": hex(hash),
                "link": format!("restante:{id}?k={k}"),
            }));
        }
    }
    let read = [
        ("0O1I-LABC-DEFG", "0011-1abc-defg"),
        ("7KQ2-M9XW-3FHD", "7kq2-m9xw-3fhd"),
    ]
    .map(|(written, tag)| json!({ "written": written, "tag": tag }));
    for [written, tag] in read.iter().map(|case| [&case["written"], &case["tag"]]) {
        let parsed: Tag = written.as_str().unwrap().parse().unwrap();
        assert_eq!(parsed.to_string(), tag.as_str().unwrap());
    }
    let (alice, bob) = (person("alice").account, person("bob").account);
    json!({
        "about": "SPEC 3: IDs, locators, links and verification codes",
        "ids": cases,
        "salt_epochs": salt_epoch_changes(),
        "tags_read": read,
        "refused": refused_ids(),
        "verification": [{
            "one": hex(alice.as_bytes()),
            "other": hex(bob.as_bytes()),
            "code": verification_code(&alice, &bob),
        }],
    })
}

fn next_epoch() -> SaltEpoch {
    SaltEpoch::new(NOW.salt_epoch().get() + 1)
}

/// Returns under which salt epochs a card is published, and under which it is looked for, around a change.
fn salt_epoch_changes() -> Vec<Value> {
    let change = u64::from(next_epoch().get()) * SALT_EPOCH_MS;
    let dates = [
        NOW.get(),
        change - CARD_TTL_MS - 1,
        change - CARD_TTL_MS,
        change - 1,
        change,
        change + CARD_TTL_MS,
    ];
    let dates = dates.map(UnixMillis::new);
    dates
        .map(|date| {
            let published: Vec<u32> = salt_epochs(date).iter().map(|epoch| epoch.get()).collect();
            json!({
                "date_ms": date.get(),
                "looked_up": date.salt_epoch().get(),
                "published": published,
            })
        })
        .to_vec()
}

/// Returns texts that are no IDs, and why.
fn refused_ids() -> Vec<Value> {
    [
        "alice",
        "alice.",
        ".7kq2-m9xw-3fhd",
        "Alice.7kq2-m9xw-3fhd",
        "12345.7kq2-m9xw-3fhd",
        "alice.7kq2m9xw3fhd",
        "alice.7kq2-m9xw-3fh",
        "alice.7kq2-m9xw-3fhu",
        "a-b.7kq2-m9xw-3fhd",
        "zzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzzz.7kq2-m9xw-3fhd",
    ]
    .iter()
    .map(|text| {
        let error = text.parse::<PersonId>().unwrap_err();
        json!({ "text": text, "error": error.to_string() })
    })
    .collect()
}

/// A recovery phrase, with the account that it stands for.
fn phrase(entropy: [u8; 16]) -> Value {
    let phrase = RecoveryPhrase::from_entropy(entropy);
    json!({
        "entropy": hex(entropy),
        "words": *phrase.words(),
        "account_seed": hex(*phrase.account().seed()),
        "account": hex(phrase.account().public().as_bytes()),
    })
}

#[expect(clippy::too_many_lines, reason = "one entry for each key")]
pub(super) fn keys() -> Value {
    let alice = person("alice");
    let locator = Address::new(bytes("locator"));
    let seed = |key: &SecretKey| hex(*key.seed());
    let public = |key: &SecretKey| hex(key.public().as_bytes());
    let derived = |name: &str, from: &SecretKey, context: &str, parts: &[&[u8]], key: SecretKey| {
        json!({
            "name": name,
            "from_seed": seed(from),
            "context": context,
            "parts": parts.iter().map(hex).collect::<Vec<_>>(),
            "seed": seed(&key),
            "public": public(&key),
        })
    };
    let epoch = NOW.epoch();
    let epoch_bytes = epoch.get().to_be_bytes();
    let bob = person("bob");
    let (contact, contact_device) = (bob.account, bob.device.public());
    let grant_parts: [&[u8]; 2] = [contact.as_bytes(), contact_device.as_bytes()];
    let grant = alice.device.derive(context::GRANT, &grant_parts);
    let account = account_key("alice");
    let derived = vec![
        derived(
            "delegate",
            &account,
            context::DELEGATE,
            &[&alice.delegation.number.to_be_bytes()],
            alice.delegate.clone(),
        ),
        derived(
            "writer",
            &alice.delegate,
            context::WRITER,
            &[locator.as_bytes()],
            alice.writer(&locator),
        ),
        derived(
            "first-contact owner",
            &alice.device,
            context::FIRST_CONTACT,
            &[],
            alice.first_contact(),
        ),
        derived(
            "device mailbox owner",
            &alice.device,
            context::DEVICE_MAILBOX,
            &[&epoch_bytes, &[1]],
            alice.device_mailbox_owner(epoch, 1),
        ),
        derived(
            "grant secret",
            &alice.device,
            context::GRANT,
            &grant_parts,
            grant.clone(),
        ),
        derived(
            "capability holder",
            &grant,
            context::CAPABILITY_HOLDER,
            &[&epoch_bytes],
            grant.derive(context::CAPABILITY_HOLDER, &[&epoch_bytes]),
        ),
    ];
    let device = alice.device.public();
    let signature =
        |name: &str, by: &SecretKey, context: &str, parts: &[&[u8]], signature: Signature| {
            json!({
                "name": name,
                "seed": seed(by),
                "public": public(by),
                "context": context,
                "parts": parts.iter().map(hex).collect::<Vec<_>>(),
                "digest": hex(context::derive(context, parts)),
                "signature": hex(signature.as_bytes()),
            })
        };
    let number = alice.delegation.number.to_be_bytes();
    let signatures = [
        signature(
            "delegation",
            &account,
            context::SIGN_DELEGATION,
            &[number.as_slice(), alice.delegation.key.as_bytes()],
            alice.delegation.signature,
        ),
        signature(
            "device certificate",
            &alice.delegate,
            context::SIGN_DEVICE,
            &[device.as_bytes()],
            alice.certificate().signature,
        ),
    ];
    json!({
        "about": "SPEC 2.2: derived keys and signatures",
        "phrases": [phrase([0; 16]), phrase(bytes("a recovery phrase"))],
        "derived": derived,
        "signatures": signatures,
        "strict": strict(),
    })
}

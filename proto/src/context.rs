//! The registered context strings: one for each use of a key or a hash, none equal to or a prefix of another.
//!
//! Every derivation is `BLAKE3 derive_key(context, material)` and every signature covers its context first, so that
//! bytes made for one purpose mean nothing anywhere else (SPEC 2.2).

/// Salt of the Argon2id that makes a tag.
pub const TAG: &str = "restante/v1/tag-of-account";
/// Salt prefix of the Argon2id that makes the root of locators.
pub const LOCATOR_ROOT: &str = "restante/v1/root-of-locators";
/// Derivation of one locator from the root.
pub const LOCATOR: &str = "restante/v1/locator";
/// Derivation of the key a card is sealed under.
pub const RECORD_KEY: &str = "restante/v1/record-key";
/// Derivation of an account's key from its recovery phrase.
pub const ACCOUNT: &str = "restante/v1/account-of-phrase";
/// Derivation of a delegate's key from the account's.
pub const DELEGATE: &str = "restante/v1/delegate";
/// Derivation of the writer key of one locator from the delegate's key.
pub const WRITER: &str = "restante/v1/writer";
/// Derivation of the key an account's link carries.
pub const ACCOUNT_HASH: &str = "restante/v1/account-hash";
/// Derivation of the code two people compare.
pub const VERIFY_CODE: &str = "restante/v1/verification-code";
/// Derivation of a mailbox address.
pub const MAILBOX: &str = "restante/v1/mailbox-address";
/// Derivation of the owner key of a device's first-contact mailbox.
pub const FIRST_CONTACT: &str = "restante/v1/first-contact-owner";
/// Derivation of the owner key of a device mailbox of one epoch.
pub const DEVICE_MAILBOX: &str = "restante/v1/device-mailbox-owner";
/// Derivation of the secret that the deposit capabilities of one device of a contact come from.
pub const GRANT: &str = "restante/v1/grant-secret";
/// Derivation of the holder key of a deposit capability of one epoch.
pub const CAPABILITY_HOLDER: &str = "restante/v1/capability-holder";
/// Derivation of the hint that tells a recipient which prekey opens an envelope.
pub const PREKEY_HINT: &str = "restante/v1/prekey-hint";
/// Derivation of the challenge of a stamp.
pub const STAMP: &str = "restante/v1/stamp-challenge";
/// Derivation of the hint that tells a member which epoch of which conversation opens an envelope.
pub const CONVERSATION_HINT: &str = "restante/v1/conversation-hint";
/// Derivation of the order between two members that commit to one epoch of a conversation.
pub const COMMIT_ORDER: &str = "restante/v1/commit-order";
/// HPKE `info` of an envelope.
pub const ENVELOPE: &str = "restante/v1/envelope-info";
/// Associated data of a sealed card.
pub const CARD_SEAL: &str = "restante/v1/card-seal";

/// Derivation of the point where a node lies.
pub const NODE_POINT: &str = "restante/v1/point-of-node";
/// Derivation of the point where an address lies.
pub const ADDRESS_POINT: &str = "restante/v1/point-of-address";

/// Spreading of pauses; not part of the protocol.
pub const JITTER: &str = "restante/v1/jitter";

/// Signature of a delegate's key by the account.
pub const SIGN_DELEGATION: &str = "restante/v1/sign/delegation";
/// Signature of a card by its account's delegate.
pub const SIGN_CARD: &str = "restante/v1/sign/card";
/// Signature of a device's key by its account's delegate.
pub const SIGN_DEVICE: &str = "restante/v1/sign/device";
/// Signature of a card record by its writer.
pub const SIGN_RECORD: &str = "restante/v1/sign/record";
/// Signature of a message by its device.
pub const SIGN_MESSAGE: &str = "restante/v1/sign/message";
/// Signature of a receipt by its keeper.
pub const SIGN_RECEIPT: &str = "restante/v1/sign/receipt";
/// Signature of a deposit capability by the mailbox owner.
pub const SIGN_CAPABILITY: &str = "restante/v1/sign/capability";
/// Signature of a deposit by the holder of a capability.
pub const SIGN_DEPOSIT: &str = "restante/v1/sign/deposit";
/// Signature of a request by the mailbox owner.
pub const SIGN_OWNER: &str = "restante/v1/sign/owner-request";
/// Signature of an ack of one envelope by the mailbox owner.
pub const SIGN_ACK: &str = "restante/v1/sign/ack-envelope";
/// Signature of the deletion of a chunk by its deletion key.
pub const SIGN_DELETE: &str = "restante/v1/sign/delete-chunk";

/// All registered contexts, for the test that compares them.
pub const ALL: [&str; 34] = [
    TAG,
    LOCATOR_ROOT,
    LOCATOR,
    RECORD_KEY,
    ACCOUNT,
    DELEGATE,
    WRITER,
    ACCOUNT_HASH,
    VERIFY_CODE,
    MAILBOX,
    FIRST_CONTACT,
    DEVICE_MAILBOX,
    GRANT,
    CAPABILITY_HOLDER,
    PREKEY_HINT,
    CONVERSATION_HINT,
    COMMIT_ORDER,
    STAMP,
    ENVELOPE,
    CARD_SEAL,
    NODE_POINT,
    ADDRESS_POINT,
    JITTER,
    SIGN_DELEGATION,
    SIGN_CARD,
    SIGN_DEVICE,
    SIGN_RECORD,
    SIGN_MESSAGE,
    SIGN_RECEIPT,
    SIGN_CAPABILITY,
    SIGN_DEPOSIT,
    SIGN_OWNER,
    SIGN_ACK,
    SIGN_DELETE,
];

/// Derives 32 bytes from `parts`, one after the other, under `context`.
///
/// Every caller's parts have fixed lengths, but for the last one, so that two different inputs never join into the
/// same bytes.
pub fn derive(context: &str, parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_derive_key(context);
    for part in parts {
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::ALL;

    #[test]
    fn no_context_is_a_prefix_of_another() {
        for (i, a) in ALL.iter().enumerate() {
            for (j, b) in ALL.iter().enumerate() {
                assert!(i == j || !b.starts_with(a), "{a} begins {b}");
            }
        }
    }

    #[test]
    fn every_context_of_this_file_is_in_the_list() {
        let declared = include_str!("context.rs").matches("\npub const ").count() - 1;
        assert_eq!(declared, ALL.len());
    }
}

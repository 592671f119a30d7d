//! The library, set up for one call: the suite, who we are, the rules, and the rows of one epoch.

use std::panic::{AssertUnwindSafe, catch_unwind};

use mls_rs::client_builder::{
    BaseConfig, WithCryptoProvider, WithGroupStateStorage, WithIdentityProvider,
    WithKeyPackageRepo, WithMlsRules,
};
use mls_rs::error::MlsError;
use mls_rs::{Client, Group};
use mls_rs_core::time::MlsTime;
use restante_proto::account::Identity;

use crate::error::ConversationError;
use crate::member::{Members, signing_identity};
use crate::rules::{ACCOUNTS, HINT, Rules};
use crate::storage::{EpochRows, Packages};
use crate::suite::{SUITE, Suite};

/// How the library is set up.
pub(crate) type Config = WithMlsRules<
    Rules,
    WithGroupStateStorage<
        EpochRows,
        WithKeyPackageRepo<
            Packages,
            WithIdentityProvider<Members, WithCryptoProvider<Suite, BaseConfig>>,
        >,
    >,
>;

/// A group at one epoch.
pub(crate) type MlsGroup = Group<Config>;

/// The moment at which all lifetimes begin and are looked at, in seconds since 1970, and how long they are: clocks
/// differ, and members who do not agree on one leaf part for good. Cards and prekeys say what is out of date.
const LIFETIMES_AT: u64 = 1_767_225_600;
const LIFETIME_SECONDS: u64 = 100 * 365 * 24 * 60 * 60;

/// Sets the library up.
pub(crate) fn client(
    identity: &Identity,
    suite: Suite,
    rows: EpochRows,
    packages: Packages,
) -> Client<Config> {
    let seed = identity.device.seed();
    let lifetime = std::time::Duration::from_secs(LIFETIME_SECONDS);
    Client::builder()
        .crypto_provider(suite)
        .identity_provider(Members)
        .key_package_repo(packages)
        .key_package_lifetime(lifetime)
        .group_state_storage(rows)
        .extension_type(ACCOUNTS)
        .extension_type(HINT)
        .mls_rules(Rules)
        .signing_identity(signing_identity(identity), seed.to_vec().into(), SUITE)
        .build()
}

/// Has the library work on bytes from outside. It panics on some that no honest member makes (a commit whose path has
/// too few nodes, for one); what it was working on is thrown away then, as after every error.
pub(crate) fn guarded<T>(
    work: impl FnOnce() -> Result<T, MlsError>,
) -> Result<T, ConversationError> {
    match catch_unwind(AssertUnwindSafe(work)) {
        Ok(done) => done.map_err(|error| ConversationError::of_message(&error)),
        Err(_) => Err(ConversationError::Refused),
    }
}

/// Returns what the library takes for the present.
pub(crate) fn mls_time() -> MlsTime {
    MlsTime::from(LIFETIMES_AT)
}

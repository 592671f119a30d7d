//! The library, set up for one call: the suite, who we are, the rules, and the rows of one epoch.

use mls_rs::client_builder::{
    BaseConfig, WithCryptoProvider, WithGroupStateStorage, WithIdentityProvider,
    WithKeyPackageRepo, WithMlsRules,
};
use mls_rs::{Client, Group};
use mls_rs_core::time::MlsTime;
use restante_proto::account::Identity;
use restante_proto::time::UnixMillis;

use crate::member::{Members, signing_identity};
use crate::rules::{ACCOUNTS, Rules};
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

/// How long a key package says that it can be used, in seconds: longer than cards and prekeys, which decide.
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
        .mls_rules(Rules)
        .signing_identity(signing_identity(identity), seed.to_vec().into(), SUITE)
        .build()
}

/// Returns a date as the library wants it.
pub(crate) fn mls_time(date: UnixMillis) -> MlsTime {
    MlsTime::from(date.get() / 1000)
}

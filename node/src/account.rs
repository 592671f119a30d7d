//! The person's side of a node: the client core, driven with the network, workers and the vault.
//!
//! Everything is decided in [`restante_client`]; here its outputs are carried out, and what comes of them is brought
//! back.

pub mod backup;
mod disk;
mod driver;
mod reopening;
mod rows;
mod shred;
mod store;
#[cfg(test)]
mod tests;

pub use self::disk::AccountDisk;
pub use self::driver::{Driver, Services, Settings};
pub use self::shred::{Rewritten, ShredError};
pub(crate) use self::store::create_account;
pub use self::store::{AccountStoreError, VaultDisk};

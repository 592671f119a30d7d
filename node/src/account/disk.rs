//! The disk of an account, as its driver needs it.

use restante_client::CommitError;
use restante_client::model::Slot;
use restante_client::records::{Change, Loaded};

use super::AccountStoreError;

/// Where an account's records and bodies are: a vault, or a simulated disk. All of it blocks and runs in a worker.
pub trait AccountDisk: Send + Sync {
    /// Reads everything but bodies.
    ///
    /// # Errors
    ///
    /// [`AccountStoreError`] when there is no readable account.
    fn load(&self) -> Result<Loaded, AccountStoreError>;

    /// Makes changes durable, all or nothing, and returns the slots of new messages, in order.
    ///
    /// # Errors
    ///
    /// [`CommitError`]; a store that has failed is opened again by the next call.
    fn commit(&self, changes: &[Change]) -> Result<Vec<Slot>, CommitError>;

    /// Reads bodies, in order, until [`READ_BYTES_MAX`](restante_client::READ_BYTES_MAX) are read; those that were
    /// destroyed as none.
    ///
    /// # Errors
    ///
    /// [`AccountStoreError`] when one cannot be read.
    fn bodies(&self, places: &[(u64, Slot)]) -> Result<Vec<Option<Vec<u8>>>, AccountStoreError>;
}

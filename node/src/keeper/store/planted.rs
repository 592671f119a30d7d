//! What the store on the disk does wrong when a test plants it.

use redb::{Durability, Error, WriteTransaction};
use restante_proto::{keeper::StoreFault, planted::Planted, time::UnixMillis};

use super::{RedbStore, batch::Batch, begin_durable};

/// Commits without waiting for the disk.
pub(super) fn spare_fsync(tx: &mut WriteTransaction) -> Result<(), Error> {
    if Planted::ReceiptBeforeFsync.is_here() {
        tx.set_durability(Durability::None)?;
    }
    Ok(())
}

impl RedbStore {
    /// Finds rows that the index has lost, and takes what was acked for one of them.
    pub(super) fn planted_repair(&mut self) -> Result<(), StoreFault> {
        if !Planted::Resurrection.is_here() {
            return Ok(());
        }
        let sums = self.watch(|| {
            let tx = begin_durable(self.database()?)?;
            let mut batch = Batch::open(&tx, UnixMillis::default(), self.sums, None)?;
            batch.planted_repair()?;
            let sums = batch.finish(&tx)?;
            tx.commit()?;
            Ok(sums)
        })?;
        self.sums = sums;
        Ok(())
    }
}

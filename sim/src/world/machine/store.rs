//! The keeper's store on a machine's disk, and what is left of it when it is damaged.

use restante::keeper::store::{Check, KeeperStore, OpenError, RedbStore};
use restante::node::NodeError;
use restante_proto::keeper::StoreError;

use restante_sim_disk::Disk;

use super::Machine;
use crate::world::adversary::Conduct;
use crate::world::stores::ObservedStore;

pub(in crate::world) const KEEPER_FILE: &str = "keeper.redb";
/// A store that is made of what could be read of a damaged one.
const SALVAGE_FILE: &str = "keeper.redb.salvage";

impl Machine {
    /// Opens the store as the node does: a damaged one is replaced by what can still be read of it.
    ///
    /// # Errors
    ///
    /// [`NodeError`] when the disk refuses.
    pub(super) fn open_store(&mut self) -> Result<RedbStore, NodeError> {
        self.salvaged = None;
        match self.open_file(KEEPER_FILE, Check::Whole)? {
            Err(OpenError::Store(StoreError::Damaged(_))) => self.salvage(),
            opened => opened.map_err(said),
        }
    }

    /// Lets a store that was just opened be watched, in what it does and what it says.
    pub(super) fn observe<S: KeeperStore>(&self, store: S) -> ObservedStore<S> {
        if self.character.conduct != Conduct::Honest {
            self.watch.distrust();
        }
        let (storage, is_salvaged) = (self.storage.clone(), self.salvaged.is_some());
        self.watch.observe(store, self.clock.now(), move || {
            let effects = storage.files().map(Disk::effects);
            is_salvaged || effects.is_some_and(|seen| seen.lies > 0 || seen.flipped_bits > 0)
        })
    }

    fn open_file(
        &self,
        name: &str,
        check: Check,
    ) -> Result<Result<RedbStore, OpenError>, NodeError> {
        let disk = self.storage.files().cloned().ok_or_else(no_files)?;
        let name = name.to_owned();
        let storage = move || {
            let file = disk.file(&name)?;
            #[cfg(debug_assertions)]
            let file = crate::world::planted::SlackFile::new(file);
            Ok(file)
        };
        let cap_bytes = self.config.disk_cap_bytes;
        Ok(RedbStore::open_on(storage, cap_bytes, check))
    }

    fn salvage(&mut self) -> Result<RedbStore, NodeError> {
        let disk = self.storage.files().cloned().ok_or_else(no_files)?;
        if disk.exists(SALVAGE_FILE) {
            disk.remove(SALVAGE_FILE).map_err(refused)?;
        }
        let damaged = self.file(KEEPER_FILE)?;
        let mut store = self.open_file(SALVAGE_FILE, Check::Trust)?.map_err(said)?;
        let items = store
            .salvage(&damaged)
            .map_err(OpenError::from)
            .map_err(said)?;
        drop(damaged);
        store.close().map_err(OpenError::from).map_err(said)?;
        disk.rename(SALVAGE_FILE, KEEPER_FILE).map_err(refused)?;
        self.salvaged = Some(items);
        self.open_file(KEEPER_FILE, Check::Trust)?.map_err(said)
    }
}

fn said(error: OpenError) -> NodeError {
    NodeError::Keeper(error.to_string())
}

fn refused(error: std::io::Error) -> NodeError {
    NodeError::Keeper(error.to_string())
}

pub(super) fn no_files() -> NodeError {
    NodeError::Keeper("there are no files".to_owned())
}

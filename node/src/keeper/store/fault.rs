//! Sorts what redb says into faults, and catches its panics.

use std::io::ErrorKind;

use restante_proto::keeper::StoreFault;
use tracing::debug;

use crate::engine_panic;

/// Runs calls into redb; a panic on contradictory pages becomes [`StoreFault::Damaged`].
///
/// Whoever gets a fault gives up what the calls were about, so nobody sees what a panic left half
/// done.
pub(super) fn guarded<T>(calls: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, StoreFault> {
    match engine_panic::guarded(calls) {
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) => Err(fault_of(error)),
        None => Err(StoreFault::Damaged(
            "its pages contradict each other".into(),
        )),
    }
}

/// Returns what a failure of redb means for a keeper.
pub(super) fn fault_of(error: redb::Error) -> StoreFault {
    debug!(%error, "the keeper's database failed");
    match error {
        redb::Error::Io(error) => io_fault(&error),
        redb::Error::PreviousIo
        | redb::Error::DatabaseClosed
        | redb::Error::LockPoisoned(_)
        | redb::Error::TransactionPoisoned => {
            StoreFault::Io("it stopped at an earlier failure".into())
        }
        redb::Error::Corrupted(why) => StoreFault::Damaged(why),
        redb::Error::UpgradeRequired(_) => StoreFault::Damaged("it is in a foreign format".into()),
        _ => StoreFault::Damaged("its tables are not what they should be".into()),
    }
}

/// Returns what a failure of the operating system means for a keeper.
pub(super) fn io_fault(error: &std::io::Error) -> StoreFault {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreFault::DiskFull,
        // The file ends before its tables do, or is no database at all.
        ErrorKind::UnexpectedEof | ErrorKind::InvalidData => {
            StoreFault::Damaged("it is cut short or is no database".into())
        }
        kind => StoreFault::Io(kind.to_string()),
    }
}

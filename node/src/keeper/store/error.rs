//! Sorts what redb says into errors, and catches its panics.

use std::io::ErrorKind;

use restante_proto::keeper::StoreError;
use tracing::debug;

use crate::engine_panic;

/// Runs calls into redb; a panic on contradictory pages becomes [`StoreError::Damaged`].
///
/// After an error the caller gives up what the calls were about, so that nothing sees what a panic left half
/// done.
pub(super) fn guarded<T>(calls: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, StoreError> {
    match engine_panic::guarded(calls) {
        Some(Ok(value)) => Ok(value),
        Some(Err(error)) => Err(error_of(error)),
        None => Err(StoreError::Damaged(
            "its pages contradict each other".into(),
        )),
    }
}

/// Returns what a failure of redb means for a keeper.
pub(super) fn error_of(error: redb::Error) -> StoreError {
    debug!(%error, "the keeper's database failed");
    match error {
        redb::Error::Io(error) => io_error(&error),
        redb::Error::PreviousIo
        | redb::Error::DatabaseClosed
        | redb::Error::LockPoisoned(_)
        | redb::Error::TransactionPoisoned => {
            StoreError::Io("it stopped at an earlier failure".into())
        }
        redb::Error::Corrupted(why) => StoreError::Damaged(why),
        redb::Error::UpgradeRequired(_) => StoreError::Damaged("it is in a foreign format".into()),
        _ => StoreError::Damaged("its tables are not what they should be".into()),
    }
}

/// Returns what a failure of the operating system means for a keeper.
pub(super) fn io_error(error: &std::io::Error) -> StoreError {
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => StoreError::DiskFull,
        // The file ends before its tables do, or is no database at all.
        ErrorKind::UnexpectedEof | ErrorKind::InvalidData => {
            StoreError::Damaged("it is cut short or is no database".into())
        }
        kind => StoreError::Io(kind.to_string()),
    }
}

//! Sorts what redb says into faults, and catches its panics.

use std::cell::Cell;
use std::io::ErrorKind;
use std::panic::{AssertUnwindSafe, catch_unwind};

use restante_proto::keeper::StoreFault;
use tracing::debug;

thread_local! {
    static CATCHING: Cell<bool> = const { Cell::new(false) };
}

/// Returns whether a panic on this thread, now, would be caught and reported as a damaged store.
///
/// For a panic hook that writes to the user: it stays silent while this is true.
#[must_use]
pub fn panic_is_caught() -> bool {
    CATCHING.get()
}

/// Runs calls into redb; a panic on contradictory pages becomes [`StoreFault::Damaged`].
///
/// Whoever gets a fault gives up what the calls were about, so nobody sees what a panic left half done.
pub(super) fn guarded<T>(
    calls: impl FnOnce() -> Result<T, redb::Error>,
) -> Result<T, StoreFault> {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            CATCHING.set(self.0);
        }
    }
    let restore = Restore(CATCHING.replace(true));
    let done = catch_unwind(AssertUnwindSafe(calls));
    drop(restore);
    match done {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(error)) => Err(fault_of(error)),
        Err(_) => Err(StoreFault::Damaged("its pages contradict each other".into())),
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

//! Catches panics of the database engine, for the vault and the keeper's store.
//!
//! redb verifies checksums when it opens a file, and a file that passes can still be wrong: a disk
//! that lies about syncing, or a bit that flips while the database is open. Some such states end
//! in a panic inside redb, which must not take the node down.
//!
//! One case is out of reach: while it unwinds from a panic, redb may panic again in a destructor,
//! and then the process ends. It was seen only with redb's own tables changed under an open
//! database, and the next open reports that file as damaged.

use std::cell::Cell;
use std::panic::{self, AssertUnwindSafe, catch_unwind};

thread_local! {
    static CATCHING: Cell<bool> = const { Cell::new(false) };
}

/// Returns whether a panic on this thread, now, would be caught and reported as a damaged file.
///
#[must_use]
pub fn panic_is_caught() -> bool {
    CATCHING.get()
}

/// Lets panics that are caught here pass in silence; what they mean is told as an error.
pub fn silence_caught_panics() {
    let told = panic::take_hook();
    panic::set_hook(Box::new(move |panic| {
        if !panic_is_caught() {
            told(panic);
        }
    }));
}

/// Runs one call into the database engine; `None` when it panicked.
///
/// Needs `panic = "unwind"`.
pub(crate) fn guarded<T>(call: impl FnOnce() -> T) -> Option<T> {
    struct Restore(bool);
    impl Drop for Restore {
        fn drop(&mut self) {
            CATCHING.set(self.0);
        }
    }
    let _restore = Restore(CATCHING.replace(true));
    // Whoever gets `None` gives up the engine's state: the caller drops the database or marks it
    // as broken. So nobody sees what the panic left half done.
    catch_unwind(AssertUnwindSafe(call)).ok()
}

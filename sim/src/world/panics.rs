//! Panics of simulated nodes.
//!
//! A task that panics ends alone, and what waits for it may never know. Those that the node expects of its database
//! engine, and catches, are no defects.

use std::cell::RefCell;
use std::panic;
use std::sync::Once;

use restante::engine_panic::panic_is_caught;

thread_local! {
    static FIRST: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Notes panics from now on, on the thread on which they happen.
pub(super) fn note() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| {
        let told = panic::take_hook();
        panic::set_hook(Box::new(move |panic| {
            if panic_is_caught() {
                return;
            }
            let what = panic.to_string();
            FIRST.with_borrow_mut(|first| first.get_or_insert(what).len());
            told(panic);
        }));
    });
}

/// Returns the first panic on this thread since the last call.
pub(super) fn take() -> Option<String> {
    FIRST.take()
}

#[cfg(test)]
mod tests;

use std::panic;

use super::{note, take};

#[test]
fn the_first_panic_of_a_thread_is_told_once() {
    note();
    assert_eq!(take(), None);
    for word in ["one", "two"] {
        assert!(panic::catch_unwind(|| panic!("{word}")).is_err());
    }
    assert!(take().is_some_and(|what| what.ends_with("one")));
    assert_eq!(take(), None);
}

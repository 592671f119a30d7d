use std::time::Duration;

use tokio::time::{Instant, advance, timeout};

use super::{REFUSED_AFTER, Refused};

/// A little less than any wait here.
const MOMENT: Duration = Duration::from_millis(1);

#[tokio::test(start_paused = true)]
async fn each_that_found_no_room_is_told_a_second_after_it_came() {
    let mut refused = Refused::new();
    let start = Instant::now();
    refused.push(1);
    advance(REFUSED_AFTER / 4).await;
    refused.push(2);
    assert_eq!(refused.next().await, 1);
    assert!(start.elapsed() >= REFUSED_AFTER);
    assert_eq!(refused.next().await, 2);
    assert!(start.elapsed() >= REFUSED_AFTER * 5 / 4);
    assert!(
        start.elapsed() < REFUSED_AFTER * 3 / 2,
        "in one second each"
    );
}

#[tokio::test(start_paused = true)]
async fn nobody_is_told_early_and_nobody_is_forgotten_when_something_else_comes_first() {
    let mut refused = Refused::new();
    let nobody = timeout(2 * REFUSED_AFTER, refused.next()).await;
    assert!(nobody.is_err(), "there is nobody to be told");
    refused.push(1);
    let early = timeout(REFUSED_AFTER.saturating_sub(MOMENT), refused.next()).await;
    assert!(early.is_err());
    assert_eq!(timeout(2 * MOMENT, refused.next()).await, Ok(1));
}

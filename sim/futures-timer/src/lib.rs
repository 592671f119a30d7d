//! Timers with the interface of the `futures-timer` crate, kept by tokio.
//!
//! libp2p takes its timers from `futures-timer`, which keeps them in a thread of its own that sleeps in real time. This
//! crate takes its place throughout the workspace (`[patch.crates-io]`): the node runs on tokio anyway, and the
//! simulator can make time jump.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::time::{Instant, Sleep, sleep_until};

/// A future that is ready once a duration has passed.
pub struct Delay {
    at: Instant,
    /// Nothing until it is polled: it can be made and reset outside of a runtime.
    sleep: Option<Pin<Box<Sleep>>>,
}

impl Delay {
    /// Returns a future that is ready `duration` from now; it must be polled in a tokio runtime.
    pub fn new(duration: Duration) -> Self {
        Self {
            at: Instant::now() + duration,
            sleep: None,
        }
    }

    /// Makes it ready `duration` from now, whether it was ready before or not.
    pub fn reset(&mut self, duration: Duration) {
        self.at = Instant::now() + duration;
        if let Some(sleep) = &mut self.sleep {
            sleep.as_mut().reset(self.at);
        }
    }
}

impl Future for Delay {
    type Output = ();

    /// Polls the timer.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let at = self.at;
        let sleep = self.sleep.get_or_insert_with(|| Box::pin(sleep_until(at)));
        sleep.as_mut().poll(context)
    }
}

impl fmt::Debug for Delay {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Delay").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn time_jumps_to_a_delay_and_to_one_that_was_reset() {
        let began = Instant::now();
        let mut delay = Delay::new(Duration::from_secs(3_600));
        (&mut delay).await;
        assert_eq!(began.elapsed().as_secs(), 3_600);
        delay.reset(Duration::from_secs(60));
        delay.await;
        assert_eq!(began.elapsed().as_secs(), 3_660);
        let mut late = Delay::new(Duration::from_secs(60));
        late.reset(Duration::from_secs(5));
        late.await;
        assert_eq!(began.elapsed().as_secs(), 3_665);
    }

    #[test]
    fn it_is_made_and_reset_where_there_is_no_runtime() {
        let mut delay = Delay::new(Duration::ZERO);
        delay.reset(Duration::from_secs(1));
    }
}

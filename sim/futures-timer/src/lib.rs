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

use tokio::time::{Instant, Sleep, sleep};

/// A future that is ready once a duration has passed.
pub struct Delay(Pin<Box<Sleep>>);

impl Delay {
    /// Returns a future that is ready `duration` from now.
    ///
    /// # Panics
    ///
    /// Outside of a tokio runtime.
    pub fn new(duration: Duration) -> Self {
        Self(Box::pin(sleep(duration)))
    }

    /// Makes it ready `duration` from now, whether it was ready before or not.
    pub fn reset(&mut self, duration: Duration) {
        self.0.as_mut().reset(Instant::now() + duration);
    }
}

impl Future for Delay {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.0.as_mut().poll(context)
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
    }
}

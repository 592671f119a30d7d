//! The stream of events that one listener reads (server-sent events).

use std::convert::Infallible;
use std::fmt::Write as _;
use std::time::Duration;

use axum::body::Bytes;
use futures::Stream;
use futures::stream;
use restante_interface::Event;
use tokio::sync::watch;

use super::events::{EventId, EventLog, Next};
use crate::node::stopped;

/// How long nothing is written to a listener, at most: by the next write it turns out whether it is there.
pub(super) const HEARTBEAT: Duration = Duration::from_secs(15);

/// One listener's way through the log. It holds one batch of events at a time, which its reader has to take before the
/// next one is made.
struct Feed {
    log: EventLog,
    place: EventId,
    news: watch::Receiver<u64>,
    stop: watch::Receiver<bool>,
    /// The listener was not told where it begins.
    is_new: bool,
}

/// Returns what a listener reads who knows everything up to a place; it ends with the node.
pub(super) fn feed(
    log: EventLog,
    place: EventId,
    stop: watch::Receiver<bool>,
) -> impl Stream<Item = Result<Bytes, Infallible>> + Send + 'static {
    let feed = Feed {
        news: log.watch(),
        log,
        place,
        stop,
        is_new: true,
    };
    stream::unfold(feed, |mut feed| async move {
        let text = feed.next().await?;
        Some((Ok(Bytes::from(text)), feed))
    })
}

impl Feed {
    /// Waits for what there is to write; none once the node stops.
    async fn next(&mut self) -> Option<String> {
        loop {
            // Before the log is read, so that no event falls between.
            self.news.mark_unchanged();
            match self.log.after(self.place) {
                Next::Missing(place) => {
                    self.is_new = false;
                    self.place = place;
                    return Some(written(place, &Event::Reset));
                }
                // An identifier alone: where the listener goes on if it is cut off before the first event.
                Next::Events(_) if std::mem::take(&mut self.is_new) => {
                    return Some(format!("id: {}\n\n", self.place));
                }
                Next::Events(events) if !events.is_empty() => {
                    return Some(self.pass(&events));
                }
                Next::Events(_) => {}
            }
            tokio::select! {
                biased;
                () = stopped(&mut self.stop) => return None,
                changed = self.news.changed() => changed.ok()?,
                () = tokio::time::sleep(HEARTBEAT) => return Some(":\n\n".to_owned()),
            }
        }
    }

    fn pass(&mut self, events: &[(EventId, Event)]) -> String {
        let mut text = String::new();
        for (id, event) in events {
            text.push_str(&written(*id, event));
            self.place = *id;
        }
        text
    }
}

/// Writes one event; its name is that in its data, so that a page can listen for one kind.
fn written(id: EventId, event: &Event) -> String {
    // Plain data is always JSON, and JSON in one line.
    let data = serde_json::to_value(event).unwrap_or_default();
    let name = data["event"].as_str().unwrap_or_default();
    let mut text = String::new();
    let _infallible = write!(text, "id: {id}\nevent: {name}\ndata: {data}\n\n");
    text
}

//! The answer to a message that is sent, line by line while it is under way.

use std::convert::Infallible;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::http::StatusCode;
use axum::response::Response;
use futures::stream;
use restante_interface::{Refusal, Reply, SendLine};

use super::Pending;
use super::answer::{Refused, content_of, encoded};
use super::caller::Caller;
use super::wire::JSON_LINES;

/// Answers with lines; what is refused before the first of them is refused as anything else is.
pub(super) async fn answer(from: Arc<Caller>, pending: Pending) -> Result<Response, Refused> {
    let mut lines = Lines {
        from,
        pending: Some(pending),
        last: None,
    };
    let first = match lines.next().await {
        Some(SendLine::Error(refusal)) => return Err(Refused(refusal)),
        line => line,
    };
    let rest = stream::unfold((first, lines), |(first, mut lines)| async move {
        let line = match first {
            None => lines.next().await?,
            Some(line) => line,
        };
        Some((Ok::<_, Infallible>(written(&line)), (None, lines)))
    });
    let lines = Body::from_stream(rest);
    Ok(content_of(StatusCode::OK, JSON_LINES, lines))
}

struct Lines {
    from: Arc<Caller>,
    /// What is still to come, until the last line is known and all before it are written.
    pending: Option<Pending>,
    last: Option<SendLine>,
}

impl Lines {
    /// Waits for the next line; none after the last.
    async fn next(&mut self) -> Option<SendLine> {
        let Pending { progress, outcome } = self.pending.as_mut()?;
        if self.last.is_none() {
            tokio::select! {
                biased;
                Some(report) = progress.recv() => return Some(SendLine::Progress(report)),
                outcome = outcome => {
                    let outcome = outcome.unwrap_or_else(|_| Err(self.from.unanswered()));
                    self.last = Some(last(outcome));
                }
            }
        }
        // Reports and the outcome come by different ways; none may come after it.
        if let Ok(report) = progress.try_recv() {
            return Some(SendLine::Progress(report));
        }
        self.pending = None;
        self.last.take()
    }
}

fn last(outcome: Result<Reply, Refusal>) -> SendLine {
    match outcome {
        Ok(Reply::Sent(result)) => SendLine::Sent(result),
        Ok(_) => SendLine::Error(Refusal::Internal {
            why: "the node answered something else".to_owned(),
        }),
        Err(refusal) => SendLine::Error(refusal),
    }
}

fn written(line: &SendLine) -> Bytes {
    // A line is far shorter than any answer may be.
    let mut text = encoded(line).unwrap_or_default();
    text.push(b'\n');
    Bytes::from_owner(text)
}

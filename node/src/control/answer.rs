//! Puts answers into HTTP: each reply as JSON, each refusal with its status.

use axum::body::{Body, Bytes};
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use restante_interface::{
    ConversationPage, ErrorReply, HistoryPage, InboxPage, Refusal, Reply, VERSION,
};
use serde::Serialize;
use zeroize::Zeroizing;

use super::wire::{ANSWER_BYTES_MAX, JSON, VERSION_HEADER};

/// A refusal on its way to who asked.
#[derive(Debug)]
pub(super) struct Refused(pub(super) Refusal);

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self(refusal)
    }
}

impl IntoResponse for Refused {
    fn into_response(self) -> Response {
        let status = status(&self.0);
        let error = ErrorReply { error: self.0 };
        // Plain data is always JSON, and short.
        let content = serde_json::to_vec(&error).unwrap_or_default();
        content_of(status, JSON, content)
    }
}

/// Returns the status of a refusal: 400 where the request is none of the interface, 422 where a value in it is
/// none that can be meant, and what fits best otherwise.
pub(super) const fn status(refusal: &Refusal) -> StatusCode {
    match refusal {
        Refusal::Malformed { .. } | Refusal::Version { .. } => StatusCode::BAD_REQUEST,
        Refusal::Foreign { .. } => StatusCode::FORBIDDEN,
        Refusal::NoSuchPath
        | Refusal::UnknownName { .. }
        | Refusal::UnknownId { .. }
        | Refusal::NotAContact { .. }
        | Refusal::NoSuchMessage { .. }
        | Refusal::MessageGone => StatusCode::NOT_FOUND,
        Refusal::WrongMethod => StatusCode::METHOD_NOT_ALLOWED,
        Refusal::TimedOut => StatusCode::REQUEST_TIMEOUT,
        Refusal::AmbiguousName { .. }
        | Refusal::NoAccount
        | Refusal::UnusableCard { .. }
        | Refusal::OtherDate { .. }
        | Refusal::WrongClock { .. }
        | Refusal::ShutOut
        | Refusal::LinkMismatch { .. }
        | Refusal::Blocked { .. }
        | Refusal::StaleKeys { .. }
        | Refusal::ContactsFull { .. }
        | Refusal::FileExists { .. } => StatusCode::CONFLICT,
        Refusal::Terminated { .. } => StatusCode::GONE,
        Refusal::TooLarge { .. } | Refusal::TooLong { .. } => StatusCode::PAYLOAD_TOO_LARGE,
        Refusal::WrongMedia { .. } => StatusCode::UNSUPPORTED_MEDIA_TYPE,
        Refusal::InvalidParameter { .. }
        | Refusal::InvalidId { .. }
        | Refusal::InvalidLifetime { .. }
        | Refusal::BurnsTooLate { .. }
        | Refusal::OwnId => StatusCode::UNPROCESSABLE_ENTITY,
        Refusal::Busy { .. } => StatusCode::TOO_MANY_REQUESTS,
        Refusal::HeadTooLarge { .. } => StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE,
        Refusal::NotRead { .. } | Refusal::Internal { .. } => StatusCode::INTERNAL_SERVER_ERROR,
        Refusal::Offline | Refusal::OutboxFull { .. } | Refusal::Stopping => {
            StatusCode::SERVICE_UNAVAILABLE
        }
        Refusal::NotStored { .. } | Refusal::FileNotWritten { .. } => {
            StatusCode::INSUFFICIENT_STORAGE
        }
    }
}

/// Puts a reply.
pub(super) fn reply(reply: &Reply) -> Response {
    match reply {
        Reply::Done => StatusCode::NO_CONTENT.into_response(),
        Reply::Id(info) => json(info),
        Reply::Sent(result) => json(result),
        Reply::Inbox(page) => inbox(page),
        Reply::History(page) => history(page),
        Reply::Conversations(page) => conversations(page),
        Reply::Contact(info) => json(info),
        Reply::Contacts(page) => json(page),
        Reply::Verify(info) => json(info),
        Reply::Status(info) => json(info),
        Reply::Holdings(page) => json(page),
        Reply::Doctor(report) => json(report),
        Reply::Backup(info) => json(info),
    }
}

/// Puts a value; one that is longer than any answer is a defect.
pub(super) fn json<T: Serialize>(value: &T) -> Response {
    match encoded(value) {
        Ok(content) => content_of(StatusCode::OK, JSON, Bytes::from_owner(content)),
        Err(refusal) => Refused(refusal).into_response(),
    }
}

/// Puts a page of messages, cut to what one answer holds.
fn inbox(page: &InboxPage) -> Response {
    cut(page.messages.len(), |count| InboxPage {
        messages: page.messages[..count].to_vec(),
        more: page.more || count < page.messages.len(),
        deaf: page.deaf.clone(),
    })
}

/// Puts a part of what was said with a contact, cut to what one answer holds.
fn history(page: &HistoryPage) -> Response {
    cut(page.messages.len(), |count| HistoryPage {
        messages: page.messages[..count].to_vec(),
        more: page.more || count < page.messages.len(),
    })
}

/// Puts a page of conversations, cut to what one answer holds.
fn conversations(page: &ConversationPage) -> Response {
    cut(page.conversations.len(), |count| {
        let conversations = page.conversations[..count].to_vec();
        let last = conversations.last().map(|last| last.contact.id.clone());
        ConversationPage {
            next: match count < page.conversations.len() {
                true => last,
                false => page.next.clone(),
            },
            conversations,
        }
    })
}

/// Puts the first entries of a list of so many, as many as one answer holds.
fn cut<T: Serialize>(mut count: usize, first: impl Fn(usize) -> T) -> Response {
    loop {
        match encoded(&first(count)) {
            Ok(content) => return content_of(StatusCode::OK, JSON, Bytes::from_owner(content)),
            Err(refusal) if count <= 1 => return Refused(refusal).into_response(),
            Err(_) => count /= 2,
        }
    }
}

/// Returns a value as JSON, which is wiped after use.
pub(super) fn encoded<T: Serialize>(value: &T) -> Result<Zeroizing<Vec<u8>>, Refusal> {
    let internal = |why: String| Refusal::Internal { why };
    let encoded = serde_json::to_vec(value).map_err(|error| internal(error.to_string()))?;
    let encoded = Zeroizing::new(encoded);
    match encoded.len() {
        0..=ANSWER_BYTES_MAX => Ok(encoded),
        _ => Err(internal(format!(
            "the answer is longer than {ANSWER_BYTES_MAX} bytes"
        ))),
    }
}

/// Makes an answer with a content of this type.
pub(super) fn content_of(
    status: StatusCode,
    kind: &'static str,
    content: impl Into<Body>,
) -> Response {
    let mut response = Response::new(content.into());
    *response.status_mut() = status;
    let kind = HeaderValue::from_static(kind);
    response.headers_mut().insert(CONTENT_TYPE, kind);
    response
}

/// Says of an answer what is true of all: which version it is of, and that nobody may keep it or guess its type.
pub(super) fn mark(response: &mut Response) {
    let headers = response.headers_mut();
    headers.insert(VERSION_HEADER, HeaderValue::from(VERSION));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
}

//! What is at which path, as the program serves it and as the description of the interface says it.

use std::sync::Arc;

use axum::body::Body as HttpBody;
use axum::http::header::{ACCEPT, CONTENT_DISPOSITION};
use axum::http::{HeaderMap, HeaderValue, StatusCode};
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Extension, Router};
use restante_interface::*;
use utoipa::OpenApi;
use zeroize::Zeroizing;

use super::answer::{self, Refused};
use super::caller::Caller;
use super::events::EventId;
use super::extract::{Bytes, Json, Query, Segment};
use super::feed::feed;
use super::lines;
use super::wire::{
    BYTES, EventsQuery, FileQuery, HistoryQuery, InboxQuery, JSON_LINES, MessageIds, NewContact,
    NewReaction, NoParameters, PageQuery, ReadMarks, VersionInfo,
};

/// Who asks.
type Asker = Extension<Arc<Caller>>;
type Answered = Result<Response, Refused>;
type Bare = Query<NoParameters>;

/// The header in which a listener names the last event that it has seen.
const LAST_EVENT_ID: &str = "last-event-id";

/// The description of the interface.
#[derive(OpenApi)]
#[openapi(
    info(
        title = "Restante",
        version = "5",
        description = "The local interface of a Restante node, at the socket `control.sock` in its home.",
        license(name = "MIT OR Apache-2.0", identifier = "MIT OR Apache-2.0"),
    ),
    paths(
        id,
        status,
        doctor,
        holdings,
        contacts,
        add_contact,
        accept_contact,
        block_contact,
        show_verification,
        verify_contact,
        set_contact,
        remove_contact,
        conversations,
        history,
        send,
        send_file,
        react,
        recall,
        delete,
        inbox,
        mark_read,
        file,
        back_up,
        stop,
        events,
        description,
        version,
    ),
    components(schemas(Event, SendLine))
)]
pub(super) struct Description;

/// Returns everything that is served.
pub(super) fn router() -> Router {
    let v1 = Router::new()
        .route("/id", get(id))
        .route("/status", get(status))
        .route("/doctor", get(doctor))
        .route("/holdings", get(holdings))
        .route("/contacts", get(contacts).post(add_contact))
        .route("/contacts/{who}/accept", post(accept_contact))
        .route("/contacts/{who}/block", post(block_contact))
        .route(
            "/contacts/{who}/verification",
            get(show_verification).post(verify_contact),
        )
        .route("/contacts/{who}/settings", post(set_contact))
        .route("/contacts/{who}/remove", post(remove_contact))
        .route("/contacts/{who}/messages", get(history))
        .route("/conversations", get(conversations))
        .route("/messages", post(send))
        .route("/messages/file", post(send_file))
        .route("/messages/{id}/reaction", post(react))
        .route("/messages/recall", post(recall))
        .route("/messages/delete", post(delete))
        .route("/inbox", get(inbox))
        .route("/inbox/read", post(mark_read))
        .route("/inbox/{id}/file", get(file))
        .route("/backup", post(back_up))
        .route("/stop", post(stop))
        .route("/events", get(events))
        .route("/openapi.json", get(description))
        .route("/version", get(version));
    Router::new()
        .nest("/v1", v1)
        .fallback(|| async { Refused(Refusal::NoSuchPath) })
        .method_not_allowed_fallback(|| async { Refused(Refusal::WrongMethod) })
}

/// Tells who the account is.
#[utoipa::path(get, path = "/v1/id", responses(
    (status = 200, description = "Who it is", body = IdInfo),
    (status = "default", description = "Why not", body = ErrorReply),
))]
async fn id(asker: Asker, _: Bare) -> Answered {
    asker.ask(Request::Id).await
}

/// Tells how the node is doing.
#[utoipa::path(get, path = "/v1/status", responses(
    (status = 200, description = "How it is doing", body = StatusInfo),
    (status = "default", description = "Why not", body = ErrorReply),
))]
async fn status(asker: Asker, _: Bare) -> Answered {
    asker.ask(Request::Status).await
}

/// Has the node examine itself.
#[utoipa::path(get, path = "/v1/doctor", responses(
    (status = 200, description = "What it found", body = DoctorReport),
    (status = "default", description = "Why not", body = ErrorReply),
))]
async fn doctor(asker: Asker, _: Bare) -> Answered {
    asker.ask(Request::Doctor).await
}

/// Lists what the node keeps for others, a page at a time.
#[utoipa::path(get, path = "/v1/holdings", params(PageQuery), responses(
    (status = 200, description = "One page", body = HoldingsPage),
    (status = "default", description = "Why not", body = ErrorReply),
))]
async fn holdings(asker: Asker, Query(PageQuery { after }): Query<PageQuery>) -> Answered {
    asker.ask(Request::Holdings { after }).await
}

/// Lists the contacts, a page at a time, ordered by ID.
#[utoipa::path(get, path = "/v1/contacts", params(PageQuery), responses(
    (status = 200, description = "One page", body = ContactPage),
    (status = "default", description = "Why not", body = ErrorReply),
))]
async fn contacts(asker: Asker, Query(PageQuery { after }): Query<PageQuery>) -> Answered {
    asker.ask(Request::ContactList { after }).await
}

/// Adds a contact, which is looked up first.
#[utoipa::path(post, path = "/v1/contacts", request_body = NewContact, responses(
    (status = 200, description = "The contact", body = ContactInfo),
    (status = "default", description = "Why not", body = ErrorReply),
))]
async fn add_contact(asker: Asker, _: Bare, Json(new): Json<NewContact>) -> Answered {
    let NewContact { who, petname } = new;
    asker.ask(Request::ContactAdd { who, petname }).await
}

/// Accepts a stranger who wrote, or lets a blocked contact in again.
#[utoipa::path(post, path = "/v1/contacts/{who}/accept",
    params(("who" = String, Path, description = "An ID, a link or what the contact is called")),
    responses(
        (status = 200, description = "The contact", body = ContactInfo),
        (status = "default", description = "Why not", body = ErrorReply),
    ))]
async fn accept_contact(asker: Asker, _: Bare, Segment(who): Segment) -> Answered {
    asker.ask(Request::ContactAccept { who }).await
}

/// Takes nothing from a contact from now on.
#[utoipa::path(post, path = "/v1/contacts/{who}/block",
    params(("who" = String, Path, description = "An ID, a link or what the contact is called")),
    responses(
        (status = 200, description = "The contact", body = ContactInfo),
        (status = "default", description = "Why not", body = ErrorReply),
    ))]
async fn block_contact(asker: Asker, _: Bare, Segment(who): Segment) -> Answered {
    asker.ask(Request::ContactBlock { who }).await
}

/// Tells the code that two people compare.
#[utoipa::path(get, path = "/v1/contacts/{who}/verification",
    params(("who" = String, Path, description = "An ID, a link or what the contact is called")),
    responses(
        (status = 200, description = "The code", body = VerifyInfo),
        (status = "default", description = "Why not", body = ErrorReply),
    ))]
async fn show_verification(asker: Asker, _: Bare, Segment(who): Segment) -> Answered {
    asker.ask(Request::ContactVerify { who }).await
}

/// Notes that the codes were compared and match.
#[utoipa::path(post, path = "/v1/contacts/{who}/verification",
    params(("who" = String, Path, description = "An ID, a link or what the contact is called")),
    responses(
        (status = 200, description = "The contact", body = ContactInfo),
        (status = "default", description = "Why not", body = ErrorReply),
    ))]
async fn verify_contact(asker: Asker, _: Bare, Segment(who): Segment) -> Answered {
    asker.ask(Request::ContactVerified { who }).await
}

/// Changes what is kept of a contact; what is left out stays.
#[utoipa::path(post, path = "/v1/contacts/{who}/settings", request_body = ContactChange,
    params(("who" = String, Path, description = "An ID, a link or what the contact is called")),
    responses(
        (status = 200, description = "The contact", body = ContactInfo),
        (status = "default", description = "Why not", body = ErrorReply),
    ))]
async fn set_contact(
    asker: Asker,
    _: Bare,
    Segment(who): Segment,
    Json(change): Json<ContactChange>,
) -> Answered {
    asker.ask(Request::ContactSet { who, change }).await
}

/// Forgets a contact, with all that was said with it.
#[utoipa::path(post, path = "/v1/contacts/{who}/remove",
    params(("who" = String, Path, description = "An ID, a link or what the contact is called")),
    responses(
        (status = 204, description = "It is forgotten"),
        (status = "default", description = "Why not", body = ErrorReply),
    ))]
async fn remove_contact(asker: Asker, _: Bare, Segment(who): Segment) -> Answered {
    asker.ask(Request::ContactRemove { who }).await
}

/// Lists the conversations, a page at a time: those that are pinned, then the others by their last message.
#[utoipa::path(get, path = "/v1/conversations", params(PageQuery), responses(
    (status = 200, description = "One page", body = ConversationPage),
    (status = "default", description = "Why not", body = ErrorReply),
))]
async fn conversations(asker: Asker, Query(PageQuery { after }): Query<PageQuery>) -> Answered {
    asker.ask(Request::Conversations { after }).await
}

/// Returns what was said with a contact on both sides, the newest first.
#[utoipa::path(get, path = "/v1/contacts/{who}/messages",
    params(
        ("who" = String, Path, description = "An ID, a link or what the contact is called"),
        HistoryQuery,
    ),
    responses(
        (status = 200, description = "One page", body = HistoryPage),
        (status = "default", description = "Why not", body = ErrorReply),
    ))]
async fn history(
    asker: Asker,
    Segment(who): Segment,
    Query(query): Query<HistoryQuery>,
) -> Answered {
    let HistoryQuery { before, count } = query;
    let request = HistoryRequest { who, before, count };
    asker.ask(Request::History(request)).await
}

/// Tells a contact what this account feels about a message, or takes that back.
#[utoipa::path(post, path = "/v1/messages/{id}/reaction", request_body = NewReaction,
    params(("id" = String, Path, description = "The message, or how its id begins")),
    responses(
        (status = 204, description = "It is on its way"),
        (status = "default", description = "Why not", body = ErrorReply),
    ))]
async fn react(
    asker: Asker,
    _: Bare,
    Segment(id): Segment,
    Json(NewReaction { emoji }): Json<NewReaction>,
) -> Answered {
    asker.ask(Request::React { id, emoji }).await
}

/// Takes messages of one's own back, everywhere.
#[utoipa::path(post, path = "/v1/messages/recall", request_body = MessageIds, responses(
    (status = 204, description = "They are gone here, and their recipients' nodes are asked"),
    (status = "default", description = "Why not", body = ErrorReply),
))]
async fn recall(asker: Asker, _: Bare, Json(MessageIds { ids }): Json<MessageIds>) -> Answered {
    asker.ask(Request::Recall { ids }).await
}

/// Destroys messages here and nowhere else; unknown ones are passed over.
#[utoipa::path(post, path = "/v1/messages/delete", request_body = MessageIds, responses(
    (status = 204, description = "They are gone"),
    (status = "default", description = "Why not", body = ErrorReply),
))]
async fn delete(asker: Asker, _: Bare, Json(MessageIds { ids }): Json<MessageIds>) -> Answered {
    asker.ask(Request::Delete { ids }).await
}

/// Sends one message; answered line by line while it is under way if the header `Accept` names `application/x-ndjson`.
#[utoipa::path(post, path = "/v1/messages", request_body = SendRequest, responses(
    (status = 200, description = "What became of it so far", content(
        (SendResult = "application/json"),
        (SendLine = "application/x-ndjson"),
    )),
    (status = "default", description = "Why not", body = ErrorReply),
))]
async fn send(
    asker: Asker,
    headers: HeaderMap,
    _: Bare,
    Json(request): Json<SendRequest>,
) -> Answered {
    dispatch(asker, &headers, request).await
}

/// Sends one file, whose content is that of the request; answered like any message.
#[utoipa::path(post, path = "/v1/messages/file", params(FileQuery),
    request_body(content = Bytes, content_type = "application/octet-stream"),
    responses(
        (status = 200, description = "What became of it so far", content(
            (SendResult = "application/json"),
            (SendLine = "application/x-ndjson"),
        )),
        (status = "default", description = "Why not", body = ErrorReply),
    ))]
async fn send_file(
    asker: Asker,
    headers: HeaderMap,
    Query(file): Query<FileQuery>,
    Bytes(mut content): Bytes,
) -> Answered {
    let request = SendRequest {
        to: file.to,
        body: Body::new(std::mem::take(&mut *content)),
        ttl_ms: file.ttl_ms,
        burn_ms: file.burn_ms,
        file_name: Some(file.name),
        effort_max: file.effort_max,
        reply_to: None,
        replaces: None,
        wait: file.wait,
    };
    dispatch(asker, &headers, request).await
}

async fn dispatch(Extension(asker): Asker, headers: &HeaderMap, request: SendRequest) -> Answered {
    let wants_lines = headers.get_all(ACCEPT).iter().any(names_lines);
    let pending = asker.begin(Request::Send(request)).await?;
    match wants_lines {
        true => lines::answer(asker, pending).await,
        false => asker.end(pending).await,
    }
}

fn names_lines(accept: &HeaderValue) -> bool {
    let mut kinds = accept.to_str().unwrap_or_default().split(',');
    kinds.any(|kind| kind.split(';').next().unwrap_or_default().trim() == JSON_LINES)
}

/// Lists messages, oldest first, and waits for one if there is none.
#[utoipa::path(get, path = "/v1/inbox", params(InboxQuery), responses(
    (status = 200, description = "One page", body = InboxPage),
    (status = "default", description = "Why not", body = ErrorReply),
))]
async fn inbox(asker: Asker, Query(query): Query<InboxQuery>) -> Answered {
    let request = InboxRequest {
        wait_ms: query.wait_ms,
        all: query.all,
        after: query.after,
        only: query.only,
    };
    asker.ask(Request::Inbox(request)).await
}

/// Marks messages as read, after somebody has seen them; those that burn start to.
#[utoipa::path(post, path = "/v1/inbox/read", request_body = ReadMarks, responses(
    (status = 204, description = "They are; those that are not known are passed over"),
    (status = "default", description = "Why not", body = ErrorReply),
))]
async fn mark_read(asker: Asker, _: Bare, Json(marks): Json<ReadMarks>) -> Answered {
    let ReadMarks { ids } = marks;
    asker.ask(Request::MarkRead { ids }).await
}

/// Gives the content of one message, byte for byte.
#[utoipa::path(get, path = "/v1/inbox/{id}/file",
    params(("id" = String, Path, description = "The message", pattern = "^[0-9a-f]{32}$")),
    responses(
        (status = 200, description = "The content", content_type = "application/octet-stream", body = Bytes),
        (status = "default", description = "Why not", body = ErrorReply),
    ))]
async fn file(Extension(asker): Asker, _: Bare, Segment(id): Segment) -> Answered {
    let request = InboxRequest {
        all: true,
        only: Some(id),
        ..InboxRequest::default()
    };
    let pending = asker.begin(Request::Inbox(request)).await?;
    let outcome = pending.outcome.await;
    let reply = outcome.unwrap_or_else(|_| Err(asker.unanswered()))?;
    let message = match reply {
        Reply::Inbox(mut page) => page.messages.pop(),
        _ => None,
    };
    let content = match message.map(|message| (message.text, message.base64)) {
        Some((Some(Redacted(text)), _)) => text.into_bytes(),
        Some((_, Some(body))) => body.into_bytes(),
        _ => return Err(Refused(Refusal::MessageGone)),
    };
    let content = axum::body::Bytes::from_owner(Zeroizing::new(content));
    let mut response = answer::content_of(StatusCode::OK, BYTES, content);
    // A page never shows it as its own.
    let saved = HeaderValue::from_static("attachment");
    response.headers_mut().insert(CONTENT_DISPOSITION, saved);
    Ok(response)
}

/// Writes a backup to a file, which is put there as a whole; the pass phrase of the home opens it.
#[utoipa::path(post, path = "/v1/backup", request_body = BackupRequest, responses(
    (status = 200, description = "It is written", body = BackupInfo),
    (status = "default", description = "Why not", body = ErrorReply),
))]
async fn back_up(asker: Asker, _: Bare, Json(request): Json<BackupRequest>) -> Answered {
    asker.ask(Request::Backup(request)).await
}

/// Ends the node in good order.
#[utoipa::path(post, path = "/v1/stop", responses(
    (status = 204, description = "It will end"),
    (status = "default", description = "Why not", body = ErrorReply),
))]
async fn stop(asker: Asker, _: Bare) -> Answered {
    asker.stop()?;
    Ok(answer::reply(&Reply::Done))
}

/// Tells what happens, as server-sent events: `data` is an `Event`, `event` its kind, `id` what to go on from.
#[utoipa::path(get, path = "/v1/events",
    params(
        EventsQuery,
        ("Last-Event-ID" = Option<String>, Header, description = "As `after`, and before it"),
    ),
    responses(
        (status = 200, description = "Events", content_type = "text/event-stream", body = String),
        (status = "default", description = "Why not", body = ErrorReply),
    ))]
async fn events(
    asker: Asker,
    headers: HeaderMap,
    Query(EventsQuery { after }): Query<EventsQuery>,
) -> Answered {
    let seen = match headers.get(LAST_EVENT_ID) {
        Some(header) => Some(place(header.to_str().unwrap_or_default(), LAST_EVENT_ID)?),
        None => after.map(|after| place(&after, "after")).transpose()?,
    };
    let (log, stop) = asker.listen()?;
    let place = seen.unwrap_or_else(|| log.end());
    let events = HttpBody::from_stream(feed(log, place, stop));
    Ok(answer::content_of(
        StatusCode::OK,
        "text/event-stream",
        events,
    ))
}

fn place(text: &str, name: &str) -> Result<EventId, Refused> {
    text.parse().map_err(|_| {
        Refused(Refusal::InvalidParameter {
            name: name.to_owned(),
        })
    })
}

/// Gives this description.
#[utoipa::path(get, path = "/v1/openapi.json", responses(
    (status = 200, description = "It", body = serde_json::Value),
    (status = "default", description = "Why not", body = ErrorReply),
))]
async fn description(_: Bare) -> Response {
    answer::json(&Description::openapi())
}

/// Tells which version of the interface the node speaks.
#[utoipa::path(get, path = "/v1/version", responses(
    (status = 200, description = "The version", body = VersionInfo),
    (status = "default", description = "Why not", body = ErrorReply),
))]
async fn version(_: Bare) -> Response {
    answer::json(&VersionInfo { version: VERSION })
}

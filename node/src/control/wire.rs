//! How requests and replies of the interface stand in HTTP: paths, parameters and contents.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use restante_interface::{BackupRequest, MARK_READ_COUNT_MAX, Reply, Request, SendRequest};
use restante_proto::limits::BODY_BYTES_MAX;
use serde::{Deserialize, Serialize};
use utoipa::openapi::schema::{Array, ArrayBuilder, ObjectBuilder, Type};
use utoipa::{IntoParams, ToSchema};
use zeroize::Zeroizing;

/// Longest head of a request, in bytes.
pub(crate) const HEAD_BYTES_MAX: usize = 16 * 1024;
/// Longest content of a request, in bytes: a body of 60 KiB as base64, with room for the rest.
pub(crate) const REQUEST_BYTES_MAX: usize = 128 * 1024;
/// Longest content of an answer, in bytes: a body of 60 KiB of control characters, which JSON writes six times as long.
pub(crate) const ANSWER_BYTES_MAX: usize = 512 * 1024;

const _: () = assert!(6 * BODY_BYTES_MAX + 8_192 < ANSWER_BYTES_MAX);
const _: () = assert!(4 * BODY_BYTES_MAX / 3 + 8_192 < REQUEST_BYTES_MAX);
const _: () = assert!(MARK_READ_COUNT_MAX * 68 + 8_192 < REQUEST_BYTES_MAX);

/// The header in which a client may say which version of the interface it speaks, and in which every answer does.
pub(crate) const VERSION_HEADER: &str = "restante-interface";
/// The type of almost all contents.
pub(crate) const JSON: &str = "application/json";
/// The type of an answer that is a [`restante_interface::SendLine`] a line.
pub(crate) const JSON_LINES: &str = "application/x-ndjson";
/// The type of a file.
pub(crate) const BYTES: &str = "application/octet-stream";

/// The parameters of a request that has none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NoParameters {}

/// Where a page of a list starts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct PageQuery {
    /// The `next` of the page before; left out: the first page.
    #[serde(default)]
    #[param(max_length = 512)]
    pub(crate) after: Option<String>,
}

/// Which messages to return.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct InboxQuery {
    /// How long to wait for a message when there is none to return, in milliseconds.
    #[serde(default)]
    pub(crate) wait_ms: u64,
    /// Whether to return messages that were read as well.
    #[serde(default)]
    pub(crate) all: bool,
    /// Return what comes after this message only.
    #[serde(default)]
    #[param(pattern = "^[0-9a-f]{32}$")]
    pub(crate) after: Option<String>,
    /// Return this message only.
    #[serde(default)]
    #[param(pattern = "^[0-9a-f]{32}$")]
    pub(crate) only: Option<String>,
}

/// Which part of a conversation to return.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct HistoryQuery {
    /// Return what stands before this message only; left out: the newest.
    #[serde(default)]
    #[param(pattern = "^[0-9a-f]{8,32}$")]
    pub(crate) before: Option<String>,
    /// How many; left out: as many as may be.
    #[serde(default)]
    #[param(minimum = 1, maximum = 64)]
    pub(crate) count: Option<u32>,
}

/// Where the stream of events goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct EventsQuery {
    /// The `id` of the last event that was seen, which the header `Last-Event-ID` may name as well; left out: now.
    #[serde(default)]
    #[param(pattern = "^[0-9a-f]{16}-[0-9]{1,19}$")]
    pub(crate) after: Option<String>,
}

/// What a file is sent with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct FileQuery {
    /// The recipient: an ID, a `restante:` link or what a contact is called.
    #[param(max_length = 512)]
    pub(crate) to: String,
    /// The name of the file.
    #[param(max_length = 255, pattern = "^[^/\\x00]+$")]
    pub(crate) name: String,
    /// How long the message may live, in milliseconds; left out: as long as the node is set to.
    #[serde(default)]
    #[param(minimum = 1, maximum = 2_592_000_000_usize)]
    pub(crate) ttl_ms: Option<u64>,
    /// How long the message lives once it was read, in milliseconds.
    #[serde(default)]
    #[param(minimum = 1, maximum = 2_592_000_000_usize)]
    pub(crate) burn_ms: Option<u64>,
    /// The highest effort of a stamp that may be paid for this message; left out: as much as the node is set to.
    #[serde(default)]
    #[param(minimum = 1, maximum = 4_096)]
    pub(crate) effort_max: Option<u32>,
    /// Whether to answer only once the message is stored or has expired.
    #[serde(default)]
    pub(crate) wait: bool,
}

/// A contact to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewContact {
    /// An ID or a `restante:` link.
    #[schema(max_length = 512)]
    pub(crate) who: String,
    /// A private name for the contact.
    #[serde(default)]
    #[schema(min_length = 1, max_length = 64)]
    pub(crate) petname: Option<String>,
}

/// Messages that were shown to a person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct ReadMarks {
    /// Which.
    #[schema(schema_with = message_ids)]
    pub(crate) ids: Vec<String>,
}

fn message_ids() -> Array {
    let id = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some("^[0-9a-f]{32}$"));
    let ids = ArrayBuilder::new().items(id);
    ids.max_items(Some(MARK_READ_COUNT_MAX)).build()
}

/// What somebody feels about a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewReaction {
    /// One emoji, at most 40 bytes; empty to take the one before back.
    #[schema(max_length = 10, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*$")]
    pub(crate) emoji: String,
}

/// Messages that something is to be done with.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct MessageIds {
    /// Which, at least one.
    #[schema(schema_with = some_message_ids)]
    pub(crate) ids: Vec<String>,
}

fn some_message_ids() -> Array {
    let id = ObjectBuilder::new()
        .schema_type(Type::String)
        .pattern(Some("^[0-9a-f]{8,32}$"));
    let ids = ArrayBuilder::new().items(id).min_items(Some(1));
    ids.max_items(Some(MARK_READ_COUNT_MAX)).build()
}

/// Which version of the interface the node speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct VersionInfo {
    /// The number.
    pub(crate) version: u32,
}

/// One request as a client puts it.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) method: &'static str,
    /// Path and parameters.
    pub(crate) target: String,
    /// Content, always JSON.
    pub(crate) content: Option<Zeroizing<Vec<u8>>>,
    pub(crate) expected: Expected,
}

/// What the answer to a request is made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expected {
    Nothing,
    Id,
    /// Lines.
    Sent,
    Inbox,
    Contact,
    Contacts,
    Conversations,
    History,
    Verify,
    Status,
    Holdings,
    Doctor,
    Backup,
}

impl Asked {
    /// Puts a request.
    ///
    /// # Errors
    ///
    /// None that occurs: plain data is always JSON.
    pub(crate) fn of(request: &Request) -> serde_json::Result<Self> {
        let asked = match request {
            Request::Id => Self::get("id", Expected::Id),
            Request::Status => Self::get("status", Expected::Status),
            Request::Doctor => Self::get("doctor", Expected::Doctor),
            Request::Holdings { after } => Self::get(&paged("holdings", after), Expected::Holdings),
            Request::ContactList { after } => {
                Self::get(&paged("contacts", after), Expected::Contacts)
            }
            Request::ContactAdd { who, petname } => {
                let (who, petname) = (who.clone(), petname.clone());
                let content = NewContact { who, petname };
                Self::post("contacts", Expected::Contact).with(&content)?
            }
            Request::ContactAccept { who } => Self::post(&of(who, "accept"), Expected::Contact),
            Request::ContactBlock { who } => Self::post(&of(who, "block"), Expected::Contact),
            Request::ContactSet { who, change } => {
                Self::post(&of(who, "settings"), Expected::Contact).with(change)?
            }
            Request::ContactRemove { who } => Self::post(&of(who, "remove"), Expected::Nothing),
            Request::Conversations { after } => {
                Self::get(&paged("conversations", after), Expected::Conversations)
            }
            Request::History(request) => {
                let query = HistoryQuery {
                    before: request.before.clone(),
                    count: request.count,
                };
                let path = of(&request.who, "messages");
                Self::get(&with_query(&path, &query), Expected::History)
            }
            Request::React { id, emoji } => {
                let emoji = emoji.clone();
                let path = format!("messages/{id}/reaction");
                Self::post(&path, Expected::Nothing).with(&NewReaction { emoji })?
            }
            Request::Recall { ids } => {
                let ids = ids.clone();
                Self::post("messages/recall", Expected::Nothing).with(&MessageIds { ids })?
            }
            Request::Delete { ids } => {
                let ids = ids.clone();
                Self::post("messages/delete", Expected::Nothing).with(&MessageIds { ids })?
            }
            Request::ContactVerify { who } => Self::get(&of(who, "verification"), Expected::Verify),
            Request::ContactVerified { who } => {
                Self::post(&of(who, "verification"), Expected::Contact)
            }
            Request::Send(send) => {
                Self::post("messages", Expected::Sent).with::<SendRequest>(send)?
            }
            Request::Inbox(inbox) => {
                let query = InboxQuery {
                    wait_ms: inbox.wait_ms,
                    all: inbox.all,
                    after: inbox.after.clone(),
                    only: inbox.only.clone(),
                };
                Self::get(&with_query("inbox", &query), Expected::Inbox)
            }
            Request::MarkRead { ids } => {
                let ids = ids.clone();
                Self::post("inbox/read", Expected::Nothing).with(&ReadMarks { ids })?
            }
            Request::Backup(backup) => {
                Self::post("backup", Expected::Backup).with::<BackupRequest>(backup)?
            }
            Request::Stop => Self::post("stop", Expected::Nothing),
        };
        Ok(asked)
    }

    /// Asks to be told what happens; the answer ends with the node.
    pub(crate) fn events() -> Self {
        Self::get("events", Expected::Nothing)
    }

    fn get(rest: &str, expected: Expected) -> Self {
        Self {
            method: "GET",
            target: format!("/v1/{rest}"),
            content: None,
            expected,
        }
    }

    fn post(rest: &str, expected: Expected) -> Self {
        Self {
            method: "POST",
            ..Self::get(rest, expected)
        }
    }

    fn with<T: Serialize>(self, content: &T) -> serde_json::Result<Self> {
        let content = Some(Zeroizing::new(serde_json::to_vec(content)?));
        Ok(Self { content, ..self })
    }
}

impl Expected {
    /// Reads the content of an answer that was expected so.
    ///
    /// # Errors
    ///
    /// When it is something else.
    pub(crate) fn read(self, content: &[u8]) -> serde_json::Result<Reply> {
        use serde_json::from_slice;
        Ok(match self {
            Self::Nothing => from_slice(content).map(|()| Reply::Done)?,
            Self::Id => Reply::Id(from_slice(content)?),
            Self::Sent => Reply::Sent(from_slice(content)?),
            Self::Inbox => Reply::Inbox(from_slice(content)?),
            Self::Contact => Reply::Contact(from_slice(content)?),
            Self::Contacts => Reply::Contacts(from_slice(content)?),
            Self::Conversations => Reply::Conversations(from_slice(content)?),
            Self::History => Reply::History(from_slice(content)?),
            Self::Verify => Reply::Verify(from_slice(content)?),
            Self::Status => Reply::Status(from_slice(content)?),
            Self::Holdings => Reply::Holdings(from_slice(content)?),
            Self::Doctor => Reply::Doctor(from_slice(content)?),
            Self::Backup => Reply::Backup(from_slice(content)?),
        })
    }
}

/// Returns the path of something about a contact.
fn of(who: &str, what: &str) -> String {
    let who = utf8_percent_encode(who, NON_ALPHANUMERIC);
    format!("contacts/{who}/{what}")
}

fn paged(path: &str, after: &Option<String>) -> String {
    let after = after.clone();
    with_query(path, &PageQuery { after })
}

fn with_query<T: Serialize>(path: &str, query: &T) -> String {
    // These are numbers, flags and texts.
    match serde_urlencoded::to_string(query).unwrap_or_default() {
        query if query.is_empty() => path.to_owned(),
        query => format!("{path}?{query}"),
    }
}

//! What a request may hold, beyond what its types say, whoever makes it.

use std::path::Path;

use data_encoding::HEXLOWER;
use restante_interface::{
    HistoryRequest, InboxRequest, MARK_READ_COUNT_MAX, Refusal, Request, SendRequest,
};
use restante_proto::limits::{BODY_BYTES_MAX, FILE_NAME_BYTES_MAX};

/// Longest ID or link worth parsing, in bytes.
pub const WHO_BYTES_MAX: usize = 512;
/// Longest private name of a contact, in characters.
pub const PETNAME_CHARS_MAX: usize = 64;
/// Bytes of the id of a message.
const MESSAGE_ID_BYTES: usize = 16;
/// Characters of the id of a message that name it, at least.
const NAME_CHARS_MIN: usize = 8;
/// Longest path of a file, in bytes.
const PATH_BYTES_MAX: usize = 4_096;
/// Longest cursor of a page, in characters.
const CURSOR_CHARS_MAX: usize = 512;

/// Tells whether a text can be the id of a message, as [`restante_interface::InboxMessage::id`].
pub fn is_message_id(text: &str) -> bool {
    let bytes = HEXLOWER.decode(text.as_bytes());
    bytes.is_ok_and(|bytes| bytes.len() == MESSAGE_ID_BYTES)
}

/// Tells whether a text can name a message: its id, or the first eight characters of that or more.
pub fn is_message_name(text: &str) -> bool {
    let is_hex = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
    (NAME_CHARS_MIN..=2 * MESSAGE_ID_BYTES).contains(&text.len())
        && text.as_bytes().iter().all(is_hex)
}

/// Refuses a request whose parts are longer than anything that can be meant, or empty.
pub(super) fn check(request: &Request) -> Result<(), Refusal> {
    match request {
        Request::Send(send) => check_send(send),
        Request::Inbox(InboxRequest { after, only, .. }) => {
            check_message_id(after, "after")?;
            check_message_id(only, "only")
        }
        Request::MarkRead { ids } => {
            let is_right =
                ids.len() <= MARK_READ_COUNT_MAX && ids.iter().all(|id| is_message_id(id));
            holds(is_right, "ids")
        }
        Request::ContactAdd { who, petname } => {
            let is_name = |name: &String| (1..=PETNAME_CHARS_MAX).contains(&name.chars().count());
            holds(petname.as_ref().is_none_or(is_name), "petname")?;
            check_who(who)
        }
        Request::ContactSet { who, change } => {
            let is_name = |name: &String| name.chars().count() <= PETNAME_CHARS_MAX;
            holds(change.petname.as_ref().is_none_or(is_name), "petname")?;
            check_who(who)
        }
        Request::History(HistoryRequest { who, before, .. }) => {
            check_message_name(before, "before")?;
            check_who(who)
        }
        Request::React { id, .. } => holds(is_message_name(id), "id"),
        Request::Recall { ids } | Request::Delete { ids } => {
            let is_right = (1..=MARK_READ_COUNT_MAX).contains(&ids.len());
            holds(is_right && ids.iter().all(|id| is_message_name(id)), "ids")
        }
        Request::ContactAccept { who }
        | Request::ContactRemove { who }
        | Request::ContactBlock { who }
        | Request::ContactVerify { who }
        | Request::ContactVerified { who } => check_who(who),
        Request::ContactList { after }
        | Request::Holdings { after }
        | Request::Conversations { after } => {
            let is_short = |after: &String| after.chars().count() <= CURSOR_CHARS_MAX;
            holds(after.as_ref().is_none_or(is_short), "after")
        }
        Request::Backup(backup) => {
            let path = Path::new(&backup.path);
            let is_right = backup.path.len() <= PATH_BYTES_MAX
                && path.is_absolute()
                && path.file_name().is_some()
                && !backup.path.contains('\0');
            holds(is_right, "path")
        }
        Request::Id | Request::Status | Request::Doctor | Request::Stop => Ok(()),
    }
}

fn check_send(send: &SendRequest) -> Result<(), Refusal> {
    // What changes a message goes to whom that went to.
    if !(send.to.is_empty() && send.replaces.is_some()) {
        check_who(&send.to)?;
    }
    let body = send.body.as_bytes();
    holds(!body.is_empty(), "body")?;
    if body.len() > BODY_BYTES_MAX {
        let max_bytes = BODY_BYTES_MAX as u64;
        return Err(Refusal::TooLong { max_bytes });
    }
    let is_name = |name: &String| {
        (1..=FILE_NAME_BYTES_MAX).contains(&name.len()) && !name.contains(['/', '\0'])
    };
    holds(send.file_name.as_ref().is_none_or(is_name), "file_name")?;
    check_message_name(&send.reply_to, "reply_to")?;
    check_message_name(&send.replaces, "replaces")?;
    holds(send.burn_ms != Some(0), "burn_ms")
}

fn check_who(who: &str) -> Result<(), Refusal> {
    let why = match who.len() {
        0 => "it is empty".to_owned(),
        1..=WHO_BYTES_MAX => return Ok(()),
        _ => format!("it is longer than {WHO_BYTES_MAX} bytes"),
    };
    let text = who.chars().take(PETNAME_CHARS_MAX).collect();
    Err(Refusal::InvalidId { text, why })
}

fn check_message_id(id: &Option<String>, name: &str) -> Result<(), Refusal> {
    holds(id.as_deref().is_none_or(is_message_id), name)
}

fn check_message_name(id: &Option<String>, name: &str) -> Result<(), Refusal> {
    holds(id.as_deref().is_none_or(is_message_name), name)
}

fn holds(is_right: bool, name: &str) -> Result<(), Refusal> {
    match is_right {
        true => Ok(()),
        false => Err(Refusal::InvalidParameter {
            name: name.to_owned(),
        }),
    }
}

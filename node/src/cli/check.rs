//! Checks of arguments before the node is asked: IDs, times, sizes.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use restante_client::model::Who;
use restante_interface::Refusal;
use restante_proto::limits::{BODY_BYTES_MAX, FILE_NAME_BYTES_MAX};

use super::Failure;
use crate::config;
use crate::config::units::{approximate_duration_ms, approximate_size_bytes, parse_duration_ms};
use crate::control::checks::{PETNAME_CHARS_MAX, WHO_BYTES_MAX, is_message_id, is_message_name};

/// Returns the text without white space around it, if it is an ID or a link.
pub(super) fn who(text: &str) -> Result<String, Failure> {
    let text = text.trim();
    let why = if text.len() > WHO_BYTES_MAX {
        format!("it is longer than {WHO_BYTES_MAX} bytes")
    } else {
        match text.parse::<Who>() {
            Ok(_) => return Ok(text.to_owned()),
            Err(error) => error.to_string(),
        }
    };
    let text = text.to_owned();
    Err(Refusal::InvalidId { text, why }.into())
}

/// Returns the text without white space around it, if it is an ID or a link, or may be what a contact is called: the
/// node knows.
pub(super) fn somebody(text: &str) -> Result<String, Failure> {
    let name = text.trim();
    let is_name = !name.is_empty()
        && !name.contains(['.', ':'])
        && !name.chars().any(char::is_control)
        && name.chars().count() <= PETNAME_CHARS_MAX;
    if is_name {
        return Ok(name.to_owned());
    }
    who(text)
}

/// Returns how long a message may live, in milliseconds.
pub(super) fn ttl_ms(text: &str) -> Result<u64, Failure> {
    config::ttl_ms(text).map_err(|message| {
        Failure::usage(format!("--ttl {message}"), "give a time such as --ttl 6d")
    })
}

/// Reads `--effort`.
pub(super) fn effort(text: &str) -> Result<u32, Failure> {
    config::stamp_effort(text).map_err(|message| {
        Failure::usage(
            format!("--effort {message}"),
            "give a number such as --effort 256",
        )
    })
}

/// Reads `--burn`.
pub(super) fn burn_ms(text: &str) -> Result<u64, Failure> {
    let hint = "give a time such as --burn 30s";
    match parse_duration_ms(text) {
        Ok(0) => Err(Failure::usage(
            "--burn of 0 would leave no time to read",
            hint,
        )),
        Ok(ms) => Ok(ms),
        Err(error) => Err(Failure::usage(format!("--burn {error}"), hint)),
    }
}

/// Refuses a time to burn that is longer than the message lives: it would never burn.
pub(super) fn burns_in_time(burn_ms: Option<u64>, ttl_ms: u64) -> Result<(), Failure> {
    match burn_ms {
        Some(burn_ms) if burn_ms > ttl_ms => Err(Failure::usage(
            format!(
                "--burn of {} is longer than the message lives ({})",
                approximate_duration_ms(burn_ms),
                approximate_duration_ms(ttl_ms)
            ),
            "shorten it, or give a longer --ttl",
        )),
        _ => Ok(()),
    }
}

/// Refuses what cannot be the id of a message, as `inbox --json` shows it.
pub(super) fn message_id(text: &str) -> Result<(), Failure> {
    if is_message_id(text) {
        return Ok(());
    }
    let shown: String = text.chars().take(64).collect();
    Err(Failure::usage(
        format!("{shown:?} is not the id of a message"),
        "give an `id` of `restante inbox --all --json`",
    )
    .coded("message_id_wrong"))
}

/// Returns what names a message: its id, or how that begins, as `history` shows it.
pub(super) fn message_name(text: &str) -> Result<String, Failure> {
    let text = text.trim().to_ascii_lowercase();
    if is_message_name(&text) {
        return Ok(text);
    }
    let shown: String = text.chars().take(64).collect();
    Err(Failure::usage(
        format!("{shown:?} is not the id of a message"),
        "give what stands before the message in `restante history ID`",
    )
    .coded("message_id_wrong"))
}

/// Reads a body from standard input, byte for byte.
pub(super) fn standard_input() -> Result<Vec<u8>, Failure> {
    let bytes = bounded(io::stdin().lock())
        .map_err(|error| Failure::failed(format!("cannot read standard input: {error}"), ""))?;
    body(bytes, "standard input")
}

/// Reads a body from a file, and returns it with the file's name.
pub(super) fn file(path: &Path) -> Result<(String, Vec<u8>), Failure> {
    let shown = path.display().to_string();
    let hint = "check the path and that you may read it";
    let bytes = File::open(path)
        .and_then(bounded)
        .map_err(|error| Failure::usage(format!("cannot read {shown}: {error}"), hint))?;
    let name = path.file_name().and_then(|name| name.to_str());
    match name.filter(|name| name.len() <= FILE_NAME_BYTES_MAX) {
        Some(name) => Ok((name.to_owned(), body(bytes, &shown)?)),
        None => Err(Failure::usage(
            format!("{shown} has no name that can be sent"),
            format!("rename it: UTF-8, at most {FILE_NAME_BYTES_MAX} bytes"),
        )),
    }
}

/// Checks the length of a body; `what` names its source.
pub(super) fn body(bytes: Vec<u8>, what: &str) -> Result<Vec<u8>, Failure> {
    match bytes.len() {
        0 => Err(Failure::usage(
            format!("{what} is empty"),
            "write something to send",
        )),
        length if length > BODY_BYTES_MAX => Err(Failure::usage(
            format!(
                "{what} is longer than {BODY_BYTES_MAX} bytes ({})",
                approximate_size_bytes(BODY_BYTES_MAX as u64)
            ),
            "send it in parts",
        )),
        _ => Ok(bytes),
    }
}

/// Reads to the end, but at most one byte more than fits.
fn bounded(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source
        .take(BODY_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

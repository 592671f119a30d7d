//! What can be checked before the node is asked: IDs, times, sizes.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use restante_proto::limits::{BODY_BYTES_MAX, FILE_NAME_BYTES_MAX};
use restante_proto::person::PersonId;

use super::Failure;
use crate::config;
use crate::config::units::{approximate_size_bytes, parse_duration_ms};

/// What a link to a person begins with.
const LINK_PREFIX: &str = "restante:";
/// Longest ID or link worth parsing, in bytes.
const WHO_BYTES_MAX: usize = 512;

/// Returns an ID or a link as it is, if it is one.
pub(super) fn who(text: &str) -> Result<String, Failure> {
    let text = text.trim();
    let id = text.strip_prefix(LINK_PREFIX).unwrap_or(text);
    let id = id.split_once('?').map_or(id, |(id, _)| id);
    let parsed = if text.len() > WHO_BYTES_MAX {
        Err(format!("it is longer than {WHO_BYTES_MAX} bytes"))
    } else {
        id.parse::<PersonId>().map_err(|fault| fault.to_string())
    };
    match parsed {
        Ok(_) => Ok(text.to_owned()),
        Err(fault) => Err(Failure::usage(
            format!(
                "{:?} is not an ID: {fault}",
                text.chars().take(64).collect::<String>()
            ),
            "copy it from the other person's `restante id`",
        )),
    }
}

/// Returns how long a message may live, in milliseconds.
pub(super) fn ttl_ms(text: &str) -> Result<u64, Failure> {
    config::ttl_ms(text).map_err(|message| {
        Failure::usage(format!("--ttl {message}"), "give a time such as --ttl 6d")
    })
}

/// Returns how long a message lives once it was read, in milliseconds.
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

/// Reads what is to be sent from standard input, byte for byte.
pub(super) fn standard_input() -> Result<Vec<u8>, Failure> {
    let bytes = bounded(io::stdin().lock())
        .map_err(|error| Failure::failed(format!("cannot read standard input: {error}"), ""))?;
    body(bytes, "standard input")
}

/// Reads a file that is to be sent, and returns its name without folders as well.
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

/// Returns a body if it can be sent.
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

/// Reads all there is, or just enough to know that it is too much.
fn bounded(source: impl Read) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    source
        .take(BODY_BYTES_MAX as u64 + 1)
        .read_to_end(&mut bytes)?;
    Ok(bytes)
}

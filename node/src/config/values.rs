//! How the values of settings are read, checked and written.

use std::path::{Path, PathBuf};
use std::str::FromStr;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;
use restante_proto::limits::{DAY_MS, MESSAGE_TTL_MAX_MS, MESSAGE_TTL_MIN_MS, MINUTE_MS};
use restante_proto::stamp::EFFORT_MAX;
use serde::de::{Deserialize, Deserializer, Error as _};
use serde::ser::Serializer;

use super::units::{format_duration_ms, format_size_bytes, parse_duration_ms, parse_size_bytes};
use crate::telemetry;

/// Longest name of a network, in bytes: it is part of every protocol string.
const NETWORK_BYTES_MAX: usize = 32;
/// Smallest disk cap, in bytes: less could not hold what one mailbox may hold.
const DISK_CAP_BYTES_MIN: u64 = 16 << 20;
/// Longest retention, in milliseconds: ten years, to catch a slip of the unit.
const RETENTION_MS_MAX: u64 = 3_650 * DAY_MS;

/// Shortest and longest time between two backups, in milliseconds.
const BACKUP_EVERY_MS: (u64, u64) = (MINUTE_MS, 365 * DAY_MS);
/// Backups that are kept, at most.
const BACKUPS_KEPT_MAX: u32 = 1_000;

/// Addresses that a node accepts, for errors and help.
pub(super) const LISTEN_EXAMPLE: &str = "/ip4/0.0.0.0/udp/4717/quic-v1";
pub(super) const EXTERNAL_EXAMPLE: &str = "/ip4/1.2.3.4/udp/4717/quic-v1";
pub(super) const BOOTSTRAP_EXAMPLE: &str = "/dns4/entry.example.org/udp/4717/quic-v1/p2p/\
    12D3KooWJBa9tPXXSCPALEdtA9uPuyybdu6yAKMu5HWDRwZqyFJf";

/// Parses how long a message may live and returns it in milliseconds.
///
/// # Errors
///
/// One line for a person when it is no duration, or none the protocol allows.
pub fn ttl_ms(text: &str) -> Result<u64, String> {
    duration_ms(text, MESSAGE_TTL_MIN_MS, MESSAGE_TTL_MAX_MS)
}

/// Parses the effort of a stamp.
///
/// # Errors
///
/// One line for a person when it is no number, or none that can be allowed.
pub fn stamp_effort(text: &str) -> Result<u32, String> {
    let effort = text.parse().ok();
    let effort = effort.filter(|effort| (1..=EFFORT_MAX).contains(effort));
    effort.ok_or_else(|| format!("{text:?} is not a number from 1 to {EFFORT_MAX}"))
}

pub(super) fn network<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    let allowed = |byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-');
    if (1..=NETWORK_BYTES_MAX).contains(&text.len()) && text.bytes().all(allowed) {
        return Ok(text);
    }
    Err(D::Error::custom(format!(
        "{text:?} is not a network name: 1 to {NETWORK_BYTES_MAX} of the characters a-z, 0-9 and -"
    )))
}

pub(super) fn external<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Multiaddr>, D::Error> {
    addresses(from, EXTERNAL_EXAMPLE)
}

pub(super) fn listen<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Multiaddr>, D::Error> {
    let addresses = addresses(from, LISTEN_EXAMPLE)?;
    if addresses.is_empty() {
        return Err(D::Error::custom("at least one address is needed"));
    }
    Ok(addresses)
}

pub(super) fn bootstrap<'de, D: Deserializer<'de>>(from: D) -> Result<Vec<Multiaddr>, D::Error> {
    let addresses = addresses(from, BOOTSTRAP_EXAMPLE)?;
    let names_a_peer =
        |address: &&Multiaddr| matches!(address.iter().last(), Some(Protocol::P2p(_)));
    match addresses.iter().find(|address| !names_a_peer(address)) {
        Some(address) => Err(D::Error::custom(format!(
            "\"{address}\" does not say whom to expect there; it must end in /p2p/ and an identity, as in \
             \"{BOOTSTRAP_EXAMPLE}\""
        ))),
        None => Ok(addresses),
    }
}

fn addresses<'de, D: Deserializer<'de>>(
    from: D,
    example: &str,
) -> Result<Vec<Multiaddr>, D::Error> {
    let texts = Vec::<String>::deserialize(from)?;
    let address = |text: &String| {
        Multiaddr::from_str(text).map_err(|_| {
            D::Error::custom(format!(
                "{text:?} is not an address; write for example \"{example}\""
            ))
        })
    };
    texts.iter().map(address).collect()
}

pub(super) fn log<'de, D: Deserializer<'de>>(from: D) -> Result<String, D::Error> {
    let text = String::deserialize(from)?;
    telemetry::filter(&text).map_err(D::Error::custom)?;
    Ok(text)
}

pub(super) fn disk_cap<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let text = String::deserialize(from)?;
    let bytes = parse_size_bytes(&text).map_err(D::Error::custom)?;
    if bytes < DISK_CAP_BYTES_MIN {
        let least = format_size_bytes(DISK_CAP_BYTES_MIN);
        return Err(D::Error::custom(format!(
            "{text:?} is too little; at least {least}, or set serve = \"never\""
        )));
    }
    Ok(bytes)
}

pub(super) fn ttl<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    ttl_ms(&String::deserialize(from)?).map_err(D::Error::custom)
}

pub(super) fn retention<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let text = String::deserialize(from)?;
    duration_ms(&text, MESSAGE_TTL_MIN_MS, RETENTION_MS_MAX).map_err(D::Error::custom)
}

pub(super) fn stamp_effort_max<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    stamp_effort(&String::deserialize(from)?).map_err(D::Error::custom)
}

pub(super) fn backup_folder<'de, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<PathBuf>, D::Error> {
    let text = String::deserialize(from)?;
    match Path::new(&text) {
        _ if text.is_empty() => Ok(None),
        path if path.is_absolute() => Ok(Some(path.to_owned())),
        _ => Err(D::Error::custom(format!(
            "{text:?} is no absolute path; write for example \"/media/disk/backups\""
        ))),
    }
}

pub(super) fn backup_every<'de, D: Deserializer<'de>>(from: D) -> Result<u64, D::Error> {
    let text = String::deserialize(from)?;
    duration_ms(&text, BACKUP_EVERY_MS.0, BACKUP_EVERY_MS.1).map_err(D::Error::custom)
}

pub(super) fn backup_keep<'de, D: Deserializer<'de>>(from: D) -> Result<u32, D::Error> {
    let text = String::deserialize(from)?;
    let keep = text.parse().ok();
    let keep = keep.filter(|keep| (1..=BACKUPS_KEPT_MAX).contains(keep));
    keep.ok_or_else(|| {
        D::Error::custom(format!(
            "{text:?} is not a number from 1 to {BACKUPS_KEPT_MAX}"
        ))
    })
}

pub(super) fn write_folder<S: Serializer>(
    path: &Option<PathBuf>,
    to: S,
) -> Result<S::Ok, S::Error> {
    let path = path.as_ref().map(|path| path.display().to_string());
    to.serialize_str(&path.unwrap_or_default())
}

pub(super) fn write_number<S: Serializer>(number: &u32, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&number.to_string())
}

pub(super) fn write_size<S: Serializer>(bytes: &u64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&format_size_bytes(*bytes))
}

pub(super) fn write_duration<S: Serializer>(ms: &u64, to: S) -> Result<S::Ok, S::Error> {
    to.serialize_str(&format_duration_ms(*ms))
}

fn duration_ms(text: &str, least: u64, most: u64) -> Result<u64, String> {
    let ms = parse_duration_ms(text).map_err(|error| error.to_string())?;
    if (least..=most).contains(&ms) {
        return Ok(ms);
    }
    let (least, most) = (format_duration_ms(least), format_duration_ms(most));
    Err(format!("{text:?} is out of range; from {least} to {most}"))
}

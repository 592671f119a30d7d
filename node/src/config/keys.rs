//! Every key of the configuration: its name, how it is read, how it is written.

use std::str::FromStr;

use libp2p::Multiaddr;
use libp2p::multiaddr::Protocol;

use restante_proto::limits::{MESSAGE_TTL_MAX_MS, MESSAGE_TTL_MIN_MS};

use super::units::{format_duration_ms, format_size_bytes, parse_duration_ms, parse_size_bytes};
use super::{Config, LogFormat, Profile, Raw, Serve};
use crate::telemetry;

/// One key of the configuration.
#[derive(Debug)]
pub struct Key {
    /// Its name in the file; upper case behind `RESTANTE_` in the environment, with dashes as a
    /// flag.
    pub name: &'static str,
    /// Whether it takes a list.
    pub list: bool,
    /// Reads a value into the settings; the error is one line for a person.
    pub(super) set: fn(&mut Config, &Raw) -> Result<(), String>,
    /// Returns the value the settings have.
    pub(super) get: fn(&Config) -> Raw,
}

/// Every key there is.
pub const KEYS: [Key; 11] = [
    Key {
        name: "network",
        list: false,
        set: |config, raw| put(&mut config.network, network(raw.text()?)),
        get: |config| Raw::Text(config.network.clone()),
    },
    Key {
        name: "profile",
        list: false,
        set: |config, raw| put(&mut config.profile, one_of(&PROFILES, raw.text()?)),
        get: |config| Raw::Text(name_of(&PROFILES, config.profile)),
    },
    Key {
        name: "serve",
        list: false,
        set: |config, raw| put(&mut config.serve, one_of(&SERVES, raw.text()?)),
        get: |config| Raw::Text(name_of(&SERVES, config.serve)),
    },
    Key {
        name: "listen",
        list: true,
        set: |config, raw| put(&mut config.listen, listen(raw)),
        get: |config| addresses_to_raw(&config.listen),
    },
    Key {
        name: "external",
        list: true,
        set: |config, raw| put(&mut config.external, addresses(raw)),
        get: |config| addresses_to_raw(&config.external),
    },
    Key {
        name: "bootstrap",
        list: true,
        set: |config, raw| put(&mut config.bootstrap, bootstrap(raw)),
        get: |config| addresses_to_raw(&config.bootstrap),
    },
    Key {
        name: "disk_cap",
        list: false,
        set: |config, raw| put(&mut config.disk_cap_bytes, size(raw.text()?)),
        get: |config| Raw::Text(format_size_bytes(config.disk_cap_bytes)),
    },
    Key {
        name: "ttl",
        list: false,
        set: |config, raw| put(&mut config.ttl_ms, ttl_ms(raw.text()?)),
        get: |config| Raw::Text(format_duration_ms(config.ttl_ms)),
    },
    Key {
        name: "retention",
        list: false,
        set: |config, raw| put(&mut config.retention_ms, retention_ms(raw.text()?)),
        get: |config| Raw::Text(format_duration_ms(config.retention_ms)),
    },
    Key {
        name: "log",
        list: false,
        set: |config, raw| put(&mut config.log, log(raw.text()?)),
        get: |config| Raw::Text(config.log.clone()),
    },
    Key {
        name: "log_format",
        list: false,
        set: |config, raw| put(&mut config.log_format, one_of(&LOG_FORMATS, raw.text()?)),
        get: |config| Raw::Text(name_of(&LOG_FORMATS, config.log_format)),
    },
];

const PROFILES: [(&str, Profile); 2] = [("internet", Profile::Internet), ("local", Profile::Local)];
const SERVES: [(&str, Serve); 2] = [("auto", Serve::Auto), ("never", Serve::Never)];
const LOG_FORMATS: [(&str, LogFormat); 2] = [("text", LogFormat::Text), ("json", LogFormat::Json)];

/// Longest name of a network, in bytes: it is part of every protocol string.
const NETWORK_BYTES_MAX: usize = 32;
/// Smallest disk cap, in bytes: less could not hold what one mailbox may hold.
const DISK_CAP_BYTES_MIN: u64 = 16 << 20;
/// Longest retention, in milliseconds: ten years, to catch a slip of the unit.
const RETENTION_MS_MAX: u64 = 3_650 * 86_400_000;

/// Parses how long a message may live and returns it in milliseconds.
///
/// # Errors
///
/// One line for a person when it is no duration, or none the protocol allows.
pub fn ttl_ms(text: &str) -> Result<u64, String> {
    let ms = parse_duration_ms(text).map_err(|error| error.to_string())?;
    within(text, ms, MESSAGE_TTL_MIN_MS, MESSAGE_TTL_MAX_MS)
}

/// Returns a value in TOML.
pub fn to_toml(raw: &Raw) -> String {
    let quote = |text: &String| toml::Value::String(text.clone()).to_string();
    match raw {
        Raw::Text(text) => quote(text),
        Raw::List(items) => {
            let items: Vec<_> = items.iter().map(quote).collect();
            format!("[{}]", items.join(", "))
        }
    }
}

fn put<T>(place: &mut T, value: Result<T, String>) -> Result<(), String> {
    *place = value?;
    Ok(())
}

fn one_of<T: Copy>(choices: &[(&str, T)], text: &str) -> Result<T, String> {
    match choices.iter().find(|(name, _)| *name == text) {
        Some((_, value)) => Ok(*value),
        None => {
            let names: Vec<_> = choices
                .iter()
                .map(|(name, _)| format!("\"{name}\""))
                .collect();
            Err(format!("{text:?} is not one of {}", names.join(", ")))
        }
    }
}

fn name_of<T: Copy + PartialEq>(choices: &[(&str, T)], value: T) -> String {
    let found = choices.iter().find(|(_, choice)| *choice == value);
    found.map_or_else(String::new, |(name, _)| (*name).to_owned())
}

fn network(text: &str) -> Result<String, String> {
    let fits = (1..=NETWORK_BYTES_MAX).contains(&text.len());
    if fits
        && text
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'-'))
    {
        return Ok(text.to_owned());
    }
    Err(format!(
        "{text:?} is not a network name: 1 to {NETWORK_BYTES_MAX} of the characters a-z, 0-9 and -"
    ))
}

fn address(text: &str) -> Result<Multiaddr, String> {
    Multiaddr::from_str(text).map_err(|_| {
        format!("{text:?} is not an address; write for example \"/ip4/192.0.2.1/udp/4717/quic-v1\"")
    })
}

fn addresses(raw: &Raw) -> Result<Vec<Multiaddr>, String> {
    raw.list()?.iter().map(|text| address(text)).collect()
}

fn listen(raw: &Raw) -> Result<Vec<Multiaddr>, String> {
    let addresses = addresses(raw)?;
    if addresses.is_empty() {
        return Err("at least one address is needed".to_owned());
    }
    Ok(addresses)
}

fn bootstrap(raw: &Raw) -> Result<Vec<Multiaddr>, String> {
    let addresses = addresses(raw)?;
    for address in &addresses {
        if !matches!(address.iter().last(), Some(Protocol::P2p(_))) {
            return Err(format!(
                "\"{address}\" does not say whom to expect there; \
                 it must end in /p2p/ and an identity"
            ));
        }
    }
    Ok(addresses)
}

fn addresses_to_raw(addresses: &[Multiaddr]) -> Raw {
    Raw::List(addresses.iter().map(ToString::to_string).collect())
}

fn size(text: &str) -> Result<u64, String> {
    let bytes = parse_size_bytes(text).map_err(|error| error.to_string())?;
    if bytes < DISK_CAP_BYTES_MIN {
        let least = format_size_bytes(DISK_CAP_BYTES_MIN);
        return Err(format!(
            "{text:?} is too little; at least {least}, or set serve = \"never\""
        ));
    }
    Ok(bytes)
}

fn retention_ms(text: &str) -> Result<u64, String> {
    let ms = parse_duration_ms(text).map_err(|error| error.to_string())?;
    within(text, ms, MESSAGE_TTL_MIN_MS, RETENTION_MS_MAX)
}

fn within(text: &str, ms: u64, least: u64, most: u64) -> Result<u64, String> {
    if (least..=most).contains(&ms) {
        return Ok(ms);
    }
    let (least, most) = (format_duration_ms(least), format_duration_ms(most));
    Err(format!("{text:?} is out of range; from {least} to {most}"))
}

fn log(text: &str) -> Result<String, String> {
    telemetry::filter(text).map_err(|error| error.to_string())?;
    Ok(text.to_owned())
}

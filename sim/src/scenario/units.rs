//! Times, shares, sizes and dates as people write them, checked for their form; what is reasonable, each key decides.

use std::fmt;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use restante_proto::limits::SECOND_MS;
use restante_proto::time::UnixMillis;
use serde::de::{self, Deserialize, Deserializer, Visitor};
use serde::{Serialize, Serializer};

/// One, in a million.
pub(crate) const ONE_PPM: u64 = 1_000_000;
const KIB: u64 = 1 << 10;

/// A time, written as "40ms", "30s" or "6d".
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Ms(pub(crate) u64);

/// A share from 0.0 to 1.0, kept in parts of a million.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Share(pub(crate) u64);

/// A number of bytes, written as 4096, "64KiB" or "16MiB".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Bytes(pub(crate) u64);

/// A date, written as "2027-12-31T23:00:00Z".
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Date(pub(crate) UnixMillis);

impl Ms {
    pub(crate) const ZERO: Self = Self(0);

    pub(crate) const fn get(self) -> u64 {
        self.0
    }

    pub(crate) const fn seconds(count: u64) -> Self {
        Self(count * SECOND_MS)
    }

    /// Rounds down to what is easily read: whole seconds beyond the first.
    pub(crate) const fn rounded(self) -> Self {
        match self.0 {
            ms if ms > SECOND_MS => Self(ms / SECOND_MS * SECOND_MS),
            ms => Self(ms),
        }
    }
}

impl Share {
    pub(crate) const fn ppm(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Ms {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        humantime::format_duration(Duration::from_millis(self.0)).fmt(f)
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        (self.0 as f64 / ONE_PPM as f64).fmt(f)
    }
}

impl fmt::Display for Bytes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            bytes if bytes > 0 && bytes % (KIB * KIB) == 0 => write!(f, "{}MiB", bytes / KIB / KIB),
            bytes if bytes > 0 && bytes % KIB == 0 => write!(f, "{}KiB", bytes / KIB),
            bytes => bytes.fmt(f),
        }
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let date = SystemTime::UNIX_EPOCH + Duration::from_millis(self.0.get());
        humantime::format_rfc3339(date).fmt(f)
    }
}

impl FromStr for Ms {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parsed = humantime::parse_duration(text).ok();
        let ms = parsed.and_then(|duration| u64::try_from(duration.as_millis()).ok());
        ms.map(Self).ok_or_else(|| {
            format!("{text:?} is not a duration such as \"40ms\", \"30s\" or \"6d\"")
        })
    }
}

impl FromStr for Bytes {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let units = [("MiB", KIB * KIB), ("KiB", KIB)];
        let mut units = units.into_iter();
        let found = units.find_map(|(unit, of)| Some((text.strip_suffix(unit)?, of)));
        let (number, unit) = found.unwrap_or((text, 1));
        let bytes = number.trim().parse::<u64>().ok();
        let bytes = bytes.and_then(|bytes| bytes.checked_mul(unit));
        bytes
            .map(Self)
            .ok_or_else(|| format!("{text:?} is not a size such as 4096, \"64KiB\" or \"16MiB\""))
    }
}

impl FromStr for Date {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let date = humantime::parse_rfc3339(text).ok();
        let since = date.and_then(|date| date.duration_since(SystemTime::UNIX_EPOCH).ok());
        let ms = since.and_then(|since| u64::try_from(since.as_millis()).ok());
        ms.map(|ms| Self(UnixMillis::new(ms)))
            .ok_or_else(|| format!("{text:?} is not a date such as \"2027-12-31T23:00:00Z\""))
    }
}

/// Reads what has a text form; the error is raised inside the visitor, so that it gets the place of the value.
struct Text<T> {
    wanted: &'static str,
    parsed: std::marker::PhantomData<T>,
}

impl<T: FromStr<Err = String>> Visitor<'_> for Text<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.wanted)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }

    fn visit_i64<E: de::Error>(self, number: i64) -> Result<T, E> {
        let number = number.to_string();
        let wanted = de::Error::invalid_type(de::Unexpected::Other("a number"), &self);
        number.parse().map_err(|_| wanted)
    }
}

macro_rules! text_form {
    ($type:ident, $wanted:literal) => {
        impl<'de> Deserialize<'de> for $type {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let (wanted, parsed) = ($wanted, std::marker::PhantomData);
                deserializer.deserialize_any(Text { wanted, parsed })
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }
    };
}

text_form!(Ms, "a duration such as \"40ms\", \"30s\" or \"6d\"");
text_form!(Bytes, "a size such as 4096, \"64KiB\" or \"16MiB\"");
text_form!(Date, "a date such as \"2027-12-31T23:00:00Z\"");

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Typed;

        impl Visitor<'_> for Typed {
            type Value = Share;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a share from 0.0 to 1.0")
            }

            fn visit_f64<E: de::Error>(self, share: f64) -> Result<Share, E> {
                if (0.0..=1.0).contains(&share) {
                    // Between 0 and a million, and whole after rounding.
                    return Ok(Share((share * ONE_PPM as f64).round() as u64));
                }
                let message = format!("{share} is not a share from 0.0 to 1.0");
                Err(E::custom(message))
            }
        }

        deserializer.deserialize_any(Typed)
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_f64(self.0 as f64 / ONE_PPM as f64)
    }
}

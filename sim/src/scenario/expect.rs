//! What must come out of a run, besides what the rules always want.

use std::fmt;
use std::str::FromStr;

use serde::de::{self, Deserialize, Deserializer, MapAccess, Visitor};
use serde::ser::{Serialize, SerializeMap, Serializer};

use super::units::Ms;

/// The key that is no bound.
const IDLE_FAULTS: &str = "idle_faults";

#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Expectations {
    pub(crate) bounds: Vec<Bound>,
    /// Whether a fault or an absence may change nothing, as in scenarios that are drawn.
    pub(crate) idle_faults: bool,
}

/// A limit of something that a run shows, in the quantity's own unit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Bound {
    pub(crate) quantity: Quantity,
    pub(crate) side: Side,
    pub(crate) limit: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Least,
    Most,
    Exactly,
}

/// What a quantity is counted in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unit {
    Messages,
    Bytes,
    Milliseconds,
    Percent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Quantity {
    Written,
    Stored,
    Shown,
    Delivered,
    Expired,
    Burnt,
    Lost,
    Duplicates,
    ShownAfterP50,
    ShownAfterP99,
    SettledAfter,
    BytesPerMessage,
    BytesPerNodeSecond,
    BytesPerKeeperHour,
    BytesPerPersonHour,
    KeepersKnown,
    CopiesMade,
    RefusedBusy,
    RefusedClock,
}

const QUANTITIES: [(&str, Quantity, Unit); 19] = {
    use Quantity as Q;
    use Unit as U;
    [
        ("written", Q::Written, U::Messages),
        ("stored", Q::Stored, U::Messages),
        ("shown", Q::Shown, U::Messages),
        ("delivered", Q::Delivered, U::Messages),
        ("expired", Q::Expired, U::Messages),
        ("burnt", Q::Burnt, U::Messages),
        ("lost", Q::Lost, U::Messages),
        ("duplicates", Q::Duplicates, U::Messages),
        ("shown_after_p50", Q::ShownAfterP50, U::Milliseconds),
        ("shown_after_p99", Q::ShownAfterP99, U::Milliseconds),
        ("settled_after", Q::SettledAfter, U::Milliseconds),
        ("bytes_per_message", Q::BytesPerMessage, U::Bytes),
        ("bytes_per_node_second", Q::BytesPerNodeSecond, U::Bytes),
        ("bytes_per_keeper_hour", Q::BytesPerKeeperHour, U::Bytes),
        ("bytes_per_person_hour", Q::BytesPerPersonHour, U::Bytes),
        ("keepers_known", Q::KeepersKnown, U::Messages),
        ("copies_made", Q::CopiesMade, U::Percent),
        ("refused_busy", Q::RefusedBusy, U::Messages),
        ("refused_clock", Q::RefusedClock, U::Messages),
    ]
};
/// From which side something is limited, by the end of a key.
const SIDES: [(&str, Side); 2] = [("_min", Side::Least), ("_max", Side::Most)];

impl Quantity {
    pub(crate) fn name_and_unit(self) -> (&'static str, Unit) {
        let mut all = QUANTITIES.iter();
        let found = all.find(|(_, quantity, _)| *quantity == self);
        found.map_or(("", Unit::Messages), |(name, _, unit)| (name, *unit))
    }
}

enum Key {
    IdleFaults,
    Bound(Quantity, Side),
}

impl FromStr for Key {
    type Err = String;

    fn from_str(key: &str) -> Result<Self, String> {
        if key == IDLE_FAULTS {
            return Ok(Self::IdleFaults);
        }
        let mut sides = SIDES.iter();
        let ended = sides.find_map(|(end, side)| Some((key.strip_suffix(end)?, *side)));
        let (name, side) = ended.unwrap_or((key, Side::Exactly));
        let mut all = QUANTITIES.iter();
        let Some((_, quantity, unit)) = all.find(|(known, _, _)| *known == name) else {
            let known = QUANTITIES.map(|(known, _, _)| known).join(", ");
            return Err(format!(
                "{key:?} is none of, with _min or _max behind it: {known}"
            ));
        };
        if side == Side::Exactly && *unit != Unit::Messages {
            return Err(format!(
                "`{name}` is never exact: say `{name}_min` or `{name}_max`"
            ));
        }
        Ok(Self::Bound(*quantity, side))
    }
}

impl<'de> Deserialize<'de> for Key {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Name;

        impl Visitor<'_> for Name {
            type Value = Key;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity")
            }

            fn visit_str<E: de::Error>(self, key: &str) -> Result<Key, E> {
                key.parse().map_err(E::custom)
            }
        }

        deserializer.deserialize_str(Name)
    }
}

impl<'de> Deserialize<'de> for Expectations {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bounds;

        impl<'de> Visitor<'de> for Bounds {
            type Value = Expectations;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("quantities with limits")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Expectations, A::Error> {
                let mut read = Expectations::default();
                while let Some(key) = map.next_key()? {
                    match key {
                        Key::IdleFaults => read.idle_faults = map.next_value()?,
                        Key::Bound(quantity, side) => {
                            let limit = match quantity.name_and_unit().1 {
                                Unit::Milliseconds => map.next_value::<Ms>()?.get(),
                                _ => map.next_value()?,
                            };
                            read.bounds.push(Bound {
                                quantity,
                                side,
                                limit,
                            });
                        }
                    }
                }
                Ok(read)
            }
        }

        deserializer.deserialize_map(Bounds)
    }
}

impl Serialize for Expectations {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for bound in &self.bounds {
            let (name, unit) = bound.quantity.name_and_unit();
            let mut sides = SIDES.iter().filter(|(_, side)| *side == bound.side);
            let key = format!("{name}{}", sides.next().map_or("", |(end, _)| end));
            match unit {
                Unit::Milliseconds => map.serialize_entry(&key, &Ms(bound.limit))?,
                _ => map.serialize_entry(&key, &bound.limit)?,
            }
        }
        if self.idle_faults {
            map.serialize_entry(IDLE_FAULTS, &true)?;
        }
        map.end()
    }
}

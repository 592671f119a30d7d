//! What must come out, as it is typed.

use std::collections::BTreeMap;

use toml::{Spanned, Value};

use super::{File, ScenarioFault, TIME_MAX_MS};
use crate::options::{Bound, Expectations, Quantity, Side, Unit};

/// Names of quantities, each with a side, and the limit.
pub(super) type Expect = BTreeMap<Spanned<String>, Spanned<Value>>;

/// Whether faults may change nothing.
const IDLE_FAULTS: &str = "idle_faults";
/// From which sides something is limited, by the end of a key.
const SIDES: [(&str, Side); 2] = [("_min", Side::Least), ("_max", Side::Most)];

impl File<'_> {
    pub(super) fn expectations(&self, raw: &Expect) -> Result<Expectations, ScenarioFault> {
        let is_bound =
            |(key, _): &(&Spanned<String>, &Spanned<Value>)| key.get_ref() != IDLE_FAULTS;
        let bounds = raw.iter().filter(is_bound);
        let bounds = bounds.map(|(key, limit)| self.bound(key, limit));
        let mut idle = raw.iter().filter(|entry| !is_bound(entry));
        Ok(Expectations {
            bounds: bounds.collect::<Result<_, _>>()?,
            idle_faults: idle
                .next()
                .map_or(Ok(false), |(_, typed)| self.yes(typed))?,
        })
    }

    fn yes(&self, typed: &Spanned<Value>) -> Result<bool, ScenarioFault> {
        typed.get_ref().as_bool().ok_or_else(|| {
            let message = format!("`{IDLE_FAULTS}` is true or false");
            self.fault(&typed.span(), message)
        })
    }

    fn bound(&self, key: &Spanned<String>, limit: &Spanned<Value>) -> Result<Bound, ScenarioFault> {
        let typed = key.get_ref().as_str();
        let mut sides = SIDES.iter();
        let ended = sides.find_map(|(end, side)| Some((typed.strip_suffix(end)?, *side)));
        let (name, side) = ended.unwrap_or((typed, Side::Exactly));
        let mut all = Quantity::ALL.iter();
        let Some((_, quantity, unit)) = all.find(|(known, _, _)| *known == name) else {
            let known = Quantity::ALL.map(|(known, _, _)| known).join(", ");
            let message = format!("{typed:?} is none of, with _min or _max behind it: {known}");
            return Err(self.fault(&key.span(), message));
        };
        if side == Side::Exactly && *unit != Unit::Messages {
            let message = format!("`{name}` is never exact: say `{name}_min` or `{name}_max`");
            return Err(self.fault(&key.span(), message));
        }
        Ok(Bound {
            quantity: *quantity,
            side,
            limit: self.limit(*unit, limit)?,
        })
    }

    fn limit(&self, unit: Unit, limit: &Spanned<Value>) -> Result<u64, ScenarioFault> {
        match (unit, limit.get_ref()) {
            (Unit::Milliseconds, Value::String(text)) => {
                self.time(&Spanned::new(limit.span(), text.clone()), 0..=TIME_MAX_MS)
            }
            (Unit::Milliseconds, _) => {
                let message = "this takes a duration such as \"40ms\", \"30s\" or \"6d\"";
                Err(self.fault(&limit.span(), message.to_owned()))
            }
            (_, Value::Integer(count)) if *count >= 0 => Ok(count.unsigned_abs()),
            (_, other) => {
                let message = format!("{other} is not a whole number from 0");
                Err(self.fault(&limit.span(), message))
            }
        }
    }
}

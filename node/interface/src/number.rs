//! Whole numbers, as other languages write them in JSON.

use serde::de::{Error, Unexpected};
use serde::{Deserialize, Deserializer};

/// The largest whole number up to which a floating point number has every one.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

#[derive(Deserialize)]
#[serde(untagged)]
enum Number {
    Whole(u64),
    Float(f64),
}

/// Reads a whole number, which may be written as `1.0`: JSON knows no difference, and some languages make none.
pub(crate) fn whole<'de, D, T>(deserializer: D) -> Result<Option<T>, D::Error>
where
    D: Deserializer<'de>,
    T: TryFrom<u64>,
{
    let number = match Option::deserialize(deserializer)? {
        None => return Ok(None),
        Some(Number::Whole(number)) => number,
        Some(Number::Float(float))
            if float.fract() == 0.0 && (0.0..=EXACT_MAX).contains(&float) =>
        {
            float as u64
        }
        Some(Number::Float(float)) => {
            let expected = &"a whole number";
            return Err(Error::invalid_value(Unexpected::Float(float), expected));
        }
    };
    T::try_from(number)
        .map(Some)
        .map_err(|_| Error::invalid_value(Unexpected::Unsigned(number), &"a smaller number"))
}

//! Keys that the command line sets, put into a scenario before it is read.

use toml::{Table, Value};

/// Most overrides of one run.
pub(super) const OVERRIDES_MAX: usize = 64;
/// Longest override, in bytes.
const OVERRIDE_BYTES_MAX: usize = 4_096;

/// Sets a key, as `path=value`; a part of the path is a key, a place in a list or the name of an entry. Returns the
/// path with places instead of names.
///
/// # Errors
///
/// A sentence that says what is wrong with it.
pub(super) fn apply(table: &mut Table, typed: &str) -> Result<String, String> {
    if typed.len() > OVERRIDE_BYTES_MAX {
        return Err(format!("this is longer than {OVERRIDE_BYTES_MAX} bytes"));
    }
    let Some((path, value)) = typed.split_once('=').filter(|(path, _)| !path.is_empty()) else {
        return Err("this is not PATH=VALUE, such as network.loss=0.1".to_owned());
    };
    let keys: Vec<&str> = path.split('.').collect();
    if keys.contains(&"") {
        return Err("the path has an empty key".to_owned());
    }
    let mut places = Vec::with_capacity(keys.len());
    let mut whole = Value::Table(std::mem::take(table));
    let set = put(&mut whole, &keys, value_of(value), &mut places);
    if let Value::Table(whole) = whole {
        *table = whole;
    }
    set.map(|()| places.join("."))
}

/// Returns what TOML makes of a value, or the text as it stands.
fn value_of(text: &str) -> Value {
    let parsed = toml::from_str::<Table>(&format!("x={text}")).ok();
    let only = parsed.filter(|table| table.len() == 1);
    let value = only.and_then(|mut table| table.remove("x"));
    value.unwrap_or_else(|| Value::String(text.to_owned()))
}

fn put(
    inside: &mut Value,
    path: &[&str],
    value: Value,
    places: &mut Vec<String>,
) -> Result<(), String> {
    let Some((key, rest)) = path.split_first() else {
        *inside = value;
        return Ok(());
    };
    let next = match inside {
        Value::Table(table) => {
            places.push((*key).to_owned());
            let missing = || Value::Table(Table::new());
            table.entry(*key).or_insert_with(missing)
        }
        Value::Array(list) => {
            let is_called = |entry: &Value| entry.get("name").and_then(Value::as_str) == Some(key);
            let count = list.len();
            let by_name = list.iter().position(is_called);
            let place = key.parse().ok().or(by_name).filter(|place| *place <= count);
            let Some(place) = place else {
                return Err(format!(
                    "{key:?} is neither a place, from 0 to {count}, nor the name of one of these"
                ));
            };
            places.push(place.to_string());
            if place == count {
                list.push(Value::Table(Table::new()));
            }
            list.get_mut(place).ok_or("there is no such place")?
        }
        other => {
            let what = other.type_str();
            return Err(format!("the path leads into a {what}, which has no keys"));
        }
    };
    put(next, rest, value, places)
}

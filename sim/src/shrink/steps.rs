//! The ways in which a scenario can be a bit smaller.
//!
//! Every step leaves out something or makes a number smaller, so that there is an end. What is no scenario any
//! more, the reader refuses.

use restante_proto::limits::MINUTE_MS;
use toml::{Table, Value};

use crate::scenario::Ms;

/// Keys that stay: without them a scenario says something else, not less.
const KEPT: [&str; 8] = [
    "about",
    "tier",
    "expect",
    "time.duration",
    "time.settle",
    "workload.ttl",
    "workload.pattern",
    "away.lasts",
];
/// Numbers that are made smaller.
const NUMBERS: [&str; 7] = [
    "population.nodes",
    "population.people",
    "workload.messages",
    "fault.count",
    "fault.times",
    "adversary.count",
    "adversary.groups",
];
/// Times that pass one after the other.
const TIMES: [&str; 12] = [
    "time.duration",
    "workload.from",
    "workload.over",
    "away.from",
    "away.lasts",
    "fault.at",
    "fault.every",
    "fault.lasts",
    "fault.down",
    "fault.ahead",
    "fault.behind",
    "time.arrive",
];
/// Moments: what comes behind them is left out when time is cut off.
const MOMENTS: [&str; 2] = ["away.from", "fault.at"];
/// Numbers below this are also made smaller by one.
const BY_ONE: i64 = 40;

/// Returns scenarios that are smaller than this one, the boldest steps first.
pub(super) fn smaller(table: &Table) -> Vec<Table> {
    let mut all = fewer_entries(table);
    all.extend(without_sections(table));
    all.extend(fewer_people(table));
    all.extend(smaller_numbers(table));
    all.push(cut_off(table));
    all.push(faster(table));
    all.extend(without_keys(table));
    all.extend(shorter_messages(table));
    all.retain(|one| one != table);
    all
}

/// Leaves out entries of lists: all, one half or the other, each one.
fn fewer_entries(table: &Table) -> Vec<Table> {
    let mut all = Vec::new();
    for list in lists(table) {
        let len = list_of(table, &list).map_or(0, Vec::len);
        let mut without = |gone: std::ops::Range<usize>| {
            let mut less = table.clone();
            if let Some(list) = list_mut(&mut less, &list) {
                list.drain(gone);
            }
            drop_empty(&mut less, &list);
            all.push(less);
        };
        without(0..len);
        if len > 2 {
            without(0..len / 2);
            without(len / 2..len);
        }
        if len > 1 {
            (0..len).for_each(|place| without(place..place + 1));
        }
    }
    all
}

/// Returns the paths of all lists of tables.
fn lists(table: &Table) -> Vec<Vec<String>> {
    let is_list = |value: &Value| {
        let list = value.as_array();
        list.is_some_and(|list| list.iter().all(Value::is_table) && !list.is_empty())
    };
    let mut all = Vec::new();
    for (key, value) in table {
        if is_list(value) {
            all.push(vec![key.clone()]);
        }
        let inner = value.as_table().into_iter().flatten();
        let inner = inner.filter(|(_, value)| is_list(value));
        all.extend(inner.map(|(name, _)| vec![key.clone(), name.clone()]));
    }
    all
}

fn list_of<'a>(table: &'a Table, path: &[String]) -> Option<&'a Vec<Value>> {
    match path {
        [key] => table.get(key)?.as_array(),
        [section, key] => table.get(section)?.as_table()?.get(key)?.as_array(),
        _ => None,
    }
}

fn list_mut<'a>(table: &'a mut Table, path: &[String]) -> Option<&'a mut Vec<Value>> {
    match path {
        [key] => table.get_mut(key)?.as_array_mut(),
        [section, key] => {
            let section = table.get_mut(section)?.as_table_mut()?;
            section.get_mut(key)?.as_array_mut()
        }
        _ => None,
    }
}

fn drop_empty(table: &mut Table, path: &[String]) {
    if list_of(table, path).is_some_and(Vec::is_empty) {
        match path {
            [key] => drop(table.remove(key)),
            [section, key] => {
                let section = table.get_mut(section).and_then(Value::as_table_mut);
                drop(section.and_then(|section| section.remove(key)));
            }
            _ => {}
        }
    }
}

/// Leaves out whole sections.
fn without_sections(table: &Table) -> Vec<Table> {
    let sections = table.iter().filter(|(_, value)| value.is_table());
    let names = sections.map(|(name, _)| name);
    let names = names.filter(|name| !KEPT.contains(&name.as_str()));
    let without = |name: &String| {
        let mut less = table.clone();
        less.remove(name);
        less
    };
    names.map(without).collect()
}

/// Leaves out single keys, so that what stands in their place is what no scenario needs to say.
fn without_keys(table: &Table) -> Vec<Table> {
    let mut all = Vec::new();
    each(table, &mut |path, place, _| {
        if !KEPT
            .iter()
            .any(|kept| path == *kept || path.starts_with(&format!("{kept}.")))
        {
            all.push(with(table, place, None));
        }
    });
    all.extend(without_ranges(table));
    all
}

/// Leaves out lists of plain values, such as a range from and to.
fn without_ranges(table: &Table) -> Vec<Table> {
    let sections = table
        .iter()
        .filter_map(|(name, section)| Some((name, section.as_table()?)));
    let keys = sections.flat_map(|(name, section)| {
        let is_range = |value: &Value| {
            value
                .as_array()
                .is_some_and(|list| !list.iter().any(Value::is_table))
        };
        let ranges = section.iter().filter(move |(_, value)| is_range(value));
        ranges.map(move |(key, _)| (name, key))
    });
    let kept = |name: &str, key: &str| KEPT.contains(&&*format!("{name}.{key}"));
    let keys = keys.filter(|(name, key)| !kept(name, key));
    let without = |(name, key): (&String, &String)| {
        let mut less = table.clone();
        if let Some(section) = less.get_mut(name).and_then(Value::as_table_mut) {
            section.remove(key);
        }
        less
    };
    keys.map(without).collect()
}

/// Leaves out people together with their nodes.
fn fewer_people(table: &Table) -> Vec<Table> {
    let number = |key: &str| table.get("population")?.as_table()?.get(key)?.as_integer();
    let (Some(nodes), Some(people)) = (number("nodes"), number("people")) else {
        return Vec::new();
    };
    let fewer = |left: i64| {
        let mut less = table.clone();
        if let Some(population) = less.get_mut("population").and_then(Value::as_table_mut) {
            population.insert("people".into(), left.into());
            population.insert("nodes".into(), (nodes - people + left).into());
        }
        less
    };
    parts(people).into_iter().map(fewer).collect()
}

fn smaller_numbers(table: &Table) -> Vec<Table> {
    let mut all = Vec::new();
    each(table, &mut |path, place, value| {
        if let Some(number) = value.as_integer().filter(|_| NUMBERS.contains(&path)) {
            let smaller = parts(number).into_iter();
            all.extend(smaller.map(|part| with(table, place, Some(part.into()))));
        }
    });
    all
}

/// Returns smaller numbers, the smallest first.
fn parts(number: i64) -> Vec<i64> {
    let by_one = if number <= BY_ONE { number - 1 } else { number };
    let mut parts = vec![1, 2, number / 4, number / 2, number - number / 4, by_one];
    parts.retain(|part| (1..number).contains(part));
    parts.sort_unstable();
    parts.dedup();
    parts
}

/// Ends it after half of the time; what began later is left out.
fn cut_off(table: &Table) -> Table {
    let Some(duration_ms) = duration_of(table) else {
        return table.clone();
    };
    let half_ms = (duration_ms / 2).max(MINUTE_MS);
    let mut less = table.clone();
    let mut late = Vec::new();
    each(table, &mut |path, place, value| {
        let Some(ms) = ms_of(value).filter(|_| TIMES.contains(&path)) else {
            return;
        };
        if MOMENTS.contains(&path) && ms >= half_ms {
            late.push(place.to_vec());
        }
        less = with(&less, place, Some(time(ms.min(half_ms))));
    });
    end_writing(&mut less, half_ms);
    // From the last to the first, so that places stay what they were.
    for place in late.iter().rev() {
        if let [Step::Key(list), Step::Entry(entry), ..] = &place[..] {
            let path = [list.clone()];
            if let Some(list) = list_mut(&mut less, &path) {
                list.remove(*entry);
            }
            drop_empty(&mut less, &path);
        }
    }
    less
}

/// Sees to it that all messages are written by then.
fn end_writing(table: &mut Table, end_ms: u64) {
    let Some(workload) = table.get_mut("workload").and_then(Value::as_table_mut) else {
        return;
    };
    let of = |key: &str, workload: &Table| workload.get(key).and_then(ms_of).unwrap_or(0);
    let from_ms = of("from", workload).min(end_ms / 2);
    let over_ms = of("over", workload).min(end_ms - from_ms);
    workload.insert("from".into(), time(from_ms));
    workload.insert("over".into(), time(over_ms));
}

/// Lets everything take half of the time.
fn faster(table: &Table) -> Table {
    let mut less = table.clone();
    each(table, &mut |path, place, value| {
        if let Some(ms) = ms_of(value).filter(|_| TIMES.contains(&path)) {
            let least = if path == "time.duration" {
                MINUTE_MS
            } else {
                0
            };
            less = with(&less, place, Some(time((ms / 2).max(least))));
        }
    });
    less
}

/// Makes the longest message shorter.
fn shorter_messages(table: &Table) -> Vec<Table> {
    let mut all = Vec::new();
    let mut bytes = Vec::new();
    each(table, &mut |path, place, value| {
        if let Some(number) = value.as_integer().filter(|_| path == "workload.bytes") {
            bytes.push((place.to_vec(), number));
        }
    });
    let shortest = bytes.first().map_or(1, |(_, number)| *number);
    if let Some((place, longest)) = bytes.last() {
        for length in [shortest, longest / 16, longest / 2] {
            if (shortest..*longest).contains(&length) {
                all.push(with(table, place, Some(length.into())));
            }
        }
    }
    all
}

fn duration_of(table: &Table) -> Option<u64> {
    table
        .get("time")?
        .as_table()?
        .get("duration")
        .and_then(ms_of)
}

fn ms_of(value: &Value) -> Option<u64> {
    value.as_str()?.parse().ok().map(Ms::get)
}

fn time(ms: u64) -> Value {
    Ms(ms).rounded().to_string().into()
}

/// One step from a value to one in it.
#[derive(Clone, Debug, PartialEq)]
enum Step {
    Key(String),
    Entry(usize),
}

/// Calls `told` with the path, the place and the value of everything that is neither a table nor a list.
///
/// A path has the keys alone, the same for all entries of a list.
fn each(table: &Table, told: &mut dyn FnMut(&str, &[Step], &Value)) {
    fn inside(
        path: &str,
        place: &mut Vec<Step>,
        value: &Value,
        told: &mut dyn FnMut(&str, &[Step], &Value),
    ) {
        match value {
            Value::Table(table) => {
                for (key, value) in table {
                    let dot = if path.is_empty() { "" } else { "." };
                    place.push(Step::Key(key.clone()));
                    inside(&format!("{path}{dot}{key}"), place, value, told);
                    place.pop();
                }
            }
            Value::Array(list) => {
                for (entry, value) in list.iter().enumerate() {
                    place.push(Step::Entry(entry));
                    inside(path, place, value, told);
                    place.pop();
                }
            }
            _ => told(path, place, value),
        }
    }
    inside("", &mut Vec::new(), &Value::Table(table.clone()), told);
}

/// Returns the scenario with another value at a place, or without one.
fn with(table: &Table, place: &[Step], value: Option<Value>) -> Table {
    fn put(inside: &mut Value, place: &[Step], value: Option<Value>) {
        match (inside, place, value) {
            (Value::Table(table), [Step::Key(key)], Some(value)) => {
                table.insert(key.clone(), value);
            }
            (Value::Table(table), [Step::Key(key)], None) => {
                table.remove(key);
            }
            (Value::Array(list), [Step::Entry(entry)], Some(value)) => {
                if let Some(old) = list.get_mut(*entry) {
                    *old = value;
                }
            }
            (Value::Table(table), [Step::Key(key), rest @ ..], value) => {
                if let Some(inside) = table.get_mut(key) {
                    put(inside, rest, value);
                }
            }
            (Value::Array(list), [Step::Entry(entry), rest @ ..], value) => {
                if let Some(inside) = list.get_mut(*entry) {
                    put(inside, rest, value);
                }
            }
            _ => {}
        }
    }
    let mut whole = Value::Table(table.clone());
    put(&mut whole, place, value);
    match whole {
        Value::Table(table) => table,
        _ => Table::new(),
    }
}

//! What goes wrong in a drawn scenario.

use restante_proto::limits::{DAY_MS, MINUTE_MS, SECOND_MS};
use toml::{Table, Value};

use super::{Feature, Frame, one_of, push, share, spread, time, whole};
use crate::random::Random;

/// One kind of fault each; how often they are drawn is the same for all.
pub(super) const FEATURES: &[Feature] = &[
    kind("crash", |frame, random, table| {
        let target = one_of(random, &["any", "holders", "busy", "people"]);
        let down = frame.span(random);
        let entry = [
            ("target", target.into()),
            ("count", count(frame, random)),
            ("down", time(down)),
        ];
        again("crash", down, frame, random, table, entry);
    }),
    kind("kill", |frame, random, table| {
        let target = one_of(random, &["any", "holders"]);
        let entry = [
            ("target", target.into()),
            ("count", whole(random.between(1, 2))),
        ];
        once("kill", frame, random, table, entry);
    }),
    kind("mass death", |frame, random, table| {
        let most = (frame.keepers() / 3).max(1);
        let entry = [
            ("target", "any".into()),
            ("count", whole(random.between(1, most))),
        ];
        once("kill", frame, random, table, entry);
    }),
    kind("partition", |frame, random, table| {
        let (keepers, people) = match random.below(3) {
            0 => (share(random, 600), Value::Float(0.0)),
            1 => (Value::Float(0.0), share(random, 1_000)),
            _ => (share(random, 600), share(random, 600)),
        };
        let lasts = frame.span(random);
        let entry = [
            ("keepers", keepers),
            ("people", people),
            ("lasts", time(lasts)),
        ];
        again("partition", lasts, frame, random, table, entry);
    }),
    kind("offline", |frame, random, table| {
        let target = one_of(random, &["any", "holders", "people"]);
        let lasts = frame.span(random);
        let entry = [
            ("target", target.into()),
            ("count", count(frame, random)),
            ("lasts", time(lasts)),
        ];
        again("offline", lasts, frame, random, table, entry);
    }),
    kind("bootstrap outage", |frame, random, table| {
        let lasts = frame.span(random);
        let entry = [("lasts", time(lasts))];
        again("bootstrap-outage", lasts, frame, random, table, entry);
    }),
    kind("weather", |frame, random, table| {
        let worse = match random.below(3) {
            0 => ("loss", share(random, 300)),
            1 => ("duplicates", share(random, 300)),
            _ => ("latency", time(spread(random, 20, 2 * SECOND_MS))),
        };
        let lasts = spread(random, MINUTE_MS / 6, 10 * MINUTE_MS);
        let entry = [worse, ("lasts", time(lasts))];
        again("weather", lasts, frame, random, table, entry);
    }),
    kind("weak disk", |frame, random, table| {
        let what = one_of(random, &["full", "slow", "errors"]);
        let target = one_of(random, &["any", "holders", "people"]);
        let lasts = frame.span(random);
        let entry = [
            ("what", what.into()),
            ("target", target.into()),
            ("count", count(frame, random)),
            ("lasts", time(lasts)),
        ];
        again("disk", lasts, frame, random, table, entry);
    }),
    kind("lying disk", |frame, random, table| {
        let what = one_of(random, &["lost-syncs", "rot"]);
        let target = one_of(random, &["any", "holders"]);
        let entry = [
            ("what", what.into()),
            ("target", target.into()),
            ("count", whole(random.between(1, 2))),
            ("lasts", time(frame.span(random))),
        ];
        once("disk", frame, random, table, entry);
    }),
    kind("clock", |frame, random, table| {
        wrong_clock(10 * MINUTE_MS, frame, random, table);
    }),
    kind("liars", |_, random, table| {
        let what = one_of(random, &["drop", "stale", "route"]);
        let entry = [("kind", what.into()), ("share", share(random, 100))];
        push(table, "adversary", entry);
    }),
    kind("sybils", |frame, random, table| {
        let (person, count) = (random.below(frame.people), random.between(1, 4));
        let entry = [
            ("kind", "sybil".into()),
            ("near", one_of(random, &["locator", "mailbox"]).into()),
            ("person", whole(person)),
            ("count", whole(count)),
            ("groups", whole(random.between(1, count))),
        ];
        push(table, "adversary", entry);
    }),
    kind("clock of another day", |frame, random, table| {
        wrong_clock(30 * DAY_MS, frame, random, table);
    }),
    kind("suspended", |frame, random, table| {
        let target = one_of(random, &["any", "holders", "people"]);
        let lasts = frame.span(random);
        let entry = [
            ("target", target.into()),
            ("count", count(frame, random)),
            ("lasts", time(lasts)),
        ];
        again("suspend", lasts, frame, random, table, entry);
    }),
    kind("home of another day", |frame, random, table| {
        copies("rollback", frame, random, table);
    }),
    kind("home twice", |frame, random, table| {
        copies("twin", frame, random, table);
    }),
];

/// Adds homes that are copied: what goes back to its copy, or goes on beside it.
fn copies(what: &str, frame: &Frame, random: &mut Random, table: &mut Table) {
    let lasts = spread(random, MINUTE_MS, frame.duration_ms / 2);
    let entry = [
        ("target", "people".into()),
        ("count", whole(random.between(1, frame.people.div_ceil(3)))),
        ("lasts", time(lasts)),
    ];
    again(what, lasts, frame, random, table, entry);
}

/// Adds clocks that are wrong by up to so much, at once or more and more.
fn wrong_clock(most_ms: u64, frame: &Frame, random: &mut Random, table: &mut Table) {
    let way = one_of(random, &["ahead", "behind"]);
    let target = one_of(random, &["any", "holders", "people"]);
    let entry = [
        (way, time(spread(random, SECOND_MS, most_ms))),
        ("target", target.into()),
        ("count", count(frame, random)),
        ("lasts", time(frame.span(random))),
        ("drift", random.chance(300_000).into()),
    ];
    once("clock", frame, random, table, entry);
}

const fn kind(name: &'static str, write: fn(&Frame, &mut Random, &mut Table)) -> Feature {
    Feature {
        name,
        chance_ppm: 0,
        write,
    }
}

/// Draws how many machines are hit: mostly few.
fn count(frame: &Frame, random: &mut Random) -> Value {
    whole(spread(random, 1, (frame.keepers() / 2).max(1)))
}

/// Adds a fault that comes once, and returns when.
fn once<const N: usize>(
    kind: &str,
    frame: &Frame,
    random: &mut Random,
    table: &mut Table,
    entry: [(&str, Value); N],
) -> u64 {
    let at_ms = frame.moment(random);
    push(table, "fault", entry);
    complete(table, [("kind", kind.into()), ("at", time(at_ms))]);
    at_ms
}

/// Adds a fault that may come again, each time when the one before is over.
fn again<const N: usize>(
    kind: &str,
    lasts_ms: u64,
    frame: &Frame,
    random: &mut Random,
    table: &mut Table,
    entry: [(&str, Value); N],
) {
    let at_ms = once(kind, frame, random, table, entry);
    if random.chance(300_000) {
        let every = lasts_ms + spread(random, 10 * SECOND_MS, 10 * MINUTE_MS);
        // All of them begin before the end, though the last may outlast it.
        let room = (frame.duration_ms - at_ms).saturating_sub(1) / every + 1;
        let times = random.between(2, 5).min(room);
        complete(table, [("times", whole(times)), ("every", time(every))]);
    }
}

/// Adds keys to the fault that was added last.
fn complete<const N: usize>(table: &mut Table, keys: [(&str, Value); N]) {
    let list = table.get_mut("fault").and_then(Value::as_array_mut);
    let last = list.and_then(|list| list.last_mut());
    if let Some(last) = last.and_then(Value::as_table_mut) {
        last.extend(keys.map(|(key, value)| (key.to_owned(), value)));
    }
}

//! Keys that the command line sets, put into a document before it is read.
//!
//! Each override is treated as if it stood behind the end of the file, one after the other, so that
//! every place that a fault names is in the file or in one override.

use std::borrow::Cow;
use std::ops::Range;

use toml::Spanned;
use toml::de::{DeString, DeTable, DeValue};

use super::super::ScenarioFault;

/// Most overrides of one run.
const OVERRIDES_MAX: usize = 64;
/// Longest override, in bytes.
const OVERRIDE_BYTES_MAX: usize = 4_096;

/// One override, laid out behind the file.
pub(super) struct Override {
    /// As it was typed.
    typed: String,
    /// Where it begins.
    from: usize,
    /// Where its value begins.
    value_from: usize,
    /// Spaces up to its place, and then a document with the value under a key of one letter.
    padded: String,
}

impl Override {
    /// Returns the name that stands for it in a fault, and the column, if the place is in it.
    pub(super) fn place(&self, at: usize) -> Option<(String, usize)> {
        let within = self.from..=self.from + self.typed.len();
        if !within.contains(&at) {
            return None;
        }
        let before = self.typed.get(..at - self.from).unwrap_or(&self.typed);
        Some((format!("--set {}", self.typed), before.chars().count() + 1))
    }

    fn fault(&self, message: String) -> ScenarioFault {
        ScenarioFault {
            name: format!("--set {}", self.typed),
            line: 1,
            column: 1,
            message,
        }
    }

    fn segments(&self) -> Vec<Spanned<&str>> {
        let path = self.typed.get(..self.value_from - self.from - 1);
        let mut from = self.from;
        let mut segments = Vec::new();
        for segment in path.unwrap_or_default().split('.') {
            segments.push(Spanned::new(from..from + segment.len(), segment));
            from += segment.len() + 1;
        }
        segments
    }

    /// Returns the value: what TOML makes of it, or the text as it stands.
    fn value(&self) -> Spanned<DeValue<'_>> {
        let parsed = DeTable::parse(&self.padded).ok().map(Spanned::into_inner);
        let only = parsed.filter(|table| table.len() == 1);
        let value = only.and_then(|mut table| table.remove(KEY));
        value.unwrap_or_else(|| {
            let whole = self.value_from..self.from + self.typed.len();
            let text = self.typed.get(self.value_from - self.from..);
            let text = Cow::Borrowed(text.unwrap_or_default());
            Spanned::new(whole, DeValue::String(text))
        })
    }

    /// Puts the value where it belongs.
    pub(super) fn apply<'i>(
        &'i self,
        document: &mut Spanned<DeTable<'i>>,
    ) -> Result<(), ScenarioFault> {
        let segments = self.segments();
        let placed = into_table(document.get_mut(), &segments, self.value());
        placed.map_err(|message| self.fault(message))
    }
}

/// The key under which the value of an override is read: it stands where the last letter of the path does.
const KEY: &str = "x";

/// Lays overrides out behind a file of so many bytes.
pub(super) fn lay_out(bytes: usize, typed: &[String]) -> Result<Vec<Override>, ScenarioFault> {
    let mut all = Vec::with_capacity(typed.len());
    let mut from = bytes + 1;
    for typed in typed {
        let wrong = |message: &str| ScenarioFault {
            name: format!("--set {typed}"),
            line: 1,
            column: 1,
            message: message.to_owned(),
        };
        if all.len() == OVERRIDES_MAX || typed.len() > OVERRIDE_BYTES_MAX {
            return Err(wrong("there are too many overrides, or it is too long"));
        }
        let equals = typed.find('=').filter(|equals| *equals > 0);
        let Some(equals) = equals else {
            return Err(wrong("this is not PATH=VALUE, such as network.loss=0.1"));
        };
        let value_from = from + equals + 1;
        let value = typed.get(equals + 1..).unwrap_or_default();
        all.push(Override {
            typed: typed.clone(),
            from,
            value_from,
            padded: format!("{}{KEY}={value}", " ".repeat(value_from - KEY.len() - 1)),
        });
        from += typed.len() + 1;
    }
    Ok(all)
}

fn into_table<'i>(
    table: &mut DeTable<'i>,
    path: &[Spanned<&'i str>],
    value: Spanned<DeValue<'i>>,
) -> Result<(), String> {
    let Some((first, rest)) = path.split_first() else {
        return Err("the path has no key".to_owned());
    };
    let key = *first.get_ref();
    if key.is_empty() {
        return Err("the path has an empty key".to_owned());
    }
    let typed_key = Spanned::new(first.span(), DeString::Borrowed(key));
    if rest.is_empty() {
        // The old key would keep its old place.
        table.remove(key);
        table.insert(typed_key, value);
        return Ok(());
    }
    let missing = || Spanned::new(first.span(), DeValue::Table(DeTable::new()));
    let inner = table.entry(typed_key).or_insert_with(missing);
    into_value(inner, first.span(), rest, value)
}

fn into_value<'i>(
    inner: &mut Spanned<DeValue<'i>>,
    named: Range<usize>,
    path: &[Spanned<&'i str>],
    value: Spanned<DeValue<'i>>,
) -> Result<(), String> {
    match inner.get_mut() {
        DeValue::Table(table) => into_table(table, path, value),
        DeValue::Array(array) => {
            let Some((first, rest)) = path.split_first() else {
                return Err("the path has no key".to_owned());
            };
            let (key, count) = (*first.get_ref(), array.len());
            let by_name = array.iter().position(|element| is_called(element, key));
            let place = key.parse().ok().or(by_name);
            if place == Some(count) {
                array.push(Spanned::new(named, DeValue::Table(DeTable::new())));
            }
            let element = place.and_then(|place| array.get_mut(place));
            let Some(element) = element else {
                return Err(format!(
                    "{key:?} is neither a place, from 0 to {count}, nor the name of one of these"
                ));
            };
            if rest.is_empty() {
                *element = value;
                return Ok(());
            }
            into_value(element, first.span(), rest, value)
        }
        other => {
            let what = other.type_str();
            Err(format!("the path leads into a {what}, which has no keys"))
        }
    }
}

fn is_called(element: &Spanned<DeValue<'_>>, name: &str) -> bool {
    let table = element.get_ref().as_table();
    let called = table.and_then(|table| table.get("name"));
    called.is_some_and(|called| called.get_ref().as_str() == Some(name))
}

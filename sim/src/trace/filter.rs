//! What somebody wants to read of a trace; its hash covers all of it.

use std::io::{self, Write};
use std::time::Duration;

#[cfg(test)]
mod tests;

/// Which lines are wanted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Filter {
    /// Names of nodes and messages, one of which a line has; nothing for all lines.
    names: Vec<String>,
    /// Times in one of which it happens, in milliseconds, the end excluded; nothing for all times.
    times: Vec<(u64, u64)>,
}

impl Filter {
    /// Reads filters: names such as `p2`, `k7` and `m3`, and times such as `10m..20m`.
    ///
    /// # Errors
    ///
    /// A sentence that says what is wrong with which.
    pub(crate) fn parse(typed: &[String]) -> Result<Self, String> {
        let mut filter = Self::default();
        for one in typed.iter().flat_map(|typed| typed.split(',')) {
            if let Some((from, to)) = one.split_once("..") {
                let (from_ms, to_ms) = (time(one, from, 0)?, time(one, to, u64::MAX)?);
                if from_ms >= to_ms {
                    return Err(format!("{one:?} ends before it begins"));
                }
                filter.times.push((from_ms, to_ms));
            } else if is_name(one) {
                filter.names.push(one.to_owned());
            } else {
                return Err(format!(
                    "{one:?} is neither a name such as p2, k7 or m3 nor a time such as 10m..20m"
                ));
            }
        }
        Ok(filter)
    }

    /// Tells whether a line is wanted: one of the names stands in it, and it lies in one of the times.
    fn takes(&self, line: &str) -> bool {
        let (when, what) = line.split_once(' ').unwrap_or((line, ""));
        let at_ms = when.split_once('.').and_then(|(seconds, ms)| {
            let seconds: u64 = seconds.parse().ok()?;
            Some(seconds * 1_000 + ms.parse::<u64>().ok()?)
        });
        let mut times = self.times.iter();
        let in_time = self.times.is_empty()
            || at_ms.is_some_and(|at| times.any(|(from, to)| (*from..*to).contains(&at)));
        let mut words = what.split(|c: char| !c.is_ascii_alphanumeric());
        let named =
            self.names.is_empty() || words.any(|word| self.names.iter().any(|name| name == word));
        in_time && named
    }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_alphanumeric())
}

fn time(whole: &str, text: &str, otherwise: u64) -> Result<u64, String> {
    if text.is_empty() {
        return Ok(otherwise);
    }
    let parsed = humantime::parse_duration(text).ok();
    let ms = parsed.and_then(|time: Duration| u64::try_from(time.as_millis()).ok());
    ms.ok_or_else(|| format!("{text:?} in {whole:?} is not a duration such as \"30s\" or \"6d\""))
}

/// Writes on what is wanted of whole lines.
pub(crate) struct Filtered<W> {
    filter: Filter,
    sink: W,
}

impl<W> Filtered<W> {
    pub(crate) const fn new(filter: Filter, sink: W) -> Self {
        Self { filter, sink }
    }
}

impl<W: Write> Write for Filtered<W> {
    /// Takes one line at a time.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(line);
        if self.filter.takes(text.trim_end()) {
            self.sink.write_all(line)?;
        }
        Ok(line.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.sink.flush()
    }
}

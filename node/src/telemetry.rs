//! Log lines: to standard error, for people or as JSON, without anything about people in them.
//!
//! A plain level such as `info` is meant for Restante's own code; the libraries below it, which log
//! addresses of peers and know nothing of this project's rules, are held to errors. A filter with
//! directives, such as `debug,libp2p_swarm=trace`, is taken as it is.

use std::io::{self, IsTerminal};

use serde::{Deserialize, Serialize};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

/// How log lines are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object a line.
    Json,
}

/// The log filter is not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{0:?} is not a log filter; \
     write off, error, warn, info, debug, trace or directives like restante=debug"
)]
pub(crate) struct FilterError(String);

/// Parses a log filter.
///
/// # Errors
///
/// [`FilterError`] when it is neither a level nor a list of directives.
pub(crate) fn filter(text: &str) -> Result<EnvFilter, FilterError> {
    let wrong = || FilterError(text.to_owned());
    // A lone word would be taken for a target, of which everything is logged: a slip, most likely.
    let meant = |part: &str| part.contains('=') || part.trim().parse::<LevelFilter>().is_ok();
    if text.trim().is_empty() || !text.split(',').all(meant) {
        return Err(wrong());
    }
    let directives = match text.trim().parse::<LevelFilter>() {
        Ok(LevelFilter::OFF) => "off".to_owned(),
        Ok(level) => format!("error,restante={level}"),
        Err(_) => text.to_owned(),
    };
    EnvFilter::builder().parse(directives).map_err(|_| wrong())
}

/// Logs to standard error from now to the end of the process.
///
/// A process that logs already goes on as it does.
///
/// # Errors
///
/// [`FilterError`] when the filter is not understood.
pub(crate) fn init(directives: &str, format: LogFormat) -> Result<(), FilterError> {
    let colour = io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter(directives)?)
        .with_writer(io::stderr)
        // A line that cannot be written, as on a full disk, is lost: told on the same stream, that would be a panic of
        // whatever part of the node had something to log.
        .log_internal_errors(false)
        .with_ansi(colour);
    let _already = match format {
        LogFormat::Text => builder.try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    Ok(())
}

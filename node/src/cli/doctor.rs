//! `restante doctor`.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::UNIX_EPOCH;

use restante_interface::{DoctorReport, Examined, Reply, Request, Verdict};
use serde::Serialize;

use super::args::DoctorArgs;
use super::session::unexpected;
use super::terminal::{align, escape_line, now_ms};
use super::words::{self, Check};
use super::{Failure, Output, Session, hints};
use crate::config::units::{approximate_duration_ms, approximate_size_bytes};
use crate::config::{Config, Loaded, RawConfig};
use crate::control::client::CallError;
use crate::home::{Home, HomeKind};

/// Free disk below which there is a warning, in bytes.
const FREE_BYTES_WARN: u64 = 256 << 20;
/// Free disk below which the node does not work, in bytes.
const FREE_BYTES_FAIL: u64 = 16 << 20;
/// 2026-01-01, before which this code did not exist, in milliseconds since 1970.
const EARLIEST_MS: u64 = 1_767_225_600_000;
/// How far in the future a file's time may be, in milliseconds.
const SKEW_MS: u64 = restante_proto::limits::CLOCK_SKEW_MS;

/// The output of `restante doctor --json`.
#[derive(Debug, Serialize)]
pub(super) struct Report {
    pub(super) checks: Vec<Check>,
}

/// Examines the home, and asks the node to examine itself.
pub(super) fn doctor(
    session: &Session,
    args: &DoctorArgs,
    out: &mut Output,
) -> Result<(), Failure> {
    let answer = session.try_call(Request::Doctor, |_| {})?;
    let has_joined = matches!(&answer, Ok(Reply::Doctor(report)) if has_joined(report));
    let mut checks = examine(session.home(), has_joined);
    match answer {
        Ok(Reply::Doctor(report)) => {
            checks.push(Check::ok("node", "it is running and answers"));
            checks.extend(report.findings.iter().map(words::finding));
        }
        Ok(other) => return Err(unexpected(&other)),
        Err(CallError::NotRunning) => checks.push(Check::warn(
            "node",
            "it is not running",
            format!(
                "start it with `restante --home {} run`",
                hints::shell_word(session.home().path())
            ),
        )),
        Err(error) => {
            let failure = Failure::from(error);
            checks.push(Check::fail("node", failure.message, failure.hint));
        }
    }
    let report = Report { checks };
    if args.json {
        out.json(&report)?;
    } else {
        describe(&report)
            .iter()
            .try_for_each(|line| out.line(line))?;
    }
    out.flush()?;
    let failed = report
        .checks
        .iter()
        .filter(|check| check.verdict == Verdict::Fail)
        .count();
    if failed > 0 {
        return Err(Failure::failed(
            format!("{failed} of {} checks failed", report.checks.len()),
            "do what they say",
        ));
    }
    Ok(())
}

/// Tells whether the node knows others, however it came to.
fn has_joined(report: &DoctorReport) -> bool {
    report.findings.iter().any(|finding| {
        matches!(
            finding.what,
            Examined::Network { keepers: 1.., .. } | Examined::ServerNetwork { keepers: 1.., .. }
        )
    })
}

/// Makes the checks that need no running node.
pub(super) fn examine(home: &Home, has_joined: bool) -> Vec<Check> {
    vec![
        permissions(home),
        files(home),
        configuration(home, has_joined),
        disk(home),
        clock(home),
    ]
}

/// Returns the lines a person reads.
pub(super) fn describe(report: &Report) -> Vec<String> {
    let rows = report.checks.iter().map(|check| {
        let verdict = match check.verdict {
            Verdict::Ok => "ok",
            Verdict::Warn => "look",
            Verdict::Fail => "FAIL",
        };
        let mut text = escape_line(&check.detail);
        if !check.fix.is_empty() {
            text.push_str("; ");
            text.push_str(&escape_line(&check.fix));
        }
        vec![verdict.to_owned(), check.name.to_owned(), text]
    });
    align(&rows.collect::<Vec<_>>())
}

fn permissions(home: &Home) -> Check {
    let name = "home";
    let shown = home.path().display();
    match fs::metadata(home.path()) {
        Err(error) => Check::fail(name, format!("{shown}: {error}"), "check the path"),
        Ok(metadata) if metadata.uid() != rustix::process::geteuid().as_raw() => Check::fail(
            name,
            format!("{shown} belongs to another user"),
            "use a folder of your own",
        ),
        Ok(metadata) if metadata.mode() & 0o077 != 0 => Check::fail(
            name,
            format!(
                "{shown} is open to other users (mode {:03o})",
                metadata.mode() & 0o777
            ),
            format!("run `chmod 700 {}`", hints::shell_word(home.path())),
        ),
        Ok(_) => Check::ok(name, format!("{shown} is open to you alone")),
    }
}

fn files(home: &Home) -> Check {
    let name = "files";
    let wanted = match home.kind() {
        Ok(HomeKind::Person) => vec![
            home.unlock_file(),
            home.client_database(),
            home.message_keys_file(),
        ],
        Ok(HomeKind::Community) => vec![home.node_key_file()],
        Err(error) => return Check::fail(name, error.to_string(), hints::home(&error)),
    };
    for path in wanted {
        let fix = "put the whole home folder back from a backup";
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() && metadata.len() > 0 => {}
            Ok(_) => {
                return Check::fail(name, format!("{} is empty", path.display()), fix);
            }
            Err(error) => {
                return Check::fail(name, format!("{}: {error}", path.display()), fix);
            }
        }
    }
    Check::ok(name, "all there")
}

fn configuration(home: &Home, has_joined: bool) -> Check {
    let name = "configuration";
    let defaults = match home.kind() {
        Ok(HomeKind::Community) => Config::community(),
        _ => Config::default(),
    };
    match Loaded::load(&defaults, &home.config_file(), RawConfig::default()) {
        Err(errors) => Check::fail(name, errors.to_string(), "correct it"),
        Ok(loaded) if !loaded.warnings.is_empty() => {
            Check::warn(name, loaded.warnings.join("; "), "correct or unset it")
        }
        Ok(loaded) if loaded.config.bootstrap.is_empty() && !has_joined => Check::warn(
            name,
            "valid, but names no node to join the network through",
            "set bootstrap in config.toml, unless this is the first node of a network",
        ),
        Ok(_) => Check::ok(name, "valid"),
    }
}

fn disk(home: &Home) -> Check {
    let name = "disk";
    let free = match rustix::fs::statvfs(home.path()) {
        Ok(stat) => stat.f_bavail.saturating_mul(stat.f_frsize),
        Err(error) => return Check::fail(name, error.to_string(), "check the disk"),
    };
    let detail = format!("{} free", approximate_size_bytes(free));
    match free {
        0..FREE_BYTES_FAIL => Check::fail(name, detail, "make room"),
        FREE_BYTES_FAIL..FREE_BYTES_WARN => Check::warn(name, detail, "make room"),
        _ => Check::ok(name, detail),
    }
}

fn clock(home: &Home) -> Check {
    let name = "clock";
    let fix = "set the clock: expiry goes by it";
    let now_ms = now_ms();
    if now_ms < EARLIEST_MS {
        return Check::fail(name, "it is years behind", fix);
    }
    let changed_ms = fs::metadata(home.client_database())
        .and_then(|metadata| metadata.modified())
        .ok()
        .and_then(|time| time.duration_since(UNIX_EPOCH).ok())
        .map_or(0, |since| {
            u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
        });
    if changed_ms > now_ms.saturating_add(SKEW_MS) {
        let ahead = approximate_duration_ms(changed_ms - now_ms);
        return Check::fail(name, format!("it is at least {ahead} behind"), fix);
    }
    Check::ok(name, "plausible")
}

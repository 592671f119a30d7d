//! `restante doctor`.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::time::UNIX_EPOCH;

use restante_interface::{Reply, Request, Verdict};
use serde::Serialize;

use super::args::DoctorArgs;
use super::session::unexpected;
use super::terminal::{align, escape_line, now_ms};
use super::words::{self, Check};
use super::{Failure, Output, Session, hints, remembered};
use crate::config::units::{approximate_duration_ms, approximate_size_bytes};
use crate::config::{Config, RawConfig};
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
    // A node that runs says itself what it has to join through.
    let mut checks = examine(session.home(), matches!(&answer, Ok(Reply::Doctor(_))));
    match answer {
        Ok(Reply::Doctor(report)) => {
            let named = ("node", "node_running");
            checks.push(Check::ok(named, "it is running and answers"));
            let found = &report.findings;
            checks.extend(found.iter().map(|state| words::finding(state, found)));
        }
        Ok(other) => return Err(unexpected(&other)),
        Err(CallError::NotRunning) => checks.push(Check::warn(
            ("node", "node_not_running"),
            "it is not running",
            format!("start it with `{}`", session.start()),
        )),
        Err(error) => {
            let failure = Failure::from(error);
            let named = ("node", failure.code);
            checks.push(Check::fail(named, failure.message, failure.hint));
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
        )
        .coded("checks_failed"));
    }
    Ok(())
}

/// Makes the checks that need no running node.
pub(super) fn examine(home: &Home, is_running: bool) -> Vec<Check> {
    let mut checks = vec![
        permissions(home),
        files(home),
        configuration(home, is_running),
        disk(home),
    ];
    // A node that runs knows more of the clock, from keepers.
    checks.extend(Some(clock(home)).filter(|it| !is_running || it.verdict != Verdict::Ok));
    checks
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
    let shown = home.path().display();
    match fs::metadata(home.path()) {
        Err(error) => {
            let named = ("home", "home_unreadable");
            Check::fail(named, format!("{shown}: {error}"), "check the path")
        }
        Ok(metadata) if metadata.uid() != rustix::process::geteuid().as_raw() => Check::fail(
            ("home", "home_of_another"),
            format!("{shown} belongs to another user"),
            "use a folder of your own",
        ),
        Ok(metadata) if metadata.mode() & 0o077 != 0 => Check::fail(
            ("home", "home_open_to_others"),
            format!(
                "{shown} is open to other users (mode {:03o})",
                metadata.mode() & 0o777
            ),
            format!("run `chmod 700 {}`", hints::shell_word(home.path())),
        ),
        Ok(_) => Check::ok(
            ("home", "home_private"),
            format!("{shown} is open to you alone"),
        ),
    }
}

fn files(home: &Home) -> Check {
    let wanted = match home.kind() {
        Ok(HomeKind::Person) => vec![
            home.unlock_file(),
            home.client_database(),
            home.message_keys_file(),
        ],
        Ok(HomeKind::Community) => vec![home.node_key_file()],
        Err(error) => {
            let named = ("files", "files_incomplete");
            return Check::fail(named, error.to_string(), hints::home(&error));
        }
    };
    for path in wanted {
        let fix = "put the whole home folder back from a backup";
        match fs::metadata(&path) {
            Ok(metadata) if metadata.is_file() && metadata.len() > 0 => {}
            Ok(_) => {
                let named = ("files", "files_empty");
                return Check::fail(named, format!("{} is empty", path.display()), fix);
            }
            Err(error) => {
                let named = ("files", "files_missing");
                return Check::fail(named, format!("{}: {error}", path.display()), fix);
            }
        }
    }
    Check::ok(("files", "files_there"), "all there")
}

fn configuration(home: &Home, is_running: bool) -> Check {
    let name = "configuration";
    let defaults = match home.kind() {
        Ok(HomeKind::Community) => Config::community(),
        _ => Config::default(),
    };
    match remembered::load(home.path(), &defaults, RawConfig::default()) {
        Err(errors) => Check::fail(
            (name, "configuration_wrong"),
            errors.to_string(),
            "correct it",
        ),
        Ok(loaded) if !loaded.warnings.is_empty() => Check::warn(
            (name, "configuration_passed_over"),
            loaded.warnings.join("; "),
            "correct or unset it",
        ),
        Ok(loaded) if loaded.config.bootstrap.is_empty() && !is_running => Check::warn(
            (name, "configuration_without_entry"),
            "valid, but names no node to join the network through",
            "set `bootstrap` (run --bootstrap ADDRESS remembers it), unless this is the first node of a network",
        ),
        Ok(_) => Check::ok((name, "configuration_valid"), "valid"),
    }
}

fn disk(home: &Home) -> Check {
    let name = "disk";
    let free = match rustix::fs::statvfs(home.path()) {
        Ok(stat) => stat.f_bavail.saturating_mul(stat.f_frsize),
        Err(error) => {
            return Check::fail(
                (name, "disk_unreadable"),
                error.to_string(),
                "check the disk",
            );
        }
    };
    let detail = format!("{} free", approximate_size_bytes(free));
    match free {
        0..FREE_BYTES_FAIL => Check::fail((name, "disk_full"), detail, "make room"),
        FREE_BYTES_FAIL..FREE_BYTES_WARN => {
            Check::warn((name, "disk_nearly_full"), detail, "make room")
        }
        _ => Check::ok((name, "disk_free"), detail),
    }
}

fn clock(home: &Home) -> Check {
    let name = "clock";
    let fix = "set the clock: expiry goes by it";
    let now_ms = now_ms();
    if now_ms < EARLIEST_MS {
        return Check::fail((name, "clock_years_behind"), "it is years behind", fix);
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
        let named = (name, "clock_behind");
        return Check::fail(named, format!("it is at least {ahead} behind"), fix);
    }
    Check::ok((name, "clock_plausible"), "plausible")
}

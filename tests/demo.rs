//! `restante demo`: the first thing anybody runs.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use restante_tests::{Said, Site, program};

/// How long the demonstration may take, unoptimised.
const TIME_MAX: Duration = Duration::from_secs(40);

#[test]
fn the_demonstration_says_what_it_checked_logs_nothing_of_it_and_leaves_nothing_behind() {
    let site = Site::new();
    let started = Instant::now();
    let said = Said::by(&mut demo(site.path(), "info"), &[]);
    let took = started.elapsed();
    let stderr = said.stderr.clone();
    let stdout = said.done();
    assert!(took < TIME_MAX, "it took {took:?}");
    assert!(
        stdout.contains("everything was as it should be"),
        "{stdout}"
    );

    assert!(stderr.contains(" INFO "), "it logs at info");
    assert!(
        !stderr.contains(" ERROR ") && !stderr.contains("panicked"),
        "{stderr}"
    );
    let ids = stdout
        .split_whitespace()
        .filter(|word| word.contains('.') && word.contains('-'));
    let texts = stdout.split('"').skip(1).step_by(2);
    let secrets: Vec<&str> = ids.chain(texts).collect();
    assert!(secrets.len() >= 6, "{secrets:?}");
    for secret in secrets
        .into_iter()
        .chain(["127.0.0.1", "/ip4/", "12D3KooW"])
    {
        assert!(
            !stderr.contains(secret),
            "{secret:?} is in the log:\n{stderr}"
        );
    }
    let left: Vec<_> = fs::read_dir(site.path()).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

fn demo(folder: &Path, log: &str) -> Command {
    let mut command = Command::new(program("restante"));
    command
        .env_clear()
        .env("TMPDIR", folder)
        .env("HOME", folder);
    command.args(["demo", "--log", log]);
    command
}

//! What somebody sets counts, and what is printed for pasting works when it is pasted.

use std::fs;
use std::process::Command;

use restante::clock;
use restante_interface::SendResult;
use restante_proto::limits::HOUR_MS;
use restante_tests::{Cluster, NETWORK, Node, Said, Site, eventually, program};

/// Returns how long a message lives, to the nearest hour.
fn hours(sent: &SendResult) -> u64 {
    let left_ms = sent.until_ms - clock::now().get();
    (left_ms + HOUR_MS / 2) / HOUR_MS
}

#[test]
fn the_life_of_messages_is_what_the_flag_says_else_the_environment_else_the_file() {
    let cluster = Cluster::of_servers(0);
    let bob = cluster.person("bob");
    Cluster::await_card(&bob);
    let bob_id = bob.id();
    let mut alice = cluster.site.person("alice");
    alice.init(&["--bootstrap", &cluster.entry, "--ttl", "7h"]);
    let from_file = alice.run_command(&[]);
    let mut from_environment = alice.run_command(&[]);
    from_environment.env("RESTANTE_TTL", "5h");
    let mut from_flag = alice.run_command(&["--ttl", "3h"]);
    from_flag.env("RESTANTE_TTL", "5h");
    for (command, expected) in [(from_file, 7), (from_environment, 5), (from_flag, 3)] {
        alice.run_by(command);
        for (flags, expected) in [(&[][..], expected), (&["--ttl", "2h"], 2)] {
            let sent = [&["send", &bob_id, "for so long", "--json"], flags].concat();
            let sent = serde_json::from_str(&alice.say(&sent).done()).unwrap();
            assert_eq!(hours(&sent), expected, "{sent:?}");
        }
        alice.stop();
    }
}

/// Returns a command line as somebody pastes it into a shell who has the programs in the search path.
fn pasted(node: &Node, line: &str) -> Command {
    let mut command = Command::new("/bin/sh");
    command
        .args(["-c", &format!("exec {line}")])
        .env_clear()
        .env("PATH", program("restante").parent().unwrap())
        .env("RESTANTE_PASSPHRASE", node.passphrase());
    command
}

/// Returns what a line has between the first two backquotes.
#[track_caller]
fn quoted(line: &str) -> &str {
    let (_, rest) = line.split_once('`').expect("it names a command");
    rest.split_once('`').expect("the command ends").0
}

#[test]
fn commands_that_are_printed_can_be_pasted_whatever_the_home_is_called() {
    let site = Site::new();
    let mut alice = site.person("alice");
    let folder = site.file("John Doe $HOME");
    fs::create_dir(&folder).unwrap();
    alice.move_home(folder.join("it's"));

    let missing = alice.say(&["run"]).refused(2, &["no Restante home at"]);
    let make = quoted(&missing).replace("NAME", "alice");
    let make = format!("{make} --profile local --network {NETWORK}");
    let made = Said::by(&mut pasted(&alice, &make), &[]).done();
    let next = made.lines().find_map(|line| line.strip_prefix("Next: "));
    let next = next.expect("it says what comes next");
    alice.run_by(pasted(&alice, next));

    let busy = Said::by(&mut alice.run_command(&[]), &[]).refused(1, &["running"]);
    Said::by(&mut pasted(&alice, quoted(&busy)), &[]).done();
    eventually("the node has ended", || {
        let said = alice.say(&["status"]);
        (!said.status.success()).then_some(())
    });
    let stopped = alice.say(&["status"]).refused(1, &["not running"]);
    alice.kill9();
    alice.run_by(pasted(&alice, quoted(&stopped)));
    alice.stop();
}

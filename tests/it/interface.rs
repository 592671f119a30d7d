//! The guide to the local interface (`node/interface/README.md`): what it shows works.

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use restante_tests::{Cluster, Node, Said, eventually};

/// Returns all blocks of the guide that are in one language, one after the other.
fn blocks(language: &str) -> String {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    let guide = fs::read_to_string(tests.join("../node/interface/README.md")).unwrap();
    let begin = format!("```{language}\n");
    let blocks = guide.split(&begin).skip(1);
    let text: Vec<&str> = blocks
        .map(|rest| rest.split("```").next().unwrap())
        .collect();
    assert!(!text.is_empty(), "the guide has {language}");
    text.join("\n")
}

/// A program that is ended with the test.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ended = self.0.kill();
        let _status = self.0.wait();
    }
}

#[test]
fn the_bot_of_the_guide_answers_a_stranger_and_goes_on_after_what_it_cannot_read() {
    let cluster = Cluster::of_servers(3);
    let (alice, bot) = (cluster.person("alice"), cluster.person("echo"));
    Cluster::await_card(&bot);
    Cluster::await_card(&alice);
    let program = cluster.site.path().join("echo.py");
    let source = blocks("python");
    assert!(source.lines().count() <= 40, "{}", source.lines().count());
    fs::write(&program, source).unwrap();
    let running = Command::new("python3")
        .arg(&program)
        .arg(bot.home())
        .stdin(Stdio::null())
        .spawn();
    let mut running = Running(running.expect("python3 is there"));

    alice.send(&bot.id(), &[0xff, 0], &[]);
    alice.send(&bot.id(), "gr\u{fc}\u{df} dich".as_bytes(), &[]);
    let got = alice.inbox_until(1);
    let text = got[0].text.as_ref().map(|text| text.0.as_str());
    assert_eq!(text, Some("echo: gr\u{fc}\u{df} dich"));
    eventually("the bot has read both", || {
        (bot.status().unread == 0).then_some(())
    });
    assert!(running.0.try_wait().unwrap().is_none(), "the bot runs on");
}

#[test]
fn every_example_of_the_guide_works() {
    let cluster = Cluster::of_servers(3);
    let (mut alice, bob) = (cluster.person("alice"), cluster.person("bob"));
    Cluster::await_card(&bob);
    Cluster::await_card(&alice);
    bob.send(&alice.id(), b"for the examples", &[]);
    eventually("the message has come", || {
        (alice.status().unread == 1).then_some(())
    });

    let said = Said::by(&mut examples(&alice, &bob.id()), &[]).done();
    for expected in [
        "{\"version\":5}",
        "\"openapi\":\"3.1.0\"",
        "\"state\":\"blocked\"",
        "\"verified\":true",
        "{\"sent\":{",
        "for the examples",
        "\"own\":true",
        "\"tells_read\":true",
        "event: reset",
        "\"unreadable\":0",
    ] {
        assert!(said.contains(expected), "{expected} is not in {said}");
    }
    alice.await_end();
    // Beside two texts, of which one was changed and taken back.
    let file = eventually("the file has come", || {
        let mut got = bob.inbox(0).into_iter();
        got.find(|message| message.file_name.is_some())
    });
    assert_eq!(file.file_name.as_deref(), Some("notes.txt"));
    assert_eq!(
        file.text.as_ref().map(|text| text.0.as_str()),
        Some("any bytes")
    );
}

/// Returns the command that runs all examples of the guide at a node, which ends by the last of them.
fn examples(node: &Node, who: &str) -> Command {
    let mut command = Command::new("bash");
    command
        .args(["-euo", "pipefail", "-c", &blocks("sh")])
        .env("RESTANTE_HOME", node.home())
        .env("FOLDER", node.home().parent().unwrap())
        .env("WHO", who);
    command
}

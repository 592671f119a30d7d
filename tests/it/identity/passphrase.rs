//! Another pass phrase.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use restante::vault::{UnlockError, unlock};
use restante_tests::{Node, Said, Site, program};

/// Commands that are killed, at moments spread over the time that one takes.
const KILLS: u32 = 12;

const NEW: &str = "another pass phrase";

/// Answers the prompts of a command at a terminal: `python3 -c ... COMMAND [ARGUMENT]...`, an answer a line on standard
/// input; ends as the command does, and prints what the terminal showed.
const TERMINAL: &str = "
import os, pty, sys, termios, time
answers = [line.rstrip(chr(10)) for line in sys.stdin]
child, terminal = pty.fork()
if child == 0:
    os.execv(sys.argv[1], sys.argv[1:])
shown = b''
while True:
    try:
        piece = os.read(terminal, 4096)
    except OSError:
        break
    if not piece:
        break
    shown += piece
    if piece.rstrip(b' ').endswith(b':') and answers:
        # What is typed before a prompt has switched that off is shown.
        while termios.tcgetattr(terminal)[3] & termios.ECHO:
            time.sleep(0.01)
        os.write(terminal, answers.pop(0).encode() + b'\\n')
sys.stdout.write(shown.decode())
sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
";

/// Writes a pass phrase where its owner alone can read it.
fn file(site: &Site, name: &str, passphrase: &str) -> PathBuf {
    let path = site.file(name);
    fs::write(&path, passphrase).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn opens(node: &Node, passphrase: &str) -> bool {
    let path = node.home().join("unlock");
    match unlock::open(&path, passphrase.as_bytes()) {
        Ok(_) => true,
        Err(UnlockError::WrongPassphrase) => false,
        Err(error) => panic!("the unlock file is whole at every moment: {error}"),
    }
}

#[test]
fn a_pass_phrase_is_changed_while_the_node_runs_and_counts_from_the_next_start() {
    let site = Site::new();
    let mut alice = site.person("alice");
    alice.init(&["--serve", "never"]);
    alice.run(&[]);
    let (id, old) = (alice.id(), alice.passphrase().to_owned());
    let new = file(&site, "new", NEW);
    let new = new.to_str().unwrap();
    let change = ["passphrase", "--new-passphrase-file", new, "--json"];
    let said = alice.say(&change).done();
    assert_eq!(said, "{\"changed\":true}\n");
    assert_eq!(alice.id(), id, "the node goes on");
    alice.stop();
    Said::by(&mut alice.run_command(&[]), &[]).refused(2, &["the pass phrase is wrong"]);
    alice
        .say(&change)
        .refused(2, &["passphrase_wrong", "nobody can bring back"]);
    assert!(!opens(&alice, &old));
    alice.set_passphrase(NEW);
    alice.say(&change).refused(
        2,
        &["passphrase_same", "the new pass phrase is the old one"],
    );
    alice.run(&[]);
    assert_eq!(alice.id(), id);
    alice.stop();
}

#[test]
fn what_a_change_lacks_is_said() {
    let site = Site::new();
    let mut alice = site.person("alice");
    alice
        .say(&["passphrase"])
        .refused(2, &["no Restante home", "init --handle NAME"]);
    alice.init(&["--serve", "never"]);
    alice
        .say(&["passphrase"])
        .refused(2, &["no new pass phrase", "--new-passphrase-file FILE"]);
    let open = file(&site, "open", NEW);
    fs::set_permissions(&open, fs::Permissions::from_mode(0o644)).unwrap();
    alice
        .say(&[
            "passphrase",
            "--new-passphrase-file",
            open.to_str().unwrap(),
        ])
        .refused(2, &["others can read", "chmod 600"]);
    let short = file(&site, "short", "short");
    let said = alice.say(&[
        "passphrase",
        "--new-passphrase-file",
        short.to_str().unwrap(),
    ]);
    assert!(said.stderr.contains("several words"), "{said:?}");
    said.done();
    alice.set_passphrase("short");
    alice.run(&[]);
    alice.stop();
    assert!(opens(&alice, "short"));
}

#[test]
fn a_terminal_asks_for_the_old_one_and_twice_for_the_new_one() {
    let site = Site::new();
    let alice = site.person("alice");
    alice.init(&["--serve", "never"]);
    let old = alice.passphrase().to_owned();
    let at_terminal = |answers: &[&str]| {
        let mut command = Command::new("python3");
        command
            .env("HOME", alice.home())
            .env_remove("RESTANTE_PASSPHRASE")
            .args(["-c", TERMINAL])
            .arg(program("restante"))
            .arg("--home")
            .arg(alice.home())
            .arg("passphrase");
        Said::by(&mut command, answers.join("\n").as_bytes())
    };
    let said = at_terminal(&[&old, NEW, "something else"]);
    assert_eq!(said.status.code(), Some(2), "{said:?}");
    assert!(said.stdout.contains("differ"), "{said:?}");
    assert!(opens(&alice, &old));
    let said = at_terminal(&[&old, NEW, NEW]).done();
    for text in ["New pass phrase", "The same again", "is changed"] {
        assert!(said.contains(text), "{text:?} is not in {said}");
    }
    assert!(!said.contains(NEW), "it is not shown");
    assert!(opens(&alice, NEW) && !opens(&alice, &old));
}

#[test]
fn whenever_a_change_is_killed_one_of_the_two_opens_the_home() {
    let site = Site::new();
    let mut alice = site.person("alice");
    alice.init(&["--serve", "never"]);
    let mut took = Duration::ZERO;
    let mut changes = 0;
    for kill in 0..=KILLS {
        let old = alice.passphrase().to_owned();
        let new = format!("pass phrase number {kill}");
        let path = file(&site, "new", &new);
        let mut command = alice.command(&["passphrase", "--new-passphrase-file"]);
        command
            .arg(&path)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        let began = Instant::now();
        let mut child = command.spawn().unwrap();
        if kill == 0 {
            assert!(child.wait().unwrap().success());
            took = began.elapsed();
        } else {
            thread::sleep(took * kill / (KILLS - 1));
            let _ended = child.kill();
            child.wait().unwrap();
        }
        let (by_old, by_new) = (opens(&alice, &old), opens(&alice, &new));
        assert!(by_old != by_new, "kill {kill}: {by_old}, {by_new}");
        if by_new {
            alice.set_passphrase(&new);
            changes += 1;
        }
    }
    assert!(changes > 0);
    alice.run(&[]);
    alice.stop();
}

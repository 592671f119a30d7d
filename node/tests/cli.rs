//! The binary, where it needs no node: what it refuses, how it says so and how it ends.

#![expect(
    clippy::unwrap_used,
    reason = "helpers of tests, which fail by panicking"
)]

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::Duration;

const BOB: &str = "bob.7kq2-m9xw-3fhd";

/// A folder that looks like a home, without a node.
struct Home {
    _parent: tempfile::TempDir,
    path: PathBuf,
}

impl Home {
    fn new() -> Self {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("home");
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
        fs::write(path.join("unlock"), "x").unwrap();
        Self {
            _parent: parent,
            path,
        }
    }
}

/// Returns the binary with an environment that has nothing of ours in it, and no terminal.
fn restante(home: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_restante"));
    command
        .env_clear()
        .env("HOME", home)
        .arg("--home")
        .arg(home)
        .stdin(Stdio::null());
    command
}

/// Runs a command that must be refused with this exit code, in one line that has all of these
/// texts.
#[track_caller]
fn refused(command: &mut Command, exit: i32, expected: &[&str]) {
    let output = command.output().unwrap();
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(exit), "{command:?}: {stderr}");
    assert_eq!(stderr.lines().count(), 1, "{command:?}: {stderr}");
    assert!(stderr.starts_with("restante: "), "{stderr}");
    assert!(output.stdout.is_empty(), "{command:?}");
    for text in expected {
        assert!(stderr.contains(text), "{text:?} is not in {stderr:?}");
    }
}

#[track_caller]
fn done(output: &Output) -> String {
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{stderr}");
    String::from_utf8(output.stdout.clone()).unwrap()
}

#[test]
fn a_missing_home_says_how_to_make_one() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("nowhere");
    let hint = format!(
        "make one with `restante --home {} init --handle NAME`",
        path.display()
    );
    for arguments in [
        &["run"][..],
        &["id"],
        &["inbox"],
        &["status"],
        &["doctor"],
        &["holdings"],
        &["stop"],
        &["contact", "list"],
        &["send", BOB, "hello"],
    ] {
        refused(
            restante(&path).args(arguments),
            2,
            &["no Restante home at", &hint],
        );
    }
    assert!(!path.exists());
}

#[test]
fn a_node_that_does_not_run_says_how_to_start_it() {
    let home = Home::new();
    let hint = format!(
        "start it with `restante --home {} run`",
        home.path.display()
    );
    for arguments in [
        &["id"][..],
        &["inbox", "--wait", "60"],
        &["status"],
        &["holdings"],
        &["stop"],
        &["contact", "add", BOB],
        &["send", BOB, "hello"],
    ] {
        refused(
            restante(&home.path).args(arguments),
            1,
            &["the node is not running", &hint],
        );
    }
}

#[test]
fn what_cannot_be_sent_is_refused_before_the_node_is_asked() {
    let home = Home::new();
    let send = |arguments: &[&str]| {
        let mut command = restante(&home.path);
        command.arg("send").args(arguments);
        command
    };
    for id in ["bob.7kq2-m9xw-3fhu", "bob.7kq2", ""] {
        refused(&mut send(&[id, "hello"]), 2, &["is not an ID"]);
    }
    // Whether a contact is called so the node alone knows.
    for name in ["bob", "Bob.7kq2-m9xw-3fhd", "@x"] {
        refused(&mut send(&[name, "hello"]), 1, &["is not running"]);
    }
    refused(
        &mut send(&[BOB, "hello", "--ttl", "0s"]),
        2,
        &["--ttl", "from 1s to 30d"],
    );
    refused(
        &mut send(&[BOB, "hello", "--ttl", "31d"]),
        2,
        &["--ttl", "from 1s to 30d"],
    );
    refused(
        &mut send(&[BOB, "hello", "--ttl", "soon"]),
        2,
        &["is not a duration"],
    );
    refused(&mut send(&[BOB, "hello", "--burn", "0s"]), 2, &["--burn"]);
    refused(
        &mut send(&[BOB, "hello", "--ttl", "6d", "--burn", "40d"]),
        2,
        &["--burn of 40 d is longer than the message lives (6 d)"],
    );
    refused(
        &mut send(&[BOB, &"x".repeat(61_441)]),
        2,
        &["longer than 61440 bytes (60 KiB)"],
    );
    refused(&mut send(&[BOB, ""]), 2, &["is empty"]);
    refused(
        &mut send(&[BOB, "--file", "/no/such"]),
        2,
        &["cannot read /no/such"],
    );
    refused(&mut send(&[BOB, "--file", "/"]), 2, &["cannot read /"]);
    refused(&mut send(&[BOB, "-"]), 2, &["standard input is empty"]);
    // What may be sent gets as far as the node.
    refused(
        &mut send(&[BOB, &"x".repeat(61_440)]),
        1,
        &["the node is not running"],
    );
    refused(
        &mut send(&[BOB, "--", "--ttl"]),
        1,
        &["the node is not running"],
    );
}

#[test]
fn standard_input_is_bounded() {
    let home = Home::new();
    let mut command = restante(&home.path);
    command.args(["send", BOB, "-"]);
    let zeros = fs::File::open("/dev/zero").unwrap();
    refused(
        command.stdin(zeros),
        2,
        &["standard input is longer than 61440 bytes"],
    );
}

#[test]
fn standard_input_arrives_byte_for_byte() {
    let home = Home::new();
    let listener = UnixListener::bind(home.path.join("control.sock")).unwrap();
    let body: Vec<u8> = (0..61_440_u32)
        .map(|index| index.to_le_bytes()[0])
        .collect();
    let mut command = restante(&home.path);
    command.args(["send", BOB, "-", "--json"]);
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(&body).unwrap();
    let mut stream = accept(&listener);
    let (target, send) = read_request(&mut stream);
    assert_eq!(target, "POST /v1/messages");
    assert_eq!(send["to"], BOB);
    assert_eq!(send["ttl_ms"], serde_json::Value::Null);
    assert_eq!(send["burn_ms"], serde_json::Value::Null);
    let sent = data_encoding::BASE64.decode(send["body"].as_str().unwrap().as_bytes());
    assert_eq!(sent.unwrap(), body);
    let result = "{\"message_id\":\"abcd\",\"state\":\"stored\",\"stored_with\":3,\
                  \"stored_of\":5,\"until_ms\":1,\"effort_asked\":null,\
                  \"code\":\"message_stored\",\"obstacles\":[],\"next_try_ms\":null}";
    write_answer(&mut stream, &format!("{{\"sent\":{result}}}\n"));
    let output = child.wait_with_output().unwrap();
    assert_eq!(done(&output), format!("{result}\n"));
}

#[test]
fn messages_are_marked_read_only_once_they_went_out() {
    let message = "{\"id\":\"m1\",\"from\":\"bob.7kq2-m9xw-3fhd\",\"known_as\":null,\"contact\":true,\
                   \"blocked\":false,\"read\":false,\"received_ms\":2,\"sent_ms\":1,\"expires_ms\":3,\"burn_ms\":null,\
                   \"text\":\"\\u0000\\u001b[2J\",\"base64\":null,\"file_name\":null,\
                   \"reply_to\":null,\"edited_ms\":null,\"unknown\":false}";
    for full in [false, cfg!(target_os = "linux")] {
        let home = Home::new();
        let listener = UnixListener::bind(home.path.join("control.sock")).unwrap();
        let mut command = restante(&home.path);
        command.args(["inbox", "--json"]).stderr(Stdio::piped());
        if full {
            // A disk that takes nothing, which Linux has ready.
            command.stdout(
                fs::OpenOptions::new()
                    .write(true)
                    .open("/dev/full")
                    .unwrap(),
            );
        } else {
            command.stdout(Stdio::piped());
        }
        let child = command.spawn().unwrap();
        let mut stream = accept(&listener);
        assert_eq!(
            read_request(&mut stream).0,
            "GET /v1/inbox?wait_ms=0&all=false"
        );
        let page = format!("{{\"messages\":[{message}],\"more\":false}}");
        write_answer(&mut stream, &page);
        if full {
            let output = child.wait_with_output().unwrap();
            assert_eq!(output.status.code(), Some(1));
            listener.set_nonblocking(true).unwrap();
            assert!(listener.accept().is_err(), "marked read without being seen");
        } else {
            let reading = std::thread::spawn(|| child.wait_with_output().unwrap());
            marks_read(&listener, &["m1"]);
            assert_eq!(done(&reading.join().unwrap()), format!("{message}\n"));
        }
    }
}

/// Takes the next command's connection, which must come soon.
fn accept(listener: &UnixListener) -> UnixStream {
    listener.set_nonblocking(true).unwrap();
    for _ in 0..1_000 {
        if let Ok((stream, _)) = listener.accept() {
            stream.set_nonblocking(false).unwrap();
            return stream;
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    panic!("the command does not ask");
}

/// Expects messages to be marked read, and says that they are.
fn marks_read(listener: &UnixListener, ids: &[&str]) {
    let mut stream = accept(listener);
    let (target, marks) = read_request(&mut stream);
    assert_eq!(target, "POST /v1/inbox/read");
    assert_eq!(marks, serde_json::json!({ "ids": ids }));
    let done = b"HTTP/1.1 204 No Content\r\nconnection: close\r\n\r\n";
    stream.write_all(done).unwrap();
}

/// Answers a request for messages with these.
fn hands_out(listener: &UnixListener, ids: &[&str]) {
    let message = |id: &&str| {
        format!(
            "{{\"id\":\"{id}\",\"from\":\"bob.7kq2-m9xw-3fhd\",\"contact\":true,\"read\":false,\
             \"received_ms\":2,\"sent_ms\":1,\"expires_ms\":3,\"burn_ms\":null,\"text\":\"{id}\",\
             \"base64\":null,\"file_name\":null,\"reply_to\":null,\"edited_ms\":null,\"unknown\":false}}"
        )
    };
    let messages: Vec<String> = ids.iter().map(message).collect();
    let mut stream = accept(listener);
    assert_eq!(
        read_request(&mut stream).0,
        "GET /v1/inbox?wait_ms=0&all=false"
    );
    let page = format!("{{\"messages\":[{}],\"more\":false}}", messages.join(","));
    write_answer(&mut stream, &page);
}

#[test]
fn what_a_reader_leaves_stays_unread() {
    for json in [false, true] {
        let home = Home::new();
        let listener = UnixListener::bind(home.path.join("control.sock")).unwrap();
        let mut command = restante(&home.path);
        command.arg("inbox").args(json.then_some("--json"));
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let mut reader = child.stdout.take().unwrap();
        hands_out(&listener, &["m1", "m2", "m3"]);
        // As `head -1` does: the first line, and away.
        let mut line = Vec::new();
        while !line.ends_with(b"\n") {
            let mut bytes = [0; 4_096];
            let count = reader.read(&mut bytes).unwrap();
            assert!(count > 0);
            line.extend_from_slice(&bytes[..count]);
        }
        drop(reader);
        marks_read(&listener, &["m1"]);
        let output = child.wait_with_output().unwrap();
        assert!(output.stderr.is_empty());
    }
}

#[test]
fn who_peeks_marks_nothing_and_acks_what_was_dealt_with() {
    let home = Home::new();
    let listener = UnixListener::bind(home.path.join("control.sock")).unwrap();
    let mut peek = restante(&home.path);
    peek.args(["inbox", "--peek", "--json"])
        .stdout(Stdio::piped());
    let child = peek.spawn().unwrap();
    let reading = std::thread::spawn(|| child.wait_with_output().unwrap());
    hands_out(&listener, &["m1", "m2"]);
    assert_eq!(done(&reading.join().unwrap()).lines().count(), 2);
    let mut ack = restante(&home.path);
    let ids = [
        "2f2db175a80011223344556677889900",
        "00998877665544332211fe571bd2f200",
    ];
    ack.args(["inbox", "--ack", ids[0], ids[1]])
        .stdout(Stdio::piped());
    let child = ack.spawn().unwrap();
    marks_read(&listener, &ids);
    assert_eq!(done(&child.wait_with_output().unwrap()), "");
    let both = restante(&home.path)
        .args(["inbox", "--peek", "--ack", "m1"])
        .output();
    assert_eq!(both.unwrap().status.code(), Some(2));
    // What cannot be the id of a message is not sent to the node.
    let wrong = restante(&home.path).args(["inbox", "--ack", "zz"]).output();
    assert_eq!(wrong.unwrap().status.code(), Some(2));
}

#[test]
fn a_closed_pipe_is_no_reason_to_complain() {
    let home = Home::new();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = restante(&home.path);
    let output = command
        .args(["completions", "bash"])
        .stdout(writer)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(0));
    assert!(output.stderr.is_empty());
}

#[test]
fn wrong_usage_ends_with_2() {
    let home = Home::new();
    for arguments in [
        &["dance"][..],
        &[],
        &["send"],
        &["inbox", "--wait", "x"],
        &["init"],
    ] {
        let output = restante(&home.path).args(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{arguments:?}");
        assert!(!output.stderr.is_empty());
    }
    for arguments in [&["--help"][..], &["send", "--help"], &["--version"]] {
        let output = restante(&home.path).args(arguments).output().unwrap();
        assert!(!done(&output).is_empty());
    }
}

#[test]
fn a_wrong_configuration_is_refused_with_its_place() {
    let home = Home::new();
    let file = home.path.join("config.toml");
    fs::write(&file, "network = \"x\"\nserv = \"auto\"\n").unwrap();
    let place = format!("{}:2:1: there is no key \"serv\"", file.display());
    for arguments in [
        &["run"][..],
        &["run", "--check"],
        &["run", "--print-config"],
    ] {
        refused(
            restante(&home.path).args(arguments),
            2,
            &[&place, "did you mean \"serve\"?"],
        );
    }
    fs::write(&file, "network = \"x\"\n").unwrap();
    refused(
        restante(&home.path).args(["run", "--disk-cap", "lots"]),
        2,
        &["flag --disk-cap: disk_cap: \"lots\" is not a size"],
    );
    let checked = restante(&home.path)
        .args(["run", "--check"])
        .output()
        .unwrap();
    assert_eq!(done(&checked), "the configuration is valid\n");
    let mut print = restante(&home.path);
    print
        .args(["run", "--print-config", "--ttl", "1d"])
        .env("RESTANTE_SERVE", "never");
    let printed = done(&print.output().unwrap());
    for line in [
        &format!("# {}:1:1\nnetwork = \"x\"\n", file.display()),
        "# environment RESTANTE_SERVE\nserve = \"never\"\n",
        "# flag --ttl\nttl = \"1d\"\n",
        "# default\nlog = \"info\"\n",
    ] {
        assert!(printed.contains(line), "{line:?} is not in {printed}");
    }
}

#[test]
fn a_pass_phrase_that_cannot_be_had_is_refused() {
    let home = Home::new();
    let phrase = home.path.join("phrase");
    refused(
        restante(&home.path).arg("run"),
        2,
        &[
            "no pass phrase was given",
            "--passphrase-file FILE or set RESTANTE_PASSPHRASE",
        ],
    );
    refused(
        restante(&home.path)
            .arg("run")
            .env("RESTANTE_PASSPHRASE", ""),
        2,
        &["is empty"],
    );
    let with_file = |path: &Path| {
        let mut command = restante(&home.path);
        command.arg("run").arg("--passphrase-file").arg(path);
        command
    };
    refused(
        &mut with_file(&phrase),
        2,
        &["cannot read the pass phrase file"],
    );
    fs::write(&phrase, "open sesame\n").unwrap();
    fs::set_permissions(&phrase, fs::Permissions::from_mode(0o644)).unwrap();
    refused(
        &mut with_file(&phrase),
        2,
        &["others can read", "chmod 600"],
    );
}

#[test]
fn a_home_open_to_others_is_refused() {
    let home = Home::new();
    fs::set_permissions(&home.path, fs::Permissions::from_mode(0o755)).unwrap();
    refused(
        restante(&home.path).arg("run"),
        2,
        &["open to other users (mode 755)", "chmod 700"],
    );
}

#[test]
fn init_refuses_what_cannot_become_an_account() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("home");
    let init = |handle: &str| {
        let mut command = restante(&path);
        command
            .args(["init", "--handle", handle])
            .env("RESTANTE_PASSPHRASE", "x");
        command
    };
    for handle in [
        "",
        "Alice",
        "a b",
        "al.ice",
        "+4915112345678",
        "123456789",
        &"a".repeat(33),
    ] {
        refused(&mut init(handle), 2, &["is not a handle"]);
    }
    refused(
        init("alice").args(["--network", "No"]),
        2,
        &["flag --network"],
    );
    refused(
        init("alice").env_remove("RESTANTE_PASSPHRASE"),
        2,
        &["no pass phrase was given"],
    );
    assert!(!path.exists());
    let taken = Home::new();
    refused(
        restante(&taken.path).args(["init", "--handle", "alice"]),
        2,
        &["is a Restante home already"],
    );
    assert_eq!(fs::read_to_string(taken.path.join("unlock")).unwrap(), "x");
}

#[test]
fn doctor_without_a_node_says_what_it_sees() {
    let home = Home::new();
    for name in ["client.redb", "message-keys"] {
        fs::write(home.path.join(name), "x").unwrap();
    }
    let output = restante(&home.path)
        .args(["doctor", "--json"])
        .output()
        .unwrap();
    let report: serde_json::Value = serde_json::from_str(&done(&output)).unwrap();
    let checks: Vec<_> = report["checks"].as_array().unwrap().iter().collect();
    let names: Vec<_> = checks
        .iter()
        .map(|check| check["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        ["home", "files", "configuration", "disk", "clock", "node"]
    );
    assert_eq!(checks[5]["verdict"], "warn");

    fs::write(home.path.join("client.redb"), "").unwrap();
    let output = restante(&home.path).arg("doctor").output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("FAIL  files"), "{text}");
}

#[test]
fn completions_know_the_commands() {
    let home = Home::new();
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let output = restante(&home.path)
            .args(["completions", shell])
            .output()
            .unwrap();
        assert!(done(&output).contains("holdings"), "{shell}");
    }
}

/// Reads the one request of a connection: method and target, and the content, null if there is none.
fn read_request(stream: &mut impl Read) -> (String, serde_json::Value) {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        stream.read_exact(&mut byte).unwrap();
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    let target = head.split(" HTTP/1.1").next().unwrap().to_owned();
    assert!(head.contains("\r\nrestante-interface: 5\r\n"), "{head}");
    let length = head.split("\r\ncontent-length: ").nth(1);
    let Some(length) = length.and_then(|rest| rest.split("\r\n").next()) else {
        return (target, serde_json::Value::Null);
    };
    let mut content = vec![0; length.parse().unwrap()];
    stream.read_exact(&mut content).unwrap();
    (target, serde_json::from_slice(&content).unwrap())
}

fn write_answer(stream: &mut impl Write, content: &str) {
    let length = content.len();
    let head = format!("HTTP/1.1 200 OK\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).unwrap();
    stream.write_all(content.as_bytes()).unwrap();
}

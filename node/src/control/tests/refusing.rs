//! What is refused, and that it is refused in one way.

use std::collections::BTreeMap;

use super::super::answer::status;
use super::super::checks::{PETNAME_CHARS_MAX, WHO_BYTES_MAX};
use super::super::wire::{ANSWER_BYTES_MAX, HEAD_BYTES_MAX, REQUEST_BYTES_MAX};
use super::*;
use crate::fixture::refusals::every_refusal;

const JSON_TYPE: &str = "content-type: application/json\r\n";

#[tokio::test]
async fn every_refusal_has_a_status_and_keeps_its_facts() {
    let mut stage = Stage::new();
    let mut statuses: BTreeMap<u16, Vec<&str>> = BTreeMap::new();
    for refusal in every_refusal() {
        let calling = stage.call(Request::Id);
        stage
            .calls
            .recv()
            .await
            .unwrap()
            .answer
            .refuse(refusal.clone());
        assert_eq!(refused(calling).await, refusal);

        let asking = stage.ask("GET /v1/id", "", b"");
        let node = async {
            stage
                .calls
                .recv()
                .await
                .unwrap()
                .answer
                .refuse(refusal.clone())
        };
        let (said, ()) = tokio::join!(asking, node);
        assert_eq!(said.refusal(), (status(&refusal).as_u16(), refusal.clone()));
        let json: serde_json::Value = serde_json::from_slice(&said.content).unwrap();
        assert_eq!(json["error"]["code"], refusal.code());
        let codes = statuses.entry(said.status).or_default();
        if codes.last() != Some(&refusal.code()) {
            codes.push(refusal.code());
        }
    }
    let told = |status: u16| statuses.get(&status).map(|codes| codes[0]);
    assert_eq!(told(404), Some("unknown_name"), "{statuses:?}");
    assert!(statuses.keys().all(|status| (400..600).contains(status)));
}

#[tokio::test]
async fn an_unanswered_call_is_a_defect() {
    let mut stage = Stage::new();
    let calling = stage.call(Request::Id);
    drop(stage.calls.recv().await.unwrap());
    let refusal = refused(calling).await;
    assert!(matches!(refusal, Refusal::Internal { .. }), "{refusal:?}");
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn junk_is_refused_in_one_way_and_the_next_command_is_served() {
    let mut stage = Stage::new();
    let fields = "a: b\r\n".repeat(100);
    let junk: Vec<(Vec<u8>, u16, &str)> = vec![
        (b"\0\0\0\x05\"id\"\r\n\r\n".to_vec(), 400, "malformed"),
        (b"GET\r\n\r\n".to_vec(), 400, "malformed"),
        (b"GET /v1/id HTTP/9.9\r\n\r\n".to_vec(), 400, "malformed"),
        (
            b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(),
            400,
            "malformed",
        ),
        (
            b"GET /v1/id HTTP/1.1\r\n \xff\r\n\r\n".to_vec(),
            400,
            "malformed",
        ),
        (vec![b'A'; 2 * HEAD_BYTES_MAX], 431, "head_too_large"),
        (
            format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(2 * HEAD_BYTES_MAX)).into(),
            431,
            "head_too_large",
        ),
        (
            format!(
                "GET /v1/id HTTP/1.1\r\na: {}\r\n\r\n",
                "b".repeat(2 * HEAD_BYTES_MAX)
            )
            .into(),
            431,
            "head_too_large",
        ),
        (
            format!("GET /v1/id HTTP/1.1\r\n{fields}\r\n").into(),
            431,
            "head_too_large",
        ),
        (b"GET / HTTP/1.1\r\n\r\n".to_vec(), 404, "no_such_path"),
        (b"GET /v1 HTTP/1.1\r\n\r\n".to_vec(), 404, "no_such_path"),
        (
            b"GET /v1/contacts//verification HTTP/1.1\r\n\r\n".to_vec(),
            422,
            "invalid_id",
        ),
        (
            b"GET /v1/contacts/%ff/verification HTTP/1.1\r\n\r\n".to_vec(),
            400,
            "malformed",
        ),
        (b"PUT /v1/id HTTP/1.1\r\n\r\n".to_vec(), 405, "wrong_method"),
        (
            b"GET /v1/stop HTTP/1.1\r\n\r\n".to_vec(),
            405,
            "wrong_method",
        ),
        (
            b"GET /v1/id?more=1 HTTP/1.1\r\n\r\n".to_vec(),
            400,
            "malformed",
        ),
        (
            b"GET /v1/inbox?wait_ms=-1 HTTP/1.1\r\n\r\n".to_vec(),
            400,
            "malformed",
        ),
        (
            b"GET /v1/inbox?all=1&all=2 HTTP/1.1\r\n\r\n".to_vec(),
            400,
            "malformed",
        ),
        (
            b"GET /v1/inbox?after=x HTTP/1.1\r\n\r\n".to_vec(),
            422,
            "invalid_parameter",
        ),
        (
            b"GET /v1/inbox/x/file HTTP/1.1\r\n\r\n".to_vec(),
            422,
            "invalid_parameter",
        ),
        (
            b"GET /v1/events?after=x HTTP/1.1\r\n\r\n".to_vec(),
            422,
            "invalid_parameter",
        ),
        (
            b"GET /v1/events HTTP/1.1\r\nlast-event-id: 7\r\n\r\n".to_vec(),
            422,
            "invalid_parameter",
        ),
    ];
    for (bytes, status, code) in junk {
        let shown: String = String::from_utf8_lossy(&bytes).chars().take(60).collect();
        let said = stage.raw(bytes).await;
        let (got, refusal) = said
            .unwrap_or_else(|| panic!("no answer to {shown:?}"))
            .refusal();
        assert_eq!((got, refusal.code()), (status, code), "{shown:?}");
    }
    let said = stage.ask("PUT /v1/contacts", "", b"").await;
    assert!(said.head.contains("allow: get,head,post"), "{}", said.head);
    // Nothing at all, and half a head, are people who went away.
    for bytes in [&b""[..], b"GET /v1/id HT"] {
        let mut stream = stage.connect().await;
        stream.write_all(bytes).await.unwrap();
        stream.shutdown().await.unwrap();
        assert!(Said::of(stream).await.is_none());
    }
    assert!(
        stage.calls.try_recv().is_err(),
        "nothing of it reached the node"
    );

    let calling = stage.call(Request::Status);
    let got = stage.calls.recv().await.unwrap();
    assert_eq!(got.request, Request::Status);
    got.answer.finish(Ok(Reply::Done));
    assert_eq!(calling.await.unwrap().unwrap(), Reply::Done);
}

#[tokio::test]
#[expect(clippy::too_many_lines, reason = "a table")]
async fn contents_that_are_not_meant_are_refused() {
    let mut stage = Stage::new();
    let contact = |who: &str, petname: &str| format!(r#"{{"who":"{who}","petname":"{petname}"}}"#);
    let long_name = contact("b", &"x".repeat(PETNAME_CHARS_MAX + 1));
    let long_who = contact(&"x".repeat(WHO_BYTES_MAX + 1), "x");
    let many = serde_json::to_string(&vec!["0".repeat(32); MARK_READ_COUNT_MAX + 1]).unwrap();
    let many = format!(r#"{{"ids":{many}}}"#);
    let deep = "[".repeat(REQUEST_BYTES_MAX);
    let fat = " ".repeat(REQUEST_BYTES_MAX + 1);
    let plain = "content-type: text/plain\r\n";
    for (path, kind, content, status, code) in [
        ("contacts", "", "{}", 415, "wrong_media"),
        ("contacts", plain, "{}", 415, "wrong_media"),
        ("messages/file?to=b&name=c", plain, "x", 415, "wrong_media"),
        ("contacts", JSON_TYPE, "", 400, "malformed"),
        ("contacts", JSON_TYPE, "null", 400, "malformed"),
        ("contacts", JSON_TYPE, "{}", 400, "malformed"),
        (
            "contacts",
            JSON_TYPE,
            r#"{"who":"b","more":1}"#,
            400,
            "malformed",
        ),
        (
            "contacts",
            JSON_TYPE,
            &contact("b", ""),
            422,
            "invalid_parameter",
        ),
        ("contacts", JSON_TYPE, &long_name, 422, "invalid_parameter"),
        ("contacts", JSON_TYPE, &long_who, 422, "invalid_id"),
        ("contacts", JSON_TYPE, &deep, 400, "malformed"),
        ("contacts", JSON_TYPE, &fat, 413, "too_large"),
        (
            "inbox/read",
            JSON_TYPE,
            r#"{"ids":["x"]}"#,
            422,
            "invalid_parameter",
        ),
        ("inbox/read", JSON_TYPE, &many, 422, "invalid_parameter"),
        (
            "messages",
            JSON_TYPE,
            r#"{"to":"b","body":"/w"}"#,
            400,
            "malformed",
        ),
        (
            "messages",
            JSON_TYPE,
            r#"{"to":"b","body":""}"#,
            422,
            "invalid_parameter",
        ),
        (
            "messages",
            JSON_TYPE,
            r#"{"to":"b","body":"/w==","burn_ms":0}"#,
            422,
            "invalid_parameter",
        ),
        (
            "messages",
            JSON_TYPE,
            r#"{"to":"b","body":"/w==","file_name":"a/b"}"#,
            422,
            "invalid_parameter",
        ),
        ("messages/file?to=b", "", "x", 400, "malformed"),
        (
            "messages/file?to=b&name=c",
            "",
            "",
            422,
            "invalid_parameter",
        ),
        ("messages/file?to=b&name=c", "", &fat, 413, "too_long"),
    ] {
        let said = stage
            .ask(&format!("POST /v1/{path}"), kind, content.as_bytes())
            .await;
        let (got, refusal) = said.refusal();
        let shown: String = content.chars().take(60).collect();
        assert_eq!((got, refusal.code()), (status, code), "{path} {shown:?}");
    }
    // The same without a length that says it before.
    let head = "POST /v1/messages/file?to=b&name=c HTTP/1.1\r\ntransfer-encoding: chunked\r\n\r\n";
    let chunk = format!("8000\r\n{}\r\n", "x".repeat(0x8000));
    let said = stage
        .raw([head, &chunk, &chunk, "0\r\n\r\n"].concat())
        .await;
    let max_bytes = 61_440;
    assert_eq!(
        said.unwrap().refusal(),
        (413, Refusal::TooLong { max_bytes })
    );
    let said = stage.raw([head, "x"].concat()).await.expect("an answer");
    assert_eq!(said.refusal().0, 400);
    assert!(
        stage.calls.try_recv().is_err(),
        "nothing of it reached the node"
    );
}

#[tokio::test]
async fn pages_of_other_sites_and_clients_of_other_versions_are_refused() {
    let stage = Stage::new();
    let foreign = |header: &str| Refusal::Foreign {
        header: header.to_owned(),
    };
    let versions = Refusal::Version {
        node: VERSION,
        command: 999,
    };
    for (header, status, refusal) in [
        ("origin: null", 403, foreign("origin")),
        ("origin: http://localhost", 403, foreign("origin")),
        ("host: example.org", 403, foreign("host")),
        ("host: localhost.example.org", 403, foreign("host")),
        ("restante-interface: 999", 400, versions),
    ] {
        let request = format!("GET /v1/version HTTP/1.1\r\n{header}\r\n\r\n");
        let said = stage.raw(request).await.expect("an answer");
        assert_eq!(said.refusal(), (status, refusal), "{header}");
    }
    for header in [
        "host: LOCALHOST:80",
        "host: 127.0.0.1:1",
        "host: [::1]",
        "restante-interface: 5",
    ] {
        let request = format!("GET /v1/version HTTP/1.1\r\n{header}\r\n\r\n");
        let said = stage.raw(request).await.expect("an answer");
        assert_eq!(said.content, b"{\"version\":5}", "{header}");
    }
}

#[tokio::test]
async fn who_takes_too_long_is_told_so() {
    let stage = Stage::new();
    let head =
        "POST /v1/contacts HTTP/1.1\r\ncontent-type: application/json\r\ncontent-length: 9\r\n";
    for begun in ["GET /v1/id HT".to_owned(), format!("{head}\r\n{{")] {
        let mut stream = stage.connect().await;
        stream.write_all(begun.as_bytes()).await.unwrap();
        let waiting = tokio::spawn(Said::of(stream));
        // The clock only runs ahead while everything is waiting.
        tokio::time::pause();
        let said = waiting.await.unwrap();
        tokio::time::resume();
        assert_eq!(said.expect("an answer").refusal(), (408, Refusal::TimedOut));
    }
}

/// After how long a reader that is cut off must have noticed.
const CUT: Duration = Duration::from_secs(20);

#[tokio::test]
async fn who_does_not_take_an_answer_loses_it_and_its_place() {
    let mut stage = Stage::new();
    let page = InboxPage {
        messages: (0..7).map(|_| message("1", vec![0; 12_000])).collect(),
        ..InboxPage::default()
    };
    let mut stalled = Vec::new();
    for _ in 0..PLACES_EACH {
        let mut stream = stage.connect().await;
        stream
            .write_all(b"GET /v1/inbox HTTP/1.1\r\n\r\n")
            .await
            .unwrap();
        let got = stage.calls.recv().await.unwrap();
        got.answer.finish(Ok(Reply::Inbox(page.clone())));
        stalled.push(stream);
    }
    let max = PLACES_EACH as u32;
    let listing = Request::ContactList { after: None };
    assert_eq!(
        refused(stage.call(listing.clone())).await,
        Refusal::Busy { max }
    );
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(6)).await;
    tokio::time::resume();
    let calling = stage.call(listing);
    stage
        .calls
        .recv()
        .await
        .unwrap()
        .answer
        .finish(Ok(Reply::Done));
    assert_eq!(calling.await.unwrap().unwrap(), Reply::Done);
    let mut taken = Vec::new();
    let mut reading = stalled.remove(0);
    let _cut = tokio::time::timeout(CUT, reading.read_to_end(&mut taken))
        .await
        .expect("who stalls is cut off");
    assert!(
        taken.len() < 500_000,
        "{} bytes came all the same",
        taken.len()
    );
}

#[tokio::test]
async fn a_garbled_answer_is_an_error_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let (home, ()) = Home::create(&folder.path().join("home"), |home| {
        fs::write(home.unlock_file(), "x").unwrap();
        Ok::<_, HomeError>(())
    })
    .unwrap();
    let listener = tokio::net::UnixListener::bind(home.control_socket()).unwrap();
    let ok = "HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n";
    let long = "x".repeat(ANSWER_BYTES_MAX + 1);
    for (answer, garbled) in [
        ("\0\0\0\x05\"id\"".to_owned(), true),
        (format!("{ok}content-length: 2\r\n\r\n{{}}"), true),
        (
            format!("{ok}content-length: {}\r\n\r\n{long}", long.len()),
            true,
        ),
        (
            "HTTP/1.1 404 Not Found\r\ncontent-length: 2\r\n\r\nno".to_owned(),
            true,
        ),
        (format!("{ok}content-length: 9\r\n\r\n{{}}"), false),
        ("HTTP/1.1 200 OK".to_owned(), false),
        (String::new(), false),
    ] {
        let stranger = async {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = [0; 4_096];
            assert!(stream.read(&mut request).await.unwrap() > 0);
            // A client that has seen enough is gone.
            let _gone = stream.write_all(answer.as_bytes()).await;
        };
        let (outcome, ()) = tokio::join!(call(&home, Request::Id, |_| {}), stranger);
        match outcome {
            Err(CallError::Garbled) => assert!(garbled),
            Err(CallError::Ended) => assert!(!garbled),
            other => panic!("{other:?}"),
        }
    }
}

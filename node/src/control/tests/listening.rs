//! Events, as a listener reads them.

use std::collections::VecDeque;

use proptest::prelude::*;
use tokio::io::{AsyncBufReadExt, BufReader, Lines};

use super::super::events::{EventId, Next};
use super::super::feed::HEARTBEAT;
use super::*;

/// A client that listens, without the frames of HTTP.
struct Listener(Lines<BufReader<UnixStream>>);

impl Listener {
    async fn new(stage: &Stage, query: &str, more: &str) -> Self {
        let mut stream = stage.connect().await;
        // In the older version of HTTP the content ends with the connection, and has no frames of its own.
        let request = format!("GET /v1/events{query} HTTP/1.0\r\n{more}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut lines = BufReader::new(stream).lines();
        let status = lines.next_line().await.unwrap().unwrap();
        assert!(status.ends_with("200 OK"), "{status}");
        while lines.next_line().await.unwrap().unwrap() != "" {}
        Self(lines)
    }

    /// Reads one block; none at the end.
    async fn next(&mut self) -> Option<String> {
        let mut block = Vec::new();
        loop {
            match self.0.next_line().await.ok()?? {
                line if line.is_empty() => return Some(block.join("|")),
                line => block.push(line),
            }
        }
    }
}

fn event(number: u32) -> Event {
    Event::Destroyed { count: number }
}

fn block(number: u32) -> String {
    let data = format!("data: {{\"count\":{number},\"event\":\"destroyed\"}}");
    format!("id: 0000000000000007-{number}|event: destroyed|{data}")
}

#[tokio::test]
async fn a_listener_that_was_away_goes_on_without_a_gap() {
    let stage = Stage::new();
    stage.events.append(event(1));
    let mut listener = Listener::new(&stage, "", "").await;
    assert_eq!(listener.next().await.unwrap(), "id: 0000000000000007-1");
    stage.events.append(event(2));
    assert_eq!(listener.next().await.unwrap(), block(2));
    drop(listener);
    stage.events.append(event(3));
    stage.events.append(event(4));
    for (query, more) in [
        ("?after=0000000000000007-2", ""),
        ("", "last-event-id: 0000000000000007-2\r\n"),
        (
            "?after=0000000000000007-0",
            "last-event-id: 0000000000000007-2\r\n",
        ),
    ] {
        let mut listener = Listener::new(&stage, query, more).await;
        assert_eq!(listener.next().await.unwrap(), "id: 0000000000000007-2");
        assert_eq!(listener.next().await.unwrap(), block(3));
        assert_eq!(listener.next().await.unwrap(), block(4));
    }
}

#[tokio::test]
async fn a_listener_whose_events_are_gone_is_told_so() {
    let stage = Stage::new();
    for number in 0..=EVENTS_KEPT_MAX {
        stage.events.append(event(number as u32));
    }
    let reset = "event: reset|data: {\"event\":\"reset\"}";
    let last = EVENTS_KEPT_MAX + 1;
    for after in [
        "0000000000000007-0",
        "0000000000000006-2",
        "0000000000000007-9999",
    ] {
        let mut listener = Listener::new(&stage, &format!("?after={after}"), "").await;
        let told = listener.next().await.unwrap();
        assert_eq!(
            told,
            format!("id: 0000000000000007-{last}|{reset}"),
            "{after}"
        );
    }
    // The oldest one that is kept comes right after this one.
    let mut listener = Listener::new(&stage, "?after=0000000000000007-1", "").await;
    assert_eq!(listener.next().await.unwrap(), "id: 0000000000000007-1");
    assert!(
        listener
            .next()
            .await
            .unwrap()
            .starts_with("id: 0000000000000007-2|")
    );
}

#[tokio::test]
async fn a_listener_hears_a_heartbeat_and_the_end() {
    let stage = Stage::new();
    let mut listener = Listener::new(&stage, "", "").await;
    listener.next().await.unwrap();
    tokio::time::pause();
    let quiet = tokio::time::Instant::now();
    assert_eq!(listener.next().await.unwrap(), ":");
    assert!(quiet.elapsed() >= HEARTBEAT);
    tokio::time::resume();
    stage.stop.send_replace(true);
    assert_eq!(listener.next().await, None);
    stage.serving.await.unwrap();
}

#[tokio::test]
async fn listeners_keep_nobody_out_and_those_that_leave_give_their_places_back() {
    let mut stage = Stage::new();
    let mut listeners = VecDeque::new();
    for _ in 0..PLACES_EACH {
        listeners.push_back(Listener::new(&stage, "", "").await);
    }
    let max = PLACES_EACH as u32;
    let said = stage.ask("GET /v1/events", "", b"").await;
    assert_eq!(said.refusal(), (429, Refusal::Busy { max }));
    let calling = stage.call(Request::Status);
    stage
        .calls
        .recv()
        .await
        .unwrap()
        .answer
        .finish(Ok(Reply::Done));
    assert_eq!(calling.await.unwrap().unwrap(), Reply::Done);

    listeners.pop_front();
    let listening = async {
        loop {
            let mut stream = stage.connect().await;
            stream
                .write_all(b"GET /v1/events HTTP/1.0\r\n\r\n")
                .await
                .unwrap();
            let mut lines = BufReader::new(stream).lines();
            if lines
                .next_line()
                .await
                .unwrap()
                .unwrap()
                .ends_with("200 OK")
            {
                break;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), listening)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_listener_that_does_not_read_is_cut_off() {
    let stage = Stage::new();
    let mut listener = Listener::new(&stage, "", "").await;
    listener.next().await.unwrap();
    // More than the system takes for it.
    let long = Event::Received {
        id: "0".repeat(4_096),
    };
    for _ in 0..EVENTS_KEPT_MAX {
        stage.events.append(long.clone());
    }
    tokio::time::pause();
    tokio::time::sleep(Duration::from_secs(6)).await;
    tokio::time::resume();
    let mut read = 0;
    let reading = async {
        while listener.next().await.is_some() {
            read += 1;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), reading)
        .await
        .expect("who does not read is cut off");
    assert!(
        (1..EVENTS_KEPT_MAX).contains(&read),
        "{read} blocks were read"
    );
}

proptest! {
    #[test]
    fn whoever_reads_on_misses_nothing_or_is_told(
        steps in prop::collection::vec((0..3_usize * EVENTS_KEPT_MAX / 2, 0..200_usize), 1..6),
    ) {
        let log = EventLog::new(1);
        let (mut place, mut appended, mut seen) = (log.end(), 0, 0);
        for (events, reads) in steps {
            for _ in 0..events {
                appended += 1;
                log.append(event(appended));
            }
            for _ in 0..reads {
                match log.after(place) {
                    Next::Events(events) => for (id, got) in events {
                        seen += 1;
                        prop_assert_eq!(got, event(seen));
                        place = id;
                    },
                    Next::Missing(end) => {
                        prop_assert!(appended - seen > EVENTS_KEPT_MAX as u32);
                        (place, seen) = (end, appended);
                    }
                }
            }
        }
    }

    #[test]
    fn ids_of_events_are_read_as_they_are_written(text: String, start: u64, number: u64) {
        let _never_panics = text.parse::<EventId>();
        let shown = format!("{start:016x}-{number}");
        prop_assert_eq!(shown.parse::<EventId>().unwrap().to_string(), shown);
    }
}

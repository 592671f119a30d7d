//! What happens in the demonstration, and what must be true of it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use restante_interface::{
    Body, DeliveryState, IdInfo, InboxMessage, InboxRequest, OutboxEntry, Reply, Request,
    SendRequest, SendResult,
};

use super::fixtures::{Nodes, RunningNode};
use super::{DemoError, KEEPERS, Timeline, broken};
use restante::clock;

const DAY_MS: u64 = 86_400_000;
/// The life of the message that expires unread, in milliseconds; on a busy machine it doubles until it is enough to be
/// stored.
const SHORT_MS: u64 = 3_000;
/// Its longest life, in milliseconds.
const SHORT_MAX_MS: u64 = 48_000;
/// What Alice writes; the last one lives for some seconds.
const TEXTS: [&str; 4] = [
    "Are you there? I am at the station.",
    "Bring the gr\u{fc}n umbrella \u{2614}, please \u{1f64f}",
    "The key is under the third stone.",
    "Forget the door code: 4711.",
];

/// Plays the whole script.
pub(super) async fn play(timeline: &mut Timeline<'_>, nodes: &mut Nodes) -> Result<(), DemoError> {
    timeline.tell("network", "a bootstrap server starts, on loopback")?;
    nodes.start_server().await?;
    nodes.start_keepers(KEEPERS).await?;
    timeline.tell(
        "network",
        format!("{KEEPERS} keepers have joined through it"),
    )?;

    let (alice_id, bob_id) = (nodes.create("alice").await?, nodes.create("bob").await?);
    timeline.tell("Alice", format!("is {}", alice_id.id))?;
    timeline.tell("Bob", format!("is {}", bob_id.id))?;
    timeline.tell(
        "both",
        "publish their cards, which takes some seconds of work: a stamp for each place",
    )?;
    let (alice, bob) = (nodes.start("alice")?, nodes.start("bob")?);
    bob.wait("Bob's card is published", |s| s.card_published_ms.is_some())
        .await?;
    alice
        .wait("Alice's card is published", |s| {
            s.card_published_ms.is_some()
        })
        .await?;
    timeline.tell(
        "both",
        "have published their cards: all who know the ID find them",
    )?;
    bob.leave().await?;
    timeline.tell("Bob", "goes away; his node is off")?;

    let sent = send_all(timeline, &alice, &bob_id).await?;
    show_keepers(timeline, nodes).await?;
    wait_for_expiry(timeline, nodes, &sent).await?;

    let bob = nodes.start("bob")?;
    timeline.tell("Bob", "is back")?;
    let messages = receive(&bob, TEXTS.len() - 1).await?;
    check_messages(timeline, &messages)?;
    nodes.wait_empty().await?;
    timeline.tell(
        "keepers",
        "hold no envelope any more: Bob took them, and said so",
    )?;

    accept(timeline, &alice, &bob, &alice_id, &sent).await?;
    nodes.wait_empty().await?;
    check_files(timeline, nodes.folder())?;
    bob.leave().await?;
    alice.leave().await?;
    timeline.tell("all", "everything was as it should be")
}

/// Sends all texts and sees each stored.
async fn send_all(
    timeline: &mut Timeline<'_>,
    alice: &RunningNode,
    bob: &IdInfo,
) -> Result<Vec<SendResult>, DemoError> {
    let (short, long) = TEXTS.split_last().ok_or_else(|| broken("no texts"))?;
    let mut results = Vec::new();
    for text in long {
        let result = send(alice, bob, text, 6 * DAY_MS).await?;
        if result.state != DeliveryState::Stored {
            return Err(broken(format!("a message was not stored: {result:?}")));
        }
        tell_stored(timeline, text, "for 6 days", &result)?;
        results.push(result);
    }
    let mut ttl_ms = SHORT_MS;
    loop {
        let life = format!("for {} s", ttl_ms / 1_000);
        let result = send(alice, bob, short, ttl_ms).await?;
        if result.state == DeliveryState::Stored {
            tell_stored(timeline, short, &life, &result)?;
            results.push(result);
            return Ok(results);
        }
        if ttl_ms >= SHORT_MAX_MS {
            return Err(broken(format!("a message was not stored: {result:?}")));
        }
        timeline.tell(
            "Alice",
            format!("writes {short:?}, {life}: this machine was too busy to get it stored in time"),
        )?;
        ttl_ms *= 2;
    }
}

async fn send(
    alice: &RunningNode,
    bob: &IdInfo,
    text: &str,
    ttl_ms: u64,
) -> Result<SendResult, DemoError> {
    let request = SendRequest {
        to: bob.link.clone(),
        body: Body::new(text.as_bytes().to_vec()),
        ttl_ms: Some(ttl_ms),
        burn_ms: None,
        file_name: None,
        effort_max: None,
        reply_to: None,
        replaces: None,
        wait: true,
    };
    match alice.ask(Request::Send(request)).await? {
        Reply::Sent(result) => Ok(result),
        _ => Err(broken("Alice's node answers something else")),
    }
}

fn tell_stored(
    timeline: &mut Timeline<'_>,
    text: &str,
    life: &str,
    result: &SendResult,
) -> Result<(), DemoError> {
    let (with, of) = (result.stored_with, result.stored_of);
    timeline.tell(
        "Alice",
        format!("writes {text:?}, {life}: stored with {with} of {of}"),
    )
}

/// Shows what one of the keepers can say about the messages.
async fn show_keepers(timeline: &mut Timeline<'_>, nodes: &Nodes) -> Result<(), DemoError> {
    for keeper in &nodes.keepers {
        let held = keeper.holdings().await?;
        let envelopes: Vec<_> = held.iter().filter(|item| item.kind == "envelope").collect();
        if envelopes.is_empty() {
            continue;
        }
        timeline.tell("a keeper", "sees this of the messages, and nothing else:")?;
        for item in envelopes {
            let address = item.address.get(..16).unwrap_or_default();
            let left = item.expires_ms.saturating_sub(clock::now().get()) / 1_000;
            timeline.more(format!(
                "{} at {address}..., {} bytes, {left} s left",
                item.kind, item.size_class
            ))?;
        }
        return Ok(());
    }
    Err(broken("no keeper holds an envelope"))
}

/// Waits for the end of the short message, and sees that no keeper has it any more.
async fn wait_for_expiry(
    timeline: &mut Timeline<'_>,
    nodes: &Nodes,
    sent: &[SendResult],
) -> Result<(), DemoError> {
    let end = sent.last().map_or(0, |result| result.until_ms);
    let left = end.saturating_sub(clock::now().get());
    tokio::time::sleep(Duration::from_millis(left + 1)).await;
    let envelopes = nodes.envelopes().await?;
    if envelopes.iter().any(|item| item.expires_ms <= end) {
        return Err(broken("a keeper still has the message that has expired"));
    }
    timeline.tell("keepers", "have dropped the message that lived for seconds")
}

/// Reads until as many messages came as are wanted, and then sees that there are no more.
async fn receive(bob: &RunningNode, wanted: usize) -> Result<Vec<InboxMessage>, DemoError> {
    let mut messages: Vec<InboxMessage> = Vec::new();
    let mut wait_ms = 15_000;
    loop {
        let after = messages.last().map(|message| message.id.clone());
        let request = InboxRequest {
            wait_ms,
            all: false,
            after,
            only: None,
        };
        let Reply::Inbox(page) = bob.ask(Request::Inbox(request)).await? else {
            return Err(broken("Bob's node answers something else"));
        };
        if page.messages.is_empty() {
            break;
        }
        messages.extend(page.messages);
        if messages.len() >= wanted {
            // A second copy, or the expired one, would come at once.
            wait_ms = 300;
        }
    }
    let ids = messages.iter().map(|message| message.id.clone()).collect();
    bob.ask(Request::MarkRead { ids }).await?;
    Ok(messages)
}

fn check_messages(timeline: &mut Timeline<'_>, messages: &[InboxMessage]) -> Result<(), DemoError> {
    let mut texts: Vec<&str> = Vec::new();
    for message in messages {
        let text = message.text.as_ref().map_or("", |text| text.0.as_str());
        timeline.tell("Bob", format!("reads {text:?}"))?;
        texts.push(text);
    }
    let mut wanted = TEXTS[..TEXTS.len() - 1].to_vec();
    wanted.sort_unstable();
    texts.sort_unstable();
    if texts != wanted {
        return Err(broken(format!(
            "Bob has {} messages, not those three",
            messages.len()
        )));
    }
    timeline.tell(
        "Bob",
        "has every message once, and not the one that expired",
    )
}

/// Lets Bob accept Alice, and sees that she learns of the delivery.
async fn accept(
    timeline: &mut Timeline<'_>,
    alice: &RunningNode,
    bob: &RunningNode,
    alice_id: &IdInfo,
    sent: &[SendResult],
) -> Result<(), DemoError> {
    bob.ask(Request::ContactAccept {
        who: alice_id.id.clone(),
    })
    .await?;
    timeline.tell(
        "Bob",
        "accepts Alice; only now is she told that he was there",
    )?;
    let delivered = |status: &restante_interface::StatusInfo| {
        let state = |id: &str| status.outbox.iter().find(|entry| entry.message_id == id);
        sent[..sent.len() - 1].iter().all(|result| {
            state(&result.message_id).is_some_and(|e| e.state == DeliveryState::Delivered)
        })
    };
    let status = alice
        .wait("Alice learns of the delivery", delivered)
        .await?;
    let expired = |result: &SendResult| {
        let is_it = |e: &&OutboxEntry| e.message_id == result.message_id;
        let entry = status.outbox.iter().find(is_it);
        entry.is_some_and(|e| e.state == DeliveryState::Expired)
    };
    if !sent.last().is_some_and(expired) {
        return Err(broken("Alice was not told that one message expired"));
    }
    timeline.tell(
        "Alice",
        "sees three messages delivered, and one expired undelivered",
    )
}

/// Looks for the texts in every file of every home.
fn check_files(timeline: &mut Timeline<'_>, folder: &Path) -> Result<(), DemoError> {
    let mut files = 0;
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        let io = |source| DemoError::Io {
            doing: "reading the homes",
            source,
        };
        for entry in fs::read_dir(&next).map_err(io)? {
            let entry = entry.map_err(io)?;
            if entry.file_type().map_err(io)?.is_dir() {
                folders.push(entry.path());
                continue;
            }
            let Ok(bytes) = fs::read(entry.path()) else {
                continue;
            };
            files += 1;
            for text in TEXTS {
                if bytes
                    .windows(text.len())
                    .any(|window| window == text.as_bytes())
                {
                    return Err(broken("a text lies readable in a file"));
                }
            }
        }
    }
    timeline.tell(
        "files",
        format!("{files} files of all eleven homes hold none of the texts"),
    )
}

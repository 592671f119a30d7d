//! Keepers that ask for more work.

use restante_interface::{
    Body, DeliveryState, MessageCode, Reply, Request as Call, SendRequest, SendResult,
};
use restante_proto::keys::SecretKey;
use restante_proto::limits::{DAY_MS, MINUTE_MS};
use restante_proto::request::{Admission, Refusal, Request, Response};
use restante_proto::stamp::{EFFORT_UNASKED, Stamp};

use super::world::World;

/// What keepers ask for.
const DEAR: u32 = 2 * EFFORT_UNASKED;

/// Takes no stamp that is worth less, for envelopes and for cards.
fn dear(_: &SecretKey, request: &Request, response: Response) -> Response {
    let stamp = match request {
        Request::DepositEnvelope {
            admission: Admission::Stamp(stamp),
            ..
        } => Some(stamp),
        Request::DepositCard { stamp, .. } => stamp.as_ref(),
        _ => return response,
    };
    match stamp.map_or(0, Stamp::effort) >= u64::from(DEAR) {
        true => response,
        false => Response::Refusal(Refusal::stamp(DEAR)),
    }
}

/// Writes to the second of two, and lets a while pass.
fn send(world: &mut World, effort_max: Option<u32>) -> SendResult {
    let request = SendRequest {
        to: world.id(1),
        body: Body::new(b"is it worth it?".to_vec()),
        ttl_ms: Some(6 * DAY_MS),
        burn_ms: None,
        file_name: None,
        effort_max,
        reply_to: None,
        replaces: None,
        wait: false,
    };
    let call = world.call(0, Call::Send(request));
    world.run(5 * MINUTE_MS);
    match world.people[0].replies.get(&call) {
        Some(Ok(Reply::Sent(sent))) => sent.clone(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn work_that_is_too_dear_is_told_and_done_once_it_is_allowed() {
    let mut world = World::new(30, 2, 6);
    world.warm_up();
    for keeper in &mut world.keepers {
        keeper.lie = Some(dear);
    }
    let sent = send(&mut world, None);
    assert_eq!(sent.state, DeliveryState::Waiting);
    assert_eq!(sent.code, MessageCode::TooDear);
    assert_eq!(sent.effort_asked, Some(DEAR));
    let overview = world.people[0].core.overview(world.now(0));
    assert_eq!(overview.effort_max, EFFORT_UNASKED);
    assert_eq!(overview.outbox[0].effort_asked, Some(DEAR));
    assert_eq!(overview.outbox[0].code, MessageCode::TooDear);
    assert_eq!(overview.refused_count, 0);
    assert!(overview.outbox[0].next_try_ms.is_some(), "it is tried on");
    let allowed = send(&mut world, Some(DEAR));
    let overview = world.people[0].core.overview(world.now(0));
    let by_id = |id: &str| overview.outbox.iter().find(|entry| entry.message_id == id);
    let (first, second) = (by_id(&sent.message_id), by_id(&allowed.message_id));
    assert_eq!(first.unwrap().state, DeliveryState::Waiting);
    assert_eq!(second.unwrap().state, DeliveryState::Stored);
    assert_eq!(second.unwrap().effort_asked, None);
    world.restart(0);
    world.run(MINUTE_MS);
    for keeper in &mut world.keepers {
        keeper.lie = None;
    }
    world.run(2 * 60 * MINUTE_MS);
    assert!(world.texts(1).contains("is it worth it?"));
    assert_eq!(world.people[1].disk.rows().inbox.len(), 2);
    let overview = world.people[0].core.overview(world.now(0));
    assert!(overview.outbox.iter().all(|it| it.effort_asked.is_none()));
}

#[test]
fn a_card_that_is_too_dear_is_told_of() {
    let mut world = World::new(31, 1, 6);
    for keeper in &mut world.keepers {
        keeper.lie = Some(dear);
    }
    world.run(5 * MINUTE_MS);
    let overview = world.people[0].core.overview(world.now(0));
    assert_eq!(overview.card_published, None);
    assert_eq!(overview.card_effort_asked, Some(DEAR));
    for keeper in &mut world.keepers {
        keeper.lie = None;
    }
    world.run(2 * 60 * MINUTE_MS);
    let overview = world.people[0].core.overview(world.now(0));
    assert!(overview.card_published.is_some());
    assert_eq!(overview.card_effort_asked, None);
}

#[test]
fn an_effort_that_nobody_can_do_is_refused() {
    let mut world = World::new(32, 2, 6);
    world.warm_up();
    for effort in [0, u32::MAX] {
        let request = SendRequest {
            to: world.id(1),
            body: Body::new(b"x".to_vec()),
            ttl_ms: None,
            burn_ms: None,
            file_name: None,
            effort_max: Some(effort),
            reply_to: None,
            replaces: None,
            wait: false,
        };
        let call = world.call(0, Call::Send(request));
        assert!(matches!(world.people[0].replies.get(&call), Some(Err(_))));
    }
}

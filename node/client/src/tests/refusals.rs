//! What a sender is told when keepers refuse.

use restante_interface::{DeliveryState, MessageCode, Obstacle, ObstacleReason};
use restante_proto::keys::SecretKey;
use restante_proto::limits::{HOUR_MS, MINUTE_MS, SECOND_MS};
use restante_proto::request::{Reason, Refusal, Request, Response};

use super::world::World;

/// Has no room for envelopes.
fn full(_: &SecretKey, request: &Request, response: Response) -> Response {
    match request {
        Request::DepositEnvelope { .. } => {
            Response::Refusal(Refusal::until(Reason::Full, MINUTE_MS))
        }
        _ => response,
    }
}

#[test]
fn a_message_that_nobody_has_room_for_says_why_it_waits_until_somebody_has() {
    let mut world = World::new(30, 2, 6);
    world.warm_up();
    for keeper in &mut world.keepers {
        keeper.lie = Some(full);
    }
    let call = world.send(0, 1, "no room");
    world.run(30 * SECOND_MS);
    let sent = world.sent(0, call).unwrap().clone();
    assert_eq!(
        (sent.state, sent.code),
        (DeliveryState::Waiting, MessageCode::Refused)
    );
    let all = Obstacle {
        reason: ObstacleReason::Full,
        keepers: 6,
    };
    assert_eq!(sent.obstacles, [all]);
    assert!(sent.next_try_ms > Some(world.now(0).date.get()));
    let overview = world.people[0].core.overview(world.now(0));
    assert_eq!((overview.refused_count, overview.obstacles), (1, vec![all]));
    assert_eq!(overview.outbox[0].code, MessageCode::Refused);

    for keeper in &mut world.keepers {
        keeper.lie = None;
    }
    world.run(HOUR_MS);
    assert!(world.texts(1).contains("no room"));
    let overview = world.people[0].core.overview(world.now(0));
    assert_eq!(
        (overview.refused_count, overview.obstacles),
        (0, Vec::new())
    );
    assert!(matches!(
        overview.outbox[0].code,
        MessageCode::Stored | MessageCode::Delivered
    ));
    assert_eq!(overview.outbox[0].obstacles, []);
}

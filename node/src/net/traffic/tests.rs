use std::time::Duration;

use restante_proto::Address;
use restante_proto::repair::RepairRequest;
use restante_proto::request::Request;
use restante_proto::routing::{Point, Question};

use super::*;

fn all(traffic: &Traffic) -> BTreeMap<&'static str, Bytes> {
    traffic.read()
}

#[test]
fn what_a_frame_is_for_is_read_from_its_kind_and_its_first_field() {
    let cards = Request::GetCards {
        locator: Address::new([1; 32]),
    };
    let chunk = Request::GetChunk {
        address: Address::new([1; 32]),
    };
    let question = Question {
        point: Point::new([1; 32]),
        count: 1,
    };
    let of = |kind, payload: &[u8]| Cause::of_frame(kind, payload);
    assert_eq!(of(Kind::Request, &cards.encode()), Cause::Cards);
    assert_eq!(of(Kind::Request, &chunk.encode()), Cause::Chunks);
    assert_eq!(of(Kind::Question, &question.encode()), Cause::Lookup);
    let copy = RepairRequest::Copy { keys: Vec::new() };
    assert_eq!(of(Kind::Repair, &copy.encode()), Cause::Copy);
    assert_eq!(
        of(Kind::Repair, &RepairRequest::Leave.encode()),
        Cause::Leave
    );
    assert_eq!(of(Kind::Request, b""), Cause::Other);
}

#[test]
fn causes_have_names_of_their_own() {
    let mut names: Vec<&str> = Cause::ALL.iter().map(|cause| cause.name()).collect();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), Cause::ALL.len());
}

#[tokio::test(start_paused = true)]
async fn a_connection_that_carries_nothing_costs_its_keep_alives_and_no_more_once_it_is_gone() {
    let traffic = Arc::<Traffic>::default();
    let connection = traffic.connected(true, true);
    let kept = |traffic: &Traffic| all(traffic).get("keep_alive").map_or(0, |bytes| bytes.sent);
    tokio::time::advance(QUIC_KEEP_ALIVE * 10 + Duration::from_secs(1)).await;
    assert_eq!(kept(&traffic), 10 * EMPTY_PACKET_BYTES);
    // Looking does not count it again.
    assert_eq!(kept(&traffic), 10 * EMPTY_PACKET_BYTES);
    drop(connection);
    tokio::time::advance(QUIC_KEEP_ALIVE * 10).await;
    assert_eq!(kept(&traffic), 10 * EMPTY_PACKET_BYTES);
    assert!(traffic.connections.lock().unwrap().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_connection_over_tcp_has_no_keep_alives() {
    let traffic = Arc::<Traffic>::default();
    let _connection = traffic.connected(false, false);
    tokio::time::advance(QUIC_KEEP_ALIVE * 10).await;
    assert_eq!(all(&traffic).get("keep_alive"), None);
}

#[test]
fn what_is_carried_costs_packets_and_half_an_acknowledgement_for_each() {
    let traffic = Traffic::default();
    traffic.carried(Cause::List, Way::Out, 100);
    traffic.carried(Cause::List, Way::In, 1_161);
    let list = all(&traffic)["list"];
    assert_eq!(list.sent, 100 + PACKET_BYTES + EMPTY_PACKET_BYTES);
    assert_eq!(
        list.received,
        1_161 + 2 * PACKET_BYTES + EMPTY_PACKET_BYTES / 2
    );
}

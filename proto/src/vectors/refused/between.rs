//! What nodes say to each other.

use bytes::Bytes;
use prost::Message as _;

use super::{Case, blank, many, numbered, refusal};
use crate::{
    Address,
    fixture::NOW,
    keeper::ElementKey,
    limits::{
        COMPARED_ELEMENTS_MAX, COMPARED_POINTS_MAX, COMPARED_RANGES_MAX, COPY_COUNT_MAX,
        FOUND_NODES_MAX, NODE_ADDRESS_BYTES_MAX, NODE_ADDRESSES_MAX,
    },
    repair::{RepairRequest, RepairResponse},
    routing::Answer,
    wire::generated as g,
};

pub(super) fn questions() -> Vec<Case> {
    let of = |length, count| {
        let point = blank(length);
        g::FindNodes { point, count }.encode_to_vec()
    };
    let find = |length| of(length, 20);
    let behind = [find(32), vec![0x18, 1]].concat();
    vec![
        ("no point", find(0)),
        ("a point of 31 bytes", find(31)),
        ("a point of 33 bytes", find(33)),
        ("no count", of(32, 0)),
        ("a count of 21", of(32, 21)),
        ("an unknown field behind", behind),
    ]
}

pub(super) fn found() -> Vec<Case> {
    let address = |number| numbered(number, 12);
    let node = |number, addresses: Vec<Bytes>| g::FoundNode {
        node: numbered(number, 32),
        addresses,
    };
    let found = |nodes: Vec<g::FoundNode>| g::FoundNodes { nodes }.encode_to_vec();
    let nodes = |count| {
        let nodes = (0..count).map(|number| node(number, vec![address(1)]));
        found(nodes.collect())
    };
    assert!(Answer::decode(&nodes(FOUND_NODES_MAX)).is_ok());
    let of_one = |addresses: Vec<Bytes>| found(vec![node(1, addresses)]);
    let crowd = (0..=NODE_ADDRESSES_MAX).map(address).collect();
    vec![
        ("21 nodes", nodes(FOUND_NODES_MAX + 1)),
        (
            "a node twice",
            found(vec![node(1, vec![address(1)]), node(1, vec![address(2)])]),
        ),
        ("a node without an address", of_one(Vec::new())),
        ("a node with nine addresses", of_one(crowd)),
        ("an address twice", of_one(vec![address(1); 2])),
        ("an empty address", of_one(vec![Bytes::new()])),
        (
            "an address of 108 bytes",
            of_one(vec![blank(NODE_ADDRESS_BYTES_MAX + 1)]),
        ),
        (
            "a node of 31 bytes",
            found(vec![g::FoundNode {
                node: blank(31),
                addresses: vec![address(1)],
            }]),
        ),
    ]
}

fn element_key(number: u8) -> Bytes {
    let key = ElementKey::chunk(Address::new([number; 32]));
    key.to_bytes().to_vec().into()
}

fn range(after: Option<u8>, to: Option<u8>) -> g::Range {
    let end = |number: Option<u8>| number.map_or_else(Bytes::new, element_key);
    g::Range {
        after: end(after),
        to: end(to),
        count: 1,
        sum: blank(16),
    }
}

fn compare(change: impl FnOnce(&mut g::Compare)) -> Vec<u8> {
    let mut compare = g::Compare {
        salt: blank(16),
        points: many(2),
        alive_ms: NOW.get(),
        ranges: vec![range(None, None)],
        leaving: false,
    };
    change(&mut compare);
    let request = Some(g::repair_request::Request::Compare(compare));
    g::RepairRequest { request }.encode_to_vec()
}

fn copy(keys: Vec<Bytes>) -> Vec<u8> {
    let request = Some(g::repair_request::Request::Copy(g::Copy { keys }));
    g::RepairRequest { request }.encode_to_vec()
}

pub(super) fn repair_requests() -> Vec<Case> {
    let keys = |count: usize| {
        let numbers = 0..u8::try_from(count).unwrap();
        numbers.map(element_key).collect::<Vec<_>>()
    };
    assert!(RepairRequest::decode(&compare(|_| {})).is_ok());
    assert!(RepairRequest::decode(&copy(keys(COPY_COUNT_MAX))).is_ok());
    let runs = |count: usize| {
        let numbers = 1..=u8::try_from(count).unwrap();
        numbers.map(|number| range(Some(number), Some(number + 1)))
    };
    let of = |ranges: Vec<g::Range>| compare(|compare| compare.ranges = ranges);
    let mut unknown = element_key(1).to_vec();
    unknown[0] = 6;
    vec![
        ("nothing", Vec::new()),
        ("a salt of 15 bytes", compare(|it| it.salt = blank(15))),
        ("one point", compare(|it| it.points = many(1))),
        (
            "21 points",
            compare(|it| it.points = many(COMPARED_POINTS_MAX + 1)),
        ),
        (
            "a point twice",
            compare(|it| it.points = vec![blank(32); 2]),
        ),
        ("no moment", compare(|it| it.alive_ms = 0)),
        ("no range", of(Vec::new())),
        ("17 ranges", of(runs(COMPARED_RANGES_MAX + 1).collect())),
        (
            "ranges out of order",
            of(vec![range(Some(3), Some(4)), range(Some(1), Some(2))]),
        ),
        (
            "ranges that overlap",
            of(vec![range(None, Some(3)), range(Some(2), None)]),
        ),
        (
            "a range behind one without end",
            of(vec![range(None, None), range(Some(2), None)]),
        ),
        ("a range of nothing", of(vec![range(Some(2), Some(2))])),
        ("a copy of nothing", copy(Vec::new())),
        ("a copy of 33", copy(keys(COPY_COUNT_MAX + 1))),
        ("a copy of one twice", copy(vec![element_key(1); 2])),
        ("a key of 64 bytes", copy(vec![element_key(1).slice(1..)])),
        ("a key of an unknown kind", copy(vec![unknown.into()])),
    ]
}

#[expect(clippy::too_many_lines, reason = "a table")]
pub(super) fn repair_responses() -> Vec<Case> {
    use g::repair_response::Response as R;
    let answer = |response| {
        let response = Some(response);
        g::RepairResponse { response }.encode_to_vec()
    };
    let compared = |ranges: Vec<g::RangeAnswer>| {
        let date_ms = NOW.get();
        answer(R::Compared(g::Compared { ranges, date_ms }))
    };
    let part = |to: Option<u8>| g::Part {
        to: to.map_or_else(Bytes::new, element_key),
        count: 1,
        sum: blank(16),
    };
    let element = |number| g::Element {
        key: element_key(number),
        version: 0,
    };
    let of = |parts: Vec<g::Part>, elements: Vec<g::Element>| {
        compared(vec![g::RangeAnswer { parts, elements }])
    };
    let parts = |count: usize| {
        let numbers = 1..=u8::try_from(count).unwrap();
        numbers.map(|number| part(Some(number))).collect::<Vec<_>>()
    };
    let elements = |count: usize| {
        let numbers = 1..=u8::try_from(count).unwrap();
        numbers.map(element).collect::<Vec<_>>()
    };
    assert!(RepairResponse::decode(&of(parts(COMPARED_RANGES_MAX), Vec::new())).is_ok());
    assert!(RepairResponse::decode(&of(Vec::new(), elements(COMPARED_ELEMENTS_MAX))).is_ok());
    let replica = g::Replica {
        key: element_key(1),
        until_ms: NOW.get(),
        item: blank(10),
        deposited: false,
        proof: Some(g::AdmissionProof::default()),
    };
    let replicas = |replicas: Vec<g::Replica>| answer(R::Replicas(g::Replicas { replicas }));
    let bare = g::Replica {
        proof: None,
        ..replica.clone()
    };
    let equal = g::RangeAnswer::default();
    vec![
        ("an answer for no range", compared(Vec::new())),
        (
            "answers for 17 ranges",
            compared(vec![equal; COMPARED_RANGES_MAX + 1]),
        ),
        ("one part", of(parts(1), Vec::new())),
        ("17 parts", of(parts(COMPARED_RANGES_MAX + 1), Vec::new())),
        (
            "parts out of order",
            of(vec![part(Some(2)), part(Some(1))], Vec::new()),
        ),
        (
            "a part behind one without end",
            of(vec![part(None), part(Some(1))], Vec::new()),
        ),
        ("parts and elements", of(parts(2), elements(1))),
        (
            "33 elements",
            of(Vec::new(), elements(COMPARED_ELEMENTS_MAX + 1)),
        ),
        (
            "elements out of order",
            of(Vec::new(), vec![element(2), element(1)]),
        ),
        (
            "an element twice",
            of(Vec::new(), vec![element(1), element(1)]),
        ),
        ("a replica without a proof", replicas(vec![bare])),
        ("a replica twice", replicas(vec![replica; 2])),
        (
            "done with a moment",
            answer(R::Done(g::Done { until_ms: 1 })),
        ),
        (
            "a reason of a later version",
            answer(R::Refusal(refusal(14, 0))),
        ),
        (
            "an effort where none is",
            answer(R::Refusal(refusal(g::Reason::Unavailable.into(), 1))),
        ),
    ]
}

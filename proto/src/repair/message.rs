//! What keepers ask of each other, and what they answer (SPEC 8.8).

use bytes::Bytes;
use prost::Message as _;

use super::{Part, Range, Sum};
use crate::{
    keeper::{ADMISSION_PROOF_BYTES_MAX, AdmissionProof, Element, ElementKey, Replica},
    limits::{
        COMPARED_ELEMENTS_MAX, COMPARED_POINTS_MAX, COMPARED_RANGES_MAX, COPY_COUNT_MAX,
        ENVELOPE_BYTES_MAX, PAYLOAD_BYTES_MAX, REPLICA_HEAD_BYTES, REPLICAS_BYTES_MAX,
    },
    request::Refusal,
    routing::Point,
    time::UnixMillis,
    wire::{
        self, WireError,
        generated::{self as g, repair_request::Request as R, repair_response::Response as A},
    },
};

/// Length of a salt in bytes.
pub const SALT_BYTES: usize = 16;
/// Largest encoded request, in bytes.
const REQUEST_BYTES_MAX: usize = 128 + COMPARED_POINTS_MAX * 34 + COMPARED_RANGES_MAX * 192;

/// What two keepers compare.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Terms {
    /// Makes the sums of this comparison unlike those of any other.
    pub salt: [u8; SALT_BYTES],
    /// Where the keepers lie that the asker knows, both ends among them.
    pub points: Vec<Point>,
    /// Elements that end later are compared.
    pub alive: UnixMillis,
    /// The asked one has said that it leaves.
    pub leaving: bool,
}

/// One request of a keeper to another.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(missing_docs, reason = "the names of most fields say it all")]
pub enum RepairRequest {
    /// Compare these ranges, in order and without overlap, with the asker's sums of them.
    Compare {
        terms: Terms,
        ranges: Vec<(Range, Sum)>,
    },
    /// Hand over these elements, as many as fit one answer, in this order.
    Copy { keys: Vec<ElementKey> },
    /// The asker leaves; answered when all was taken from it that other keepers should have now.
    Leave,
}

/// One answer of a keeper to another.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RepairResponse {
    /// What is in the ranges, one after the other.
    Compared {
        /// One for each range.
        ranges: Vec<RangeAnswer>,
        /// What the date is by the clock of the one asked.
        date: UnixMillis,
    },
    /// The elements.
    Replicas(Vec<Replica>),
    /// All was taken.
    Done,
    /// No, and why.
    Refusal(Refusal),
}

/// What a keeper has in a range.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RangeAnswer {
    /// The same as the asker, or nothing.
    Equal,
    /// Something else, and too much to list: sums of parts that follow each other from the range's begin to its end.
    Parts(Vec<Part>),
    /// Something else: this.
    Elements(Vec<Element>),
}

impl RepairRequest {
    /// Encodes the request.
    pub fn encode(&self) -> Bytes {
        let request = match self {
            Self::Compare { terms, ranges } => R::Compare(g::Compare {
                salt: Bytes::copy_from_slice(&terms.salt),
                points: terms
                    .points
                    .iter()
                    .map(|point| Bytes::copy_from_slice(point.as_bytes()))
                    .collect(),
                alive_ms: terms.alive.get(),
                ranges: ranges
                    .iter()
                    .map(|(range, sum)| range_to_wire(range, sum))
                    .collect(),
                leaving: terms.leaving,
            }),
            Self::Copy { keys } => R::Copy(g::Copy {
                keys: keys.iter().map(key_to_wire).collect(),
            }),
            Self::Leave => R::Leave(g::Leave {}),
        };
        let request = Some(request);
        g::RepairRequest { request }.encode_to_vec().into()
    }

    /// Decodes a request; counts, lengths and the order of ranges are right afterwards.
    ///
    /// # Errors
    ///
    /// [`WireError`] when the bytes are no request in canonical encoding.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let request: g::RepairRequest = wire::decode(bytes, REQUEST_BYTES_MAX)?;
        match wire::present(request.request, "request")? {
            R::Compare(compare) => compare_from_wire(&compare),
            R::Copy(copy) => {
                wire::check_count(&copy.keys, 1..=COPY_COUNT_MAX, "keys")?;
                wire::check_distinct(&copy.keys, "keys")?;
                let keys = copy.keys.iter().map(|key| key_from_wire(key));
                Ok(Self::Copy {
                    keys: keys.collect::<Result<_, _>>()?,
                })
            }
            R::Leave(g::Leave {}) => Ok(Self::Leave),
        }
    }
}

impl RepairResponse {
    /// Encodes the response.
    pub fn encode(&self) -> Bytes {
        let response = match self {
            Self::Compared { ranges, date } => A::Compared(g::Compared {
                ranges: ranges.iter().map(answer_to_wire).collect(),
                date_ms: date.get(),
            }),
            Self::Replicas(replicas) => A::Replicas(g::Replicas {
                replicas: replicas.iter().filter_map(replica_to_wire).collect(),
            }),
            Self::Done => A::Done(g::Done { until_ms: 0 }),
            Self::Refusal(refusal) => A::Refusal(refusal.to_wire()),
        };
        let response = Some(response);
        g::RepairResponse { response }.encode_to_vec().into()
    }

    /// Decodes a response; counts and lengths are right afterwards.
    ///
    /// # Errors
    ///
    /// [`WireError`] when the bytes are no response in canonical encoding.
    pub fn decode(bytes: &[u8]) -> Result<Self, WireError> {
        let response: g::RepairResponse = wire::decode(bytes, PAYLOAD_BYTES_MAX)?;
        Ok(match wire::present(response.response, "response")? {
            A::Compared(compared) => {
                wire::check_count(&compared.ranges, 1..=COMPARED_RANGES_MAX, "ranges")?;
                let ranges = compared.ranges.into_iter().map(answer_from_wire);
                Self::Compared {
                    ranges: ranges.collect::<Result<_, _>>()?,
                    date: wire::moment(compared.date_ms, "date_ms")?,
                }
            }
            A::Replicas(replicas) => {
                let replicas = replicas.replicas;
                wire::check_count(&replicas, 0..=COPY_COUNT_MAX, "replicas")?;
                wire::check_distinct(replicas.iter().map(|it| &it.key), "replicas")?;
                let replicas = replicas.into_iter().map(replica_from_wire);
                Self::Replicas(replicas.collect::<Result<_, _>>()?)
            }
            A::Done(g::Done { until_ms: 0 }) => Self::Done,
            A::Done(_) => return Err(WireError::Contradiction("until_ms")),
            A::Refusal(refusal) => Self::Refusal(Refusal::from_wire(&refusal)?),
        })
    }
}

fn key_to_wire(key: &ElementKey) -> Bytes {
    Bytes::copy_from_slice(&key.to_bytes())
}

fn key_from_wire(bytes: &[u8]) -> Result<ElementKey, WireError> {
    ElementKey::from_bytes(&wire::array(bytes, "key")?).ok_or(WireError::Missing("kind"))
}

fn end_to_wire(key: Option<&ElementKey>) -> Bytes {
    key.map_or_else(Bytes::new, key_to_wire)
}

fn end_from_wire(bytes: &[u8]) -> Result<Option<ElementKey>, WireError> {
    Some(bytes)
        .filter(|bytes| !bytes.is_empty())
        .map(key_from_wire)
        .transpose()
}

fn sum_from_wire(count: u64, sum: &[u8]) -> Result<Sum, WireError> {
    let total = u128::from_be_bytes(wire::array(sum, "sum")?);
    Ok(Sum { count, total })
}

fn range_to_wire(range: &Range, sum: &Sum) -> g::Range {
    g::Range {
        after: end_to_wire(range.after.as_ref()),
        to: end_to_wire(range.to.as_ref()),
        count: sum.count,
        sum: Bytes::copy_from_slice(&sum.total.to_be_bytes()),
    }
}

fn compare_from_wire(compare: &g::Compare) -> Result<RepairRequest, WireError> {
    wire::check_count(&compare.points, 2..=COMPARED_POINTS_MAX, "points")?;
    wire::check_distinct(&compare.points, "points")?;
    wire::check_count(&compare.ranges, 1..=COMPARED_RANGES_MAX, "ranges")?;
    let points = compare
        .points
        .iter()
        .map(|point| Ok(Point::new(wire::array(point, "point")?)));
    let ranges = compare.ranges.iter().map(|range| {
        let ends = Range {
            after: end_from_wire(&range.after)?,
            to: end_from_wire(&range.to)?,
        };
        Ok((ends, sum_from_wire(range.count, &range.sum)?))
    });
    let terms = Terms {
        salt: wire::array(&compare.salt, "salt")?,
        points: points.collect::<Result<_, WireError>>()?,
        alive: wire::moment(compare.alive_ms, "alive_ms")?,
        leaving: compare.leaving,
    };
    let ranges = ranges.collect::<Result<Vec<_>, WireError>>()?;
    if !super::are_in_order(ranges.iter().map(|(range, _)| range)) {
        return Err(WireError::Contradiction("ranges"));
    }
    Ok(RepairRequest::Compare { terms, ranges })
}

fn answer_to_wire(answer: &RangeAnswer) -> g::RangeAnswer {
    let (parts, elements): (&[Part], &[Element]) = match answer {
        RangeAnswer::Equal => (&[], &[]),
        RangeAnswer::Parts(parts) => (parts, &[]),
        RangeAnswer::Elements(elements) => (&[], elements),
    };
    let part = |part: &Part| g::Part {
        to: end_to_wire(part.to.as_ref()),
        count: part.sum.count,
        sum: Bytes::copy_from_slice(&part.sum.total.to_be_bytes()),
    };
    let element = |element: &Element| g::Element {
        key: key_to_wire(&element.key),
        version: element.version,
    };
    g::RangeAnswer {
        parts: parts.iter().map(part).collect(),
        elements: elements.iter().map(element).collect(),
    }
}

fn answer_from_wire(answer: g::RangeAnswer) -> Result<RangeAnswer, WireError> {
    wire::check_count(&answer.elements, 0..=COMPARED_ELEMENTS_MAX, "elements")?;
    wire::check_ascending(answer.elements.iter().map(|it| &it.key), "elements")?;
    if !answer.parts.is_empty() {
        wire::check_count(&answer.parts, 2..=COMPARED_RANGES_MAX, "parts")?;
        // The last one may have no end; what is behind it would have no beginning.
        let ends = answer
            .parts
            .iter()
            .map(|part| (part.to.is_empty(), &part.to));
        wire::check_ascending(ends, "parts")?;
        if !answer.elements.is_empty() {
            return Err(WireError::Contradiction("elements"));
        }
    }
    let part = |part: g::Part| {
        Ok(Part {
            to: end_from_wire(&part.to)?,
            sum: sum_from_wire(part.count, &part.sum)?,
        })
    };
    let element = |element: g::Element| {
        Ok(Element {
            key: key_from_wire(&element.key)?,
            // The asker learns it from the replica.
            expires: UnixMillis::default(),
            version: element.version,
        })
    };
    if !answer.parts.is_empty() {
        let parts = answer.parts.into_iter().map(part);
        return Ok(RangeAnswer::Parts(parts.collect::<Result<_, WireError>>()?));
    }
    let elements: Vec<Element> = answer
        .elements
        .into_iter()
        .map(element)
        .collect::<Result<_, WireError>>()?;
    Ok(match elements.len() {
        0 => RangeAnswer::Equal,
        _ => RangeAnswer::Elements(elements),
    })
}

/// Returns a replica's wire form; `None` when its proof, which comes from the disk, is none.
fn replica_to_wire(replica: &Replica) -> Option<g::Replica> {
    let proof = AdmissionProof::decode(&replica.proof).ok()?;
    if !proof.is_of(replica.key.kind) {
        return None;
    }
    Some(g::Replica {
        key: key_to_wire(&replica.key),
        until_ms: replica.until.get(),
        item: replica.item.clone(),
        deposited: replica.deposited,
        proof: Some(wire::decode(&replica.proof, ADMISSION_PROOF_BYTES_MAX).ok()?),
    })
}

fn replica_from_wire(replica: g::Replica) -> Result<Replica, WireError> {
    if replica.item.len() > ENVELOPE_BYTES_MAX {
        return Err(WireError::Length("item"));
    }
    let proof = wire::present(replica.proof, "proof")?.encode_to_vec();
    // Its lengths are checked once, here.
    AdmissionProof::decode(&proof)?;
    Ok(Replica {
        key: key_from_wire(&replica.key)?,
        until: wire::moment(replica.until_ms, "until_ms")?,
        item: replica.item,
        deposited: replica.deposited,
        proof: proof.into(),
    })
}

const _: () = assert!(
    ENVELOPE_BYTES_MAX + ADMISSION_PROOF_BYTES_MAX + REPLICA_HEAD_BYTES <= REPLICAS_BYTES_MAX
);
const _: () = assert!(REPLICAS_BYTES_MAX + 16 <= PAYLOAD_BYTES_MAX);
const _: () = assert!(COMPARED_RANGES_MAX * (COMPARED_ELEMENTS_MAX * 82 + 4) <= PAYLOAD_BYTES_MAX);

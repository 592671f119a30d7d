//! Stamps, and solutions that break one rule each.

use bytes::Bytes;
use serde_json::{Value, json};

use super::hex;
use crate::{
    Address, ItemId,
    fixture::{NOW, bytes, key},
    limits::DAY_MS,
    stamp::{Challenge, CheapForTests, Equihash, Stamp, StampScheme},
    time::UnixMillis,
};

const EXPIRES: UnixMillis = NOW.plus(6 * DAY_MS);
/// Bits of an index, and indices of a solution.
const INDEX_BITS: usize = 21;
const INDICES: usize = 512;
/// A nonce with a solution that names an index twice and breaks no other rule, found once by going through the lists of
/// the nonces that end in the numbers from 0 on.
const DOUBLED_NONCE: &str = "dba6eeb192df524016e30cfc9d4e2d3cec4077f1d081b1497be2bc3c00000004";
/// That solution.
const DOUBLED_SOLUTION: [&str; 32] = [
    "00758cec6259b3ff8cb5277911d16911dec02f93db16dfdd1af6e61f177624b43671502366a12a5c7906",
    "036cf2a5589bc3f5bd881a083d6c1c528bea1a0e0b222a74fdf418c330fb28c48010b32a51a1d5f0f72b",
    "051aa4956a8e3871b556b30e7535f2c8f6a1d0af5f14674b22d19df5fb424e631c346171fe8b66dcf8aa",
    "06a6ebf37ba2bed93930f6c691bf1d91ec13192e8620053c9caab61105dd4b52c5272f934d5bd15e19fc",
    "099bb144d86706b389e15671c7ea3ee5ed9e7cca4f12cd49e5ae1225570e8074b99d5ea5eda7d11a61ac",
    "18b2ce9461dca19d703342f35832c7ba37c2ba7c7a6368a660915ccf2fb721f664f145aadfe5b3df32e7",
    "0be854793a12006783dbe496c339118d4f55efd16527572751224c2aa4e7a925f10bed5932b439fd9bbb",
    "16dbeff00b0fc6c6bfee417a11f554b5738bf6eb841c9771f23165a71bc9fde45aaac5fb55793cfee056",
    "04f5df9ce53193459f07b118e046a170b0f36edb53072313c1586d9a11da3b40d920b0da31142fec08a4",
    "16f916a3781c821af688922cb333ffcad1e3dd78f944f1e68cd794063b10a955c5a146d6ddbdf850c229",
    "175dd95f2eecebc3d2fdb2b234a9430586cbceb1f31bf57c0596918d65ab5b8200f8cd8e3716fb3d5d13",
    "3a173d05a028270bded4976f0b7f126eb05498bf4b448bbbe33ea81bc5ec9065719ebc665dff949b50d1",
    "0780d247b68e6bb4a385c1aebe22eaf5d48913d3661482ec775f4e3c13e33bb6a8885c84ae80e11ba195",
    "10071e287857d01f19453161312a8aa2c5241cd280156c2391408c99d2714734675c7703cd79143f3223",
    "0abde0e626879355e8e9690372ca70baae0ed601a12c2534c350a8e26ddb66842859d6257b14d4becb79",
    "0e4f2eb0a985dee2ef8991306473e494c7b5b069372c0d543016d09fca8f68430483d8866a7b7d15d177",
    "02430ce3f44da711279ef2726aba8f81653338ca7832a9951a0b149434d3a3c8ef265eb0f25bce7fc266",
    "1ba8ecee9b162c37ff15bb416a68cf3f9da4fd75bd2a095e50a7a247256de9f2a3187dd52960cbf7f9d6",
    "0f404fbbb08c12513244f77dd7529e563461731cbf209254b391135bf34917ad947fef793b7a081d9055",
    "4895a4000095db1f6fb6a7622c7992f659e45d31935cbe2d889d97a57aeb37763d6b408d3f315ede1103",
    "06aa206e6792b4cccba2e40d1cd7ca6918391c201b0724de28869036bf778909a8164ddb16ed0d1a241a",
    "0d737f81fa2316b7bae634cf623675cef70037fd8410a52ebd968750e91705c4757adcd7ee5a423c3a91",
    "072313c1584993cf743ef83960ed844615267190c027d27332662625df65057442a75279c9b637f68f1e",
    "17e8c25fdecca26b571d34676d72188db7ccdd9afa1a6af162f85b5724eda5a2914133fdb177a4ad7d42",
    "0290ea9ad091044ac9b7f143b025e3559d3ef52fae1fbc55d7a3909fc9a07e028459341f58d92377b5cb",
    "04afca61d9499df5daa9d37057d4066e358613209b2bc7a2129df9dec5fb3cc2ce74b34de4e4e7f74d18",
    "094d40f0d11d8a5df1f890d3ae14810c730ab152095bcc1d39fa321a71e7c8f69d33c5e922d8249edf7d",
    "10b32998bf16259164e9a190e7bf9b8e9efa3d784d166f1256d1cecb54b3d296c96d4df19db63f3fc2ec",
    "0307b6eb74a28373dfd96478b8707dd23f45d79ec8278596544f0cf294d706b30d72be268953a4d189aa",
    "060ec26a664837ce95a2e5c98cf2b7668e725919a50f1f9419bf4edaa14dd4a39d1da018c5400d742ec0",
    "064d7b7a3046b00b29d478d9d9c79746e398bf1136263805d0d710527f367fe9d7a95f5d96c7219cd3d6",
    "09b384a70e3777f9c6e8b198c3aafbd0f85aef77ac1314ca634a583deae00d72217139bc1722a31a39c4",
];

pub(super) fn stamps() -> Value {
    let address = Address::new(bytes("address"));
    let item = ItemId::new(bytes("item one"));
    let (writer, deletion) = (key("writer").public(), key("deletion").public());
    let envelope = Challenge::envelope(&address, &item, EXPIRES);
    let stamp = |scheme: &dyn StampScheme, name: &str| {
        let stamp = scheme.solve(&envelope, &bytes("stamp"), 1, 1_000).unwrap();
        json!({
            "scheme": name,
            "challenge": hex(envelope.as_bytes()),
            "nonce": hex(stamp.nonce),
            "solution": hex(&stamp.solution),
            "effort": stamp.effort(),
        })
    };
    json!({
        "about": "SPEC 5.3: challenges and stamps; cheap stamps are for tests and never accepted",
        "challenges": [
            {
                "for": "envelope",
                "address": hex(address.as_bytes()),
                "item": hex(item.as_bytes()),
                "expires_ms": EXPIRES.get(),
                "challenge": hex(envelope.as_bytes()),
            },
            {
                "for": "card",
                "locator": hex(address.as_bytes()),
                "writer": hex(writer.as_bytes()),
                "challenge": hex(Challenge::card(&address, &writer).as_bytes()),
            },
            {
                "for": "chunk",
                "address": hex(address.as_bytes()),
                "deletion_key": hex(deletion.as_bytes()),
                "expires_ms": EXPIRES.get(),
                "challenge": hex(Challenge::chunk(&address, &deletion, EXPIRES).as_bytes()),
            },
        ],
        "refused": refused(&envelope),
        "stamps": [stamp(&Equihash, "equihash-200-9"), stamp(&CheapForTests, "cheap-for-tests")],
    })
}

/// Returns the indices of a solution.
pub(super) fn unpack(solution: &[u8]) -> Vec<u32> {
    let bit = |place: usize| u32::from(solution[place / 8] >> (7 - place % 8)) & 1;
    let index = |number: usize| {
        let bits = number * INDEX_BITS..(number + 1) * INDEX_BITS;
        bits.fold(0, |index, place| (index << 1) | bit(place))
    };
    (0..INDICES).map(index).collect()
}

/// Returns the solution that indices are.
fn pack(indices: &[u32]) -> Bytes {
    let mut solution = vec![0; INDICES * INDEX_BITS / 8];
    for (number, index) in indices.iter().enumerate() {
        for bit in 0..INDEX_BITS {
            let place = number * INDEX_BITS + bit;
            let is_set = index >> (INDEX_BITS - 1 - bit) & 1;
            solution[place / 8] |= u8::try_from(is_set << (7 - place % 8)).unwrap();
        }
    }
    solution.into()
}

/// Returns a nonce with two solutions, and both.
fn two_solutions(challenge: &Challenge) -> ([u8; 32], [Vec<u32>; 2]) {
    for attempt in 0_u8.. {
        let mut nonce = bytes::<32>("stamp with two solutions");
        nonce[31] = attempt;
        let mut once = Some(nonce);
        let solutions = ::equihash::tromp::solve_200_9(challenge.as_bytes(), || once.take());
        if let [one, other, ..] = &solutions[..] {
            return (nonce, [unpack(one), unpack(other)]);
        }
    }
    unreachable!("a nonce has 1.9 solutions on average")
}

/// Swaps the two halves of a group of so many indices, the first group of that size.
fn swapped(indices: &[u32], size: usize) -> Vec<u32> {
    let mut changed = indices.to_vec();
    changed[..size].rotate_left(size / 2);
    changed
}

/// Returns the halves of two solutions: each is what it should be, and together they are not zero.
fn mixed(one: &[u32], other: &[u32]) -> Vec<u32> {
    let mut halves = [&one[..INDICES / 2], &other[..INDICES / 2]];
    halves.sort_by_key(|half| half[0]);
    halves.concat()
}

fn refused(challenge: &Challenge) -> Vec<Value> {
    let (nonce, [one, other]) = two_solutions(challenge);
    assert_eq!(unpack(&pack(&one)), one);
    let mut sorted = one.clone();
    sorted.sort_unstable();
    let good = Stamp {
        nonce,
        solution: pack(&one),
    };
    let worth = u32::try_from(good.effort()).unwrap();
    let of = |solution| Stamp { nonce, solution };
    let mut other_nonce = good.clone();
    other_nonce.nonce[0] ^= 1;
    let doubled = Stamp {
        nonce: array(DOUBLED_NONCE),
        solution: unhex(&DOUBLED_SOLUTION.concat()).into(),
    };
    let mut doubled_indices = unpack(&doubled.solution);
    doubled_indices.sort_unstable();
    doubled_indices.dedup();
    assert!(doubled_indices.len() < INDICES);
    let cases = [
        (
            "the halves of all swapped",
            1,
            of(pack(&swapped(&one, INDICES))),
        ),
        (
            "the first two indices swapped",
            1,
            of(pack(&swapped(&one, 2))),
        ),
        ("all indices in ascending order", 1, of(pack(&sorted))),
        ("halves of two solutions", 1, of(pack(&mixed(&one, &other)))),
        ("an index twice", 1, doubled),
        ("one byte short", 1, of(good.solution.slice(1..))),
        ("another nonce", 1, other_nonce),
        ("worth less than is asked", worth + 1, good.clone()),
    ];
    assert!(Equihash.verify(challenge, &good, worth));
    cases
        .into_iter()
        .map(|(name, effort_asked, stamp)| {
            assert!(!Equihash.verify(challenge, &stamp, effort_asked), "{name}");
            json!({
                "name": name,
                "challenge": hex(challenge.as_bytes()),
                "effort_asked": effort_asked,
                "nonce": hex(stamp.nonce),
                "solution": hex(&stamp.solution),
            })
        })
        .collect()
}

fn unhex(text: &str) -> Vec<u8> {
    data_encoding::HEXLOWER.decode(text.as_bytes()).unwrap()
}

fn array(text: &str) -> [u8; 32] {
    unhex(text).try_into().unwrap()
}

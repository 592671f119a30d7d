use std::io::Cursor;

use super::*;
use crate::fixture::seeded;
use crate::vault::PassCost;

const PASSPHRASE: &[u8] = b"correct horse battery staple";

type Written = Vec<(u8, Vec<u8>, Vec<u8>)>;

fn archive(records: &Written) -> Vec<u8> {
    let rng = &mut seeded(1);
    let key = StoreKey::random(rng);
    let unlock = unlock::wrap(&key, PASSPHRASE, PassCost::CheapForTests, rng).unwrap();
    let mut writer = ArchiveWriter::begin(Vec::new(), &unlock, &key, rng).unwrap();
    for (kind, key, value) in records {
        writer.put((*kind, key), value, rng).unwrap();
    }
    let (file, bytes) = writer.finish(rng).unwrap();
    assert_eq!(bytes, file.len() as u64);
    file
}

fn open(file: &[u8]) -> Result<ArchiveReader<Cursor<&[u8]>>, ArchiveError> {
    ArchiveReader::open(Cursor::new(file), PASSPHRASE)
}

fn read_all(reader: &mut ArchiveReader<Cursor<&[u8]>>) -> Result<Written, ArchiveError> {
    let mut all = Vec::new();
    while let Some(records) = reader.read_frame()? {
        let records = records.into_iter();
        all.extend(records.map(|it| (it.kind, it.key, it.value.to_vec())));
    }
    Ok(all)
}

fn records(lengths: &[usize]) -> Written {
    let lengths = lengths.iter().enumerate();
    lengths
        .map(|(at, length)| (at as u8, vec![at as u8; at % 40], vec![b'm'; *length]))
        .collect()
}

#[test]
fn what_is_read_is_what_was_written_and_again_after_a_rewind() {
    for lengths in [
        &[][..],
        &[0],
        &[5, 0, 77],
        &[FRAME_BYTES - RECORD_OVERHEAD_BYTES, 1, FRAME_BYTES, 3],
        &[60_000; 9],
        &[2 * 1024 * 1024, 4],
    ] {
        let written = records(lengths);
        let file = archive(&written);
        assert!(!file.windows(16).any(|part| part == [b'm'; 16]));
        let mut reader = open(&file).unwrap();
        assert!(read_all(&mut reader).unwrap() == written, "{lengths:?}");
        assert!(reader.read_frame().unwrap().is_none());
        reader.rewind().unwrap();
        assert!(read_all(&mut reader).unwrap() == written, "{lengths:?}");
    }
}

#[test]
fn every_flipped_byte_and_every_cut_is_noticed() {
    let file = archive(&records(&[5_000, FRAME_BYTES, 9]));
    let is_refused = |file: &[u8]| match open(file) {
        Ok(mut reader) => read_all(&mut reader).is_err(),
        Err(_) => true,
    };
    assert!(!is_refused(&file));
    for at in (0..HEAD_BYTES + 64).chain((HEAD_BYTES..file.len()).step_by(977)) {
        let mut flipped = file.clone();
        flipped[at] ^= 0x10;
        assert!(is_refused(&flipped), "byte {at}");
    }
    for length in (0..HEAD_BYTES).chain((HEAD_BYTES..file.len()).step_by(977)) {
        assert!(is_refused(&file[..length]), "cut to {length}");
    }
    let longer = [file.as_slice(), b"x"].concat();
    assert!(is_refused(&longer));
}

#[test]
fn frames_cannot_be_left_out_or_exchanged() {
    let file = archive(&records(&[FRAME_BYTES; 3]));
    let length = (file.len() - HEAD_BYTES) / 3;
    let (head, frames) = file.split_at(HEAD_BYTES);
    let frames: Vec<&[u8]> = frames.chunks(length).collect();
    for order in [
        &[0, 2][..],
        &[2],
        &[1, 0, 2],
        &[0, 1],
        &[0, 0, 1, 2],
        &[0, 1, 2, 2],
    ] {
        let frames = order.iter().map(|at| frames[*at]);
        let other = [head]
            .into_iter()
            .chain(frames)
            .collect::<Vec<_>>()
            .concat();
        let mut reader = open(&other).unwrap();
        assert!(read_all(&mut reader).is_err(), "{order:?}");
    }
}

#[test]
fn what_is_none_and_what_another_pass_phrase_opens_is_told_apart() {
    let file = archive(&records(&[1]));
    let refused = ArchiveReader::open(Cursor::new(&file[..]), b"wrong").unwrap_err();
    assert!(matches!(
        refused,
        ArchiveError::Unlock(UnlockError::WrongPassphrase)
    ));
    for other in [&b""[..], b"RSTUNLK1", &[7; 4096]] {
        assert!(matches!(open(other), Err(ArchiveError::None)), "{other:?}");
    }
    assert!(matches!(
        open(&[&file[..100], &file[101..]].concat()),
        Err(ArchiveError::Damaged { .. })
    ));
}

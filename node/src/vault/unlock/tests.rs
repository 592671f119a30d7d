use std::os::unix::fs::PermissionsExt;

use proptest::prelude::*;

use super::*;
use crate::fixture::seeded;

const PASSPHRASE: &[u8] = b"correct horse battery staple";

#[test]
fn the_pass_phrase_opens_and_others_do_not() {
    let (key, file) = made();
    assert_eq!(
        unwrap(&file, PASSPHRASE).unwrap().as_bytes(),
        key.as_bytes()
    );
    for wrong in [
        &b""[..],
        b"correct horse battery stapl",
        b"Correct horse battery staple",
        b"\0",
    ] {
        check(&file, wrong, UnlockError::WrongPassphrase);
    }
}

#[test]
fn every_flipped_bit_is_called_damage_and_not_a_wrong_pass_phrase() {
    let (_, file) = made();
    for bit in 0..UNLOCK_FILE_BYTES * 8 {
        let error = unwrap(&flipped(&file, bit), PASSPHRASE).unwrap_err();
        assert!(
            matches!(error, UnlockError::Damaged { .. }),
            "bit {bit}: {error}"
        );
    }
}

#[test]
fn every_flipped_bit_is_refused_with_a_checksum_to_match() {
    let (_, file) = made();
    for bit in 0..CHECKSUM_AT * 8 {
        let forged = with_checksum(flipped(&file, bit));
        let memory = u32::from_le_bytes(forged[COST_AT..COST_AT + 4].try_into().unwrap());
        if (8192..=ARGON2_MEMORY_KIB_MAX).contains(&memory) {
            // Allowed, and slow; the bits below and above show the same.
            continue;
        }
        assert!(unwrap(&forged, PASSPHRASE).is_err(), "bit {bit}");
    }
}

#[test]
fn a_file_that_asks_for_too_much_work_is_refused_at_once() {
    let (_, file) = made();
    for (at, value) in [
        (0, ARGON2_MEMORY_KIB_MAX + 1),
        (0, u32::MAX),
        (1, ARGON2_PASSES_MAX + 1),
        (1, u32::MAX),
        (2, ARGON2_LANES_MAX + 1),
        (2, u32::MAX),
    ] {
        let mut greedy = file;
        greedy[COST_AT + 4 * at..][..4].copy_from_slice(&value.to_le_bytes());
        let why = "it asks for more work than any version of this program wrote";
        check(
            &with_checksum(greedy),
            PASSPHRASE,
            UnlockError::Damaged { why },
        );
    }
    for at in 0..3 {
        let mut senseless = file;
        senseless[COST_AT + 4 * at..][..4].fill(0);
        let why = "its Argon2id cost makes no sense";
        check(
            &with_checksum(senseless),
            PASSPHRASE,
            UnlockError::Damaged { why },
        );
    }
}

#[test]
fn the_production_cost_is_64_mib_3_passes_4_lanes() {
    let key = StoreKey::random(&mut seeded(1));
    let file = wrap(&key, PASSPHRASE, PassCost::Production, &mut seeded(2)).unwrap();
    assert_eq!(file[COST_AT..SALT_AT], [0, 0, 1, 0, 3, 0, 0, 0, 4, 0, 0, 0]);
    assert_eq!(
        unwrap(&file, PASSPHRASE).unwrap().as_bytes(),
        key.as_bytes()
    );
    check(&file, b"wrong", UnlockError::WrongPassphrase);
}

#[test]
fn a_created_file_is_its_owners_alone_and_is_not_replaced() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("unlock");
    let cost = PassCost::CheapForTests;
    assert_eq!(open(&path, PASSPHRASE).unwrap_err(), UnlockError::Missing);
    let key = create(&path, PASSPHRASE, cost, &mut seeded(1)).unwrap();
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
        0o600
    );
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);
    let again = create(&path, b"other", cost, &mut seeded(2)).unwrap_err();
    assert_eq!(again, UnlockError::AlreadyThere);
    assert_eq!(open(&path, PASSPHRASE).unwrap().as_bytes(), key.as_bytes());
}

#[test]
fn a_new_pass_phrase_opens_the_same_key_and_the_old_one_no_more() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("unlock");
    let cost = PassCost::CheapForTests;
    let rng = &mut seeded(1);
    let key = create(&path, PASSPHRASE, cost, rng).unwrap();
    let refused = change_passphrase(&path, b"wrong", b"new", cost, rng).unwrap_err();
    assert_eq!(refused, UnlockError::WrongPassphrase);
    change_passphrase(&path, PASSPHRASE, b"new", cost, rng).unwrap();
    assert_eq!(
        open(&path, PASSPHRASE).unwrap_err(),
        UnlockError::WrongPassphrase
    );
    assert_eq!(open(&path, b"new").unwrap().as_bytes(), key.as_bytes());
    assert_eq!(std::fs::read_dir(home.path()).unwrap().count(), 1);
    assert_eq!(
        std::fs::metadata(&path).unwrap().permissions().mode() & 0o7777,
        0o600
    );
}

#[test]
fn the_old_file_is_overwritten_unless_it_has_another_name() {
    let cost = PassCost::CheapForTests;
    for is_linked in [false, true] {
        let home = tempfile::tempdir().unwrap();
        let path = home.path().join("unlock");
        create(&path, PASSPHRASE, cost, &mut seeded(1)).unwrap();
        let before = std::fs::read(&path).unwrap();
        let kept = File::open(&path).unwrap();
        if is_linked {
            std::fs::hard_link(&path, home.path().join("backup")).unwrap();
        }
        change_passphrase(&path, PASSPHRASE, b"new", cost, &mut seeded(2)).unwrap();
        let mut after = vec![1; UNLOCK_FILE_BYTES];
        kept.read_exact_at(&mut after, 0).unwrap();
        let expected = if is_linked {
            before
        } else {
            vec![0; UNLOCK_FILE_BYTES]
        };
        assert_eq!(after, expected);
    }
}

#[test]
fn one_at_a_time_changes_it_and_what_a_crash_left_is_replaced() {
    let home = tempfile::tempdir().unwrap();
    let path = home.path().join("unlock");
    let (cost, rng) = (PassCost::CheapForTests, &mut seeded(1));
    create(&path, PASSPHRASE, cost, rng).unwrap();
    let other = Replaced::take(&path).unwrap();
    let refused = change_passphrase(&path, PASSPHRASE, b"new", cost, rng).unwrap_err();
    assert_eq!(refused, UnlockError::Changing);
    drop(other);
    let left = with_suffix(&path, ".change");
    std::fs::write(&left, b"half of a file").unwrap();
    change_passphrase(&path, PASSPHRASE, b"new", cost, rng).unwrap();
    open(&path, b"new").unwrap();
    assert!(!left.exists());
}

#[test]
fn a_folder_that_cannot_be_written_is_the_disks_fault() {
    let missing = Path::new("/nonexistent/home/unlock");
    let error = create(missing, PASSPHRASE, PassCost::CheapForTests, &mut seeded(1)).unwrap_err();
    let kind = ErrorKind::NotFound;
    assert_eq!(error, UnlockError::Disk(DiskError::Io { kind }));
}

#[test]
fn debug_output_and_errors_show_no_key() {
    let (key, _) = made();
    assert_eq!(format!("{key:?}"), "StoreKey(..)");
}

proptest! {
    #[test]
    fn other_bytes_never_panic_and_never_open(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        prop_assert!(unwrap(&bytes, PASSPHRASE).is_err());
    }

    #[test]
    fn a_cut_or_longer_file_is_damaged(length in 0..300_usize) {
        prop_assume!(length != UNLOCK_FILE_BYTES);
        let mut bytes = made().1.to_vec();
        bytes.resize(length, 0);
        let why = "it has the wrong length";
        prop_assert_eq!(unwrap(&bytes, PASSPHRASE).unwrap_err(), UnlockError::Damaged { why });
    }
}

#[track_caller]
fn check(file: &[u8], passphrase: &[u8], expected: UnlockError) {
    assert_eq!(unwrap(file, passphrase).unwrap_err(), expected);
}

fn made() -> (StoreKey, [u8; UNLOCK_FILE_BYTES]) {
    let key = StoreKey::random(&mut seeded(1));
    let file = wrap(&key, PASSPHRASE, PassCost::CheapForTests, &mut seeded(2)).unwrap();
    (key, file)
}

fn flipped(file: &[u8; UNLOCK_FILE_BYTES], bit: usize) -> [u8; UNLOCK_FILE_BYTES] {
    let mut flipped = *file;
    flipped[bit / 8] ^= 1 << (bit % 8);
    flipped
}

fn with_checksum(mut file: [u8; UNLOCK_FILE_BYTES]) -> [u8; UNLOCK_FILE_BYTES] {
    let checksum = blake3::hash(&file[..CHECKSUM_AT]);
    file[CHECKSUM_AT..].copy_from_slice(checksum.as_bytes());
    file
}

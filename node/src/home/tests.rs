//! Homes on a real file system.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use super::*;

/// Fills a staging folder the way a node does.
fn fill(home: &Home) -> Result<&'static str, HomeError> {
    for path in [
        home.unlock_file(),
        home.client_database(),
        home.config_file(),
    ] {
        fs::write(&path, "content").map_err(at("write", &path))?;
    }
    Ok("filled")
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

fn listing(path: &Path) -> Vec<String> {
    let entries = fs::read_dir(path).unwrap();
    let mut names: Vec<_> = entries
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    names
}

#[test]
fn a_home_is_created_private_and_opens() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("a/b/home");
    let missing = Home::open(&path).unwrap_err();
    assert!(matches!(missing, HomeError::Missing(_)), "{missing:?}");

    let (home, value) = Home::create(&path, fill).unwrap();
    assert_eq!(value, "filled");
    assert_eq!(mode(&path), 0o700);
    assert_eq!(
        listing(&path),
        ["client.redb", "config.toml", "lock", "unlock"]
    );
    assert_eq!(Home::open(&path).unwrap(), home);
}

#[test]
fn a_second_creation_changes_nothing() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("home");
    Home::create(&path, fill).unwrap();
    let again = Home::create(&path, |_| -> Result<(), HomeError> {
        panic!("must not be asked")
    });
    assert!(matches!(again, Err(HomeError::Exists(_))), "{again:?}");
    assert_eq!(
        listing(&path),
        ["client.redb", "config.toml", "lock", "unlock"]
    );
}

#[test]
fn a_creation_that_fails_leaves_nothing() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("home");
    let failed = Home::create(&path, |home| {
        fill(home)?;
        Err::<(), _>(HomeError::Nowhere)
    });
    assert!(matches!(failed, Err(HomeError::Nowhere)), "{failed:?}");
    assert!(!path.exists());

    // A folder that was there before, such as a mounted disk, stays.
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    Home::create(&path, |_| Err::<(), _>(HomeError::Nowhere)).unwrap_err();
    assert_eq!(listing(&path), ["lock"]);
    Home::create(&path, fill).unwrap();
    assert_eq!(mode(&path), 0o700);
}

#[test]
fn a_creation_killed_at_any_file_is_begun_anew() {
    let names = ["client.redb", "config.toml", "unlock"];
    for moved in 0..names.len() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("home");
        let staging = path.join(".new-abc");
        fs::create_dir_all(&staging).unwrap();
        for (index, name) in names.iter().enumerate() {
            let folder = if index < moved { &path } else { &staging };
            fs::write(folder.join(name), "of the killed one").unwrap();
        }
        assert!(matches!(Home::open(&path), Err(HomeError::Missing(_))));
        Home::create(&path, fill).unwrap();
        assert_eq!(
            listing(&path),
            ["client.redb", "config.toml", "lock", "unlock"]
        );
        assert_eq!(
            fs::read_to_string(path.join("client.redb")).unwrap(),
            "content"
        );
    }
}

#[test]
fn an_account_whose_marker_was_lost_is_never_overwritten() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("home");
    Home::create(&path, fill).unwrap();
    fs::remove_file(path.join("unlock")).unwrap();
    let refused = Home::create(&path, fill);
    assert!(
        matches!(refused, Err(HomeError::Occupied(_))),
        "{refused:?}"
    );
    assert_eq!(listing(&path), ["client.redb", "config.toml", "lock"]);
}

#[test]
fn somebody_elses_folder_and_a_plain_file_are_refused() {
    let parent = tempfile::tempdir().unwrap();
    let folder = parent.path().join("documents");
    fs::create_dir(&folder).unwrap();
    fs::write(folder.join("novel.txt"), "once upon a time").unwrap();
    let refused = Home::create(&folder, fill);
    assert!(
        matches!(refused, Err(HomeError::Occupied(_))),
        "{refused:?}"
    );
    assert_eq!(listing(&folder), ["novel.txt"]);

    let file = folder.join("novel.txt");
    let refused = Home::create(&file, fill);
    assert!(
        matches!(refused, Err(HomeError::Occupied(_))),
        "{refused:?}"
    );
    let refused = Home::open(&file);
    assert!(matches!(refused, Err(HomeError::Missing(_))), "{refused:?}");
}

#[test]
fn one_home_has_one_owner() {
    let parent = tempfile::tempdir().unwrap();
    let (home, ()) =
        Home::create(&parent.path().join("home"), |home| fill(home).map(drop)).unwrap();
    let lock = home.lock().unwrap();
    let HomeError::InUse { pid, .. } = home.lock().unwrap_err() else {
        panic!("locked twice");
    };
    assert_eq!(pid, Some(std::process::id()));
    drop(lock);
    home.lock().unwrap();
}

#[test]
fn a_home_open_to_others_is_not_run() {
    let parent = tempfile::tempdir().unwrap();
    let (home, _) = Home::create(&parent.path().join("home"), fill).unwrap();
    for open in [0o701, 0o710, 0o750, 0o777] {
        fs::set_permissions(home.path(), fs::Permissions::from_mode(open)).unwrap();
        let refused = home.lock().unwrap_err();
        assert!(
            matches!(refused, HomeError::Open { mode, .. } if mode == open),
            "{refused:?}"
        );
    }
}

#[test]
fn where_the_home_is() {
    let given = Home::locate(Some(Path::new("/some/where")), "x").unwrap();
    assert_eq!(given, Path::new("/some/where"));
    let relative = Home::locate(Some(Path::new("here")), "x").unwrap();
    assert_eq!(relative, env::current_dir().unwrap().join("here"));
}

#[test]
#[cfg(target_os = "linux")]
fn a_long_path_has_a_short_socket_address() {
    let parent = tempfile::tempdir().unwrap();
    let long = parent.path().join("x".repeat(120)).join("y".repeat(120));
    let (home, _) = Home::create(&long, fill).unwrap();
    let address = home.socket_address().unwrap();
    assert!(address.path().as_os_str().len() <= SOCKET_PATH_BYTES_MAX);
    let listener = std::os::unix::net::UnixListener::bind(address.path()).unwrap();
    assert!(home.control_socket().exists());
    let other = home.socket_address().unwrap();
    std::os::unix::net::UnixStream::connect(other.path()).unwrap();
    drop(listener);
}

#[test]
fn a_home_knows_whose_it_is() {
    let parent = tempfile::tempdir().unwrap();
    let (person, _) = Home::create(&parent.path().join("person"), fill).unwrap();
    person.expect_kind(HomeKind::Person).unwrap();
    let refused = person.expect_kind(HomeKind::Community).unwrap_err();
    assert!(
        refused
            .to_string()
            .ends_with("is the home of a person's node"),
        "{refused}"
    );

    let (community, ()) = Home::create(&parent.path().join("community"), |home| {
        let path = home.community_file();
        fs::write(&path, "").map_err(at("write", &path))
    })
    .unwrap();
    community.expect_kind(HomeKind::Community).unwrap();
    let refused = community.expect_kind(HomeKind::Person).unwrap_err();
    assert!(matches!(
        refused,
        HomeError::OtherKind {
            found: HomeKind::Community,
            ..
        }
    ));
    assert_eq!(Home::open(community.path()).unwrap(), community);
    let again = Home::create(community.path(), fill);
    assert!(matches!(again, Err(HomeError::Exists(_))), "{again:?}");
}

#[test]
fn a_configuration_put_there_first_stays() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("home");
    fs::create_dir(&path).unwrap();
    fs::write(path.join("config.toml"), "network = \"x\"").unwrap();
    let (home, ()) = Home::create(&path, |home| {
        let path = home.unlock_file();
        fs::write(&path, "x").map_err(at("write", &path))
    })
    .unwrap();
    let kept = fs::read_to_string(home.config_file()).unwrap();
    assert_eq!(kept, "network = \"x\"");
}

#[test]
fn what_a_backup_of_a_server_has_is_made_whole_and_what_is_left_of_a_person_is_not() {
    let parent = tempfile::tempdir().unwrap();
    let path = parent.path().join("home");
    fs::create_dir(&path).unwrap();
    let home = Home::at(&path);
    fs::write(home.node_key_file(), "a key").unwrap();
    fs::write(home.config_file(), "").unwrap();
    let home = Home::restore_community(&path).unwrap();
    home.expect_kind(HomeKind::Community).unwrap();
    assert_eq!(home.mode().unwrap(), 0o700);
    assert_eq!(fs::read_to_string(home.node_key_file()).unwrap(), "a key");

    let (person, _) = Home::create(&parent.path().join("person"), fill).unwrap();
    fs::remove_file(person.unlock_file()).unwrap();
    let refused = Home::restore_community(person.path());
    assert!(
        matches!(refused, Err(HomeError::Incomplete { .. })),
        "{refused:?}"
    );
}

#[test]
fn a_home_without_the_file_that_marks_it_is_not_taken_for_none() {
    let parent = tempfile::tempdir().unwrap();
    let (home, _) = Home::create(&parent.path().join("home"), fill).unwrap();
    fs::remove_file(home.unlock_file()).unwrap();
    let refused = Home::open(home.path());
    assert!(
        matches!(
            refused,
            Err(HomeError::Incomplete {
                missing: "unlock",
                ..
            })
        ),
        "{refused:?}"
    );
}

/// Writes a home's three files.
fn write_files(folder: &Path, what: &str) {
    for name in ["unlock", "client.redb", "message-keys"] {
        fs::write(folder.join(name), format!("{what} {name}")).unwrap();
    }
}

#[test]
fn files_that_wait_take_their_places_wherever_a_crash_has_left_them() {
    // What a crash has done by then: overwritten so many files, and moved so many.
    for (overwritten, moved) in [(0, 0), (1, 0), (3, 0), (3, 1), (3, 2), (3, 3)] {
        let folder = tempfile::tempdir().unwrap();
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o700)).unwrap();
        let home = Home::at(folder.path());
        write_files(folder.path(), "old");
        let ready = folder.path().join(".shredded");
        fs::create_dir(&ready).unwrap();
        write_files(&ready, "new");
        for name in ["unlock", "client.redb", "message-keys"]
            .iter()
            .take(overwritten)
        {
            fs::write(folder.path().join(name), [0; 20]).unwrap();
        }
        for name in ["message-keys", "client.redb", "unlock"].iter().take(moved) {
            fs::rename(ready.join(name), folder.path().join(name)).unwrap();
        }
        let unfinished = folder.path().join(".shred-x");
        fs::create_dir(&unfinished).unwrap();
        write_files(&unfinished, "half");
        assert!(home.is_half_shredded());
        drop(home.lock().unwrap());
        for name in ["unlock", "client.redb", "message-keys"] {
            let text = fs::read_to_string(folder.path().join(name)).unwrap();
            assert_eq!(text, format!("new {name}"), "{overwritten} {moved}");
        }
        assert!(!ready.exists() && !unfinished.exists());
    }
}

#[test]
fn a_copy_under_another_name_is_not_overwritten_and_a_failure_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("home");
    fs::create_dir(&path).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o700)).unwrap();
    write_files(&path, "old");
    let copy = folder.path().join("copy");
    fs::hard_link(path.join("client.redb"), &copy).unwrap();
    let lock = Home::at(&path).lock().unwrap();
    let missing = || HomeError::Missing(path.clone());
    let refused = lock.shred(|staging| {
        write_files(staging, "half");
        Err::<(), _>(missing())
    });
    assert!(refused.is_err());
    let read = |path: &Path| fs::read_to_string(path).unwrap();
    assert_eq!(read(&path.join("client.redb")), "old client.redb");
    assert_eq!(
        fs::read_dir(&path).unwrap().count(),
        4,
        "its files and the lock"
    );
    lock.shred(|staging| {
        write_files(staging, "new");
        Ok::<(), HomeError>(())
    })
    .unwrap();
    assert_eq!(read(&path.join("client.redb")), "new client.redb");
    assert_eq!(read(&copy), "old client.redb");
}

//! Where settings come from, what is refused, and the units they are written in.

use std::ffi::OsString;

use proptest::prelude::*;
use restante_proto::limits::MESSAGE_TTL_DEFAULT_MS;

use super::units::*;
use super::*;

const FILE: &str = "config.toml";

/// Resolves a file, an environment and flags over the defaults.
fn resolve(
    file: &str,
    environment: &[(&str, &str)],
    flags: &[(&str, &str)],
) -> Result<Loaded, ConfigErrors> {
    let mut raw = RawConfig::default();
    raw.read_toml(Path::new(FILE), file);
    let variables = environment.iter();
    raw.read_environment(variables.map(|(name, value)| (OsString::from(name), value.into())));
    for (key, value) in flags {
        raw.flag(key, &[(*value).to_owned()]);
    }
    raw.resolve(&Config::default())
}

#[track_caller]
fn refused(file: &str, environment: &[(&str, &str)], expected: &[&str]) {
    let errors = resolve(file, environment, &[]).expect_err("must be refused");
    let lines: Vec<_> = errors.to_string().lines().map(str::to_owned).collect();
    assert_eq!(lines.len(), expected.len(), "{lines:#?}");
    for (line, expected) in lines.iter().zip(expected) {
        assert!(
            line.starts_with(expected),
            "{line:?} does not start with {expected:?}"
        );
    }
}

fn origin_of<'a>(loaded: &'a Loaded, name: &str) -> &'a Origin {
    let keys = KEYS.iter().zip(&loaded.origins);
    let mut found = keys.filter(|(key, _)| key.name == name);
    found.next().expect("the key exists").1
}

#[test]
fn a_flag_wins_over_the_environment_over_the_file_over_the_default() {
    let file = "\nnetwork = \"file\"";
    let environment = [("RESTANTE_NETWORK", "env")];
    let flags = [("network", "flag")];
    let cases: [(&str, &[_], &[_], &str, &str); 8] = [
        ("", &[], &[], "main", "default"),
        (file, &[], &[], "file", "config.toml:2:1"),
        ("", &environment, &[], "env", "environment RESTANTE_NETWORK"),
        ("", &[], &flags, "flag", "flag --network"),
        (
            file,
            &environment,
            &[],
            "env",
            "environment RESTANTE_NETWORK",
        ),
        (file, &[], &flags, "flag", "flag --network"),
        ("", &environment, &flags, "flag", "flag --network"),
        (file, &environment, &flags, "flag", "flag --network"),
    ];
    for (file, environment, flags, expected, origin) in cases {
        let loaded = resolve(file, environment, flags).unwrap();
        assert_eq!(loaded.config.network, expected);
        assert_eq!(origin_of(&loaded, "network").to_string(), origin);
    }
}

#[test]
fn every_key_can_be_set_from_every_source() {
    let id =
        "/ip4/192.0.2.7/udp/4717/quic-v1/p2p/12D3KooWDpJ7As7BWAwRMfu1VU2WCqNjvq387JEYKDBj4kx6nXTN";
    let values = [
        ("network", "other"),
        ("profile", "local"),
        ("serve", "never"),
        ("listen", "/ip4/127.0.0.1/tcp/1"),
        ("external", "/ip4/9.9.9.9/tcp/1"),
        ("bootstrap", id),
        ("disk_cap", "16 MiB"),
        ("ttl", "1s"),
        ("retention", "1d"),
        ("stamp_effort_max", "256"),
        ("backup_folder", "/media/disk"),
        ("backup_every", "6h"),
        ("backup_keep", "30"),
        ("log", "debug"),
        ("log_format", "json"),
    ];
    assert!(
        values
            .iter()
            .map(|(key, _)| *key)
            .eq(KEYS.iter().map(|key| key.name))
    );
    for (name, value) in values {
        let key = keys::find(name).unwrap();
        let in_file = if key.is_list {
            format!("[{value:?}]")
        } else {
            format!("{value:?}")
        };
        let variable = format!("RESTANTE_{}", name.to_uppercase());
        let loaded = [
            resolve(&format!("{name} = {in_file}"), &[], &[]).unwrap(),
            resolve("", &[(&variable, value)], &[]).unwrap(),
            resolve("", &[], &[(name, value)]).unwrap(),
        ];
        let [set, default] = [&loaded[0].config, &Config::default()].map(Config::to_table);
        assert_ne!(set[name], default[name], "{name}");
        assert_eq!(loaded[0].config, loaded[1].config, "{name}");
        assert_eq!(loaded[0].config, loaded[2].config, "{name}");
    }
}

#[test]
fn lists_in_the_environment_are_separated_by_commas() {
    let value = "/ip4/127.0.0.1/tcp/1, /ip4/127.0.0.1/udp/2/quic-v1,";
    let loaded = resolve("", &[("RESTANTE_LISTEN", value)], &[]).unwrap();
    let listen: Vec<_> = loaded
        .config
        .listen
        .iter()
        .map(ToString::to_string)
        .collect();
    assert_eq!(
        listen,
        ["/ip4/127.0.0.1/tcp/1", "/ip4/127.0.0.1/udp/2/quic-v1"]
    );
    let unset = resolve("", &[("RESTANTE_LISTEN", "")], &[]).unwrap();
    assert_eq!(unset.config, Config::default());
}

#[test]
fn the_example_documents_every_setting() {
    let table = Config::default().to_table();
    let mut names: Vec<&str> = KEYS.iter().map(|key| key.name).collect();
    names.sort_unstable();
    assert!(table.keys().eq(&names));
    for key in KEYS.iter() {
        assert!(key.help.len() > 20, "{key:?}");
        assert_eq!(key.is_list, table[key.name].is_array(), "{key:?}");
    }
    let loaded = resolve(keys::EXAMPLE, &[], &[]).unwrap();
    assert_eq!(loaded.config, Config::default());
}

#[test]
fn the_defaults_are_those_that_people_were_told() {
    let config = Config::default();
    assert_eq!(config.disk_cap_bytes, 1 << 30);
    assert_eq!(config.ttl_ms, MESSAGE_TTL_DEFAULT_MS);
    assert_eq!(config.listen.len(), 4);
    let community = Config::community();
    assert_eq!(
        community.listen[0].to_string(),
        "/ip4/0.0.0.0/udp/4717/quic-v1"
    );
    assert_eq!(community.disk_cap_bytes, 20 << 30);
}

#[test]
fn the_help_text_names_every_key() {
    let mut help = <crate::cli::args::Arguments as clap::CommandFactory>::command();
    let run = help.find_subcommand_mut("run").unwrap();
    let help = run.render_long_help().to_string();
    for key in KEYS.iter() {
        let flag = format!("--{} ", key.flag);
        assert!(help.contains(&flag), "{flag} is missing");
    }
}

#[test]
fn what_is_printed_is_read_back() {
    let environment = [
        ("RESTANTE_DISK_CAP", "1536 MiB"),
        ("RESTANTE_TTL", "1d 12h"),
    ];
    let loaded = resolve(
        "profile = 'local'\nlog = 'error,restante=\"x\"'",
        &environment,
        &[],
    );
    // The directive above is no filter: the quotes only prove that quoting works.
    assert!(loaded.is_err());
    let loaded = resolve("profile = 'local'", &environment, &[("log", "debug")]).unwrap();
    let printed = loaded.to_toml();
    let again = resolve(&printed, &[], &[]).unwrap();
    assert_eq!(again.config, loaded.config);
    assert!(
        printed.contains("# environment RESTANTE_TTL\nttl = \"1d 12h\"\n"),
        "{printed}"
    );
    assert!(
        printed.contains("# flag --log\nlog = \"debug\"\n"),
        "{printed}"
    );
    assert!(
        printed.contains("# default\nserve = \"auto\"\n"),
        "{printed}"
    );
}

#[test]
fn everything_wrong_is_reported_at_once_with_its_place() {
    refused(
        "netwrok = \"x\"\n\
         disk_cap = 5\n  \
         ttl = \"31d\"\n\
         listen = \"/ip4/0.0.0.0/tcp/0\"\n\
         network = [\"x\"]\n\
         bootstrap = [\"/ip4/192.0.2.7/tcp/1\"]\n\
         zzzzzzzz = true\n",
        &[("RESTANTE_SERVE", "always")],
        &[
            "config.toml:2:1: disk_cap: write the value in quotes",
            "config.toml:1:1: there is no key \"netwrok\"; did you mean \"network\"?",
            "config.toml:7:1: there is no key \"zzzzzzzz\"; the keys are network, profile",
            "config.toml:6:1: bootstrap: \"/ip4/192.0.2.7/tcp/1\" does not say whom to expect",
            "config.toml:4:1: listen: is a list",
            "config.toml:5:1: network: is one text, not a list",
            "config.toml:3:3: ttl: \"31d\" is out of range; from 1s to 30d",
            "environment RESTANTE_SERVE: serve: unknown variant `always`, expected `auto` or `never`",
        ],
    );
}

#[test]
fn broken_toml_is_reported_with_its_place() {
    refused("network = \"x\"\nlog = \n", &[], &["config.toml:2:7: "]);
    refused(
        "network = \"x\"\nnetwork = \"y\"\n",
        &[],
        &["config.toml:2:1: duplicate key"],
    );
    refused(
        "[store]\ncap = \"1 GiB\"\n",
        &[],
        &["config.toml:1:2: there is no key \"store\""],
    );
}

#[test]
fn a_wrong_value_is_reported_even_where_another_one_wins() {
    let lost = resolve("ttl = \"0s\"", &[], &[("ttl", "1d")]).unwrap_err();
    assert!(
        lost.to_string()
            .starts_with("config.toml:1:1: ttl: \"0s\" is out of range"),
        "{lost}"
    );
}

#[test]
fn values_out_of_bounds_are_refused() {
    let refused = [
        ("network", ""),
        ("network", "Main"),
        ("network", "a/b"),
        ("network", "a23456789012345678901234567890123"),
        ("profile", "moon"),
        ("listen", "/dns4/a.example.org/tcp/1"),
        ("listen", "/ip4/127.0.0.1/udp/1"),
        ("external", "/dns4/a.example.org/tcp/1"),
        ("external", "/ip4/192.168.1.1/tcp/1"),
        ("external", "/ip4/192.0.2.1/tcp/1"),
        ("external", "/ip4/8.8.8.8/tcp/0"),
        ("listen", "127.0.0.1:80"),
        ("disk_cap", "15 MiB"),
        ("disk_cap", "99999999999 TiB"),
        ("ttl", "0s"),
        ("ttl", "30d 1ms"),
        ("ttl", "soon"),
        ("retention", "0s"),
        ("stamp_effort_max", "0"),
        ("stamp_effort_max", "4097"),
        ("stamp_effort_max", "much"),
        ("backup_folder", "backups"),
        ("backup_every", "1s"),
        ("backup_every", "366d"),
        ("backup_keep", "0"),
        ("backup_keep", "1001"),
        ("log", ""),
        ("log", "loud"),
        ("log", "restante=loud"),
        ("log_format", "xml"),
    ];
    for (key, value) in refused {
        assert!(
            resolve("", &[], &[(key, value)]).is_err(),
            "{key} = {value:?}"
        );
    }
}

#[test]
fn examples_in_errors_are_taken() {
    for (key, wrong) in [
        ("listen", "nowhere"),
        ("listen", "/dns4/a.example.org/tcp/1"),
        ("external", "nowhere"),
        ("external", "/dns4/a.example.org/tcp/1"),
        ("bootstrap", "nowhere"),
        ("bootstrap", "/ip4/8.8.8.8/tcp/1"),
    ] {
        let said = resolve("", &[], &[(key, wrong)]).unwrap_err().to_string();
        let quoted = said.split('"').skip(1).step_by(2);
        let example = quoted
            .filter(|text| text.starts_with('/') && *text != wrong)
            .last();
        let example = example.unwrap_or_else(|| panic!("no example in {said}"));
        resolve("", &[], &[(key, example)]).unwrap();
    }
}

#[test]
fn in_a_lan_private_addresses_are_taken_and_without_it_the_profile_is_named() {
    let private = ("external", "/ip4/192.168.1.7/udp/4717/quic-v1");
    resolve("profile = 'lan'", &[], &[private]).unwrap();
    let said = resolve("", &[], &[private]).unwrap_err().to_string();
    assert!(said.contains("profile = \"lan\""), "{said}");
    let loopback = ("external", "/ip4/127.0.0.1/tcp/1");
    assert!(resolve("profile = 'lan'", &[], &[loopback]).is_err());
}

#[test]
fn unknown_variables_are_warned_of_and_the_other_ones_are_left_alone() {
    let environment = [
        ("RESTANTE_DISK_CAPS", "1 GiB"),
        ("RESTANTE_HOME", "/x"),
        ("RESTANTE_PASSPHRASE", "secret"),
        ("RESTFUL", "yes"),
    ];
    let loaded = resolve("", &environment, &[]).unwrap();
    assert_eq!(loaded.config, Config::default());
    let [warning] = loaded.warnings.as_slice() else {
        panic!("{:?}", loaded.warnings);
    };
    assert!(warning.contains("RESTANTE_DISK_CAPS"), "{warning}");
    assert!(warning.contains("did you mean \"disk_cap\"?"), "{warning}");
}

#[test]
fn the_local_profile_listens_on_loopback_unless_told_otherwise() {
    let local = resolve("", &[], &[("profile", "local")]).unwrap().config;
    assert_eq!(local, Config::local());
    assert!(local.listen.iter().all(|address| {
        let text = address.to_string();
        text.starts_with("/ip4/127.0.0.1/") || text.starts_with("/ip6/::1/")
    }));
    let told = resolve(
        "listen = [\"/ip4/0.0.0.0/tcp/0\"]",
        &[],
        &[("profile", "local")],
    )
    .unwrap();
    assert_eq!(told.config.listen[0].to_string(), "/ip4/0.0.0.0/tcp/0");
    let mut flags = RawConfig::default();
    flags.flag("profile", &["local".to_owned()]);
    let community = flags.resolve(&Config::community()).unwrap().config;
    assert_eq!(
        community.listen[0].to_string(),
        "/ip4/127.0.0.1/udp/4717/quic-v1"
    );
}

#[test]
fn durations_and_sizes_in_words() {
    let durations = [
        ("30s", 30_000),
        ("6d", 518_400_000),
        ("1h 30m", 5_400_000),
        ("90min", 5_400_000),
        ("250ms", 250),
        ("0s", 0),
    ];
    for (text, ms) in durations {
        assert_eq!(parse_duration_ms(text), Ok(ms), "{text}");
    }
    for text in [
        "",
        "6",
        "d",
        "-1s",
        "1us",
        "6 dogs",
        "\u{1b}[0m",
        "99999999999999999999d",
    ] {
        assert!(parse_duration_ms(text).is_err(), "{text}");
    }
    let sizes = [
        ("64 MiB", 64 << 20),
        ("64MiB", 64 << 20),
        ("1 gib", 1 << 30),
        ("7 B", 7),
        ("50GB", 50_000_000_000),
        ("1 kb", 1_000),
    ];
    for (text, bytes) in sizes {
        assert_eq!(parse_size_bytes(text), Ok(bytes), "{text}");
    }
    for text in [
        "",
        "64",
        "MiB",
        "64 PB",
        "-1 B",
        "1.5 GiB",
        "20000000 TiB",
        "1 GiB 1 MiB",
    ] {
        assert!(parse_size_bytes(text).is_err(), "{text}");
    }
}

#[test]
fn durations_and_sizes_for_people() {
    let durations = [
        (0, "less than 1 s"),
        (999, "less than 1 s"),
        (1_500, "1 s"),
        (61_000, "1 min 1 s"),
        (3_600_000, "1 h"),
        (3_605_000, "1 h"),
        (517_000_000, "5 d 23 h"),
    ];
    for (ms, text) in durations {
        assert_eq!(approximate_duration_ms(ms), text);
    }
    let sizes = [
        (0, "0 B"),
        (1_023, "1023 B"),
        (1_536, "1.5 KiB"),
        (1 << 30, "1 GiB"),
    ];
    for (bytes, text) in sizes {
        assert_eq!(approximate_size_bytes(bytes), text);
    }
}

proptest! {
    #[test]
    fn what_is_formatted_parses_back(ms in 0..u64::MAX / 4_000_000, bytes: u64) {
        prop_assert_eq!(parse_duration_ms(&format_duration_ms(ms)), Ok(ms));
        prop_assert_eq!(parse_size_bytes(&format_size_bytes(bytes)), Ok(bytes));
    }

    #[test]
    fn any_text_is_parsed_or_refused(text in ".{0,40}", number: u64, unit in "[a-zA-Z ]{0,6}") {
        for text in [text, format!("{number}{unit}")] {
            if let Ok(ms) = parse_duration_ms(&text) {
                prop_assert_eq!(parse_duration_ms(&format_duration_ms(ms)), Ok(ms));
            }
            if let Ok(bytes) = parse_size_bytes(&text) {
                prop_assert_eq!(parse_size_bytes(&format_size_bytes(bytes)), Ok(bytes));
            }
            let _never_panics = (approximate_duration_ms(number), approximate_size_bytes(number));
        }
    }

    #[test]
    fn any_file_is_read_or_refused(
        text in "(?s).{0,80}",
        value in "[\"'\\[\\]{},a-z0-9= \n]{0,60}",
    ) {
        let _never_panics = resolve(&text, &[], &[]);
        let line = format!("listen = {value}");
        let _never_panics = resolve(&line, &[("RESTANTE_TTL", &value)], &[]);
    }
}

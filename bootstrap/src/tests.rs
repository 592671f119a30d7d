//! What an operator types.

use restante::config::RawConfig;

use super::*;

#[test]
fn the_definitions_are_consistent() {
    definition().debug_assert();
}

#[test]
fn examples_name_this_program_and_addresses_that_a_node_accepts() {
    for command in definition().get_subcommands_mut() {
        let help = command.render_long_help().to_string();
        let (_, examples) = help.split_once("Example:\n").unwrap();
        let examples = examples.lines().take_while(|line| !line.is_empty());
        for example in examples {
            let line = example.split("  #").next().unwrap().trim();
            let line = line.split(" >").next().unwrap();
            let words: Vec<&str> = line.split_whitespace().collect();
            let matches = definition().try_get_matches_from(words).unwrap();
            if let Command::Run(args) = Arguments::from_arg_matches(&matches).unwrap().command {
                let settings = args.settings.to_raw();
                settings.resolve(&Config::community()).unwrap();
            }
        }
    }
}

#[test]
fn the_home_is_taken_before_and_behind_the_command() {
    for line in [
        "restante-bootstrap --home /h run --listen /ip4/127.0.0.1/tcp/1",
        "restante-bootstrap run --listen /ip4/127.0.0.1/tcp/1 --home /h",
    ] {
        let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
        assert_eq!(arguments.home.as_deref(), Some(Path::new("/h")));
        let Command::Run(args) = arguments.command else {
            panic!("{line}");
        };
        let set = args.settings.to_raw().to_toml();
        assert_eq!(set, "listen = [\"/ip4/127.0.0.1/tcp/1\"]\n");
    }
}

#[test]
fn a_persons_home_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("home");
    Home::create(&path, |home| {
        std::fs::write(home.unlock_file(), "x").unwrap();
        Ok::<_, HomeError>(())
    })
    .unwrap();
    let refused = opened(&path, &given(&path, "restante-bootstrap run")).unwrap_err();
    assert_eq!(refused.exit, Exit::Usage);
    assert!(
        refused.message.ends_with("is the home of a person's node"),
        "{refused:?}"
    );
}

#[test]
fn what_is_given_when_the_home_is_made_counts_at_every_start() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("home");
    let line = "restante-bootstrap run --network club --profile lan --listen /ip4/127.0.0.1/tcp/0";
    for _ in 0..2 {
        opened(&path, &given(&path, line)).unwrap();
    }
    let loaded = remembered::load(&path, &Config::community(), RawConfig::default()).unwrap();
    assert_eq!(loaded.config.network, "club");
    assert!(
        loaded
            .origin("network")
            .unwrap()
            .to_string()
            .contains("config.toml")
    );
}

#[test]
fn a_configuration_that_was_there_before_the_home_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("home");
    std::fs::create_dir(&path).unwrap();
    std::fs::write(path.join("config.toml"), "network = \"old\"\n").unwrap();
    let line = "restante-bootstrap run --network club --listen /ip4/127.0.0.1/tcp/0";
    opened(&path, &given(&path, line)).unwrap();
    let loaded = remembered::load(&path, &Config::community(), RawConfig::default()).unwrap();
    assert_eq!(loaded.config.network, "old");
}

#[test]
fn settings_that_cannot_work_are_not_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("home");
    let other = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = other.local_addr().unwrap().port();
    let line = format!("restante-bootstrap run --listen /ip4/127.0.0.1/tcp/{port}");
    let refused = opened(&path, &given(&path, &line)).unwrap_err();
    assert_eq!(refused.code, "listen_refused");
    assert!(!path.exists());
}

fn opened(path: &Path, (config, args): &(Config, RunArgs)) -> Result<Home, Failure> {
    open_or_create(path, config, args).map(|(home, _)| home)
}

/// Returns what this command line says about a home.
fn given(path: &Path, line: &str) -> (Config, RunArgs) {
    let arguments = Arguments::try_parse_from(line.split(' ')).unwrap();
    let Command::Run(args) = arguments.command else {
        panic!("{line}");
    };
    let loaded = remembered::load(path, &Config::community(), args.settings.to_raw()).unwrap();
    (loaded.config, args)
}

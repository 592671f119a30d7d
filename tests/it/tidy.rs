//! Rules of the repository that no compiler checks.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// Columns of a line of Rust, at most.
const COLUMNS_MAX: usize = 120;
/// Lines of a file that is neither a test nor generated, at most.
const LINES_MAX: usize = 600;
/// What the protocol may be built from: nothing that has a socket, a disk or a clock.
const PROTO_DEPENDENCIES: [&str; 13] = [
    "argon2",
    "bip39",
    "blake3",
    "bytes",
    "chacha20poly1305",
    "data-encoding",
    "ed25519-dalek",
    "equihash",
    "hpke",
    "prost",
    "rand_core",
    "thiserror",
    "zeroize",
];
/// What is not left behind in the source.
const LEFT_BEHIND: [&str; 7] = [
    "todo!(",
    "unimplemented!(",
    "dbg!(",
    "#[ignore",
    "TODO",
    "FIXME",
    "XXX",
];

#[test]
fn sources_are_ascii_and_neither_too_wide_nor_too_long() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        let name = path.display();
        for (number, line) in (1..).zip(text.lines()) {
            if line.chars().count() > COLUMNS_MAX {
                wrong.push(format!(
                    "{name}:{number} is wider than {COLUMNS_MAX} columns"
                ));
            }
            if !line.is_ascii() {
                wrong.push(format!("{name}:{number} is not ASCII"));
            }
            if line.ends_with([' ', '\t']) {
                wrong.push(format!("{name}:{number} ends in blanks"));
            }
        }
        let lines = text.lines().count();
        if lines > LINES_MAX && !is_test(&path) && !name.to_string().ends_with("generated.rs") {
            wrong.push(format!("{name} has {lines} lines, more than {LINES_MAX}"));
        }
        if path.file_name().is_some_and(|file| file == "mod.rs") {
            wrong.push(format!("{name} is to be named after its module"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn nothing_unfinished_is_left_behind() {
    let mut wrong = Vec::new();
    for (path, text) in sources() {
        if path.ends_with("tests/it/tidy.rs") {
            continue;
        }
        for (number, line) in (1..).zip(text.lines()) {
            for mark in LEFT_BEHIND.iter().filter(|mark| line.contains(**mark)) {
                wrong.push(format!("{}:{number} has {mark:?}", path.display()));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_citation_of_the_specification_resolves() {
    let spec = fs::read_to_string(root().join("proto/SPEC.md")).unwrap();
    let headings: BTreeSet<String> = spec.lines().filter_map(heading).collect();
    assert!(headings.len() > 20, "{headings:?}");
    let (mut cited, mut wrong) = (0, Vec::new());
    for (path, text) in sources() {
        for (number, line) in (1..).zip(text.lines()) {
            for section in citations(line) {
                cited += 1;
                if !headings.contains(&section) {
                    wrong.push(format!("{}:{number} cites SPEC {section}", path.display()));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(cited > 20, "only {cited} citations were found");
}

#[test]
fn the_protocol_is_built_without_sockets_disks_and_clocks() {
    let manifest = fs::read_to_string(root().join("proto/Cargo.toml")).unwrap();
    let normal = dependencies(&manifest);
    assert!(normal.contains("prost"), "{normal:?}");
    let allowed: BTreeSet<String> = PROTO_DEPENDENCIES.map(str::to_owned).into();
    let foreign: Vec<_> = normal.difference(&allowed).collect();
    assert!(foreign.is_empty(), "proto depends on {foreign:?}");
    // The node's tests depend on the simulated disk: no test of its own may depend on the node.
    let disk = fs::read_to_string(root().join("sim/disk/Cargo.toml")).unwrap();
    assert!(
        !disk.contains("restante.workspace"),
        "sim/disk depends on the node"
    );
    for (package, above) in [
        (
            "proto",
            &[
                "restante",
                "restante-bootstrap",
                "restante-sim",
                "restante-tests",
            ][..],
        ),
        (
            "node",
            &["restante-bootstrap", "restante-sim", "restante-tests"],
        ),
        ("bootstrap", &["restante-sim", "restante-tests"]),
        ("sim", &["restante-bootstrap", "restante-tests"]),
    ] {
        let path = root().join(package).join("Cargo.toml");
        let names = dependencies(&fs::read_to_string(path).unwrap());
        let wrong: Vec<_> = above.iter().filter(|name| names.contains(**name)).collect();
        assert!(wrong.is_empty(), "{package} depends on {wrong:?}");
    }
}

#[test]
fn the_read_me_shows_the_two_commands_and_fits_a_page() {
    let text = fs::read_to_string(root().join("README.md")).unwrap();
    let command = |line: &str| {
        let code = line.split('#').next().unwrap_or_default().trim();
        code.starts_with("cargo run --release")
            .then(|| code.to_owned())
    };
    let runs: Vec<String> = text.lines().filter_map(command).collect();
    assert_eq!(runs, ["cargo run --release --bin restante -- demo"]);
    assert!(
        text.lines()
            .any(|line| line.trim_start().starts_with("tests/run"))
    );
    assert!(text.lines().count() <= 140, "it is more than a page");
    for link in [
        "proto/SPEC.md",
        "node/example.toml",
        "tests/run",
        "LICENSE-MIT",
        "LICENSE-APACHE",
    ] {
        assert!(root().join(link).exists(), "{link} is there");
    }
}

/// Returns the folder of the workspace.
fn root() -> PathBuf {
    let tests = Path::new(env!("CARGO_MANIFEST_DIR"));
    tests
        .parent()
        .expect("this package lies in the workspace")
        .to_owned()
}

/// Returns every Rust file with its path in the workspace.
fn sources() -> Vec<(PathBuf, String)> {
    let mut files = Vec::new();
    for folder in ["proto", "node", "bootstrap", "sim", "tests"] {
        collect(&root().join(folder), &mut files);
    }
    assert!(files.len() > 100, "{} files were found", files.len());
    files
}

fn collect(folder: &Path, files: &mut Vec<(PathBuf, String)>) {
    let mut paths: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    paths.sort();
    for path in paths {
        let name = path
            .file_name()
            .unwrap_or_default()
            .to_string_lossy()
            .into_owned();
        if path.is_dir() {
            if name != "target" && !name.starts_with('.') {
                collect(&path, files);
            }
        } else if name.ends_with(".rs") {
            let text = fs::read_to_string(&path).unwrap();
            files.push((path.strip_prefix(root()).unwrap().to_owned(), text));
        }
    }
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| part.as_os_str() == "tests")
        || path.file_name().is_some_and(|name| name == "tests.rs")
}

/// Returns the number of a heading, `4.2` for `### 4.2 Cards and records`.
fn heading(line: &str) -> Option<String> {
    let number = line
        .strip_prefix('#')?
        .trim_start_matches('#')
        .split_whitespace()
        .next()?;
    let number = number.trim_end_matches('.');
    let is_number = number.split('.').all(|part| part.parse::<u32>().is_ok());
    is_number.then(|| number.to_owned())
}

/// Returns the sections that a line cites: `SPEC 6.1 and 6.2` are two.
fn citations(line: &str) -> Vec<String> {
    let mut sections = Vec::new();
    for rest in line.split("SPEC ").skip(1) {
        for word in rest
            .split([' ', ',', ';', ')'])
            .filter(|word| !word.is_empty())
        {
            let number = word.trim_end_matches(['.', ':']);
            if number.split('.').all(|part| part.parse::<u32>().is_ok()) {
                sections.push(number.to_owned());
            } else if word != "and" {
                break;
            }
            // What comes behind the end of a sentence is something else.
            if word.ends_with('.') {
                break;
            }
        }
    }
    sections
}

/// Returns the names under `[dependencies]`.
fn dependencies(manifest: &str) -> BTreeSet<String> {
    let lines = manifest
        .lines()
        .skip_while(|line| *line != "[dependencies]")
        .skip(1);
    let lines = lines.take_while(|line| !line.starts_with('['));
    let name = |line: &str| {
        let end = line.find(['.', '=', ' '])?;
        Some(line[..end].trim().to_owned())
    };
    lines
        .filter_map(name)
        .filter(|name| !name.is_empty())
        .collect()
}

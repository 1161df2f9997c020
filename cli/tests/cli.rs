//! The binary as an operator meets it: what it refuses, how it says so, and what its example files are worth.

use std::io::{Read, Write};
use std::path::Path;
use std::process::{Command, Output};

/// Runs `dnc` without any `DNC_` variable of the test's own environment.
fn dnc(arguments: &[&str], variables: &[(&str, &str)]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dnc"));
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("DNC_")) {
        command.env_remove(name);
    }
    command.args(arguments).envs(variables.iter().copied()).output().expect("the binary starts")
}

fn refused(arguments: &[&str], variables: &[(&str, &str)]) -> String {
    let output = dnc(arguments, variables);
    assert_eq!(output.status.code(), Some(2), "{output:?}");
    String::from_utf8(output.stderr).expect("it speaks UTF-8")
}

fn example(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy").join(name);
    std::fs::read_to_string(path).expect("the example is there")
}

/// An example file with everything that is commented out switched on.
fn switched_on(name: &str) -> String {
    let plain = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let is_setting = |line: &str| {
        let key = line.split_once(" = ").map(|(key, _)| key);
        let table = line.strip_prefix('[').and_then(|rest| rest.strip_suffix(']'));
        key.or(table).is_some_and(plain)
    };
    let lines = example(name);
    let lines = lines.lines().map(|line| line.strip_prefix("# ").filter(|rest| is_setting(rest)).unwrap_or(line));
    lines.collect::<Vec<_>>().join("\n")
}

/// `make chaos-mutants` builds another binary, with the feature.
#[cfg(not(feature = "planted-bugs"))]
#[test]
fn the_binary_holds_no_planted_bug_and_takes_no_notice_of_the_variable_that_chooses_one() {
    let binary = std::fs::read(env!("CARGO_BIN_EXE_dnc")).unwrap();
    let named = |name: &str| binary.windows(name.len()).any(|window| window == name.as_bytes());
    assert!(named("DNC_CONFIG"), "names are found in it");
    assert!(!named(dnc_planted::VARIABLE));
    let plain = dnc(&["--version"], &[]);
    assert_eq!(dnc(&["--version"], &[(dnc_planted::VARIABLE, "no-such-bug")]), plain);
}

#[test]
fn a_missing_setting_is_named_with_all_the_ways_to_give_it() {
    let said = refused(&["meta"], &[]);
    assert!(said.contains("--voters, DNC_VOTERS or `voters` in the configuration file"), "{said}");
    // None of these is this machine.
    let said = refused(&["meta", "--voters", "1=no.such.machine.:1/no.such.machine.:2"], &[]);
    assert!(said.contains("--id, DNC_ID or `id`"), "{said}");
    let said = refused(&["node"], &[]);
    assert!(said.contains("--meta, DNC_META or `meta`"), "{said}");
    let said = refused(&["router"], &[]);
    assert!(said.contains("--meta, DNC_META or `meta`"), "{said}");
}

#[test]
fn an_unknown_key_in_the_file_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    for role in ["meta", "node", "router"] {
        let path = folder.path().join(role);
        std::fs::write(&path, "deadline = 5\n").unwrap();
        let said = refused(&[role, "--config", path.to_str().unwrap()], &[]);
        assert!(said.contains("unknown key `deadline`") && said.contains(path.to_str().unwrap()), "{said}");
    }
    let path = folder.path().join("nested");
    std::fs::write(&path, "[raft]\nheartbeat = 5\n").unwrap();
    let said = refused(&["node"], &[("DNC_CONFIG", path.to_str().unwrap())]);
    assert!(said.contains("unknown key `raft.heartbeat`"), "{said}");
}

#[test]
fn every_setting_of_the_example_files_exists_and_every_setting_is_in_them() {
    let folder = tempfile::tempdir().unwrap();
    for (role, file) in [("meta", "meta.toml"), ("node", "node.toml"), ("router", "router.toml")] {
        let path = folder.path().join(file);
        let text = switched_on(file);
        // A setting that does not exist, after all others were read, makes the binary name all that there are.
        std::fs::write(&path, format!("no_such_setting = 1\n{text}")).unwrap();
        let said = refused(&[role, "--config", path.to_str().unwrap()], &[]);
        assert!(said.contains("unknown key `no_such_setting`"), "{said}");
        let (_, keys) = said.trim().split_once("there are ").unwrap();
        for key in keys.split(", ") {
            let there = text.lines().any(|line| line.starts_with(&format!("{key} =")) || line == format!("[{key}]"));
            assert!(there, "{file} says nothing of {key}");
        }
        // All of them are right: what is refused next is the address.
        let text = text.replace("127.0.0.1:", "127.0.0.1;");
        std::fs::write(&path, text).unwrap();
        let data = folder.path().join("data");
        let mut arguments = vec![role, "--config", path.to_str().unwrap()];
        if role != "router" {
            arguments.extend(["--data-dir", data.to_str().unwrap()]);
        }
        let said = refused(&arguments, &[]);
        assert!(said.contains("cannot listen on `127.0.0.1;"), "{said}");
    }
}

#[test]
fn a_taken_port_is_named_with_the_setting_that_changes_it() {
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = held.local_addr().unwrap().to_string();
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().to_str().unwrap();
    let said = refused(&["dev", "--data-dir", data, "--grpc-listen", &taken], &[]);
    assert!(said.contains(&taken) && said.contains("another process listens there"), "{said}");
    assert!(said.contains("--grpc-listen, DNC_GRPC_LISTEN"), "{said}");
}

#[test]
fn a_data_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    std::fs::write(&file, "").unwrap();
    let said = refused(&["dev", "--data-dir", file.to_str().unwrap()], &[]);
    assert!(said.contains("data folder") && said.contains(file.to_str().unwrap()), "{said}");
}

#[test]
fn without_a_router_a_check_ends_with_an_error_and_never_with_success() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let said = refused(&["check", "2015550100", "--router", &format!("http://{nobody}")], &[]);
    assert!(said.starts_with("error: "), "{said}");
}

/// Answers one request with this, and says where.
fn answering(answer: &'static str) -> String {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let address = listener.local_addr().expect("bound").to_string();
    std::thread::spawn(move || {
        let (mut caller, _) = listener.accept().expect("a caller");
        let mut asked = [0; 1_024];
        assert!(caller.read(&mut asked).expect("a request") > 0);
        caller.write_all(answer.as_bytes()).expect("it waits");
    });
    address
}

#[test]
fn health_tells_ready_from_not_ready_from_nobody_by_its_exit_code() {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let cases = [
        (answering("HTTP/1.1 200 OK\r\ncontent-length: 6\r\nconnection: close\r\n\r\nready\n"), 0),
        (answering("HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\n\r\n"), 1),
        (answering("SSH-2.0-something\r\n"), 2),
        (nobody, 2),
    ];
    for (address, code) in cases {
        let output = dnc(&["health", &address], &[]);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
    }
}

#[test]
fn generated_lists_are_the_same_each_time() {
    let folder = tempfile::tempdir().unwrap();
    let lists = |name: &str| -> Vec<(String, Vec<u8>)> {
        let out = folder.path().join(name);
        let arguments = [
            "bench",
            "generate",
            "--numbers",
            "2000",
            "--areas",
            "2",
            "--seed",
            "7",
            "--list-date",
            "2026-01-09",
            "--out",
        ];
        let output = dnc(&[&arguments[..], &[out.to_str().unwrap()]].concat(), &[]);
        assert!(output.status.success(), "{output:?}");
        let mut files: Vec<_> = std::fs::read_dir(&out)
            .unwrap()
            .map(|entry| entry.unwrap())
            .map(|entry| (entry.file_name().into_string().unwrap(), std::fs::read(entry.path()).unwrap()))
            .collect();
        files.sort();
        files
    };
    let files = lists("one");
    assert_eq!(files, lists("two"));
    assert_eq!(files.len(), 2);
    assert!(files[0].0.starts_with("2026-1-9_201_") && files[1].0.starts_with("2026-1-9_202_"), "{:?}", files[0].0);
    let lines: usize = files.iter().map(|(_, text)| text.iter().filter(|byte| **byte == b'\n').count()).sum();
    assert_eq!(lines, 2_000);
}

//! A real SFTP server: Debian's, as a child of the test, on a loopback port, with keys of its own.
//!
//! `deploy/setup.sh --tests` installs it. Where it is not installed these tests say so and end.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;
use tokio::net::TcpStream;

use super::*;

const SSHD: &str = "/usr/sbin/sshd";

/// An SFTP server; ends with the test.
struct Sshd {
    child: Child,
    folder: TempDir,
    port: u16,
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Sshd {
    /// Starts it; none if it is not installed.
    async fn start() -> Option<Self> {
        if !Path::new(SSHD).exists() {
            eprintln!("skipped: {SSHD} is not there; deploy/setup.sh --tests installs it");
            return None;
        }
        // Not in /tmp itself: sshd wants no folder above that others can write to, unless it is told not to mind.
        let folder = tempfile::tempdir().expect("a folder");
        for key in ["host", "user", "stranger"] {
            let made = Command::new("ssh-keygen")
                .args(["-q", "-t", "ed25519", "-N", "", "-f"])
                .arg(folder.path().join(key))
                .status();
            assert!(made.expect("ssh-keygen runs").success());
        }
        std::fs::create_dir(folder.path().join("lists")).expect("made");
        let port = std::net::TcpListener::bind("127.0.0.1:0").and_then(|l| l.local_addr()).expect("a port").port();
        let at = |name: &str| folder.path().join(name).display().to_string();
        let config = format!(
            "ListenAddress 127.0.0.1:{port}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nStrictModes no\n\
             UsePAM no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin yes\n\
             Subsystem sftp internal-sftp\n",
            at("host"),
            at("user.pub")
        );
        std::fs::write(folder.path().join("config"), config).expect("written");
        let host = std::fs::read_to_string(folder.path().join("host.pub")).expect("a key");
        std::fs::write(folder.path().join("known"), format!("[127.0.0.1]:{port} {host}")).expect("written");
        // sshd will have this folder where it runs as root.
        let _ = std::fs::create_dir_all("/run/sshd");
        let child = Command::new(SSHD)
            .args(["-D", "-e", "-f"])
            .arg(folder.path().join("config"))
            .stderr(Stdio::null())
            .spawn()
            .expect("sshd starts");
        let server = Self { child, folder, port };
        let deadline = Instant::now() + Duration::from_secs(20);
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            assert!(Instant::now() < deadline, "sshd does not listen");
            tokio::task::yield_now().await;
        }
        Some(server)
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn url(&self) -> String {
        let user = std::env::var("USER").unwrap_or_else(|_| "root".into());
        format!("sftp://{user}@127.0.0.1:{}{}", self.port, self.path("lists").display())
    }

    fn options(&self, key: &str, known: &str) -> SyncOptions {
        SyncOptions {
            sftp_key_file: self.path(key).display().to_string(),
            sftp_known_hosts: self.path(known).display().to_string(),
            idle_ms: 5_000,
            ..options()
        }
    }
}

#[tokio::test]
async fn lists_are_fetched_from_a_real_server() {
    let Some(server) = Sshd::start().await else { return };
    let put = |name: &str, content: &str| std::fs::write(server.path("lists").join(name), content).expect("written");
    put(&list_name("201"), LIST);
    put(&list_name("818"), "818,5550100\n");
    put("half.txt.filepart", "201,55");
    let bench = Bench::new(&server.url(), server.options("user", "known"));
    let done = bench.sync().await;
    assert_eq!((done.outcome, done.added), (Outcome::Done, 3), "{done:?}");
    let again = bench.sync().await;
    assert_eq!(again.outcome, Outcome::Skipped, "{again:?}");
    // More than one packet.
    let large: String = (0..6_000).map(|line| format!("201,555{line:04}\n")).collect();
    put(&list_name("201"), &large);
    let more = bench.sync().await;
    assert_eq!((more.outcome, bench.numbers()), (Outcome::Done, 6_001), "{more:?}");
}

#[tokio::test]
async fn a_key_can_be_the_registrys_own() {
    let Some(server) = Sshd::start().await else { return };
    std::fs::write(server.path("lists").join(list_name("201")), LIST).expect("written");
    let key = std::fs::read_to_string(server.path("user")).expect("a key");
    let bench = Bench::new(&server.url(), SyncOptions { sftp_key_file: String::new(), ..server.options("", "known") });
    let bench = bench.with_key(&key);
    let done = bench.sync().await;
    assert_eq!(done.outcome, Outcome::Done, "{done:?}");
}

#[tokio::test]
async fn strangers_on_either_side_are_refused() {
    let Some(server) = Sshd::start().await else { return };
    let says = async |options: SyncOptions, says: &str| {
        let failed = Bench::new(&server.url(), options).sync().await;
        assert_eq!(failed.outcome, Outcome::Failed);
        assert!(failed.message.contains(says), "{}", failed.message);
    };
    says(server.options("stranger", "known"), "does not let this user in").await;
    says(server.options("user", "nobody-known"), "not in the file of known hosts").await;
    let other = std::fs::read_to_string(server.path("stranger.pub")).expect("a key");
    std::fs::write(server.path("changed"), format!("[127.0.0.1]:{} {other}", server.port)).expect("written");
    says(server.options("user", "changed"), "another host key").await;
    std::fs::remove_dir(server.path("lists")).expect("removed");
    says(server.options("user", "known"), "there is none").await;
}

//! A process of another system, in a folder of its own; it ends with this value.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep};

/// How long one may take to listen.
const READY: Duration = Duration::from_secs(60);
/// How long one may take to end when it is asked to.
const END: Duration = Duration::from_secs(10);

/// A running process.
pub struct Server {
    name: &'static str,
    child: Child,
}

// === impl Server ===

impl Server {
    /// Starts it and waits until it listens on this port of loopback.
    pub async fn start(name: &'static str, mut command: Command, port: u16) -> Result<Self> {
        let child = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
        let mut server = Self { name, child: child.with_context(|| format!("start {name}"))? };
        let deadline = Instant::now() + READY;
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            if let Some(status) = server.child.try_wait()? {
                bail!("{name} ended: {status}");
            }
            if Instant::now() > deadline {
                bail!("{name} does not listen");
            }
            sleep(Duration::from_millis(50)).await;
        }
        Ok(server)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let asked = i32::try_from(self.child.id()).map(|pid| kill(Pid::from_raw(pid), Signal::SIGINT));
        let deadline = std::time::Instant::now() + END;
        while matches!(asked, Ok(Ok(()))) && std::time::Instant::now() < deadline {
            if let Ok(Some(_)) = self.child.try_wait() {
                return;
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        crate::report::say(format_args!("{} did not end by itself", self.name));
        // Nothing more can be done about one that cannot be killed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

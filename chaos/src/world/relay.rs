//! Delay: a small program (`relay.c`) between the bridge and a process's link, which hands every packet on later.
//!
//! The kernel's own means for this (netem, nfqueue) are not everywhere. The program is built when it is first needed.

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::command::run;

/// The program.
pub struct Program(TempDir);

/// One relay; its process's link is on the bridge again when it is dropped.
pub struct Relay {
    child: Child,
    hub: String,
    port: String,
}

// === impl Program ===

impl Program {
    /// Builds it.
    pub fn build() -> Result<Program> {
        let folder = tempfile::Builder::new().prefix("dnc-chaos-").tempdir().context("make a folder for the relay")?;
        let source = folder.path().join("relay.c");
        std::fs::write(&source, include_str!("relay.c")).context("write the relay's source")?;
        let [source, binary] = [source, folder.path().join("relay")].map(|path| path.display().to_string());
        run("cc", &["-O2", "-Wall", "-Werror", "-o", &binary, &source]).context("build the relay")?;
        Ok(Program(folder))
    }

    fn path(&self) -> std::path::PathBuf {
        self.0.path().join("relay")
    }
}

// === impl Relay ===

impl Relay {
    /// Puts one between the bridge of a hub and a port of it.
    pub fn begin(program: &Program, hub: &str, port: &str, delay: Duration, jitter: Duration) -> Result<Relay> {
        let (inner, outer) = (format!("{port}i"), format!("{port}o"));
        run("ip", &["-n", hub, "link", "add", "name", &inner, "type", "veth", "peer", "name", &outer])?;
        run("ip", &["-n", hub, "link", "set", &inner, "up"])?;
        let child = spawn(&program.path(), hub, &[port, &inner], [delay, jitter])?;
        let relay = Relay { child, hub: hub.into(), port: port.into() };
        run("ip", &["-n", hub, "link", "set", port, "nomaster"])?;
        run("ip", &["-n", hub, "link", "set", &outer, "master", "bridge", "up"])?;
        Ok(relay)
    }

    /// Ends it; how many packets came late.
    pub fn end(mut self) -> Result<u64> {
        if let Some(status) = self.child.try_wait().context("look at the relay")? {
            bail!("the relay of {} ended by itself with {status}", self.port);
        }
        let pid = Pid::from_raw(i32::try_from(self.child.id()).context("a process id fits")?);
        kill(pid, Signal::SIGTERM).context("end a relay")?;
        let mut said = String::new();
        let stdout = self.child.stdout.as_mut().context("its output is a pipe")?;
        stdout.read_to_string(&mut said).context("hear what a relay says")?;
        said.trim().parse().context("a relay says how many packets it handed on")
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
        // The other end goes with it.
        let _ = run("ip", &["-n", &self.hub, "link", "del", &format!("{}i", self.port)]);
        let _ = run("ip", &["-n", &self.hub, "link", "set", &self.port, "master", "bridge"]);
    }
}

fn spawn(program: &Path, hub: &str, links: &[&str; 2], times: [Duration; 2]) -> Result<Child> {
    Command::new("ip")
        .args(["netns", "exec", hub])
        .arg(program)
        .args(links)
        .args(times.map(|time| time.as_micros().to_string()))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("start a relay")
}

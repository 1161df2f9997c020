//! One process of the product, and what may be done to it.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::http;
use crate::wait::until;

/// How many lines of its log are quoted when a process ends that should run.
const QUOTED_LINES: usize = 15;

/// What a process is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// A voter of the meta group.
    Meta,
    /// A storage node.
    Node,
    /// A router.
    Router,
}

/// One process: it can be killed, paused and started again, and ends with this value.
#[derive(Debug)]
pub struct Process {
    /// What it is for.
    pub role: Role,
    /// Which one of its role, from 0.
    pub index: usize,
    /// Where it serves `/metrics`, `/healthz` and `/readyz`.
    pub http: SocketAddr,
    /// Where it speaks gRPC.
    pub grpc: SocketAddr,
    /// Everything that it ever printed.
    pub log: PathBuf,
    /// Its data folder.
    pub data: PathBuf,
    binary: PathBuf,
    arguments: Vec<String>,
    log_filter: String,
    around: Around,
    child: Option<Child>,
}

/// What is around a process: where its packets go, and what is put into its environment.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Around {
    /// The network namespace that it is started in; that of this program if none is named.
    pub namespace: Option<String>,
    /// Variables, such as a library to be loaded before all others.
    pub variables: Vec<(String, String)>,
}

/// What a process is made of.
#[derive(Clone, Debug)]
pub struct Launch {
    /// What it is for.
    pub role: Role,
    /// Which one of its role, from 0.
    pub index: usize,
    /// The program.
    pub binary: PathBuf,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// Where it speaks gRPC.
    pub grpc: SocketAddr,
    /// Where it serves HTTP.
    pub http: SocketAddr,
    /// Its data folder.
    pub data: PathBuf,
    /// Where its log goes.
    pub log: PathBuf,
    /// What it logs, as `DNC_LOG` says it.
    pub log_filter: String,
    /// What is around it.
    pub around: Around,
}

// === impl Role ===

impl Role {
    /// Its name: also the command of the binary that it is started with.
    pub fn word(self) -> &'static str {
        match self {
            Role::Meta => "meta",
            Role::Node => "node",
            Role::Router => "router",
        }
    }
}

// === impl Around ===

impl Around {
    /// The program in its surroundings. Every program on the way there becomes the next one, so the process id is its own.
    fn command(&self, binary: &Path) -> Command {
        let variables = self.variables.iter().map(|(name, value)| format!("{name}={value}"));
        let mut words: Vec<String> = Vec::new();
        if let Some(namespace) = &self.namespace {
            words.extend(["ip", "netns", "exec"].map(String::from));
            words.push(namespace.clone());
        }
        // Set behind `ip`, so that nothing but the process itself sees them.
        if !self.variables.is_empty() {
            words.push("env".into());
            words.extend(variables);
        }
        let mut words = words.into_iter();
        match words.next() {
            None => Command::new(binary),
            Some(first) => {
                let mut command = Command::new(first);
                command.args(words).arg(binary);
                command
            }
        }
    }
}

// === impl Process ===

impl Process {
    /// Starts a process. It need not be ready when this returns.
    pub fn start(launch: Launch) -> Result<Process> {
        let mut process = Process {
            role: launch.role,
            index: launch.index,
            http: launch.http,
            grpc: launch.grpc,
            log: launch.log,
            data: launch.data,
            binary: launch.binary,
            arguments: launch.arguments,
            log_filter: launch.log_filter,
            around: launch.around,
            child: None,
        };
        fs::create_dir_all(&process.data).with_context(|| format!("create {}", process.data.display()))?;
        process.run()?;
        Ok(process)
    }

    /// Its name in reports, such as `node 1`.
    pub fn name(&self) -> String {
        format!("{} {}", self.role.word(), self.index)
    }

    /// Starts it again with what it was started with; it must not be running.
    pub fn run(&mut self) -> Result<()> {
        if self.is_running() {
            bail!("{} runs already", self.name());
        }
        let log = File::options()
            .create(true)
            .append(true)
            .open(&self.log)
            .with_context(|| format!("open {}", self.log.display()))?;
        let child = self
            .around
            .command(&self.binary)
            .args(&self.arguments)
            .env_clear()
            .envs(std::env::vars().filter(|(name, _)| !name.starts_with("DNC_")))
            .env("NO_COLOR", "1")
            .env("DNC_LOG", &self.log_filter)
            .stdin(Stdio::null())
            .stdout(log.try_clone().context("share the log")?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("start {}", self.binary.display()))?;
        self.child = Some(child);
        Ok(())
    }

    /// Changes the value of a flag that it was started with, for its next start.
    pub fn set_flag(&mut self, flag: &str, value: &str) -> Result<()> {
        let at = self.arguments.iter().position(|argument| argument == flag);
        let at = at.with_context(|| format!("{} was started without {flag}", self.name()))?;
        let given = self.arguments.get_mut(at + 1).context("every flag has a value")?;
        *given = value.to_owned();
        Ok(())
    }

    /// Whether it has been started and has not ended; a paused one runs.
    pub fn is_running(&mut self) -> bool {
        match &mut self.child {
            Some(child) => matches!(child.try_wait(), Ok(None)),
            None => false,
        }
    }

    /// Its process id, while it has one.
    pub fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// Ends it without warning, paused or not, and waits until it is gone.
    pub fn kill9(&mut self) -> Result<()> {
        if let Some(mut child) = self.child.take() {
            child.kill().with_context(|| format!("kill {}", self.name()))?;
            child.wait().with_context(|| format!("reap {}", self.name()))?;
        }
        Ok(())
    }

    /// Asks it to end, and waits until it has.
    pub async fn terminate(&mut self, limit: Duration) -> Result<ExitStatus> {
        self.ask_to_end()?;
        self.ended(limit).await
    }

    /// Asks it to end.
    pub fn ask_to_end(&self) -> Result<()> {
        self.signal(Signal::SIGTERM)
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self, limit: Duration) -> Result<ExitStatus> {
        let name = self.name();
        let child = self.child.as_mut().with_context(|| format!("{name} does not run"))?;
        let what = format!("{name} to end by itself");
        let status = until(limit, &what, || {
            let status = child.try_wait();
            async move { Ok(status?) }
        })
        .await?;
        self.child = None;
        Ok(status)
    }

    /// Stops it in its tracks: its connections stay open, and nobody answers.
    pub fn pause(&self) -> Result<()> {
        self.signal(Signal::SIGSTOP)
    }

    /// Lets a paused one go on.
    pub fn resume(&self) -> Result<()> {
        self.signal(Signal::SIGCONT)
    }

    /// Kills it if it runs, starts it again, and waits until it is ready.
    pub async fn restart(&mut self, limit: Duration) -> Result<()> {
        self.kill9()?;
        self.run()?;
        self.wait_ready(limit).await
    }

    /// Waits until it says that it is ready; an error at once if it ends instead.
    pub async fn wait_ready(&mut self, limit: Duration) -> Result<()> {
        let what = format!("{} to be ready", self.name());
        let http = self.http;
        let ready = until(limit, &what, || {
            let ended = !self.is_running();
            async move {
                if ended {
                    return Ok(Some(false));
                }
                let answer = http::get(http, "/readyz").await?;
                if answer.status != 200 {
                    bail!("/readyz says {}: {}", answer.status, answer.text());
                }
                Ok(Some(true))
            }
        })
        .await
        .with_context(|| format!("its log is {}", self.log.display()))?;
        if !ready {
            bail!("{} ended; the end of its log:\n{}", self.name(), self.log_end());
        }
        Ok(())
    }

    /// All that it ever printed.
    pub fn log_text(&self) -> Result<String> {
        read_lossy(&self.log)
    }

    /// The memory that it uses now and has used at most, in bytes, as the kernel counts it.
    pub fn memory(&self) -> Result<(u64, u64)> {
        let pid = self.pid().context("it does not run")?;
        let status = fs::read_to_string(format!("/proc/{pid}/status")).context("read its status")?;
        let bytes = |key: &str| -> Option<u64> {
            let line = status.lines().find(|line| line.starts_with(key))?;
            Some(line.split_whitespace().nth(1)?.parse::<u64>().ok()? * 1_024)
        };
        let both = bytes("VmRSS:").zip(bytes("VmHWM:"));
        both.context("read its memory from its status")
    }

    /// The time that it has kept a processor busy since it was started.
    pub fn cpu_time(&self) -> Result<Duration> {
        let pid = self.pid().context("it does not run")?;
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).context("read its statistics")?;
        // Behind the name in parentheses, which may hold anything, come the fields from the third on.
        let (_, fields) = stat.rsplit_once(") ").context("a name in parentheses")?;
        let ticks = fields.split_whitespace().skip(11).take(2).map(str::parse::<u64>);
        let ticks: u64 = ticks.sum::<Result<u64, _>>().context("read its processor time")?;
        // The kernel shows hundredths of a second to programs, whatever it counts in.
        Ok(Duration::from_millis(ticks * 10))
    }

    fn log_end(&self) -> String {
        let text = self.log_text().unwrap_or_default();
        let lines: Vec<&str> = text.lines().collect();
        lines[lines.len().saturating_sub(QUOTED_LINES)..].join("\n")
    }

    fn signal(&self, signal: Signal) -> Result<()> {
        let pid = self.pid().with_context(|| format!("{} does not run", self.name()))?;
        let pid = Pid::from_raw(i32::try_from(pid).context("a process id fits")?);
        kill(pid, signal).with_context(|| format!("send {signal} to {}", self.name()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Nothing more can be done about a process that cannot be killed.
        let _ = self.kill9();
    }
}

fn read_lossy(path: &Path) -> Result<String> {
    let bytes = fs::read(path).with_context(|| format!("read {}", path.display()))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn launch(folder: &Path, script: &str) -> Launch {
        let nowhere = crate::ports::free().expect("a free port");
        Launch {
            role: Role::Node,
            index: 0,
            binary: "/bin/sh".into(),
            arguments: vec!["-c".into(), script.into()],
            grpc: nowhere,
            http: nowhere,
            data: folder.join("data"),
            log: folder.join("log"),
            log_filter: "info".into(),
            around: Around::default(),
        }
    }

    fn state(process: &Process) -> char {
        let pid = process.pid().expect("it runs");
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).expect("it has a state");
        let after_name = stat.rsplit_once(") ").expect("a name in parentheses").1;
        after_name.chars().next().expect("a letter")
    }

    async fn wait_state(process: &Process, wanted: char) {
        until(Duration::from_secs(5), "a state", || async { Ok((state(process) == wanted).then_some(())) })
            .await
            .expect("in time");
    }

    async fn wait_for_words(process: &Process, times: usize) {
        until(Duration::from_secs(20), "the words in its log", || {
            let text = process.log_text();
            async move { Ok((text?.matches("begun").count() == times).then_some(())) }
        })
        .await
        .expect("in time");
    }

    #[tokio::test]
    async fn a_process_is_paused_resumed_killed_and_started_again() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut process = Process::start(launch(folder.path(), "echo begun; exec sleep 60")).expect("started");
        wait_for_words(&process, 1).await;
        process.pause().expect("paused");
        wait_state(&process, 'T').await;
        assert!(process.is_running());
        process.resume().expect("resumed");
        process.pause().expect("paused");
        process.kill9().expect("killed while paused");
        assert!(!process.is_running());
        process.run().expect("started again");
        assert!(process.run().is_err(), "it runs already");
        wait_for_words(&process, 2).await;
    }

    #[tokio::test]
    async fn a_process_that_ends_while_it_is_waited_for_is_an_error_with_its_last_words() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut process = Process::start(launch(folder.path(), "echo no such luck; exit 3")).expect("started");
        let error = process.wait_ready(Duration::from_secs(5)).await.expect_err("it ended");
        assert!(format!("{error:#}").contains("no such luck"), "{error:#}");
    }

    #[tokio::test]
    async fn a_process_ends_when_it_is_asked_to() {
        let folder = tempfile::tempdir().expect("a folder");
        let script = "trap 'exit 7' TERM; echo begun; while true; do sleep 0.05; done";
        let mut process = Process::start(launch(folder.path(), script)).expect("started");
        wait_for_words(&process, 1).await;
        let status = process.terminate(Duration::from_secs(5)).await.expect("it ended");
        assert_eq!(status.code(), Some(7));
        assert_eq!(process.pid(), None);
    }

    #[tokio::test]
    async fn a_process_has_the_variables_that_it_is_started_with_and_its_own_id() {
        let folder = tempfile::tempdir().expect("a folder");
        let mut launch = launch(folder.path(), "echo $$ $GREETING begun; exec sleep 60");
        launch.around.variables = vec![("GREETING".into(), "hello there".into())];
        let process = Process::start(launch).expect("started");
        wait_for_words(&process, 1).await;
        let pid = process.pid().expect("it runs");
        assert_eq!(process.log_text().expect("a log"), format!("{pid} hello there begun\n"));
    }

    #[test]
    fn a_process_ends_with_its_owner() {
        let folder = tempfile::tempdir().expect("a folder");
        let process = Process::start(launch(folder.path(), "exec sleep 60")).expect("started");
        let pid = process.pid().expect("it runs");
        drop(process);
        assert!(!Path::new(&format!("/proc/{pid}")).exists());
    }
}

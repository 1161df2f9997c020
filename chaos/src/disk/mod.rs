//! What stands between the processes and their disks and clocks: a small library, loaded into each.
//!
//! It is built from `shim.c` when a run begins. `control` tells it what to do, `synced` plays the
//! loss of power with what it wrote down. `damage` hurts files of processes that do not run, and
//! `small` is a disk that can be filled.

mod control;
pub mod damage;
mod small;
mod synced;

use std::collections::BTreeMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result};
use dnc_planted::Bug;
use dnc_tests::cluster::Victim;
use dnc_tests::process::Role;
use tempfile::TempDir;

use self::control::Control;
pub use self::control::Told;
use self::small::SmallDisk;
use self::synced::Synced;
use crate::world::Dress;
use crate::world::command::run;

/// Nodes read all that they store so often, so that damage is found within a round.
const SCRUB_INTERVAL_S: &str = "5";

/// Room that a node with a small disk wants at least, of half a GiB.
const SMALL_FREE_MIB_MIN: &str = "64";

/// The library, and what each process's copy of it is told. Clones share it.
#[derive(Clone)]
pub struct Disks {
    folder: Arc<TempDir>,
    controls: Arc<Mutex<BTreeMap<Victim, Control>>>,
    router_settings: &'static [(&'static str, &'static str)],
    bug: Option<Bug>,
    small: Option<Victim>,
    small_disk: Arc<Mutex<Option<SmallDisk>>>,
}

// === impl Disks ===

impl Disks {
    /// Builds the library. The process that is named will have a small disk, routers these variables, all of them the bug.
    pub fn new(
        small: Option<Victim>,
        router_settings: &'static [(&'static str, &'static str)],
        bug: Option<Bug>,
    ) -> Result<Disks> {
        let folder = tempfile::Builder::new().prefix("dnc-chaos-").tempdir().context("make a folder for the shim")?;
        let disks = Disks {
            folder: Arc::new(folder),
            controls: Arc::default(),
            router_settings,
            bug,
            small,
            small_disk: Arc::default(),
        };
        let source = disks.path("shim.c");
        fs::write(&source, include_str!("shim.c")).context("write the shim's source")?;
        let [source, library] = [source, disks.library()].map(|path| path.display().to_string());
        run("cc", &["-O2", "-Wall", "-Werror", "-shared", "-fPIC", "-o", &library, &source, "-ldl"])
            .context("build the shim")?;
        Ok(disks)
    }

    /// Fills the small disk to the last byte.
    pub fn fill(&self) -> Result<()> {
        self.on_small(SmallDisk::fill)
    }

    /// Makes room on the small disk; whose it is.
    pub fn drain(&self) -> Result<Victim> {
        let process = self.small.context("no process has a small disk")?;
        self.on_small(SmallDisk::drain)?;
        Ok(process)
    }

    fn on_small(&self, what: impl FnOnce(&SmallDisk) -> Result<()>) -> Result<()> {
        let disk = self.small_disk.lock().expect("nobody panics while holding it");
        what(disk.as_ref().context("no process has a small disk")?)
    }

    /// Takes the small disk away; its process must have ended.
    pub fn unmount(&self) {
        self.small_disk.lock().expect("nobody panics while holding it").take();
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn library(&self) -> PathBuf {
        self.path("shim.so")
    }

    fn record(&self, process: Victim) -> PathBuf {
        self.path(&format!("{}-{}.synced", process.role.word(), process.index))
    }

    /// Tells a process's shim something.
    pub fn tell(&self, process: Victim, what: Told, value: i64) -> Result<()> {
        self.control(process)?.tell(what, value)
    }

    /// How many calls of a process were harmed so far.
    pub fn harmed(&self, process: Victim) -> Result<i64> {
        self.control(process)?.read(Told::Harmed)
    }

    fn control(&self, process: Victim) -> Result<Control> {
        let controls = self.controls.lock().expect("nobody panics while holding it");
        controls.get(&process).cloned().with_context(|| format!("{process} has no shim"))
    }

    /// Takes from a stopped process's files what it had not synced; how many bytes are gone.
    pub fn lose_unsynced(&self, process: Victim, data: &Path) -> Result<u64> {
        let record = self.record(process);
        let text = match fs::read_to_string(&record) {
            Ok(text) => text,
            // A router holds nothing and syncs nothing; anybody else has synced before it was ready.
            Err(error) if error.kind() == ErrorKind::NotFound && process.role == Role::Router => String::new(),
            Err(error) => return Err(error).with_context(|| format!("read {}", record.display())),
        };
        Synced::read(&text).cut_back(data)
    }
}

impl Dress for Disks {
    fn dress(&mut self, process: Victim, data: &Path) -> Result<Vec<(String, String)>> {
        let small = self.small == Some(process);
        if small {
            let disk = SmallDisk::mount(data).context("make a small disk")?;
            *self.small_disk.lock().expect("nobody panics while holding it") = Some(disk);
        }
        let path = self.path(&format!("{}-{}.control", process.role.word(), process.index));
        let control = Control::create(&path)?;
        self.controls.lock().expect("nobody panics while holding it").insert(process, control);
        let variable = |name: &str, path: &Path| (name.to_owned(), path.display().to_string());
        let mut variables = vec![
            variable("LD_PRELOAD", &self.library()),
            variable("CHAOS_CONTROL", &path),
            variable("CHAOS_SYNCED", &self.record(process)),
        ];
        let settings = if process.role == Role::Router { self.router_settings } else { &[] };
        if process.role == Role::Node {
            variables.push(("DNC_SCRUB__INTERVAL_S".into(), SCRUB_INTERVAL_S.into()));
        }
        variables.extend(settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        variables.extend(self.bug.map(|bug| (dnc_planted::VARIABLE.to_owned(), bug.name().to_owned())));
        if small {
            variables.push(variable("CHAOS_SMALL_DISK", data));
            variables.push(("DNC_DISK__FREE_MIB_MIN".into(), SMALL_FREE_MIB_MIN.into()));
        }
        Ok(variables)
    }
}

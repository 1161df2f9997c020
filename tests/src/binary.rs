//! Finds the `dnc` binary that tests start, and makes sure that it is what was built last.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};

/// Names a binary to be used instead, as it is.
pub const OVERRIDE: &str = "DNC_TESTS_BINARY";

const BUILD: &str = "build it with: cargo build --release --workspace --bins";

/// The `dnc` binary: that of [`OVERRIDE`], or the one beside the running executable or one folder up,
/// where cargo puts it.
pub fn dnc() -> Result<PathBuf> {
    if let Some(path) = env::var_os(OVERRIDE) {
        let path = PathBuf::from(path);
        if !path.is_file() {
            bail!("{OVERRIDE} names {}, which is not a file", path.display());
        }
        return Ok(path);
    }
    let here = env::current_exe().context("find the running executable")?;
    // Tests lie in target/<profile>/deps, binaries in target/<profile>.
    let found = here.ancestors().skip(1).take(2).map(|folder| folder.join("dnc")).find(|path| path.is_file());
    let Some(path) = found else {
        bail!("there is no dnc binary beside {}; {BUILD}", here.display());
    };
    if let Some(newer) = newer_source(&path)? {
        bail!("{} is older than {}; {BUILD}", path.display(), newer.display());
    }
    Ok(path)
}

/// A source file that changed after the binary was built, by the list that cargo wrote beside it. Without that list there is nothing to compare with.
fn newer_source(binary: &Path) -> Result<Option<PathBuf>> {
    let built = modified(binary)?;
    let list = binary.with_extension("d");
    let Ok(text) = fs::read_to_string(&list) else {
        return Ok(None);
    };
    let sources = sources_of(&text);
    for source in sources {
        // A file that is gone changed too, but cargo will say that better.
        if let Ok(changed) = modified(&source)
            && changed > built
        {
            return Ok(Some(source));
        }
    }
    Ok(None)
}

fn modified(path: &Path) -> Result<SystemTime> {
    fs::metadata(path).and_then(|m| m.modified()).with_context(|| format!("read when {} changed", path.display()))
}

/// The files on the right side of a make rule; spaces in names are escaped.
fn sources_of(rule: &str) -> Vec<PathBuf> {
    let Some((_, right)) = rule.lines().next().and_then(|line| line.split_once(": ")) else {
        return Vec::new();
    };
    right.replace("\\ ", "\0").split_whitespace().map(|name| PathBuf::from(name.replace('\0', " "))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn the_list_of_sources_is_read() {
        assert_eq!(sources_of("/t/dnc: /w/a.rs /w/b\\ c.rs\n"), [PathBuf::from("/w/a.rs"), PathBuf::from("/w/b c.rs")]);
        assert_eq!(sources_of(""), Vec::<PathBuf>::new());
    }

    #[test]
    fn a_binary_older_than_its_sources_is_noticed() {
        let folder = tempfile::tempdir().expect("a folder");
        let [binary, list, source] = ["dnc", "dnc.d", "main.rs"].map(|f| folder.path().join(f));
        for path in [&binary, &source] {
            fs::write(path, "").expect("written");
        }
        fs::write(&list, format!("{}: {}\n", binary.display(), source.display())).expect("written");
        let built = modified(&binary).expect("a time");
        let set = |at| {
            fs::File::options().write(true).open(&source).and_then(|f| f.set_modified(at)).expect("set");
        };
        set(built - Duration::from_secs(1));
        assert_eq!(newer_source(&binary).expect("compared"), None);
        set(built + Duration::from_secs(1));
        assert_eq!(newer_source(&binary).expect("compared"), Some(source));
    }
}

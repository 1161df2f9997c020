//! Settings of the servers: defaults, then a TOML file, then `DNC_` variables, then flags.
//!
//! A role's settings are those of its process and those of what runs in it; their defaults name every key there is, and
//! [`load`] lays the sources over them. A key in the file that no setting has is an error, since a misspelt limit must not
//! be a limit that is not there. Variables of other names are left alone: the environment belongs to others too. Start at
//! [`load`]; `env` reads variables.

mod env;

use std::fmt;
use std::path::Path;

use anyhow::{Context, Result, anyhow, bail};
use figment::providers::{Format, Serialized, Toml};
use figment::value::{Dict, Map, Value};
use figment::{Figment, Metadata, Profile, Provider};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A setting, by its key; displayed as the three ways to give it.
#[derive(Clone, Copy, Debug)]
pub struct Setting(pub &'static str);

/// Reads a role's settings from all their sources: those of the process, and those of what runs in it. Given are the
/// defaults, which also say what keys there are.
pub fn load<P, O>(file: Option<&Path>, flags: &impl Serialize, process: P, options: O) -> Result<(P, O)>
where
    P: Serialize + DeserializeOwned,
    O: Serialize + DeserializeOwned,
{
    // A name or value that is not UTF-8 is no setting of ours.
    let variables =
        std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
    let sources = Sources { file, variables: variables.collect(), flags: given(flags)? };
    sources.load(process, options)
}

/// Where settings come from besides their defaults.
struct Sources<'a> {
    file: Option<&'a Path>,
    variables: Vec<(String, String)>,
    flags: Dict,
}

/// A source reduced to the keys that someone knows.
struct Only<'a, S>(S, &'a Dict);

fn given(flags: &impl Serialize) -> Result<Dict> {
    let mut given = dict(&Serialized::defaults(flags))?;
    given.retain(|_, value| !matches!(value, Value::Empty(..)));
    Ok(given)
}

fn dict(source: &impl Provider) -> Result<Dict> {
    Ok(source.data()?.remove(&Profile::Default).unwrap_or_default())
}

/// The first key, dotted, that is given and not known.
fn unknown_key(given: &Dict, known: &Dict, parent: &str) -> Option<String> {
    for (key, value) in given {
        let full = format!("{parent}{key}");
        let Some(expected) = known.get(key) else {
            return Some(full);
        };
        if let (Value::Dict(_, given), Value::Dict(_, known)) = (value, expected)
            && let Some(found) = unknown_key(given, known, &format!("{full}."))
        {
            return Some(found);
        }
    }
    None
}

fn reason(error: &figment::Error) -> String {
    let source = error.metadata.as_ref().map(|metadata| match &metadata.source {
        Some(source) => format!(" ({source})"),
        None => format!(" ({})", metadata.name),
    });
    format!("setting `{}`: {}{}", error.path.join("."), error.kind, source.unwrap_or_default())
}

// === impl Sources ===

impl Sources<'_> {
    fn load<P, O>(&self, process: P, options: O) -> Result<(P, O)>
    where
        P: Serialize + DeserializeOwned,
        O: Serialize + DeserializeOwned,
    {
        let process = dict(&Serialized::defaults(process))?;
        let options = dict(&Serialized::defaults(options))?;
        self.refuse_unknown_keys(&process, &options)?;
        Ok((self.part(&process)?, self.part(&options)?))
    }

    fn refuse_unknown_keys(&self, process: &Dict, options: &Dict) -> Result<()> {
        let Some(path) = self.file else { return Ok(()) };
        let shown = path.display();
        // Read here first: figment would take a folder, or a file that may not be read, for an empty one.
        let text = std::fs::read_to_string(path).with_context(|| format!("read the configuration file {shown}"))?;
        let given = dict(&Toml::string(&text)).with_context(|| format!("read the configuration file {shown}"))?;
        let mut known = process.clone();
        known.extend(options.clone());
        match unknown_key(&given, &known, "") {
            None => Ok(()),
            Some(key) => {
                let keys = known.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
                bail!("unknown key `{key}` in the configuration file {shown}; there are {keys}")
            }
        }
    }

    fn part<C: DeserializeOwned>(&self, known: &Dict) -> Result<C> {
        let mut settings = Figment::from(Serialized::defaults(known));
        if let Some(path) = self.file {
            settings = settings.merge(Only(Toml::file_exact(path), known));
        }
        settings = settings.merge(env::Variables::read(known, &self.variables));
        settings = settings.merge(Only(Serialized::defaults(&self.flags), known));
        settings.extract().map_err(|error| {
            let reasons: Vec<String> = error.into_iter().map(|one| reason(&one)).collect();
            anyhow!("{}", reasons.join("; "))
        })
    }
}

impl<S: Provider> Provider for Only<'_, S> {
    fn metadata(&self) -> Metadata {
        self.0.metadata()
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        let mut profiles = self.0.data()?;
        for dict in profiles.values_mut() {
            dict.retain(|key, _| self.1.contains_key(key));
        }
        Ok(profiles)
    }
}

// === impl Setting ===

impl Setting {
    /// The error that it is missing.
    pub fn missing(self) -> anyhow::Error {
        anyhow!("a setting is missing: give {self}")
    }
}

impl fmt::Display for Setting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.0;
        write!(f, "--{}, DNC_{} or `{key}` in the configuration file", key.replace('_', "-"), key.to_uppercase())
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Process {
        listen: String,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        id: u64,
        zone: String,
        meta: Vec<String>,
        raft: Raft,
    }

    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Raft {
        heartbeat_ms: u64,
    }

    #[derive(Default, Serialize)]
    struct Flags {
        id: Option<u64>,
        meta: Option<Vec<String>>,
    }

    impl Default for Settings {
        fn default() -> Self {
            Self { id: 0, zone: "a".into(), meta: vec![], raft: Raft { heartbeat_ms: 100 } }
        }
    }

    fn read(file: Option<&str>, variables: &[(&str, &str)], flags: Flags) -> Result<Settings> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dnc.toml");
        std::fs::write(&path, file.unwrap_or_default()).unwrap();
        let sources = Sources {
            file: file.map(|_| path.as_path()),
            variables: variables.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
            flags: given(&flags).unwrap(),
        };
        let (_, settings) = sources.load(Process { listen: "a:1".into() }, Settings::default())?;
        Ok(settings)
    }

    #[test]
    fn each_source_overrides_those_before() {
        let file = "listen = \"b:2\"\nid = 1\nzone = \"file\"\nmeta = [\"file\"]\n[raft]\nheartbeat_ms = 7\n";
        let variables = [("DNC_ZONE", "7"), ("DNC_META", "x:1, y:2"), ("DNC_LOG", "debug")];
        let flags = Flags { id: Some(9), meta: None };
        let expected = Settings {
            id: 9,
            zone: "7".into(),
            meta: vec!["x:1".into(), "y:2".into()],
            raft: Raft { heartbeat_ms: 7 },
        };
        assert_eq!(read(Some(file), &variables, flags).unwrap(), expected);
    }

    #[test]
    fn without_sources_the_defaults_hold() {
        assert_eq!(read(None, &[], Flags::default()).unwrap(), Settings::default());
    }

    #[test]
    fn a_variable_reaches_a_nested_setting() {
        let settings = read(None, &[("DNC_RAFT__HEARTBEAT_MS", "250")], Flags::default()).unwrap();
        assert_eq!(settings.raft.heartbeat_ms, 250);
    }

    #[test]
    fn an_unknown_key_in_the_file_is_an_error_that_names_it() {
        for (file, key) in [("idd = 1", "`idd`"), ("[raft]\nheartbeat = 1", "`raft.heartbeat`")] {
            let refused = read(Some(file), &[], Flags::default()).unwrap_err().to_string();
            assert!(refused.contains(key), "{refused}");
            assert!(refused.contains("dnc.toml"), "{refused}");
        }
    }

    #[test]
    fn a_value_of_the_wrong_type_is_an_error_that_names_its_key_and_source() {
        let refused = read(Some("id = \"one\""), &[], Flags::default()).unwrap_err().to_string();
        assert!(refused.contains("`id`") && refused.contains("dnc.toml"), "{refused}");
        let refused = read(None, &[("DNC_ID", "one")], Flags::default()).unwrap_err().to_string();
        assert!(refused.contains("`id`") && refused.contains("DNC_"), "{refused}");
    }

    #[test]
    fn a_missing_setting_is_named_in_all_three_ways() {
        let error = Setting("data_dir").missing().to_string();
        assert!(error.contains("--data-dir, DNC_DATA_DIR or `data_dir` in the configuration file"), "{error}");
    }
}

//! `DNC_` variables as settings.

use figment::value::{Dict, Map, Value};
use figment::{Metadata, Profile, Provider};

const PREFIX: &str = "DNC_";
/// Stands for the dot of a nested key: `DNC_RAFT__HEARTBEAT_MS` is `raft.heartbeat_ms`.
const NESTED: &str = "__";

/// The settings that variables give.
pub struct Variables(Dict);

impl Variables {
    /// Takes the variables that name a known setting. What type a value has is what the known setting says, so that a zone
    /// named `1` stays a text; a list is separated by commas.
    pub fn read(known: &Dict, variables: &[(String, String)]) -> Self {
        let mut given = Dict::new();
        for (name, text) in variables {
            let Some(key) = name.strip_prefix(PREFIX) else { continue };
            let key = key.to_lowercase();
            let path: Vec<&str> = key.split(NESTED).collect();
            if let Some(expected) = find(known, &path) {
                insert(&mut given, &path, value(text, expected));
            }
        }
        Self(given)
    }
}

impl Provider for Variables {
    fn metadata(&self) -> Metadata {
        Metadata::named("DNC_ environment variable")
    }

    fn data(&self) -> figment::Result<Map<Profile, Dict>> {
        Ok(Map::from([(Profile::Default, self.0.clone())]))
    }
}

fn find<'a>(known: &'a Dict, path: &[&str]) -> Option<&'a Value> {
    let (first, rest) = path.split_first()?;
    match (known.get(*first)?, rest) {
        (Value::Dict(..), []) => None,
        (value, []) => Some(value),
        (Value::Dict(_, inner), rest) => find(inner, rest),
        _ => None,
    }
}

fn insert(given: &mut Dict, path: &[&str], value: Value) {
    let Some((first, rest)) = path.split_first() else { return };
    if rest.is_empty() {
        given.insert((*first).to_owned(), value);
        return;
    }
    let inner = given.entry((*first).to_owned()).or_insert_with(|| Value::from(Dict::new()));
    if let Value::Dict(_, inner) = inner {
        insert(inner, rest, value);
    }
}

fn value(text: &str, expected: &Value) -> Value {
    match expected {
        Value::String(..) => Value::from(text),
        Value::Array(..) => {
            let parts: Vec<Value> =
                text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(Value::from).collect();
            Value::from(parts)
        }
        // Reads numbers and truth values; what is neither stays a text, and is refused where the setting is typed.
        _ => text.parse().expect("parsing a value falls back to text"),
    }
}

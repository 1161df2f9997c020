//! What a body gives of a registry: the names of `shown::registry`, all of them optional. `null` takes away what can be
//! taken away.

use dnc_proto::v1;
use serde::Deserialize;
use serde_json::Value;

use super::read::given;
use crate::failure::Invalid;

/// Body of a new registry, or of a change.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RegistryBody {
    name: Option<String>,
    r#type: Option<String>,
    owner: Option<String>,
    edition: Option<u64>,
    jurisdiction: Option<String>,
    enabled: Option<bool>,
    max_age_days: Option<u32>,
    keep_versions: Option<u32>,
    guard: GuardBody,
    exemption_months: MonthsBody,
    reading: ReadingBody,
    #[serde(deserialize_with = "given", alias = "api_endpoint")]
    url: Option<Option<String>>,
    #[serde(deserialize_with = "given")]
    lookup_url: Option<Option<String>>,
    #[serde(deserialize_with = "given")]
    api_key: Option<Option<String>>,
    #[serde(deserialize_with = "given")]
    schedule: Option<Option<ScheduleBody>>,
    rate_limit: Option<u32>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct GuardBody {
    #[serde(deserialize_with = "given")]
    shrink_percent: Option<Option<u32>>,
    #[serde(deserialize_with = "given")]
    growth_percent: Option<Option<u32>>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct MonthsBody {
    purchase: Option<u32>,
    inquiry: Option<u32>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct ReadingBody {
    #[serde(deserialize_with = "given")]
    format: Option<Option<String>>,
    #[serde(deserialize_with = "given")]
    mapping: Option<Option<Value>>,
    #[serde(deserialize_with = "given")]
    csv_column: Option<Option<String>>,
    default_country: Option<u32>,
    #[serde(deserialize_with = "given")]
    national_digits: Option<Option<u32>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ScheduleBody {
    cron: String,
    time_zone: String,
}

// === impl RegistryBody ===

impl RegistryBody {
    /// A registry to be made.
    pub fn create(mut self) -> Result<v1::CreateRegistryRequest, Invalid> {
        if self.edition.is_some() {
            return Err(Invalid::new("edition", "a new registry has none yet"));
        }
        let missing = |field| Invalid::new(field, "must be given");
        Ok(v1::CreateRegistryRequest {
            name: self.name.take().ok_or_else(|| missing("name"))?,
            r#type: self.r#type.take().ok_or_else(|| missing("type"))?,
            owner: self.owner.take().unwrap_or_default(),
            settings: Some(self.settings()),
            ..v1::CreateRegistryRequest::default()
        })
    }

    /// A change of this registry.
    pub fn update(self, registry: String, replace: bool) -> Result<v1::UpdateRegistryRequest, Invalid> {
        for (field, said) in [("name", &self.name), ("type", &self.r#type), ("owner", &self.owner)] {
            if said.is_some() {
                return Err(Invalid::new(field, "cannot be changed"));
            }
        }
        let edition = self.edition.unwrap_or(0);
        Ok(v1::UpdateRegistryRequest { registry, edition, settings: Some(self.settings()), replace })
    }

    fn settings(self) -> v1::RegistrySettings {
        let percent = |limit| v1::Percent { limit };
        let reading = self.reading;
        v1::RegistrySettings {
            jurisdiction: self.jurisdiction,
            enabled: self.enabled,
            max_age_days: self.max_age_days,
            keep_versions: self.keep_versions,
            shrink: self.guard.shrink_percent.map(percent),
            growth: self.guard.growth_percent.map(percent),
            purchase_months: self.exemption_months.purchase,
            inquiry_months: self.exemption_months.inquiry,
            format: reading.format.map(Option::unwrap_or_default),
            mapping: reading.mapping.map(|mapping| mapping.map_or_else(String::new, |mapping| mapping.to_string())),
            csv_column: reading.csv_column.map(Option::unwrap_or_default),
            default_country: reading.default_country,
            national_digits: reading.national_digits.map(Option::unwrap_or_default),
            url: self.url.map(Option::unwrap_or_default),
            lookup_url: self.lookup_url.map(Option::unwrap_or_default),
            api_key: self.api_key.map(Option::unwrap_or_default),
            schedule: self.schedule.map(|schedule| {
                schedule.map_or_else(v1::Schedule::default, |schedule| v1::Schedule {
                    cron: schedule.cron,
                    time_zone: schedule.time_zone,
                })
            }),
            rate_limit: self.rate_limit,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(body: Value) -> RegistryBody {
        serde_json::from_value(body).expect("a body")
    }

    #[test]
    fn what_is_not_given_is_not_given_and_null_is_none() {
        let nothing = read(json!({})).update("tx".into(), false).expect("a request");
        assert_eq!(nothing.settings, Some(v1::RegistrySettings::default()));
        let none = read(json!({
            "guard": {"shrink_percent": null},
            "reading": {"format": null, "mapping": null, "national_digits": null},
            "url": null,
            "schedule": null,
            "edition": 4,
        }));
        let none = none.update("tx".into(), true).expect("a request");
        assert!(none.replace && none.edition == 4);
        let settings = none.settings.expect("settings");
        assert_eq!(settings.shrink, Some(v1::Percent { limit: None }));
        assert_eq!(settings.growth, None);
        assert_eq!((settings.format.as_deref(), settings.mapping.as_deref()), (Some(""), Some("")));
        assert_eq!((settings.national_digits, settings.url.as_deref()), (Some(0), Some("")));
        assert_eq!(settings.schedule, Some(v1::Schedule::default()));
    }

    #[test]
    fn what_makes_a_registry_does_not_change_it() {
        for field in ["name", "type", "owner"] {
            let why = read(json!({field: "x"})).update("tx".into(), false).expect_err(field);
            assert_eq!(why.field, field);
        }
        assert_eq!(read(json!({"name": "tx"})).create().expect_err("no type").field, "type");
        assert_eq!(
            read(json!({"name": "tx", "type": "state", "edition": 1})).create().expect_err("new").field,
            "edition"
        );
    }
}

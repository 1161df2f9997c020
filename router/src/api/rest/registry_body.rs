//! What a body gives of a registry: the names of `shown::registry`, all of them optional. `null` takes away what can be
//! taken away.

use dnc_proto::v1;
use serde::Deserialize;
use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{PartialSchema, ToSchema};

use super::read::given;
use crate::failure::Invalid;

/// Body of a new registry, or of a change.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RegistryBody {
    /// Unique in the cluster for good.
    #[schema(nullable = false, min_length = 1, max_length = 64, pattern = "^[a-z0-9][a-z0-9._-]*$")]
    name: Option<String>,
    /// Whose numbers it holds.
    #[schema(nullable = false, pattern = "^(federal|state|internal|litigation|wireless|partner)$")]
    r#type: Option<String>,
    /// The tenant that it belongs to; without it, it is shared.
    #[schema(max_length = 64, pattern = "^([a-z0-9][a-z0-9._-]*)?$")]
    owner: Option<String>,
    /// The edition that the change was made from; without it, or with 0, whatever it is now.
    #[schema(format = "uint64", maximum = 18_446_744_073_709_551_615_u64)]
    edition: Option<u64>,
    /// Country or state code.
    #[schema(max_length = 64)]
    jurisdiction: Option<String>,
    /// Whether it is consulted. What a live registry holds lists in any case.
    enabled: Option<bool>,
    /// Days that its lists may be old at the time of a call; usually 31.
    #[schema(minimum = 1, maximum = 366)]
    max_age_days: Option<u32>,
    /// Complete versions that are kept, the active one included; usually 3.
    #[schema(minimum = 1, maximum = 20)]
    keep_versions: Option<u32>,
    #[serde(default)]
    guard: GuardBody,
    #[serde(default)]
    exemption_months: MonthsBody,
    #[serde(default)]
    reading: ReadingBody,
    /// Where its lists are fetched from: `file`, `http`, `https`, `s3` or `sftp`, without a password.
    /// Only for registries that are loaded from lists; null means nowhere.
    #[serde(default, deserialize_with = "given", alias = "api_endpoint")]
    #[schema(format = "list-url", max_length = 2048)]
    url: Option<Option<String>>,
    /// Where a number can be looked up: `http` or `https`, with `{number}` once behind the host.
    #[serde(default, deserialize_with = "given")]
    #[schema(format = "lookup-url", max_length = 2048)]
    lookup_url: Option<Option<String>>,
    /// The provider's key. It is stored encrypted and never shown; null takes it away.
    #[serde(default, deserialize_with = "given")]
    #[schema(write_only, format = "provider-key", max_length = 4096)]
    api_key: Option<Option<String>>,
    /// When its lists are fetched; null means only on request. Means nothing without a `url`.
    #[serde(default, deserialize_with = "given")]
    schedule: Option<Option<ScheduleBody>>,
    /// Most requests a second to where its lists come from; usually 10.
    #[schema(minimum = 1, maximum = 1000)]
    rate_limit: Option<u32>,
}

/// By how much a load may change it without being forced, percent; null means by any.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = GuardChange)]
#[serde(deny_unknown_fields)]
struct GuardBody {
    #[serde(default, deserialize_with = "given")]
    #[schema(maximum = 100)]
    shrink_percent: Option<Option<u32>>,
    #[serde(default, deserialize_with = "given")]
    #[schema(maximum = 1_000_000)]
    growth_percent: Option<Option<u32>>,
}

/// How long a business relationship lifts its listings.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = ExemptionMonthsChange)]
#[serde(deny_unknown_fields)]
struct MonthsBody {
    #[schema(maximum = 120)]
    purchase: Option<u32>,
    #[schema(maximum = 120)]
    inquiry: Option<u32>,
}

/// How its files are read, where they do not say it themselves; null takes away what is set.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = ReadingChange)]
#[serde(deny_unknown_fields)]
struct ReadingBody {
    #[serde(default, deserialize_with = "given")]
    #[schema(pattern = "^(ftc_flat|digits|xml|csv|change|mapped)?$")]
    format: Option<Option<String>>,
    /// Which columns hold what, of a list whose layout is its own.
    #[serde(default, deserialize_with = "given")]
    #[schema(value_type = Option<Object>, example = json!({
        "layout": {"delimited": {"delimiter": "|", "quoted": false}},
        "skip_lines": 1,
        "columns": {"number": {"whole": {"column": 1}}, "country": null, "time": null, "action": null},
    }))]
    mapping: Option<Option<Value>>,
    /// The column of a CSV file that holds the number.
    #[serde(default, deserialize_with = "given")]
    #[schema(max_length = 128)]
    csv_column: Option<Option<String>>,
    /// The calling code of numbers that come without one.
    #[schema(minimum = 1, maximum = 999)]
    default_country: Option<u32>,
    /// How many digits a national number of that country has.
    #[serde(default, deserialize_with = "given")]
    #[schema(minimum = 4, maximum = 14)]
    national_digits: Option<Option<u32>>,
}

/// When lists are fetched.
#[derive(Deserialize, ToSchema)]
#[schema(as = NewSchedule)]
#[serde(deny_unknown_fields)]
struct ScheduleBody {
    /// Minute, hour, day of month, month, day of week.
    #[schema(format = "cron", max_length = 128, example = "0 3 * * *")]
    cron: String,
    /// By its IANA name.
    #[schema(format = "time-zone", max_length = 64, example = "America/New_York")]
    time_zone: String,
}

/// Describes a [`RegistryBody`] that makes a registry.
pub struct NewRegistry;

/// Describes a [`RegistryBody`] that changes one.
pub struct RegistryChange;

// === impl NewRegistry, RegistryChange ===

impl PartialSchema for NewRegistry {
    fn schema() -> RefOr<Schema> {
        body_without(&["edition"], &["name", "type"])
    }
}

impl PartialSchema for RegistryChange {
    fn schema() -> RefOr<Schema> {
        body_without(&["name", "type", "owner"], &[])
    }
}

impl ToSchema for NewRegistry {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        RegistryBody::schemas(schemas);
    }
}

impl ToSchema for RegistryChange {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        RegistryBody::schemas(schemas);
    }
}

/// The body without some of its fields, and with others required.
fn body_without(left_out: &[&str], required: &[&str]) -> RefOr<Schema> {
    let mut schema = RegistryBody::schema();
    if let RefOr::T(Schema::Object(body)) = &mut schema {
        body.properties.retain(|name, _| !left_out.contains(&name.as_str()));
        body.required = required.iter().map(|name| (*name).to_owned()).collect();
    }
    schema
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

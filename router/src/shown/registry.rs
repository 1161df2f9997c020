//! A registry as JSON: the one shape that REST answers with and `dnc registry -o json` prints.

use dnc_proto::v1;
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::sync::SyncShown;
use super::{filled, moment, some};

/// All registries.
#[derive(Serialize, ToSchema)]
#[schema(as = Registries)]
pub struct RegistriesShown<'a> {
    registries: Vec<RegistryShown<'a>>,
    revision: u64,
}

/// One registry.
#[derive(Serialize, ToSchema)]
#[schema(as = Registry)]
pub struct RegistryShown<'a> {
    id: u32,
    name: &'a str,
    #[schema(pattern = "^(federal|state|internal|litigation|wireless|partner)$")]
    r#type: &'a str,
    /// The tenant that it belongs to; null if it is shared.
    owner: Option<&'a str>,
    #[schema(pattern = "^(active|inactive|syncing|error|retired)$")]
    state: &'a str,
    /// The version that answers checks.
    active_version: Option<u64>,
    numbers: u64,
    covers_everywhere: bool,
    coverage: Vec<AreaShown<'a>>,
    #[schema(format = Date)]
    oldest_list_date: Option<&'a str>,
    /// Days until the oldest list is too old; below 0 if it is.
    stale_in_days: Option<i32>,
    last_sync: Option<SyncShown<'a>>,
    next_sync: Option<Timestamp>,
    #[serde(flatten)]
    settings: SettingsShown<'a>,
    /// Whether a key of the provider is stored.
    has_key: bool,
    /// Counts the changes; a change can name the one that it was made from.
    edition: u64,
    created_at: Option<Timestamp>,
    versions: Vec<VersionShown<'a>>,
}

/// What can be changed of a registry, under the names by which a request gives it.
#[derive(Serialize, ToSchema)]
#[schema(as = RegistrySettings)]
struct SettingsShown<'a> {
    jurisdiction: &'a str,
    enabled: bool,
    /// Days that its lists may be old at the time of a call.
    max_age_days: u32,
    /// Complete versions that are kept, the active one included.
    keep_versions: u32,
    guard: GuardShown,
    exemption_months: MonthsShown,
    reading: ReadingShown<'a>,
    url: Option<&'a str>,
    lookup_url: Option<&'a str>,
    schedule: Option<ScheduleShown<'a>>,
    /// Most requests a second to where its lists come from.
    rate_limit: u32,
}

/// By how much a load may change it without being forced, percent; null means by any.
#[derive(Serialize, ToSchema)]
#[schema(as = Guard)]
struct GuardShown {
    shrink_percent: Option<u32>,
    growth_percent: Option<u32>,
}

/// How long a business relationship lifts its listings.
#[derive(Serialize, ToSchema)]
#[schema(as = ExemptionMonths)]
struct MonthsShown {
    purchase: u32,
    inquiry: u32,
}

/// How its files are read, where they do not say it themselves.
#[derive(Serialize, ToSchema)]
#[schema(as = Reading)]
struct ReadingShown<'a> {
    format: Option<&'a str>,
    #[schema(value_type = Option<Object>)]
    mapping: Option<Value>,
    csv_column: Option<&'a str>,
    default_country: u32,
    national_digits: Option<u32>,
}

/// When its lists are fetched.
#[derive(Serialize, ToSchema)]
#[schema(as = Schedule)]
struct ScheduleShown<'a> {
    /// Minute, hour, day of month, month, day of week.
    cron: &'a str,
    /// By its IANA name.
    time_zone: &'a str,
}

/// All versions of a registry, newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = Versions)]
pub struct VersionsShown<'a> {
    registry: &'a str,
    versions: Vec<VersionShown<'a>>,
}

/// One version of a registry.
#[derive(Serialize, ToSchema)]
#[schema(as = Version)]
struct VersionShown<'a> {
    version: u64,
    #[schema(pattern = "^(active|kept|held|staging|discarded)$")]
    state: &'a str,
    active: bool,
    /// The version that it changes; null if it is a whole list.
    parent: Option<u64>,
    begun_at: Option<Timestamp>,
    activated_at: Option<Timestamp>,
    numbers: u64,
    covers_everywhere: bool,
    areas: u32,
    /// Left out where all registries are listed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    coverage: Vec<AreaShown<'a>>,
    #[schema(format = Date)]
    oldest_list_date: Option<&'a str>,
    age_days: Option<i32>,
    /// Known of complete versions.
    report: Option<ReportShown>,
}

/// What a load did.
#[derive(Serialize, ToSchema)]
#[schema(as = LoadReport)]
struct ReportShown {
    processed: u64,
    added: u64,
    dropped: u64,
    unchanged: u64,
    failed: u64,
    duration_ms: u64,
    forced: bool,
}

/// An area, and the list that covers it.
#[derive(Serialize, ToSchema)]
#[schema(as = CoveredArea)]
struct AreaShown<'a> {
    area: &'a str,
    #[schema(format = Date)]
    list_date: &'a str,
    file: &'a str,
    file_sha256: &'a str,
    numbers: u64,
}

// === impl RegistriesShown ===

impl<'a> RegistriesShown<'a> {
    /// All registries of an answer.
    pub fn of(answer: &'a v1::ListRegistriesResponse) -> Self {
        Self { registries: answer.registries.iter().map(RegistryShown::of).collect(), revision: answer.revision }
    }
}

// === impl RegistryShown ===

impl<'a> RegistryShown<'a> {
    /// A registry's fields under the names that they are shown by.
    pub fn of(registry: &'a v1::Registry) -> Self {
        Self {
            id: registry.id,
            name: &registry.name,
            r#type: &registry.r#type,
            owner: filled(&registry.owner),
            state: &registry.state,
            active_version: some(registry.active_version),
            numbers: registry.numbers,
            covers_everywhere: registry.covers_everywhere,
            coverage: registry.coverage.iter().map(AreaShown::of).collect(),
            oldest_list_date: filled(&registry.oldest_list_date),
            stale_in_days: registry.stale_in_days,
            last_sync: registry.last_sync.as_ref().map(SyncShown::of),
            next_sync: registry.next_sync.as_ref().and_then(moment),
            settings: SettingsShown::of(registry),
            has_key: registry.has_key,
            edition: registry.edition,
            created_at: registry.created_at.as_ref().and_then(moment),
            versions: registry.versions.iter().map(VersionShown::of).collect(),
        }
    }
}

impl<'a> VersionsShown<'a> {
    /// The versions of a registry.
    pub fn of(registry: &'a v1::Registry) -> Self {
        Self { registry: &registry.name, versions: registry.versions.iter().map(VersionShown::of).collect() }
    }
}

impl<'a> SettingsShown<'a> {
    fn of(registry: &'a v1::Registry) -> Self {
        // A router of before sends none of them, and knows only these two.
        let settings = registry.settings.as_ref();
        let text = |of: fn(&v1::RegistrySettings) -> &Option<String>| {
            settings.and_then(|settings| of(settings).as_deref()).and_then(filled)
        };
        let number = |of: fn(&v1::RegistrySettings) -> Option<u32>| settings.and_then(of).unwrap_or(0);
        let schedule = settings.and_then(|settings| settings.schedule.as_ref());
        Self {
            jurisdiction: &registry.jurisdiction,
            enabled: settings.and_then(|settings| settings.enabled).unwrap_or(true),
            max_age_days: registry.max_age_days,
            keep_versions: number(|settings| settings.keep_versions),
            guard: GuardShown {
                shrink_percent: settings.and_then(|settings| settings.shrink?.limit),
                growth_percent: settings.and_then(|settings| settings.growth?.limit),
            },
            exemption_months: MonthsShown {
                purchase: number(|settings| settings.purchase_months),
                inquiry: number(|settings| settings.inquiry_months),
            },
            reading: ReadingShown {
                format: text(|settings| &settings.format),
                mapping: text(|settings| &settings.mapping).and_then(|mapping| serde_json::from_str(mapping).ok()),
                csv_column: text(|settings| &settings.csv_column),
                default_country: number(|settings| settings.default_country),
                national_digits: Some(number(|settings| settings.national_digits)).filter(|digits| *digits > 0),
            },
            url: text(|settings| &settings.url),
            lookup_url: text(|settings| &settings.lookup_url),
            schedule: schedule
                .filter(|schedule| !schedule.cron.is_empty())
                .map(|schedule| ScheduleShown { cron: &schedule.cron, time_zone: &schedule.time_zone }),
            rate_limit: number(|settings| settings.rate_limit),
        }
    }
}

impl<'a> VersionShown<'a> {
    fn of(version: &'a v1::RegistryVersion) -> Self {
        Self {
            version: version.id,
            state: &version.state,
            active: version.active,
            parent: some(version.parent),
            begun_at: version.begun_at.as_ref().and_then(moment),
            activated_at: version.activated_at.as_ref().and_then(moment),
            numbers: version.numbers,
            covers_everywhere: version.covers_everywhere,
            areas: version.areas,
            coverage: version.coverage.iter().map(AreaShown::of).collect(),
            oldest_list_date: filled(&version.oldest_list_date),
            age_days: version.age_days,
            report: version.report.as_ref().map(|report| ReportShown {
                processed: report.processed,
                added: report.added,
                dropped: report.dropped,
                unchanged: report.unchanged,
                failed: report.failed,
                duration_ms: report.duration_ms,
                forced: report.forced,
            }),
        }
    }
}

impl<'a> AreaShown<'a> {
    fn of(coverage: &'a v1::AreaCoverage) -> Self {
        Self {
            area: &coverage.area,
            list_date: &coverage.list_date,
            file: &coverage.file,
            file_sha256: &coverage.file_sha256,
            numbers: coverage.numbers,
        }
    }
}

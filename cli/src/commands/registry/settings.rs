//! What can be set about a registry, as flags. A provider's key is read from a file or from standard input: a flag's value
//! is seen by everybody on the machine.

use std::io::Read;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use dnc_proto::v1::{Percent, RegistrySettings, Schedule};

/// Most bytes of a key or of a mapping.
const MAX_FILE: u64 = 16 << 10;

/// Settings of a registry; those that are not given stay as they are, or take their defaults.
#[derive(clap::Args, Default)]
pub struct SettingFlags {
    /// Country or state code. US for a new registry.
    #[arg(long, value_name = "CODE")]
    jurisdiction: Option<String>,
    /// Whether it is consulted.
    #[arg(long, value_name = "true|false", num_args = 1)]
    enabled: Option<bool>,
    /// Days that its lists may be old at the time of a call: 1 to 366, by default 31.
    #[arg(long, value_name = "N")]
    max_age_days: Option<u32>,
    /// Complete versions that are kept, the active one included: 1 to 20, by default 3.
    #[arg(long, value_name = "N")]
    keep_versions: Option<u32>,
    /// Most that a load may shrink an area without being forced, by default 20.
    #[arg(long, value_name = "PERCENT|none", value_parser = percent)]
    guard_shrink: Option<Percent>,
    /// Most that a load may grow an area without being forced, by default 100.
    #[arg(long, value_name = "PERCENT|none", value_parser = percent)]
    guard_growth: Option<Percent>,
    /// Months that a purchase lifts its listings, by default 18.
    #[arg(long, value_name = "N")]
    purchase_months: Option<u32>,
    /// Months that an inquiry lifts its listings, by default 3.
    #[arg(long, value_name = "N")]
    inquiry_months: Option<u32>,
    /// Format of its files; empty to detect it.
    #[arg(long, value_name = "FORMAT")]
    format: Option<String>,
    /// File that says as JSON which columns hold what; empty for none.
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    /// The CSV column that holds the number; empty for the usual names.
    #[arg(long, value_name = "NAME")]
    csv_column: Option<String>,
    /// Country of numbers that come without one, by default 1.
    #[arg(long, value_name = "CODE")]
    default_country: Option<u32>,
    /// Digits of a national number of that country; 0 where they are known.
    #[arg(long, value_name = "N")]
    national_digits: Option<u32>,
    /// Where its lists are fetched from (file, http, https, s3, sftp); empty for nowhere.
    #[arg(long, value_name = "URL")]
    url: Option<String>,
    /// Where one number can be looked up, with {number} in it; empty for nowhere.
    #[arg(long, value_name = "URL")]
    lookup_url: Option<String>,
    /// File that holds the provider's key, or - for standard input.
    #[arg(long, value_name = "FILE", conflicts_with = "remove_api_key")]
    api_key_file: Option<PathBuf>,
    /// Take the provider's key away.
    #[arg(long)]
    remove_api_key: bool,
    /// When its lists are fetched, as five fields of cron.
    #[arg(long, value_name = "CRON|none")]
    schedule: Option<String>,
    /// The time zone of the schedule, by default America/New_York.
    #[arg(long, value_name = "ZONE", requires = "schedule")]
    time_zone: Option<String>,
    /// Most requests a second to where it comes from, by default 10.
    #[arg(long, value_name = "N")]
    rate_limit: Option<u32>,
}

// === impl SettingFlags ===

impl SettingFlags {
    /// What the flags give, with the files that they name.
    pub fn read(self) -> Result<RegistrySettings> {
        let schedule = self.schedule.map(|cron| match cron.as_str() {
            "none" | "" => Schedule::default(),
            _ => Schedule { cron, time_zone: self.time_zone.unwrap_or_else(|| "America/New_York".into()) },
        });
        Ok(RegistrySettings {
            jurisdiction: self.jurisdiction,
            enabled: self.enabled,
            max_age_days: self.max_age_days,
            keep_versions: self.keep_versions,
            shrink: self.guard_shrink,
            growth: self.guard_growth,
            purchase_months: self.purchase_months,
            inquiry_months: self.inquiry_months,
            format: self.format,
            mapping: self.mapping.map(|file| mapping(&file)).transpose()?,
            csv_column: self.csv_column,
            default_country: self.default_country,
            national_digits: self.national_digits,
            url: self.url,
            lookup_url: self.lookup_url,
            api_key: match self.api_key_file {
                Some(file) => Some(key(&file)?),
                None => self.remove_api_key.then(String::new),
            },
            schedule,
            rate_limit: self.rate_limit,
        })
    }
}

fn percent(text: &str) -> Result<Percent, String> {
    let limit = match text {
        "none" => None,
        _ => Some(text.trim_end_matches('%').parse().map_err(|_| "a number of percent, or none".to_owned())?),
    };
    Ok(Percent { limit })
}

fn mapping(file: &Path) -> Result<String> {
    if file.as_os_str().is_empty() {
        return Ok(String::new());
    }
    let open = std::fs::File::open(file).with_context(|| format!("read the mapping {}", file.display()))?;
    limited(open).with_context(|| format!("read the mapping {}", file.display()))
}

fn key(file: &Path) -> Result<String> {
    let shown = file.display();
    let text = if file == Path::new("-") {
        limited(std::io::stdin().lock()).context("read the key from standard input")?
    } else {
        let open = std::fs::File::open(file).with_context(|| format!("read the key file {shown}"))?;
        limited(open).with_context(|| format!("read the key file {shown}"))?
    };
    let key = text.trim();
    ensure!(!key.is_empty(), "the key file {shown} is empty; to take a key away there is --remove-api-key");
    Ok(key.to_owned())
}

fn limited(from: impl Read) -> Result<String> {
    let mut text = String::new();
    from.take(MAX_FILE + 1).read_to_string(&mut text)?;
    ensure!(text.len() as u64 <= MAX_FILE, "longer than {MAX_FILE} bytes");
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_from_a_file_and_an_empty_one_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("key");
        std::fs::write(&file, "hush\n").unwrap();
        let flags = SettingFlags { api_key_file: Some(file.clone()), ..SettingFlags::default() };
        assert_eq!(flags.read().unwrap().api_key.as_deref(), Some("hush"));
        std::fs::write(&file, "\n").unwrap();
        let flags = SettingFlags { api_key_file: Some(file), ..SettingFlags::default() };
        assert!(flags.read().unwrap_err().to_string().contains("--remove-api-key"));
        let flags = SettingFlags { remove_api_key: true, ..SettingFlags::default() };
        assert_eq!(flags.read().unwrap().api_key.as_deref(), Some(""));
    }

    #[test]
    fn nothing_given_is_nothing_given() {
        assert_eq!(SettingFlags::default().read().unwrap(), RegistrySettings::default());
        assert_eq!(percent("none"), Ok(Percent { limit: None }));
        assert_eq!(percent("20%"), Ok(Percent { limit: Some(20) }));
        assert!(percent("some").is_err());
        let never = SettingFlags { schedule: Some("none".into()), ..SettingFlags::default() };
        assert_eq!(never.read().unwrap().schedule, Some(Schedule::default()));
    }
}

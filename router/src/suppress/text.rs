//! The text of an export, line by line: CSV with a header, or one JSON object a line. What is
//! written here reads back as the same entry, with its id and its times.

use std::str::FromStr;

use dnc_core::ids::{RequestId, TenantId};
use dnc_core::number::PhoneNumber;
use dnc_core::suppression::Suppression;

use super::entry;
use crate::entries::SuppressionShown;
use crate::failure::Invalid;

/// The columns of CSV.
pub const COLUMNS: [&str; 14] = [
    "suppression_id",
    "phone_number",
    "registry",
    "scope",
    "origin",
    "reason",
    "source",
    "added_by",
    "added_at",
    "consumer_name",
    "notes",
    "expires_at",
    "last_verified_at",
    "metadata",
];

/// How far ahead of this router's clock the times of an imported entry may be: clocks differ a little.
const MAX_AHEAD_MS: u64 = 60_000;

/// The form of an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// Comma-separated values (RFC 4180, with LF), the first line names the columns.
    Csv,
    /// One JSON object a line.
    JsonLines,
}

// === impl Format ===

impl Format {
    /// The media type.
    pub fn media_type(self) -> &'static str {
        match self {
            Format::Csv => "text/csv",
            Format::JsonLines => "application/x-ndjson",
        }
    }

    /// What comes before the first entry.
    pub fn head(self) -> Vec<u8> {
        match self {
            Format::Csv => csv_line(&COLUMNS),
            Format::JsonLines => Vec::new(),
        }
    }

    /// One entry.
    pub fn line(self, entry: &SuppressionShown) -> Vec<u8> {
        match self {
            Format::Csv => {
                let metadata = match entry.metadata.is_empty() {
                    true => String::new(),
                    false => serde_json::to_string(&entry.metadata).expect("a map of text is JSON"),
                };
                csv_line(&[
                    &entry.suppression_id,
                    &entry.phone_number,
                    &entry.registry,
                    &entry.scope,
                    &entry.origin,
                    &entry.reason,
                    &entry.source,
                    &entry.added_by,
                    &entry.added_at,
                    &entry.consumer_name,
                    &entry.notes,
                    entry.expires_at.as_deref().unwrap_or_default(),
                    &entry.last_verified_at,
                    &metadata,
                ])
            }
            Format::JsonLines => {
                let mut line = serde_json::to_vec(entry).expect("an entry is JSON");
                line.push(b'\n');
                line
            }
        }
    }

    /// Reads one entry back. The error never repeats what stands there.
    pub fn read(self, record: &[u8]) -> Result<SuppressionShown, String> {
        match self {
            Format::Csv => {
                let cells = csv_cells(record)?;
                let Ok(cells) = <[String; COLUMNS.len()]>::try_from(cells) else {
                    return Err(format!("not {} columns", COLUMNS.len()));
                };
                let [
                    id,
                    number,
                    registry,
                    scope,
                    origin,
                    reason,
                    source,
                    added_by,
                    added_at,
                    name,
                    notes,
                    ends,
                    verified,
                    data,
                ] = cells;
                let metadata = match data.as_str() {
                    "" => Ok(std::collections::BTreeMap::new()),
                    text => serde_json::from_str(text).map_err(|_| "metadata: must be a JSON object of texts"),
                }?;
                Ok(SuppressionShown {
                    suppression_id: id,
                    phone_number: number,
                    registry,
                    scope,
                    origin,
                    reason,
                    source,
                    added_by,
                    added_at,
                    consumer_name: name,
                    notes,
                    expires_at: (!ends.is_empty()).then_some(ends),
                    last_verified_at: verified,
                    metadata,
                    removal: None,
                })
            }
            Format::JsonLines => {
                let read = serde_json::from_slice::<SuppressionShown>(record);
                read.map_err(|why| format!("not an entry as exports have it, at column {}", why.column()))
            }
        }
    }

    /// Whether these are the names of the columns.
    pub fn is_head(self, record: &[u8]) -> bool {
        self == Format::Csv && csv_cells(record).is_ok_and(|cells| cells == COLUMNS)
    }
}

impl FromStr for Format {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        match text {
            "csv" => Ok(Format::Csv),
            "jsonl" => Ok(Format::JsonLines),
            _ => Err(Invalid::new("format", "must be csv or jsonl")),
        }
    }
}

/// The entry that a line means, of this tenant.
pub fn entry(shown: SuppressionShown, tenant: TenantId, now_ms: u64) -> Result<(PhoneNumber, Suppression), Invalid> {
    if shown.removal.is_some() {
        return Err(Invalid::new("removal", "a removed entry is not taken in"));
    }
    let (number, entry) = read(shown, tenant)?;
    past("added_at", entry.added_ms, now_ms)?;
    past("last_verified_at", entry.verified_ms, now_ms)?;
    Ok((number, entry))
}

/// The entry that a line means, whatever its times are.
pub fn read(shown: SuppressionShown, tenant: TenantId) -> Result<(PhoneNumber, Suppression), Invalid> {
    let id: RequestId =
        shown.suppression_id.parse().map_err(|_| Invalid::new("suppression_id", "must be 32 hexadecimal digits"))?;
    let expires_ms = shown.expires_at.as_deref().map(|text| entry::time("expires_at", text)).transpose()?;
    let entry = Suppression {
        id,
        tenant,
        scope: entry::scope(&shown.scope)?,
        origin: entry::origin(&shown.origin)?,
        reason: shown.reason,
        source: shown.source,
        added_by: shown.added_by,
        added_ms: entry::time("added_at", &shown.added_at)?,
        consumer_name: shown.consumer_name,
        notes: shown.notes,
        expires_ms,
        verified_ms: entry::time("last_verified_at", &shown.last_verified_at)?,
        metadata: shown.metadata,
    };
    entry::check_sizes(&entry)?;
    Ok((entry::number(&shown.phone_number)?, entry))
}

/// Refuses a time that has not come: an entry from the future could not be removed until then.
fn past(field: &'static str, time_ms: u64, now_ms: u64) -> Result<(), Invalid> {
    if time_ms > now_ms + MAX_AHEAD_MS { Err(Invalid::new(field, "must not be in the future")) } else { Ok(()) }
}

fn csv_line(cells: &[&str]) -> Vec<u8> {
    let mut writer = csv::Writer::from_writer(Vec::new());
    writer.write_record(cells).expect("memory takes all, and there is one line");
    writer.into_inner().expect("memory takes all")
}

fn csv_cells(record: &[u8]) -> Result<Vec<String>, String> {
    let mut reader = csv::ReaderBuilder::new().has_headers(false).flexible(true).from_reader(record);
    let mut records = reader.records();
    let first = records.next().ok_or("an empty line")?.map_err(|_| "not CSV in UTF-8")?;
    if records.next().is_some() {
        return Err("a quote that does not end".into());
    }
    Ok(first.iter().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn shown() -> impl Strategy<Value = SuppressionShown> {
        let text = || "\\PC*|[\"\n\r,\\\\;'#= ]{0,8}";
        let texts = (text(), text(), text(), text());
        let metadata = proptest::collection::btree_map(text(), text(), 0..3);
        (texts, metadata, any::<u128>(), 0..2_000_000_000_000_u64, any::<bool>()).prop_map(
            |((reason, source, name, notes), metadata, id, ms, ends)| SuppressionShown {
                suppression_id: format!("{id:032x}"),
                phone_number: "+12015550100".into(),
                registry: "internal".into(),
                scope: "brand acme, inc".into(),
                origin: "company".into(),
                reason,
                source,
                added_by: "agent".into(),
                added_at: entry::shown_time(ms),
                consumer_name: name,
                notes,
                expires_at: ends.then(|| entry::shown_time(ms + 1)),
                last_verified_at: entry::shown_time(ms),
                metadata,
                removal: None,
            },
        )
    }

    proptest! {
        #[test]
        fn every_entry_reads_back_from_both_forms(entry in shown()) {
            for format in [Format::Csv, Format::JsonLines] {
                let line = format.line(&entry);
                prop_assert_eq!(line.last(), Some(&b'\n'));
                prop_assert_eq!(format.read(&line), Ok(entry.clone()));
            }
        }
    }

    #[test]
    fn the_columns_are_recognised_and_nothing_else_is() {
        assert!(Format::Csv.is_head(&Format::Csv.head()));
        assert!(!Format::Csv.is_head(b"phone_number,reason\n"));
        assert!(!Format::JsonLines.is_head(&Format::Csv.head()));
    }

    #[test]
    fn what_is_no_line_of_an_export_is_refused_without_repeating_it() {
        for format in [Format::Csv, Format::JsonLines] {
            for bad in [&b"2015550100"[..], b"\"2015550100", b"{\"phone_number\":\"2015550100\"}", b"\xff2015550100"] {
                let why = format.read(bad).expect_err("no entry");
                assert!(!why.contains("2015550100"), "{why}");
            }
        }
    }
}

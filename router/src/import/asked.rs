//! What the caller of an import asks for: the header, parsed once.

use dnc_core::listfile::{self, Format};
use dnc_core::registry::Reading;
use dnc_proto::v1;
use jiff::civil::Date;

use super::scope::Wishes;
use crate::failure::Invalid;

/// Longest mapping, bytes.
const MAX_MAPPING: usize = 16 << 10;
/// Longest name of a column, bytes.
const MAX_COLUMN: usize = 256;

/// What a caller asks for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Asked {
    /// The registry's name.
    pub registry: String,
    /// What the files cover, and as of when.
    pub wishes: Wishes,
    /// How to read them, where that is not what the registry's settings say.
    reading: Overrides,
    /// Bad lines to put up with.
    pub max_bad_lines: u64,
    /// Activate what a guard would hold back.
    pub force: bool,
    /// Change nothing.
    pub dry_run: bool,
    /// Bytes of all files; 0 if the caller did not know.
    pub total_bytes: u64,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Overrides {
    format: Option<Format>,
    mapping: Option<listfile::Mapping>,
    csv_column: Option<String>,
    default_country: Option<u16>,
    national_digits: Option<u8>,
}

// === impl Asked ===

impl Asked {
    /// What a header says, on this UTC date.
    pub fn of(header: v1::ImportHeader, today: Date) -> Result<Self, Invalid> {
        let wishes = Wishes::of(&header, today)?;
        let reading = Overrides::of(&header)?;
        Ok(Self {
            registry: header.registry,
            wishes,
            reading,
            max_bad_lines: header.max_bad_lines.into(),
            force: header.force,
            dry_run: header.dry_run,
            total_bytes: header.total_bytes,
        })
    }

    /// How the files of a registry with these settings are read.
    pub fn options(&self, settings: &Reading) -> Result<listfile::Options, Invalid> {
        let asked = &self.reading;
        // A format that is asked for goes before a layout that is set, and the other way round.
        let mapping = match (&asked.mapping, asked.format) {
            (Some(mapping), _) => Some(mapping.clone()),
            (None, Some(format)) if format != Format::Mapped => None,
            _ if settings.mapping.is_empty() => None,
            _ => Some(mapping("registry", &settings.mapping)?),
        };
        let format = match (asked.format, &asked.mapping) {
            (Some(format), _) => Some(format),
            (None, Some(_)) => None,
            (None, None) => settings.format,
        };
        let column = asked.csv_column.as_deref().unwrap_or(&settings.csv_column);
        let country = asked.default_country.unwrap_or(settings.default_country);
        // Digits that are set are those of the country that is set.
        let same_country = country == settings.default_country;
        Ok(listfile::Options {
            format,
            mapping,
            list_date: self.wishes.list_date,
            default_country: country,
            national_digits: asked.national_digits.or(settings.national_digits.filter(|_| same_country)),
            csv_column: (!column.is_empty()).then(|| column.to_owned()),
            max_bad_lines: self.max_bad_lines,
            ..listfile::Options::default()
        })
    }
}

// === impl Overrides ===

impl Overrides {
    fn of(header: &v1::ImportHeader) -> Result<Self, Invalid> {
        Invalid::limit("csv_column", &header.csv_column, MAX_COLUMN)?;
        let format = match header.format.as_str() {
            "" => None,
            word => Some(word.parse::<Format>().map_err(|why| Invalid::new("format", why.to_string()))?),
        };
        let mapping = match header.mapping.as_str() {
            "" => None,
            text => Some(mapping("mapping", text)?),
        };
        if mapping.is_some() && format.is_some_and(|format| format != Format::Mapped) {
            return Err(Invalid::new("format", "a mapping goes with the format mapped, and with no other"));
        }
        let out_of_range = |field| move |_| Invalid::new(field, "out of range");
        let country = u16::try_from(header.default_country).map_err(out_of_range("default_country"))?;
        let digits = u8::try_from(header.national_digits).map_err(out_of_range("national_digits"))?;
        Ok(Self {
            format,
            mapping,
            csv_column: (!header.csv_column.is_empty()).then(|| header.csv_column.clone()),
            default_country: (country > 0).then_some(country),
            national_digits: (digits > 0).then_some(digits),
        })
    }
}

/// Reads and checks which columns hold what, written as JSON; `field` is what a refusal names.
pub fn mapping(field: &'static str, json: &str) -> Result<listfile::Mapping, Invalid> {
    Invalid::limit(field, json, MAX_MAPPING)?;
    let mapping: listfile::Mapping =
        serde_json::from_str(json).map_err(|why| Invalid::new(field, format!("its mapping cannot be read: {why}")))?;
    mapping.check().map_err(|why| Invalid::new(field, format!("its mapping cannot be used: {why}")))?;
    Ok(mapping)
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    const MAPPING: &str = r#"{"layout": {"delimited": {"delimiter": "|", "quoted": false}},
        "columns": {"number": {"whole": {"column": 1}}, "country": null, "time": null, "action": null}}"#;

    fn asked(header: v1::ImportHeader) -> Result<Asked, Invalid> {
        Asked::of(header, date(2026, 11, 21))
    }

    #[test]
    fn a_registrys_settings_read_its_files_unless_the_caller_says_otherwise() {
        let settings = Reading {
            format: Some(Format::Csv),
            csv_column: "Tel".into(),
            default_country: 65,
            national_digits: Some(8),
            ..Reading::default()
        };
        let options = asked(v1::ImportHeader::default()).unwrap().options(&settings).unwrap();
        assert_eq!((options.format, options.default_country), (Some(Format::Csv), 65));
        assert_eq!((options.csv_column.as_deref(), options.national_digits), (Some("Tel"), Some(8)));
        let header = v1::ImportHeader { format: "digits".into(), default_country: 44, ..Default::default() };
        let options = asked(header).unwrap().options(&settings).unwrap();
        assert_eq!((options.format, options.default_country), (Some(Format::Digits), 44));
        assert_eq!(options.national_digits, None, "those of another country");
    }

    #[test]
    fn a_mapping_and_a_format_put_each_other_aside() {
        let mapped = Reading { mapping: MAPPING.into(), ..Reading::default() };
        let options = asked(v1::ImportHeader::default()).unwrap().options(&mapped).unwrap();
        assert!(options.mapping.is_some());
        let digits = v1::ImportHeader { format: "digits".into(), ..Default::default() };
        let options = asked(digits).unwrap().options(&mapped).unwrap();
        assert_eq!((options.mapping, options.format), (None, Some(Format::Digits)));
        let header = v1::ImportHeader { mapping: MAPPING.into(), ..Default::default() };
        let csv = Reading { format: Some(Format::Csv), ..Reading::default() };
        let options = asked(header).unwrap().options(&csv).unwrap();
        assert!(options.mapping.is_some() && options.format.is_none());
    }

    #[test]
    fn a_bad_field_is_refused_by_name() {
        for (field, header) in [
            ("format", v1::ImportHeader { format: "pdf".into(), ..Default::default() }),
            ("mapping", v1::ImportHeader { mapping: "{}".into(), ..Default::default() }),
            ("format", v1::ImportHeader { mapping: MAPPING.into(), format: "csv".into(), ..Default::default() }),
            ("default_country", v1::ImportHeader { default_country: 70_000, ..Default::default() }),
            ("national_digits", v1::ImportHeader { national_digits: 256, ..Default::default() }),
            ("list_date", v1::ImportHeader { list_date: "soon".into(), ..Default::default() }),
        ] {
            assert_eq!(asked(header).expect_err(field).field, field);
        }
    }
}

//! `dnc import`: list files into a registry, as a new version.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use dnc_proto::v1::{ImportHeader, ImportResult};
use dnc_router::shown::ImportShown;

use super::progress::Progress;
use super::{explain, versions};
use crate::args::{Caller, Output};
use crate::output;

/// Bad lines that are printed before the rest is only counted.
const BAD_LINES_SHOWN: usize = 20;

/// Arguments of `dnc import`.
#[derive(clap::Args)]
pub struct Import {
    /// List files: the FTC's flat text or change list, XML, CSV; plain or in a zip.
    #[arg(value_name = "FILE", required = true)]
    files: Vec<PathBuf>,
    /// Registry to load into.
    #[arg(long, value_name = "NAME", default_value = "federal")]
    registry: String,
    /// The list's own date. Of a file that names one too, the older of the two counts.
    #[arg(long, value_name = "YYYY-MM-DD", default_value = "")]
    list_date: String,
    /// Area codes (or + and a country code) that the files cover, where they do not say so themselves.
    #[arg(long, value_name = "AREAS", value_delimiter = ',', conflicts_with = "everywhere")]
    covers: Vec<String>,
    /// The files are all there is: they cover everything. Not with files that say which areas they cover.
    #[arg(long)]
    everywhere: bool,
    /// Bad lines to put up with; they are reported.
    #[arg(long, value_name = "N", default_value_t = 0)]
    max_bad_lines: u32,
    /// Read the files and show what would change; change nothing.
    #[arg(long)]
    dry_run: bool,
    /// Activate even what the registry's guard on shrinking and growing would hold back.
    #[arg(long, conflicts_with = "dry_run")]
    force: bool,
    /// Read the files as ftc_flat, digits, xml, csv, change or mapped, instead of as the registry's settings say.
    #[arg(long, value_name = "FORMAT", default_value = "")]
    format: String,
    /// Read the files by the layout in this file, which is JSON.
    #[arg(long, value_name = "FILE")]
    mapping: Option<PathBuf>,
    /// The CSV column that holds the number.
    #[arg(long, value_name = "NAME", default_value = "")]
    csv_column: String,
    /// The country of numbers that come without one, such as 65.
    #[arg(long, value_name = "CODE", default_value_t = 0, hide_default_value = true)]
    default_country: u32,
    /// Digits of a national number of that country, where they are not known.
    #[arg(long, value_name = "N", default_value_t = 0, hide_default_value = true)]
    national_digits: u32,
    #[command(flatten)]
    caller: Caller,
}

/// Sends the files and shows what becomes of them.
pub async fn run(asked: Import) -> Result<ExitCode> {
    let total_bytes = total_bytes(&asked.files)?;
    let header = ImportHeader {
        registry: asked.registry.clone(),
        list_date: asked.list_date.clone(),
        covers: asked.covers.clone(),
        covers_everywhere: asked.everywhere,
        max_bad_lines: asked.max_bad_lines,
        total_bytes,
        format: asked.format.clone(),
        mapping: asked.mapping.as_deref().map(read_mapping).transpose()?.unwrap_or_default(),
        csv_column: asked.csv_column.clone(),
        default_country: asked.default_country,
        national_digits: asked.national_digits,
        force: asked.force,
        dry_run: asked.dry_run,
    };
    let client = super::client(&asked.caller)?;
    let progress = Progress::new(total_bytes);
    let result = client.import(header, &asked.files, |now| progress.show(&now)).await;
    progress.finish();
    let result = result.inspect_err(versions::note_failure).map_err(explain).context("import")?;
    match asked.caller.output {
        Output::Json => output::json(&ImportShown::of(&result))?,
        Output::Text => text(&result)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn read_mapping(path: &Path) -> Result<String> {
    std::fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}

/// Sum of the files' sizes; an error for what is no file, before anything is sent.
fn total_bytes(files: &[PathBuf]) -> Result<u64> {
    let mut total = 0;
    for path in files {
        let metadata = std::fs::metadata(path).with_context(|| format!("read {}", path.display()))?;
        ensure!(metadata.is_file(), "{} is not a file", path.display());
        total += metadata.len();
    }
    Ok(total)
}

fn text(result: &ImportResult) -> Result<()> {
    let shown = output::thousands;
    for bad in result.bad_lines.iter().take(BAD_LINES_SHOWN) {
        output::line(format_args!("bad line: {}:{}: {}", bad.file, bad.line, bad.error))?;
    }
    if result.failed > BAD_LINES_SHOWN as u64 {
        output::line(format_args!("bad lines: {} in all", shown(result.failed)))?;
    }
    for file in &result.files {
        let covers = if file.covers.is_empty() { "everything".to_owned() } else { file.covers.join(", ") };
        output::line(format_args!(
            "{}: {}, list of {}, covers {covers}, {} numbers",
            file.name,
            file.format,
            file.list_date,
            shown(file.numbers)
        ))?;
    }
    for note in &result.notes {
        output::line(format_args!("note: {note}"))?;
    }
    if result.dry_run {
        return foreseen(result);
    }
    output::line(format_args!(
        "{} version {} answers checks from revision {}: {} numbers, {} added, {} dropped, {} unchanged, in {:.1} s{}",
        result.registry,
        result.version,
        result.revision,
        shown(result.numbers),
        shown(result.added),
        shown(result.dropped),
        shown(result.unchanged),
        result.duration_ms as f64 / 1_000.0,
        if result.forced { ", forced past the guard" } else { "" }
    ))
}

/// What a load would do.
fn foreseen(result: &ImportResult) -> Result<()> {
    for preview in &result.previews {
        output::line(format_args!("{} begins with:", preview.name))?;
        if !preview.header.is_empty() {
            output::line(format_args!("  {}", preview.header))?;
        }
        for row in &preview.rows {
            output::line(format_args!("  {} {} {}", row.phone_number, row.action, row.at).to_string().trim_end())?;
        }
    }
    versions::table_of_areas(&result.areas)?;
    let what = if result.kind == "changes" { "changes" } else { "numbers" };
    let guard = if result.areas.iter().any(|area| area.stopped) {
        "; the guard would hold it back: --force activates it all the same"
    } else {
        ""
    };
    output::line(format_args!(
        "dry run: {} {what} read for {}, nothing was changed{guard}",
        output::thousands(result.processed),
        result.registry
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_is_not_there_is_named() {
        let missing = PathBuf::from("no/such/file.txt");
        let error = format!("{:#}", total_bytes(&[missing]).unwrap_err());
        assert!(error.contains("no/such/file.txt"), "{error}");
    }
}

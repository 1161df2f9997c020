//! `dnc import`: list files into a registry, as a new version.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use dnc_proto::v1::{ImportHeader, ImportResult};
use serde_json::json;

use super::explain;
use super::progress::Progress;
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
    /// The list's own date, for files that do not name theirs, or instead of it.
    #[arg(long, value_name = "YYYY-MM-DD", default_value = "")]
    list_date: String,
    /// Area codes (or + and a country code) that the files cover, where they do not say so themselves.
    #[arg(long, value_name = "AREAS", value_delimiter = ',', conflicts_with = "everywhere")]
    covers: Vec<String>,
    /// The files are all there is: they cover everything.
    #[arg(long)]
    everywhere: bool,
    /// Bad lines to put up with; they are reported.
    #[arg(long, value_name = "N", default_value_t = 0)]
    max_bad_lines: u32,
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
    };
    let client = super::client(&asked.caller)?;
    let progress = Progress::new(total_bytes);
    let result = client.import(header, &asked.files, |now| progress.show(&now)).await;
    progress.finish();
    print(&result.map_err(explain).context("import")?, asked.caller.output)?;
    Ok(ExitCode::SUCCESS)
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

fn print(result: &ImportResult, how: Output) -> Result<()> {
    match how {
        Output::Json => output::json(&as_json(result)),
        Output::Text => text(result),
    }
}

fn as_json(result: &ImportResult) -> serde_json::Value {
    let bad_lines: Vec<_> =
        result.bad_lines.iter().map(|bad| json!({ "file": bad.file, "line": bad.line, "error": bad.error })).collect();
    let files: Vec<_> = result
        .files
        .iter()
        .map(|file| {
            json!({
                "name": file.name, "format": file.format, "sha256": file.sha256, "list_date": file.list_date,
                "covers": file.covers, "numbers": file.numbers,
            })
        })
        .collect();
    json!({
        "registry": result.registry, "version": result.version, "processed": result.processed, "added": result.added,
        "dropped": result.dropped, "unchanged": result.unchanged, "numbers": result.numbers, "failed": result.failed,
        "bad_lines": bad_lines, "files": files, "duration_ms": result.duration_ms, "revision": result.revision,
    })
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
    output::line(format_args!(
        "{} version {} answers checks from revision {}: {} numbers, {} added, {} dropped, {} unchanged, in {:.1} s",
        result.registry,
        result.version,
        result.revision,
        shown(result.numbers),
        shown(result.added),
        shown(result.dropped),
        shown(result.unchanged),
        result.duration_ms as f64 / 1_000.0
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

//! All entries to a file, and from it.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use clap::ValueEnum;
use dnc_proto::v1::{ExportSuppressionsRequest, ImportSuppressionsHeader};
use serde_json::json;

use super::IN_PART;
use crate::args::{Caller, Output};
use crate::commands::{bar, client, explain};
use crate::output;

#[derive(clap::Args)]
pub struct Export {
    /// Where to; standard output if it is left out. A file appears under its name once it is whole.
    file: Option<PathBuf>,
    /// The form; by default that of the file's name, else CSV.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// Only entries of this registry.
    #[arg(long, value_name = "NAME", default_value = "")]
    registry: String,
    #[command(flatten)]
    caller: Caller,
}

#[derive(clap::Args)]
pub struct Import {
    /// The file.
    file: PathBuf,
    /// The form; by default that of the file's name.
    #[arg(long, value_enum)]
    format: Option<Format>,
    /// A registry that takes all entries; by default each goes into the one that it names.
    #[arg(long, value_name = "NAME", default_value = "")]
    registry: String,
    #[command(flatten)]
    caller: Caller,
}

/// The form of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Format {
    /// Comma-separated values, the first line names the columns.
    Csv,
    /// One JSON object a line.
    Jsonl,
}

// === impl Format ===

impl Format {
    fn word(self) -> String {
        match self {
            Format::Csv => "csv".into(),
            Format::Jsonl => "jsonl".into(),
        }
    }

    /// What the name of a file says.
    fn of(path: &Path) -> Option<Format> {
        match path.extension()?.to_str()?.to_ascii_lowercase().as_str() {
            "csv" => Some(Format::Csv),
            "jsonl" | "ndjson" => Some(Format::Jsonl),
            _ => None,
        }
    }
}

// === impl Export ===

impl Export {
    pub async fn run(self) -> Result<ExitCode> {
        let format = self.format.or_else(|| self.file.as_deref().and_then(Format::of)).unwrap_or(Format::Csv);
        let request = ExportSuppressionsRequest { format: format.word(), registry: self.registry };
        let client = client(&self.caller)?;
        let mut pieces = client.export_suppressions(request).await.map_err(explain).context("export")?;
        let Some(path) = self.file else {
            let mut out = io::stdout().lock();
            while let Some(piece) = pieces.message().await.context("the export is not whole")? {
                out.write_all(&piece.chunk)?;
            }
            out.flush()?;
            return Ok(ExitCode::SUCCESS);
        };
        // Under its own name only when it is whole: half an export must not be taken for one.
        let part = PathBuf::from(format!("{}.part", path.display()));
        let write = || format!("write {}", part.display());
        let mut out = BufWriter::new(File::create(&part).with_context(write)?);
        let bar = bar::unknown();
        let mut bytes = 0;
        while let Some(piece) = pieces.message().await.context("the export is not whole")? {
            out.write_all(&piece.chunk).with_context(write)?;
            bytes += piece.chunk.len() as u64;
            bar.set_position(bytes);
        }
        let out = out.into_inner().map_err(io::IntoInnerError::into_error).with_context(write)?;
        out.sync_all().with_context(write)?;
        std::fs::rename(&part, &path).with_context(|| format!("write {}", path.display()))?;
        bar.finish_and_clear();
        match self.caller.output {
            Output::Json => output::json(&json!({ "file": path.display().to_string(), "bytes": bytes })),
            Output::Text => output::line(format_args!("{}: {} bytes", path.display(), output::thousands(bytes))),
        }?;
        Ok(ExitCode::SUCCESS)
    }
}

// === impl Import ===

impl Import {
    pub async fn run(self) -> Result<ExitCode> {
        let Some(format) = self.format.or_else(|| Format::of(&self.file)) else {
            bail!("{}: say --format csv or --format jsonl", self.file.display());
        };
        let metadata = std::fs::metadata(&self.file).with_context(|| format!("read {}", self.file.display()))?;
        let header = ImportSuppressionsHeader { format: format.word(), registry: self.registry };
        let bar = bar::bytes(metadata.len());
        let client = client(&self.caller)?;
        let done = client.import_suppressions(header, &self.file, |sent| bar.set_position(sent)).await;
        bar.finish_and_clear();
        let done = done.map_err(explain).context("import")?;
        match self.caller.output {
            Output::Json => {
                let lines = done.refused_lines.iter().map(|line| json!({ "line": line.line, "error": line.error }));
                output::json(&json!({
                    "entries": done.entries, "added": done.added, "unchanged": done.unchanged, "ended": done.ended,
                    "refused": done.refused, "refused_lines": lines.collect::<Vec<_>>(),
                }))?;
            }
            Output::Text => {
                for line in &done.refused_lines {
                    output::line(format_args!("line {}: refused: {}", line.line, line.error))?;
                }
                let shown = output::thousands;
                output::line(format_args!(
                    "{} entries: {} added, {} there already, {} over, {} refused",
                    shown(done.entries),
                    shown(done.added),
                    shown(done.unchanged),
                    shown(done.ended),
                    shown(done.refused)
                ))?;
            }
        }
        Ok(ExitCode::from(if done.refused == 0 { 0 } else { IN_PART }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_form_of_a_file_is_in_its_name() {
        assert_eq!(Format::of(Path::new("a/b.CSV")), Some(Format::Csv));
        assert_eq!(Format::of(Path::new("b.ndjson")), Some(Format::Jsonl));
        assert_eq!(Format::of(Path::new("b.txt")), None);
    }
}

//! The numbers in a file, some thousand at a time.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use dnc_proto::v1::{
    AddSuppressionRequest, BulkAddSuppressionsRequest, BulkRemoveSuppressionsRequest, SuppressionResult, WriteOutcome,
};
use dnc_router::client::Error;
use indicatif::ProgressBar;
use serde_json::json;
use uuid::Uuid;

use super::IN_PART;
use super::entry::Says;
use crate::args::{Caller, Output};
use crate::commands::{bar, client, explain};
use crate::output;

/// Numbers in one request.
const BATCH: usize = 2_000;

/// Failed lines that are printed before the rest is only counted.
const SHOWN: usize = 20;

#[derive(clap::Args)]
pub struct BulkAdd {
    /// The file. In CSV the columns reason, source, added_by, consumer_name, notes, expires_at, scope and origin say it
    /// for their line, instead of the flags.
    file: PathBuf,
    /// Why.
    #[arg(long)]
    reason: String,
    /// Who enters them.
    #[arg(long, value_name = "WHO")]
    added_by: String,
    #[command(flatten)]
    says: Says,
    #[command(flatten)]
    bulk: Bulk,
}

#[derive(clap::Args)]
pub struct BulkRemove {
    /// The file.
    file: PathBuf,
    /// Why.
    #[arg(long)]
    reason: String,
    /// Who removes them.
    #[arg(long, value_name = "WHO", default_value = "")]
    removed_by: String,
    /// Which registry.
    #[arg(long, value_name = "NAME", default_value = "internal")]
    registry: String,
    #[command(flatten)]
    bulk: Bulk,
}

#[derive(clap::Args)]
pub struct Bulk {
    /// Go on with the lines that are right where others are malformed.
    #[arg(long)]
    partial: bool,
    /// Repeats a bulk of the same file, as the one before said when it failed: nothing is done twice.
    #[arg(long, value_name = "UUID")]
    request_id: Option<Uuid>,
    #[command(flatten)]
    caller: Caller,
}

/// One number of a file.
struct Line {
    line: u64,
    number: String,
    /// The other columns, by name.
    cells: Vec<(String, String)>,
}

/// The numbers of a file, in their order.
struct Lines {
    records: csv::Reader<File>,
    path: PathBuf,
    columns: Option<Vec<String>>,
    /// The first record with its line, if it was no head.
    first: Option<(u64, csv::StringRecord)>,
    /// Bytes of the file, if its last line has no end: that line is counted otherwise.
    open_end: Option<u64>,
}

/// What came of the lines so far.
#[derive(Default)]
struct Tally {
    acknowledged: u64,
    removed: u64,
    kept: u64,
    open: Vec<(u64, &'static str, String)>,
    open_count: u64,
}

// === impl BulkAdd ===

impl BulkAdd {
    pub async fn run(self) -> Result<ExitCode> {
        let client = client(&self.bulk.caller)?;
        let usual = self.says.request(self.reason, self.added_by);
        let partial = self.bulk.partial;
        let send = async |lines: &[Line], request_id: String| {
            let items = lines.iter().map(|line| item(&usual, line)).collect::<Result<Vec<_>>>()?;
            let request = BulkAddSuppressionsRequest { items, partial, request_id };
            client.bulk_add_suppressions(request).await.map(|answer| answer.results).map_err(failed)
        };
        self.bulk.run(&self.file, "added", send).await
    }
}

/// What a line says, and the flags where it says nothing.
fn item(usual: &AddSuppressionRequest, line: &Line) -> Result<AddSuppressionRequest> {
    let mut item = AddSuppressionRequest { phone_number: line.number.clone(), ..usual.clone() };
    for (column, text) in &line.cells {
        if text.is_empty() {
            continue;
        }
        let field = match column.as_str() {
            "reason" => &mut item.reason,
            "source" => &mut item.source,
            "added_by" => &mut item.added_by,
            "consumer_name" => &mut item.consumer_name,
            "notes" => &mut item.notes,
            "expires_at" => &mut item.expires_at,
            "scope" => &mut item.scope,
            "origin" => &mut item.origin,
            _ => bail!("the column {column:?} says nothing that a suppression has"),
        };
        field.clone_from(text);
        if column == "expires_at" {
            item.expires_in = None;
        }
    }
    Ok(item)
}

// === impl BulkRemove ===

impl BulkRemove {
    pub async fn run(self) -> Result<ExitCode> {
        let client = client(&self.bulk.caller)?;
        let partial = self.bulk.partial;
        let send = async |lines: &[Line], request_id: String| {
            let request = BulkRemoveSuppressionsRequest {
                phone_numbers: lines.iter().map(|line| line.number.clone()).collect(),
                registry: self.registry.clone(),
                reason: self.reason.clone(),
                removed_by: self.removed_by.clone(),
                partial,
                request_id,
            };
            client.bulk_remove_suppressions(request).await.map(|answer| answer.results).map_err(failed)
        };
        self.bulk.run(&self.file, "removed", send).await
    }
}

// === impl Bulk ===

impl Bulk {
    async fn run(
        &self,
        file: &Path,
        did: &str,
        send: impl AsyncFn(&[Line], String) -> Result<Vec<SuppressionResult>>,
    ) -> Result<ExitCode> {
        let mut lines = Lines::open(file)?;
        let bar = bar::bytes(std::fs::metadata(file)?.len());
        let base = self.request_id.unwrap_or_else(Uuid::now_v7);
        let mut tally = Tally::default();
        let done = all(&mut lines, base, &mut tally, &bar, send).await;
        bar.finish_and_clear();
        tally.print(did, self.caller.output, base)?;
        done.with_context(|| format!("after {} numbers; repeat with --request-id {base}", tally.acknowledged))?;
        Ok(ExitCode::from(if tally.open_count == 0 { 0 } else { IN_PART }))
    }
}

async fn all(
    lines: &mut Lines,
    base: Uuid,
    tally: &mut Tally,
    bar: &ProgressBar,
    send: impl AsyncFn(&[Line], String) -> Result<Vec<SuppressionResult>>,
) -> Result<()> {
    for batch in 0_u32.. {
        let part = lines.take(BATCH)?;
        if part.is_empty() {
            break;
        }
        let results = send(&part, part_id(base, batch).to_string()).await;
        let first = part[0].line;
        let results = results.with_context(|| format!("positions count from line {first}"))?;
        for (line, result) in part.iter().zip(results) {
            tally.add(line.line, result);
        }
        bar.set_position(lines.position());
    }
    Ok(())
}

/// The request id of one part of a file: the same part has the same one again.
fn part_id(base: Uuid, part: u32) -> Uuid {
    // The last bits of a UUID are random whatever its version.
    Uuid::from_u128(base.as_u128() ^ u128::from(part))
}

fn failed(error: Error) -> anyhow::Error {
    explain(error)
}

// === impl Tally ===

impl Tally {
    fn add(&mut self, line: u64, result: SuppressionResult) {
        self.removed += result.removed;
        self.kept += result.kept;
        let word = match result.outcome() {
            WriteOutcome::Acknowledged => {
                self.acknowledged += 1;
                return;
            }
            WriteOutcome::Refused => "refused",
            WriteOutcome::NotDone => "not done",
            WriteOutcome::Unknown | WriteOutcome::Unspecified => "unknown",
        };
        self.open_count += 1;
        if self.open.len() < SHOWN {
            self.open.push((line, word, result.error));
        }
    }

    fn print(&self, did: &str, how: Output, base: Uuid) -> Result<()> {
        if how == Output::Json {
            let open =
                self.open.iter().map(|(line, word, error)| json!({ "line": line, "outcome": word, "error": error }));
            return output::json(&json!({
                "request_id": base.to_string(), "acknowledged": self.acknowledged, "not_acknowledged": self.open_count,
                "removed": self.removed, "kept": self.kept, "lines": open.collect::<Vec<_>>(),
            }));
        }
        for (line, word, error) in &self.open {
            output::line(format_args!("line {line}: {word}: {error}"))?;
        }
        if self.open_count > 0 {
            let count = output::thousands(self.open_count);
            output::line(format_args!("{count} numbers not {did}; repeat with --request-id {base}"))?;
        }
        let count = output::thousands(self.acknowledged);
        match did {
            "removed" => {
                let (removed, kept) = (output::thousands(self.removed), output::thousands(self.kept));
                output::line(format_args!("{count} numbers done: {removed} entries removed, {kept} newer ones stand"))
            }
            _ => output::line(format_args!("{count} numbers {did}")),
        }
    }
}

// === impl Lines ===

impl Lines {
    fn open(path: &Path) -> Result<Lines> {
        let mut file = File::open(path).with_context(|| format!("read {}", path.display()))?;
        let open_end = open_end(&mut file).with_context(|| format!("read {}", path.display()))?;
        let mut records =
            csv::ReaderBuilder::new().has_headers(false).flexible(true).trim(csv::Trim::All).from_reader(file);
        let mut first = csv::StringRecord::new();
        let any = records.read_record(&mut first).with_context(|| format!("read {}", path.display()))?;
        let after = records.position().clone();
        let names: Vec<String> = first.iter().map(|cell| cell.trim_start_matches('\u{feff}').to_owned()).collect();
        let is_head = names.iter().any(|name| name == "phone_number");
        if any && !is_head && names.len() > 1 {
            bail!("{}: several columns, and the first line does not name phone_number", path.display());
        }
        Ok(Lines {
            records,
            path: path.to_owned(),
            columns: is_head.then_some(names),
            first: (any && !is_head).then(|| (line_of(&first, &after, open_end), first)),
            open_end,
        })
    }

    /// The next numbers, so many at most.
    fn take(&mut self, most: usize) -> Result<Vec<Line>> {
        let mut part = Vec::new();
        while part.len() < most {
            let (line, record) = match self.first.take() {
                Some(first) => first,
                None => {
                    let mut record = csv::StringRecord::new();
                    let read = self.records.read_record(&mut record);
                    if !read.with_context(|| format!("read {}", self.path.display()))? {
                        break;
                    }
                    (line_of(&record, self.records.position(), self.open_end), record)
                }
            };
            let (mut number, mut cells) = (String::new(), Vec::new());
            match &self.columns {
                None if record.len() == 1 => number = record[0].trim_start_matches('\u{feff}').to_owned(),
                Some(columns) if record.len() == columns.len() => {
                    for (column, cell) in columns.iter().zip(&record) {
                        match column.as_str() {
                            "phone_number" => number = cell.to_owned(),
                            _ => cells.push((column.clone(), cell.to_owned())),
                        }
                    }
                }
                _ => bail!("{}:{line}: not as many columns as on the first line", self.path.display()),
            }
            part.push(Line { line, number, cells });
        }
        Ok(part)
    }

    fn position(&self) -> u64 {
        self.records.position().byte()
    }
}

/// Bytes of a file whose last line has no end.
fn open_end(file: &mut File) -> std::io::Result<Option<u64>> {
    let bytes = file.metadata()?.len();
    let mut last = [b'\n'];
    if bytes > 0 {
        file.seek(SeekFrom::Start(bytes - 1))?;
        file.read_exact(&mut last)?;
        file.rewind()?;
    }
    Ok((last != *b"\n").then_some(bytes))
}

/// The line on which a record begins, from where the reader stands behind it: blank lines before it are not its own.
fn line_of(record: &csv::StringRecord, after: &csv::Position, open_end: Option<u64>) -> u64 {
    let within = record.iter().flat_map(str::bytes).filter(|byte| *byte == b'\n').count() as u64;
    let end = u64::from(open_end != Some(after.byte()));
    after.line().saturating_sub(within + end).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Result<Vec<Line>> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("numbers");
        std::fs::write(&path, text).unwrap();
        Lines::open(&path)?.take(100)
    }

    #[test]
    fn a_file_is_numbers_or_columns_with_names() {
        let bare = lines("2015550100\n\n2015550101\n").unwrap();
        assert_eq!(
            bare.iter().map(|line| (line.line, line.number.as_str())).collect::<Vec<_>>(),
            [(1, "2015550100"), (3, "2015550101")]
        );
        let named = lines("reason,phone_number\n\"a, b\",2015550100\n").unwrap();
        assert_eq!((named[0].line, named[0].number.as_str()), (2, "2015550100"));
        assert_eq!(named[0].cells, [("reason".to_owned(), "a, b".to_owned())]);
        assert!(lines("2015550100,why\n").is_err());
        assert!(lines("phone_number,reason\n2015550100\n").is_err());
        assert!(lines("").unwrap().is_empty());
    }

    #[test]
    fn a_line_says_more_than_the_flags_and_only_what_there_is() {
        let usual = AddSuppressionRequest { reason: "usual".into(), expires_in: Some(5), ..Default::default() };
        let line = |column: &str, text: &str| Line {
            line: 1,
            number: "2015550100".into(),
            cells: vec![(column.into(), text.into())],
        };
        assert_eq!(item(&usual, &line("reason", "")).unwrap().reason, "usual");
        assert_eq!(item(&usual, &line("reason", "own")).unwrap().reason, "own");
        assert_eq!(item(&usual, &line("expires_at", "2027-01-01T00:00:00Z")).unwrap().expires_in, None);
        assert!(item(&usual, &line("colour", "red")).is_err());
    }

    #[test]
    fn parts_of_one_file_have_ids_of_their_own_and_the_same_again() {
        let base = Uuid::now_v7();
        assert_eq!(part_id(base, 0), base);
        assert_ne!(part_id(base, 1), part_id(base, 2));
        assert_eq!(part_id(base, 3).get_version_num(), 7);
    }
}

//! `dnc check`: may these numbers be called?

use std::io::{BufRead, IsTerminal};
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use clap::ValueEnum;
use dnc_proto::v1::{BulkCheckRequest, BulkItem, CheckRequest, CheckResponse, Evidence, ItemError, Verdict};
use dnc_router::client::Client;
use dnc_router::shown::{Shown, cause_word, reason_word, verdict_word};
use tonic::Code;

use super::explain;
use crate::args::{Caller, Output};
use crate::output;

/// Numbers asked about at a time: as many as a bulk check may have.
const BULK_MAX: usize = 10_000;
/// Longest line that is read as a number.
const LINE_MAX: usize = 1_024;
/// Who asks, unless told.
const CHECKED_BY: &str = "dnc";

/// Arguments of `dnc check`.
#[derive(clap::Args)]
pub struct Check {
    /// Numbers: +12015550100, or ten digits of North America; `-` reads them from stdin, one a line.
    #[arg(value_name = "NUMBER", required = true)]
    numbers: Vec<String>,
    /// Names the call in logs and traces.
    #[arg(long, value_name = "ID", default_value = "")]
    call_id: String,
    /// Who asks, for logs and traces.
    #[arg(long, value_name = "WHO", default_value = CHECKED_BY)]
    checked_by: String,
    /// For which brand the call is: suppressions of another brand do not hold then.
    #[arg(long, value_name = "NAME", default_value = "")]
    brand: String,
    /// Of which campaign the call is: suppressions of another campaign do not hold then.
    #[arg(long, value_name = "NAME", default_value = "")]
    campaign: String,
    /// Exit code 0 if every number has one of these verdicts, for tests of a cluster.
    #[arg(long, value_enum, value_name = "VERDICT", value_delimiter = ',', default_value = "clear")]
    expect: Vec<Expected>,
    #[command(flatten)]
    caller: Caller,
}

/// A verdict that may be expected.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Expected {
    Clear,
    Listed,
    Unknown,
}

/// What the exit code is made of.
#[derive(Default)]
struct Outcome {
    unexpected: bool,
    failed: bool,
}

/// Checks the numbers, prints the answers, and says by the exit code whether all are as expected.
pub async fn run(asked: Check) -> Result<ExitCode> {
    let client = super::client(&asked.caller)?;
    let mut outcome = Outcome::default();
    let (stdin, named): (Vec<&String>, Vec<&String>) = asked.numbers.iter().partition(|number| *number == "-");
    let named: Vec<String> = named.into_iter().cloned().collect();
    for some in named.chunks(BULK_MAX) {
        outcome.add(&asked, &check(&client, &asked, some).await?)?;
    }
    if !stdin.is_empty() {
        if std::io::stdin().is_terminal() {
            output::note("reading numbers from the terminal, one a line; Ctrl-D ends them");
        }
        let mut more = true;
        while more {
            let (some, end) = tokio::task::spawn_blocking(read_some).await??;
            more = !end;
            if !some.is_empty() {
                outcome.add(&asked, &check(&client, &asked, &some).await?)?;
            }
        }
    }
    Ok(outcome.exit_code())
}

async fn check(client: &Client, asked: &Check, numbers: &[String]) -> Result<Vec<CheckResponse>> {
    if let [number] = numbers {
        let request = CheckRequest {
            phone_number: number.clone(),
            call_id: asked.call_id.clone(),
            checked_by: asked.checked_by.clone(),
            correlation_id: String::new(),
            brand: asked.brand.clone(),
            campaign: asked.campaign.clone(),
        };
        return match client.check(request).await {
            Ok(answer) => Ok(vec![answer]),
            Err(error) => match error.status() {
                Some(status) if status.code() == Code::InvalidArgument => Ok(vec![refused(number, status.message())]),
                _ => Err(explain(error)).context("check the number"),
            },
        };
    }
    let items = numbers.iter().map(|number| BulkItem { phone_number: number.clone(), correlation_id: String::new() });
    let request = BulkCheckRequest {
        items: items.collect(),
        call_id: asked.call_id.clone(),
        checked_by: asked.checked_by.clone(),
        brand: asked.brand.clone(),
        campaign: asked.campaign.clone(),
    };
    let answer = client.bulk_check(request).await.map_err(explain).context("check the numbers")?;
    ensure!(
        answer.results.len() == numbers.len(),
        "the router answered {} of {} numbers",
        answer.results.len(),
        numbers.len()
    );
    Ok(answer.results)
}

/// A number that was refused alone, as a bulk would show it.
fn refused(number: &str, message: &str) -> CheckResponse {
    CheckResponse {
        phone_number: number.to_owned(),
        // The router names the field of the request; here it is clear which number is meant.
        error: Some(ItemError {
            code: "invalid_number".into(),
            message: message.strip_prefix("phone_number: ").unwrap_or(message).into(),
        }),
        ..CheckResponse::default()
    }
}

/// Reads up to a bulk of numbers from stdin. True says that there are no more.
fn read_some() -> Result<(Vec<String>, bool)> {
    let mut input = std::io::stdin().lock();
    let mut numbers = Vec::new();
    let mut line = Vec::new();
    while numbers.len() < BULK_MAX {
        line.clear();
        if std::io::Read::take(&mut input, LINE_MAX as u64).read_until(b'\n', &mut line).context("read stdin")? == 0 {
            return Ok((numbers, true));
        }
        ensure!(line.len() < LINE_MAX || line.ends_with(b"\n"), "a line of stdin is longer than {LINE_MAX} bytes");
        let text = String::from_utf8_lossy(&line);
        let text = text.trim();
        if !text.is_empty() {
            numbers.push(text.to_owned());
        }
    }
    Ok((numbers, false))
}

// === impl Expected ===

impl Expected {
    fn is(self, answer: &CheckResponse) -> bool {
        match self {
            // The router's word that it may be called, nothing that is concluded here.
            Expected::Clear => answer.may_call,
            Expected::Listed => answer.verdict() == Verdict::Listed,
            Expected::Unknown => answer.verdict() == Verdict::Unknown,
        }
    }
}

// === impl Outcome ===

impl Outcome {
    fn note(&mut self, expected: &[Expected], answers: &[CheckResponse]) {
        for answer in answers {
            self.failed |= answer.error.is_some();
            self.unexpected |= !expected.iter().any(|expected| expected.is(answer));
        }
    }

    fn add(&mut self, asked: &Check, answers: &[CheckResponse]) -> Result<()> {
        self.note(&asked.expect, answers);
        match asked.caller.output {
            Output::Json => answers.iter().try_for_each(|answer| output::json(&Shown::of(answer))),
            Output::Text => {
                let rows: Vec<Vec<String>> = answers.iter().map(row).collect();
                output::table(&["NUMBER", "VERDICT", "WHY", "EVIDENCE"], &rows)
            }
        }
    }

    fn exit_code(&self) -> ExitCode {
        match (self.failed, self.unexpected) {
            (true, _) => ExitCode::from(output::FAILED),
            (false, true) => ExitCode::from(1),
            (false, false) => ExitCode::SUCCESS,
        }
    }
}

fn row(answer: &CheckResponse) -> Vec<String> {
    if let Some(error) = &answer.error {
        return vec![answer.phone_number.clone(), "error".into(), error.message.clone(), String::new()];
    }
    let why = match answer.verdict() {
        Verdict::Unknown => cause_word(answer.unknown_cause()).into(),
        _ => answer.reasons().map(reason_word).collect::<Vec<_>>().join(", "),
    };
    let evidence: Vec<String> = answer.evidence.iter().filter_map(|one| evidence(answer, one)).collect();
    vec![answer.phone_number.clone(), verdict_word(answer.verdict()).into(), why, evidence.join("; ")]
}

/// Where it is listed, or what covers it.
fn evidence(answer: &CheckResponse, evidence: &Evidence) -> Option<String> {
    if answer.verdict() == Verdict::Listed && !evidence.listed {
        return None;
    }
    let Evidence { registry, version, list_date, file, suppression_id, rule_id, rule, .. } = evidence;
    let mut shown = match (suppression_id.is_empty(), list_date.is_empty()) {
        _ if !rule_id.is_empty() => format!("rule {rule_id} ({rule})"),
        (false, _) => format!("{registry} entry {suppression_id}"),
        (true, false) => format!("{registry} version {version} of {list_date} ({file})"),
        (true, true) => registry.clone(),
    };
    if let Some(exemption) = answer.exemption.as_ref().filter(|_| evidence.lifted) {
        shown.push_str(&format!(" lists it, lifted by {} exemption {}", exemption.ground, exemption.id));
    }
    Some(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(expected: &[Expected], answers: &[CheckResponse]) -> ExitCode {
        let mut outcome = Outcome::default();
        outcome.note(expected, answers);
        outcome.exit_code()
    }

    #[test]
    fn the_exit_code_is_0_only_if_every_number_may_be_called_or_is_what_was_expected() {
        let clear = CheckResponse { verdict: Verdict::Clear.into(), may_call: true, ..CheckResponse::default() };
        let listed = CheckResponse { verdict: Verdict::Listed.into(), ..CheckResponse::default() };
        let unknown = CheckResponse { verdict: Verdict::Unknown.into(), ..CheckResponse::default() };
        let error = refused("x", "not a phone number");
        let unless_told = [Expected::Clear];
        assert_eq!(code(&unless_told, std::slice::from_ref(&clear)), ExitCode::SUCCESS);
        assert_eq!(code(&unless_told, &[clear.clone(), listed.clone()]), ExitCode::from(1));
        assert_eq!(code(&unless_told, &[clear.clone(), unknown.clone()]), ExitCode::from(1));
        assert_eq!(code(&unless_told, &[clear.clone(), listed.clone(), error.clone()]), ExitCode::from(2));
        let not_listed = [Expected::Clear, Expected::Unknown];
        assert_eq!(code(&not_listed, &[clear.clone(), unknown]), ExitCode::SUCCESS);
        assert_eq!(code(&not_listed, std::slice::from_ref(&listed)), ExitCode::from(1));
        assert_eq!(code(&[Expected::Listed], std::slice::from_ref(&listed)), ExitCode::SUCCESS);
        assert_eq!(code(&[Expected::Listed], &[listed, error]), ExitCode::from(2));
    }
}

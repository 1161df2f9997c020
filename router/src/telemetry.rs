//! What a router counts. Labels have few values: never a number, a caller or an id.

use std::time::Duration;

use dnc_core::registry::Outcome;
use dnc_core::verdict::{Cause, Verdict};
use metrics::{counter, gauge, histogram};

/// Which door a request came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Api {
    /// gRPC, one call one answer.
    Grpc,
    /// A gRPC stream of checks.
    Stream,
    /// REST.
    Rest,
}

/// What is done with suppressions, as metrics name it.
const SUPPRESSION_OPS: [&str; 4] = ["add", "remove", "verify", "import"];

/// Checks by what came of them, to be counted at once.
#[derive(Clone, Copy, Debug, Default)]
pub struct Tally {
    clear: u64,
    listed: u64,
    not_covered: u64,
    stale: u64,
    unavailable: u64,
    invalid: u64,
}

// === impl Api ===

impl Api {
    /// The word for it in metrics and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Api::Grpc => "grpc",
            Api::Stream => "stream",
            Api::Rest => "rest",
        }
    }
}

// === impl Tally ===

impl Tally {
    /// So many more checks with this verdict; none if the numbers were not any.
    pub fn add(&mut self, verdict: Option<Verdict>, numbers: u64) {
        *match verdict {
            Some(Verdict::Clear) => &mut self.clear,
            Some(Verdict::Listed) => &mut self.listed,
            Some(Verdict::Unknown(Cause::NotCovered)) => &mut self.not_covered,
            Some(Verdict::Unknown(Cause::Stale)) => &mut self.stale,
            Some(Verdict::Unknown(Cause::Unavailable)) => &mut self.unavailable,
            None => &mut self.invalid,
        } += numbers;
    }

    /// The counts with their words in metrics.
    fn by_verdict(&self) -> [(&'static str, u64); 6] {
        [
            ("clear", self.clear),
            ("listed", self.listed),
            ("unknown_not_covered", self.not_covered),
            ("unknown_stale", self.stale),
            ("unknown_unavailable", self.unavailable),
            ("invalid", self.invalid),
        ]
    }

    /// Counts them, and how long they took together.
    pub fn count(self, api: Api, took: Duration) {
        let api = api.as_str();
        for (verdict, count) in self.by_verdict() {
            if count > 0 {
                counter!("dnc_checks_total", "verdict" => verdict, "api" => api).increment(count);
            }
        }
        histogram!("dnc_check_duration_seconds", "api" => api).record(took.as_secs_f64());
    }
}

/// A bulk of this many numbers arrived.
pub fn bulk(size: usize) {
    // Sizes are far below 2^53, so the conversion is exact.
    histogram!("dnc_bulk_size").record(size as f64);
}

/// An opt-out was added or removed, or was to be.
pub fn suppression(op: &'static str, outcome: &'static str) {
    counter!("dnc_suppressions_total", "op" => op, "outcome" => outcome).increment(1);
}

/// An exemption was granted or revoked, or was to be.
pub fn exemption(op: &'static str, done: bool) {
    let outcome = if done { "done" } else { "failed" };
    counter!("dnc_exemptions_total", "op" => op, "outcome" => outcome).increment(1);
}

/// An import ended; `numbers` is how many it read.
pub fn import(outcome: &'static str, numbers: u64) {
    counter!("dnc_imports_total", "outcome" => outcome).increment(1);
    counter!("dnc_import_numbers_total").increment(numbers);
}

/// A sync ended.
pub fn sync(outcome: &'static str) {
    counter!("dnc_syncs_total", "outcome" => outcome).increment(1);
}

/// A backup was made, verified or restored, or was to be.
pub fn backup(op: &'static str, done: bool) {
    let outcome = if done { "done" } else { "failed" };
    counter!("dnc_backups_total", "op" => op, "outcome" => outcome).increment(1);
}

/// Where lists come from, somebody said that too much was asked.
pub fn source_rate_limited() {
    counter!("dnc_source_rate_limited_total").increment(1);
}

/// A registry's oldest list is so many days old, and can be answered from for so many more.
pub fn list_age(registry: &str, days: f64, stale_in: f64) {
    gauge!("dnc_registry_list_age_days", "registry" => registry.to_owned()).set(days);
    gauge!("dnc_registry_stale_in_days", "registry" => registry.to_owned()).set(stale_in);
}

/// So many rules of a type are in force on this router.
pub fn rules(kind: &'static str, count: u32) {
    gauge!("dnc_rules", "type" => kind).set(count);
}

/// A request ended in an error.
pub fn error(api: Api, code: &'static str) {
    counter!("dnc_api_errors_total", "api" => api.as_str(), "code" => code).increment(1);
}

/// Counters that alerts look at begin at nothing: of one that begins with its first event, no growth would be seen.
fn begin() {
    for api in [Api::Grpc, Api::Stream, Api::Rest] {
        for (verdict, _) in Tally::default().by_verdict() {
            counter!("dnc_checks_total", "verdict" => verdict, "api" => api.as_str()).absolute(0);
        }
    }
    for outcome in [Outcome::Done, Outcome::Skipped, Outcome::Failed, Outcome::Held] {
        counter!("dnc_syncs_total", "outcome" => outcome.as_str()).absolute(0);
    }
    for op in SUPPRESSION_OPS {
        counter!("dnc_suppressions_total", "op" => op, "outcome" => "done").absolute(0);
    }
    for what in ["request", "connection"] {
        counter!("dnc_router_refused_total", "what" => what).absolute(0);
    }
    for name in ["dnc_source_rate_limited_total", "dnc_counts_lost_total", "dnc_router_further_waves_total"] {
        counter!(name).absolute(0);
    }
}

/// What the counters mean, for the exporter.
pub fn describe() {
    begin();
    metrics::describe_counter!("dnc_checks_total", "numbers checked, by verdict and API");
    metrics::describe_histogram!(
        "dnc_check_duration_seconds",
        metrics::Unit::Seconds,
        "time of one check request, a whole bulk or one batch of a stream"
    );
    metrics::describe_histogram!("dnc_bulk_size", "numbers in one bulk check");
    metrics::describe_counter!("dnc_suppressions_total", "opt-outs added and removed, by outcome");
    metrics::describe_counter!("dnc_exemptions_total", "exemptions granted and revoked, by outcome");
    metrics::describe_counter!("dnc_imports_total", "imports, by outcome");
    metrics::describe_counter!("dnc_import_numbers_total", "numbers read from list files");
    metrics::describe_counter!("dnc_router_refused_total", "requests and connections beyond what is taken in at once");
    metrics::describe_counter!("dnc_router_wrong_node_total", "answers of another node than the one that was asked");
    metrics::describe_counter!("dnc_swept_total", "suppressions and exemptions that this router's sweeps ended");
    metrics::describe_counter!(
        "dnc_counts_lost_total",
        "checks that are in no report, for their counters could not be written"
    );
    metrics::describe_counter!("dnc_source_rate_limited_total", "answers of sources of lists that too much was asked");
    metrics::describe_counter!(
        "dnc_router_further_waves_total",
        "checks that needed a further round of questions to nodes"
    );
    metrics::describe_counter!("dnc_syncs_total", "syncs that this router ran, by outcome");
    metrics::describe_counter!("dnc_backups_total", "backups made, verified and restored, by outcome");
    metrics::describe_gauge!("dnc_registry_list_age_days", "age of the oldest list that a registry answers from, days");
    metrics::describe_gauge!(
        "dnc_registry_stale_in_days",
        "days for which a registry's oldest list can be answered from; a warning from 5 on, too old below 0"
    );
    metrics::describe_gauge!("dnc_rules", "rules in force on this router, by type");
    metrics::describe_counter!("dnc_api_errors_total", "requests that ended in an error");
}

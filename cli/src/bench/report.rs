//! What a load came to.

use std::collections::BTreeMap;
use std::process::ExitCode;

use anyhow::Result;
use serde::Serialize;

use super::tally::{Tally, Verdicts};
use super::{Load, Mode};
use crate::args::Output;
use crate::output;

/// The figures, with what they were measured with.
#[derive(Serialize)]
pub struct Report {
    mode: Mode,
    routers: Vec<String>,
    connections: usize,
    in_flight: usize,
    #[serde(skip_serializing_if = "Option::is_none")]
    bulk_size: Option<usize>,
    hit_ratio: f64,
    population: u64,
    areas: String,
    seed: u64,
    seconds: u64,
    numbers: u64,
    numbers_per_second: f64,
    requests: u64,
    requests_per_second: f64,
    errors: u64,
    errors_by_code: BTreeMap<String, u64>,
    verdicts: Verdicts,
    latency_us: Latency,
}

/// Time of a request (of a number, with `stream`), microseconds.
#[derive(Serialize)]
struct Latency {
    mean: f64,
    p50: f64,
    p99: f64,
    p999: f64,
    max: f64,
}

impl Report {
    /// From what all workers counted.
    pub fn new(load: &Load, tally: &Tally) -> Self {
        let per_second = |count: u64| (count as f64 / load.seconds as f64 * 10.0).round() / 10.0;
        let us = |ns: f64| (ns / 100.0).round() / 10.0;
        let quantile = |q: f64| us(tally.latency.value_at_quantile(q) as f64);
        Self {
            mode: load.mode,
            routers: load.caller.router.clone(),
            connections: load.connections,
            in_flight: load.in_flight,
            bulk_size: matches!(load.mode, Mode::Bulk | Mode::Packed).then_some(load.bulk_size),
            hit_ratio: load.hit_ratio,
            population: load.population.numbers,
            areas: load.population.areas.clone(),
            seed: load.population.seed,
            seconds: load.seconds,
            numbers: tally.numbers,
            numbers_per_second: per_second(tally.numbers),
            requests: tally.requests,
            requests_per_second: per_second(tally.requests),
            errors: tally.errors.values().sum(),
            errors_by_code: tally.errors.clone(),
            verdicts: tally.verdicts,
            latency_us: Latency {
                mean: us(tally.latency.mean()),
                p50: quantile(0.5),
                p99: quantile(0.99),
                p999: quantile(0.999),
                max: us(tally.latency.max() as f64),
            },
        }
    }

    /// Prints the figures.
    pub fn print(&self, how: Output) -> Result<()> {
        if how == Output::Json {
            return output::json(self);
        }
        let Verdicts { clear, listed, unknown, error, false_clear, listed_elsewhere } = self.verdicts;
        let shown = output::thousands;
        output::line(format_args!(
            "throughput  {} numbers/s ({} in {} s)",
            shown(self.numbers_per_second as u64),
            shown(self.numbers),
            self.seconds
        ))?;
        output::line(format_args!(
            "requests    {}/s ({}), {} failed",
            shown(self.requests_per_second as u64),
            shown(self.requests),
            shown(self.errors)
        ))?;
        for (code, count) in &self.errors_by_code {
            output::line(format_args!("            {code}: {}", shown(*count)))?;
        }
        let Latency { mean, p50, p99, p999, max } = self.latency_us;
        output::line(format_args!("latency     mean {mean} µs, p50 {p50}, p99 {p99}, p99.9 {p999}, max {max}"))?;
        output::line(format_args!(
            "verdicts    {} CLEAR, {} LISTED, {} UNKNOWN, {} errors",
            shown(clear),
            shown(listed),
            shown(unknown),
            shown(error)
        ))?;
        if listed_elsewhere > 0 {
            output::line(format_args!(
                "            {} LISTED that this population does not list",
                shown(listed_elsewhere)
            ))?;
        }
        if false_clear > 0 {
            output::line(format_args!(
                "            {} CLEAR that this population lists: are its lists loaded?",
                shown(false_clear)
            ))?;
        }
        Ok(())
    }

    /// 1 if nothing was answered or something was answered wrongly: such figures measure nothing.
    pub fn exit_code(&self) -> ExitCode {
        match self.numbers > 0 && self.verdicts.false_clear == 0 {
            true => ExitCode::SUCCESS,
            false => ExitCode::from(1),
        }
    }
}
